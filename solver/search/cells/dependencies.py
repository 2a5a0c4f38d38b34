"""Finds functional dependencies: one or two features whose values together determine the colour to put out.

Each combination of values has its own predictor. A combination that only a test shows makes a pair useless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from solver.search.cells.cell_table import CellTable
from solver.search.cells.partitions import Partition
from solver.search.compiled import kernel

MOST_COMBINATIONS = 16
"""Larger tables are learned by heart rather than found."""

MOST_VALUES = 12
"""Of a feature in a pair."""


@kernel
def determined(codes: Any, sizes: Any, first: int, candidates: Any, order: Any, allowed: Any, good: Any) -> None:
    """Writes to `good` for every candidate feature whether it and feature `first` together determine a predictor.

    order: the demonstration cells in the order in which to look at them; all further cells are of tests.
    """
    trained = len(order)
    masks = np.empty(256, np.int64)
    known = np.empty(256, np.bool_)
    for n in range(len(candidates)):
        second = candidates[n]
        span = sizes[second]
        masks[: sizes[first] * span] = -1
        known[: sizes[first] * span] = False
        good[n] = False
        combinations, possible = 0, True
        for c in order:
            place = codes[first, c] * span + codes[second, c]
            masks[place] &= allowed[c]
            if not known[place]:
                known[place] = True
                combinations += 1
            if masks[place] == 0 or combinations > 16:
                possible = False
                break
        if possible:
            for c in range(trained, codes.shape[1]):
                if not known[codes[first, c] * span + codes[second, c]]:
                    possible = False
                    break
        good[n] = possible


def probing_order(table: CellTable) -> npt.NDArray[np.int64]:
    """Demonstration cells so arranged that contradictions show early: the rare predictions in turn with the others."""
    trained = table.trained
    kinds = np.unique(table.allowed[0], return_inverse=True)[1].ravel()
    order = np.argsort(kinds, kind="stable")
    starts = np.searchsorted(kinds[order], kinds[order])
    rank = np.arange(trained) - starts
    # Within a kind the cells are spread over the frames by a multiplicative hash, the same in every run.
    shuffled = (order * 40503 % 65521) % 1009
    order = order[np.lexsort((shuffled, kinds[order]))]
    return order[np.argsort(rank, kind="stable")].astype(np.int64)


def as_partition(table: CellTable, features: tuple[int, ...]) -> Partition:
    """Every combination of the features' values is a part."""
    joint = np.zeros(len(table.frame), np.int64)
    for f in features:
        joint = joint * 256 + table.codes[f]
    values, first, parts, counts = np.unique(joint, return_index=True, return_inverse=True, return_counts=True)
    joined: npt.NDArray[np.int16] = parts.ravel().astype(np.int16)
    texts = []
    for cell in first.tolist():
        shown = (int(table.values[table.offsets[f] + table.codes[f, cell]]) for f in features)
        texts.append(
            "if " + " and ".join(f"{table.features[f].name} = {v}" for f, v in zip(features, shown, strict=True))
        )
    default = int(counts.argmax())
    merged = tuple(
        np.where(joined == part, default, joined).astype(np.int16) for part in range(len(values)) if part != default
    )
    cost = sum(table.features[f].cost for f in features)
    return Partition(joined, len(values), tuple(texts), cost, merged, minimal=False)


def search(table: CellTable, expired: Callable[[], bool]) -> Iterator[tuple[int, ...]]:
    """Single features, then pairs, that determine a predictor of the first word; cheap ones first."""
    word = table.allowed[0].view(np.int64)
    sizes = np.diff(table.offsets)
    order = probing_order(table)
    constant = np.zeros((1, table.codes.shape[1]), np.uint8)
    codes = np.concatenate([table.codes, constant])
    sizes = np.append(sizes, 1)
    last = len(codes) - 1
    single = np.zeros(last, np.bool_)
    for f in range(last):
        one = np.zeros(1, np.bool_)
        determined(codes, sizes, f, np.array([last]), order, word, one)
        single[f] = one[0]
        if one[0]:
            yield (f,)
    usable = np.flatnonzero(~single & (sizes[:last] <= MOST_VALUES))
    for n, f in enumerate(usable.tolist()):
        if expired():
            return
        others = usable[n + 1 :]
        good = np.zeros(len(others), np.bool_)
        determined(codes, sizes, f, others, order, word, good)
        for g in others[good].tolist():
            yield (f, g)
