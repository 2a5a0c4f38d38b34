"""The connected components of a grid in several notions, and a table of what each of them is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from solver.search.compiled import kernel
from solver.search.image import Cells, components

NOTIONS = ("4-component", "8-component", "object", "box")
"""The notions of component, in the order of `variant`: 4- and 8-connected cells of one colour, 0 among them;
8-connected non-zero cells; the latter's bounding boxes (a cell in several boxes belongs to the smallest)."""

Numbers = npt.NDArray[np.int64]

COLUMNS = (
    "size",
    "top",
    "left",
    "bottom",
    "right",
    "touches the edge",
    "has colour 0",
    "hash of the shape",
    "most common non-zero colour",
    "least common non-zero colour if there are several",
    "number of non-zero colours",
    "holes",
    "hash of the shape in any of its eight orientations",
    "ends: cells with one of the 4 neighbours in it",
    "turns: cells with two of the 4 neighbours in it, one beside and one above or below",
    "cells not of its most common colour",
)
"""Of a table of components."""


@kernel
def label(cells: Cells, variant: int) -> tuple[Any, int]:
    """Labels and number of the components in one of NOTIONS; of objects for boxes."""
    if variant == 0:
        return components(cells + np.int8(1), 4, True)
    if variant == 1:
        return components(cells + np.int8(1), 8, True)
    return components(cells, 8, False)


@kernel
def scramble(i: int, j: int) -> int:
    """A hash of a place."""
    mixed = (i * 31 + j + 1) * 2654435761
    return (mixed ^ (mixed >> 13)) * 97


@kernel
def measure(cells: Cells, labels: Any, count: int) -> Numbers:
    """The table of components (int64 [count + 1, 16], columns as in COLUMNS); row 0 is unused."""
    height, width = cells.shape
    table = np.zeros((count + 1, 16), np.int64)
    table[:, 1] = height
    table[:, 2] = width
    table[:, 3] = -1
    table[:, 4] = -1
    colours = np.zeros((count + 1, 10), np.int64)
    for i in range(height):
        for j in range(width):
            n = labels[i, j]
            if n == 0:
                continue
            table[n, 0] += 1
            table[n, 1] = min(table[n, 1], i)
            table[n, 2] = min(table[n, 2], j)
            table[n, 3] = max(table[n, 3], i)
            table[n, 4] = max(table[n, 4], j)
            if i == 0 or j == 0 or i == height - 1 or j == width - 1:
                table[n, 5] = 1
            table[n, 6] = cells[i, j] == 0
            colours[n, cells[i, j]] += 1
    for n in range(1, count + 1):
        most, least = 0, 0
        for c in range(1, 10):
            if colours[n, c] > 0:
                table[n, 10] += 1
                if most == 0 or colours[n, c] > colours[n, most]:
                    most = c
                if least == 0 or colours[n, c] < colours[n, least]:
                    least = c
        table[n, 8] = most
        table[n, 9] = least if table[n, 10] > 1 else 0
        table[n, 15] = table[n, 0] - colours[n, most] if most > 0 else 0
        table[n, 11] = holes(labels, n, table[n])
    outline(labels, table)
    return table


@kernel
def outline(labels: Any, table: Numbers) -> None:
    """Fills in the columns of a table that say what shape a component has: hashes, ends, turns."""
    height, width = labels.shape
    hashes = np.zeros((len(table), 8), np.int64)
    for i in range(height):
        for j in range(width):
            n = labels[i, j]
            if n == 0:
                continue
            a, b, c, d = i - table[n, 1], j - table[n, 2], table[n, 3] - i, table[n, 4] - j
            hashes[n, 0] += scramble(a, b)
            hashes[n, 1] += scramble(a, d)
            hashes[n, 2] += scramble(c, b)
            hashes[n, 3] += scramble(c, d)
            hashes[n, 4] += scramble(b, a)
            hashes[n, 5] += scramble(d, a)
            hashes[n, 6] += scramble(b, c)
            hashes[n, 7] += scramble(d, c)
            up, down = i > 0 and labels[i - 1, j] == n, i < height - 1 and labels[i + 1, j] == n
            left, right = j > 0 and labels[i, j - 1] == n, j < width - 1 and labels[i, j + 1] == n
            vertical, horizontal = int(up) + int(down), int(left) + int(right)
            table[n, 13] += vertical + horizontal == 1
            table[n, 14] += vertical == 1 and horizontal == 1
    for n in range(1, len(table)):
        table[n, 7] = hashes[n, 0]
        table[n, 12] = hashes[n].min()


@kernel
def holes(labels: Any, n: int, row: Numbers) -> int:
    """How many 4-connected regions of other cells component n encloses within its box."""
    top, left = row[1], row[2]
    height, width = row[3] - top + 3, row[4] - left + 3
    if row[0] == (height - 2) * (width - 2):
        return 0
    seen = np.zeros((height, width), np.bool_)
    stack = np.empty(height * width, np.int64)
    regions = 0
    for start in range(height * width):
        i, j = start // width, start % width
        inside = 0 < i < height - 1 and 0 < j < width - 1
        if seen[i, j] or (inside and labels[top + i - 1, left + j - 1] == n):
            continue
        regions += 1
        seen[i, j] = True
        stack[0] = start
        size = 1
        while size > 0:
            size -= 1
            i, j = stack[size] // width, stack[size] % width
            for d in range(4):
                a = i + (1 if d == 0 else (-1 if d == 1 else 0))
                b = j + (1 if d == 2 else (-1 if d == 3 else 0))
                if a < 0 or b < 0 or a >= height or b >= width or seen[a, b]:
                    continue
                inside = 0 < a < height - 1 and 0 < b < width - 1
                if inside and labels[top + a - 1, left + b - 1] == n:
                    continue
                seen[a, b] = True
                stack[size] = a * width + b
                size += 1
    return regions - 1


@kernel
def compare(table: Numbers) -> Numbers:
    """What a component is among its like (int64 [components + 1, 12]; like: of colour 0 or not, as it is).

    Largest, smallest, rank by size, of this size, of this shape, of this colour, rank from the left, top, right and
    bottom, most cells of rarer colours, of this shape in any orientation.
    """
    count = len(table) - 1
    out = np.zeros((count + 1, 12), np.int64)
    for n in range(1, count + 1):
        out[n, 0] = 1
        out[n, 1] = 1
        out[n, 10] = table[n, 15] > 0
        for m in range(1, count + 1):
            if table[m, 6] != table[n, 6]:
                continue
            if table[m, 0] > table[n, 0]:
                out[n, 0] = 0
                out[n, 2] += 1
            if table[m, 0] < table[n, 0]:
                out[n, 1] = 0
            if table[m, 15] > table[n, 15]:
                out[n, 10] = 0
            out[n, 3] += table[m, 0] == table[n, 0]
            out[n, 4] += table[m, 7] == table[n, 7]
            out[n, 5] += table[m, 8] == table[n, 8]
            out[n, 6] += table[m, 2] < table[n, 2]
            out[n, 7] += table[m, 1] < table[n, 1]
            out[n, 8] += table[m, 4] > table[n, 4]
            out[n, 9] += table[m, 3] > table[n, 3]
            out[n, 11] += table[m, 12] == table[n, 12]
    return out


@kernel
def boxed(labels: Any, table: Numbers) -> Any:
    """The component in whose box every cell lies, the smallest box if several, 0 if none."""
    height, width = labels.shape
    out = np.zeros((height, width), np.int32)
    area = np.full((height, width), height * width + 1)
    for n in range(1, len(table)):
        top, left, bottom, right = table[n, 1], table[n, 2], table[n, 3], table[n, 4]
        size = (bottom - top + 1) * (right - left + 1)
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                if size < area[i, j]:
                    area[i, j] = size
                    out[i, j] = n
    return out
