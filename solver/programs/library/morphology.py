"""Regions and neighbourhoods of masks: the one place that calls scipy.ndimage, with types."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from solver.programs.library.arguments import Mask

_BLOCK = np.ones((3, 3), dtype=bool)
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)


def neighbourhood(connectivity: Any) -> Mask:
    """The 3 x 3 structuring element of 4- or 8-connectivity. Raises ValueError for any other number."""
    if connectivity == 4:
        return _CROSS
    if connectivity == 8:
        return _BLOCK
    raise ValueError(f"connectivity must be 4 or 8, not {connectivity!r}")


def labelled(mask: Mask, connectivity: int) -> tuple[npt.NDArray[np.int32], int]:
    """Numbers the connected regions of a mask from 1 in the order of their first pixels; 0 is outside the mask."""
    labels, count = scipy.ndimage.label(mask, structure=neighbourhood(connectivity))
    return labels, int(count)


def dilated(mask: Mask, connectivity: int, times: int = 1) -> Mask:
    """The mask with its neighbours, with theirs, and so on."""
    grown = mask
    for _time in range(times):
        grown = np.asarray(scipy.ndimage.binary_dilation(grown, structure=neighbourhood(connectivity)))
    return grown


def eroded(mask: Mask, connectivity: int) -> Mask:
    """The mask without the pixels that have a neighbour outside it; beyond the edges of the array all is outside."""
    return np.asarray(scipy.ndimage.binary_erosion(mask, structure=neighbourhood(connectivity)))


def filled(mask: Mask) -> Mask:
    """The mask with everything that it encloses, that is all from which no 4-connected path leads out."""
    return np.asarray(scipy.ndimage.binary_fill_holes(mask))
