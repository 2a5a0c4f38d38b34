"""Features of a cell by the panels that separator lines cut its grid into."""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.cells.feature import Family, Feature, Plane, amount, colour
from solver.search.compiled import kernel
from solver.search.image import Cells

PANELS = (
    Feature("on a separator", 1.5),
    amount("row of the panel", 1.8),
    amount("column of the panel", 1.8),
    amount("row in the panel", 1.8),
    amount("column in the panel", 1.8),
    amount("non-zero in the panel", 1.6),
    Feature("panel is the fullest", 1.5),
    Feature("panel is the emptiest", 1.6),
    colour("most common non-zero colour of the panel", 1.5),
    amount("colours in the panel", 1.8),
    colour("colour there in the fullest panel", 1.6),
    colour("colour there in some panel", 1.6),
    colour("colour of the panel that lies there", 1.8),
    colour("colour in the fullest panel where this panel lies", 1.8),
    colour("colour of the separator", 1.7),
    colour("panel colour on both sides horizontally", 1.6),
    colour("panel colour on both sides vertically", 1.6),
    colour("panel colour on both sides", 1.6),
)


@kernel
def separators(cells: Cells, separator: int) -> tuple[Any, int]:
    """For every row: the number of its panel, -1 if all of it is of the separator's colour; the number of panels."""
    height, width = cells.shape
    panel = np.zeros(height, np.int64)
    count, inside = 0, False
    for i in range(height):
        line = True
        for j in range(width):
            line = line and cells[i, j] == separator
        if line:
            panel[i] = -1
        else:
            count += not inside
            panel[i] = count - 1
        inside = not line
    return panel, count


@kernel
def between(line: Any, place: int) -> int:
    """The colour that is nearest on both sides of a place of a line if it is the same; else 0."""
    one, two = 0, 0
    for k in range(place - 1, -1, -1):
        if line[k] != 0:
            one = int(line[k])
            break
    for k in range(place + 1, len(line)):
        if line[k] != 0:
            two = int(line[k])
            break
    return one if one == two else 0


@kernel
def panels(cells: Cells, variant: int) -> Plane:
    """The features of PANELS; all -1 (colours 0) if there are no separator lines that make at least two panels."""
    height, width = cells.shape
    out = np.full((18, height, width), -1, np.int16)
    for k in (8, 10, 11, 12, 13, 14, 15, 16, 17):
        out[k] = 0
    turned = np.ascontiguousarray(cells.T)
    separator, down, right = 0, 1, 1
    for c in range(1, 10):
        d, r = separators(cells, c)[1], separators(turned, c)[1]
        if d > 0 and r > 0 and d * r > down * right:
            separator, down, right = c, d, r
    if separator == 0:
        return out
    row_panel, _ = separators(cells, separator)
    column_panel, _ = separators(turned, separator)
    counts = np.zeros((down, right, 10), np.int64)
    top = np.full(down, height)
    left = np.full(right, width)
    for i in range(height):
        for j in range(width):
            p, q = row_panel[i], column_panel[j]
            if p >= 0 and q >= 0:
                counts[p, q, cells[i, j]] += 1
                top[p] = min(top[p], i)
                left[q] = min(left[q], j)
    filled = np.zeros((down, right), np.int64)
    major = np.zeros((down, right), np.int64)
    most, least, best_p, best_q = -1, height * width, 0, 0
    for p in range(down):
        for q in range(right):
            best = 0
            for c in range(1, 10):
                filled[p, q] += counts[p, q, c]
                if counts[p, q, c] > best:
                    best, major[p, q] = counts[p, q, c], c
            least = min(least, filled[p, q])
            if filled[p, q] > most:
                most, best_p, best_q = filled[p, q], p, q
    for i in range(height):
        for j in range(width):
            p, q = row_panel[i], column_panel[j]
            out[14, i, j] = separator
            out[0, i, j] = p < 0 or q < 0
            if p < 0 or q < 0:
                continue
            a, b = i - top[p], j - left[q]
            out[1, i, j] = p
            out[2, i, j] = q
            out[3, i, j] = a
            out[4, i, j] = b
            out[5, i, j] = filled[p, q]
            out[6, i, j] = filled[p, q] == most
            out[7, i, j] = filled[p, q] == least
            out[8, i, j] = major[p, q]
            out[9, i, j] = 0
            for c in range(1, 10):
                out[9, i, j] += counts[p, q, c] > 0
            y, x = top[best_p] + a, left[best_q] + b
            if y < height and x < width and row_panel[y] == best_p and column_panel[x] == best_q:
                out[10, i, j] = cells[y, x]
            for n in range(down):
                for m in range(right):
                    y, x = top[n] + a, left[m] + b
                    if out[11, i, j] == 0 and y < height and x < width and row_panel[y] == n and column_panel[x] == m:
                        out[11, i, j] = cells[y, x]
            if a < down and b < right:
                out[12, i, j] = major[a, b]
            out[15, i, j] = between(major[p], q)
            out[16, i, j] = between(major[:, q], p)
            out[17, i, j] = out[15, i, j] if out[15, i, j] > 0 else out[16, i, j]
            y, x = top[best_p] + p, left[best_q] + q
            if y < height and x < width and row_panel[y] == best_p and column_panel[x] == best_q:
                out[13, i, j] = cells[y, x]
    return out


FAMILIES = (Family(panels, PANELS),)
