"""How the library reads its arguments: freely where the meaning is plain, with a clear exception where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


def grid_of(value: Any, name: str = "grid") -> Array:
    """A grid, object, sprite or mask as an array [x, y]; lists are converted. Raises ValueError for other shapes."""
    array = np.asarray(value)
    if array.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, not {array.ndim}")
    return array


def foreground(value: Any, background: Any, name: str = "grid") -> Mask:
    """True where a grid, object, sprite or mask is not background."""
    return np.asarray(grid_of(value, name) != background, dtype=bool)


def canvas_of(value: Any, name: str = "grid") -> Array:
    """An array [x, y] that can be drawn on; TypeError for lists, since drawing on a copy would be lost."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} is changed in place and must be a NumPy array, not {type(value).__name__}")
    return grid_of(value, name)


def whole(value: Any, name: str) -> int:
    """An integer from any number, or array of one number, without a fraction. Raises TypeError or ValueError."""
    if isinstance(value, int | np.integer):
        return int(value)
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be one integer, not {value!r}")
    number = array.item()
    if number != number // 1:
        raise ValueError(f"{name} must be an integer, not {number}")
    return int(number)


def inside(array: Array, x: int, y: int) -> bool:
    """Does the pixel lie in the array?"""
    return bool(0 <= x < array.shape[0] and 0 <= y < array.shape[1])
