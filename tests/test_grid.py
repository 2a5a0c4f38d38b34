"""Grids: validity, exact round trips, messages that name what is wrong."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from solver.grid import COLOURS, MAX_SIDE, Grid, InputError

SIDES = st.integers(1, MAX_SIDE)
GRIDS = hnp.arrays(np.int8, st.tuples(SIDES, SIDES), elements=st.integers(0, COLOURS - 1)).map(Grid.from_array)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 12) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=12,
)
ALMOST = st.lists(st.lists(st.integers(-1, COLOURS), max_size=2), max_size=2)


@settings(max_examples=60)
@given(GRIDS)
def test_round_trips_are_exact(grid: Grid) -> None:
    assert Grid.from_json(grid.to_json()) == grid
    assert Grid.from_array(grid.array()) == grid
    assert hash(Grid.from_json(grid.to_json())) == hash(grid)


@settings(max_examples=60)
@given(GRIDS)
def test_properties_agree_with_the_array(grid: Grid) -> None:
    array = grid.array()
    assert grid.shape == (grid.height, grid.width) == array.shape
    assert grid.palette() == set(np.unique(array).tolist())


@settings(max_examples=200)
@given(JSON | ALMOST)
def test_reading_any_json_gives_a_valid_grid_or_an_input_error(value: Any) -> None:
    message = "spot: "
    try:
        assert Grid.from_json(value, "spot").to_json() == value
    except InputError as error:
        message = str(error)
    assert message.startswith("spot: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "is not a non-empty list of rows"),
        ("12", "is not a non-empty list of rows"),
        ([], "is not a non-empty list of rows"),
        ([[]], "row 0 is not a non-empty list of colours"),
        ([[1], 2], "row 1 is not a non-empty list of colours"),
        ([[1, 2], [3]], "is ragged: row 1 has 1 cells, row 0 has 2"),
        ([[0] * 31], "is 31 cells wide, more than 30"),
        ([[0]] * 31, "has 31 rows, more than 30"),
        ([[10]], "row 0 holds 10, which is not a colour 0..9"),
        ([[0], [-1]], "row 1 holds -1, which is not a colour 0..9"),
        ([[True]], "row 0 holds True, which is not a colour 0..9"),
        ([[1.0]], "row 0 holds 1.0, which is not a colour 0..9"),
        ([["1"]], "row 0 holds '1', which is not a colour 0..9"),
        ([[None]], "row 0 holds None, which is not a colour 0..9"),
    ],
)
def test_every_invalid_grid_is_refused_by_name(value: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Grid.from_json(value, "file: task x: train[0].input")
    assert str(caught.value) == f"file: task x: train[0].input: {message}"


def test_the_constructor_refuses_what_reading_refuses() -> None:
    with pytest.raises(InputError, match="ragged"):
        Grid(((1, 2), (3,)))
    with pytest.raises(InputError, match="not a colour"):
        Grid.from_array(np.array([[0.5]]))


@pytest.mark.parametrize("array", [np.zeros(3, dtype=int), np.zeros((1, 1, 1), dtype=int), np.array(0)])
def test_only_two_dimensional_arrays_are_grids(array: np.ndarray[Any, Any]) -> None:
    with pytest.raises(InputError, match="dimensions instead of 2"):
        Grid.from_array(array)


def test_the_largest_and_the_smallest_grid_are_valid() -> None:
    assert Grid.from_json([[9] * 30] * 30).shape == (30, 30)
    assert Grid.from_json([[0]]).shape == (1, 1)


def test_a_grid_cannot_be_changed() -> None:
    grid = Grid(((1, 2),))
    with pytest.raises(dataclasses.FrozenInstanceError):
        grid.rows = ((3,),)  # type: ignore[misc]
    array = grid.array()
    array[0, 0] = 7
    assert grid == Grid(((1, 2),))
