"""Combinations: primitives that make one image of two, here called the image and the other one.

Some go by the places of both in the frame; those that compare cell by cell need images of one size and ignore places.
"""

from __future__ import annotations

import numpy as np

from solver.search.compiled import kernel
from solver.search.image import Cells, Image, bounds, crop, fits, main_colour, nothing
from solver.search.primitive import Primitive, Type


@kernel
def _draw(canvas: Cells, top: int, left: int, cells: Cells, colour: int, above: bool) -> int:
    """Draws the cells that are not 0 with their top left at (top, left), and clips them.

    colour: instead of their own, unless 0; above: whether they replace cells that are not 0. Returns how many cells
    of the box lie on the canvas.
    """
    height, width = canvas.shape
    inside = 0
    for i in range(max(0, -top), min(cells.shape[0], height - top)):
        for j in range(max(0, -left), min(cells.shape[1], width - left)):
            inside += 1
            if cells[i, j] != 0 and (above or canvas[top + i, left + j] == 0):
                canvas[top + i, left + j] = cells[i, j] if colour == 0 else colour
    return inside


@kernel
def product(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The image with each cell replaced by the other image or by zeros of its size.

    arg: the other image stands 0 for every cell that is not 0, 1 for the same but in the cell's colour, 2 for every 0.
    """
    height, width = cells.shape
    tall, wide = other.shape
    if not fits(height * tall, width * wide):
        return nothing()
    out = np.zeros((height * tall, width * wide), np.int8)
    for i in range(height):
        for j in range(width):
            if (cells[i, j] == 0) == (arg == 2):
                _draw(out, i * tall, j * wide, other, int(cells[i, j]) if arg == 1 else 0, True)
    return row, col, out


@kernel
def put_on(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The image with the other one drawn at its place; nothing if that is outside. arg: 0 above it, 1 below it."""
    out = cells.copy()
    inside = _draw(out, other_row - row, other_col - col, other, 0, arg == 0)
    return (row, col, out) if inside > 0 else nothing()


@kernel
def erase(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The image with cells set to 0 by where the other one lies; nothing if that is outside.

    arg: 0 where the other has cells that are not 0; 1 in the whole box of the other; 2 where the other has none.
    """
    height, width = cells.shape
    mask = np.zeros((height, width), np.int8)
    inside = _draw(mask, other_row - row, other_col - col, np.ones_like(other) if arg == 1 else other, 0, True)
    if inside == 0:
        return nothing()
    for i in range(height):
        for j in range(width):
            mask[i, j] = cells[i, j] if (mask[i, j] == 0) == (arg < 2) else 0
    return row, col, mask


@kernel
def mask_by(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The image's cells where the other one, of its size, is not 0 (arg 0) or is 0 (arg 1); zeros elsewhere."""
    if cells.shape != other.shape:
        return nothing()
    out = np.zeros_like(cells)
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            if (other[i, j] == 0) == (arg == 1):
                out[i, j] = cells[i, j]
    return row, col, out


@kernel
def compare(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """Compares two images of one size cell by cell; every cell that is not meant is 0.

    arg: 0 the cell of the only one that is not 0; 1 the image's main colour where both are 0; 2 cells that are equal;
    3 the image's cells that differ; 4 the image's cell, or the other's where it is 0.
    """
    main = main_colour(cells)
    if cells.shape != other.shape or (arg == 1 and main == 0):
        return nothing()
    out = np.zeros_like(cells)
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            own, its = int(cells[i, j]), int(other[i, j])
            if arg == 0:
                out[i, j] = own + its if own == 0 or its == 0 else 0
            elif arg == 1:
                out[i, j] = main if own == 0 and its == 0 else 0
            elif arg == 4:
                out[i, j] = its if own == 0 else own
            elif (own == its) == (arg == 2):
                out[i, j] = own
    return row, col, out


@kernel
def embed(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The image at its place on zeros in the frame of the other one; nothing if it lies outside."""
    out = np.zeros_like(other)
    inside = _draw(out, row - other_row, col - other_col, cells, 0, True)
    return (other_row, other_col, out) if inside > 0 else nothing()


@kernel
def window_of(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """What the other image shows in the box where the image lies; nothing if the box reaches beyond it."""
    top, left = row - other_row, col - other_col
    height, width = cells.shape
    if top < 0 or left < 0 or top + height > other.shape[0] or left + width > other.shape[1]:
        return nothing()
    return crop(other_row, other_col, other, top, left, height, width)


@kernel
def beside(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """Both images joined at a side of one length. arg: the image is 0 above, 1 below, 2 left, 3 right of the other."""
    height, width = cells.shape
    tall, wide = other.shape
    total_height = height + tall if arg < 2 else height
    total_width = width if arg < 2 else width + wide
    if not fits(total_height, total_width) or (width != wide if arg < 2 else height != tall):
        return nothing()
    out = np.zeros((total_height, total_width), np.int8)
    _draw(out, tall if arg == 1 else 0, wide if arg == 3 else 0, cells, 0, True)
    _draw(out, height if arg == 0 else 0, width if arg == 2 else 0, other, 0, True)
    return row, col, out


@kernel
def fill_size(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The image made as large as another one, at its place.

    arg: 0 repeated from the top left; 1 the same, every second copy mirrored; 2 each cell enlarged, if sides divide;
    3 its cells row by row, over and over; 4 its cells that are not 0 row by row, then zeros.
    """
    height, width = cells.shape
    tall, wide = other.shape
    if arg == 2 and (tall % height != 0 or wide % width != 0):
        return nothing()
    out = np.zeros((tall, wide), np.int8)
    taken = 0
    for i in range(tall):
        for j in range(wide):
            a, b = i % height, j % width
            if arg == 1:
                a = height - 1 - a if i // height % 2 == 1 else a
                b = width - 1 - b if j // width % 2 == 1 else b
            elif arg == 2:
                a, b = i // (tall // height), j // (wide // width)
            elif arg >= 3:
                while arg == 4 and taken < height * width and cells[taken // width, taken % width] == 0:
                    taken += 1
                if arg == 4 and taken == height * width:
                    return other_row, other_col, out
                a, b = taken // width % height, taken % width
                taken += 1
            out[i, j] = cells[a, b]
    return other_row, other_col, out


@kernel
def recolour_as(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The image with cells in the main colour of the other. arg: 0 the cells that are not 0, 1 the zeros."""
    main = main_colour(other)
    if main == 0:
        return nothing()
    out = cells.copy()
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            if (cells[i, j] == 0) == (arg == 1):
                out[i, j] = main
    return row, col, out


@kernel
def place_at(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The image moved to the place of the other. arg: 0 their top left corners meet, 1 their centres, or nearly."""
    if arg == 0:
        return other_row, other_col, cells.copy()
    down, right = other.shape[0] - cells.shape[0], other.shape[1] - cells.shape[1]
    return other_row + down // 2, other_col + right // 2, cells.copy()


@kernel
def stamp(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The other image with the image drawn on each of its cells that are not 0.

    arg: 0 centred on the cell, 1 the same in the cell's colour, 2 from the cell to the right and down.
    """
    height, width = cells.shape
    out = other.copy()
    for i in range(other.shape[0]):
        for j in range(other.shape[1]):
            if other[i, j] != 0:
                top, left = (i, j) if arg == 2 else (i - height // 2, j - width // 2)
                _draw(out, top, left, cells, int(other[i, j]) if arg == 1 else 0, True)
    return other_row, other_col, out


@kernel
def _step(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells) -> tuple[int, int, int]:
    """The direction (row, col) from the image to the other and the zeros between; no direction if oblique or mixed.

    Only the boxes around cells that are not 0 count for the direction.
    """
    top, left, height, width = bounds(cells)
    other_top, other_left, tall, wide = bounds(other)
    top, left = top + row - other_row, left + col - other_col
    beside_rows = top < other_top + tall and other_top < top + height
    beside_cols = left < other_left + wide and other_left < left + width
    if height == 0 or tall == 0 or beside_rows == beside_cols:
        return 0, 0, 0
    down = 0 if beside_rows else (1 if top < other_top else -1)
    right = 0 if beside_cols else (1 if left < other_left else -1)
    reach = abs(top - other_top) + abs(left - other_left) + height + width + tall + wide
    least = -1
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            if cells[i, j] == 0:
                continue
            a, b = i + row - other_row, j + col - other_col
            for distance in range(1, reach):
                a, b = a + down, b + right
                if 0 <= a < other.shape[0] and 0 <= b < other.shape[1] and other[a, b] != 0:
                    least = distance if least < 0 else min(least, distance)
                    break
    return (down, right, least - 1) if least > 0 else (0, 0, 0)


@kernel
def move_to(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The image moved straight up, down, left or right until it touches the other; nothing if it would miss it."""
    down, right, distance = _step(row, col, cells, other_row, other_col, other)
    if down == 0 and right == 0:
        return nothing()
    return row + down * distance, col + right * distance, cells.copy()


@kernel
def bridge(row: int, col: int, cells: Cells, other_row: int, other_col: int, other: Cells, arg: int) -> Image:
    """The rectangle between two images that lie side by side or one below the other, in the image's main colour.

    It is as wide as the rows or columns that both share.
    """
    top, left = max(row, other_row), max(col, other_col)
    bottom = min(row + cells.shape[0], other_row + other.shape[0])
    right = min(col + cells.shape[1], other_col + other.shape[1])
    main = main_colour(cells)
    if main == 0 or (top < bottom) == (left < right):
        return nothing()
    top, bottom = min(top, bottom), max(top, bottom)
    left, right = min(left, right), max(left, right)
    if not fits(bottom - top, right - left):
        return nothing()
    return top, left, np.full((bottom - top, right - left), main, np.int8)


PRIMITIVES: tuple[Primitive, ...] = (
    Primitive(product, Type.COMBINE, args=range(3), cost=1.0),
    Primitive(put_on, Type.COMBINE, args=range(2), cost=1.0),
    Primitive(erase, Type.COMBINE, args=range(3), cost=1.5),
    Primitive(mask_by, Type.COMBINE, args=range(2), cost=1.0),
    Primitive(compare, Type.COMBINE, args=range(5), cost=1.0),
    Primitive(embed, Type.COMBINE, cost=1.0),
    Primitive(window_of, Type.COMBINE, cost=1.5),
    Primitive(beside, Type.COMBINE, args=range(4), cost=1.0),
    Primitive(fill_size, Type.COMBINE, args=range(5), cost=1.5),
    Primitive(recolour_as, Type.COMBINE, args=range(2), cost=1.0),
    Primitive(place_at, Type.COMBINE, args=range(2), cost=2.0),
    Primitive(stamp, Type.COMBINE, args=range(3), cost=1.5),
    Primitive(move_to, Type.COMBINE, cost=1.5),
    Primitive(bridge, Type.COMBINE, cost=2.0),
)
