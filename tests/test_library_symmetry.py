"""Symmetries as values, and orbits under them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.programs.library import MirrorSymmetry, RotationalSymmetry, Symmetry, TranslationalSymmetry, orbit

COORDINATE = st.integers(-9, 9)
HALVES = st.integers(-9, 9).map(lambda doubled: doubled / 2)
TRANSLATIONS = st.builds(TranslationalSymmetry, COORDINATE, COORDINATE)
MIRRORS = st.builds(MirrorSymmetry, st.none() | HALVES, st.none() | HALVES)
ROTATIONS = st.builds(
    lambda x, y, s: RotationalSymmetry(x + s, y + s), COORDINATE, COORDINATE, st.sampled_from([0, 0.5])
)
SYMMETRIES = TRANSLATIONS | MIRRORS | ROTATIONS


def test_translations_shift() -> None:
    symmetry = TranslationalSymmetry(translate_x=2, translate_y=-1)
    assert (symmetry.translate_x, symmetry.translate_y) == (2, -1)
    assert symmetry.apply(5, 5) == (7, 4)
    assert symmetry.apply(x=5, y=5, iters=-3) == (-1, 8)


def test_mirrors_reflect_one_coordinate_or_both() -> None:
    assert MirrorSymmetry(mirror_x=2, mirror_y=None).apply(0, 7) == (4, 7)
    assert MirrorSymmetry(mirror_x=None, mirror_y=1.5).apply(5, 0) == (5, 3)
    assert MirrorSymmetry(2, 1.5).apply(0, 0) == (4, 3)
    assert MirrorSymmetry(2, 1.5).apply(0, 0, iters=2) == (0, 0)


def test_rotations_turn_by_a_quarter() -> None:
    symmetry = RotationalSymmetry(center_x=1.5, center_y=0.5)
    assert (symmetry.center_x, symmetry.center_y) == (1.5, 0.5)
    for x, y in [(0, 0), (3, 1), (-2, 5)]:
        assert symmetry.apply(x, y) == (y - 0.5 + 1.5, -x + 0.5 + 1.5)
    assert [symmetry.apply(1, 0, iters=turns) for turns in range(4)] == [(1, 0), (1, 1), (2, 1), (2, 0)]


def test_parameters_are_whole_where_they_can_be() -> None:
    assert type(MirrorSymmetry(2.0, 0.5).mirror_x) is int
    assert type(RotationalSymmetry(2.0, np.float64(4)).center_y) is int
    assert type(TranslationalSymmetry(np.int64(2), 0.0).translate_x) is int
    with pytest.raises(ValueError, match="twice mirror_x must be an integer"):
        MirrorSymmetry(0.25, None)
    with pytest.raises(ValueError, match=r"no quarter turn about \(0\.5, 1\) sends pixels to pixels"):
        RotationalSymmetry(0.5, 1)
    with pytest.raises(ValueError, match="translate_y must be an integer"):
        TranslationalSymmetry(1, 0.5)


@given(SYMMETRIES, COORDINATE, COORDINATE, st.integers(-5, 5), st.integers(-5, 5))
def test_applications_add_up(symmetry: Symmetry, x: int, y: int, one: int, two: int) -> None:
    assert symmetry.apply(*symmetry.apply(x, y, one), two) == symmetry.apply(x, y, one + two)
    assert symmetry.apply(x, y, 0) == (x, y)
    assert all(type(part) is int for part in symmetry.apply(np.int64(x), float(y), one))


@given(SYMMETRIES, st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1), st.integers(-3, 3))
def test_arrays_of_points_are_moved_together(symmetry: Symmetry, points: list[tuple[int, int]], iters: int) -> None:
    xs, ys = np.array(points).T
    moved_x, moved_y = symmetry.apply(xs, ys.astype(float), iters)
    assert list(zip(moved_x.tolist(), moved_y.tolist(), strict=True)) == [
        symmetry.apply(x, y, iters) for x, y in points
    ]


def test_points_have_integer_coordinates() -> None:
    with pytest.raises(ValueError, match="a coordinate must be an integer"):
        TranslationalSymmetry(1, 1).apply(0.5, 0)
    with pytest.raises(ValueError, match="points must have integer coordinates"):
        TranslationalSymmetry(1, 1).apply(np.array([0.5, 1]), 0)


def closure(shape: tuple[int, int], start: tuple[int, int], symmetries: list[Symmetry]) -> set[tuple[int, int]]:
    """The orbit point by point, with every number of applications that could matter on a small grid."""

    def inside(point: tuple[int, int]) -> bool:
        return 0 <= point[0] < shape[0] and 0 <= point[1] < shape[1]

    reached, pending = {start}, [start]
    while pending:
        point = pending.pop()
        for symmetry in symmetries:
            images = {symmetry.apply(*point, times) for times in range(-30, 31)}
            fresh = {image for image in images if inside(image)} - reached
            reached |= fresh
            pending.extend(fresh)
    return {point for point in reached if inside(point)}


@given(st.tuples(st.integers(1, 7), st.integers(1, 7)), COORDINATE, COORDINATE, st.lists(SYMMETRIES, max_size=3))
def test_orbit(shape: tuple[int, int], x: int, y: int, symmetries: list[Symmetry]) -> None:
    found = orbit(np.zeros(shape), x, y, symmetries)
    assert found == sorted(closure(shape, (x, y), symmetries))
    assert all(type(number) is int for point in found for number in point)


def test_orbit_reads_its_arguments_freely() -> None:
    grid = [[0, 0, 0]] * 5
    right, mirror = TranslationalSymmetry(3, 0), MirrorSymmetry(None, 1)
    expected = [(1, 0), (1, 2), (4, 0), (4, 2)]
    assert orbit(grid=grid, x=np.int64(1), y=0.0, symmetries=[right, mirror]) == expected
    assert orbit(grid, 1, 0, (mirror, None, right)) == expected
    assert orbit(grid, 1, 0, right) == [(1, 0), (4, 0)]
    assert orbit(grid, 1, 0, None) == orbit(grid, 1, 0, []) == [(1, 0)]
    assert orbit(grid, 7, 0, [right]) == [(1, 0), (4, 0)]
    assert orbit(grid, 7, 9, [right]) == []


def test_orbit_of_the_smallest_steps_is_the_whole_grid() -> None:
    symmetries: list[Any] = [TranslationalSymmetry(1, 0), TranslationalSymmetry(0, -1), TranslationalSymmetry(0, 0)]
    assert len(orbit(np.zeros((30, 30)), 4, 5, symmetries)) == 900
