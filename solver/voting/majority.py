"""Majorities: one grid made of the most frequent rows, or columns, of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from solver.grid import Grid

Ballot = Mapping[Grid, int]
"""How often each grid was predicted."""


def majority_grids(ballot: Ballot, *tie_breaks: Ballot) -> tuple[Grid, Grid]:
    """The row-wise and the column-wise majority of the ballot's grids of its most common shape.

    A tie goes to the row, column or shape that is more frequent in the first of `tie_breaks` that tells them
    apart, then to the smallest. Raises `ValueError` for an empty ballot.
    """
    ballots = (ballot, *tie_breaks)
    height, width = shape = _elect(ballots, lambda grid: grid.shape)
    ballots = tuple({grid: count for grid, count in one.items() if grid.shape == shape} for one in ballots)
    rows = [_elect(ballots, partial(_row, number)) for number in range(height)]
    columns = [_elect(ballots, partial(_column, number)) for number in range(width)]
    return Grid(tuple(rows)), Grid(tuple(zip(*columns, strict=True)))


def _row(number: int, grid: Grid) -> tuple[int, ...]:
    return grid.rows[number]


def _column(number: int, grid: Grid) -> tuple[int, ...]:
    return tuple(row[number] for row in grid.rows)


def _elect(ballots: Sequence[Ballot], feature: Callable[[Grid], tuple[int, ...]]) -> tuple[int, ...]:
    """The most frequent feature of the first ballot's grids."""
    counts: list[Counter[tuple[int, ...]]] = []
    for ballot in ballots:
        counts.append(Counter())
        for grid, count in ballot.items():
            counts[-1][feature(grid)] += count
    return min(counts[0], key=lambda value: ([-count[value] for count in counts], value))
