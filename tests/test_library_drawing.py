"""Drawing with the programs' library: regions, lines, sprites."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from solver.programs.library import (
    Color,
    blit,
    blit_object,
    blit_sprite,
    draw_line,
    flood_fill,
    scale_pattern,
    scale_sprite,
)
from tests.library_grids import arrays, grid, text

BLOCK = np.ones((3, 3))


def drawn(before: str, *arguments: Any, **named: Any) -> tuple[str, tuple[int, int]]:
    """The grid after a line, and the line's end."""
    canvas = grid(before)
    end = draw_line(canvas, *arguments, **named)
    return text(canvas), end


def test_flood_fill() -> None:
    canvas = grid("1101 0010 1100")
    assert flood_fill(canvas, 0, 0, Color.RED) is canvas
    assert text(canvas) == "2201 0010 1100"
    flood_fill(grid=canvas, x=np.int64(3), y=0.0, color=3, connectivity=8)
    assert text(canvas) == "2203 0030 3300"
    flood_fill(canvas, 2, 0, color=2)
    assert text(canvas) == "2223 0030 3300"
    flood_fill(canvas, 0, 0, 2)
    assert text(canvas) == "2223 0030 3300"


@pytest.mark.parametrize(("x", "y"), [(3, 0), (0, 2), (-1, 0)])
def test_flood_fill_has_nothing_to_fill_outside_the_grid(x: int, y: int) -> None:
    with pytest.raises(IndexError, match="outside a grid of 3 x 2"):
        flood_fill(grid("000 000"), x, y, 1)


def test_connectivity_is_4_or_8() -> None:
    with pytest.raises(ValueError, match="connectivity must be 4 or 8, not 6"):
        flood_fill(grid("0"), 0, 0, 1, connectivity=6)


@given(arrays(), st.data(), st.sampled_from([4, 8]))
def test_flood_fill_recolours_one_labelled_region(before: Any, data: st.DataObject, connectivity: int) -> None:
    x, y = (data.draw(st.integers(0, size - 1)) for size in before.shape)
    canvas = before.copy()
    flood_fill(canvas, x, y, 9, connectivity)
    labels, _ = scipy.ndimage.label(before == before[x, y], structure=BLOCK if connectivity == 8 else None)
    assert np.array_equal(canvas == 9, labels == labels[x, y])
    assert np.array_equal(canvas[canvas != 9], before[canvas != 9])


def test_draw_line() -> None:
    black = "0000 0000 0000"
    assert drawn(black, 0, 0, end_x=2, end_y=2, color=1) == ("1000 0100 0010", (2, 2))
    assert drawn(black, 0, 0, length=3, color=1, direction=(1, 1)) == ("1000 0100 0010", (2, 2))
    assert drawn(black, 1, 1, direction=(1, 0), color=3) == ("0000 0333 0000", (3, 1))
    assert drawn(black, 1, 1, direction=(0, -1), color=3) == ("0300 0300 0000", (1, 0))
    assert drawn(black, 3, 0, direction=[-2.0, np.int64(5)], color=3) == ("0003 0030 0300", (1, 2))
    assert drawn(black, 2, 1, 0, 1, color=4) == ("0000 4440 0000", (0, 1))
    assert drawn(black, 2, 1, 2, 1, color=4) == ("0000 0040 0000", (2, 1))
    assert drawn(black, 2, 1, end_x=0, color=4) == ("0000 4440 0000", (0, 1))
    assert drawn(black, 2, 1, end_y=0, color=4) == ("0040 0040 0000", (2, 0))


def test_draw_line_stops_before_a_colour() -> None:
    before = "00200 00000"
    assert drawn(before, 0, 0, direction=(1, 0), color=1, stop_at_color=[2, 3]) == ("11200 00000", (1, 0))
    assert drawn(before, 0, 0, direction=(1, 0), color=1, stop_at_color=Color.RED) == ("11200 00000", (1, 0))
    assert drawn(before, 0, 0, direction=(1, 0), color=1, stop_at_color=[3]) == ("11111 00000", (4, 0))
    assert drawn(before, 0, 0, end_x=4, end_y=0, color=1, stop_at_color=Color.NOT_BLACK)[1] == (1, 0)
    assert drawn(before, 2, 0, direction=(1, 0), color=1, stop_at_color=[2]) == (before, (2, 0))


def test_draw_line_is_clipped() -> None:
    assert drawn("000", -2, 0, direction=(1, 0), color=1) == ("111", (2, 0))
    assert drawn("000", -2, 0, length=4, direction=(1, 0), color=1) == ("110", (1, 0))
    assert drawn("000", 1, 0, end_x=9, end_y=0, color=1) == ("011", (2, 0))
    assert drawn("000", 1, 0, length=100, direction=(1, 0), color=1) == ("011", (2, 0))
    assert drawn("000", 7, 0, direction=(1, 0), color=1) == ("000", (7, 0))
    assert drawn("000", 1, 0, length=0, direction=(1, 0), color=1) == ("000", (1, 0))
    assert drawn("000", 1, 0, direction=(0, 0), color=1) == ("010", (1, 0))


def test_draw_line_between_any_ends_is_nearly_straight() -> None:
    assert drawn("00000 00000 00000", 0, 0, 4, 2, color=1) == ("10000 01100 00011", (4, 2))


@given(st.tuples(*[st.integers(0, 7)] * 4))
def test_draw_line_reaches_its_end_without_gaps(ends: tuple[int, int, int, int]) -> None:
    x, y, end_x, end_y = ends
    canvas = np.zeros((8, 8), dtype=int)
    assert draw_line(canvas, x, y, end_x, end_y, color=1) == (end_x, end_y)
    assert canvas[x, y] == canvas[end_x, end_y] == 1
    assert canvas.sum() == max(abs(end_x - x), abs(end_y - y)) + 1
    assert scipy.ndimage.label(canvas, structure=BLOCK)[1] == 1


def test_draw_line_needs_to_know_where_to_and_in_which_colour() -> None:
    with pytest.raises(ValueError, match="needs end_x and end_y, or a direction"):
        draw_line(grid("0"), 0, 0, color=1, length=1)
    with pytest.raises(ValueError, match="needs a color"):
        draw_line(grid("0"), 0, 0, direction=(0, 1))
    with pytest.raises(ValueError, match=r"x must be an integer, not 0\.5"):
        draw_line(grid("0"), 0.5, 0, direction=(0, 1), color=1)


def test_scale_sprite() -> None:
    assert text(scale_sprite(grid("12"), 2)) == "1122 1122"
    assert text(scale_sprite(sprite=[[1], [2]], factor=2.0)) == "1122 1122"
    assert scale_sprite(grid("12") == 1, 3).dtype == bool
    with pytest.raises(ValueError, match="factor must be at least 1, not 0"):
        scale_sprite(grid("12"), 0)


def test_scale_pattern() -> None:
    assert text(scale_pattern(grid("1 2"), factor=2)) == "11 11 22 22"


@given(arrays(), st.integers(1, 3), st.data())
def test_scaled_pixels_are_squares_of_their_colour(sprite: Any, factor: int, data: st.DataObject) -> None:
    scaled = scale_sprite(sprite, factor)
    assert scaled.shape == (sprite.shape[0] * factor, sprite.shape[1] * factor)
    x, y = (data.draw(st.integers(0, size - 1)) for size in scaled.shape)
    assert scaled[x, y] == sprite[x // factor, y // factor]


def test_blit() -> None:
    canvas = grid("9999 9999")
    assert blit(canvas, grid("10 23"), 1) is canvas
    assert text(canvas) == "9109 9239"
    assert text(blit(grid("9999 9999"), grid("10 23"), x=1, y=0, background=0)) == "9199 9239"
    assert text(blit(grid("9999 9999"), [[1, 2]], 3.0, np.int8(0))) == "9991 9992"
    assert text(blit(grid("000"), grid("12") == 1)) == "100"


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (-1, 0, "200 400"),
        (2, 1, "000 001"),
        (0, -1, "340 000"),
        (-2, 0, "000 000"),
        (3, 0, "000 000"),
        (0, 9, "000 000"),
    ],
)
def test_blit_is_clipped(x: int, y: int, expected: str) -> None:
    assert text(blit(grid("000 000"), grid("12 34"), x, y)) == expected


def test_blit_sprite() -> None:
    canvas = grid("999 999")
    assert blit_sprite(canvas, grid("10"), 1, 1) is canvas
    assert text(canvas) == "999 919"
    assert text(blit_sprite(grid("999"), sprite=grid("10"), x=0, y=0, background=1)) == "909"


def test_blit_object() -> None:
    canvas = grid("999 999")
    assert blit_object(canvas, grid("010 002")) is canvas
    assert text(canvas) == "919 992"
    assert text(blit_object(grid("999"), obj=grid("012"), background=Color.RED)) == "019"


@given(arrays(), arrays(), st.integers(-7, 7), st.integers(-7, 7))
def test_blit_sets_exactly_the_pixels_under_the_sprite(before: Any, sprite: Any, x: int, y: int) -> None:
    after = blit_sprite(before.copy(), sprite, x, y)
    for (i, j), old in np.ndenumerate(before):
        covered = 0 <= i - x < sprite.shape[0] and 0 <= j - y < sprite.shape[1]
        expected = sprite[i - x, j - y] if covered else Color.BLACK
        assert after[i, j] == (expected or old)
