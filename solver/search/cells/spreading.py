"""Features of a cell by the special cells that it touches or has in line: features of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solver.search.cells.feature import Feature, Plane
from solver.search.compiled import kernel
from solver.search.image import Cells

SPREAD_COST = 0.7

WAYS = ("touches (4)", "touches (8)", "in line with", "in row with", "in column with")
"""How a cell may stand to a special cell, itself not counted; in line: in its row or column."""


@dataclass(frozen=True, slots=True)
class Special:
    """Cells with this value of a feature; only cells that are not of colour 0 unless `empty`."""

    feature: str
    value: int = 1
    empty: bool = False


SPECIALS = (
    Special("object: largest"),
    Special("object: smallest"),
    Special("object: full rectangle"),
    Special("object: full rectangle", 0),
    Special("object: left-right symmetric"),
    Special("object: up-down symmetric"),
    Special("object: holes", 0),
    Special("object: of this shape"),
    Special("object: most cells of rarer colours"),
    Special("object: in a corner of its box"),
    Special("object: in the centre of its box"),
    Special("8-component: largest"),
    Special("8-component: smallest"),
    Special("8-component: size"),
    Special("8-component: of this colour"),
    Special("8-component: of this shape"),
    Special("midway between what it sees left and right", empty=True),
    Special("midway between what it sees up and down", empty=True),
)


def spread_features(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """The features of `spread`, in its order."""
    costs = {feature.name: feature.cost for feature in features}
    return tuple(
        Feature(f"{way} a cell with {special.feature} = {special.value}", costs[special.feature] + SPREAD_COST)
        for special in SPECIALS
        for way in WAYS
    )


@kernel
def spread(cells: Cells, rows: Plane, values: Plane, empty: Plane) -> Plane:
    """How every cell stands to special cells: int16 [specials * ways, height, width].

    rows: the special features [specials, height, width]; values and empty: of each Special [specials].
    """
    height, width = cells.shape
    count = len(rows)
    out = np.zeros((5 * count, height, width), np.int16)
    for n in range(count):
        in_row, in_column = np.zeros(height, np.int64), np.zeros(width, np.int64)
        for i in range(height):
            for j in range(width):
                if rows[n, i, j] != values[n] or (cells[i, j] == 0 and empty[n] == 0):
                    continue
                in_row[i] += 1
                in_column[j] += 1
                for a in range(max(0, i - 1), min(height, i + 2)):
                    for b in range(max(0, j - 1), min(width, j + 2)):
                        if a != i or b != j:
                            out[5 * n + 1, a, b] = 1
                            if a == i or b == j:
                                out[5 * n, a, b] = 1
        for i in range(height):
            for j in range(width):
                itself = rows[n, i, j] == values[n] and (cells[i, j] != 0 or empty[n] != 0)
                row, column = in_row[i] > itself, in_column[j] > itself
                out[5 * n + 2, i, j] = row or column
                out[5 * n + 3, i, j] = row
                out[5 * n + 4, i, j] = column
    return out
