"""Features of a cell by what its connected component has to do with its surroundings and with other components."""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.cells.component_table import NOTIONS, Numbers, boxed, label, measure
from solver.search.cells.feature import Family, Plane, amount, colour
from solver.search.cells.membership import in_notion
from solver.search.compiled import kernel
from solver.search.image import Cells

RELATIONS = (
    colour("most common adjacent colour", 1.3),
    colour("enclosing colour", 1.3),
    amount("adjacent colours", 1.8),
    colour("least common adjacent colour", 1.5),
    colour("most common colour in it", 1.2),
    colour("least common colour in it", 1.3),
    colour("colour of its twin", 1.6),
    colour("colour of its turned or mirrored twin", 1.7),
    colour("mirrored left-right in its box", 1.5),
    colour("mirrored up-down in its box", 1.5),
    colour("half turned in its box", 1.6),
    colour("transposed in its box", 1.7),
    colour("colour seen up from it", 1.5),
    colour("colour seen down from it", 1.5),
    colour("colour seen left from it", 1.5),
    colour("colour seen right from it", 1.5),
    colour("colour there in the most colourful", 1.6),
    colour("colour there in the largest", 1.7),
)
"""All are 0 for a cell that belongs to no component."""


@kernel
def adjacency(cells: Cells, labels: Any, count: int) -> Numbers:
    """For every component: most common non-zero colour of adjacent cells, enclosing colour, adjacent colours, least
    common non-zero colour of adjacent cells if there are several.

    Adjacent cells are the 4 neighbours outside; a component is enclosed if it does not touch the edge and all its
    adjacent cells have one colour.
    """
    height, width = cells.shape
    touch = np.zeros((count + 1, 10), np.int64)
    outside = np.zeros(count + 1, np.bool_)
    for i in range(height):
        for j in range(width):
            n = labels[i, j]
            for d in range(4):
                a = i + (1 if d == 0 else (-1 if d == 1 else 0))
                b = j + (1 if d == 2 else (-1 if d == 3 else 0))
                if a < 0 or b < 0 or a >= height or b >= width:
                    outside[n] = True
                elif labels[a, b] != n:
                    touch[n, cells[a, b]] += 1
    out = np.zeros((count + 1, 4), np.int64)
    for n in range(1, count + 1):
        most, least = 0, 0
        for c in range(1, 10):
            out[n, 2] += touch[n, c] > 0
            if touch[n, c] > most:
                most, out[n, 0] = touch[n, c], c
            if touch[n, c] > 0 and (least == 0 or touch[n, c] < least):
                least, out[n, 3] = touch[n, c], c
        if out[n, 2] < 2:
            out[n, 3] = 0
        if not outside[n] and out[n, 2] == 1 and touch[n, 0] == 0:
            out[n, 1] = out[n, 0]
    return out


@kernel
def seen_from(cells: Cells, labels: Any, count: int) -> Numbers:
    """The first non-zero colours that the components see up, down, left and right of them (int64 [count + 1, 4]).

    The first of its cells in reading order that sees something decides. Components of colour 0 see nothing.
    """
    height, width = cells.shape
    out = np.zeros((count + 1, 4), np.int64)
    for i in range(height):
        for j in range(width):
            n = labels[i, j]
            if n == 0 or cells[i, j] == 0:
                continue
            for d in range(4):
                down = 1 if d == 1 else (-1 if d == 0 else 0)
                right = 1 if d == 3 else (-1 if d == 2 else 0)
                a, b = i + down, j + right
                while out[n, d] == 0 and 0 <= a < height and 0 <= b < width:
                    if labels[a, b] == n:
                        break
                    if cells[a, b] != 0:
                        out[n, d] = cells[a, b]
                    a, b = a + down, b + right
    return out


@kernel
def relate(table: Numbers) -> Numbers:
    """For every component: colour of its first twin, of its first twin in any orientation (0: none); then in row 0
    the most colourful component and the largest one that is not of colour 0.

    A twin has the same shape and another most common colour.
    """
    count = len(table) - 1
    out = np.zeros((count + 1, 2), np.int64)
    for n in range(1, count + 1):
        for m in range(1, count + 1):
            if table[m, 6] == table[n, 6] and table[m, 8] != table[n, 8]:
                if out[n, 0] == 0 and table[m, 7] == table[n, 7]:
                    out[n, 0] = table[m, 8]
                if out[n, 1] == 0 and table[m, 12] == table[n, 12]:
                    out[n, 1] = table[m, 8]
        if table[n, 6] == 0:
            if out[0, 0] == 0 or table[n, 10] > table[out[0, 0], 10]:
                out[0, 0] = n
            if out[0, 1] == 0 or table[n, 0] > table[out[0, 1], 0]:
                out[0, 1] = n
    return out


@kernel
def there(cells: Cells, row: Numbers, y: int, x: int) -> int:
    """The colour at a place in the box of a component, -1 outside the box."""
    if row[1] + y > row[3] or row[2] + x > row[4]:
        return -1
    return int(cells[row[1] + y, row[2] + x])


@kernel
def related(cells: Cells, labels: Any, table: Numbers, adjacent: Numbers, seen: Numbers, relation: Numbers) -> Plane:
    """The features of RELATIONS from what the other functions give."""
    height, width = cells.shape
    out = np.zeros((18, height, width), np.int16)
    for i in range(height):
        for j in range(width):
            n = labels[i, j]
            if n == 0:
                continue
            top, left, bottom, right = table[n, 1], table[n, 2], table[n, 3], table[n, 4]
            for k in range(4):
                out[k, i, j] = adjacent[n, k]
                out[12 + k, i, j] = seen[n, k]
            for k in range(2):
                out[4 + k, i, j] = table[n, 8 + k]
                out[6 + k, i, j] = relation[n, k]
                if relation[0, k] > 0:
                    out[16 + k, i, j] = there(cells, table[relation[0, k]], i - top, j - left)
            out[8, i, j] = cells[i, left + right - j]
            out[9, i, j] = cells[top + bottom - i, j]
            out[10, i, j] = cells[top + bottom - i, left + right - j]
            out[11, i, j] = cells[top + j - left, left + i - top] if bottom - top == right - left else -1
    return out


def relations(cells: Cells, variant: int) -> Any:
    """The features of RELATIONS in one of NOTIONS."""
    labels, count = label(cells, variant)
    table = measure(cells, labels, count)
    adjacent, seen, relation = adjacency(cells, labels, count), seen_from(cells, labels, count), relate(table)
    return related(cells, boxed(labels, table) if variant == 3 else labels, table, adjacent, seen, relation)


FAMILIES = tuple(Family(relations, in_notion(RELATIONS, variant), variant) for variant in range(len(NOTIONS)))
