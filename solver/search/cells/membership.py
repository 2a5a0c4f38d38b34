"""Features of a cell by the connected component that it belongs to, in several notions of component."""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.cells.component_table import NOTIONS, Numbers, boxed, compare, label, measure
from solver.search.cells.feature import Family, Feature, Plane, amount
from solver.search.compiled import kernel
from solver.search.image import Cells

NOTION_COSTS = (0.0, 0.2, 0.1, 0.4)

MEMBERSHIP = (
    amount("size", 1.2),
    amount("height", 1.5),
    amount("width", 1.5),
    Feature("largest", 1.0),
    Feature("smallest", 1.1),
    amount("rank by size", 1.6),
    amount("of this size", 1.8),
    amount("of this shape", 1.5),
    Feature("touches the edge", 1.0),
    Feature("full rectangle", 1.2),
    Feature("square box", 1.4),
    Feature("left-right symmetric", 1.5),
    Feature("up-down symmetric", 1.5),
    amount("holes", 1.2),
    amount("of this colour", 1.8),
    amount("rank from the left", 1.8),
    amount("rank from the top", 1.8),
    amount("rank from the right", 1.9),
    amount("rank from the bottom", 1.9),
    amount("row in it", 1.7),
    amount("row in it from the bottom", 1.8),
    amount("column in it", 1.7),
    amount("column in it from the right", 1.8),
    Feature("on the border of its box", 1.3),
    Feature("in a corner of its box", 1.3),
    Feature("in the centre of its box", 1.5),
    Feature("in the middle row of its box", 1.7),
    Feature("in the middle column of its box", 1.7),
    amount("depth in it", 1.3),
    Feature("depth parity in it", 1.6),
    amount("wider than high", 1.6),
    Feature("size parity", 2.0),
    Feature("parity of the row in it", 1.7),
    Feature("parity of the column in it", 1.7),
    Feature("checkerboard parity in it", 1.7),
    Feature("in its upper half", 1.6),
    Feature("in its left half", 1.6),
    amount("ends in it", 1.7),
    amount("turns in it", 1.8),
    amount("cells of rarer colours in it", 1.7),
    Feature("most cells of rarer colours", 1.8),
    amount("of this shape, turned or mirrored", 1.7),
    amount("colours in it", 1.5),
)
"""All are -1 for a cell that belongs to no component."""


@kernel
def depths(labels: Any) -> Plane:
    """The chessboard distance of every cell from the nearest cell that has a neighbour outside its component."""
    height, width = labels.shape
    out = np.zeros((height, width), np.int16)
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            same = True
            for a in range(i - 1, i + 2):
                for b in range(j - 1, j + 2):
                    same = same and labels[a, b] == labels[i, j]
            if same:
                out[i, j] = 1 + min(min(out[i - 1, j - 1], out[i - 1, j]), min(out[i - 1, j + 1], out[i, j - 1]))
    for i in range(height - 2, 0, -1):
        for j in range(width - 2, 0, -1):
            if out[i, j] > 0:
                near = min(min(out[i + 1, j - 1], out[i + 1, j]), min(out[i + 1, j + 1], out[i, j + 1]))
                out[i, j] = min(out[i, j], 1 + near)
    return out


@kernel
def symmetry(cells: Cells, labels: Any, table: Numbers) -> Numbers:
    """Whether each component, its colours included, is left-right and up-down symmetric (int64 [components + 1, 2])."""
    height, width = cells.shape
    out = np.ones((len(table), 2), np.int64)
    for i in range(height):
        for j in range(width):
            n = labels[i, j]
            if n == 0:
                continue
            a, b = table[n, 1] + table[n, 3] - i, table[n, 2] + table[n, 4] - j
            if labels[i, b] != n or cells[i, b] != cells[i, j]:
                out[n, 0] = 0
            if labels[a, j] != n or cells[a, j] != cells[i, j]:
                out[n, 1] = 0
    return out


@kernel
def place(labels: Any, table: Numbers, among: Numbers, even: Numbers, depth: Plane) -> Plane:
    """The features of MEMBERSHIP from what the other functions give."""
    height, width = labels.shape
    out = np.full((43, height, width), -1, np.int16)
    for i in range(height):
        for j in range(width):
            n = labels[i, j]
            if n == 0:
                continue
            top, left, bottom, right = table[n, 1], table[n, 2], table[n, 3], table[n, 4]
            a, b = bottom - top + 1, right - left + 1
            y, x = i - top, j - left
            out[0, i, j] = table[n, 0]
            out[1, i, j] = a
            out[2, i, j] = b
            for k in range(5):
                out[3 + k, i, j] = among[n, k]
            out[8, i, j] = table[n, 5]
            out[9, i, j] = table[n, 0] == a * b
            out[10, i, j] = a == b
            out[11, i, j] = even[n, 0]
            out[12, i, j] = even[n, 1]
            out[13, i, j] = table[n, 11]
            for k in range(5):
                out[14 + k, i, j] = among[n, 5 + k]
            out[19, i, j] = y
            out[20, i, j] = bottom - i
            out[21, i, j] = x
            out[22, i, j] = right - j
            end_row, end_column = i in (top, bottom), j in (left, right)
            out[23, i, j] = end_row or end_column
            out[24, i, j] = end_row and end_column
            middle_row, middle_column = abs(2 * i - top - bottom) <= 1, abs(2 * j - left - right) <= 1
            out[25, i, j] = middle_row and middle_column
            out[26, i, j] = middle_row
            out[27, i, j] = middle_column
            out[28, i, j] = depth[i, j]
            out[29, i, j] = depth[i, j] % 2
            out[30, i, j] = 1 if b > a else (0 if a == b else -1)
            out[31, i, j] = table[n, 0] % 2
            out[32, i, j] = y % 2
            out[33, i, j] = x % 2
            out[34, i, j] = (y + x) % 2
            out[35, i, j] = 2 * y < a
            out[36, i, j] = 2 * x < b
            out[37, i, j] = table[n, 13]
            out[38, i, j] = table[n, 14]
            out[39, i, j] = table[n, 15]
            out[40, i, j] = among[n, 10]
            out[41, i, j] = among[n, 11]
            out[42, i, j] = table[n, 10]
    return out


def membership(cells: Cells, variant: int) -> Plane:
    """The features of MEMBERSHIP in one of NOTIONS."""
    labels, count = label(cells, variant)
    table = measure(cells, labels, count)
    even, depth = symmetry(cells, labels, table), depths(labels)
    return place(boxed(labels, table) if variant == 3 else labels, table, compare(table), even, depth)


def in_notion(features: tuple[Feature, ...], variant: int) -> tuple[Feature, ...]:
    """The features of one of NOTIONS, with its name and cost."""
    notion, extra = NOTIONS[variant], NOTION_COSTS[variant]
    return tuple(Feature(f"{notion}: {f.name}", f.cost + extra, f.copies, f.ordered) for f in features)


FAMILIES = tuple(Family(membership, in_notion(MEMBERSHIP, variant), variant) for variant in range(len(NOTIONS)))
