"""Connected components."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from solver.programs.library.arguments import Array, Mask, foreground, grid_of
from solver.programs.library.colors import Color
from solver.programs.library.morphology import labelled


def find_connected_components(
    grid: Array, background: int = Color.BLACK, connectivity: int = 4, monochromatic: bool = True
) -> list[Array]:
    """The connected regions of pixels that are not background, each alone in an array of the grid's shape.

    With `monochromatic` a region has one colour, and regions are listed colour by colour in ascending order;
    otherwise colours mix. Within that the region with the smallest x of all, then the smallest y there, is first.
    """
    array = grid_of(grid)
    return [
        np.where(region, array, np.asarray(background).astype(array.dtype))
        for mask in _foregrounds(array, background, monochromatic)
        for region in regions(mask, connectivity)
    ]


def is_contiguous(bitmask: Array, background: int = Color.BLACK, connectivity: int = 4) -> bool:
    """Are the pixels that are not background one component? False if there are none."""
    return labelled(foreground(bitmask, background, "bitmask"), connectivity)[1] == 1


def regions(mask: Mask, connectivity: int) -> Iterator[Mask]:
    """The connected regions of a mask, in the order of their first pixels."""
    labels, count = labelled(mask, connectivity)
    for number in range(1, count + 1):
        yield labels == number


def _foregrounds(grid: Array, background: int, monochromatic: bool) -> Iterator[Mask]:
    if not monochromatic:
        yield foreground(grid, background)
        return
    for color in np.unique(grid):
        if color != background:
            yield grid == color
