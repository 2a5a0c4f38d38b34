"""Primitives about single cells: which are kept, what colour they get, and how many there are, drawn as an image.

`..._colour` primitives name a colour, `..._by_count` ones find it: the most or the least common of the colours 1..9,
among equals the one that comes first in reading order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.compiled import kernel
from solver.search.image import Cells, Image, components, crop, fits, nothing
from solver.search.primitive import COLOUR_ARGS, Primitive, Type


@kernel
def _table(colour: int) -> Cells:
    """The colour table that gives every colour this one, or that changes nothing if it is -1."""
    table = np.empty(10, np.int8)
    for old in range(10):
        table[old] = colour if colour >= 0 else old
    return table


@kernel
def _recoloured(row: int, col: int, cells: Cells, table: Cells) -> Image:
    """The image with every cell replaced by its colour's entry in the table (int8 [10])."""
    height, width = cells.shape
    out = np.empty((height, width), np.int8)
    for i in range(height):
        for j in range(width):
            out[i, j] = table[cells[i, j]]
    return row, col, out


@kernel
def _counts(cells: Cells) -> Any:
    """How many cells each colour has, int64 [10]."""
    height, width = cells.shape
    counts = np.zeros(10, np.int64)
    for i in range(height):
        for j in range(width):
            counts[cells[i, j]] += 1
    return counts


@kernel
def _appearing(cells: Cells) -> Any:
    """The colours 1..9 of an image in the order in which they appear, int64 [n]."""
    height, width = cells.shape
    seen = np.zeros(10, np.bool_)
    colours = np.empty(9, np.int64)
    n = 0
    for i in range(height):
        for j in range(width):
            colour = cells[i, j]
            if colour != 0 and not seen[colour]:
                seen[colour] = True
                colours[n] = colour
                n += 1
    return colours[:n].copy()


@kernel
def _ranked(cells: Cells, least: int) -> Any:
    """The colours 1..9 of an image, int64 [n]: the most common ones first, or if `least` is 1 the least common ones."""
    colours, counts = _appearing(cells), _counts(cells)
    for end in range(1, len(colours)):
        colour, at = colours[end], end
        while at > 0:
            surplus = counts[colour] - counts[colours[at - 1]]
            if (surplus >= 0 and least == 1) or (surplus <= 0 and least == 0):
                break
            colours[at] = colours[at - 1]
            at -= 1
        colours[at] = colour
    return colours


@kernel
def _by_count(cells: Cells, least: int) -> int:
    """The most or, if `least` is 1, least common of the colours 1..9 of an image; 0 if it has none."""
    colours = _ranked(cells, least)
    return int(colours[0]) if len(colours) > 0 else 0


@kernel
def _number(cells: Cells, what: int) -> int:
    """A number of things in an image.

    what: 0 cells that are not 0; 1 colours; components that are 2 4-connected; 3 8-connected; 4 4-connected and of one
    colour; 5 8-connected and of one colour.
    """
    if what == 0:
        return int(cells.size - _counts(cells)[0])
    if what == 1:
        return len(_appearing(cells))
    return components(cells, 4 + 4 * (what % 2), what >= 4)[1]


@kernel
def keep_colour(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Only the cells of colour `arg`."""
    table = _table(0)
    table[arg] = arg
    return _recoloured(row, col, cells, table)


@kernel
def erase_colour(row: int, col: int, cells: Cells, arg: int) -> Image:
    """All but the cells of colour `arg`."""
    table = _table(-1)
    table[arg] = 0
    return _recoloured(row, col, cells, table)


@kernel
def paint(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Every cell that is not 0 becomes colour `arg`."""
    table = _table(arg)
    table[0] = 0
    return _recoloured(row, col, cells, table)


@kernel
def fill_background(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Every cell that is 0 becomes colour `arg`."""
    table = _table(-1)
    table[0] = arg
    return _recoloured(row, col, cells, table)


@kernel
def canvas(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Every cell becomes colour `arg`."""
    return _recoloured(row, col, cells, _table(arg))


@kernel
def crop_to_colour(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The smallest rectangle around the cells of colour `arg`, with all that is in it; nothing if there are none."""
    height, width = cells.shape
    top, left, bottom, right = height, width, -1, -1
    for i in range(height):
        for j in range(width):
            if cells[i, j] == arg:
                top, left, bottom, right = min(top, i), min(left, j), max(bottom, i), max(right, j)
    if bottom < 0:
        return nothing()
    return crop(row, col, cells, top, left, bottom - top + 1, right - left + 1)


@kernel
def keep_by_count(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Only the cells of the most (0) or least (1) common colour."""
    colour = _by_count(cells, arg)
    return keep_colour(row, col, cells, colour) if colour > 0 else nothing()


@kernel
def erase_by_count(row: int, col: int, cells: Cells, arg: int) -> Image:
    """All but the cells of the most (0) or least (1) common colour."""
    colour = _by_count(cells, arg)
    return erase_colour(row, col, cells, colour) if colour > 0 else nothing()


@kernel
def paint_by_count(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Every cell that is not 0 becomes the most (0) or least (1) common colour.

    2, 3: the same by the most or least common colour, whose own cells are erased: it marks what the others become.
    """
    colour = _by_count(cells, arg % 2)
    if colour == 0:
        return nothing()
    return paint(row, col, cells if arg < 2 else erase_colour(row, col, cells, colour)[2], colour)


@kernel
def fill_by_count(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Every cell that is 0 becomes the most (0) or least (1) common colour."""
    colour = _by_count(cells, arg)
    return fill_background(row, col, cells, colour) if colour > 0 else nothing()


@kernel
def solid_by_count(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Every cell becomes the most (0) or least (1) common colour; 2, 3: one cell of that colour."""
    colour = _by_count(cells, arg % 2)
    if colour == 0:
        return nothing()
    return canvas(row, col, np.zeros((1, 1), np.int8) if arg >= 2 else cells, colour)


@kernel
def crop_by_count(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The smallest rectangle around the cells of the most (0) or least (1) common colour, with all that is in it."""
    colour = _by_count(cells, arg)
    return crop_to_colour(row, col, cells, colour) if colour > 0 else nothing()


@kernel
def invert(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Swaps 0 and the other colour; nothing unless there is exactly one other."""
    colours = _appearing(cells)
    if len(colours) != 1:
        return nothing()
    table = _table(0)
    table[0] = colours[0]
    return _recoloured(row, col, cells, table)


@kernel
def swap_colours(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Swaps the two colours that are not 0; nothing unless there are exactly two."""
    colours = _appearing(cells)
    if len(colours) != 2:
        return nothing()
    table = _table(0)
    table[colours[0]], table[colours[1]] = colours[1], colours[0]
    return _recoloured(row, col, cells, table)


@kernel
def keep_pattern(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Only some places' cells.

    arg: 0 even rows, 1 odd rows, 2 even columns, 3 odd columns, 4 even and 5 odd fields of a chessboard, 6 the
    outermost ring, 7 all inside it, 8 every other ring, 9 the main diagonal, 10 the one from the upper right corner.
    """
    height, width = cells.shape
    out = np.zeros((height, width), np.int8)
    for i in range(height):
        for j in range(width):
            ring = min(i, j, height - 1 - i, width - 1 - j)
            key = i if arg < 2 else j if arg < 4 else i + j if arg < 6 else min(ring, 1) if arg < 8 else ring
            if arg >= 9:
                key = i - j if arg == 9 else i + j - width + 1
            keep = key % 2 == arg % 2 if arg < 9 else key == 0
            if keep:
                out[i, j] = cells[i, j]
    return row, col, out


@kernel
def palette(row: int, col: int, cells: Cells, arg: int) -> Image:
    """A column of the image's colours, the most (0) or least (1) common first; 2: as they appear in reading order."""
    colours = _appearing(cells) if arg == 2 else _ranked(cells, arg)
    if len(colours) == 0:
        return nothing()
    out = np.empty((len(colours), 1), np.int8)
    for i in range(len(colours)):
        out[i, 0] = colours[i]
    return row, col, out


@kernel
def fractal(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Some cells become the whole image, all others that many zeros.

    arg: which: 0 all that are not 0; 1 all that are 0; those of the 2 most, 3 least common colour.
    """
    height, width = cells.shape
    if not fits(height * height, width * width):
        return nothing()
    chosen = _table(1 - arg) if arg < 2 else _table(0)
    if arg < 2:
        chosen[0] = arg
    else:
        chosen[_by_count(cells, arg - 2)] = 1
    out = np.empty((height * height, width * width), np.int8)
    for i in range(height * height):
        for j in range(width * width):
            out[i, j] = cells[i % height, j % width] * chosen[cells[i // height, j // width]]
    return row, col, out


@kernel
def scale_by_count(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Every cell becomes a square as wide as the image has cells that are not 0 (0) or colours (1)."""
    height, width = cells.shape
    factor = _number(cells, arg)
    if not fits(height * factor, width * factor):
        return nothing()
    out = np.empty((height * factor, width * factor), np.int8)
    for i in range(height * factor):
        for j in range(width * factor):
            out[i, j] = cells[i // factor, j // factor]
    return row, col, out


@kernel
def draw_number(row: int, col: int, cells: Cells, arg: int) -> Image:
    """A number n of things in the image, drawn in its most common colour.

    arg % 10: of what: 0 cells that are not 0; 1 colours; components that are 2 4-connected; 3 8-connected;
    4 4-connected and of one colour; 5 8-connected and of one colour. arg // 10: how: 0 a row of n cells; 1 a square of
    side n; 2 its main diagonal; 3 n cells of a row of 5; 4 n cells of a 3 x 3 square in reading order.
    """
    number, how = _number(cells, arg % 10), arg // 10
    height, width = 1, number
    if how == 1 or how == 2:
        height = number
    elif how == 3:
        width = 5
    elif how == 4:
        height, width = 3, 3
    if number == 0 or number > height * width or not fits(height, width):
        return nothing()
    colour = _by_count(cells, 0)
    out = np.zeros((height, width), np.int8)
    for i in range(height):
        for j in range(width):
            if how == 1 or (how == 2 and i == j) or (how != 2 and i * width + j < number):
                out[i, j] = colour
    return row, col, out


PRIMITIVES: tuple[Primitive, ...] = (
    Primitive(keep_colour, Type.MAP, COLOUR_ARGS),
    Primitive(erase_colour, Type.MAP, COLOUR_ARGS),
    Primitive(paint, Type.MAP, COLOUR_ARGS),
    Primitive(fill_background, Type.MAP, COLOUR_ARGS),
    Primitive(canvas, Type.MAP, COLOUR_ARGS, cost=1.5),
    Primitive(crop_to_colour, Type.MAP, COLOUR_ARGS),
    Primitive(keep_by_count, Type.MAP, range(2)),
    Primitive(erase_by_count, Type.MAP, range(2)),
    Primitive(paint_by_count, Type.MAP, range(4)),
    Primitive(fill_by_count, Type.MAP, range(2)),
    Primitive(solid_by_count, Type.MAP, range(4)),
    Primitive(crop_by_count, Type.MAP, range(2)),
    Primitive(invert, Type.MAP),
    Primitive(swap_colours, Type.MAP),
    Primitive(palette, Type.MAP, range(3), cost=1.5),
    Primitive(keep_pattern, Type.MAP, range(11), cost=1.5),
    Primitive(fractal, Type.MAP, range(4)),
    Primitive(scale_by_count, Type.MAP, range(2), cost=1.5),
    Primitive(draw_number, Type.MAP, [10 * how + what for how in range(5) for what in range(6)], cost=2.0),
)
