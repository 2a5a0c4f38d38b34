"""Primitives that make one image of two."""

from __future__ import annotations

import pytest

from solver.search.primitives import pairs
from tests.search_images import NOTHING, combine


@pytest.mark.parametrize(
    ("arg", "expected"),
    [(0, "340000 050000 000034 000005"), (1, "110000 010000 000022 000002"), (2, "003434 000505 343400 050500")],
)
def test_product(arg: int, expected: str) -> None:
    assert combine(pairs.product, (4, 5, "100 002"), (0, 0, "34 05"), arg) == (4, 5, expected)
    assert combine(pairs.product, (0, 0, "1" * 6), (0, 0, "1" * 6), arg) == NOTHING


def test_put_on() -> None:
    image, other = (4, 5, "111 100"), (5, 6, "23 32")
    assert combine(pairs.put_on, image, other, 0) == (4, 5, "111 123")
    assert combine(pairs.put_on, (4, 5, "111 140"), other, 1) == (4, 5, "111 143")
    assert combine(pairs.put_on, other, image, 0) == (5, 6, "23 32")
    assert combine(pairs.put_on, image, (3, 3, "002 000 220"), 0) == (4, 5, "111 100")
    assert combine(pairs.put_on, image, (6, 5, "2"), 0) == NOTHING


def test_erase() -> None:
    image, other = (4, 5, "111 111"), (5, 6, "20 02")
    assert combine(pairs.erase, image, other, 0) == (4, 5, "111 101")
    assert combine(pairs.erase, image, other, 1) == (4, 5, "111 100")
    assert combine(pairs.erase, image, other, 2) == (4, 5, "000 010")
    assert combine(pairs.erase, image, (0, 0, "2"), 0) == NOTHING


def test_mask_by() -> None:
    image, other = (4, 5, "123 450"), (0, 0, "100 101")
    assert combine(pairs.mask_by, image, other, 0) == (4, 5, "100 400")
    assert combine(pairs.mask_by, image, other, 1) == (4, 5, "023 050")
    assert combine(pairs.mask_by, image, (0, 0, "100"), 0) == NOTHING


@pytest.mark.parametrize(
    ("arg", "expected"),
    [(0, "00053"), (1, "20000"), (2, "02000"), (3, "00103"), (4, "02153")],
)
def test_compare(arg: int, expected: str) -> None:
    assert combine(pairs.compare, (4, 5, "02103"), (0, 0, "02350"), arg) == (4, 5, expected)
    assert combine(pairs.compare, (4, 5, "1"), (0, 0, "1 1"), arg) == NOTHING


def test_compare_needs_a_colour_for_cells_that_are_0_in_both() -> None:
    assert combine(pairs.compare, (4, 5, "00"), (0, 0, "10"), 1) == NOTHING
    assert combine(pairs.compare, (4, 5, "0330"), (0, 0, "0010"), 1) == (4, 5, "3003")


def test_embed() -> None:
    assert combine(pairs.embed, (5, 6, "12 30"), (4, 5, "999 999 999")) == (4, 5, "000 012 030")
    assert combine(pairs.embed, (3, 4, "11 12"), (4, 5, "99 99")) == (4, 5, "20 00")
    assert combine(pairs.embed, (6, 5, "1"), (4, 5, "99 99")) == NOTHING


def test_window_of() -> None:
    other = (4, 5, "123 456 789")
    assert combine(pairs.window_of, (5, 6, "00 00"), other) == (5, 6, "56 89")
    assert combine(pairs.window_of, (4, 5, "0"), other) == (4, 5, "1")
    for image in ((3, 5, "0"), (4, 4, "0"), (6, 5, "0 0"), (4, 7, "00")):
        assert combine(pairs.window_of, image, other) == NOTHING


def test_beside() -> None:
    level = [combine(pairs.beside, (4, 5, "12"), (0, 0, "34 56"), arg) for arg in range(4)]
    assert level == [(4, 5, "12 34 56"), (4, 5, "34 56 12"), NOTHING, NOTHING]
    upright = [combine(pairs.beside, (4, 5, "1 2"), (0, 0, "34 56"), arg) for arg in range(4)]
    assert upright == [NOTHING, NOTHING, (4, 5, "134 256"), (4, 5, "341 562")]
    assert combine(pairs.beside, (0, 0, "1" * 16), (0, 0, "1" * 15), 2) == NOTHING


@pytest.mark.parametrize(
    ("arg", "expected"),
    [(0, "1201 3003 1201"), (1, "1200 3000 3000"), (3, "1203 0012 0300"), (4, "1230 0000 0000")],
)
def test_fill_size(arg: int, expected: str) -> None:
    assert combine(pairs.fill_size, (0, 0, "120 300"), (4, 5, "0000 0000 0000"), arg) == (4, 5, expected)


def test_fill_size_by_whole_numbers() -> None:
    assert combine(pairs.fill_size, (0, 0, "12"), (4, 5, "0000 0000"), 2) == (4, 5, "1122 1122")
    assert combine(pairs.fill_size, (0, 0, "12 34"), (4, 5, "1"), 2) == NOTHING
    assert combine(pairs.fill_size, (0, 0, "12 34"), (4, 5, "1"), 0) == (4, 5, "1")
    assert combine(pairs.fill_size, (0, 0, "10203"), (4, 5, "00 00"), 4) == (4, 5, "12 30")


def test_recolour_as() -> None:
    image, other = (4, 5, "10 02"), (0, 0, "3443")
    assert combine(pairs.recolour_as, image, other, 0) == (4, 5, "30 03")
    assert combine(pairs.recolour_as, image, other, 1) == (4, 5, "13 32")
    assert combine(pairs.recolour_as, image, (0, 0, "00"), 0) == NOTHING


def test_place_at() -> None:
    other = (4, 5, "000 000 000")
    assert combine(pairs.place_at, (0, 0, "12"), other, 0) == (4, 5, "12")
    assert combine(pairs.place_at, (0, 0, "123"), other, 1) == (5, 5, "123")
    assert combine(pairs.place_at, (0, 0, "12345"), other, 1) == (5, 4, "12345")
    assert combine(pairs.place_at, (0, 0, "12"), other, 1) == (5, 5, "12")


def test_stamp() -> None:
    image, other = (0, 0, "101 010 101"), (4, 5, "2000 0000 0030")
    assert combine(pairs.stamp, image, other, 0) == (4, 5, "1000 0101 0010")
    assert combine(pairs.stamp, image, other, 1) == (4, 5, "2000 0303 0030")
    assert combine(pairs.stamp, (0, 0, "101 010"), other, 2) == (4, 5, "1010 0100 0010")


def test_move_to() -> None:
    other = (5, 5, "11 11")
    assert combine(pairs.move_to, (0, 5, "2 2"), other) == (3, 5, "2 2")
    assert combine(pairs.move_to, (9, 6, "2"), other) == (7, 6, "2")
    assert combine(pairs.move_to, (6, 0, "22"), other) == (6, 3, "22")
    assert combine(pairs.move_to, (5, 20, "2"), other) == (5, 7, "2")
    assert combine(pairs.move_to, (5, 7, "2"), other) == (5, 7, "2")
    assert combine(pairs.move_to, (0, 0, "2"), other) == NOTHING
    assert combine(pairs.move_to, (5, 5, "2"), other) == NOTHING
    assert combine(pairs.move_to, (0, 5, "0"), other) == NOTHING


def test_move_to_stops_where_cells_meet() -> None:
    assert combine(pairs.move_to, (0, 0, "222 202"), (5, 0, "010 111")) == (4, 0, "222 202")
    assert combine(pairs.move_to, (0, 1, "2"), (5, 0, "101")) == NOTHING


def test_bridge() -> None:
    assert combine(pairs.bridge, (0, 0, "12 22"), (1, 5, "3 3")) == (1, 2, "222")
    assert combine(pairs.bridge, (1, 5, "3 3"), (0, 0, "12 22")) == (1, 2, "333")
    assert combine(pairs.bridge, (9, 0, "11"), (6, 0, "222")) == (7, 0, "11 11")
    assert combine(pairs.bridge, (0, 0, "1"), (0, 1, "2")) == NOTHING
    assert combine(pairs.bridge, (0, 0, "1"), (3, 3, "2")) == NOTHING
    assert combine(pairs.bridge, (0, 0, "11"), (0, 1, "22")) == NOTHING
    assert combine(pairs.bridge, (0, 0, "0"), (0, 5, "2")) == NOTHING
