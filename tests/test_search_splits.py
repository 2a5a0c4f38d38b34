"""Primitives that take an image apart."""

from __future__ import annotations

import pytest

from solver.search.primitives import splits
from tests.search_images import Text, split


@pytest.mark.parametrize(
    ("arg", "expected"),
    [
        (0, [(4, 5, "1"), (4, 7, "2"), (5, 6, "1"), (5, 8, "2 2"), (6, 7, "3")]),
        (1, [(4, 5, "10 01"), (4, 7, "20 02 02"), (6, 7, "3")]),
        (2, [(4, 5, "1"), (4, 7, "2"), (5, 6, "1"), (5, 7, "02 32")]),
        (3, [(4, 5, "1020 0102 0032")]),
    ],
)
def test_objects(arg: int, expected: list[Text]) -> None:
    assert split(splits.objects, "1020 0102 0032", arg, 4, 5) == expected


def test_objects_are_none_without_cells_or_beyond_the_longest_list() -> None:
    assert split(splits.objects, "00 00") == []
    checkered = " ".join(("10" * 15, "01" * 15) * 15)
    assert split(splits.objects, checkered, 0) == []
    assert split(splits.objects, checkered, 1) == [(0, 0, checkered)]


def test_object_boxes() -> None:
    assert split(splits.object_boxes, "110 120 003", 0, 4, 5) == [(4, 5, "11 12"), (5, 6, "2"), (6, 7, "3")]
    assert split(splits.object_boxes, "102 010", 0) == [(0, 0, "1"), (0, 2, "2"), (1, 1, "1")]
    assert split(splits.object_boxes, "102 010", 1) == [(0, 0, "10 01"), (0, 2, "2")]
    assert split(splits.object_boxes, "00") == []


@pytest.mark.parametrize(
    ("arg", "expected"),
    [
        (0, [(4, 5, "0000 0200 0002"), (4, 5, "0000 0010 0100")]),
        (1, [(5, 6, "200 002"), (5, 6, "01 10")]),
        (2, [(5, 6, "210 102"), (5, 6, "21 10")]),
    ],
)
def test_colour_layers(arg: int, expected: list[Text]) -> None:
    assert split(splits.colour_layers, "0000 0210 0102", arg, 4, 5) == expected
    assert split(splits.colour_layers, "000", arg) == []


def test_pixels() -> None:
    assert split(splits.pixels, "100 023", 0, 4, 5) == [(4, 5, "1"), (5, 6, "2"), (5, 7, "3")]
    assert split(splits.pixels, "00") == []
    assert split(splits.pixels, " ".join(["1" * 10] * 10))[-1] == (9, 9, "1")
    assert split(splits.pixels, " ".join(["1" * 10] * 10 + ["1" + "0" * 9])) == []


def test_strips() -> None:
    assert split(splits.strips, "12 30 04", 0, 4, 5) == [(4, 5, "12"), (5, 5, "30"), (6, 5, "04")]
    assert split(splits.strips, "12 30 04", 1, 4, 5) == [(4, 5, "1 3 0"), (4, 6, "2 0 4")]


def test_parts() -> None:
    crossed = "1252 0050 5555 5555 3054"
    assert split(splits.parts, crossed, 0, 4, 5) == [(4, 5, "12 00"), (4, 8, "2 0"), (8, 5, "30"), (8, 8, "4")]
    assert split(splits.parts, "5555 5105 5555", 0) == []
    assert split(splits.parts, "10 00") == []
    assert split(splits.parts, "102 000 304", 1, 4, 5) == [(4, 5, "1"), (4, 7, "2"), (6, 5, "3"), (6, 7, "4")]
    assert split(splits.parts, "11 11", 1) == []


def test_parts_lie_between_lines_of_the_most_frequent_colour() -> None:
    assert split(splits.parts, "10 22 01 22 33 10") == [(0, 0, "10"), (2, 0, "01"), (4, 0, "33 10")]
    assert split(splits.parts, "10 33 01 22 10") == [(0, 0, "10"), (2, 0, "01 22 10")]


def test_bands() -> None:
    crossed = "151 555 252"
    assert split(splits.bands, crossed, 0, 4, 5) == [(4, 5, "151"), (6, 5, "252")]
    assert split(splits.bands, crossed, 1, 4, 5) == [(4, 5, "1 5 2"), (4, 7, "1 5 2")]
    assert split(splits.bands, "151 252", 0) == []


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "1234", [(4, 5, "12"), (4, 7, "34")]),
        (0, "12934", [(4, 5, "12"), (4, 8, "34")]),
        (1, "123", [(4, 5, "1"), (4, 6, "2"), (4, 7, "3")]),
        (1, "1 1", []),
        (2, "12345678", [(4, 5, "12"), (4, 7, "34"), (4, 9, "56"), (4, 11, "78")]),
        (3, "12 34", [(4, 5, "12"), (5, 5, "34")]),
        (3, "12 99 34", [(4, 5, "12"), (6, 5, "34")]),
        (4, "1 2 3", [(4, 5, "1"), (5, 5, "2"), (6, 5, "3")]),
        (4, "1 2 3 4", []),
        (5, "1 9 2 9 3 9 4", [(4, 5, "1"), (6, 5, "2"), (8, 5, "3"), (10, 5, "4")]),
        (6, "192 999 394", [(4, 5, "1"), (4, 7, "2"), (6, 5, "3"), (6, 7, "4")]),
        (6, "1", []),
        (7, "123 456 789", [(4 + k // 3, 5 + k % 3, str(k + 1)) for k in range(9)]),
    ],
)
def test_equal_parts(arg: int, text: str, expected: list[Text]) -> None:
    assert split(splits.equal_parts, text, arg, 4, 5) == expected


def test_zero_regions() -> None:
    text = "11110 10210 12010 11110"
    assert split(splits.zero_regions, text, 0, 4, 5) == [(5, 6, "1"), (6, 7, "2")]
    assert split(splits.zero_regions, text, 1, 4, 5) == [(4, 9, "1 1 1 1"), (5, 6, "1"), (6, 7, "2")]
    assert split(splits.zero_regions, "000 010 000", 0) == []
    assert split(splits.zero_regions, "00 00", 1) == []


def test_zero_regions_take_the_colour_around_them() -> None:
    assert split(splits.zero_regions, "33333 30002 34444", 0) == [(1, 1, "333")]
    assert split(splits.zero_regions, "010 203 040", 0) == [(1, 1, "1")]


def test_frames() -> None:
    assert split(splits.frames, "1111 1201 1003 1111") == []
    text = "11110 12013 10010 11110"
    assert split(splits.frames, text, 0, 4, 5) == [(5, 6, "20 00")]
    assert split(splits.frames, text, 1, 4, 5) == [(4, 5, "1111 1201 1001 1111")]
    assert split(splits.frames, "222 222 222") == []
    thick = "33333 33333 33033 33333 33333"
    assert split(splits.frames, thick, 0) == [(2, 2, "0")]
    assert split(splits.frames, thick, 1) == [(0, 0, thick)]


@pytest.mark.parametrize(
    ("arg", "expected"),
    [
        (0, [(4, 5, "11 11"), (7, 8, "22 22")]),
        (1, [(4, 8, "11 11")]),
        (2, [(4, 5, "11 11 11")]),
        (3, [(4, 8, "11 11 11")]),
    ],
)
def test_solid_windows(arg: int, expected: list[Text]) -> None:
    assert split(splits.solid_windows, "11200 11100 11300 01422 30022", arg, 4, 5) == expected


def test_solid_windows_are_none_where_there_is_no_square_of_four() -> None:
    for arg in range(4):
        assert split(splits.solid_windows, "101 010", arg) == []
    assert split(splits.solid_windows, "00 00", 1) == []
