"""Through which views a task is answered, and what fits."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.augmentation import IDENTITY_COLOURS, Dihedral, Transform, View
from solver.grid import BLACK
from solver.inference import answer_limits, inference_views, show
from solver.task import Pair, Task
from tests.fakes import copy_task, random_grid
from tests.oracle import FORMAT, PROFILE
from tests.strategies import tasks


@settings(max_examples=40)
@given(task=tasks(), seed=st.integers(0, 10**6), orders=st.integers(1, 3), permute_black=st.booleans())
def test_views_are_rounds_of_all_eight_symmetries_and_begin_with_the_task_itself(
    task: Task, seed: int, orders: int, permute_black: bool
) -> None:
    profile = replace(PROFILE, orders=orders, permute_black=permute_black)
    views = inference_views(task, profile, seed)
    everything = tuple(range(len(task.train)))
    assert views[0] == View(Transform(), everything)
    assert len(views) == 8 * orders
    for number in range(orders):
        assert {view.transform.dihedral for view in views[8 * number : 8 * number + 8]} == set(Dihedral)
    assert all(tuple(sorted(view.order)) == everything for view in views)
    assert permute_black or all(view.transform.colours[BLACK] == BLACK for view in views)
    assert [view.transform.colours for view in views].count(IDENTITY_COLOURS) <= 2
    assert views == inference_views(task, profile, seed) != inference_views(task, profile, seed + 1)


def test_views_shuffle_demonstrations_and_move_black_where_allowed() -> None:
    task = copy_task("views", demonstrations=4)
    views = inference_views(task, replace(PROFILE, orders=4, permute_black=True), 0)
    assert len({view.order for view in views}) > 10
    assert any(view.transform.colours[BLACK] != BLACK for view in views)


@settings(max_examples=100)
@given(task=tasks(max_side=8))
def test_answer_limits_hold_every_output_in_every_view(task: Task) -> None:
    for query in task.test_inputs:
        expected, most = answer_limits(task, query, PROFILE)
        assert 1 < expected <= most <= 30 * 31
        for pair in task.train:
            assert FORMAT.answer_length(pair.output) <= expected
            for dihedral in Dihedral:
                assert FORMAT.answer_length(Transform(dihedral).apply(pair.output)) <= most


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_answer_limits_grow_with_the_query_and_end_at_the_largest_grid(factor: int) -> None:
    rng = random.Random(0)

    def pair(side: int) -> Pair:
        return Pair(random_grid(rng, side, side), random_grid(rng, factor * side, factor * side))

    task = Task("scaled", (pair(2), pair(3)), (random_grid(rng, 9, 9),))
    expected, most = answer_limits(task, task.test_inputs[0], PROFILE)
    assert FORMAT.answer_length(random_grid(rng, 9 * factor, 9 * factor)) <= most
    assert expected < 1.3 * (9 * factor) * (9 * factor + 1)
    assert answer_limits(task, random_grid(rng, 30, 30), PROFILE)[1] == 30 * 31


@settings(max_examples=30)
@given(task=tasks(max_side=8), context=st.integers(100, 600))
def test_every_view_shows_what_fits_and_says_what_does_not(task: Task, context: int) -> None:
    profile = replace(PROFILE, context=context, orders=1)
    views = inference_views(task, profile, 0)
    notes: list[str] = []
    shown = show(task, views, profile, notes.append)
    pairs = [(one.number, index) for one in shown for index in one.prompts]
    assert len(set(pairs)) == len(pairs)
    too_long = sum("too long" in note for note in notes)
    assert len(pairs) + too_long == len(views) * len(task.test_inputs)
    for one in shown:
        assert one.view == views[one.number]
        assert one.limits.keys() == one.prompts.keys()
        for index, prompt in one.prompts.items():
            assert one.limits[index] == answer_limits(task, task.test_inputs[index], profile)[1]
            assert len(prompt) + one.limits[index] <= context


def test_test_inputs_that_leave_room_for_different_demonstrations_are_shown_apart() -> None:
    """What a view shares is read once, so it must be the same for all."""
    rng = random.Random(0)
    pairs = tuple(Pair(random_grid(rng, 3, 3), random_grid(rng, 3, 3)) for _ in range(3))
    task = Task("sizes", pairs, (random_grid(rng, 2, 2), random_grid(rng, 9, 9), random_grid(rng, 2, 3)))
    view = View(Transform(), (0, 1, 2))
    _, most = answer_limits(task, task.test_inputs[1], PROFILE)
    context = FORMAT.length(View(Transform(), (1, 2)).episode(task, task.test_inputs[1])) + most
    notes: list[str] = []
    shown = show(task, [view], replace(PROFILE, context=context), notes.append)
    assert [list(one.prompts) for one in shown] == [[0, 2], [1]]
    assert notes == ["test input 1: 1 demonstrations dropped from a prompt"]
    assert shown[1].longest() is shown[1].prompts[1]
    assert shown[0].limit() == max(shown[0].limits.values())


def test_an_answer_is_written_as_the_view_sees_it() -> None:
    task = copy_task("answer")
    view = View(Transform(Dihedral.ROT90, (0, 2, 1, 3, 4, 5, 6, 7, 8, 9)), (0, 1, 2))
    (one,) = show(task, [view], PROFILE, lambda _: None)
    grid = random_grid(random.Random(1), 2, 5)
    assert FORMAT.parse(one.answer(grid, PROFILE).tolist()) == view.transform.apply(grid)
