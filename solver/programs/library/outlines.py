"""Inside, edge and surroundings of an object, as masks of the grid's shape."""

from __future__ import annotations

from solver.programs.library.arguments import Array, Mask, foreground
from solver.programs.library.colors import Color
from solver.programs.library.morphology import dilated, eroded, filled


def object_interior(grid: Array, background: int = Color.BLACK) -> Mask:
    """True for the object's pixels and for the background that they enclose.

    Background is enclosed if no path of steps along x and y leads from it to the edge of the grid and out.
    """
    return filled(foreground(grid, background))


def object_boundary(grid: Array, background: int = Color.BLACK) -> Mask:
    """True for the object's outer edge: the pixels of its interior that have a side in common with the outside.

    Beyond the edges of the grid all is outside. Such pixels always belong to the object itself.
    """
    interior = object_interior(grid, background)
    return interior & ~eroded(interior, 4)


def object_neighbors(grid: Array, background: int = Color.BLACK, connectivity: int = 4) -> Mask:
    """True for background next to a pixel of the object, outside it or in its holes."""
    mask = foreground(grid, background)
    return dilated(mask, connectivity) & ~mask
