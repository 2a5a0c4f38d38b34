"""Primitives that choose from a list by what its images are like."""

from __future__ import annotations

import pytest

from solver.search.primitives import lists
from solver.search.primitives.lists import (
    AREA,
    BOTTOM,
    CELLS,
    COLOUR_TWINS,
    COLOURS,
    COMPONENTS,
    DENSITY,
    HEIGHT,
    HOLE_CELLS,
    HOLES,
    LEFT,
    MINORITY,
    RANKED,
    RIGHT,
    SHAPE_TWINS,
    SORTED,
    SYMMETRY,
    TOP,
    TWINS,
    WIDTH,
)
from tests.search_images import NOTHING, Text, join, select

# Every measure has its greatest and its least value at one image of these.
LARGE: Text = (0, 9, "1000 0000 0000")
FULL: Text = (3, 4, "22 22 22 23")
RING: Text = (9, 0, "44444 40404 44444")
MANY: Text = (5, 5, "123 130")
ALL = [LARGE, FULL, RING, MANY]


@pytest.mark.parametrize(
    ("measure", "greatest", "least"),
    [
        (AREA, RING, MANY),
        (HEIGHT, FULL, MANY),
        (WIDTH, RING, FULL),
        (TOP, None, LARGE),
        (LEFT, None, RING),
        (BOTTOM, RING, None),
        (RIGHT, LARGE, None),
        (CELLS, RING, LARGE),
        (COLOURS, MANY, None),
        (COMPONENTS, MANY, None),
        (HOLES, RING, None),
        (HOLE_CELLS, RING, None),
        (SYMMETRY, RING, MANY),
        (DENSITY, FULL, LARGE),
        (MINORITY, MANY, None),
        (COLOUR_TWINS, None, None),
    ],
)
def test_pick(measure: int, greatest: Text | None, least: Text | None) -> None:
    for arg, expected in ((2 * measure, greatest), (2 * measure + 1, least)):
        if arg in RANKED and expected is not None:
            assert join(lists.pick, ALL, arg) == expected


def test_pick_gives_nothing_if_different_images_tie_and_the_first_of_equal_ones() -> None:
    assert join(lists.pick, [(0, 0, "12"), (1, 1, "21"), (2, 2, "3")], 2 * AREA) == NOTHING
    assert join(lists.pick, [(0, 0, "3"), (1, 1, "12"), (2, 2, "12")], 2 * AREA) == (1, 1, "12")
    assert join(lists.pick, [(7, 8, "12")], 2 * TWINS) == (7, 8, "12")


def test_pick_counts_images_that_are_alike() -> None:
    images = [(0, 0, "10"), (1, 1, "20"), (2, 2, "02"), (3, 3, "10"), (4, 4, "11"), (5, 5, "30")]
    assert join(lists.pick, images, 2 * TWINS) == (0, 0, "10")
    assert join(lists.pick, images, 2 * TWINS + 1) == NOTHING
    assert join(lists.pick, images[:3], 2 * SHAPE_TWINS + 1) == (2, 2, "02")
    assert join(lists.pick, images[1:3] + images[5:], 2 * COLOUR_TWINS + 1) == (5, 5, "30")


def test_pick_tells_holes_from_their_cells() -> None:
    images = [(0, 0, "1111 1001 1111"), (9, 9, "11111 10101 11110"), (5, 5, "11111 10001 11110")]
    assert join(lists.pick, images, 2 * HOLES) == (9, 9, "11111 10101 11110")
    assert join(lists.pick, images, 2 * HOLE_CELLS) == (5, 5, "11111 10001 11110")


def test_pick_prefers_a_mirror_axis_to_many_cells_that_agree() -> None:
    images = [(0, 0, "1111 1111 1111 1110"), (0, 5, "1221 3003 4554 6666")]
    assert join(lists.pick, images, 2 * SYMMETRY) == images[1]


@pytest.mark.parametrize(
    ("arg", "images", "odd"),
    [
        (0, ["12", "12", "21"], "21"),
        (1, ["12", "34", "10"], "10"),
        (2, ["110", "101", "112", "022"], "022"),
        (3, ["12", "34", "5 6"], "5 6"),
        (4, ["121", "212", "122"], "122"),
        (5, ["12", "31", "22"], "22"),
        (6, ["120", "012", "111"], "111"),
        (7, ["100", "101", "020"], "101"),
        (8, ["111 101 111", "111", "222"], "111 101 111"),
    ],
)
def test_pick_odd(arg: int, images: list[str], odd: str) -> None:
    placed = [(k, k, text) for k, text in enumerate(images)]
    assert join(lists.pick_odd, placed, arg)[2] == odd
    assert join(lists.pick_odd, placed + placed, arg) == NOTHING
    assert join(lists.pick_odd, [(0, 0, "1"), (0, 1, "20 02")], arg) == NOTHING


def test_keep_extreme() -> None:
    images = [(0, 0, "12"), (0, 5, "3"), (0, 9, "45")]
    assert select(lists.keep_extreme, images, 2 * AREA) == [images[0], images[2]]
    assert select(lists.keep_extreme, images, 2 * AREA + 1) == [images[1]]


def test_drop_extreme() -> None:
    images = [(0, 0, "12"), (0, 5, "3"), (0, 9, "45")]
    assert select(lists.drop_extreme, images, 2 * AREA) == [images[1]]
    assert select(lists.drop_extreme, images, 2 * AREA + 1) == [images[0], images[2]]
    assert select(lists.drop_extreme, images, 2 * HEIGHT) == []


def test_keep_repeated() -> None:
    images = [(0, 0, "10"), (1, 1, "20"), (2, 2, "10"), (3, 3, "02"), (4, 4, "333")]
    kept = [[image[0] for image in select(lists.keep_repeated, images, arg)] for arg in range(6)]
    assert kept == [[0, 2], [1, 3, 4], [0, 1, 2], [3, 4], [0, 1, 2, 3], [4]]
    assert select(lists.keep_repeated, images[:1], 0) == []


def test_distinct() -> None:
    images = [(0, 0, "10"), (1, 1, "20"), (2, 2, "10"), (3, 3, "02")]
    assert select(lists.distinct, images, 0) == [images[0], images[1], images[3]]
    assert select(lists.distinct, images, 1) == [images[0], images[3]]


def test_sort_by() -> None:
    images = [(0, 3, "12"), (1, 2, "3"), (2, 1, "45"), (3, 0, "6 7 8")]
    assert select(lists.sort_by, images, 2 * AREA) == [images[3], images[0], images[2], images[1]]
    assert select(lists.sort_by, images, 2 * AREA + 1) == [images[1], images[0], images[2], images[3]]
    assert select(lists.sort_by, images, 2 * LEFT + 1) == images[::-1]
    assert 2 * LEFT in SORTED


def test_reverse() -> None:
    assert select(lists.reverse, [(0, 0, "12"), (1, 1, "3"), (2, 2, "4")]) == [(2, 2, "4"), (1, 1, "3"), (0, 0, "12")]


def test_drop_end() -> None:
    images = [(0, 0, "12"), (1, 1, "3"), (2, 2, "4")]
    assert select(lists.drop_end, images, 0) == images[1:]
    assert select(lists.drop_end, images, 1) == images[:2]
    assert select(lists.drop_end, images[:1], 0) == []
    assert select(lists.drop_end, images[:1], 1) == []


def test_keep_kind() -> None:
    images = [(0, 0, "111 101 111"), (1, 1, "121"), (2, 2, "100 000"), (3, 3, "22 12")]
    kept = [[image[0] for image in select(lists.keep_kind, images, arg)] for arg in range(12)]
    assert kept[0::2] == [[0, 2], [0, 1], [0], [2], [1, 3], [0, 3]]
    assert kept[1::2] == [[1, 3], [2, 3], [1, 2, 3], [0, 1, 3], [0, 2], [1, 2]]


def test_keep_showing() -> None:
    images = [(0, 0, "12"), (1, 1, "3"), (2, 2, "031")]
    assert select(lists.keep_showing, images, 3) == images[1:]
    assert select(lists.keep_showing, images, 9) == []


def test_drop_showing() -> None:
    images = [(0, 0, "12"), (1, 1, "3"), (2, 2, "031")]
    assert select(lists.drop_showing, images, 3) == images[:1]
    assert select(lists.drop_showing, images[1:], 3) == []
