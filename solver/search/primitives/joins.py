"""Joins: primitives that draw the images of a list as one image.

Those that lay images out anew give the result the place of the first image.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.compiled import kernel
from solver.search.image import Boxes, Cells, Image, area, crop, fits, main_colour, nothing, unpack
from solver.search.primitive import Primitive, Type


@kernel
def _main_colours(boxes: Boxes, cells: Cells) -> Any:
    """The main colour (int8) of every image."""
    colours = np.empty(boxes.shape[0], np.int8)
    offset = 0
    for k in range(boxes.shape[0]):
        _, _, image = unpack(boxes, cells, offset, k)
        colours[k] = main_colour(image)
        offset += area(boxes, k)
    return colours


@kernel
def _slots(boxes: Boxes, axis: int) -> Any:
    """For every image its slot 0.. along an axis (0 rows, 1 columns): images that share a line share a slot."""
    count = boxes.shape[0]
    slots = np.full(count, -1, np.int64)
    slot, end = -1, 0
    for _ in range(count):
        first = -1
        for k in range(count):
            if slots[k] < 0 and (first < 0 or boxes[k, axis] < boxes[first, axis]):
                first = k
        if slot < 0 or boxes[first, axis] >= end:
            slot += 1
            end = int(boxes[first, axis])
        end = max(end, int(boxes[first, axis] + boxes[first, axis + 2]))
        slots[first] = slot
    return slots


@kernel
def _begins(boxes: Boxes, axis: int, slots: Any, gap: int) -> Any:
    """Where each slot begins when it is as long as its longest image; the last entry is the length of all."""
    begins = np.zeros(slots.max() + 2, np.int64)
    for slot in range(begins.shape[0] - 1):
        longest = 0
        for k in range(boxes.shape[0]):
            if slots[k] == slot:
                longest = max(longest, int(boxes[k, axis + 2]))
        begins[slot + 1] = begins[slot] + longest + gap
    begins[begins.shape[0] - 1] -= gap
    return begins


@kernel
def _lay_out(boxes: Boxes, cells: Cells, rows: Any, cols: Any, gap: int) -> Image:
    """Draws each image at the top left of its slot; nothing if two are in one slot or the result is too large."""
    tops, lefts = _begins(boxes, 0, rows, gap), _begins(boxes, 1, cols, gap)
    height, width = tops[tops.shape[0] - 1], lefts[lefts.shape[0] - 1]
    if not fits(height, width):
        return nothing()
    out = np.zeros((height, width), np.int8)
    offset = 0
    for k in range(boxes.shape[0]):
        for m in range(k):
            if rows[m] == rows[k] and cols[m] == cols[k]:
                return nothing()
        for i in range(boxes[k, 2]):
            for j in range(boxes[k, 3]):
                out[tops[rows[k]] + i, lefts[cols[k]] + j] = cells[offset]
                offset += 1
    return int(boxes[0, 0]), int(boxes[0, 1]), out


@kernel
def pick_index(boxes: Boxes, cells: Cells, arg: int) -> Image:
    """The image at a place in the list. arg: 0 first, 1 second, 2 third, -1 last."""
    count = boxes.shape[0]
    index = count - 1 if arg < 0 else arg
    if index >= count:
        return nothing()
    offset = 0
    for k in range(index):
        offset += area(boxes, k)
    row, col, image = unpack(boxes, cells, offset, index)
    return crop(row, col, image, 0, 0, image.shape[0], image.shape[1])


@kernel
def overlay(boxes: Boxes, cells: Cells, arg: int) -> Image:
    """All images drawn at their places, in the smallest box around all. arg: 0 later ones above, 1 later ones below."""
    top, left, bottom, right = boxes[0, 0], boxes[0, 1], boxes[0, 0], boxes[0, 1]
    for k in range(boxes.shape[0]):
        top, left = min(top, boxes[k, 0]), min(left, boxes[k, 1])
        bottom, right = max(bottom, boxes[k, 0] + boxes[k, 2]), max(right, boxes[k, 1] + boxes[k, 3])
    if not fits(bottom - top, right - left):
        return nothing()
    out = np.zeros((bottom - top, right - left), np.int8)
    offset = 0
    for k in range(boxes.shape[0]):
        for i in range(boxes[k, 0] - top, boxes[k, 0] - top + boxes[k, 2]):
            for j in range(boxes[k, 1] - left, boxes[k, 1] - left + boxes[k, 3]):
                if cells[offset] != 0 and (arg == 0 or out[i, j] == 0):
                    out[i, j] = cells[offset]
                offset += 1
    return int(top), int(left), out


@kernel
def stack(boxes: Boxes, cells: Cells, arg: int) -> Image:
    """All images in list order, aligned at the top or left and padded with zeros.

    arg: 0 side by side, 1 from top to bottom; 2, 3 the same with a line of zeros between.
    """
    none = np.zeros(boxes.shape[0], np.int64)
    slots = np.arange(boxes.shape[0])
    if arg % 2 == 0:
        return _lay_out(boxes, cells, none, slots, arg // 2)
    return _lay_out(boxes, cells, slots, none, arg // 2)


@kernel
def assemble(boxes: Boxes, cells: Cells, arg: int) -> Image:
    """All images moved together, keeping the rows and columns in which they lie. arg: lines of zeros between."""
    return _lay_out(boxes, cells, _slots(boxes, 0), _slots(boxes, 1), arg)


@kernel
def arrange(boxes: Boxes, cells: Cells, arg: int) -> Image:
    """One cell of the main colour for every image.

    arg: 0 in the rows and columns in which the images lie, 1 as a row, 2 as a column, in list order.
    """
    colours = _main_colours(boxes, cells)
    points = boxes.copy()
    points[:, 2:] = 1
    none = np.zeros(boxes.shape[0], np.int64)
    order = np.arange(boxes.shape[0])
    rows = none if arg == 1 else (order if arg == 2 else _slots(boxes, 0))
    cols = none if arg == 2 else (order if arg == 1 else _slots(boxes, 1))
    return _lay_out(points, colours, rows, cols, 0)


@kernel
def tally(boxes: Boxes, cells: Cells, arg: int) -> Image:
    """As many cells of the first image's main colour as there are images.

    arg: 0 as a row, 1 as a column, 2 as a diagonal, 3 in reading order in a row of five, 4 in a square of nine.
    """
    count = boxes.shape[0]
    colour = _main_colours(boxes, cells)[0]
    height = (1, count, count, 1, 3)[arg]
    width = (count, 1, count, 5, 3)[arg]
    if colour == 0 or not fits(height, width) or (arg > 2 and count > height * width):
        return nothing()
    out = np.zeros((height, width), np.int8)
    for k in range(count):
        if arg == 2:
            out[k, k] = colour
        else:
            out[k // width, k % width] = colour
    return int(boxes[0, 0]), int(boxes[0, 1]), out


@kernel
def bars(boxes: Boxes, cells: Cells, arg: int) -> Image:
    """For every image a bar of its main colour, as long as the image has cells that are not 0, in list order.

    arg: 0 rows from the left edge, 1 columns from the bottom edge.
    """
    count = boxes.shape[0]
    colours = _main_colours(boxes, cells)
    lengths = np.zeros(count, np.int64)
    offset, longest = 0, 0
    for k in range(count):
        for _ in range(area(boxes, k)):
            lengths[k] += 1 if cells[offset] != 0 else 0
            offset += 1
        longest = max(longest, int(lengths[k]))
    if not fits(count, longest):
        return nothing()
    out = np.zeros((count, longest) if arg == 0 else (longest, count), np.int8)
    for k in range(count):
        for m in range(lengths[k]):
            if arg == 0:
                out[k, m] = colours[k]
            else:
                out[longest - 1 - m, k] = colours[k]
    return int(boxes[0, 0]), int(boxes[0, 1]), out


@kernel
def cellwise(boxes: Boxes, cells: Cells, arg: int) -> Image:
    """Compares at least two images of one size cell by cell; every cell that is not meant is 0.

    arg: 0 cells that are equal in all; 1 the first image's cell where none is 0; 2 the first cell that is not 0;
    3 the only one that is not 0; 4 the most common cell; 5 the most common one that is not 0 (the first of equally
    common ones); 6 the main colour of the first image that has one, where all are 0; 7 the first image's cell where
    all others are 0; 8 the last image's cell where all others are 0.
    """
    count, height, width = boxes.shape[0], int(boxes[0, 2]), int(boxes[0, 3])
    size = height * width
    for k in range(count):
        if boxes[k, 2] != height or boxes[k, 3] != width:
            return nothing()
    colours = _main_colours(boxes, cells)
    main = 0
    for k in range(count - 1, -1, -1):
        main = int(colours[k]) if colours[k] != 0 else main
    if count < 2 or (arg == 6 and main == 0):
        return nothing()
    out = np.zeros((height, width), np.int8)
    counts = np.zeros(10, np.int64)
    for place in range(size):
        counts[:] = 0
        first, last = int(cells[place]), int(cells[(count - 1) * size + place])
        shown, common, common_colour = 0, first, 0
        for k in range(count):
            counts[cells[k * size + place]] += 1
        for k in range(count - 1, -1, -1):
            cell = int(cells[k * size + place])
            common = cell if counts[cell] >= counts[common] else common
            if cell != 0:
                shown = cell
                common_colour = cell if common_colour == 0 or counts[cell] >= counts[common_colour] else common_colour
        filled = count - counts[0]
        value = 0
        if arg == 0:
            value = first if counts[first] == count else 0
        elif arg == 1:
            value = first if filled == count else 0
        elif arg == 2:
            value = shown
        elif arg == 3:
            value = shown if filled == 1 else 0
        elif arg == 4:
            value = common
        elif arg == 5:
            value = common_colour
        elif arg == 6:
            value = main if filled == 0 else 0
        elif filled == 1:
            value = first if arg == 7 else last
        out[place // width, place % width] = value
    return int(boxes[0, 0]), int(boxes[0, 1]), out


PRIMITIVES: tuple[Primitive, ...] = (
    Primitive(pick_index, Type.JOIN, args=(0, 1, 2, -1), cost=1.5),
    Primitive(overlay, Type.JOIN, args=range(2), cost=1.0),
    Primitive(stack, Type.JOIN, args=range(4), cost=1.0),
    Primitive(assemble, Type.JOIN, args=range(2), cost=1.5),
    Primitive(arrange, Type.JOIN, args=range(3), cost=1.0),
    Primitive(tally, Type.JOIN, args=range(5), cost=1.5),
    Primitive(bars, Type.JOIN, args=range(2), cost=2.0),
    Primitive(cellwise, Type.JOIN, args=range(9), cost=1.0),
)
