"""Drafts: the likeliest grid at hand, or none where it would not resemble the answer."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings

from solver.attempts import Candidate, Channel
from solver.augmentation import Dihedral, Transform, View
from solver.drafting import WORTH, draft, guessable, likeness
from solver.grid import Grid
from solver.task import Pair, Query, Task
from solver.voting import flat_vote, hierarchical_vote
from tests.fakes import copy_task, random_grid
from tests.strategies import ballots, tasks

COPY = copy_task("copy", tests=2)
QUERY = Query("copy", 0)


def said(*grids: Grid) -> list[Candidate]:
    """One more view for each grid than for the one after it."""
    views = [View(Transform(dihedral), (0, 1, 2)) for dihedral in Dihedral]
    return [
        Candidate(QUERY, grid, view=views[number])
        for place, grid in enumerate(grids)
        for number in range(len(grids) - place)
    ]


def program(grid: Grid, perfect: bool) -> Candidate:
    return Candidate(QUERY, grid, Channel.PROGRAM, program="p", cost=2.0, perfect=perfect)


def changed(grid: Grid, cells: int) -> Grid:
    rows = [list(row) for row in grid.rows]
    for number in range(cells):
        row, column = divmod(number, grid.width)
        rows[row][column] = (rows[row][column] + 1) % 10
    return Grid(tuple(map(tuple, rows)))


def test_likeness_is_the_share_of_equal_cells() -> None:
    grid = random_grid(random.Random(0), 3, 4)
    assert likeness(grid, grid) == 1
    assert likeness(grid, changed(grid, 3)) == pytest.approx(0.75)
    assert likeness(grid, Grid(tuple(zip(*grid.rows, strict=True)))) == 0


class TestWhich:
    near, far = changed(COPY.test_inputs[0], 1), changed(COPY.test_inputs[0], 12)

    def test_the_favourite_of_views_that_are_alike(self) -> None:
        assert (
            draft(COPY, QUERY, [*said(self.near, COPY.test_inputs[0]), program(self.far, True)], flat_vote) == self.near
        )

    def test_none_where_views_have_little_in_common(self) -> None:
        apart = [random_grid(random.Random(number), 1 + number, 3) for number in range(5)]
        assert draft(COPY, QUERY, [one for grid in apart for one in said(grid)], flat_vote) is None
        assert draft(COPY, QUERY, said(apart[0]), flat_vote) == apart[0]

    def test_the_best_program_where_no_view_has_spoken(self) -> None:
        programs = [program(self.far, False), program(self.near, True)]
        assert draft(COPY, QUERY, programs, flat_vote) == self.near

    def test_the_guess_where_nothing_is_known(self) -> None:
        assert guessable(COPY) == 1
        assert draft(COPY, QUERY, [], flat_vote) == COPY.test_inputs[0]

    def test_no_guess_where_it_would_not_do_for_the_demonstrations(self) -> None:
        rng = random.Random(0)
        pairs = tuple(Pair(random_grid(rng, 3, 3), random_grid(rng, 2 + number, 5)) for number in range(4))
        task = Task("copy", pairs, COPY.test_inputs)
        assert guessable(task) < WORTH
        assert draft(task, QUERY, [], flat_vote) is None

    def test_one_demonstration_tells_nothing(self) -> None:
        task = Task("copy", COPY.train[:1], COPY.test_inputs)
        assert guessable(task) == 0
        assert draft(task, QUERY, [], flat_vote) is None

    def test_other_test_inputs_do_not_count(self) -> None:
        other = [Candidate(Query("copy", 1), self.far, view=View(Transform(), (0,)))] * 3
        assert draft(COPY, QUERY, other, flat_vote) == COPY.test_inputs[0]


@settings(max_examples=50)
@given(found=ballots(Query("t", 0)), task=tasks(task_id="t"))
def test_there_is_a_draft_or_none_whatever_is_known(found: list[Candidate], task: Task) -> None:
    guess = draft(task, Query("t", 0), found, hierarchical_vote)
    model = {one.grid for one in found if one.channel is Channel.MODEL}
    assert guess is None or not model or guess in model
    assert 0 <= guessable(task) <= 1
