"""Where an object is, how large, of which colours; cut out and moved."""

from __future__ import annotations

import numpy as np

from solver.programs.library.arguments import Array, Mask, foreground, grid_of, whole
from solver.programs.library.colors import Color
from solver.programs.library.drawing import blit

# Anchors as shares of the way from the first to the last pixel, along x and along y.
_ANCHORS = {
    "upper left": (0.0, 0.0),
    "upper center": (0.5, 0.0),
    "upper right": (1.0, 0.0),
    "left center": (0.0, 0.5),
    "center": (0.5, 0.5),
    "right center": (1.0, 0.5),
    "lower left": (0.0, 1.0),
    "lower center": (0.5, 1.0),
    "lower right": (1.0, 1.0),
}


def bounding_box(grid: Array, background: int = Color.BLACK) -> tuple[int, int, int, int]:
    """(x, y, width, height) of the pixels that are not background; (-1, -1, 0, 0) if there are none."""
    mask = foreground(grid, background)
    xs, ys = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not xs.size:
        return -1, -1, 0, 0
    return int(xs[0]), int(ys[0]), int(xs[-1] - xs[0] + 1), int(ys[-1] - ys[0] + 1)


def bounding_box_mask(grid: Array, background: int = Color.BLACK) -> Mask:
    """True in the bounding box of the pixels that are not background."""
    mask = np.zeros(grid_of(grid).shape, dtype=bool)
    x, y, width, height = bounding_box(grid, background)
    if width:
        mask[x : x + width, y : y + height] = True
    return mask


def object_position(
    obj: Array, background: int = Color.BLACK, anchor: str = "upper left"
) -> tuple[int | float, int | float]:
    """(x, y) of a point of the object's bounding box: a corner, the middle of an edge, or the center.

    Coordinates are integers, except in the middle of an even number of pixels, where they end in one half.
    Raises ValueError for an empty object or an unknown anchor.
    """
    if anchor not in _ANCHORS:
        raise ValueError(f"object_position: anchor must be one of {', '.join(_ANCHORS)}; not {anchor!r}")
    x, y, width, height = bounding_box(obj, background)
    if not width:
        raise ValueError("object_position: the object has no pixel that is not background")
    along_x, along_y = _ANCHORS[anchor]
    return _tidy(x + along_x * (width - 1)), _tidy(y + along_y * (height - 1))


def _tidy(number: float) -> int | float:
    """Integers where possible, so that positions can index arrays."""
    return int(number) if number.is_integer() else number


def object_colors(obj: Array, background: int = Color.BLACK) -> list[int]:
    """The colours of an object in ascending order, without the background."""
    return [int(color) for color in np.unique(grid_of(obj, "obj")) if color != background]


def crop(grid: Array, background: int = Color.BLACK) -> Array:
    """A copy of the smallest box that holds all pixels that are not background; of shape (0, 0) if there are none."""
    x, y, width, height = bounding_box(grid, background)
    return (
        grid_of(grid)[max(x, 0) : x + width, max(y, 0) : y + height].copy() if width else grid_of(grid)[:0, :0].copy()
    )


def translate(obj: Array, x: int, y: int, background: int = Color.BLACK) -> Array:
    """A copy shifted by (x, y): what leaves the array is lost, what is left free is background."""
    array = grid_of(obj, "obj")
    return blit(np.full_like(array, background), array, whole(x, "x"), whole(y, "y"))
