"""How objects lie to each other, according to the programs' library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.programs.library import check_between_objects, collision, contact, translate
from tests.library_grids import arrays, grid, text

LEFT_AND_RIGHT = (grid("110000 110000 110000 000000"), grid("000000 000022 000022 000022"))
PLACES = st.integers(-4, 4)


def test_collision() -> None:
    one, two = grid("10 11"), grid("01")
    assert not collision(object1=one, object2=two)
    assert collision(object1=one, object2=two, y2=1)
    assert collision(object1=one, object2=two, x1=1)
    assert not collision(object1=one, object2=two, x1=1, x2=1)
    assert collision(object1=one, object2=two, x1=-3.0, x2=np.int64(-4))
    assert collision(object1=one, object2=two, background=9)
    assert not collision(object1=one, object2=two, x1=10**9)
    assert collision(object1=one == 1, object2=[[True]]) is True


def test_contact() -> None:
    one, two = grid("1"), grid("1")
    assert contact(object1=one, object2=two)
    assert contact(object1=one, object2=two, x2=1)
    assert not contact(object1=one, object2=two, x2=2)
    assert not contact(object1=one, object2=two, x1=1, y2=1)
    assert contact(object1=one, object2=two, x1=1, y2=1, connectivity=8)
    assert not contact(object1=grid("10"), object2=grid("01"), y2=1)
    assert contact(object1=grid("10"), object2=grid("01"), background=2, y2=1)


@pytest.mark.parametrize("relation", [collision, contact])
def test_two_objects_are_needed(relation: Any) -> None:
    for given_ in ({}, {"object1": grid("1")}, {"object2": grid("1")}):
        with pytest.raises(ValueError, match=f"{relation.__name__}: needs object1 and object2"):
            relation(**given_)
    # Two objects without names are those two; a first argument beside two named ones is nothing.
    assert relation(grid("1"), grid("1"))
    assert not relation(grid("1"), grid("1"), x2=3)
    assert not relation(grid("1"), object1=grid("1"), object2=grid("0"))


@given(arrays(), arrays(), PLACES, PLACES, PLACES, PLACES, st.integers(0, 2), st.sampled_from([4, 8]))
def test_relations_agree_with_sets_of_pixels(
    one: Any, two: Any, x1: int, y1: int, x2: int, y2: int, background: int, connectivity: int
) -> None:
    first = {(x + x1, y + y1) for x, y in np.argwhere(one != background).tolist()}
    second = {(x + x2, y + y2) for x, y in np.argwhere(two != background).tolist()}
    steps = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if connectivity == 8 or x == 0 or y == 0]
    grown = {(x + i, y + j) for x, y in first for i, j in steps}
    places = {"object1": one, "object2": two, "x1": x1, "y1": y1, "x2": x2, "y2": y2, "background": background}
    assert collision(**places) == (not first.isdisjoint(second))
    assert contact(**places, connectivity=connectivity) == (not grown.isdisjoint(second))
    assert contact(**places, connectivity=connectivity) >= collision(**places)


@given(arrays(), arrays(), st.integers(-3, 3), st.integers(-3, 3))
def test_collision_is_symmetric_and_does_not_depend_on_the_origin(one: Any, two: Any, x: int, y: int) -> None:
    assert collision(object1=one, object2=two, x2=x, y2=y) == collision(object1=two, object2=one, x1=x, y1=y)
    assert collision(object1=one, object2=two, x2=x, y2=y) == collision(object1=one, object2=two, x1=-x, y1=-y)


def between(one: Any, two: Any, **named: Any) -> str:
    """A picture of all pixels between two objects."""
    return text(
        np.array(
            [[check_between_objects(one, two, x, y, **named) for y in range(one.shape[1])] for x in range(one.shape[0])]
        )
    )


def test_check_between_objects() -> None:
    one, two = LEFT_AND_RIGHT
    assert between(one, two) == between(two, one) == "000000 001100 001100 000000"
    assert between(translate(one, 0, 1), two, padding=1) == "000000 000000 001100 000000"
    assert between(one.T, two.T) == text(grid("000000 001100 001100 000000").T)
    assert check_between_objects(obj1=one, obj2=two, x=np.int64(2), y=2.0, padding=0, background=0) is True
    assert between(grid("311133"), grid("331113"), background=1) == "000000"
    assert between(grid("311111"), grid("111113"), background=1) == "011110"


def test_nothing_is_between_objects_that_face_each_other_nowhere() -> None:
    assert between(grid("100 000 000"), grid("000 000 001")) == "000 000 000"
    assert between(grid("100"), grid("000")) == "000"
    assert between(grid("101"), grid("010")) == "000"
