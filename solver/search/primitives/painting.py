"""Primitives that paint or erase cells of an image in place: holes, outlines, rays, falling, choice of components.

Results have the input's size and place. A component is 8-connected unless its primitive says otherwise.
Directions: 0 up, 1 down, 2 left, 3 right, 4 up-left, 5 up-right, 6 down-left, 7 down-right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.compiled import kernel
from solver.search.image import MAX_SIDE, Cells, Image, components, nothing
from solver.search.primitive import Primitive, Type

# Rows and columns of a step in each direction; the ninth stays.
DI = (-1, 1, 0, 0, -1, -1, 1, 1, 0)
DJ = (0, 0, -1, 1, -1, 1, -1, 1, 0)
# What args choose: ranges of directions (orthogonal, diagonal, all), and sets of them, bit d for direction d.
OUTLINES = ((0, 4), (4, 8), (0, 8))
RAYS = (1, 2, 4, 8, 16, 32, 64, 128, 3, 12, 15, 144, 96, 240, 255)
LINES = (8, 2, 10, 192)


@kernel
def _at(cells: Any, i: int, j: int) -> int:
    """The value of a cell, -1 beyond the edge."""
    return int(cells[i, j]) if 0 <= i < cells.shape[0] and 0 <= j < cells.shape[1] else -1


@kernel
def _vote(votes: Any, group: int, colour: Any, place: int) -> None:
    """One vote of a group, such that of two colours with equally many the one first voted for has more."""
    votes[group, colour] += 4096 if votes[group, colour] > 0 else 8191 - place


@kernel
def _poll(cells: Cells, labels: Any, count: int) -> Any:
    """Votes of each label's cells that are not 0 (int64 [count + 1, 10])."""
    votes, groups = np.zeros((count + 1, 10), np.int64), labels.ravel()
    for place, colour in enumerate(cells.ravel()):
        if colour != 0:
            _vote(votes, groups[place], colour, place)
    return votes


@kernel
def _winners(votes: Any) -> Any:
    """Each group's colour with the most votes (int64)."""
    out = np.zeros(votes.shape[0], np.int64)
    for group in range(out.size):
        out[group] = np.argmax(votes[group])
    return out


@kernel
def _most_common(cells: Cells) -> int:
    """The most common colour that is not 0; 1 if there is none."""
    return max(1, int(np.argmax(_poll(cells, np.zeros(cells.shape, np.int32), 0)[0])))


@kernel
def _lookup(labels: Any, table: Any) -> Any:
    """The table's entry for each label."""
    return table[labels.ravel()].astype(np.int8).reshape(labels.shape)


@kernel
def _spans(labels: Any, count: int) -> Any:
    """top, left, bottom, right (both inclusive) and number of cells of each label (int64 [count + 1, 5])."""
    out = np.zeros((count + 1, 5), np.int64)
    out[:, :2] = MAX_SIDE
    for i in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            span = out[labels[i, j]]
            span[0], span[1] = min(span[0], i), min(span[1], j)
            span[2], span[3] = max(span[2], i), max(span[3], j)
            span[4] += 1
    return out


@kernel
def fill_enclosed(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Regions of zero cells that do not reach the edge get the colour that touches them most.

    arg: 0 regions are 4-connected, 1 8-connected; 4-connected and 2 a rectangle, 3 a square; 4, 5 as 0, 1, but only
    these regions are shown, in the image's most common colour.
    """
    labels, count = components((cells == 0).astype(np.int8), 8 if arg == 1 or arg == 5 else 4, False)
    votes, span = np.zeros((count + 1, 10), np.int64), _spans(labels, count)
    for i, j in np.ndindex(cells.shape):
        for d in range(4 if cells[i, j] != 0 else 0):
            _vote(votes, max(0, _at(labels, i + DI[d], j + DJ[d])), cells[i, j], i * cells.shape[1] + j)
    colours = _winners(votes) if arg < 4 else np.full(count + 1, _most_common(cells))
    colours[0] = 0
    for label in range(1, count + 1):
        top, left, bottom, right, size = span[label, 0], span[label, 1], span[label, 2], span[label, 3], span[label, 4]
        is_open = top == 0 or left == 0 or bottom == cells.shape[0] - 1 or right == cells.shape[1] - 1
        is_square, is_full = bottom - top == right - left, (bottom - top + 1) * (right - left + 1) == size
        if is_open or (2 <= arg <= 3 and not is_full) or (arg == 3 and not is_square):
            colours[label] = 0
    if not colours.any():
        return nothing()
    return row, col, _lookup(labels, colours) if arg > 3 else cells + _lookup(labels, colours)


@kernel
def flood(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Regions between cells of the most common colour get their own most common one (0 4-connected, 1 8-connected)."""
    labels, count = components((cells != _most_common(cells)).astype(np.int8), 4 + 4 * arg, False)
    colours = _winners(_poll(cells, labels, count))
    return row, col, cells + _lookup(labels, colours) * (cells == 0)


@kernel
def hull(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Zero cells in the bounding box of some cells get their most common colour.

    arg: 0 the cells of a component of any colours, 1 of a component of one colour, 2 all cells of a colour.
    """
    labels, count = (cells.astype(np.int32), 9) if arg == 2 else components(cells, 8, arg == 1)
    colours, span, out = _winners(_poll(cells, labels, count)), _spans(labels, count), cells.copy()
    for label in range(1, count + 1):
        box = out[span[label, 0] : span[label, 2] + 1, span[label, 1] : span[label, 3] + 1]
        for i, j in np.ndindex(box.shape):
            box[i, j] = box[i, j] if box[i, j] != 0 else colours[label]
    return row, col, out


@kernel
def interior(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Only cells whose neighbours all have their colour (0 the four, 1 all eight), or only the others (2, 3)."""
    out = cells.copy()
    for i, j in np.ndindex(cells.shape):
        for d in range(4 + arg % 2 * 4):
            if _at(cells, i + DI[d], j + DJ[d]) != cells[i, j]:
                out[i, j] = 0
    out = out if arg < 2 else cells - out
    return (row, col, out) if out.any() else nothing()


@kernel
def outline(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Zero cells next to others get the colour of the first of these neighbours, in the order of the directions.

    arg: 0 orthogonal neighbours, 1 diagonal, 2 all; 3, 4, 5 the same, and the image itself is erased.
    """
    out = cells.copy() if arg < 3 else np.zeros_like(cells)
    first, last = OUTLINES[arg % 3]
    for i, j in np.ndindex(cells.shape):
        for d in range(first, last if cells[i, j] == 0 else first):
            if out[i, j] == 0:
                out[i, j] = max(0, _at(cells, i + DI[d], j + DJ[d]))
    return (row, col, out) if out.any() else nothing()


@kernel
def box_marks(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Only marks at the bounding box of each component of any colours, in its most common colour.

    arg: 0 the centre (1, 2 or 4 cells), 1 the four corners, 2 the four cells diagonally outside of the corners.
    """
    labels, count = components(cells, 8, False)
    colours, span, out = _winners(_poll(cells, labels, count)), _spans(labels, count), np.zeros_like(cells)
    for label in range(1, count + 1):
        top, left, bottom, right = span[label, 0], span[label, 1], span[label, 2], span[label, 3]
        rows, cols = (top - arg // 2, bottom + arg // 2), (left - arg // 2, right + arg // 2)
        if arg == 0:
            rows, cols = ((top + bottom) // 2, (top + bottom + 1) // 2), ((left + right) // 2, (left + right + 1) // 2)
        for i in rows:
            for j in cols:
                if _at(cells, i, j) >= 0:
                    out[i, j] = colours[label]
    return (row, col, out) if out.any() else nothing()


@kernel
def gravity(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Each cell falls on its own, the foremost first. arg: direction 0..3."""
    out, last = np.zeros_like(cells), cells.size - 1
    for place in range(cells.size):
        i, j = divmod(place if arg % 2 == 0 else last - place, cells.shape[1])
        colour = cells[i, j]
        if colour != 0:
            while _at(out, i + DI[arg], j + DJ[arg]) == 0:
                i, j = i + DI[arg], j + DJ[arg]
            out[i, j] = colour
    return row, col, out


@kernel
def fall(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Each component falls as a whole. arg: direction 0..3; 4 + direction: components of any colours."""
    labels, count = components(cells, 8, arg < 4)
    di, dj, out, rests = DI[arg % 4], DJ[arg % 4], cells.copy(), np.zeros(count + 1, np.bool_)
    while not rests.all():
        rests[:] = False
        rests[0] = changed = True
        while changed:
            changed = False
            for i in range(cells.shape[0]):
                for j in range(cells.shape[1]):
                    own, below = labels[i, j], _at(labels, i + di, j + dj)
                    if not rests[own] and below != own and below != 0 and (below < 0 or rests[below]):
                        rests[own] = changed = True
        old_labels, old = labels.copy(), out.copy()
        for i in range(cells.shape[0]):
            for j in range(cells.shape[1]):
                above = _at(old_labels, i - di, j - dj)
                if above > 0 and not rests[above]:
                    labels[i, j], out[i, j] = above, old[i - di, j - dj]
                elif not rests[old_labels[i, j]]:
                    labels[i, j] = out[i, j] = 0
    return row, col, out


@kernel
def _draw(cells: Cells, chosen: Any, goals: Cells, meets: int) -> Cells:
    """Rays over zero cells; where two cross, that of the nearer cell is seen.

    chosen: bits of each cell's directions (int64 [height, width]); meets: -1 only rays that reach the edge, 1 only
    those that meet a cell where goals is not 0, 0 all.
    """
    out, nearest = cells.copy(), np.full(cells.shape, MAX_SIDE)
    for i, j in np.ndindex(cells.shape):
        for d in range(8 if cells[i, j] != 0 else 0):
            end = 1 if chosen[i, j] >> d & 1 else 0
            while end > 0 and _at(cells, i + end * DI[d], j + end * DJ[d]) == 0:
                end += 1
            if meets == 0 or _at(goals, i + end * DI[d], j + end * DJ[d]) * meets > 0:
                for step in range(1, end):
                    a, b = i + step * DI[d], j + step * DJ[d]
                    if step < nearest[a, b]:
                        nearest[a, b], out[a, b] = step, cells[i, j]
    return out


@kernel
def rays(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Every cell is drawn out over zero cells to the next other cell or the edge.

    arg: 0..7 the direction, 8 up and down, 9 sideways, 10 both, 11 falling diagonal, 12 rising one, 13 both, 14 all.
    """
    return row, col, _draw(cells, np.full(cells.shape, RAYS[arg]), cells, 0)


@kernel
def special_rays(row: int, col: int, cells: Cells, arg: int) -> Image:
    """As `rays`, but from some cells only.

    arg: from cells with their own colour behind them (a line goes on), 0 orthogonally, 1 diagonally; from single cells
    (4-connected) to others, 2 orthogonally, 3 diagonally; 4 from cells at the edge inwards, 5 so from edge to edge.
    """
    labels, count = components(cells, 4, True)
    span, chosen, goals = _spans(labels, count), np.zeros(cells.shape, np.int64), cells.copy()
    for i, j in np.ndindex(cells.shape):
        is_single, first = span[labels[i, j], 4] == 1, 4 if arg == 1 or arg == 3 else 0
        goals[i, j] = 0 if is_single else cells[i, j]
        for d in range(first, first + 4):
            behind = _at(cells, i - DI[d], j - DJ[d])
            if (behind == cells[i, j], is_single, behind == -1)[arg // 2]:
                chosen[i, j] |= 1 << d
    out = _draw(cells, chosen, goals, (0, 0, 1, 1, 0, -1)[arg])
    return (row, col, out) if (out != cells).any() else nothing()


@kernel
def connect(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Zero cells between two cells of one colour get that colour.

    arg: 0 in rows, 1 in columns, 2 both (columns on top), 3 on diagonals; 4..7 the same past cells of other colours.
    """
    out = cells.copy()
    for d in (3, 1, 6, 7):
        for i, j in np.ndindex(cells.shape):
            colour, a, b = _at(cells, i, j), i + DI[d], j + DJ[d]
            other = _at(cells, a, b) if colour > 0 and LINES[arg % 4] >> d & 1 else -1
            while other == 0 or (arg > 3 and other > 0 and other != colour):
                a, b = a + DI[d], b + DJ[d]
                other = _at(cells, a, b)
            while other > 0 and other == colour and (a != i or b != j):
                out[a, b] = colour if cells[a, b] == 0 else out[a, b]
                a, b = a - DI[d], b - DJ[d]
    return row, col, out


@kernel
def spread(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Zero cells get the colour of the nearest other cell. arg: 0 by orthogonal steps, 1 by diagonal steps too."""
    out = cells.copy()
    while out.size > 0 and not out.all():
        row, col, out = outline(row, col, out, 2 * arg)
    return row, col, out


@kernel
def _cutout(labels: Any, span: Any, label: int) -> Cells:
    """1 where a component is, 0 elsewhere, in its bounding box with a margin of one cell."""
    top, left = span[label, 0] - 1, span[label, 1] - 1
    out = np.zeros((span[label, 2] - top + 2, span[label, 3] - left + 2), np.int8)
    for i, j in np.ndindex(out.shape):
        out[i, j] = _at(labels, top + i, left + j) == label
    return out


@kernel
def _holes(labels: Any, span: Any, label: int) -> int:
    """How many regions a component encloses."""
    return components(1 - _cutout(labels, span, label), 4, False)[1] - 1


@kernel
def rank_components(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Components of any colours get a number as their colour, if none is above 9.

    arg: 0 rank by size from the largest (equals share it), 1 from the smallest, 2 size, 3 number of holes; 4..7 the
    same for 4-connected components.
    """
    labels, count = components(cells, 8 if arg < 4 else 4, False)
    span, numbers = _spans(labels, count), np.zeros(count + 1, np.int64)
    ranks = np.zeros(cells.size + 1, np.int64)
    ranks[span[1:, 4]] = 1
    ranks = np.cumsum(ranks)
    for label in range(1, count + 1):
        size, inside = span[label, 4], _holes(labels, span, label) if arg % 4 == 3 else 0
        numbers[label] = (ranks[-1] + 1 - ranks[size], ranks[size], size, inside)[arg % 4]
    return (row, col, _lookup(labels, numbers)) if 0 < numbers.max() < 10 else nothing()


@kernel
def _has_trait(labels: Any, span: Any, label: int, trait: int) -> bool:
    """Whether a component has a trait, by its number in `keep_components`."""
    top, left, bottom, right, size = span[label, 0], span[label, 1], span[label, 2], span[label, 3], span[label, 4]
    is_full = (bottom - top + 1) * (right - left + 1) == size
    if trait == 0:
        return bool(top == 0 or left == 0 or bottom == labels.shape[0] - 1 or right == labels.shape[1] - 1)
    if trait < 4:
        return bool(is_full and (True, bottom - top == right - left, bottom == top or right == left)[trait - 1])
    if trait == 4:
        return _holes(labels, span, label) > 0
    if trait == 5:
        shape = _cutout(labels, span, label)
        return bool((shape == shape[::-1]).all() or (shape == shape[:, ::-1]).all())
    if trait < 8:
        return bool(size == (span[1:, 4].max() if trait == 6 else span[1:, 4].min()))
    return bool(size == trait - 7)


@kernel
def keep_components(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Only the components of one colour with a trait (even arg) or without it (odd arg).

    arg // 2: 0 touches the edge, 1 is a filled rectangle, 2 a filled square, 3 a line or single cell, 4 has a hole,
    5 is symmetric left-right or top-bottom, 6 none is larger, 7 none is smaller; 8, 9, 10, 11 has 1, 2, 3, 4 cells.
    """
    labels, count = components(cells, 8, True)
    span, kept = _spans(labels, count), np.zeros(count + 1, np.int64)
    for label in range(1, count + 1):
        kept[label] = _has_trait(labels, span, label, arg // 2) == (arg % 2 == 0)
    return (row, col, cells * _lookup(labels, kept)) if kept.any() else nothing()


@kernel
def denoise(row: int, col: int, cells: Cells, arg: int) -> Image:
    """Cells (zero cells too) unlike all their four (0) or eight (1) neighbours get the most common colour of these.

    2: all cells get the most common colour of their eight neighbours and themselves. 3: as 0, but they become 0.
    """
    out, votes = cells.copy(), np.zeros((1, 10), np.int64)
    for i, j in np.ndindex(cells.shape):
        votes[:], alone = 0, True
        for d in range((4, 8, 9, 4)[arg]):
            other = _at(cells, i + DI[d], j + DJ[d])
            alone = alone and other != cells[i, j]
            if other >= 0 and arg < 3:
                _vote(votes, 0, other, d)
        if alone or arg == 2:
            out[i, j] = np.argmax(votes)
    return row, col, out


PRIMITIVES: tuple[Primitive, ...] = (
    Primitive(fill_enclosed, Type.MAP, args=range(6), cost=1.0),
    Primitive(flood, Type.MAP, args=range(2), cost=1.5),
    Primitive(hull, Type.MAP, args=range(3), cost=1.0),
    Primitive(interior, Type.MAP, args=range(4), cost=1.0),
    Primitive(outline, Type.MAP, args=range(6), cost=1.0),
    Primitive(box_marks, Type.MAP, args=range(3), cost=1.5),
    Primitive(gravity, Type.MAP, args=range(4), cost=1.0),
    Primitive(fall, Type.MAP, args=range(8), cost=1.5, slow=True),
    Primitive(rays, Type.MAP, args=range(15), cost=1.0),
    Primitive(special_rays, Type.MAP, args=range(6), cost=1.5),
    Primitive(connect, Type.MAP, args=range(8), cost=1.0),
    Primitive(spread, Type.MAP, args=range(2), cost=1.5),
    Primitive(rank_components, Type.MAP, args=range(8), cost=1.5),
    Primitive(keep_components, Type.MAP, args=range(24), cost=1.5),
    Primitive(denoise, Type.MAP, args=range(4), cost=1.5),
)
