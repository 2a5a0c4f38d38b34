"""Features of a cell by the rows, columns and diagonals it lies on."""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.cells.feature import Family, Feature, Plane, amount, colour
from solver.search.compiled import kernel
from solver.search.image import Cells


def _line(name: str, first: str, last: str) -> tuple[Feature, ...]:
    return (
        colour(f"most common colour of the {name}", 1.5),
        colour(f"most common non-zero colour of the {name}", 1.4),
        amount(f"non-zero in the {name}", 1.5),
        Feature(f"{name} is uniform", 1.4),
        amount(f"colours in the {name}", 1.7),
        amount(f"same-coloured in the {name}", 1.6),
        Feature(f"{name} is one of the fullest", 1.7),
        Feature(f"{name} is a palindrome", 2.0),
        amount(f"{name}s like this {name}", 2.0),
        colour(f"{first} cell of the {name}", 1.4),
        colour(f"{last} cell of the {name}", 1.5),
        colour(f"first non-zero colour of the {name}", 1.6),
        colour(f"last non-zero colour of the {name}", 1.7),
    )


LINES = (*_line("row", "left", "right"), *_line("column", "top", "bottom"))

DIAGONALS = (
    colour("most common non-zero colour of the falling diagonal", 1.6),
    colour("most common non-zero colour of the rising diagonal", 1.6),
    amount("non-zero in the falling diagonal", 1.9),
    amount("non-zero in the rising diagonal", 1.9),
)


@kernel
def tally(line: Cells, counts: Any) -> tuple[int, int, int]:
    """Counts the colours of a line; its most common colour, most common non-zero colour (0: none), colours."""
    counts[:] = 0
    for c in line:
        counts[c] += 1
    best, best_non_zero, colours = 0, 0, 0
    for c in range(10):
        colours += counts[c] > 0
        if counts[c] > counts[best]:
            best = c
        if c > 0 and counts[c] > (0 if best_non_zero == 0 else counts[best_non_zero]):
            best_non_zero = c
    return best, best_non_zero, colours


@kernel
def rows(cells: Cells) -> Plane:
    """The features of LINES for rows."""
    height, width = cells.shape
    out = np.zeros((13, height, width), np.int16)
    counts = np.zeros(10, np.int64)
    fullest = 0
    for i in range(height):
        filled = 0
        for j in range(width):
            filled += cells[i, j] != 0
        fullest = max(fullest, filled)
    for i in range(height):
        best, best_non_zero, colours = tally(cells[i], counts)
        palindrome, alike, first, last = 1, 0, 0, 0
        for j in range(width):
            if cells[i, j] != cells[i, width - 1 - j]:
                palindrome = 0
            if first == 0:
                first = int(cells[i, j])
            if last == 0:
                last = int(cells[i, width - 1 - j])
        for other in range(height):
            same = 1
            for j in range(width):
                if cells[other, j] != cells[i, j]:
                    same = 0
                    break
            alike += same
        for j in range(width):
            out[0, i, j] = best
            out[1, i, j] = best_non_zero
            out[2, i, j] = width - counts[0]
            out[3, i, j] = colours == 1
            out[4, i, j] = colours
            out[5, i, j] = counts[cells[i, j]]
            out[6, i, j] = width - counts[0] == fullest
            out[7, i, j] = palindrome
            out[8, i, j] = alike
            out[9, i, j] = cells[i, 0]
            out[10, i, j] = cells[i, width - 1]
            out[11, i, j] = first
            out[12, i, j] = last
    return out


@kernel
def lines(cells: Cells, variant: int) -> Plane:
    """The features of LINES."""
    height, width = cells.shape
    out = np.empty((26, height, width), np.int16)
    by_rows = rows(cells)
    columns = rows(np.ascontiguousarray(cells.T))
    for k in range(13):
        for i in range(height):
            for j in range(width):
                out[k, i, j] = by_rows[k, i, j]
                out[13 + k, i, j] = columns[k, j, i]
    return out


@kernel
def diagonals(cells: Cells, variant: int) -> Plane:
    """The features of DIAGONALS."""
    height, width = cells.shape
    out = np.zeros((4, height, width), np.int16)
    counts = np.zeros((2, height + width, 10), np.int64)
    for i in range(height):
        for j in range(width):
            counts[0, i - j + width, cells[i, j]] += 1
            counts[1, i + j, cells[i, j]] += 1
    for i in range(height):
        for j in range(width):
            for k in range(2):
                line = i - j + width if k == 0 else i + j
                best = 0
                for c in range(1, 10):
                    out[2 + k, i, j] += counts[k, line, c]
                    if counts[k, line, c] > best:
                        best, out[k, i, j] = counts[k, line, c], c
    return out


FAMILIES = (
    Family(lines, LINES),
    Family(diagonals, DIAGONALS),
)
