"""Features of a cell by the periods of its grid: tilings, and patterns along rows, columns and diagonals."""

from __future__ import annotations

import numpy as np

from solver.search.cells.feature import Family, Plane, colour
from solver.search.compiled import kernel
from solver.search.image import Cells

PERIODS = (
    colour("colour in the smallest tiling", 1.3),
    colour("colour in the period of the row", 1.5),
    colour("colour in the period of the column", 1.5),
    colour("colour in the period along falling diagonals", 1.5),
    colour("colour in the period along rising diagonals", 1.5),
)


@kernel
def consistent(cells: Cells, kind: int, down: int, right: int, colours: Cells) -> bool:
    """Whether all non-zero cells of a class agree; writes the colour of each class (0: unknown) to `colours`.

    kind 0: classes are (row mod down, column mod right); 1: (column - row) mod right; 2: (column + row) mod right.
    """
    height, width = cells.shape
    colours[: down * right] = 0
    for i in range(height):
        for j in range(width):
            c = cells[i, j]
            if c == 0:
                continue
            place = (i % down) * right + j % right
            if kind == 1:
                place = (j - i) % right
            elif kind == 2:
                place = (j + i) % right
            if colours[place] == 0:
                colours[place] = c
            elif colours[place] != c:
                return False
    return True


@kernel
def fill(cells: Cells, kind: int, out: Plane) -> None:
    """Writes the colour of every cell's class in the smallest consistent tiling of a kind, 0 if there is none."""
    height, width = cells.shape
    colours = np.zeros(height * width + height + width, np.int8)
    area = height * width
    best, best_down, best_right = area + 1, 0, 0
    for down in range(1, (height if kind == 0 else 1) + 1):
        for right in range(1, (width if kind == 0 else (height + width) // 2) + 1):
            size = down * right
            repeats = 2 * size <= area if kind == 0 else 3 * size <= height + width
            if size < best and repeats and consistent(cells, kind, down, right, colours):
                best, best_down, best_right = size, down, right
    if best > area:
        return
    consistent(cells, kind, best_down, best_right, colours)
    for i in range(height):
        for j in range(width):
            place = (i % best_down) * best_right + j % best_right
            if kind == 1:
                place = (j - i) % best_right
            elif kind == 2:
                place = (j + i) % best_right
            out[i, j] = colours[place]


@kernel
def periods(cells: Cells, variant: int) -> Plane:
    """The features of PERIODS."""
    height, width = cells.shape
    out = np.zeros((5, height, width), np.int16)
    fill(cells, 0, out[0])
    for i in range(height):
        fill(cells[i : i + 1], 0, out[1, i : i + 1])
    turned = np.ascontiguousarray(cells.T)
    plane = np.zeros((width, height), np.int16)
    for j in range(width):
        fill(turned[j : j + 1], 0, plane[j : j + 1])
    for i in range(height):
        for j in range(width):
            out[2, i, j] = plane[j, i]
    fill(cells, 1, out[3])
    fill(cells, 2, out[4])
    return out


FAMILIES = (Family(periods, PERIODS),)
