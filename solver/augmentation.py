"""Invertible changes of a task: dihedral symmetry, colour permutation, order and choice of demonstrations.

A `Transform` acts on grids, a `View` on tasks. Knows nothing of prompts or models.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

import numpy as np

from solver.grid import BLACK, COLOURS, Grid
from solver.task import Pair, Task


class Dihedral(Enum):
    """The eight symmetries of a rectangle's frame as (transpose, then flip rows, then flip columns).

    Rotations are counter-clockwise, as in `numpy.rot90`.
    """

    IDENTITY = (False, False, False)
    FLIP_UD = (False, True, False)
    FLIP_LR = (False, False, True)
    ROT180 = (False, True, True)
    TRANSPOSE = (True, False, False)
    ROT90 = (True, True, False)
    ROT270 = (True, False, True)
    ANTITRANSPOSE = (True, True, True)

    def inverse(self) -> Dihedral:
        transpose, rows, columns = self.value
        return Dihedral((transpose, columns, rows)) if transpose else self

    def after(self, first: Dihedral) -> Dihedral:
        """The symmetry that does `first`, then this one: moving a flip past a transpose swaps its axis."""
        transpose, rows, columns = self.value
        first_transpose, first_rows, first_columns = first.value
        if transpose:
            first_rows, first_columns = first_columns, first_rows
        return Dihedral((transpose ^ first_transpose, rows ^ first_rows, columns ^ first_columns))


IDENTITY_COLOURS = tuple(range(COLOURS))


@dataclass(frozen=True, slots=True)
class Transform:
    """A dihedral symmetry and a bijection of the ten colours (`colours[old] == new`)."""

    dihedral: Dihedral = Dihedral.IDENTITY
    colours: tuple[int, ...] = IDENTITY_COLOURS

    def __post_init__(self) -> None:
        if sorted(self.colours) != list(IDENTITY_COLOURS):
            raise ValueError(f"{self.colours} is not a bijection of the colours")

    def apply(self, grid: Grid) -> Grid:
        transpose, flip_rows, flip_columns = self.dihedral.value
        cells = np.asarray(self.colours)[grid.array()]
        cells = cells.T if transpose else cells
        return Grid.from_array(cells[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])

    def apply_pair(self, pair: Pair) -> Pair:
        return Pair(self.apply(pair.input), self.apply(pair.output))

    def inverse(self) -> Transform:
        undo = [0] * COLOURS
        for old, new in enumerate(self.colours):
            undo[new] = old
        return Transform(self.dihedral.inverse(), tuple(undo))

    def after(self, first: Transform) -> Transform:
        """The transform that does `first`, then this one."""
        return Transform(self.dihedral.after(first.dihedral), tuple(self.colours[colour] for colour in first.colours))


@dataclass(frozen=True, slots=True)
class Episode:
    """What one prompt shows: demonstrations, a query and, in training, its answer."""

    demonstrations: tuple[Pair, ...]
    query: Grid
    answer: Grid | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at a task: a transform, and which demonstrations to show in which order."""

    transform: Transform
    order: tuple[int, ...]

    def episode(self, task: Task, query: Grid, answer: Grid | None = None) -> Episode:
        """The transformed prompt for `query` (a grid in the task's own frame)."""
        return Episode(
            tuple(self.transform.apply_pair(task.train[number]) for number in self.order),
            self.transform.apply(query),
            None if answer is None else self.transform.apply(answer),
        )

    def restore(self, grid: Grid) -> Grid:
        """Brings an answer seen through this view back to the task's own frame."""
        return self.transform.inverse().apply(grid)


def random_colours(rng: random.Random, permute_black: bool) -> tuple[int, ...]:
    """A random colour permutation; black stays black unless the base was trained with it permuted."""
    movable = [colour for colour in range(COLOURS) if permute_black or colour != BLACK]
    shuffled = rng.sample(movable, len(movable))
    mapping = dict(zip(movable, shuffled, strict=True))
    return tuple(mapping.get(colour, colour) for colour in range(COLOURS))


def random_order(rng: random.Random, count: int) -> tuple[int, ...]:
    return tuple(rng.sample(range(count), count))
