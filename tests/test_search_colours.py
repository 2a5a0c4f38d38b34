"""Primitives about single cells: which are kept, what colour they get, how many there are."""

from __future__ import annotations

import pytest

from solver.search.primitives import colours
from tests.search_images import apply as run

NOTHING = (0, 0, "")


def test_keep_colour() -> None:
    assert run(colours.keep_colour, "120 312", 1, 4, 5) == (4, 5, "100 010")
    assert run(colours.keep_colour, "120 312", 9) == (0, 0, "000 000")


def test_erase_colour() -> None:
    assert run(colours.erase_colour, "120 312", 1, 4, 5) == (4, 5, "020 302")
    assert run(colours.erase_colour, "120", 9) == (0, 0, "120")


def test_paint() -> None:
    assert run(colours.paint, "120 312", 5, -1, 2) == (-1, 2, "550 555")


def test_fill_background() -> None:
    assert run(colours.fill_background, "120 010", 5, -1, 2) == (-1, 2, "125 515")


def test_canvas() -> None:
    assert run(colours.canvas, "120 010", 5, -1, 2) == (-1, 2, "555 555")


def test_crop_to_colour() -> None:
    assert run(colours.crop_to_colour, "1000 0023 0200", 2, 4, 5) == (5, 6, "02 20")
    assert run(colours.crop_to_colour, "1000 0023 0200", 3, 4, 5) == (5, 8, "3")
    assert run(colours.crop_to_colour, "1000 0023 0200", 4, 4, 5) == NOTHING


def test_keep_by_count() -> None:
    assert run(colours.keep_by_count, "1220 3303", 0, 4, 5) == (4, 5, "0000 3303")
    assert run(colours.keep_by_count, "1220 3303", 1, 4, 5) == (4, 5, "1000 0000")
    assert run(colours.keep_by_count, "000", 0, 4, 5) == NOTHING


@pytest.mark.parametrize("arg", [0, 1])
def test_the_first_of_equally_common_colours_counts(arg: int) -> None:
    assert run(colours.keep_by_count, "077 990 332 224", arg)[2] == ("000 000 002 220", "000 000 000 004")[arg]
    assert (
        run(colours.keep_by_count, "093 390 030 777 220", arg)[2] == ("003 300 030 000 000", "090 090 000 000 000")[arg]
    )


def test_erase_by_count() -> None:
    assert run(colours.erase_by_count, "1220 3303", 0, 4, 5) == (4, 5, "1220 0000")
    assert run(colours.erase_by_count, "1220 3303", 1, 4, 5) == (4, 5, "0220 3303")
    assert run(colours.erase_by_count, "000") == NOTHING


def test_paint_by_count() -> None:
    assert run(colours.paint_by_count, "120 220", 0, 4, 5) == (4, 5, "220 220")
    assert run(colours.paint_by_count, "120 220", 1, 4, 5) == (4, 5, "110 110")
    assert run(colours.paint_by_count, "120 220", 2, 4, 5) == (4, 5, "200 000")
    assert run(colours.paint_by_count, "120 220", 3, 4, 5) == (4, 5, "010 110")
    assert run(colours.paint_by_count, "000") == NOTHING


def test_fill_by_count() -> None:
    assert run(colours.fill_by_count, "120 220", 0, 4, 5) == (4, 5, "122 222")
    assert run(colours.fill_by_count, "120 220", 1, 4, 5) == (4, 5, "121 221")
    assert run(colours.fill_by_count, "000") == NOTHING


def test_solid_by_count() -> None:
    assert run(colours.solid_by_count, "120 220", 0, 4, 5) == (4, 5, "222 222")
    assert run(colours.solid_by_count, "120 220", 1, 4, 5) == (4, 5, "111 111")
    assert run(colours.solid_by_count, "120 220", 2, 4, 5) == (4, 5, "2")
    assert run(colours.solid_by_count, "120 220", 3, 4, 5) == (4, 5, "1")
    assert run(colours.solid_by_count, "000", 2) == NOTHING


def test_crop_by_count() -> None:
    assert run(colours.crop_by_count, "0000 0201 3002", 0, 4, 5) == (5, 6, "201 002")
    assert run(colours.crop_by_count, "0000 0201 3002", 1, 4, 5) == (5, 8, "1")
    assert run(colours.crop_by_count, "00 00") == NOTHING


def test_invert() -> None:
    assert run(colours.invert, "030 303", row=4, col=5) == (4, 5, "303 030")
    assert run(colours.invert, "030 304") == NOTHING
    assert run(colours.invert, "000") == NOTHING


def test_swap_colours() -> None:
    assert run(colours.swap_colours, "120 221", row=4, col=5) == (4, 5, "210 112")
    assert run(colours.swap_colours, "120 223") == NOTHING
    assert run(colours.swap_colours, "110") == NOTHING


def test_palette() -> None:
    assert run(colours.palette, "90222 30033", 0, 4, 5) == (4, 5, "2 3 9")
    assert run(colours.palette, "90222 30033", 1, 4, 5) == (4, 5, "9 2 3")
    assert run(colours.palette, "90222 30033", 2, 4, 5) == (4, 5, "9 2 3")
    assert run(colours.palette, "30 92 99", 2) == (0, 0, "3 9 2")
    assert run(colours.palette, "000") == NOTHING


@pytest.mark.parametrize(
    ("arg", "kept"),
    list(
        enumerate(
            [
                "11111 00000 11111 00000 11111",
                "00000 11111 00000 11111 00000",
                "10101 10101 10101 10101 10101",
                "01010 01010 01010 01010 01010",
                "10101 01010 10101 01010 10101",
                "01010 10101 01010 10101 01010",
                "11111 10001 10001 10001 11111",
                "00000 01110 01110 01110 00000",
                "11111 10001 10101 10001 11111",
                "10000 01000 00100 00010 00001",
                "00001 00010 00100 01000 10000",
            ]
        )
    ),
)
def test_keep_pattern(arg: int, kept: str) -> None:
    assert run(colours.keep_pattern, " ".join(["11111"] * 5), arg, 4, 5) == (4, 5, kept)


def test_keep_pattern_of_an_oblong_image() -> None:
    assert run(colours.keep_pattern, "1234 5678", 9) == (0, 0, "1000 0600")
    assert run(colours.keep_pattern, "1234 5678", 10) == (0, 0, "0004 0070")
    assert run(colours.keep_pattern, "1234 5678", 7) == (0, 0, "0000 0000")


def test_fractal() -> None:
    assert run(colours.fractal, "12 02", 0, 4, 5) == (4, 5, "1212 0202 0012 0002")
    assert run(colours.fractal, "12 02", 1) == (0, 0, "0000 0000 1200 0200")
    assert run(colours.fractal, "12 02", 2) == (0, 0, "0012 0002 0012 0002")
    assert run(colours.fractal, "12 02", 3) == (0, 0, "1200 0200 0000 0000")
    assert run(colours.fractal, "123", 0) == (0, 0, "123123123")
    assert run(colours.fractal, "111111") == NOTHING


def test_scale_by_count() -> None:
    assert run(colours.scale_by_count, "22 10", 0, 4, 5) == (4, 5, "222222 222222 222222 111000 111000 111000")
    assert run(colours.scale_by_count, "22 10", 1) == (0, 0, "2222 2222 1100 1100")
    assert run(colours.scale_by_count, "00") == NOTHING
    assert run(colours.scale_by_count, "111111") == NOTHING


def test_draw_number_counts() -> None:
    """Of cells, colours, and components by sides or corners, of any or of one colour."""
    image = "2201 0010 0000 0202"
    lengths = [len(run(colours.draw_number, image, what)[2]) for what in range(6)]
    assert lengths == [6, 2, 5, 3, 5, 4]
    assert [len(run(colours.draw_number, "12 01", what)[2]) for what in range(6)] == [3, 2, 1, 1, 3, 2]


def test_draw_number() -> None:
    assert run(colours.draw_number, "302 300", 1, 4, 5) == (4, 5, "33")
    assert run(colours.draw_number, "302 300", 10) == (0, 0, "333 333 333")
    assert run(colours.draw_number, "302 300", 20) == (0, 0, "300 030 003")
    assert run(colours.draw_number, "302 300", 30) == (0, 0, "33300")
    assert run(colours.draw_number, "332 330", 40) == (0, 0, "333 330 000")
    assert run(colours.draw_number, "000") == NOTHING
    assert run(colours.draw_number, "111 111", 30) == NOTHING
    assert run(colours.draw_number, "1" * 30 + " " + "1" * 30) == NOTHING
