"""Where objects are and what surrounds them, according to the programs' library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from solver.programs.library import (
    Color,
    blit_object,
    bounding_box,
    bounding_box_mask,
    crop,
    object_boundary,
    object_colors,
    object_interior,
    object_neighbors,
    object_position,
    translate,
)
from tests.library_grids import arrays, grid, text

OBJECT = "00000 00120 00010"


def test_bounding_box() -> None:
    assert bounding_box(grid(OBJECT)) == (2, 1, 2, 2)
    assert bounding_box(grid=grid("101"), background=Color.BLUE) == (1, 0, 1, 1)
    assert bounding_box(grid(OBJECT) == 2) == (3, 1, 1, 1)
    assert bounding_box(grid("00 00")) == (-1, -1, 0, 0)
    assert all(type(number) is int for number in bounding_box(grid(OBJECT)))


def test_bounding_box_mask() -> None:
    mask = bounding_box_mask(grid(OBJECT))
    assert mask.dtype == bool
    assert text(mask) == "00000 00110 00110"
    assert text(bounding_box_mask(grid("11"), background=1)) == "00"


def test_crop() -> None:
    array = grid(OBJECT)
    cropped = crop(array)
    assert text(cropped) == "12 01"
    cropped[:] = 9
    assert text(array) == OBJECT
    assert text(crop(grid=grid("1012"), background=1)) == "012"
    assert crop(grid("000")).shape == (0, 0)


@given(arrays(), st.integers(0, 2))
def test_box_mask_and_crop_agree(array: Any, background: int) -> None:
    x, y, width, height = bounding_box(array, background)
    cropped = crop(array, background)
    assert cropped.shape == (width, height)
    assert bounding_box_mask(array, background).sum() == width * height
    outside = array[~bounding_box_mask(array, background)]
    assert np.all(outside == background)
    if width:
        assert np.array_equal(cropped, array[x : x + width, y : y + height])
        for edge in (cropped[0], cropped[-1], cropped[:, 0], cropped[:, -1]):
            assert np.any(edge != background)


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("upper left", (1, 1)),
        ("upper right", (3, 1)),
        ("lower left", (1, 2)),
        ("lower right", (3, 2)),
        ("center", (2, 1.5)),
        ("upper center", (2, 1)),
        ("lower center", (2, 2)),
        ("left center", (1, 1.5)),
        ("right center", (3, 1.5)),
    ],
)
def test_object_position(anchor: str, expected: tuple[float, float]) -> None:
    found = object_position(grid("0000 0110 0001"), background=Color.BLACK, anchor=anchor)
    assert found == expected
    assert [type(number) for number in found] == [type(number) for number in expected]


def test_object_position_by_default_is_the_upper_left_corner() -> None:
    assert object_position(grid(OBJECT)) == (2, 1)
    assert object_position(obj=grid("11011"), background=1) == (2, 0)


def test_object_position_refuses_what_has_none() -> None:
    with pytest.raises(ValueError, match="no pixel that is not background"):
        object_position(grid("00"))
    with pytest.raises(ValueError, match=r"anchor must be one of upper left, .*; not 'top'"):
        object_position(grid("01"), anchor="top")


def test_object_colors() -> None:
    assert object_colors(grid("0421")) == [1, 2, 4]
    assert object_colors(obj=grid("0421"), background=2) == [0, 1, 4]
    assert object_colors(grid("00")) == []
    assert all(type(color) is int for color in object_colors(grid("0421")))


def test_translate() -> None:
    array = grid("120 000")
    assert text(translate(array, 1, 1)) == "000 012"
    assert text(translate(obj=array, x=-1.0, y=np.int64(0), background=3)) == "203 003"
    assert text(translate(array, 0, -2)) == "000 000"
    assert text(array) == "120 000"


@given(arrays(), st.integers(-6, 6), st.integers(-6, 6))
def test_translating_back_restores_what_stayed_inside(array: Any, x: int, y: int) -> None:
    there = translate(array, x, y)
    back = translate(there, -x, -y)
    assert np.all((back == array) | (back == 0))
    assert back.astype(bool).sum() == there.astype(bool).sum()
    # The object that left nothing behind can be drawn where it was.
    assert np.array_equal(blit_object(back, array), array)


def test_object_interior() -> None:
    array = grid("00000 01110 01010 01110 10000")
    assert text(object_interior(array)) == "00000 01110 01110 01110 10000"
    # Steps along x and y lead out, diagonal ones do not.
    assert text(object_interior(grid("0100 1010 0100"))) == "0100 1110 0100"
    assert text(object_interior(grid("011 101 111"))) == "011 111 111"
    assert text(object_interior(grid("110 101 011"))) == "110 111 011"
    assert text(object_interior(grid("111 101 101"))) == "111 101 101"
    assert text(object_interior(grid=grid("222 202 222"), background=2)) == "000 010 000"


def test_object_boundary() -> None:
    array = grid("000000 011110 012210 012210 011110 000000")
    assert text(object_boundary(array)) == "000000 011110 010010 010010 011110 000000"
    assert text(object_boundary(grid("111 101 111"))) == "111 101 111"
    assert text(object_boundary(grid("111 111 111"))) == "111 101 111"
    assert text(object_boundary(grid=grid("00 02"), background=Color.RED)) == "11 10"


@given(arrays(colours=2))
def test_interior_is_the_boundary_and_what_it_encloses(array: Any) -> None:
    interior, boundary = object_interior(array), object_boundary(array)
    assert interior.dtype == boundary.dtype == bool
    assert np.all(interior[array != 0])
    assert np.all(array[boundary] != 0)
    assert np.array_equal(scipy.ndimage.binary_fill_holes(boundary), interior)


def test_object_neighbors() -> None:
    array = grid("0000 0120 0000")
    assert text(object_neighbors(array)) == "0110 1001 0110"
    assert text(object_neighbors(array, connectivity=8)) == "1111 1001 1111"
    assert text(object_neighbors(grid("111 101 111"))) == "000 010 000"
    assert text(object_neighbors(grid=grid("0100"), background=0)) == "1010"


@given(arrays(), st.sampled_from([4, 8]), st.integers(0, 2))
def test_neighbors_are_the_background_that_touches(array: Any, connectivity: int, background: int) -> None:
    found = object_neighbors(array, background, connectivity)
    width, height = array.shape
    steps = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if connectivity == 8 or x == 0 or y == 0]
    for (x, y), color in np.ndenumerate(array):
        around = [(x + i, y + j) for i, j in steps if 0 <= x + i < width and 0 <= y + j < height]
        assert found[x, y] == (color == background and any(array[pixel] != background for pixel in around))
