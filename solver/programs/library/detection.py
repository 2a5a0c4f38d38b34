"""Objects that satisfy a description."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from solver.programs.library.arguments import Array, foreground, grid_of, whole
from solver.programs.library.colors import Color, color_set
from solver.programs.library.components import find_connected_components
from solver.programs.library.packing import pack
from solver.programs.library.positions import crop, object_colors

Predicate = Callable[[Array], Any]


def detect_objects(
    grid: Array,
    _: Any = None,
    predicate: Predicate | None = None,
    background: int = Color.BLACK,
    monochromatic: bool = False,
    connectivity: int | None = None,
    allowed_dimensions: Iterable[tuple[int, int]] | None = None,
    colors: Iterable[int] | int | None = None,
    can_overlap: bool = False,
) -> list[Array]:
    """The objects that satisfy all that is given, each alone on background in an array of the grid's shape.

    With a connectivity, objects are connected components. Without one they are 8-connected components, unless
    `allowed_dimensions` are given: then every part of the grid of such a (width, height) whose four edges all have a
    pixel that is not background can be an object. Unless objects can overlap, of such parts a set is chosen that
    leaves as few pixels uncovered as the search finds.

    An object has one of the allowed dimensions, no color but those listed, with `monochromatic` only one, and the
    predicate, which is given a copy of the object cropped to its bounding box, is true of it.
    """
    array = grid_of(grid)
    sizes = None if allowed_dimensions is None else _sizes(allowed_dimensions)
    allowed = None if colors is None else color_set(colors)

    def wanted(sprite: Array) -> bool:
        found = object_colors(sprite, background)
        return (
            bool(found)
            and (sizes is None or sprite.shape in sizes)
            and (allowed is None or allowed.issuperset(found))
            and (not monochromatic or len(found) == 1)
            and (predicate is None or bool(predicate(sprite)))
        )

    if connectivity is not None or sizes is None:
        parts = find_connected_components(array, background, connectivity or 8, monochromatic)
        return [part for part in parts if wanted(crop(part, background))]
    windows = [part for part in _windows(array, sizes, background) if wanted(crop(part, background))]
    if can_overlap:
        return windows
    return [windows[index] for index in pack([foreground(window, background) for window in windows])]


def _sizes(dimensions: Iterable[Any]) -> list[tuple[int, int]]:
    """Dimensions as a list of pairs without repetition; a single pair is taken as a list of one."""
    pairs = np.reshape(np.asarray(list(dimensions)), (-1, 2)).tolist()
    return list(dict.fromkeys((whole(width, "width"), whole(height, "height")) for width, height in pairs))


def _windows(grid: Array, sizes: list[tuple[int, int]], background: int) -> Iterator[Array]:
    """Every part of the grid of one of the sizes that has no smaller bounding box, alone on background."""
    filled = foreground(grid, background)
    for width, height in sizes:
        for x in range(grid.shape[0] - width + 1):
            for y in range(grid.shape[1] - height + 1):
                area = slice(x, x + width), slice(y, y + height)
                part = filled[area]
                if part.size and all(edge.any() for edge in (part[0], part[-1], part[:, 0], part[:, -1])):
                    alone = np.full_like(grid, background)
                    alone[area] = grid[area]
                    yield alone
