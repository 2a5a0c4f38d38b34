"""Primitives that draw a list as one image."""

from __future__ import annotations

import pytest

from solver.search.primitives import joins
from tests.search_images import NOTHING, Text, join

GRID = [(0, 0, "12"), (0, 4, "3"), (5, 0, "44 40"), (6, 4, "5 0")]
"""Two rows and two columns; the images of a row or column overlap along it."""


def test_pick_index() -> None:
    images = [(0, 1, "12"), (2, 3, "3 3"), (4, 5, "4"), (6, 7, "56")]
    assert [join(joins.pick_index, images, arg) for arg in (0, 1, 2, -1)] == images
    assert join(joins.pick_index, images[:2], 2) == NOTHING
    assert join(joins.pick_index, images[:1], -1) == images[0]


def test_overlay() -> None:
    images = [(1, 2, "11 11"), (2, 1, "220"), (4, 3, "3")]
    assert join(joins.overlay, images, 0) == (1, 1, "011 221 000 003")
    assert join(joins.overlay, images, 1) == (1, 1, "011 211 000 003")
    assert join(joins.overlay, [(0, 0, "1"), (0, 30, "1")]) == NOTHING
    assert join(joins.overlay, [(-3, -5, "1"), (-3, 24, "1")])[2] == "1" + "0" * 28 + "1"


@pytest.mark.parametrize(
    ("arg", "expected"),
    [(0, "1233 0030"), (1, "12 33 30"), (2, "12033 00030"), (3, "12 00 33 30")],
)
def test_stack(arg: int, expected: str) -> None:
    assert join(joins.stack, [(4, 5, "12"), (0, 0, "33 30")], arg) == (4, 5, expected)
    assert join(joins.stack, [(0, 0, "1")] * 31, arg) == NOTHING


def test_assemble() -> None:
    assert join(joins.assemble, GRID, 0) == (0, 0, "123 445 400")
    assert join(joins.assemble, GRID, 1) == (0, 0, "1203 0000 4405 4000")
    assert join(joins.assemble, GRID[:3], 0) == (0, 0, "123 440 400")
    assert join(joins.assemble, [(0, 0, "1"), (0, 0, "2")], 0) == NOTHING


def test_arrange() -> None:
    assert join(joins.arrange, GRID, 0) == (0, 0, "13 45")
    assert join(joins.arrange, GRID[::-1], 0) == (6, 4, "13 45")
    assert join(joins.arrange, GRID, 1) == (0, 0, "1345")
    assert join(joins.arrange, GRID, 2) == (0, 0, "1 3 4 5")
    assert join(joins.arrange, [(0, 0, "00"), (0, 2, "122")], 0) == (0, 0, "02")
    assert join(joins.arrange, [(0, 0, "1"), (0, 0, "2")], 0) == NOTHING


@pytest.mark.parametrize(
    ("arg", "expected"),
    [(0, "222"), (1, "2 2 2"), (2, "200 020 002"), (3, "22200"), (4, "222 000 000")],
)
def test_tally(arg: int, expected: str) -> None:
    images: list[Text] = [(4, 5, "122"), (0, 0, "3"), (1, 1, "3")]
    assert join(joins.tally, images, arg) == (4, 5, expected)
    assert join(joins.tally, [(0, 0, "0"), *images], arg) == NOTHING
    assert join(joins.tally, images * 11, arg) == NOTHING


def test_tally_fills_in_reading_order() -> None:
    assert join(joins.tally, [(0, 0, "1")] * 5, 4) == (0, 0, "111 110 000")


def test_bars() -> None:
    images = [(4, 5, "102"), (0, 0, "333"), (1, 1, "0")]
    assert join(joins.bars, images, 0) == (4, 5, "110 333 000")
    assert join(joins.bars, images, 1) == (4, 5, "030 130 130")
    assert join(joins.bars, [(0, 0, "0")], 0) == NOTHING


@pytest.mark.parametrize(
    ("arg", "expected"),
    [
        (0, "1 0 0 0 0"),
        (1, "1 2 0 0 0"),
        (2, "1 2 3 4 0"),
        (3, "0 0 0 4 0"),
        (4, "1 2 3 0 0"),
        (5, "1 2 3 4 0"),
        (6, "0 0 0 0 1"),
        (7, "0 0 0 0 0"),
        (8, "0 0 0 4 0"),
    ],
)
def test_cellwise(arg: int, expected: str) -> None:
    images = [(4, 5, "1 2 0 0 0"), (0, 0, "1 2 3 0 0"), (0, 0, "1 3 3 4 0")]
    assert join(joins.cellwise, images, arg) == (4, 5, expected)
    assert join(joins.cellwise, images[:1], arg) == NOTHING
    assert join(joins.cellwise, [*images, (0, 0, "12")], arg) == NOTHING


def test_cellwise_of_two_images_and_of_ties() -> None:
    images = [(0, 0, "01230"), (0, 0, "03210")]
    assert [join(joins.cellwise, images, arg)[2] for arg in range(9)] == [
        "00200",
        "01230",
        "01230",
        "00000",
        "01230",
        "01230",
        "10001",
        "00000",
        "00000",
    ]
    assert join(joins.cellwise, [(0, 0, "0"), (0, 0, "0")], 6) == NOTHING
    three = [(0, 0, "0210"), (0, 0, "0320"), (0, 0, "0020")]
    assert join(joins.cellwise, three, 4) == (0, 0, "0220")
    assert join(joins.cellwise, three, 5) == (0, 0, "0220")
    assert join(joins.cellwise, three, 7) == (0, 0, "0000")
    assert join(joins.cellwise, [(0, 0, "12"), (0, 0, "01")], 7) == (0, 0, "10")
