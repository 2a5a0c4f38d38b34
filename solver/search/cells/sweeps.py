"""Rules that sweep over a grid from one corner and also read what they have put out already.

So lines grow, bounce and alternate, which no rule that looks at the input alone can say. Learned as any decision list,
with the outputs of the cells before as further features; the demonstrations are fitted exactly, so a sweep over their
inputs gives their outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from solver.search.cells.cell_table import WORD, CellTable, Predictor, pack
from solver.search.cells.decision_lists import Literals, as_partition, learn
from solver.search.cells.feature import colour
from solver.search.cells.partitions import Partition, Prediction, charge, options
from solver.search.compiled import kernel

BEFORE = ((-1, 0), (0, -1), (-1, -1), (-1, 1), (-2, 0), (0, -2), (-2, -2), (-2, 2), (-3, 0), (0, -3))
"""Cells that a sweep from the top left, row by row, has put out before; mirrored and transposed for other sweeps."""

BEFORE_COSTS = (1.2, 1.2, 1.2, 1.4, 1.7, 1.7, 1.7, 1.8, 1.8, 1.8)

SWEEP_COST = 0.5

DEAREST = 1.6
"""Other features that cost more are left to rules without a sweep."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """An order of the cells: from the top or the bottom, from the left or the right, by rows or by columns."""

    bottom: bool
    right: bool
    by_columns: bool

    @property
    def name(self) -> str:
        corner = f"{'bottom' if self.bottom else 'top'} {'right' if self.right else 'left'}"
        return f"sweep from the {corner} by {'columns' if self.by_columns else 'rows'}"


SWEEPS = tuple(Sweep(b, r, c) for c in (False, True) for b in (False, True) for r in (False, True))


@kernel
def arrange(shapes: Any, bottom: bool, right: bool, by_columns: bool, before: Any, sources: Any, order: Any) -> None:
    """Writes the cells in the order of a sweep, and for every cell (-1: none) those of BEFORE [len(before), cells]."""
    start, count = 0, 0
    for n in range(len(shapes)):
        height, width = shapes[n, 0], shapes[n, 1]
        for place in range(height * width):
            y, x = (place % height, place // height) if by_columns else (place // width, place % width)
            i = height - 1 - y if bottom else y
            j = width - 1 - x if right else x
            cell = start + i * width + j
            order[count] = cell
            count += 1
            for k in range(len(before)):
                p, q = before[k, 0], before[k, 1]
                if by_columns:
                    p, q = q, p
                a = i - p if bottom else i + p
                b = j - q if right else j + q
                sources[k, cell] = start + a * width + b if 0 <= a < height and 0 <= b < width else -1
        start += height * width


@kernel
def roll(tests: Any, values: Any, chosen: Any, predicted: Any, sources: Any, order: Any, out: Any) -> bool:
    """Writes a rule's output to `out` [cells], cell by cell in the order of a sweep; False if it has none somewhere.

    tests: rows feature, sign, value; features after those of `values` [features, cells] are those of `sources`;
    chosen: of every part, the predictor, as a row of `predicted` or, negative, as ~source.
    """
    static = len(values)
    for cell in order:
        part = len(tests)
        for n in range(len(tests)):
            f, sign, value = tests[n, 0], tests[n, 1], tests[n, 2]
            if f < static:
                shown = int(values[f, cell])
            else:
                source = sources[f - static, cell]
                shown = int(out[source]) if source >= 0 else -1
            true = (shown == value) == (sign == 0) if sign < 2 else (shown <= value) == (sign == 2)
            if true:
                part = n
                break
        if chosen[part] >= 0:
            out[cell] = predicted[chosen[part], cell]
        else:
            source = sources[~chosen[part], cell]
            out[cell] = out[source] if source >= 0 else -1
        if out[cell] < 0:
            return False
    return True


def extend(table: CellTable, keep: npt.NDArray[np.int64], sources: npt.NDArray[np.int64]) -> CellTable:
    """The table of the features `keep` and, after them, the outputs before, which are not known of the tests."""
    trained = table.trained
    outputs = np.full(len(table.frame) + 1, -1, np.int8)
    outputs[:trained] = table.targets
    # The last entry is what a cell outside the grid (-1) reads.
    before = outputs[sources]
    features = tuple(colour(f"output at {i:+d},{j:+d}", c) for (i, j), c in zip(BEFORE, BEFORE_COSTS, strict=True))
    count = min(len(table.predictors), WORD - len(BEFORE))
    predicted = np.concatenate([table.predicted[:count], before])
    sizes = np.concatenate([np.diff(table.offsets)[keep], np.full(len(BEFORE), 11)])
    values = [table.values[table.offsets[f] : table.offsets[f + 1]] for f in keep]
    return replace(
        table,
        features=(*(table.features[f] for f in keep), *features),
        codes=np.concatenate([table.codes[keep], (before + 1).astype(np.uint8)]),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        values=np.concatenate([*values, *[np.arange(-1, 10, dtype=np.int16)] * len(BEFORE)]),
        predictors=(*table.predictors[:count], *(Predictor(f.name, f.cost) for f in features)),
        predicted=predicted,
        allowed=pack(predicted[:, :trained] == table.targets),
    )


def search(table: CellTable, depth: int, width: int, most: int, expired: Callable[[], bool]) -> Iterator[Prediction]:
    """Predictions of sweeps, of at most `most` rules of each; only of rules that read outputs."""
    keep = np.array([f for f, feature in enumerate(table.features) if feature.cost <= DEAREST], np.int64)
    whole = np.empty((len(keep), len(table.frame)), np.int16)
    for row, f in enumerate(keep):
        whole[row] = table.values[table.offsets[f] :][table.codes[f]]
    for sweep in SWEEPS:
        if expired():
            return
        sources = np.empty((len(BEFORE), len(table.frame)), np.int64)
        order = np.empty(len(table.frame), np.int64)
        shapes, before = np.array(table.shapes), np.array(BEFORE)
        arrange(shapes, sweep.bottom, sweep.right, sweep.by_columns, before, sources, order)
        extended = extend(table, keep, sources)
        asked = order[order >= table.trained]
        for literals, cost in learn(extended, depth, width, most, expired):
            prediction = _apply(extended, literals, cost, whole, sources, asked)
            if prediction is not None:
                yield replace(prediction, text=f"{sweep.name}: {prediction.text}")


def _apply(
    table: CellTable, literals: Literals, cost: float, whole: Any, sources: Any, asked: Any
) -> Prediction | None:
    """What a rule predicts if it reads outputs; None if it reads none or has no prediction."""
    partition = as_partition(table, literals, cost + SWEEP_COST)
    chosen = _choose(table, partition)
    first = len(table.predictors) - len(BEFORE)
    if all(literal.feature < len(whole) for literal in literals) and max(chosen) < first:
        return None
    total = charge(table, partition, chosen)
    if total is None:
        return None
    codes = [(literal.feature, literal.sign, literal.code) for literal in literals]
    tests = np.array([(f, sign, table.values[table.offsets[f] + code]) for f, sign, code in codes], np.int64)
    rows = np.array([k if k < first else ~(k - first) for k in chosen])
    out = np.full(len(table.frame), -1, np.int8)
    if not roll(tests.reshape(-1, 3), whole, rows, table.predicted, sources, asked, out):
        return None
    return Prediction(out[table.trained :], partition.text(table, chosen), total)


def _choose(table: CellTable, partition: Partition) -> list[int]:
    """The cheapest predictor of every part. What the test cells of a part put out is not known yet."""
    known = partition.parts[: table.trained]
    return [options(table, known == part)[0] for part in range(partition.count)]
