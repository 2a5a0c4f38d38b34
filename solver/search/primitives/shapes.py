"""Primitives about shapes: which part of an image is kept, and how its rows and columns are arranged.

Directions are 0 up, 1 down, 2 left, 3 right, 4 up-left, 5 up-right, 6 down-left, 7 down-right. Factors of a side or
numbers of copies come as one argument: 10 times the one for rows plus the one for columns.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from solver.search.compiled import kernel
from solver.search.image import Cells, Image, bounds, crop, fits, nothing
from solver.search.primitive import COLOUR_ARGS, Primitive, Type

# How `turned_tiles` turns each tile, in reading order; see `dihedral`, 7 is the image itself.
TURNS = np.array([(7, 0, 2, 1, 7, 7, 7, 7, 7), (7, 2, 1, 0, 7, 7, 7, 7, 7), (7, 7, 7, 3, 3, 3, 7, 7, 7)])


@kernel
def _direction(arg: int) -> tuple[int, int]:
    """The step of a direction: rows (-1 up, 1 down) and columns (-1 left, 1 right)."""
    down = int(arg == 1 or arg >= 6) - int(arg == 0 or arg == 4 or arg == 5)
    return down, int(arg == 3 or arg == 5 or arg == 7) - int(arg == 2 or arg == 4 or arg == 6)


@kernel
def _indices(start: int, count: int, step: int, modulus: int) -> Any:
    """int64 [count]: `start` and on in equal steps, each modulo `modulus` if that is not 0."""
    indices = np.empty(count, np.int64)
    for n in range(count):
        indices[n] = start + n * step if modulus == 0 else (start + n * step) % modulus
    return indices


@kernel
def _picked(row: int, col: int, cells: Cells, rows: Any, cols: Any) -> Image:
    """The cells in these rows and columns of an image (int64 [height], [width]); beyond it all is 0."""
    height, width = cells.shape
    if not fits(len(rows), len(cols)):
        return nothing()
    out = np.zeros((len(rows), len(cols)), np.int8)
    for i in range(len(rows)):
        for j in range(len(cols)):
            if 0 <= rows[i] < height and 0 <= cols[j] < width:
                out[i, j] = cells[rows[i], cols[j]]
    return row, col, out


@kernel
def _transposed(cells: Cells) -> Cells:
    """Columns as rows: so that what is known about rows is known about columns."""
    return np.ascontiguousarray(cells.T)


@kernel
def _kept(cells: Cells, rule: int) -> Any:
    """The rows that are kept: 0 those not all 0; 1 those not all of one other colour; 2 those unlike the row above."""
    height, width = cells.shape
    kept, n = np.empty(height, np.int64), 0
    for i in range(height):
        keep = rule == 2 and i == 0
        for j in range(width):
            keep = keep or (rule == 0 and cells[i, j] != 0) or (rule == 2 and cells[i, j] != cells[i - 1, j])
            keep = keep or (rule == 1 and (cells[i, j] == 0 or cells[i, j] != cells[i, 0]))
        if keep:
            kept[n] = i
            n += 1
    return kept[:n].copy()


@kernel
def crop_to_content(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The smallest rectangle around all cells that are not 0."""
    top, left, height, width = bounds(cells)
    return crop(row, col, cells, top, left, height, width) if height > 0 else nothing()


@kernel
def part(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The half (0..3) or quarter (4..7) in direction `arg`, without odd middle lines; first (8) or last (9) square."""
    height, width = cells.shape
    down, across = _direction(arg if arg < 8 else 7)
    h, w = height if down == 0 else height // 2, width if across == 0 else width // 2
    if arg >= 8:
        h = w = min(height, width)
    top, left = height - h if down > 0 and arg != 8 else 0, width - w if across > 0 and arg != 8 else 0
    return crop(row, col, cells, top, left, h, w) if fits(h, w) else nothing()


@kernel
def third(row: int, col: int, cells: Cells, arg: int) -> Image:
    """A third: 0 upper, 1 middle, 2 lower; 3 left, 4 middle, 5 right; single lines between the thirds are skipped."""
    height, width = cells.shape
    side = height if arg < 3 else width
    size, start = side // 3, (arg % 3) * ((side + 1) // 3)
    if size == 0 or side % 3 == 1:
        return nothing()
    return crop(row, col, cells, start, 0, size, width) if arg < 3 else crop(row, col, cells, 0, start, height, size)


@kernel
def _grown(row: int, col: int, cells: Cells, arg: int, by: int) -> Image:
    """With `by` more lines of zeros in direction `arg` (0..3) or in all four (4)."""
    height, width = cells.shape
    top, left = by * int(arg == 0 or arg == 4), by * int(arg == 2 or arg == 4)
    height += top + by * int(arg == 1 or arg == 4)
    width += left + by * int(arg == 3 or arg == 4)
    if not fits(height, width):
        return nothing()
    return _picked(row - top, col - left, cells, _indices(-top, height, 1, 0), _indices(-left, width, 1, 0))


@kernel
def trim(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Without its outermost line in direction `arg` (0..3), or without its outermost ring (4)."""
    return _grown(row, col, cells, arg, -1)


@kernel
def pad(row: int, col: int, cells: Cells, arg: int) -> Image:
    """With one more line of zeros in direction `arg` (0..3), or with a ring of zeros around it (4)."""
    return _grown(row, col, cells, arg, 1)


@kernel
def add_frame(row: int, col: int, cells: Cells, arg: int) -> Image:
    """With a ring of colour `arg` around it."""
    row, col, out = _grown(row, col, cells, 4, 1)
    # Slices, because the image may be nothing.
    out[:1], out[-1:], out[:, :1], out[:, -1:] = arg, arg, arg, arg
    return row, col, out


@kernel
def framed(row: int, col: int, cells: Cells, arg: int) -> Image:
    """What the largest rectangular frame of one colour encloses (0), or that with the frame (1)."""
    height, width = cells.shape
    # Lengths of the runs of a colour that begin at each cell. Changes of colour along the rows, summed from each cell
    # to the lower right corner, are 0 in a rectangle of one colour: such a one frames nothing.
    right, down = np.zeros((height, width + 1), np.int64), np.zeros((height + 1, width), np.int64)
    changes = np.zeros((height + 1, width + 1), np.int64)
    for i in range(height - 1, -1, -1):
        for j in range(width - 1, -1, -1):
            right[i, j] = 1 + (right[i, j + 1] if j + 1 < width and cells[i, j + 1] == cells[i, j] else 0)
            down[i, j] = 1 + (down[i + 1, j] if i + 1 < height and cells[i + 1, j] == cells[i, j] else 0)
            changes[i, j] = changes[i + 1, j] + changes[i, j + 1] - changes[i + 1, j + 1] + int(right[i, j] == 1)
    top, left, best_height, best_width = 0, 0, 0, 0
    for i in range(height):
        for j in range(width):
            for h in range(3, down[i, j] + 1 if cells[i, j] != 0 else 0):
                a = i + h - 1
                for w in range(min(right[i, j], right[a, j]), max(2, best_height * best_width // h), -1):
                    b = j + w - 1
                    if down[i, b] >= h and changes[i, j] - changes[a, j] - changes[i, b] + changes[a, b] > 0:
                        top, left, best_height, best_width = i, j, h, w
                        break
    return _grown(row + top, col + left, crop(0, 0, cells, top, left, best_height, best_width)[2], 4, arg - 1)


@kernel
def subsample(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Every other line, from 0 on: 0 even rows, 1 odd rows, 2 even columns, 3 odd columns, 4 both even, 5 both odd."""
    height, width = cells.shape
    odd = arg % 2
    rows = _indices(0, height, 1, 0) if arg // 2 == 1 else _indices(odd, (height + 1 - odd) // 2, 2, 0)
    cols = _indices(0, width, 1, 0) if arg // 2 == 0 else _indices(odd, (width + 1 - odd) // 2, 2, 0)
    return _picked(row, col, cells, rows, cols)


@kernel
def compress(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Without the rows and columns (0), only the rows (1) or only the columns (2) that are all 0.

    3: without those, in both directions, that are all of one other colour: separators. 6, 7, 8: without the rows and
    columns, only the rows, only the columns that equal the one before.
    """
    height, width = cells.shape
    rows = _indices(0, height, 1, 0) if arg % 3 == 2 else _kept(cells, arg // 3)
    cols = _indices(0, width, 1, 0) if arg % 3 == 1 else _kept(_transposed(cells), arg // 3)
    return _picked(row, col, cells, rows, cols)


@kernel
def _period(cells: Cells) -> int:
    """After how many rows, at most half of them, all rows repeat; the number of rows if never."""
    height: int = cells.shape[0]
    for period in range(1, height // 2 + 1):
        if np.array_equal(cells[period:], cells[: height - period]):
            return period
    return height


@kernel
def repeated_unit(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The smallest rectangle that, repeated from the top left corner on, gives the image; nothing if none repeats."""
    height, width = _period(cells), _period(_transposed(cells))
    return crop(row, col, cells, 0, 0, height, width) if height * width < cells.size else nothing()


@kernel
def dihedral(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Turned clockwise 90 (0), 180 (1), 270 (2) degrees; reflected left-right (3), up-down (4), on diagonals (5, 6)."""
    source = _transposed(cells) if arg == 0 or arg == 2 or arg == 5 or arg == 6 else cells
    height, width = source.shape
    upside_down, backwards = arg == 1 or arg == 2 or arg == 4 or arg == 6, arg < 2 or arg == 3 or arg == 6
    rows = _indices(height - 1, height, -1, 0) if upside_down else _indices(0, height, 1, 0)
    return _picked(row, col, source, rows, _indices(width - 1, width, -1, 0) if backwards else _indices(0, width, 1, 0))


@kernel
def shift(row: int, col: int, cells: Cells, arg: int) -> Image:
    """All cells one step in direction `arg`, zeros moving in; 8..15: in direction arg - 8, what leaves comes back."""
    height, width = cells.shape
    down, across = _direction(arg % 8)
    rows = _indices(-down, height, 1, height * (arg // 8))
    return _picked(row, col, cells, rows, _indices(-across, width, 1, width * (arg // 8)))


@kernel
def move(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The image elsewhere: one step in direction `arg`; 8..15: by its own size in direction arg - 8; 16: at 0, 0."""
    height, width = cells.shape
    down, across = _direction(arg % 8)
    if arg == 16:
        return 0, 0, cells.copy()
    return row + down * (height if arg >= 8 else 1), col + across * (width if arg >= 8 else 1), cells.copy()


@kernel
def _sorted(cells: Cells, most_first: int) -> Any:
    """The rows by how many of their cells are not 0; equal ones stay in order."""
    order, keys = np.empty(cells.shape[0], np.int64), np.empty(cells.shape[0], np.int64)
    for end in range(cells.shape[0]):
        keys[end], at = np.count_nonzero(cells[end]) * (1 - 2 * most_first), end
        while at > 0 and keys[order[at - 1]] > keys[end]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = end
    return order


@kernel
def sort_lines(row: int, col: int, cells: Cells, arg: int) -> Image:
    """By how many cells are not 0: 0 rows, fewest first; 1 rows, most first; 2, 3: columns in the same way."""
    height, width = cells.shape
    rows = _sorted(cells, arg) if arg < 2 else _indices(0, height, 1, 0)
    return _picked(row, col, cells, rows, _indices(0, width, 1, 0) if arg < 2 else _sorted(_transposed(cells), arg - 2))


@kernel
def scale_up(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Every cell becomes a block of arg // 10 rows and arg % 10 columns."""
    rows, cols = cells.shape[0] * (arg // 10), cells.shape[1] * (arg % 10)
    return _picked(row, col, cells, _indices(0, rows, 1, 0) // (arg // 10), _indices(0, cols, 1, 0) // (arg % 10))


@kernel
def _block(cells: Cells) -> int:
    """The height of the highest blocks of equal rows that the rows divide into."""
    block: int = cells.shape[0]
    for i in _kept(cells, 2):
        block = math.gcd(block, i)
    return block


@kernel
def scale_down(row: int, col: int, cells: Cells, arg: int) -> Image:
    """One cell for every block of one colour, the blocks being the largest: 0 squares, 1 rectangles."""
    height, width = cells.shape
    down, across = _block(cells), _block(_transposed(cells))
    if arg == 0:
        down = across = math.gcd(down, across)
    rows, cols = _indices(0, height // down, down, 0), _indices(0, width // across, across, 0)
    return _picked(row, col, cells, rows, cols) if down * across > 1 else nothing()


@kernel
def tile(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The image repeated arg // 10 times down and arg % 10 times across."""
    rows = _indices(0, cells.shape[0] * (arg // 10), 1, cells.shape[0])
    return _picked(row, col, cells, rows, _indices(0, cells.shape[1] * (arg % 10), 1, cells.shape[1]))


@kernel
def _mirrored(side: int, step: int, shared: int) -> Any:
    """The indices of a side with its reflection after (1) or before (-1) it, sharing 0 or 1 line, or without it (0)."""
    period = 2 * side - 1 - shared
    indices = _indices(0 if step >= 0 else side - shared, period + 1 if step != 0 else side, 1, period + 1 - shared)
    for n in range(len(indices)):
        indices[n] = min(indices[n], period - indices[n])
    return indices


@kernel
def mirror(row: int, col: int, cells: Cells, arg: int) -> Image:
    """With its reflection in direction `arg`, if diagonal in all three directions; the image itself stays in place.

    8..15: in direction arg - 8, the image and its reflection sharing the line between them.
    """
    down, across = _direction(arg % 8)
    rows, cols = _mirrored(cells.shape[0], down, arg // 8), _mirrored(cells.shape[1], across, arg // 8)
    top, left = int(down < 0) * (len(rows) - cells.shape[0]), int(across < 0) * (len(cols) - cells.shape[1])
    return _picked(row - top, col - left, cells, rows, cols)


@kernel
def turned_tiles(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The image beside itself, turned or reflected.

    arg: 2 x 2 tiles turned clockwise by 0, 1, 3, 2 (0) or 0, 3, 2, 1 (1) quarters; 2: 3 x 3, middle row reflected.
    """
    height, width = cells.shape
    side = 2 if arg < 2 else 3
    if (height != width and side == 2) or not fits(side * height, side * width):
        return nothing()
    out = np.empty((side * height, side * width), np.int8)
    for n in range(side * side):
        turned = dihedral(0, 0, cells, TURNS[arg, n])[2]
        for i in range(height):
            for j in range(width):
                out[n // side * height + i, n % side * width + j] = turned[i, j]
    return row, col, out


PRIMITIVES: tuple[Primitive, ...] = (
    Primitive(crop_to_content, Type.MAP),
    Primitive(part, Type.MAP, range(10)),
    Primitive(third, Type.MAP, range(6)),
    Primitive(trim, Type.MAP, range(5)),
    Primitive(pad, Type.MAP, range(5), cost=1.5),
    Primitive(add_frame, Type.MAP, COLOUR_ARGS),
    Primitive(framed, Type.MAP, range(2)),
    Primitive(subsample, Type.MAP, range(6), cost=1.5),
    Primitive(compress, Type.MAP, (0, 1, 2, 3, 6, 7, 8)),
    Primitive(repeated_unit, Type.MAP, cost=1.5),
    Primitive(dihedral, Type.MAP, range(7)),
    Primitive(shift, Type.MAP, range(16), cost=1.5),
    Primitive(move, Type.MAP, range(17), cost=1.5),
    Primitive(sort_lines, Type.MAP, range(4), cost=1.5),
    Primitive(scale_up, Type.MAP, (22, 33, 44, 55, 12, 21, 13, 31)),
    Primitive(scale_down, Type.MAP, range(2)),
    Primitive(tile, Type.MAP, (22, 12, 21, 33, 13, 31, 44)),
    Primitive(mirror, Type.MAP, range(16)),
    Primitive(turned_tiles, Type.MAP, range(3), cost=2.0),
)
