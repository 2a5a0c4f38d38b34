"""Finding the symmetries of a grid of which parts may be hidden.

A symmetry is found if no pixel outside the ignored colours contradicts it: none has an image, on the grid and not
ignored either, of another colour. That must mean something, so it must send at least one pixel that counts to another
one of its colour; pixels count that are neither ignored nor background. Of those found the best preserves most pixels
that count; among equals it sends the fewest of them off the grid; among translations equal in that, the shorter is
better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from solver.programs.library.agreement import Agreement, Counts, Linear, Seen, agreement
from solver.programs.library.arguments import Array
from solver.programs.library.colors import Color
from solver.programs.library.symmetry import MirrorSymmetry, RotationalSymmetry, TranslationalSymmetry

_Colors = int | Iterable[int]


class _Merit(NamedTuple):
    """What makes one symmetry better than another: larger is better, the first number first."""

    preserved: int
    kept: int
    brevity: int


class _Found(NamedTuple):
    merit: _Merit
    x: int
    y: int


def detect_translational_symmetry(
    grid: Array, ignore_colors: _Colors = (Color.BLACK,), background: int | None = None
) -> list[TranslationalSymmetry]:
    """The best translation along x and the best along y, as far as there are any; if not, the best diagonal ones.

    `translate_x`, `translate_y`: grid[x, y] == grid[x + translate_x, y + translate_y] wherever both pixels are on the
    grid and neither has a colour of `ignore_colors`.
    """
    seen = Seen.of(grid, ignore_colors, background)
    if not seen.figure.size:
        return []
    counts = agreement(seen, Linear.IDENTITY)
    right, down = np.arange(1, seen.width), np.arange(1, seen.height)

    def best(x: Counts, y: Counts) -> list[_Found]:
        x, y = (shift.ravel() for shift in np.broadcast_arrays(x, y))
        pairs = counts.at(x, y)
        return _best(_found(x, y, pairs, moved=pairs.preserved, length=abs(x) + abs(y)))

    level = np.zeros(1, dtype=np.int64)
    found = best(right, level)[:1] + best(level, down)[:1]
    found = found or best(right[:, None], np.concatenate([-down, down]))
    return [TranslationalSymmetry(one.x, one.y) for one in found]


def detect_mirror_symmetry(
    grid: Array, ignore_colors: _Colors = (Color.BLACK,), background: int | None = None
) -> list[MirrorSymmetry]:
    """The best mirrors, across x (`mirror_y` is None), across y (`mirror_x` is None) or in a point; all that tie.

    grid[x, y] == grid[2 * mirror_x - x, 2 * mirror_y - y] wherever both pixels are on the grid and neither has a
    colour of `ignore_colors`; a coordinate whose mirror is None stays. Reflections in a point are reported only
    if they preserve more than every other mirror. A mirror across the other coordinate that does not tie is
    reported as well if it preserves more than half of the whole grid: a hidden part that lies across one mirror costs
    that mirror fewer pairs than the other, yet it takes the other to repair it.
    """
    seen = Seen.of(grid, ignore_colors, background)
    if not seen.figure.size:
        return []
    across_x, across_y, in_point = (
        _best(_mirrors(seen, linear)) for linear in (Linear.REFLECT_X, Linear.REFLECT_Y, Linear.REFLECT_BOTH)
    )
    best = max((one.merit for one in across_x + across_y), default=_Merit(0, 0, 0))
    if in_point and in_point[0].merit.preserved > best.preserved:
        return [MirrorSymmetry(one.x / 2, one.y / 2) for one in in_point]
    half_the_grid = seen.width * seen.height / 2

    def good(one: _Found) -> bool:
        return one.merit == best or one.merit.preserved > half_the_grid

    return [
        *(MirrorSymmetry(one.x / 2, None) for one in across_x if good(one)),
        *(MirrorSymmetry(None, one.y / 2) for one in across_y if good(one)),
    ]


def _mirrors(seen: Seen, linear: Linear) -> list[_Found]:
    """All reflections found, by twice the mirror of each coordinate; 0 stands for a coordinate that stays."""
    double_x = np.arange(2 * seen.width - 1) if linear is not Linear.REFLECT_Y else np.zeros(1, dtype=np.int64)
    double_y = np.arange(2 * seen.height - 1) if linear is not Linear.REFLECT_X else np.zeros(1, dtype=np.int64)
    x, y = (double.ravel() for double in np.meshgrid(double_x, double_y))
    pairs = agreement(seen, linear).at(x, y)
    return _found(x, y, pairs, moved=pairs.preserved - _unmoved(seen, linear)[x, y])


def _unmoved(seen: Seen, linear: Linear) -> Counts:
    """How many pixels that count stay where they are, by twice the mirror of each coordinate."""
    figure = seen.figure.sum(axis=0)
    if linear is Linear.REFLECT_X:
        figure = figure.sum(axis=1, keepdims=True)
    if linear is Linear.REFLECT_Y:
        figure = figure.sum(axis=0, keepdims=True)
    unmoved = np.zeros([2 * size - 1 for size in figure.shape], dtype=np.int64)
    unmoved[::2, ::2] = figure
    return unmoved


def detect_rotational_symmetry(
    grid: Array, ignore_colors: _Colors = (Color.BLACK,), background: int | None = None
) -> RotationalSymmetry | None:
    """The best quarter turn, or None; its center lies between the first and the last pixels of the grid.

    Clockwise: grid[x, y] == grid[y - center_y + center_x, -x + center_y + center_x] wherever both pixels are on the
    grid and neither has a colour of `ignore_colors`, and the same for the half turn that is two of them.
    """
    seen = Seen.of(grid, ignore_colors, background)
    if not seen.figure.size:
        return None
    # Twice the center: both even, or both odd.
    x, y = (double.ravel() for double in np.indices((2 * seen.width - 1, 2 * seen.height - 1)))
    x, y = x[(x + y) % 2 == 0], y[(x + y) % 2 == 0]
    quarter = agreement(seen, Linear.QUARTER).at((x - y) // 2, (x + y) // 2)
    half_turn = agreement(seen, Linear.REFLECT_BOTH).at(x, y)
    pairs = Agreement(
        contradictions=quarter.contradictions + half_turn.contradictions,
        # A quarter turn and its inverse preserve the same pairs.
        preserved=2 * quarter.preserved + half_turn.preserved,
        lost=quarter.lost + half_turn.lost,
    )
    found = _found(x, y, pairs, moved=quarter.preserved - _unmoved(seen, Linear.REFLECT_BOTH)[x, y])
    best = _best(found)
    return RotationalSymmetry(best[0].x / 2, best[0].y / 2) if best else None


def _found(x: Counts, y: Counts, pairs: Agreement, moved: Counts, length: Counts | None = None) -> list[_Found]:
    """Of candidates given by two parameters, those that nothing contradicts and that move a pixel that counts."""
    numbers = [pairs.preserved, -pairs.lost, np.zeros_like(x) if length is None else -length, x, y]
    rows = np.stack(numbers, axis=1)[(pairs.contradictions == 0) & (moved > 0)]
    return [_Found(_Merit(*row[:3]), *row[3:]) for row in rows.tolist()]


def _best(found: Sequence[_Found]) -> list[_Found]:
    """Those of the highest merit."""
    top = max((one.merit for one in found), default=None)
    return [one for one in found if one.merit == top]
