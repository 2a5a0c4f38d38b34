"""Primitives that continue what an image begins: symmetry, periods, sequences, rings, lines of one colour.

Where nothing else is said, results have the input's size and place, and zero cells are unknown: only they are filled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.compiled import kernel
from solver.search.image import MAX_SIDE, Cells, Image, bounds, components, crop, nothing
from solver.search.primitive import Primitive, Type

# Reflections by arg of `symmetrize`, bit t for one: t & 4 transposes, then t & 1 reverses the rows, t & 2 the columns.
SYMMETRIES = (4, 2, 14, 16, 128, 254, 8, 104)


@kernel
def _at(cells: Any, i: int, j: int) -> int:
    """The value of a cell, -1 beyond the edge."""
    return int(cells[i, j]) if 0 <= i < cells.shape[0] and 0 <= j < cells.shape[1] else -1


@kernel
def _turned(cells: Cells, turn: bool) -> Cells:
    """A copy, with columns as rows if `turn`: so that what is known about rows is known about columns."""
    return cells.T.copy() if turn else cells.copy()


@kernel
def _most_common(cells: Cells, least: int) -> int:
    """The most common colour from `least` on, of equally common ones the first in reading order; else `least`."""
    votes = np.zeros(10, np.int64)
    for place, colour in enumerate(cells.ravel()):
        votes[colour] += 4096 if votes[colour] > 0 else 8191 - place
    votes[:least] = 0
    return max(least, int(np.argmax(votes)))


@kernel
def _reflection(ci: int, cj: int, t: int, i: int, j: int) -> tuple[int, int]:
    """Where reflection t (see `SYMMETRIES`) about the centre (ci / 2, cj / 2) takes a cell; -1, -1 if between cells."""
    u, v = (2 * j - cj, 2 * i - ci) if t & 4 else (2 * i - ci, 2 * j - cj)
    a, b = ci - u if t & 1 else ci + u, cj - v if t & 2 else cj + v
    return (-1, -1) if a % 2 else (a // 2, b // 2)


@kernel
def _reflected(cells: Cells, ci: int, cj: int, group: int) -> Cells:
    """Zero cells filled by the first of a set of reflections that has another colour there."""
    out = cells.copy()
    for i, j in np.ndindex(cells.shape):
        for t in range(1, 8):
            if out[i, j] == 0 and group >> t & 1:
                a, b = _reflection(ci, cj, t, i, j)
                out[i, j] = max(0, _at(cells, a, b))
    return out


@kernel
def _agreement(cells: Cells, ci: int, cj: int, t: int) -> int:
    """How many cells have the colour of their reflection elsewhere, both not 0; -1 if any two such differ."""
    count = 0
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            a, b = _reflection(ci, cj, t, i, j) if cells[i, j] != 0 else (-1, -1)
            other = _at(cells, a, b)
            if other > 0 and other != cells[i, j]:
                return -1
            count += other > 0 and (a != i or b != j)
    return count


@kernel
def _best_centre(cells: Cells, t: int) -> tuple[int, int, int]:
    """On how many cells a reflection agrees at most where it never disagrees, and its centre there (doubled)."""
    height, width = cells.shape
    best = (0, height - 1, width - 1)
    for k in range(2 - width if t == 4 else 1, 2 * max(height, width) - 2):
        ci, cj = (k, width - 1) if t == 1 else (height - 1, k) if t == 2 else (2 * k, 0)
        count = _agreement(cells, ci, cj, t)
        best = (count, ci, cj) if count > best[0] else best
    return best


@kernel
def symmetrize(row: int, col: int, cells: Cells, arg: int) -> Image:
    """About the centre. arg: 0 left-right, 1 top-bottom, 2 both, 3, 4 diagonally, 5 all; 6 half, 7 quarter turns."""
    return row, col, _reflected(cells, cells.shape[0] - 1, cells.shape[1] - 1, SYMMETRIES[arg])


@kernel
def complete_symmetry(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Symmetric about the axes, wherever they lie, on which most cells agree and none differ; arg as `symmetrize`."""
    count, ci, cj = _best_centre(cells, (2, 1, 2, 4, 7, 2)[arg])
    if arg == 2 or arg == 5:
        below, ci, _ = _best_centre(cells, 1)
        count = min(count, below)
    if count == 0 or (arg == 5 and ((ci + cj) % 2 or _agreement(cells, ci, cj, 4) < 0)):
        return nothing()
    return row, col, _reflected(cells, ci, cj, SYMMETRIES[arg])


@kernel
def _fold(cells: Cells, p: int, q: int, slope: int, table: Cells) -> bool:
    """Whether cells recur every p rows and q columns, p rows down `slope` columns to the left; table: what recurs."""
    table[:] = 0
    for i in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            a, b = i % p, (j + i // p * slope) % q
            if cells[i, j] != 0 and table[a, b] != 0 and cells[i, j] != table[a, b]:
                return False
            table[a, b] = max(table[a, b], cells[i, j])
    return True


@kernel
def _period(cells: Cells, kind: int, table: Cells) -> tuple[int, int, int]:
    """The smallest periods p, q and slope for `_fold`, at most half the sides; p 0 if there are none.

    kind: 0 along rows, 1 along columns, 2 along both or one of them, 3 diagonally.
    """
    height, width = cells.shape
    for area in range(1, height * width):
        for p in range(1, min(height, area) + 1):
            q = area // p
            if area % p or q > width or height > p > (height + 1) // 2 or width > q > (width + 1) // 2:
                continue
            if (kind == 0 and p < height) or (kind == 1 and q < width) or (kind == 3 and p > 1):
                continue
            for slope in range(-1, 2):
                if (slope != 0) == (kind == 3) and _fold(cells, p, q, slope, table):
                    return p, q, slope
    return 0, 0, 0


@kernel
def complete_period(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Periodic with the smallest period that all cells allow. arg: 0 along rows, 1 columns, 2 both, 3 diagonally."""
    table, out = np.empty((MAX_SIDE, MAX_SIDE), np.int8), cells.copy()
    p, q, slope = _period(cells, arg, table)
    for i, j in np.ndindex(cells.shape if p > 0 else (0, 0)):
        out[i, j] = table[i % p, (j + i // p * slope) % q]
    return (row, col, out) if p > 0 else nothing()


@kernel
def _by_patches(cells: Cells, i: int, j: int, turns: int, need: int) -> int:
    """The most common centre of the image's 3x3 patches that agree with all known neighbours of a cell.

    -1 if fewer than `need` neighbours are known, 0 if no patch agrees. turns: 1 patches as they are, 8 also turned.
    """
    around, known, votes = np.zeros(9, np.int64), 0, np.zeros(10, np.int64)
    for n in range(9):
        around[n] = max(0, _at(cells, i + n // 3 - 1, j + n % 3 - 1))
        known += around[n] > 0
    for a, b in np.ndindex(cells.shape if known >= need else (0, 0)):
        for t in range(turns if cells[a, b] != 0 else 0):
            n = 0
            while n < 9:
                u, v = _reflection(2 * a, 2 * b, t, a + n // 3 - 1, b + n % 3 - 1)
                if around[n] > 0 and _at(cells, u, v) != around[n]:
                    break
                n += 1
            votes[cells[a, b]] += n == 9
    return int(np.argmax(votes)) if known >= need else -1


@kernel
def complete_patches(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Gaps of at most a quarter of the image, filled from their rims by what surrounds the same neighbours elsewhere.

    arg: 0 elsewhere as it is, 1 also turned and reflected. Gives up when a few cells find nothing like them.
    """
    failures, need, out = 0, 5, cells.copy()
    if out.all() or 4 * np.count_nonzero(out) < 3 * out.size:
        return nothing()
    while need > 2:
        known = out.copy()
        for i, j in np.ndindex(cells.shape):
            colour = _by_patches(known, i, j, 1 + 7 * arg, need) if known[i, j] == 0 else -1
            failures += colour == 0
            if failures > 4:
                return nothing()
            out[i, j] = max(colour, int(known[i, j]))
        need -= 0 if (out != known).any() else 1
    return row, col, out


@kernel
def missing_part(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The box of zeros after `complete_symmetry` (0..5), `complete_period` (6: both) or `complete_patches` (7, 8)."""
    top, left, height, width = bounds((cells == 0).astype(np.int8))
    if height == 0 or 2 * height * width > cells.size:
        return nothing()
    if arg < 7:
        full = complete_symmetry(row, col, cells, arg)[2] if arg < 6 else complete_period(row, col, cells, 2)[2]
    else:
        full = complete_patches(row, col, cells, arg - 7)[2]
    return crop(row, col, full, top, left, height, width) if full.size > 0 and (full != cells).any() else nothing()


@kernel
def repeat_content(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The bounding box of all that is not 0, its zeros included, is repeated all over the image.

    arg: 0 up and down, 1 left and right, 2 both; 3, 4, 5 with one line between; 6, 7, 8 with the period in the box.
    """
    top, left, height, width = bounds(cells)
    if height == 0:
        return nothing()
    content, out = cells[top : top + height, left : left + width] + np.int8(1), cells.copy()
    p, q, gap = (1, 1, 0) if arg > 5 else (height, width, arg // 3)
    table = np.empty((MAX_SIDE, MAX_SIDE), np.int8)
    while not _fold(content, p, width, 0, table):
        p += 1
    while not _fold(content, height, q, 0, table):
        q += 1
    for i, j in np.ndindex(cells.shape):
        a = (i - top) % (p + gap) if arg % 3 != 1 else i - top
        b = (j - left) % (q + gap) if arg % 3 != 0 else j - left
        if 0 <= a < height and 0 <= b < width:
            out[i, j] = content[a, b] - 1
    return row, col, out


@kernel
def continue_lines(row: int, col: int, cells: Cells, arg: int) -> Image:
    """In each row (0) or column (1) what lies between the first and last cell that is not 0 goes on with its period."""
    out = _turned(cells, arg == 1)
    for i in range(out.shape[0]):
        _, left, _, width = bounds(out[i : i + 1])
        right, q = left + width, 1
        while q < width and (out[i, left + q : right] != out[i, left : right - q]).any():
            q += 1
        for j in range(out.shape[1]):
            out[i, j] = out[i, left + (j - left) % q]
    return row, col, _turned(out, arg == 1)


@kernel
def extend_sequence(row: int, col: int, cells: Cells, arg: int) -> Image:
    """8-connected components of one shape, at equal distances in a line, go on to the edge; their colours recur.

    arg: 0 both ways, 1 downwards (in a row: to the right) only, 2 upwards only.
    """
    labels, count = components(cells, 8, False)
    second, out = divmod(np.argmax((labels == 2).ravel()), cells.shape[1]), cells.copy()
    first = divmod(np.argmax((labels == 1).ravel()), cells.shape[1])
    if count < 2:
        return nothing()
    di, dj, same, place = second[0] - first[0], second[1] - first[1], 1, 0
    while place < cells.size:
        i, j = divmod(place, cells.shape[1])
        n, place = labels[i, j] - 1, place + 1
        if n >= 0 and _at(labels, i - n * di, j - n * dj) != 1:
            return nothing()
        for k in range(1, count if n == 0 else 0):
            if _at(labels, i + k * di, j + k * dj) not in (k + 1, -1):
                return nothing()
        if n >= same and cells[i - same * di, j - same * dj] != cells[i, j]:
            same, place = same + 1, 0
    for i, j in np.ndindex(cells.shape):
        n = labels[i, j] - 1
        for k in range(-MAX_SIDE if arg != 1 else count, MAX_SIDE if arg != 2 else 0):
            a, b = i + (k - n) * di, j + (k - n) * dj
            if 0 <= n < same and (k - n) % same == 0 and _at(out, a, b) == 0:
                out[a, b] = cells[i, j]
    return row, col, out


@kernel
def _rings(cells: Cells, top: int, left: int, bottom: int, right: int) -> Any:
    """Colours of concentric rings, the outermost first (int64), in a box that may exceed the image; none if mixed."""
    out = np.full(MAX_SIDE + 2, -1)
    for i, j in np.ndindex(cells.shape):
        ring = min(i - top, j - left, bottom - i, right - j)
        if ring >= 0 and out[ring] >= 0 and out[ring] != cells[i, j]:
            return out[:0]
        out[max(-1, ring)] = cells[i, j]
    return out[: np.argmin(out[:-1])]


@kernel
def recolour_rings(row: int, col: int, cells: Cells, arg: int) -> Image:
    """The colours of concentric rings, 0 too, change places: 0 reversed, 1 each gets the next one inside, 2 outside."""
    order, count, out = np.zeros(10, np.int64), 0, cells.copy()
    for colour in _rings(cells, 0, 0, cells.shape[0] - 1, cells.shape[1] - 1):
        if not (order[:count] == colour).any():
            order[count] = colour
            count += 1
    for i, j in np.ndindex(cells.shape if count > 1 else (0, 0)):
        n = int(np.argmax(order[:count] == cells[i, j]))
        out[i, j] = order[(count - 1 - n, (n + 1) % count, (n - 1) % count)[arg]]
    return (row, col, out) if count > 1 else nothing()


@kernel
def continue_rings(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Concentric rings around the middle of all that is not 0, perhaps cut off by the edge, go on with their period."""
    top, left, height, width = bounds(cells)
    bottom = MAX_SIDE * 2 if top + height == cells.shape[0] else top + height - 1
    right = MAX_SIDE * 2 if left + width == cells.shape[1] else left + width - 1
    top, left = top if top > 0 else -MAX_SIDE, left if left > 0 else -MAX_SIDE
    if max(top, left) < 0 and min(bottom, right) > MAX_SIDE:
        return nothing()
    rings, period, out = _rings(cells, top, left, bottom, right), 1, cells.copy()
    while (rings[period:] != rings[: rings.size - period]).any():
        period += 1
    if rings.size == 0 or (rings == rings[0]).all():
        return nothing()
    for i, j in np.ndindex(cells.shape):
        away = max(top - i, i - bottom, left - j, j - right)
        if away > 0:
            out[i, j] = rings[(-away) % period]
    return row, col, out


@kernel
def line_majority(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Rows (0), columns (1) or whichever are more uniform (2) become their most common colour, 0 too."""
    along, down = np.count_nonzero(cells[:, 1:] == cells[:, :-1]), np.count_nonzero(cells[1:] == cells[:-1])
    turn = bool(arg == 1 or (arg == 2 and down > along))
    out = _turned(cells, turn)
    for i in range(out.shape[0]):
        out[i] = _most_common(out[i : i + 1], 0)
    return row, col, _turned(out, turn)


@kernel
def uniform_lines(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Only rows (0), columns (1) or both (2) that are of one colour other than 0; 3, 4, 5 all but these.

    6, 7, 8: rows, columns or both of zeros get the most common colour.
    """
    out, colour = cells.copy(), _most_common(cells, 1)
    rows, cols = np.full(cells.shape[0], -1), np.full(cells.shape[1], -1)
    for i in range(rows.size if arg % 3 != 1 else 0):
        rows[i] = cells[i, 0] if (cells[i] == cells[i, 0]).all() else -1
    for j in range(cols.size if arg % 3 != 0 else 0):
        cols[j] = cells[0, j] if (cells[:, j] == cells[0, j]).all() else -1
    for i, j in np.ndindex(cells.shape):
        if arg > 5:
            out[i, j] = colour if rows[i] == 0 or cols[j] == 0 else cells[i, j]
        elif (max(rows[i], cols[j]) > 0) != (arg < 3):
            out[i, j] = 0
    return (row, col, out) if out.any() and (out != cells).any() else nothing()


@kernel
def repeat_line(row: int, col: int, cells: Cells, arg: int) -> Image:
    """All lines become the first one in direction `arg`: 0 the last row upwards, 1 the first down, 2, 3 columns."""
    out = _turned(cells, arg > 1)
    for i, j in np.ndindex(out.shape):
        out[i, j] = out[0 if arg % 2 else -1, j]
    return row, col, _turned(out, arg > 1)


@kernel
def shear(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Row i moves i cells to the right (0) or left (1), column j j cells down (2) or up (3), around the edges."""
    out = _turned(cells, arg > 1)
    for i in range(out.shape[0]):
        out[i] = np.roll(out[i], i if arg % 2 == 0 else -i)
    return row, col, _turned(out, arg > 1)


@kernel
def opening(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Only the cells in a window of one colour. arg: 0 2x2, 1 3x3; 2, 3 of zeros, shown in the most common colour."""
    out, side, colour = np.zeros_like(cells), 2 + arg % 2, _most_common(cells, 1)
    for i in range(cells.shape[0] - side + 1):
        for j in range(cells.shape[1] - side + 1):
            window = cells[i : i + side, j : j + side]
            if (window[0, 0] == 0) == (arg > 1) and (window == window[0, 0]).all():
                out[i : i + side, j : j + side] = window[0, 0] if arg < 2 else colour
    return (row, col, out) if out.any() else nothing()


PRIMITIVES: tuple[Primitive, ...] = (
    Primitive(symmetrize, Type.MAP, args=range(8), cost=1.0),
    Primitive(complete_symmetry, Type.MAP, args=range(6), cost=1.0, slow=True),
    Primitive(complete_period, Type.MAP, args=range(4), cost=1.0),
    Primitive(complete_patches, Type.MAP, args=range(2), cost=1.5, slow=True),
    Primitive(missing_part, Type.MAP, args=range(9), cost=1.5, slow=True),
    Primitive(repeat_content, Type.MAP, args=range(9), cost=1.5),
    Primitive(continue_lines, Type.MAP, args=range(2), cost=1.0),
    Primitive(extend_sequence, Type.MAP, args=range(3), cost=1.5),
    Primitive(recolour_rings, Type.MAP, args=range(3), cost=2.0),
    Primitive(continue_rings, Type.MAP, cost=2.0),
    Primitive(line_majority, Type.MAP, args=range(3), cost=1.5),
    Primitive(uniform_lines, Type.MAP, args=range(9), cost=1.5),
    Primitive(repeat_line, Type.MAP, args=range(4), cost=1.5),
    Primitive(shear, Type.MAP, args=range(4), cost=2.0),
    Primitive(opening, Type.MAP, args=range(4), cost=1.5),
)
