"""Symmetries of a grid as values: where they send a point, and the points that several of them together reach."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from solver.programs.library.arguments import Array, grid_of, whole

Point = tuple[int, int]


def half(value: Any, name: str) -> int | float:
    """A coordinate that is a multiple of one half: an int where it is whole, else a float. Raises ValueError."""
    doubled = whole(2 * value, f"twice {name}")
    return doubled / 2 if doubled % 2 else doubled // 2


class Symmetry(ABC):
    """A map of the plane onto itself. Points are integers, or arrays of integers of one shape."""

    @abstractmethod
    def apply(self, x: Any, y: Any, iters: int = 1) -> tuple[Any, Any]:
        """Where (x, y) goes after `iters` applications; negative numbers of them go back."""

    @abstractmethod
    def images(self, x: int, y: int, shape: tuple[int, int]) -> list[Point]:
        """All points of a grid of this shape where (x, y) goes, applied any number of times, 0 and fewer included."""


@dataclass(frozen=True, slots=True)
class TranslationalSymmetry(Symmetry):
    """A shift by (translate_x, translate_y)."""

    translate_x: int
    translate_y: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "translate_x", whole(self.translate_x, "translate_x"))
        object.__setattr__(self, "translate_y", whole(self.translate_y, "translate_y"))

    def apply(self, x: Any, y: Any, iters: int = 1) -> tuple[Any, Any]:
        times = whole(iters, "iters")
        return _integer(x) + times * self.translate_x, _integer(y) + times * self.translate_y

    def images(self, x: int, y: int, shape: tuple[int, int]) -> list[Point]:
        step_x, step_y = self.translate_x, self.translate_y
        moving = [
            (start, step, size) for start, step, size in zip((x, y), (step_x, step_y), shape, strict=True) if step
        ]
        ranges = [_times_inside(*one) for one in moving]
        if not (step_x or 0 <= x < shape[0]) or not (step_y or 0 <= y < shape[1]):
            return []
        times = range(max(one.start for one in ranges), min(one.stop for one in ranges)) if ranges else range(1)
        return [(x + k * step_x, y + k * step_y) for k in times]


def _times_inside(start: int, step: int, size: int) -> range:
    """The k for which 0 <= start + k * step < size; the step is not 0."""
    if step < 0:
        start, step = size - 1 - start, -step
    return range(-(start // step), (size - 1 - start) // step + 1)


@dataclass(frozen=True, slots=True)
class MirrorSymmetry(Symmetry):
    """x goes to 2 * mirror_x - x and y to 2 * mirror_y - y; a coordinate whose mirror is None stays.

    Mirrors are multiples of one half. With both mirrors it is the reflection in a point.
    """

    mirror_x: int | float | None
    mirror_y: int | float | None

    def __post_init__(self) -> None:
        for name in ("mirror_x", "mirror_y"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else half(value, name))

    def apply(self, x: Any, y: Any, iters: int = 1) -> tuple[Any, Any]:
        x, y = _integer(x), _integer(y)
        if whole(iters, "iters") % 2 == 0:
            return x, y
        return _reflected(x, self.mirror_x), _reflected(y, self.mirror_y)

    def images(self, x: int, y: int, shape: tuple[int, int]) -> list[Point]:
        return [point for point in ((x, y), self.apply(x, y)) if _inside(point, shape)]


def _reflected(value: Any, mirror: int | float | None) -> Any:
    return value if mirror is None else int(2 * mirror) - value


@dataclass(frozen=True, slots=True)
class RotationalSymmetry(Symmetry):
    """A quarter turn: (x, y) goes to (y - center_y + center_x, -x + center_y + center_x).

    Both coordinates of the center are whole, or both end in one half; ValueError otherwise, since no other quarter
    turn sends pixels to pixels.
    """

    center_x: int | float
    center_y: int | float

    def __post_init__(self) -> None:
        for name in ("center_x", "center_y"):
            object.__setattr__(self, name, half(getattr(self, name), name))
        if (2 * self.center_x + 2 * self.center_y) % 2:
            raise ValueError(f"no quarter turn about ({self.center_x}, {self.center_y}) sends pixels to pixels")

    def apply(self, x: Any, y: Any, iters: int = 1) -> tuple[Any, Any]:
        x, y = _integer(x), _integer(y)
        difference, total = int(self.center_x - self.center_y), int(self.center_x + self.center_y)
        for _turn in range(whole(iters, "iters") % 4):
            x, y = y + difference, total - x
        return x, y

    def images(self, x: int, y: int, shape: tuple[int, int]) -> list[Point]:
        return [point for point in (self.apply(x, y, turn) for turn in range(4)) if _inside(point, shape)]


def _inside(point: Point, shape: tuple[int, int]) -> bool:
    return 0 <= point[0] < shape[0] and 0 <= point[1] < shape[1]


def _integer(value: Any) -> Any:
    """A coordinate as an int, or as an array of integers."""
    if isinstance(value, np.ndarray) and value.ndim:
        if value.dtype.kind in "iu":
            return value
        rounded = value.astype(np.int64)
        if np.any(rounded != value):
            raise ValueError("points must have integer coordinates")
        return rounded
    return whole(value, "a coordinate")


def orbit(grid: Array, x: int, y: int, symmetries: Iterable[Symmetry] | Symmetry | None) -> list[Point]:
    """The points of the grid that (x, y) reaches under the symmetries, itself included if it lies in the grid, sorted.

    A symmetry may be applied any number of times at once, forwards and backwards, and after one another in any order,
    as long as the points in between lie in the grid. Only the grid's shape matters. One symmetry may be given
    without a list, None stands for no symmetry.
    """
    (width, height), start = grid_of(grid).shape, (whole(x, "x"), whole(y, "y"))
    reached = {start} if _inside(start, (width, height)) else set()
    pending = [start]
    # Per symmetry, points whose images have been taken; all images of a point have the same images.
    tried: list[tuple[Symmetry, set[Point]]] = [(symmetry, set()) for symmetry in _listed(symmetries)]
    while pending:
        point = pending.pop()
        for symmetry, done in tried:
            if point not in done:
                images = symmetry.images(*point, (width, height))
                done.update(images)
                pending.extend(image for image in images if image not in reached)
                reached.update(images)
    return sorted(reached)


def _listed(symmetries: Iterable[Symmetry] | Symmetry | None) -> list[Symmetry]:
    if symmetries is None:
        return []
    return [symmetries] if isinstance(symmetries, Symmetry) else [one for one in symmetries if one is not None]
