"""Transforms form a group that acts on grids, and an equivariant solver answers alike through every view."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from solver.augmentation import (
    IDENTITY_COLOURS,
    Dihedral,
    Episode,
    Transform,
    View,
    random_colours,
    random_order,
)
from solver.grid import BLACK, COLOURS, Grid
from solver.task import Pair, Task

Array = np.ndarray[Any, Any]

REFERENCE: dict[Dihedral, Callable[[Array], Array]] = {
    Dihedral.IDENTITY: lambda a: a,
    Dihedral.FLIP_UD: np.flipud,
    Dihedral.FLIP_LR: np.fliplr,
    Dihedral.ROT90: np.rot90,
    Dihedral.ROT180: lambda a: np.rot90(a, 2),
    Dihedral.ROT270: lambda a: np.rot90(a, 3),
    Dihedral.TRANSPOSE: np.transpose,
    Dihedral.ANTITRANSPOSE: lambda a: np.rot90(a, 2).T,
}

SIDES = st.integers(1, 6)
GRIDS = hnp.arrays(np.int8, st.tuples(SIDES, SIDES), elements=st.integers(0, COLOURS - 1)).map(Grid.from_array)
DIHEDRALS = st.sampled_from(list(Dihedral))
COLOUR_MAPS = st.permutations(range(COLOURS)).map(tuple)
TRANSFORMS = st.builds(Transform, DIHEDRALS, COLOUR_MAPS)


@pytest.mark.parametrize("dihedral", list(Dihedral))
@settings(max_examples=20)
@given(grid=GRIDS)
def test_dihedrals_are_what_their_names_say(dihedral: Dihedral, grid: Grid) -> None:
    assert Transform(dihedral).apply(grid) == Grid.from_array(REFERENCE[dihedral](grid.array()))


def test_there_are_eight_distinct_dihedrals() -> None:
    grid = Grid(((1, 2, 3), (4, 5, 6)))
    assert set(REFERENCE) == set(Dihedral)
    assert len({Transform(dihedral).apply(grid) for dihedral in Dihedral}) == 8


@settings(max_examples=100)
@given(TRANSFORMS, GRIDS)
def test_the_inverse_undoes_on_both_sides(transform: Transform, grid: Grid) -> None:
    assert transform.inverse().apply(transform.apply(grid)) == grid
    assert transform.apply(transform.inverse().apply(grid)) == grid
    assert transform.inverse().inverse() == transform
    assert transform.after(transform.inverse()) == Transform()


@settings(max_examples=100)
@given(TRANSFORMS, TRANSFORMS, GRIDS)
def test_composition_is_application_in_order(second: Transform, first: Transform, grid: Grid) -> None:
    assert second.after(first).apply(grid) == second.apply(first.apply(grid))
    assert second.after(first).inverse() == first.inverse().after(second.inverse())


def test_dihedral_composition_associates_and_has_one_identity() -> None:
    for a, b, c in itertools.product(Dihedral, repeat=3):
        assert a.after(b).after(c) is a.after(b.after(c))
    assert all(a.after(Dihedral.IDENTITY) is a is Dihedral.IDENTITY.after(a) for a in Dihedral)


@settings(max_examples=50)
@given(TRANSFORMS, TRANSFORMS, TRANSFORMS)
def test_composition_associates(a: Transform, b: Transform, c: Transform) -> None:
    assert a.after(b).after(c) == a.after(b.after(c))


@pytest.mark.parametrize("colours", [(0,) * 10, tuple(range(9)), tuple(range(11)), tuple(range(1, 11))])
def test_colour_maps_that_are_no_bijection_are_refused(colours: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not a bijection"):
        Transform(colours=colours)


@settings(max_examples=50)
@given(st.integers(), st.booleans())
def test_random_colours_permute_black_only_where_asked(seed: int, permute_black: bool) -> None:
    colours = random_colours(random.Random(seed), permute_black)
    assert sorted(colours) == list(IDENTITY_COLOURS)
    assert permute_black or colours[BLACK] == BLACK
    assert colours == random_colours(random.Random(seed), permute_black)


def test_every_colour_moves_somewhere_else_at_times() -> None:
    rng = random.Random(0)
    drawn = [random_colours(rng, permute_black=True) for _ in range(500)]
    assert all({colours[old] for colours in drawn} == set(range(COLOURS)) for old in range(COLOURS))


@settings(max_examples=50)
@given(st.integers(), st.integers(0, 12))
def test_random_orders_are_permutations(seed: int, count: int) -> None:
    assert sorted(random_order(random.Random(seed), count)) == list(range(count))


def recolour(grid: Grid, colours: dict[int, int]) -> Grid:
    return Grid(tuple(tuple(colours.get(cell, cell) for cell in row) for row in grid.rows))


def oracle(episode: Episode) -> Grid:
    """Solves recolouring tasks: reads colour for colour off the demonstrations; unseen colours stay.

    Equivariant by construction: it uses neither a place, nor a colour's number, nor the demonstrations' order.
    """
    learnt = {
        old: new
        for pair in episode.demonstrations
        for old_row, new_row in zip(pair.input.rows, pair.output.rows, strict=True)
        for old, new in zip(old_row, new_row, strict=True)
    }
    return recolour(episode.query, learnt)


@st.composite
def recolouring_tasks(draw: st.DrawFn) -> Task:
    rule = dict(enumerate(draw(COLOUR_MAPS)))
    inputs = draw(st.lists(GRIDS, min_size=1, max_size=4))
    return Task("recolour", tuple(Pair(grid, recolour(grid, rule)) for grid in inputs), (draw(GRIDS),))


@settings(max_examples=100)
@given(recolouring_tasks(), TRANSFORMS, st.randoms())
def test_an_equivariant_oracle_answers_alike_through_every_view(
    task: Task, transform: Transform, rng: random.Random
) -> None:
    plain = View(Transform(), tuple(range(len(task.train))))
    view = View(transform, random_order(rng, len(task.train)))
    query = task.test_inputs[0]
    assert view.restore(oracle(view.episode(task, query))) == oracle(plain.episode(task, query))


@settings(max_examples=50)
@given(recolouring_tasks(), TRANSFORMS, st.randoms())
def test_a_view_shows_the_chosen_demonstrations_in_order(task: Task, transform: Transform, rng: random.Random) -> None:
    order = random_order(rng, len(task.train))[: rng.randint(0, len(task.train))]
    view = View(transform, order)
    answer = task.train[0].output
    episode = view.episode(task, task.test_inputs[0], answer)
    assert episode.demonstrations == tuple(transform.apply_pair(task.train[number]) for number in order)
    assert episode.answer is not None
    assert view.restore(episode.query) == task.test_inputs[0]
    assert view.restore(episode.answer) == answer
    assert view.episode(task, task.test_inputs[0]).answer is None
