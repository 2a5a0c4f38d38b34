"""Primitives about shapes: parts of an image, and its rows and columns rearranged."""

from __future__ import annotations

import pytest

from solver.search.primitives import shapes
from tests.search_images import apply as run

NOTHING = (0, 0, "")
NINE = "123 456 789"


def test_crop_to_content() -> None:
    assert run(shapes.crop_to_content, "0000 0010 0201 0000", 0, 4, 5) == (5, 6, "010 201")
    assert run(shapes.crop_to_content, "00 00", 0, 4, 5) == NOTHING


@pytest.mark.parametrize(
    ("arg", "expected"),
    list(
        enumerate(
            [
                (4, 5, "1234"),
                (6, 5, "9012"),
                (4, 5, "12 56 90"),
                (4, 7, "34 78 12"),
                (4, 5, "12"),
                (4, 7, "34"),
                (6, 5, "90"),
                (6, 7, "12"),
                (4, 5, "123 567 901"),
                (4, 6, "234 678 012"),
            ]
        )
    ),
)
def test_part(arg: int, expected: tuple[int, int, str]) -> None:
    assert run(shapes.part, "1234 5678 9012", arg, 4, 5) == expected


@pytest.mark.parametrize("arg", [0, 1, 4, 7])
def test_a_line_has_no_halves_across(arg: int) -> None:
    assert run(shapes.part, "12", arg) == NOTHING


def test_third() -> None:
    assert [run(shapes.third, "12 34 56", arg, 4, 5) for arg in range(3)] == [(4, 5, "12"), (5, 5, "34"), (6, 5, "56")]
    assert [run(shapes.third, "112233", arg, 4, 5) for arg in (3, 4, 5)] == [(4, 5, "11"), (4, 7, "22"), (4, 9, "33")]
    assert [run(shapes.third, "10203 40506", arg, 0, 0) for arg in (3, 4, 5)] == [
        (0, 0, "1 4"),
        (0, 2, "2 5"),
        (0, 4, "3 6"),
    ]
    assert run(shapes.third, "1234", 3) == NOTHING
    assert run(shapes.third, "12", 3) == NOTHING


def test_trim() -> None:
    assert run(shapes.trim, NINE, 0, 4, 5) == (5, 5, "456 789")
    assert run(shapes.trim, NINE, 1, 4, 5) == (4, 5, "123 456")
    assert run(shapes.trim, NINE, 2, 4, 5) == (4, 6, "23 56 89")
    assert run(shapes.trim, NINE, 3, 4, 5) == (4, 5, "12 45 78")
    assert run(shapes.trim, NINE, 4, 4, 5) == (5, 6, "5")
    assert run(shapes.trim, "12 34", 4, 4, 5) == NOTHING
    assert run(shapes.trim, "12", 0, 4, 5) == NOTHING


def test_pad() -> None:
    assert run(shapes.pad, "12", 0, 4, 5) == (3, 5, "00 12")
    assert run(shapes.pad, "12", 1, 4, 5) == (4, 5, "12 00")
    assert run(shapes.pad, "12", 2, 4, 5) == (4, 4, "012")
    assert run(shapes.pad, "12", 3, 4, 5) == (4, 5, "120")
    assert run(shapes.pad, "12", 4, 4, 5) == (3, 4, "0000 0120 0000")
    assert run(shapes.pad, "1" * 30, 3) == NOTHING


def test_add_frame() -> None:
    assert run(shapes.add_frame, "12", 7, 4, 5) == (3, 4, "7777 7127 7777")
    assert run(shapes.add_frame, "1" * 29, 7, 4, 5) == NOTHING


def test_framed() -> None:
    image = "300000 022220 021020 022220 000444 000404 000444"
    assert run(shapes.framed, image, 0, 4, 5) == (6, 7, "10")
    assert run(shapes.framed, image, 1, 4, 5) == (5, 6, "2222 2102 2222")
    assert run(shapes.framed, "222 222 222", 1) == NOTHING
    assert run(shapes.framed, "000 010 000", 1) == NOTHING
    assert run(shapes.framed, "222 201 222", 1) == NOTHING


def test_the_first_of_equally_large_frames_counts() -> None:
    assert run(shapes.framed, "0222333 0292313 0222333", 0, 4, 5) == (5, 7, "9")


def test_a_frame_may_lie_in_a_solid_rectangle() -> None:
    assert run(shapes.framed, "2222 2222 2212 2222", 0) == (1, 1, "22 21")


def test_subsample() -> None:
    assert run(shapes.subsample, NINE, 0, 4, 5) == (4, 5, "123 789")
    assert run(shapes.subsample, NINE, 1, 4, 5) == (4, 5, "456")
    assert run(shapes.subsample, NINE, 2, 4, 5) == (4, 5, "13 46 79")
    assert run(shapes.subsample, NINE, 3, 4, 5) == (4, 5, "2 5 8")
    assert run(shapes.subsample, NINE, 4, 4, 5) == (4, 5, "13 79")
    assert run(shapes.subsample, NINE, 5, 4, 5) == (4, 5, "5")
    assert run(shapes.subsample, "12", 1, 4, 5) == NOTHING


def test_compress() -> None:
    image = "00000 10020 00000 00033"
    assert run(shapes.compress, image, 0, 4, 5) == (4, 5, "120 033")
    assert run(shapes.compress, image, 1, 4, 5) == (4, 5, "10020 00033")
    assert run(shapes.compress, image, 2, 4, 5) == (4, 5, "000 120 000 033")
    assert run(shapes.compress, "00 00", 1) == NOTHING


def test_compress_drops_separators() -> None:
    assert run(shapes.compress, "1050 5555 0252 0052", 3, 4, 5) == (4, 5, "100 022 002")
    assert run(shapes.compress, "1050 5655 0202", 3, 4, 5) == (4, 5, "1050 5655 0202")
    assert run(shapes.compress, "55 55", 3) == NOTHING


def test_compress_drops_repeated_lines() -> None:
    image = "1121 1121 3343 1121"
    assert run(shapes.compress, image, 6, 4, 5) == (4, 5, "121 343 121")
    assert run(shapes.compress, image, 7, 4, 5) == (4, 5, "1121 3343 1121")
    assert run(shapes.compress, image, 8, 4, 5) == (4, 5, "121 121 343 121")


def test_repeated_unit() -> None:
    assert run(shapes.repeated_unit, "12312 45645 12312", row=4, col=5) == NOTHING
    assert run(shapes.repeated_unit, "12121 34343 12121 34343", row=4, col=5) == (4, 5, "12 34")
    assert run(shapes.repeated_unit, "111 222") == (0, 0, "1 2")
    assert run(shapes.repeated_unit, "12 34") == NOTHING


@pytest.mark.parametrize(
    ("arg", "expected"),
    list(enumerate(["41 52 63", "654 321", "36 25 14", "321 654", "456 123", "14 25 36", "63 52 41"])),
)
def test_dihedral(arg: int, expected: str) -> None:
    assert run(shapes.dihedral, "123 456", arg, 4, 5) == (4, 5, expected)


@pytest.mark.parametrize(
    ("arg", "expected"),
    list(
        enumerate(
            [
                "456 789 000",
                "000 123 456",
                "230 560 890",
                "012 045 078",
                "560 890 000",
                "045 078 000",
                "000 230 560",
                "000 012 045",
                "456 789 123",
                "789 123 456",
                "231 564 897",
                "312 645 978",
                "564 897 231",
                "645 978 312",
                "897 231 564",
                "978 312 645",
            ]
        )
    ),
)
def test_shift(arg: int, expected: str) -> None:
    assert run(shapes.shift, NINE, arg, 4, 5) == (4, 5, expected)


def test_move() -> None:
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    for arg, (down, across) in enumerate(steps):
        assert run(shapes.move, "123 456", arg, 4, 5) == (4 + down, 5 + across, "123 456")
        assert run(shapes.move, "123 456", arg + 8, 4, 5) == (4 + 2 * down, 5 + 3 * across, "123 456")
    assert run(shapes.move, "123 456", 16, 4, 5) == (0, 0, "123 456")


def test_sort_lines() -> None:
    image = "120 300 056 007"
    assert run(shapes.sort_lines, image, 0, 4, 5) == (4, 5, "300 007 120 056")
    assert run(shapes.sort_lines, image, 1, 4, 5) == (4, 5, "120 056 300 007")
    assert run(shapes.sort_lines, "1201 0301", 2, 4, 5) == (4, 5, "0121 0031")
    assert run(shapes.sort_lines, "1201 0301", 3, 4, 5) == (4, 5, "2110 3100")


def test_scale_up() -> None:
    assert run(shapes.scale_up, "12 03", 22, 4, 5) == (4, 5, "1122 1122 0033 0033")
    assert run(shapes.scale_up, "12 03", 12) == (0, 0, "1122 0033")
    assert run(shapes.scale_up, "12 03", 31) == (0, 0, "12 12 12 03 03 03")
    assert run(shapes.scale_up, "1" * 16, 22) == NOTHING


def test_scale_down() -> None:
    assert run(shapes.scale_down, "1122 1122 0033 0033", 0, 4, 5) == (4, 5, "12 03")
    assert run(shapes.scale_down, "112222 112222", 0, 4, 5) == (4, 5, "122")
    assert run(shapes.scale_down, "111122 111122", 1, 4, 5) == (4, 5, "112")
    assert run(shapes.scale_down, "1122 0033", 1) == (0, 0, "12 03")
    assert run(shapes.scale_down, "1122 0033", 0) == NOTHING
    assert run(shapes.scale_down, "112 112 003", 1) == NOTHING


def test_tile() -> None:
    assert run(shapes.tile, "12 03", 22, 4, 5) == (4, 5, "1212 0303 1212 0303")
    assert run(shapes.tile, "12 03", 13) == (0, 0, "121212 030303")
    assert run(shapes.tile, "12 03", 21) == (0, 0, "12 03 12 03")
    assert run(shapes.tile, "1" * 16, 12) == NOTHING


@pytest.mark.parametrize(
    ("arg", "expected"),
    list(
        enumerate(
            [
                (2, 5, "34 12 12 34"),
                (4, 5, "12 34 34 12"),
                (4, 3, "2112 4334"),
                (4, 5, "1221 3443"),
                (2, 3, "4334 2112 2112 4334"),
                (2, 5, "3443 1221 1221 3443"),
                (4, 3, "2112 4334 4334 2112"),
                (4, 5, "1221 3443 3443 1221"),
                (3, 5, "34 12 34"),
                (4, 5, "12 34 12"),
                (4, 4, "212 434"),
                (4, 5, "121 343"),
                (3, 4, "434 212 434"),
                (3, 5, "343 121 343"),
                (4, 4, "212 434 212"),
                (4, 5, "121 343 121"),
            ]
        )
    ),
)
def test_mirror(arg: int, expected: tuple[int, int, str]) -> None:
    assert run(shapes.mirror, "12 34", arg, 4, 5) == expected


def test_mirror_at_the_limits() -> None:
    assert run(shapes.mirror, "1" * 16, 3) == NOTHING
    assert run(shapes.mirror, "1" * 16, 11) == NOTHING
    assert run(shapes.mirror, "12", 9) == (0, 0, "12")


def test_turned_tiles() -> None:
    assert run(shapes.turned_tiles, "12 34", 0, 4, 5) == (4, 5, "1231 3442 2443 1321")
    assert run(shapes.turned_tiles, "12 34", 1, 4, 5) == (4, 5, "1224 3413 4331 2142")
    assert run(shapes.turned_tiles, "12", 2, 4, 5) == (4, 5, "121212 212121 121212")
    assert run(shapes.turned_tiles, "12", 0) == NOTHING
    assert run(shapes.turned_tiles, "1" * 11, 2) == NOTHING
