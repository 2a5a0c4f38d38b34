"""The search of whole tasks: what it finds, that it is right about the demonstrations, and when it stops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from solver.grid import Grid
from solver.search.answer import Found, Stop
from solver.search.channel import LEAD, SURE, Tally, search, warm_up
from solver.task import Pair, Task, read_split

MEMORY = 2**29


def grid(*rows: str) -> Grid:
    return Grid(tuple(tuple(map(int, row)) for row in rows))


def task(*pairs: tuple[Grid, Grid], tests: tuple[Grid, ...]) -> Task:
    return Task("t", tuple(Pair(a, b) for a, b in pairs), tests)


ROTATED = task(
    (grid("123", "456"), grid("41", "52", "63")),
    (grid("70", "08"), grid("07", "80")),
    tests=(grid("12", "30"), grid("9")),
)
"""Turned clockwise; two test inputs."""

GROUND = task(
    (grid("8888", "8818", "8888"), grid("8888", "8838", "8888")),
    (grid("188", "888"), grid("388", "888")),
    (grid("8881"), grid("8883")),
    tests=(grid("81", "18"),),
)
"""On a ground that is not black, with a colour map that the test input's colours are all in."""

HOPELESS = task(
    (grid("12", "34"), grid("999", "187", "525")),
    (grid("56", "78"), grid("404", "231")),
    tests=(grid("91", "23"),),
)


def counted(known: Task, ticks: float) -> Found:
    """What a search finds by a clock that a look at it moves on: a busy machine and a cold store change nothing."""
    clock = itertools.count()
    return search(known, ticks, MEMORY, clock=lambda: float(next(clock)))


def test_a_symmetry_is_found_for_every_test_input() -> None:
    found = search(ROTATED, math.inf, MEMORY)
    best = found.answers[0]
    assert best.grids == (grid("31", "02"), grid("9"))
    assert best.perfect
    assert "dihedral" in best.program
    assert found.stop is Stop.EXHAUSTED
    assert found.states > 100


def test_a_ground_that_is_not_black_is_no_obstacle() -> None:
    assert search(GROUND, math.inf, MEMORY).answers[0].grids == (grid("83", "38"),)


def test_answers_are_distinct_and_the_shortest_are_first() -> None:
    found = search(ROTATED, math.inf, MEMORY)
    assert len({answer.grids for answer in found.answers}) == len(found.answers)
    costs = [answer.cost for answer in found.answers]
    assert costs == sorted(costs)


def test_the_same_task_gives_the_same_answers() -> None:
    assert search(GROUND, math.inf, MEMORY).answers == search(GROUND, math.inf, MEMORY).answers


def test_time_ends_a_search_and_what_was_found_counts() -> None:
    ticks = itertools.count()
    found = search(HOPELESS, 400.0, MEMORY, clock=lambda: float(next(ticks)))
    assert found.stop is Stop.DEADLINE
    assert next(ticks) < 600
    assert search(ROTATED, 0.0, MEMORY).answers == ()


def test_memory_ends_a_search() -> None:
    found = search(HOPELESS, math.inf, 2**20)
    assert found.stop is Stop.MEMORY
    assert found.answers == ()


def test_agreeing_programs_support_their_answer() -> None:
    tally = Tally(3)
    one, two = (grid("1"),), (grid("2"),)
    tally.add(one, 2.0, "a")
    tally.add(two, 2.5, "b")
    tally.add(two, 2.5, "c")
    first, second = tally.answers()
    assert (first.grids, first.program, first.cost) == (two, "b", pytest.approx(1.5))
    assert (second.grids, second.cost) == (one, pytest.approx(2.0))
    assert tally.shortest() == 2.0


def test_a_short_answer_far_ahead_settles_a_task() -> None:
    tally = Tally(3)
    assert not tally.settled()
    tally.add((grid("1"),), SURE, "a")
    assert tally.settled()
    tally.add((grid("2"),), SURE + LEAD - 0.1, "b")
    assert not tally.settled()
    tally.add((grid("1"),), SURE, "c")
    assert tally.settled()
    late = Tally(3)
    late.add((grid("1"),), SURE + 0.1, "a")
    assert not late.settled()


def test_no_longer_programs_are_tried_for_a_settled_task() -> None:
    (known,) = [one for one in read_split("arc1-training") if one.id == "0520fde7"]
    found = counted(known, 10**6)
    assert found.stop is Stop.SETTLED
    assert found.answers[0].cost <= SURE


def test_warming_up_compiles_all_that_a_search_calls() -> None:
    from solver.search import cover, dispatch, judge, lookup, pieces

    warm_up()
    names = "run_maps run_splits run_selects run_joins run_combines hash_value"
    kernels = [getattr(dispatch, name) for name in names.split()]
    kernels += [judge.judge_all, pieces.draw, cover.gains, lookup.search_pairs]
    before = [len(kernel.nopython_signatures) for kernel in kernels]
    assert all(before)
    search(ROTATED, math.inf, MEMORY)
    counted(HOPELESS, 2000)
    assert [len(kernel.nopython_signatures) for kernel in kernels] == before


@pytest.mark.parametrize("task_id", ["007bbfb7", "9dfd6313", "a416b8f3", "3618c87e", "496994bd", "d511f180"])
def test_training_tasks_of_several_kinds(task_id: str) -> None:
    """Tasks of the training split whose rule the language is meant to express; answers fit the demonstrations."""
    (known,) = [one for one in read_split("arc1-training") if one.id == task_id]
    # The last demonstration plays the test, so that the answer can be checked without solutions.
    *rest, last = known.train
    found = counted(Task(task_id, tuple(rest), (last.input,)), 1000)
    assert last.output in [answer.grids[0] for answer in found.answers[:2]]
    assert np.isfinite(found.answers[0].cost)
