"""Primitives that paint or erase cells in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from solver.search.primitives import painting

NOTHING = ""


def run(primitive: Callable[..., Any], text: str, arg: int = 0) -> str:
    """Applies a primitive to an image given as "12 30" (rows of digits), and gives its result in the same form.

    Every result must lie where its source lies.
    """
    cells = np.array([[int(cell) for cell in line] for line in text.split()], np.int8)
    before = cells.copy()
    row, col, out = primitive(4, 5, cells, arg)
    assert (cells == before).all()
    assert out.dtype == np.int8
    assert out.flags.c_contiguous
    assert (row, col, out.shape) == ((4, 5, cells.shape) if out.size > 0 else (0, 0, (0, 0)))
    return " ".join("".join(map(str, line)) for line in out)


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "2220 2020 2200 0000", "2220 2220 2200 0000"),
        (1, "2220 2020 2200 0000", NOTHING),
        (1, "2220 2020 2220 0000", "2220 2220 2220 0000"),
        # The colour that touches the region most; of two that touch it as often, the first in reading order.
        (0, "0200 3030 0300", "0200 3330 0300"),
        (0, "0300 3020 0200", "0300 3320 0200"),
        (2, "2222 2002 2222", "2222 2222 2222"),
        (2, "222222 200022 220202 222222", "222222 200022 220222 222222"),
        (3, "2222 2002 2222", NOTHING),
        (3, "22222 20202 20222 22222", "22222 20222 20222 22222"),
        (4, "0300 3032 0300", "0000 0300 0000"),
        (4, "0000 0200", NOTHING),
        (5, "0300 3032 0300", NOTHING),
        (5, "333 303 333", "000 030 000"),
    ],
)
def test_fill_enclosed(arg: int, text: str, expected: str) -> None:
    assert run(painting.fill_enclosed, text, arg) == expected


def test_flood() -> None:
    assert run(painting.flood, "305000 005050 555000 005000", 0) == "335000 335050 555000 005000"
    assert run(painting.flood, "405 550 050", 0) == "445 550 050"
    assert run(painting.flood, "405 550 050", 1) == "445 554 054"


@pytest.mark.parametrize(
    ("arg", "expected"),
    [(0, "2222 2233 2223"), (1, "2200 2233 0023"), (2, "2220 2233 2223")],
)
def test_hull(arg: int, expected: str) -> None:
    # Of a component's colours with equally many cells, the first in reading order fills; cells keep their colours.
    assert run(painting.hull, "0200 2033 0023", arg) == expected


@pytest.mark.parametrize(
    ("arg", "expected"),
    [
        (0, "00000 02200 02000 00000"),
        (1, "00000 02000 00000 00000"),
        (2, "22220 20020 20200 22000"),
        (3, "22220 20220 22200 22000"),
    ],
)
def test_interior(arg: int, expected: str) -> None:
    assert run(painting.interior, "22220 22220 22200 22000", arg) == expected


def test_interior_of_cells_without_any() -> None:
    assert run(painting.interior, "232 323", 0) == NOTHING
    assert run(painting.interior, "232 323", 2) == "232 323"


@pytest.mark.parametrize(
    ("arg", "expected"),
    [
        (0, "0200 2223 0233"),
        (1, "2020 0230 2023"),
        (2, "2220 2223 2233"),
        (3, "0200 2023 0230"),
        (4, "2020 0030 2020"),
        (5, "2220 2023 2230"),
    ],
)
def test_outline(arg: int, expected: str) -> None:
    assert run(painting.outline, "0000 0200 0003", arg) == expected
    assert run(painting.outline, "00 00", arg) == NOTHING


def test_box_marks() -> None:
    assert run(painting.box_marks, "22200 20300 22200 00000 00004", 0) == "00000 02000 00000 00000 00004"
    assert run(painting.box_marks, "2200 2000 0000 3000", 0) == "2200 2200 0000 3000"
    assert run(painting.box_marks, "02000 22200 02000 00000", 1) == "20200 00000 20200 00000"
    assert run(painting.box_marks, "00000 02200 00000 00000", 2) == "20020 00000 20020 00000"
    assert run(painting.box_marks, "22 22", 2) == NOTHING


@pytest.mark.parametrize(
    ("arg", "expected"), [(0, "121 020 000"), (1, "000 020 121"), (2, "120 100 200"), (3, "012 001 002")]
)
def test_gravity(arg: int, expected: str) -> None:
    assert run(painting.gravity, "120 001 020", arg) == expected


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "000 202 020", "202 020 000"),
        # A component rests on another that rests, not on one that falls.
        (1, "22200 00200 03330 00000 44000", "00000 22200 00200 03330 44000"),
        (2, "0203 0223", "2030 2230"),
        (3, "2000 2030 2230", "0200 0203 0223"),
        (1, "23 00 04", "00 03 24"),
        (5, "23 00 04", "00 23 04"),
        (4, "000 230", "230 000"),
        (6, "023 020", "230 200"),
        (7, "230 200", "023 020"),
    ],
)
def test_fall(arg: int, text: str, expected: str) -> None:
    assert run(painting.fall, text, arg) == expected


@pytest.mark.parametrize(
    ("arg", "expected"),
    list(
        enumerate(
            [
                "00203 00203 00003",
                "00000 00200 00203",
                "00000 22200 33333",
                "00000 00222 00003",
                "02300 00230 00003",
                "00020 00200 00003",
                "00000 00200 02003",
                "00000 00200 00023",
                "00203 00203 00203",
                "00000 22222 33333",
                "00203 22223 33233",
                "02300 00230 00023",
                "00020 00200 02003",
                "02320 00230 02023",
                "02223 22223 32223",
            ]
        )
    ),
)
def test_rays(arg: int, expected: str) -> None:
    # Of two rays in a cell the one from the nearer source is seen.
    assert run(painting.rays, "00000 00200 00003", arg) == expected


def test_rays_stop_at_other_cells() -> None:
    assert run(painting.rays, "20003", 9) == "22233"


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "00000 02200 00000 00303", "00000 22222 00000 00303"),
        (0, "0200 0020", NOTHING),
        (1, "0000 0200 0020 0000", "2000 0200 0020 0002"),
        (1, "0000 0220 0000", NOTHING),
        (2, "2000033 0000033 0400000 0000000 0400000", "2222233 0000033 0400000 0000000 0400000"),
        (3, "20000 00000 00330 00330", "20000 02000 00330 00330"),
        (3, "2000 0000 0030", NOTHING),
        (4, "02000 00000 30040 00000", "02000 02000 33340 02000"),
        (5, "02000 00000 30040 00000", "02000 02000 32040 02000"),
        (5, "000 020 000", NOTHING),
    ],
)
def test_special_rays(arg: int, text: str, expected: str) -> None:
    assert run(painting.special_rays, text, arg) == expected


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "2002 0300 3003 3000", "2222 0300 3333 3000"),
        (0, "20302", "20302"),
        (1, "203 000 203", "203 203 203"),
        (2, "0202 3003 0200", "0222 3233 0200"),
        (3, "2003 0000 0000 3002", "2003 0230 0320 3002"),
        (4, "20302 00000 20000", "22322 00000 20000"),
        (5, "2 3 0 2", "2 3 2 2"),
        (6, "20302 00000 20000", "22322 20000 20000"),
        (7, "2000 0300 0000 0002", "2000 0300 0020 0002"),
    ],
)
def test_connect(arg: int, text: str, expected: str) -> None:
    assert run(painting.connect, text, arg) == expected


def test_spread() -> None:
    assert run(painting.spread, "20000 00003 00000", 0) == "22233 22333 22333"
    assert run(painting.spread, "2000 0000 0003", 1) == "2233 2233 2233"
    assert run(painting.spread, "00 00", 0) == NOTHING


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "22033 22000 00040", "11022 11000 00030"),
        (0, "22033 00000 00040", "11011 00000 00020"),
        (1, "22033 22000 00040", "33022 33000 00010"),
        (2, "22033 22000 00040", "44022 44000 00010"),
        (2, "22222 22222", NOTHING),
        (3, "22200 20203 22200", "11100 10100 11100"),
        (3, "222 220", NOTHING),
        (0, "2200 0030", "1100 0010"),
        (4, "2200 0030", "1100 0020"),
        (5, "2200 0030", "2200 0010"),
        (6, "2200 0030", "2200 0010"),
        (7, "2220 2020 2220 0003", "1110 1010 1110 0000"),
    ],
)
def test_rank_components(arg: int, text: str, expected: str) -> None:
    assert run(painting.rank_components, text, arg) == expected


@pytest.mark.parametrize(
    ("trait", "text", "kept"),
    [
        (0, "20000 00330 00400 00000", "20000 00000 00000 00000"),
        (1, "2203 2203 0040 0440", "2203 2203 0000 0000"),
        (2, "2203 2203 0040 0440", "2200 2200 0000 0000"),
        (3, "22034 22030 04000 44000", "00034 00030 00000 00000"),
        (4, "22203 20200 22200", "22200 20200 22200"),
        (5, "2203 2203 0040 0440", "2203 2203 0000 0000"),
        (6, "2203 2203 0040 0440", "2200 2200 0000 0000"),
        (7, "2203 2203 0040 0440", "0003 0003 0000 0000"),
        (8, "2203 0000 0440", "0003 0000 0000"),
        (9, "2203 0000 0440", "2200 0000 0440"),
        (10, "2203 2000 0440", "2200 2000 0000"),
        (11, "2203 2200 0004", "2200 2200 0000"),
    ],
)
def test_keep_components(trait: int, text: str, kept: str) -> None:
    rest = "".join(" " if a == " " else "0" if b != "0" else a for a, b in zip(text, kept, strict=True))
    assert run(painting.keep_components, text, 2 * trait) == kept
    assert run(painting.keep_components, text, 2 * trait + 1) == rest


def test_keep_components_keeps_none() -> None:
    assert run(painting.keep_components, "220 202", 16) == NOTHING


@pytest.mark.parametrize(
    ("arg", "text", "expected"),
    [
        (0, "20000 02220 02320 02220", "00000 02220 02220 02220"),
        (0, "22222 20222 22222", "22222 22222 22222"),
        (1, "20000 02220 02320 02220", "20000 02220 02220 02220"),
        (2, "22222 23302 22222", "22222 22222 22222"),
        (3, "20000 02220 02320 02220", "00000 02220 02020 02220"),
    ],
)
def test_denoise(arg: int, text: str, expected: str) -> None:
    assert run(painting.denoise, text, arg) == expected
