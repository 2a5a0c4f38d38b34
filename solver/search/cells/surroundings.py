"""Features of a cell by its place in the grid, its neighbours, and what it sees along straight lines.

Knows nothing of components. Cells outside the grid have the colour -1.
"""

from __future__ import annotations

import numpy as np

from solver.search.cells.feature import Family, Feature, Plane, amount, colour
from solver.search.compiled import kernel
from solver.search.image import Cells

DIRECTIONS = ("up", "down", "left", "right", "up-left", "up-right", "down-left", "down-right")
AXES = ("vertically", "horizontally", "along the main diagonal", "along the other diagonal")
COLOURS = range(1, 10)

POSITION = (
    amount("row", 1.8),
    amount("row from the bottom", 1.9),
    amount("column", 1.8),
    amount("column from the right", 1.9),
    Feature("row parity", 1.3),
    Feature("column parity", 1.3),
    Feature("checkerboard parity", 1.3),
    Feature("row mod 3", 1.7),
    Feature("column mod 3", 1.7),
    Feature("row plus column mod 3", 1.9),
    Feature("row minus column mod 3", 1.9),
    amount("ring", 1.5),
    Feature("ring parity", 1.6),
    Feature("on the edge", 1.0),
    Feature("in a corner", 1.3),
    Feature("on the main diagonal", 1.4),
    Feature("on the other diagonal", 1.4),
    Feature("in the middle row", 1.6),
    Feature("in the middle column", 1.6),
    amount("height", 2.0),
    amount("width", 2.0),
    Feature("row parity from the bottom", 1.5),
    Feature("column parity from the right", 1.5),
)

OFFSETS = tuple((i, j) for i in range(-2, 3) for j in range(-2, 3) if (i, j) != (0, 0) and abs(i) != 3 - abs(j))
"""Neighbours at distance 1 and, straight and diagonally, at distance 2."""

NEIGHBOURS = (
    colour("colour", 0.5),
    *(colour(f"colour at {i:+d},{j:+d}", 1.3 if max(abs(i), abs(j)) == 1 else 1.8) for i, j in OFFSETS),
    amount("same-coloured among 8 neighbours", 1.4),
    amount("same-coloured among 4 neighbours", 1.3),
    amount("same-coloured among diagonal neighbours", 1.8),
    amount("non-zero among 8 neighbours", 1.4),
    amount("non-zero among 4 neighbours", 1.3),
    amount("non-zero among diagonal neighbours", 1.8),
    amount("colours among 8 neighbours", 1.8),
    amount("colours among 4 neighbours", 1.8),
    colour("most common colour of 8 neighbours", 1.4),
    colour("most common colour of 4 neighbours", 1.4),
    *(Feature(f"touches {c} (8)", 1.3) for c in COLOURS),
    *(Feature(f"touches {c} (4)", 1.2) for c in COLOURS),
    amount("differently coloured among 8 neighbours", 1.5),
    amount("differently coloured among 4 neighbours", 1.4),
    amount("differently coloured among diagonal neighbours", 1.9),
)

SIGHT = (
    *(colour(f"colour seen {d}", 1.2 if n < 4 else 1.5) for n, d in enumerate(DIRECTIONS)),
    *(colour(f"other colour seen {d}", 1.6 if n < 4 else 2.0) for n, d in enumerate(DIRECTIONS)),
    *(amount(f"distance seen {d}", 2.0) for d in DIRECTIONS[:4]),
    *(Feature(f"own colour seen {d}", 1.5 if n < 4 else 1.9) for n, d in enumerate(DIRECTIONS)),
    *(colour(f"colour on both sides {a}", 1.1 if n < 2 else 1.4) for n, a in enumerate(AXES)),
    colour("colour on both sides along rows or columns", 1.2),
    colour("colour on both sides along diagonals", 1.6),
    amount("straight directions that see something", 1.4),
    amount("diagonal directions that see something", 1.8),
    amount("directions that see something", 1.6),
    colour("colour seen in some straight direction", 1.3),
    colour("colour seen in some diagonal direction", 1.5),
    amount("colours seen straight", 1.8),
    colour("most seen colour", 1.6),
    *(Feature(f"sees {c} straight", 1.4) for c in COLOURS),
    *(Feature(f"sees {c} diagonally", 1.7) for c in COLOURS),
    *(colour(f"next colour {d}", 1.5) for d in DIRECTIONS[:4]),
    Feature("midway between what it sees left and right", 1.6),
    Feature("midway between what it sees up and down", 1.6),
)


@kernel
def position(cells: Cells, variant: int) -> Plane:
    """The features of POSITION."""
    height, width = cells.shape
    out = np.zeros((23, height, width), np.int16)
    for i in range(height):
        for j in range(width):
            ring = min(min(i, height - 1 - i), min(j, width - 1 - j))
            out[0, i, j] = i
            out[1, i, j] = height - 1 - i
            out[2, i, j] = j
            out[3, i, j] = width - 1 - j
            out[4, i, j] = i % 2
            out[5, i, j] = j % 2
            out[6, i, j] = (i + j) % 2
            out[7, i, j] = i % 3
            out[8, i, j] = j % 3
            out[9, i, j] = (i + j) % 3
            out[10, i, j] = (i - j) % 3
            out[11, i, j] = ring
            out[12, i, j] = ring % 2
            out[13, i, j] = ring == 0
            out[14, i, j] = (i == 0 or i == height - 1) and (j == 0 or j == width - 1)
            out[15, i, j] = i == j
            out[16, i, j] = i == width - 1 - j
            out[17, i, j] = 2 * i == height - 1
            out[18, i, j] = 2 * j == width - 1
            out[19, i, j] = height
            out[20, i, j] = width
            out[21, i, j] = (height - 1 - i) % 2
            out[22, i, j] = (width - 1 - j) % 2
    return out


@kernel
def neighbours(cells: Cells, variant: int) -> Plane:
    """The features of NEIGHBOURS."""
    height, width = cells.shape
    out = np.zeros((48, height, width), np.int16)
    seen = np.zeros((2, 10), np.int64)
    for i in range(height):
        for j in range(width):
            out[0, i, j] = cells[i, j]
            seen[:] = 0
            k = 1
            for di in range(-2, 3):
                for dj in range(-2, 3):
                    if (di == 0 and dj == 0) or abs(di) == 3 - abs(dj):
                        continue
                    a, b = i + di, j + dj
                    near = abs(di) < 2 and abs(dj) < 2
                    out[k, i, j] = -1
                    if a >= 0 and b >= 0 and a < height and b < width:
                        c = cells[a, b]
                        out[k, i, j] = c
                        if near:
                            diagonal = di != 0 and dj != 0
                            seen[1 if diagonal else 0, c] += 1
                            if c == cells[i, j]:
                                out[17, i, j] += 1
                                out[19 if diagonal else 18, i, j] += 1
                            else:
                                out[45, i, j] += 1
                                out[47 if diagonal else 46, i, j] += 1
                            if c != 0:
                                out[20, i, j] += 1
                                out[22 if diagonal else 21, i, j] += 1
                    k += 1
            best8, best4 = 0, 0
            for c in range(1, 10):
                straight, all8 = seen[0, c], seen[0, c] + seen[1, c]
                out[23, i, j] += all8 > 0
                out[24, i, j] += straight > 0
                if all8 > best8:
                    best8, out[25, i, j] = all8, c
                if straight > best4:
                    best4, out[26, i, j] = straight, c
                out[26 + c, i, j] = all8 > 0
                out[35 + c, i, j] = straight > 0
    return out


@kernel
def look(cells: Cells, i: int, j: int, di: int, dj: int) -> tuple[int, int, int, int, int]:
    """What is beyond a cell in a direction: the first non-zero colour (0: none), its distance, the first of those that
    differs from the cell's own (0: none), whether the cell's own colour is there, the first that differs (-1: none).
    """
    height, width = cells.shape
    first, distance, other, own, following = 0, 0, 0, 0, -1
    a, b, steps = i + di, j + dj, 1
    while a >= 0 and b >= 0 and a < height and b < width:
        c = int(cells[a, b])
        if c == cells[i, j]:
            own = 1
        elif following < 0:
            following = c
        if c != 0:
            if first == 0:
                first, distance = c, steps
            if other == 0 and c != cells[i, j]:
                other = c
        a, b, steps = a + di, b + dj, steps + 1
    return first, distance, other, own, following


@kernel
def sight(cells: Cells, variant: int) -> Plane:
    """The features of SIGHT."""
    height, width = cells.shape
    steps = np.array(((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)))
    opposite = np.array(((0, 1), (2, 3), (4, 7), (5, 6)))
    out = np.zeros((65, height, width), np.int16)
    seen = np.zeros(10, np.int64)
    for i in range(height):
        for j in range(width):
            seen[:] = 0
            for d in range(8):
                first, distance, other, own, following = look(cells, i, j, steps[d, 0], steps[d, 1])
                out[d, i, j] = first
                out[8 + d, i, j] = other
                if d < 4:
                    out[16 + d, i, j] = distance
                    out[59 + d, i, j] = following
                out[20 + d, i, j] = own
                if first > 0:
                    seen[first] += 1
                    out[34 if d < 4 else 35, i, j] += 1
                    out[36, i, j] += 1
                    if out[37 if d < 4 else 38, i, j] == 0:
                        out[37 if d < 4 else 38, i, j] = first
                    out[(40 if d < 4 else 49) + first, i, j] = 1
            for axis in range(4):
                one, two = out[opposite[axis, 0], i, j], out[opposite[axis, 1], i, j]
                if one == two:
                    out[28 + axis, i, j] = one
                    if one != 0 and out[32 + axis // 2, i, j] == 0:
                        out[32 + axis // 2, i, j] = one
            out[63, i, j] = out[18, i, j] == out[19, i, j] and out[18, i, j] > 0
            out[64, i, j] = out[16, i, j] == out[17, i, j] and out[16, i, j] > 0
            most = 0
            for c in range(1, 10):
                out[39, i, j] += out[40 + c, i, j]
                if seen[c] > most:
                    most, out[40, i, j] = seen[c], c
    return out


FAMILIES = (
    Family(neighbours, NEIGHBOURS),
    Family(position, POSITION),
    Family(sight, SIGHT),
)
