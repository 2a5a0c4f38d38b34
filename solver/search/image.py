"""Images: what the grid language computes with, and how many of them are packed in one array.

An image is a grid whose colour 0 means "nothing here", and the place of its top-left cell in the frame of the task's
input. Compiled functions pass it as three values: row, col (int64, may be negative or beyond the frame) and cells
(int8 [height, width], C-contiguous). A list of images is boxes (int32 [n, 4]: row, col, height, width) and
cells (int8 [sum of height * width], each image row-major, one after the other).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from solver.search.compiled import kernel

MAX_SIDE = 30
MAX_LIST = 100
"""Longer lists of images are no result."""

Cells = npt.NDArray[np.int8]
Boxes = npt.NDArray[np.int32]
Image = tuple[int, int, Cells]
Images = tuple[Boxes, Cells]


@kernel
def nothing() -> Image:
    """The image that stands for "no result"; the only one without cells."""
    return 0, 0, np.empty((0, 0), np.int8)


@kernel
def no_images() -> Images:
    """The list that stands for "no result"; the only empty one."""
    return np.empty((0, 4), np.int32), np.empty(0, np.int8)


@kernel
def fits(height: int, width: int) -> bool:
    """Whether these are the sides of an image."""
    return 1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE


@kernel
def crop(row: int, col: int, cells: Cells, top: int, left: int, height: int, width: int) -> Image:
    """The part of an image that begins at its cell (top, left); it stays where it was in the frame."""
    out = np.empty((height, width), np.int8)
    for i in range(height):
        for j in range(width):
            out[i, j] = cells[top + i, left + j]
    return row + top, col + left, out


@kernel
def bounds(cells: Cells) -> tuple[int, int, int, int]:
    """top, left, height, width of the smallest rectangle around all cells that are not 0; height 0 if none are."""
    height, width = cells.shape
    top, left, bottom, right = height, width, -1, -1
    for i in range(height):
        for j in range(width):
            if cells[i, j] != 0:
                top, left, bottom, right = min(top, i), min(left, j), max(bottom, i), max(right, j)
    if bottom < 0:
        return 0, 0, 0, 0
    return top, left, bottom - top + 1, right - left + 1


@kernel
def components(cells: Cells, connectivity: int, by_colour: bool) -> tuple[Any, int]:
    """Labels 1..n (int32 [height, width], 0 where the cell is 0) of the connected components, in reading order.

    connectivity: 4 or 8; by_colour: whether cells of different colours are never connected.
    """
    height, width = cells.shape
    labels = np.zeros((height, width), np.int32)
    stack = np.empty(height * width, np.int64)
    count = 0
    for start in range(height * width):
        i, j = start // width, start % width
        if cells[i, j] == 0 or labels[i, j] != 0:
            continue
        count += 1
        labels[i, j] = count
        stack[0] = start
        size = 1
        while size > 0:
            size -= 1
            i, j = stack[size] // width, stack[size] % width
            for di in range(-1, 2):
                for dj in range(-1, 2):
                    if (di == 0 and dj == 0) or (connectivity == 4 and di != 0 and dj != 0):
                        continue
                    a, b = i + di, j + dj
                    if a < 0 or b < 0 or a >= height or b >= width or cells[a, b] == 0 or labels[a, b] != 0:
                        continue
                    if by_colour and cells[a, b] != cells[i, j]:
                        continue
                    labels[a, b] = count
                    stack[size] = a * width + b
                    size += 1
    return labels, count


@kernel
def unpack(boxes: Boxes, cells: Cells, offset: int, index: int) -> Image:
    """Image `index` of a list, whose cells begin at `offset`; a view, not to be written to."""
    # In compiled code int() leaves 32 bits as they are, and every kernel would be compiled for both.
    height, width = int(np.int64(boxes[index, 2])), int(np.int64(boxes[index, 3]))
    image = cells[offset : offset + height * width].reshape(height, width)
    return int(np.int64(boxes[index, 0])), int(np.int64(boxes[index, 1])), image


@kernel
def area(boxes: Boxes, index: int) -> int:
    """How many cells image `index` of a list has."""
    return int(np.int64(boxes[index, 2])) * int(np.int64(boxes[index, 3]))


@kernel
def main_colour(cells: Cells) -> int:
    """The most common colour that is not 0, of several the first in reading order; 0 if there is none."""
    counts = np.zeros(10, np.int64)
    height, width = cells.shape
    for i in range(height):
        for j in range(width):
            counts[cells[i, j]] += 1
    main = 0
    counts[0] = 0
    for i in range(height):
        for j in range(width):
            if counts[cells[i, j]] > counts[main]:
                main = int(cells[i, j])
    return main
