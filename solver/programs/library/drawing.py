"""Drawing on a grid: regions, lines and sprites. All of it changes the grid in place and is clipped at its edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from solver.programs.library.arguments import Array, canvas_of, grid_of, inside, whole
from solver.programs.library.colors import Color, color_set
from solver.programs.library.morphology import labelled


def flood_fill(grid: Array, x: int, y: int, color: int, connectivity: int = 4) -> Array:
    """Recolours the connected region of equal colour that contains (x, y); returns the grid.

    Raises IndexError if (x, y) lies outside the grid.
    """
    canvas, x, y = canvas_of(grid), whole(x, "x"), whole(y, "y")
    if not inside(canvas, x, y):
        raise IndexError(f"flood_fill: ({x}, {y}) lies outside a grid of {canvas.shape[0]} x {canvas.shape[1]}")
    labels, _ = labelled(canvas == canvas[x, y], connectivity)
    canvas[labels == labels[x, y]] = whole(color, "color")
    return canvas


def draw_line(
    grid: Array,
    x: int,
    y: int,
    end_x: int | None = None,
    end_y: int | None = None,
    length: int | None = None,
    direction: tuple[int, int] | None = None,
    color: int | None = None,
    stop_at_color: int | Iterable[int] = (),
) -> tuple[int, int]:
    """Draws a line from (x, y) and returns the last pixel that it coloured, or (x, y) if it coloured none.

    It goes to (end_x, end_y), both ends included (a coordinate not given stays); or `length` pixels, the start
    counted, along a direction of -1, 0 and 1; or, without a length, to the edge of the grid. It stops before the
    first pixel, the start included, that has one of the colours to stop at. Between ends that no row, column or
    diagonal joins it is the nearest straight line. Raises ValueError without a
    colour, or without both end and direction.
    """
    canvas, start = canvas_of(grid), (whole(x, "x"), whole(y, "y"))
    if color is None:
        raise ValueError("draw_line: needs a color")
    paint, stops, last = whole(color, "color"), color_set(stop_at_color), start
    if end_x is not None or end_y is not None:
        end = (
            start[0] if end_x is None else whole(end_x, "end_x"),
            start[1] if end_y is None else whole(end_y, "end_y"),
        )
        path = _straight(start, end)
    elif direction is not None:
        path = _along(start, direction, _reach(canvas, start, length))
    else:
        raise ValueError("draw_line: needs end_x and end_y, or a direction")
    for pixel in path:
        if inside(canvas, *pixel):
            if int(canvas[pixel]) in stops:
                break
            canvas[pixel] = paint
            last = pixel
    return last


def _straight(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The pixels of the line between two pixels, one per step of its longer side, halves rounded up."""
    (x, y), (dx, dy) = start, (end[0] - start[0], end[1] - start[1])
    steps = max(abs(dx), abs(dy))
    if not steps:
        yield start
        return
    for step in range(steps + 1):
        yield x + (2 * step * dx + steps) // (2 * steps), y + (2 * step * dy + steps) // (2 * steps)


def _along(start: tuple[int, int], direction: tuple[int, int], steps: int) -> Iterator[tuple[int, int]]:
    """So many pixels from `start` on, of which only the signs of the direction matter."""
    dx, dy = (int(np.sign(part)) for part in direction)
    for step in range(steps):
        yield start[0] + step * dx, start[1] + step * dy


def _reach(grid: Array, start: tuple[int, int], length: int | None) -> int:
    """How many pixels to walk: as many as asked, but never more than from `start` across the whole grid."""
    across: int = 2 * max(abs(start[0]), abs(start[1]), grid.shape[0], grid.shape[1])
    return across if length is None else min(whole(length, "length"), across)


def scale_sprite(sprite: Array, factor: int) -> Array:
    """A new sprite in which every pixel has become a square of factor x factor. Raises ValueError below 1."""
    times = whole(factor, "factor")
    if times < 1:
        raise ValueError(f"scale_sprite: factor must be at least 1, not {times}")
    return grid_of(sprite, "sprite").repeat(times, axis=0).repeat(times, axis=1)


scale_pattern = scale_sprite


def blit(grid: Array, sprite: Array, x: int = 0, y: int = 0, background: int | None = None) -> Array:
    """Draws a sprite with its upper left corner at (x, y), clipped; returns the grid.

    Pixels of the sprite that have the colour `background`, if it is given, leave the grid as it is.
    """
    canvas, drawn = canvas_of(grid), grid_of(sprite, "sprite")
    x, y = whole(x, "x"), whole(y, "y")
    left, top = max(-x, 0), max(-y, 0)
    seen = drawn[left : max(canvas.shape[0] - x, 0), top : max(canvas.shape[1] - y, 0)]
    target = canvas[x + left : x + left + seen.shape[0], y + top : y + top + seen.shape[1]]
    opaque: Any = ... if background is None else seen != background
    target[opaque] = seen[opaque]
    return canvas


def blit_sprite(grid: Array, sprite: Array, x: int, y: int, background: int | None = Color.BLACK) -> Array:
    """Draws a sprite with its upper left corner at (x, y), clipped, its background transparent; returns the grid."""
    return blit(grid, sprite, x, y, background)


def blit_object(grid: Array, obj: Array, background: int | None = Color.BLACK) -> Array:
    """Draws an object, an array as large as the grid it comes from, at its own place; returns the grid."""
    return blit(grid, obj, 0, 0, background)
