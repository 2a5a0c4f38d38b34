"""From a partition of the cells to a rule: what each part puts out, what that costs, what it predicts.

Knows nothing of how partitions are found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solver.search.cells.cell_table import WORD, CellTable

REUSE_COST = 0.1
"""Of a predictor that another part of the same rule puts out already."""

ONE_DEMONSTRATION_COST = 1.5
"""Of a test that only one demonstration needs: a rule learned without that demonstration would not have it, and would
fail there. So this charges for what leaving one demonstration out would show, without learning again."""

CHOICES = 2
"""Predictors of one part that are tried, if they differ at its test cells."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A rule without its outputs. parts: the part of every cell [cells], numbers below `count`; conditions: text, one
    for every part; cost: of telling parts apart; merged: for every test that could be left out, the parts without it;
    minimal: whether a rule is useless if it predicts the demonstrations without one of its tests.
    """

    parts: npt.NDArray[np.int16]
    count: int
    conditions: tuple[str, ...]
    cost: float
    merged: tuple[npt.NDArray[np.int16], ...] = ()
    minimal: bool = True

    def text(self, table: CellTable, chosen: Sequence[int]) -> str:
        """The rule with the chosen predictor of every part (-1: none); of a table, what most entries say comes last."""
        said = [(c, table.predictors[k].name) for c, k in zip(self.conditions, chosen, strict=True) if k >= 0]
        if not self.minimal:
            usual = Counter(name for _, name in said).most_common(1)[0][0]
            said = [*((c, name) for c, name in said if name != usual), ("else", usual)]
        return "; ".join(f"{c}: {name}" for c, name in said)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A rule's outputs for all test cells [cells - trained], its text and its cost."""

    output: npt.NDArray[np.int8]
    text: str
    cost: float


def options(table: CellTable, known: npt.NDArray[np.bool_]) -> list[int]:
    """The predictors that are right at all these demonstration cells [trained], cheapest first."""
    words = np.bitwise_and.reduce(table.allowed[:, known], axis=1)
    numbers = [w * WORD + b for w, word in enumerate(words.tolist()) if word for b in range(WORD) if word >> b & 1]
    return sorted((k for k in numbers if k < len(table.predictors)), key=lambda k: (table.predictors[k].cost, k))


def different(table: CellTable, part: npt.NDArray[np.bool_]) -> list[int]:
    """The cheapest of a part's `options` that have different colours at its test cells, at most CHOICES.

    [-1] if the part has no cell; none if it has no demonstration cell or nothing to put out.
    """
    known, asked = part[: table.trained], part[table.trained :]
    if not known.any():
        return [] if asked.any() else [-1]
    chosen: dict[bytes, int] = {}
    for k in options(table, known):
        output = table.predicted[k, table.trained :][asked]
        if (output >= 0).all():
            chosen.setdefault(output.tobytes(), k)
            if len(chosen) == CHOICES:
                break
    return list(chosen.values())


def predict(table: CellTable, partition: Partition) -> list[Prediction]:
    """The predictions of a partition: with the cheapest output of every part, then with one part's next choices.

    Empty if some part has no output.
    """
    found = [different(table, partition.parts == part) for part in range(partition.count)]
    if not all(found):
        return []
    first = [choices[0] for choices in found]
    ways = [first]
    for part, choices in enumerate(found):
        ways += [[*first[:part], choice, *first[part + 1 :]] for choice in choices[1:]]
    results = []
    for chosen in ways:
        cost = charge(table, partition, chosen)
        if cost is not None:
            output = _output(table, partition.parts, chosen)[table.trained :]
            results.append(Prediction(output, partition.text(table, chosen), cost))
    return results


def charge(table: CellTable, partition: Partition, chosen: Sequence[int]) -> float | None:
    """What a partition costs with the chosen predictor of every part (-1: none); None if a test is superfluous."""
    cost, used = partition.cost, set[int]()
    for k in chosen:
        if k >= 0:
            cost += min(REUSE_COST, table.predictors[k].cost) if k in used else table.predictors[k].cost
            used.add(k)
    frame = table.frame[: table.trained]
    for parts in partition.merged:
        wrong = _output(table, parts[: table.trained], chosen) != table.targets
        needed = int((np.bincount(frame[wrong]) > 0).sum())
        if needed == 0 and partition.minimal:
            return None
        if needed == 1 < table.demonstrations:
            cost += ONE_DEMONSTRATION_COST
    return cost


def _output(table: CellTable, parts: npt.NDArray[np.int16], chosen: Sequence[int]) -> npt.NDArray[np.int8]:
    """What the first cells put out, those that `parts` tells the parts of."""
    output: npt.NDArray[np.int8] = table.predicted[np.array(chosen)[parts], np.arange(len(parts))]
    return output
