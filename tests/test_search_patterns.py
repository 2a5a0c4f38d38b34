"""Primitives that continue symmetry, periods, sequences, rings and lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from solver.search.primitives import patterns

NOTHING = ""


def apply(primitive: Callable[..., Any], text: str, arg: int = 0) -> tuple[int, int, str]:
    """Applies a primitive to an image at (4, 5) given as "12 30" (rows of digits); its result in the same form."""
    cells = np.array([[int(cell) for cell in line] for line in text.split()], np.int8)
    before = cells.copy()
    row, col, out = primitive(4, 5, cells, arg)
    assert (cells == before).all()
    assert out.dtype == np.int8
    assert out.flags.c_contiguous
    return row, col, " ".join("".join(map(str, line)) for line in out)


def run(primitive: Callable[..., Any], text: str, arg: int = 0) -> str:
    """As `apply`, for results that must lie where their source lies."""
    row, col, out = apply(primitive, text, arg)
    assert (row, col) == ((4, 5) if out else (0, 0))
    return out


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "1200 3000", "1221 3003"),
        (0, "120 003", "121 303"),
        (1, "12 00 30", "12 00 32"),
        (2, "120 000 000", "121 000 121"),
        (3, "120 003 000", "120 203 030"),
        (3, "123 456", "123 456"),
        (4, "120 003 000", "120 003 001"),
        (5, "1200 0000 0000 0000", "1221 2002 2002 1221"),
        (6, "1200 0003", "1200 0023"),
        (7, "1200 0000 0000 0000", "1201 0002 2000 1021"),
    ],
)
def test_symmetrize(arg: int, text: str, expected: str) -> None:
    assert run(patterns.symmetrize, text, arg) == expected


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "0121000 0320000", "0121000 0323000"),
        # The axis that more cells agree on; an axis between two columns.
        (0, "0120100 0000000", "0122100 0000000"),
        (1, "00 12 30 10 00", "00 12 30 12 00"),
        (2, "000000 012100 030300 010000", "000000 012100 030300 012100"),
        (3, "0000 1230 2400 3000", "0000 1230 2400 3000"),
        (3, "00000 12300 20000 30000 04000", "00000 12300 20040 30000 04000"),
        (4, "00021 00032 00000 00010 12300", "00021 01032 30000 20010 12300"),
        (5, "0000000 0012100 0021200 0010000 0000000", "0000000 0012100 0021200 0012100 0000000"),
        (0, "123 456", NOTHING),
        (2, "121 343", NOTHING),
        (5, "1221 3443 1221", NOTHING),
    ],
)
def test_complete_symmetry(arg: int, text: str, expected: str) -> None:
    assert run(patterns.complete_symmetry, text, arg) == expected


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "1210 3030", "1212 3030"),
        (1, "13 20 03 20", "13 20 13 20"),
        (2, "1212 3430 1200 0000", "1212 3434 1212 3434"),
        (2, "123 456", NOTHING),
        (3, "12300 23000 00012 00000", "12300 23001 30012 00123"),
        (3, "12300 01200 00000", "12312 31231 23123"),
        (3, "123 456 789", NOTHING),
    ],
)
def test_complete_period(arg: int, text: str, expected: str) -> None:
    assert run(patterns.complete_period, text, arg) == expected


BOARD = "12121212 34343434 12121212 34343434 12121212 34343434 12121212"
TORN_BOARD = "12121212 34343434 12001212 34003434 12121212 34343434 12121212"
# Around the gap stands 543 over 7_6; only a reflection of that, 345 over 687, shows what belongs there.
MIRRORED = "3454543 6878786 9129219 1111111 2222222"
TORN_MIRRORED = "3454543 6878706 9129219 1111111 2222222"


def test_complete_patches() -> None:
    assert run(patterns.complete_patches, TORN_BOARD, 0) == BOARD
    assert run(patterns.complete_patches, TORN_BOARD, 1) == BOARD
    assert run(patterns.complete_patches, TORN_MIRRORED, 0) == TORN_MIRRORED
    assert run(patterns.complete_patches, TORN_MIRRORED, 1) == MIRRORED
    assert run(patterns.complete_patches, BOARD) == NOTHING
    assert run(patterns.complete_patches, "1212 0000 1200 0000") == NOTHING


def test_complete_patches_gives_up() -> None:
    random = np.random.default_rng(0).integers(1, 10, (12, 12))
    random[::3, ::3] = 0
    text = " ".join("".join(map(str, line)) for line in random)
    assert run(patterns.complete_patches, text, 1) == NOTHING


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "123321 456654 456004 123001", (6, 8, "65 32")),
        (1, "1234 5678 5078 1234", (6, 6, "6")),
        (2, "123321 456654 456004 123001", (6, 8, "65 32")),
        (3, "1234 2567 3098 4789", (6, 6, "6")),
        (4, "1234 5673 8402 9851", (6, 7, "6")),
        (5, "12321 23432 34503 23432 12321", (6, 8, "4")),
        (5, "12321 23432 34043 23432 12321", (0, 0, NOTHING)),
        (6, "12121 34343 12001 34003 12121", (6, 7, "12 34")),
        (7, TORN_BOARD, (6, 7, "12 34")),
        (8, TORN_BOARD, (6, 7, "12 34")),
        (0, "000 123 321", (0, 0, NOTHING)),
        (0, "1234 5678", (0, 0, NOTHING)),
    ],
)
def test_missing_part(arg: int, text: str, expected: tuple[int, int, str]) -> None:
    assert apply(patterns.missing_part, text, arg) == expected


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "0000 1200 0300 0000 0000", "0300 1200 0300 1200 0300"),
        (1, "0000 1200 0300 0000 0000", "0000 1212 0303 0000 0000"),
        (2, "0000 1200 0300 0000 0000", "0303 1212 0303 1212 0303"),
        (3, "0000 1200 0300 0000 0000", "0000 1200 0300 0000 1200"),
        (4, "12000 03000", "12012 03003"),
        (5, "000000 012000 003000 000000", "000000 012012 003003 000000"),
        (6, "100 200 100 000 000", "100 200 100 200 100"),
        (7, "0121000 0000000", "2121212 0000000"),
        (8, "00000 12120 30300 12120 00000", "30303 12121 30303 12121 30303"),
        (2, "00 00", NOTHING),
    ],
)
def test_repeat_content(arg: int, text: str, expected: str) -> None:
    assert run(patterns.repeat_content, text, arg) == expected


def test_continue_lines() -> None:
    assert run(patterns.continue_lines, "0120100 0040000 0000000", 0) == "0120120 4444444 0000000"
    assert run(patterns.continue_lines, "00 12 02 10 00", 1) == "02 12 02 12 02"


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "20203000", "20203020"),
        (0, "0030000 0000000 0200000 0000000 0000000", "0030000 0000000 0200000 0000000 3000000"),
        (0, "000 000 022 000 022 000 000 000", "022 000 022 000 022 000 022 000"),
        (1, "000 000 022 000 022 000 000 000", "000 000 022 000 022 000 022 000"),
        (2, "000 000 022 000 022 000 000 000", "022 000 022 000 022 000 000 000"),
        (0, "0020300", "3020302"),
        (0, "2000 0000 0330", NOTHING),
        (0, "2020020", NOTHING),
        (0, "0200", NOTHING),
    ],
)
def test_extend_sequence(arg: int, text: str, expected: str) -> None:
    assert run(patterns.extend_sequence, text, arg) == expected


def test_recolour_rings() -> None:
    image = "22222 23332 23032 23332 22222"
    assert run(patterns.recolour_rings, image, 0) == "00000 03330 03230 03330 00000"
    assert run(patterns.recolour_rings, image, 1) == "33333 30003 30203 30003 33333"
    assert run(patterns.recolour_rings, image, 2) == "00000 02220 02320 02220 00000"
    assert run(patterns.recolour_rings, "222 233 222") == NOTHING
    assert run(patterns.recolour_rings, "222 222 222") == NOTHING


def test_continue_rings() -> None:
    image = "0000000 0000000 0022200 0023200 0022200 0000000 0000000"
    assert run(patterns.continue_rings, image) == "2222222 2333332 2322232 2323232 2322232 2333332 2222222"
    # Cut off by the left and the lower edge.
    assert run(patterns.continue_rings, "00000 00000 22000 02000") == "22220 00020 22020 02020"
    assert run(patterns.continue_rings, "0000 0220 0220 0000") == NOTHING
    assert run(patterns.continue_rings, "00000 02220 02330 02220 00000") == NOTHING
    assert run(patterns.continue_rings, "200 000 002") == NOTHING


def test_line_majority() -> None:
    assert run(patterns.line_majority, "223 300 000", 0) == "222 000 000"
    assert run(patterns.line_majority, "223 300 000", 1) == "200 200 200"
    assert run(patterns.line_majority, "2225 3433 4444", 2) == "2222 3333 4444"
    assert run(patterns.line_majority, "2344 2344 5343", 2) == "2344 2344 2344"


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "0200 2222 0233", "0000 2222 0000"),
        (0, "0200 0233", NOTHING),
        (1, "0200 2222 0203", "0200 0200 0200"),
        (2, "0200 2222 0203", "0200 2222 0200"),
        (3, "0200 2222 0203", "0200 0000 0203"),
        (4, "0200 2222 0203", "0000 2022 0003"),
        (5, "0200 2222 0203", "0000 0000 0003"),
        (5, "0200 0230", "0000 0030"),
        (6, "0200 0000 0203", "0200 2222 0203"),
        (7, "0200 0000 0203", "2220 2020 2223"),
        (8, "0200 0000 0203", "2220 2222 2223"),
        (8, "0300 2022", NOTHING),
    ],
)
def test_uniform_lines(arg: int, text: str, expected: str) -> None:
    assert run(patterns.uniform_lines, text, arg) == expected


@pytest.mark.parametrize(("arg", "expected"), [(0, "56 56 56"), (1, "12 12 12"), (2, "22 44 66"), (3, "11 33 55")])
def test_repeat_line(arg: int, expected: str) -> None:
    assert run(patterns.repeat_line, "12 34 56", arg) == expected


def test_shear() -> None:
    assert run(patterns.shear, "123 123 123", 0) == "123 312 231"
    assert run(patterns.shear, "123 123 123", 1) == "123 231 312"
    assert run(patterns.shear, "111 222 333", 2) == "132 213 321"
    assert run(patterns.shear, "111 222 333", 3) == "123 231 312"


def test_opening() -> None:
    assert run(patterns.opening, "2200 2230 0330 0302", 0) == "2200 2200 0000 0000"
    assert run(patterns.opening, "2222 2222 2223 0003", 1) == "2220 2220 2220 0000"
    assert run(patterns.opening, "2000 2003 3300", 2) == "0330 0330 0000"
    assert run(patterns.opening, "2000 3000 4000", 3) == "0222 0222 0222"
    assert run(patterns.opening, "20 02", 0) == NOTHING
    assert run(patterns.opening, "20 02", 3) == NOTHING
