"""Choices from a list of images: several of them as a list, or a single one.

Most go by a measure of each image. An argument that names a measure and a direction is
2 * measure for the greatest and 2 * measure + 1 for the least. A list that is left with no image is no result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.compiled import kernel
from solver.search.image import (
    Boxes,
    Cells,
    Image,
    Images,
    area,
    components,
    crop,
    main_colour,
    no_images,
    nothing,
    unpack,
)
from solver.search.primitive import COLOUR_ARGS, Primitive, Type

AREA, HEIGHT, WIDTH, TOP, LEFT, BOTTOM, RIGHT = range(7)
"""Cells of the box; its sides; the places of its edges in the frame."""
CELLS, COLOURS, COMPONENTS, HOLES, HOLE_CELLS, SYMMETRY, DENSITY, MINORITY = range(7, 15)
"""Cells that are not 0; their colours; 8-connected components of one colour; enclosed regions of zeros and their cells;
mirror axes, then how many cells agree with their mirror images; share of cells that are not 0; cells that are neither 0
nor of the main colour."""
TWINS, SHAPE_TWINS, COLOUR_TWINS = range(15, 18)
"""How many other images of the list have the same cells, the same cells that are not 0, the same main colour."""
SIZE, AXES, OBLONG = range(18, 21)
"""To tell images apart, not to rank them: both sides as one number; how many of the two mirror axes hold;
by how much one side is longer than the other."""

RANKED = tuple(
    2 * measure + least
    for measure in range(SIZE)
    for least in range(2)
    if (measure, least) not in ((TOP, 0), (LEFT, 0), (BOTTOM, 1), (RIGHT, 1))
)
"""Arguments that name a measure and a direction; of the edges, those that mean the outermost image."""

SORTED = tuple(arg for arg in range(2 * SIZE) if arg // 2 in (AREA, HEIGHT, WIDTH, TOP, LEFT, CELLS, COLOURS, HOLES))
"""Arguments that name a measure to sort by, the greatest or the least first."""

ODD = (TWINS, SHAPE_TWINS, COLOUR_TWINS, SIZE, AXES, COLOURS, CELLS, COMPONENTS, HOLES)
"""The measures by which an image can be unlike all others."""

KINDS = ((COLOURS, 1, 1), (AXES, 1, 2), (HOLES, 1, 900), (CELLS, 1, 1), (DENSITY, 1000000, 1000000), (OBLONG, 0, 0))
"""Kinds of images: a measure and its least and greatest value."""


@kernel
def _holes(cells: Cells) -> tuple[int, int]:
    """How many regions of zeros are enclosed, which is 4-connected and off the edge, and their cells."""
    height, width = cells.shape
    mask = np.ones((height + 2, width + 2), np.int8)
    for i in range(height):
        for j in range(width):
            mask[i + 1, j + 1] = 1 if cells[i, j] == 0 else 0
    labels, count = components(mask, 4, True)
    size = 0
    for i in range(height):
        for j in range(width):
            if labels[i + 1, j + 1] > 1:
                size += 1
    return count - 1, size


@kernel
def _symmetry(cells: Cells) -> tuple[int, int]:
    """How many of the two mirror axes hold, and the millionths of cells that agree with their mirror images."""
    height, width = cells.shape
    upright, level = 0, 0
    for i in range(height):
        for j in range(width):
            if cells[i, j] == cells[i, width - 1 - j]:
                upright += 1
            if cells[i, j] == cells[height - 1 - i, j]:
                level += 1
    size = height * width
    return (1 if upright == size else 0) + (1 if level == size else 0), (upright + level) * 500000 // size


@kernel
def _measure(row: int, col: int, cells: Cells, measure: int) -> int:
    """One of the measures that do not look at other images."""
    height, width = len(cells), len(cells[0])
    if measure <= RIGHT:
        return (height * width, height, width, row, col, row + height, col + width)[measure]
    if measure == SIZE:
        return height * 64 + width
    if measure == OBLONG:
        return abs(height - width)
    if measure == COMPONENTS:
        return int(components(cells, 8, True)[1])
    if measure in (HOLES, HOLE_CELLS):
        return _holes(cells)[0 if measure == HOLES else 1]
    if measure in (SYMMETRY, AXES):
        axes, agreement = _symmetry(cells)
        return axes if measure == AXES else axes * 2000000 + agreement
    counts = np.zeros(10, np.int64)
    for i in range(height):
        for j in range(width):
            counts[cells[i, j]] += 1
    filled = height * width - int(counts[0])
    if measure == CELLS:
        return filled
    if measure == DENSITY:
        return filled * 1000000 // (height * width)
    colours, most = 0, 0
    for colour in range(1, 10):
        colours += 1 if counts[colour] > 0 else 0
        most = max(most, int(counts[colour]))
    return colours if measure == COLOURS else filled - most


@kernel
def _offsets(boxes: Boxes) -> Any:
    """Where the cells of each image begin."""
    offsets = np.zeros(boxes.shape[0], np.int64)
    for k in range(1, boxes.shape[0]):
        offsets[k] = offsets[k - 1] + area(boxes, k - 1)
    return offsets


@kernel
def _alike(boxes: Boxes, cells: Cells, offsets: Any, a: int, b: int, shape: bool) -> bool:
    """Whether two images of a list have the same cells, or only the same cells that are not 0."""
    if boxes[a, 2] != boxes[b, 2] or boxes[a, 3] != boxes[b, 3]:
        return False
    for k in range(area(boxes, a)):
        one, two = cells[offsets[a] + k], cells[offsets[b] + k]
        if (shape and (one == 0) != (two == 0)) or (not shape and one != two):
            return False
    return True


@kernel
def _first_alike(boxes: Boxes, cells: Cells, shape: bool) -> Any:
    """For every image the first of the list that it is like, at the latest itself."""
    offsets = _offsets(boxes)
    first = np.zeros(boxes.shape[0], np.int64)
    for k in range(boxes.shape[0]):
        while not _alike(boxes, cells, offsets, first[k], k, shape):
            first[k] += 1
    return first


@kernel
def _shared(values: Any) -> Any:
    """For every value, how many others are equal to it."""
    counts = np.zeros(values.shape[0], np.int64)
    for a in range(values.shape[0]):
        for b in range(a):
            if values[a] == values[b]:
                counts[a] += 1
                counts[b] += 1
    return counts


@kernel
def _measures(boxes: Boxes, cells: Cells, measure: int) -> Any:
    """A measure of every image."""
    if measure in (TWINS, SHAPE_TWINS):
        return _shared(_first_alike(boxes, cells, measure == SHAPE_TWINS))
    values = np.empty(boxes.shape[0], np.int64)
    offsets = _offsets(boxes)
    for k in range(boxes.shape[0]):
        row, col, image = unpack(boxes, cells, offsets[k], k)
        values[k] = main_colour(image) if measure == COLOUR_TWINS else _measure(row, col, image, measure)
    return _shared(values) if measure == COLOUR_TWINS else values


@kernel
def _ranks(boxes: Boxes, cells: Cells, arg: int) -> Any:
    """Values of which the greatest are what a measure and a direction ask for."""
    values = _measures(boxes, cells, arg // 2)
    for k in range(values.shape[0] if arg % 2 else 0):
        values[k] = -values[k]
    return values


@kernel
def _take(boxes: Boxes, cells: Cells, chosen: Any) -> Images:
    """The list of the images with these indices."""
    count = chosen.shape[0]
    if count == 0:
        return no_images()
    offsets = _offsets(boxes)
    taken = np.empty((count, 4), np.int32)
    total = 0
    for k in range(count):
        for m in range(4):
            taken[k, m] = boxes[chosen[k], m]
        total += area(taken, k)
    out = np.empty(total, np.int8)
    place = 0
    for k in range(count):
        for m in range(area(taken, k)):
            out[place] = cells[offsets[chosen[k]] + m]
            place += 1
    return taken, out


@kernel
def _keep(boxes: Boxes, cells: Cells, kept: Any) -> Images:
    """The list of the images for which `kept` (bool [n]) holds."""
    chosen = np.empty(kept.shape[0], np.int64)
    count = 0
    for k in range(kept.shape[0]):
        if kept[k]:
            chosen[count] = k
            count += 1
    return _take(boxes, cells, chosen[:count])


@kernel
def _one(boxes: Boxes, cells: Cells, index: int) -> Image:
    """A copy of one image."""
    row, col, image = unpack(boxes, cells, _offsets(boxes)[index], index)
    return crop(row, col, image, 0, 0, image.shape[0], image.shape[1])


@kernel
def pick(boxes: Boxes, cells: Cells, arg: int) -> Image:
    """The image of the greatest or least measure (`RANKED`); nothing if several different images are."""
    ranks = _ranks(boxes, cells, arg)
    offsets = _offsets(boxes)
    best = 0
    for k in range(1, ranks.shape[0]):
        if ranks[k] > ranks[best]:
            best = k
    for k in range(best + 1, ranks.shape[0]):
        if ranks[k] == ranks[best] and not _alike(boxes, cells, offsets, best, k, False):
            return nothing()
    return _one(boxes, cells, best)


@kernel
def pick_odd(boxes: Boxes, cells: Cells, arg: int) -> Image:
    """The only image of at least three that no other is like; nothing if there is none or a second one.

    arg: what to compare: 0 cells, 1 which cells are 0, 2 main colour, 3 size, 4 number of mirror axes,
    5 number of colours, 6 number of cells that are not 0, 7 number of components, 8 number of holes.
    """
    others = _measures(boxes, cells, ODD[arg])
    if arg > 2:
        others = _shared(others)
    odd, count = 0, 0
    for k in range(others.shape[0]):
        if others[k] == 0:
            odd = k
            count += 1
    return _one(boxes, cells, odd) if count == 1 and others.shape[0] > 2 else nothing()


@kernel
def _extreme(boxes: Boxes, cells: Cells, arg: int, wanted: bool) -> Images:
    """The images of the greatest or least measure if they are wanted, otherwise all others."""
    ranks = _ranks(boxes, cells, arg)
    best = ranks[0]
    for k in range(ranks.shape[0]):
        best = max(best, ranks[k])
    kept = np.empty(ranks.shape[0], np.bool_)
    for k in range(ranks.shape[0]):
        kept[k] = (ranks[k] == best) == wanted
    return _keep(boxes, cells, kept)


@kernel
def keep_extreme(boxes: Boxes, cells: Cells, arg: int) -> Images:
    """All images of the greatest or least measure (`RANKED`)."""
    return _extreme(boxes, cells, arg, True)


@kernel
def drop_extreme(boxes: Boxes, cells: Cells, arg: int) -> Images:
    """All images but those of the greatest or least measure (`RANKED`)."""
    return _extreme(boxes, cells, arg, False)


@kernel
def keep_repeated(boxes: Boxes, cells: Cells, arg: int) -> Images:
    """The images that another one is like, or that none is like.

    arg: 0 same cells as another, 1 as no other; 2, 3 the same with which cells are 0; 4, 5 with the main colour.
    """
    others = _measures(boxes, cells, TWINS + arg // 2)
    kept = np.empty(others.shape[0], np.bool_)
    for k in range(others.shape[0]):
        kept[k] = (others[k] == 0) == (arg % 2 == 1)
    return _keep(boxes, cells, kept)


@kernel
def distinct(boxes: Boxes, cells: Cells, arg: int) -> Images:
    """The first of all images that are alike. arg: 0 same cells, 1 same cells that are not 0."""
    first = _first_alike(boxes, cells, arg == 1)
    kept = np.empty(first.shape[0], np.bool_)
    for k in range(first.shape[0]):
        kept[k] = first[k] == k
    return _keep(boxes, cells, kept)


@kernel
def sort_by(boxes: Boxes, cells: Cells, arg: int) -> Images:
    """Sorted by a measure (`SORTED`), the greatest or the least first; equal ones stay in order."""
    ranks = _ranks(boxes, cells, arg)
    order = np.arange(ranks.shape[0])
    for k in range(1, ranks.shape[0]):
        m = k
        while m > 0 and ranks[order[m - 1]] < ranks[k]:
            order[m] = order[m - 1]
            m -= 1
        order[m] = k
    return _take(boxes, cells, order)


@kernel
def reverse(boxes: Boxes, cells: Cells, arg: int) -> Images:
    """The images from the last to the first."""
    return _take(boxes, cells, np.arange(boxes.shape[0] - 1, -1, -1))


@kernel
def drop_end(boxes: Boxes, cells: Cells, arg: int) -> Images:
    """All images but one. arg: 0 without the first, 1 without the last."""
    return _take(boxes, cells, np.arange(1 - arg, boxes.shape[0] - arg))


@kernel
def keep_kind(boxes: Boxes, cells: Cells, arg: int) -> Images:
    """The images of one of `KINDS` (even arg), or all others (odd arg).

    arg: 0, 1 of one colour besides 0; 2, 3 with a mirror axis; 4, 5 with holes; 6, 7 a single cell that is not 0;
    8, 9 without zeros; 10, 11 square.
    """
    measure, least, most = KINDS[arg // 2]
    values = _measures(boxes, cells, measure)
    kept = np.empty(values.shape[0], np.bool_)
    for k in range(values.shape[0]):
        kept[k] = (least <= values[k] <= most) == (arg % 2 == 0)
    return _keep(boxes, cells, kept)


@kernel
def _showing(boxes: Boxes, cells: Cells, colour: int, wanted: bool) -> Images:
    """The images that show a colour if they are wanted, otherwise all others."""
    kept = np.empty(boxes.shape[0], np.bool_)
    place = 0
    for k in range(boxes.shape[0]):
        kept[k] = not wanted
        for _ in range(area(boxes, k)):
            if cells[place] == colour:
                kept[k] = wanted
            place += 1
    return _keep(boxes, cells, kept)


@kernel
def keep_showing(boxes: Boxes, cells: Cells, arg: int) -> Images:
    """The images that show a colour. arg: the colour."""
    return _showing(boxes, cells, arg, True)


@kernel
def drop_showing(boxes: Boxes, cells: Cells, arg: int) -> Images:
    """The images that do not show a colour. arg: the colour."""
    return _showing(boxes, cells, arg, False)


PRIMITIVES: tuple[Primitive, ...] = (
    Primitive(pick, Type.JOIN, args=RANKED, cost=1.0),
    Primitive(pick_odd, Type.JOIN, args=range(len(ODD)), cost=1.0),
    Primitive(keep_extreme, Type.SELECT, args=RANKED, cost=1.5),
    Primitive(drop_extreme, Type.SELECT, args=RANKED, cost=1.5),
    Primitive(keep_repeated, Type.SELECT, args=range(6), cost=1.5),
    Primitive(distinct, Type.SELECT, args=range(2), cost=1.5),
    Primitive(sort_by, Type.SELECT, args=SORTED, cost=1.5),
    Primitive(reverse, Type.SELECT, cost=2.0),
    Primitive(drop_end, Type.SELECT, args=range(2), cost=2.0),
    Primitive(keep_kind, Type.SELECT, args=range(2 * len(KINDS)), cost=1.5),
    Primitive(keep_showing, Type.SELECT, args=COLOUR_ARGS, cost=1.5),
    Primitive(drop_showing, Type.SELECT, args=COLOUR_ARGS, cost=1.5),
)
