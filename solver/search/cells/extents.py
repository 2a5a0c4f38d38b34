"""Features of a cell by what is nearest to it, what reaches it, and the squares, rectangles and boxes that hold it."""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.cells.feature import Family, Feature, Plane, amount, colour
from solver.search.compiled import kernel
from solver.search.image import Cells

NEAREST = (
    colour("nearest non-zero colour", 1.5),
    amount("steps to the nearest non-zero cell", 1.7),
    Feature("parity of the steps to the nearest non-zero cell", 1.8),
    colour("nearest non-zero colour, diagonal steps allowed", 1.5),
    amount("king's moves to the nearest non-zero cell", 1.7),
    Feature("parity of the king's moves to the nearest non-zero cell", 1.8),
    colour("nearest other non-zero colour", 1.6),
    amount("steps from the least common colour through 0", 1.8),
    Feature("parity of the steps from the least common colour through 0", 1.8),
)

EXTENTS = (
    amount("side of the largest square of its colour", 1.5),
    Feature("in a largest rectangle of its colour", 1.5),
    colour("colour whose box holds it", 1.6),
    colour("colour at the corners of a rectangle around it", 1.5),
)

MOST_RECTANGLES = 200
"""Grids with more rectangles of like corners than that are noise."""


@kernel
def nearest(cells: Cells, variant: int) -> Plane:
    """The features of NEAREST. A nearest colour is 0 where different ones are equally near."""
    height, width = cells.shape
    out = np.zeros((9, height, width), np.int16)
    for kind in range(3):
        for i in range(height):
            for j in range(width):
                best, found = 1000, 0
                for a in range(height):
                    if abs(a - i) > best:
                        continue
                    for b in range(width):
                        c = int(cells[a, b])
                        if c == 0 or (kind == 2 and c == cells[i, j]):
                            continue
                        steps = max(abs(a - i), abs(b - j)) if kind == 1 else abs(a - i) + abs(b - j)
                        if steps < best:
                            best, found = steps, c
                        elif steps == best and found != c:
                            found = 0
                out[3 * kind, i, j] = found
                if kind < 2:
                    out[3 * kind + 1, i, j] = best if best < 1000 else -1
                    out[3 * kind + 2, i, j] = best % 2 if best < 1000 else -1
    reach(cells, out[7])
    for i in range(height):
        for j in range(width):
            out[8, i, j] = out[7, i, j] % 2 if out[7, i, j] >= 0 else -1
    return out


@kernel
def reach(cells: Cells, out: Plane) -> None:
    """Writes the length of the shortest path of 4-connected cells of colour 0 from a cell of the least common non-zero
    colour; -1 if there is none.
    """
    height, width = cells.shape
    counts = np.zeros(10, np.int64)
    for i in range(height):
        for j in range(width):
            counts[cells[i, j]] += 1
    seed = 0
    for c in range(1, 10):
        if counts[c] > 0 and (seed == 0 or counts[c] < counts[seed]):
            seed = c
    queue = np.empty(height * width, np.int64)
    head, tail = 0, 0
    for i in range(height):
        for j in range(width):
            out[i, j] = -1
            if seed > 0 and cells[i, j] == seed:
                out[i, j] = 0
                queue[tail] = i * width + j
                tail += 1
    while head < tail:
        i, j = queue[head] // width, queue[head] % width
        head += 1
        for d in range(4):
            a = i + (1 if d == 0 else (-1 if d == 1 else 0))
            b = j + (1 if d == 2 else (-1 if d == 3 else 0))
            if 0 <= a < height and 0 <= b < width and cells[a, b] == 0 and out[a, b] < 0:
                out[a, b] = out[i, j] + 1
                queue[tail] = a * width + b
                tail += 1


@kernel
def squares(cells: Cells, out: Plane) -> None:
    """Writes the side of the largest square of one colour that holds each cell."""
    height, width = cells.shape
    side = np.ones((height, width), np.int64)
    for i in range(height):
        for j in range(width):
            if i > 0 and j > 0:
                c = cells[i, j]
                if cells[i - 1, j] == c and cells[i, j - 1] == c and cells[i - 1, j - 1] == c:
                    side[i, j] = 1 + min(side[i - 1, j - 1], min(side[i - 1, j], side[i, j - 1]))
            for a in range(i - side[i, j] + 1, i + 1):
                for b in range(j - side[i, j] + 1, j + 1):
                    out[a, b] = max(out[a, b], side[i, j])


@kernel
def rectangles(cells: Cells, out: Plane) -> None:
    """Writes 1 where a cell lies in a rectangle of one colour than which the grid has none larger of that colour."""
    height, width = cells.shape
    largest = np.zeros(10, np.int64)
    for mark in range(2):
        for top in range(height):
            alive = np.ones(width, np.bool_)
            for bottom in range(top, height):
                start = 0
                for j in range(width + 1):
                    if j < width and cells[bottom, j] != cells[top, j]:
                        alive[j] = False
                    if j == width or not alive[j] or (j > start and cells[top, j] != cells[top, start]):
                        area = (j - start) * (bottom - top + 1)
                        if area > 0 and mark == 0:
                            largest[cells[top, start]] = max(largest[cells[top, start]], area)
                        elif area > 0 and area == largest[cells[top, start]]:
                            out[top : bottom + 1, start:j] = 1
                        start = j if j < width and alive[j] else j + 1


@kernel
def boxes(cells: Cells, out: Plane) -> None:
    """Writes the non-zero colour with the smallest box around all its cells, of those whose box holds the cell."""
    height, width = cells.shape
    box = np.zeros((10, 4), np.int64)
    box[:, 0] = height
    box[:, 1] = width
    box[:, 2:] = -1
    for i in range(height):
        for j in range(width):
            c = cells[i, j]
            box[c, 0] = min(box[c, 0], i)
            box[c, 1] = min(box[c, 1], j)
            box[c, 2] = max(box[c, 2], i)
            box[c, 3] = max(box[c, 3], j)
    for i in range(height):
        for j in range(width):
            best = height * width + 1
            for c in range(1, 10):
                area = (box[c, 2] - box[c, 0] + 1) * (box[c, 3] - box[c, 1] + 1)
                if box[c, 0] <= i <= box[c, 2] and box[c, 1] <= j <= box[c, 3] and area < best:
                    best, out[i, j] = area, c


@kernel
def corners(cells: Cells, out: Plane) -> None:
    """Writes the colour of four like non-zero cells at the corners of a rectangle with the cell strictly inside."""
    height, width = cells.shape
    count = 0
    for i in range(height):
        for j in range(width):
            c = cells[i, j]
            if c == 0:
                continue
            for b in range(j + 2, width):
                if cells[i, b] != c:
                    continue
                for a in range(i + 2, height):
                    if cells[a, j] == c and cells[a, b] == c:
                        count += 1
                        if count > 200:
                            out[:] = 0
                            return
                        out[i + 1 : a, j + 1 : b] = c


@kernel
def extents(cells: Cells, variant: int) -> Plane:
    """The features of EXTENTS."""
    height, width = cells.shape
    out = np.zeros((4, height, width), np.int16)
    squares(cells, out[0])
    rectangles(cells, out[1])
    boxes(cells, out[2])
    corners(cells, out[3])
    return out


FAMILIES: tuple[Any, ...] = (
    Family(nearest, NEAREST),
    Family(extents, EXTENTS),
)
