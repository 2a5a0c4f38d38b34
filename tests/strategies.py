"""Hypothesis strategies for the kit's core types; small values, so that collisions and ties are common."""

from __future__ import annotations

from hypothesis import strategies as st

from solver.attempts import Attempts, Candidate, Channel
from solver.augmentation import IDENTITY_COLOURS, Dihedral, Transform, View
from solver.grid import COLOURS, Grid
from solver.task import Pair, Query, Task


@st.composite
def grids(draw: st.DrawFn, max_side: int = 6, colours: int = COLOURS) -> Grid:
    """Any grid of 1..max_side rows and columns in the first `colours` colours."""
    height, width = draw(st.tuples(st.integers(1, max_side), st.integers(1, max_side)))
    row = st.tuples(*[st.integers(0, colours - 1)] * width)
    return Grid(draw(st.tuples(*[row] * height)))


def pairs(max_side: int = 6) -> st.SearchStrategy[Pair]:
    return st.builds(Pair, grids(max_side), grids(max_side))


@st.composite
def tasks(draw: st.DrawFn, max_side: int = 4, task_id: str | None = None) -> Task:
    """Any task of one to four demonstrations and one to three test inputs."""
    return Task(
        draw(st.text("0123456789abcdef", min_size=8, max_size=8)) if task_id is None else task_id,
        tuple(draw(st.lists(pairs(max_side), min_size=1, max_size=4))),
        tuple(draw(st.lists(grids(max_side), min_size=1, max_size=3))),
    )


def task_sets(max_size: int = 3) -> st.SearchStrategy[list[Task]]:
    """Some tasks of different ids."""
    return st.lists(tasks(max_side=3), min_size=1, max_size=max_size, unique_by=lambda task: task.id)


def transforms() -> st.SearchStrategy[Transform]:
    return st.builds(Transform, st.sampled_from(Dihedral), st.permutations(IDENTITY_COLOURS).map(tuple))


def views(demonstrations: int = 3) -> st.SearchStrategy[View]:
    """Views of a task of so many demonstrations; some leave demonstrations out."""
    orders = st.lists(st.integers(0, demonstrations - 1), min_size=1, unique=True).map(tuple)
    return st.builds(View, transforms(), orders)


def candidates(query: Query, grid: st.SearchStrategy[Grid] | None = None) -> st.SearchStrategy[Candidate]:
    """Candidates of one query, from all channels, with and without log-probabilities and scores."""
    grid = grids(max_side=3) if grid is None else grid
    logprobs = st.none() | st.floats(max_value=0, allow_nan=False)
    model = st.builds(
        Candidate, st.just(query), grid, view=views(), logprob=logprobs, score=logprobs, base=st.integers(0, 2)
    )
    return model | programs(query, grid) | written_programs(query, grid)


def programs(query: Query, grid: st.SearchStrategy[Grid]) -> st.SearchStrategy[Candidate]:
    """Candidates of the program channel."""
    return st.builds(
        Candidate,
        st.just(query),
        grid,
        st.just(Channel.PROGRAM),
        program=st.text(max_size=20),
        cost=st.floats(0, 12),
        perfect=st.booleans(),
        seconds=st.none() | st.floats(0, 60),
    )


def written_programs(query: Query, grid: st.SearchStrategy[Grid]) -> st.SearchStrategy[Candidate]:
    """Candidates of programs that a language model wrote; with many votes an answer's cost is negative."""
    return st.builds(
        Candidate,
        st.just(query),
        grid,
        st.just(Channel.INDUCTION),
        views(),
        program=st.text(max_size=20),
        cost=st.floats(-4, 4),
        perfect=st.booleans(),
    )


def ballots(query: Query, min_size: int = 0, max_size: int = 12) -> st.SearchStrategy[list[Candidate]]:
    """Candidates of one query that often agree: of two shapes and two colours."""
    rival = candidates(query, grids(max_side=2, colours=2).filter(lambda grid: grid.width == 2))
    return st.lists(rival, min_size=min_size, max_size=max_size)


def attempts() -> st.SearchStrategy[Attempts]:
    return st.builds(Attempts, grids(max_side=3), grids(max_side=3))
