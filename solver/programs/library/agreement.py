"""How well a grid agrees with itself when it is turned over or round and shifted, for all shifts at once.

A candidate symmetry sends a pixel p to L p + s with L the identity, a reflection of x, of y or of both, or a quarter
turn. For one L and every s the pairs of pixels are counted by cross-correlation, as products of Fourier transforms;
counts are at most the number of pixels, so that rounding them is exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from numpy.fft import irfft2, rfft2

from solver.programs.library.arguments import Array, grid_of
from solver.programs.library.colors import color_set

Counts = npt.NDArray[np.int64]
Masks = npt.NDArray[np.float64]


class Linear(Enum):
    """The part of a symmetry that is not a shift: where it sends (x, y)."""

    IDENTITY = "(x, y)"
    REFLECT_X = "(-x, y)"
    REFLECT_Y = "(x, -y)"
    REFLECT_BOTH = "(-x, -y)"
    QUARTER = "(y, -x)"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a detector sees of a grid.

    colours: of shape [colours, x, y], one mask for each colour that is not ignored; figure: of the same shape, the
    same without the background's mask.
    """

    colours: Masks
    figure: Masks

    @classmethod
    def of(cls, grid: Array, ignore_colors: int | Iterable[int] | None, background: int | None) -> Seen:
        array = grid_of(grid)
        ignored = color_set(ignore_colors)
        colours = [colour for colour in np.unique(array).tolist() if colour not in ignored]
        masks = np.array([array == colour for colour in colours], dtype=np.float64).reshape(-1, *array.shape)
        return cls(masks, masks[[colour != background for colour in colours]])

    @property
    def width(self) -> int:
        return int(self.colours.shape[1])

    @property
    def height(self) -> int:
        return int(self.colours.shape[2])


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts for several candidate symmetries, in arrays of one shape.

    contradictions: pairs of a pixel and its image that are both not ignored and differ; preserved: pixels outside the
    background, not ignored, whose image has their colour; lost: such pixels whose image, or whose image under the
    inverse, is off the grid, counted once for each.
    """

    contradictions: Counts
    preserved: Counts
    lost: Counts


@dataclass(frozen=True, slots=True)
class AllShifts:
    """The agreement for one linear part and every shift that leaves at least one pixel on the grid."""

    counts: Agreement
    origin: tuple[int, int]

    def at(self, shift_x: Counts, shift_y: Counts) -> Agreement:
        """The agreement for some shifts, elementwise."""
        index = shift_x + self.origin[0], shift_y + self.origin[1]
        return Agreement(self.counts.contradictions[index], self.counts.preserved[index], self.counts.lost[index])


def agreement(seen: Seen, linear: Linear) -> AllShifts:
    """Compares the grid with its image under `linear`, for every shift of the image.

    The image is stored from its smallest coordinates on; `origin` makes up for that, and negative indices, which
    the periodic transform puts at the end, are negative indices of the arrays.
    """
    colours, figure = _moved(seen.colours, linear), _moved(seen.figure, linear)
    shape = seen.width + colours.shape[1], seen.height + colours.shape[2]
    whole_grid = np.ones((1, seen.width, seen.height))
    same = _pairs(colours, seen.colours, shape)
    visible = _pairs(_total(colours), _total(seen.colours), shape)
    stays = _pairs(_total(figure), whole_grid, shape)
    stays_back = _pairs(_moved(whole_grid, linear), _total(seen.figure), shape)
    counts = Agreement(
        contradictions=visible - same,
        preserved=_pairs(figure, seen.figure, shape),
        lost=2 * round(seen.figure.sum()) - stays - stays_back,
    )
    return AllShifts(counts, _origin(seen, linear))


def _moved(masks: Masks, linear: Linear) -> Masks:
    """Masks [colours, x, y] under the linear part, shifted so that the smallest coordinates are 0."""
    match linear:
        case Linear.IDENTITY:
            return masks
        case Linear.REFLECT_X:
            return masks[:, ::-1, :]
        case Linear.REFLECT_Y:
            return masks[:, :, ::-1]
        case Linear.REFLECT_BOTH:
            return masks[:, ::-1, ::-1]
        case Linear.QUARTER:
            return masks.transpose(0, 2, 1)[:, :, ::-1]


def _origin(seen: Seen, linear: Linear) -> tuple[int, int]:
    """Minus that shift: the smallest coordinates of the grid's pixels under the linear part."""
    match linear:
        case Linear.IDENTITY:
            return 0, 0
        case Linear.REFLECT_X:
            return 1 - seen.width, 0
        case Linear.REFLECT_Y:
            return 0, 1 - seen.height
        case Linear.REFLECT_BOTH:
            return 1 - seen.width, 1 - seen.height
        case Linear.QUARTER:
            return 0, 1 - seen.width


def _total(masks: Masks) -> Masks:
    total: Masks = masks.sum(axis=0, keepdims=True)
    return total


def _pairs(moved: Masks, fixed: Masks, shape: tuple[int, int]) -> Counts:
    """For every shift s, the number of u with moved[c, u] and fixed[c, u + s], over all c."""
    transforms = np.conj(rfft2(moved, s=shape)) * rfft2(fixed, s=shape)
    return np.rint(irfft2(transforms.sum(axis=0), s=shape)).astype(np.int64)
