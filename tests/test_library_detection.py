"""Detecting symmetries: against a slow reference, and by repairing symmetric grids of which a part is hidden."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.programs.library import (
    MirrorSymmetry,
    RotationalSymmetry,
    Symmetry,
    TranslationalSymmetry,
    detect_mirror_symmetry,
    detect_rotational_symmetry,
    detect_translational_symmetry,
    orbit,
)
from solver.programs.library.agreement import Linear, Seen, agreement
from tests.library_grids import arrays, grid

HIDDEN = 9
IGNORED = st.sets(st.integers(0, 2), max_size=2)
BACKGROUND = st.none() | st.integers(0, 2)


class Counted:
    """One symmetry and one grid, compared pixel by pixel. `turns`: the numbers of applications that are compared."""

    def __init__(self, array: Any, symmetry: Symmetry, ignored: set[int], background: int | None) -> None:
        self.contradicted = self.moves = False
        self.preserved = self.lost = 0
        turns = (1, 2, 3) if isinstance(symmetry, RotationalSymmetry) else (1, -1)
        for (x, y), color in np.ndenumerate(array):
            counts = color not in ignored and color != background
            for turn in turns:
                to_x, to_y = symmetry.apply(x, y, turn)
                if not (0 <= to_x < array.shape[0] and 0 <= to_y < array.shape[1]):
                    self.lost += counts
                    continue
                if {color, array[to_x, to_y]}.isdisjoint(ignored):
                    self.contradicted |= bool(color != array[to_x, to_y])
                    same = counts and color == array[to_x, to_y]
                    self.preserved += same
                    self.moves |= bool(same and turn == 1 and (to_x, to_y) != (x, y))


Rank = tuple[int, int, int]


def ranked(
    array: Any, candidates: Iterable[Symmetry], ignored: set[int], background: int | None
) -> dict[Symmetry, Rank]:
    """The candidates that nothing contradicts and that mean something, with what makes them good."""
    found: dict[Symmetry, Rank] = {}
    for symmetry in candidates:
        counted = Counted(array, symmetry, ignored, background)
        length = 0
        if isinstance(symmetry, TranslationalSymmetry):
            length = abs(symmetry.translate_x) + abs(symmetry.translate_y)
        if counted.moves and not counted.contradicted:
            found[symmetry] = counted.preserved, -counted.lost, -length
    return found


def best(found: dict[Symmetry, Rank]) -> list[Symmetry]:
    return [symmetry for symmetry, rank in found.items() if rank == max(found.values())]


LINEAR = {
    Linear.IDENTITY: lambda x, y: (x, y),
    Linear.REFLECT_X: lambda x, y: (-x, y),
    Linear.REFLECT_Y: lambda x, y: (x, -y),
    Linear.REFLECT_BOTH: lambda x, y: (-x, -y),
    Linear.QUARTER: lambda x, y: (y, -x),
}


@given(arrays(), st.sampled_from(Linear), IGNORED, BACKGROUND, st.data())
def test_pairs_are_counted_for_every_shift(
    array: Any, linear: Linear, ignored: set[int], background: int | None, data: st.DataObject
) -> None:
    """A pixel is sent to some place on the grid; that fixes the shift."""
    x, y, to_x, to_y = (data.draw(st.integers(0, size - 1)) for size in array.shape * 2)
    shift = to_x - LINEAR[linear](x, y)[0], to_y - LINEAR[linear](x, y)[1]
    images = {(x, y): tuple(np.add(LINEAR[linear](x, y), shift)) for x, y in np.ndindex(array.shape)}
    seen = {pixel: color for pixel, color in np.ndenumerate(array) if color not in ignored}
    figure = {pixel for pixel, color in seen.items() if color != background}
    pairs = [(pixel, image) for pixel, image in images.items() if pixel in seen and image in seen]
    found = agreement(Seen.of(array, ignored, background), linear).at(np.array([shift[0]]), np.array([shift[1]]))
    assert found.contradictions.tolist() == [sum(seen[one] != seen[two] for one, two in pairs)]
    assert found.preserved.tolist() == [sum(seen[one] == seen[two] for one, two in pairs if one in figure)]
    off_the_grid = sum(images[pixel] not in images for pixel in figure)
    off_the_grid_back = len(figure - set(images.values()))
    assert found.lost.tolist() == [off_the_grid + off_the_grid_back]


def halves(size: int) -> Iterator[float]:
    return (doubled / 2 for doubled in range(2 * size - 1))


@given(arrays(), IGNORED, BACKGROUND)
def test_detect_translational_symmetry(array: Any, ignored: set[int], background: int | None) -> None:
    width, height = array.shape

    def rank(candidates: Iterable[Symmetry]) -> list[Symmetry]:
        return best(ranked(array, candidates, ignored, background))

    along_x = rank(TranslationalSymmetry(x, 0) for x in range(1, width))
    along_y = rank(TranslationalSymmetry(0, y) for y in range(1, height))
    steps = itertools.product(range(1, width), range(1 - height, height))
    diagonal = rank(TranslationalSymmetry(x, y) for x, y in steps if y)
    expected = (along_x[:1] + along_y[:1]) or diagonal
    assert detect_translational_symmetry(array, ignored, background) == expected


@given(arrays(), IGNORED, BACKGROUND)
def test_detect_mirror_symmetry(array: Any, ignored: set[int], background: int | None) -> None:
    width, height = array.shape

    def rank(candidates: Iterable[Symmetry]) -> dict[Symmetry, Rank]:
        return ranked(array, candidates, ignored, background)

    across_x = rank(MirrorSymmetry(x, None) for x in halves(width))
    across_y = rank(MirrorSymmetry(None, y) for y in halves(height))
    in_point = rank(MirrorSymmetry(x, y) for y in halves(height) for x in halves(width))
    top = max([*across_x.values(), *across_y.values()], default=(0, 0, 0))
    if max(in_point.values(), default=(0, 0, 0))[0] > top[0]:
        expected = best(in_point)
    else:
        # The reference counts every pixel twice, for the mirror and for its inverse.
        expected = [
            symmetry
            for mirrors in (across_x, across_y)
            for symmetry in best(mirrors)
            if mirrors[symmetry] == top or mirrors[symmetry][0] > array.size
        ]
    assert detect_mirror_symmetry(array, ignored, background) == expected


@given(arrays(), IGNORED, BACKGROUND)
def test_detect_rotational_symmetry(array: Any, ignored: set[int], background: int | None) -> None:
    width, height = array.shape
    centers = itertools.product(halves(width), halves(height))
    turns = [RotationalSymmetry(x, y) for x, y in centers if (x + y) % 1 == 0]
    expected = best(ranked(array, turns, ignored, background))
    assert detect_rotational_symmetry(array, ignored, background) == (expected[0] if expected else None)


@given(arrays(), IGNORED, BACKGROUND)
def test_nothing_contradicts_a_detected_symmetry(array: Any, ignored: set[int], background: int | None) -> None:
    turn = detect_rotational_symmetry(array, ignored, background)
    found: list[Symmetry] = [
        *detect_translational_symmetry(array, ignored, background),
        *detect_mirror_symmetry(array, ignored, background),
        *([turn] if turn else []),
    ]
    for symmetry in found:
        counted = Counted(array, symmetry, ignored, background)
        assert counted.moves
        assert not counted.contradicted


@given(arrays())
def test_a_grid_that_is_symmetric_throughout_has_one_orbit_per_colour_at_least(array: Any) -> None:
    whole = np.concatenate([array, array[::-1]])
    found = detect_mirror_symmetry(whole, ignore_colors=[])
    assert MirrorSymmetry(array.shape[0] - 0.5, None) in found
    for x, y in np.ndindex(whole.shape):
        assert {whole[point] for point in orbit(whole, x, y, found)} == {whole[x, y]}


def hide(array: Any, x: int, y: int, width: int, height: int) -> Any:
    covered = array.copy()
    covered[x : x + width, y : y + height] = HIDDEN
    assert (covered == HIDDEN).any()
    return covered


def repaired(covered: Any, symmetries: Sequence[Symmetry]) -> Any:
    """The way programs do it: every pixel that can be seen is copied to its whole orbit."""
    result = covered.copy()
    for x, y in np.argwhere(covered != HIDDEN):
        for point in orbit(result, x, y, symmetries):
            result[point] = covered[x, y]
    return result


@pytest.mark.parametrize("size", [(12, 12), (30, 30), (30, 9), (17, 23)])
@pytest.mark.parametrize("period", [(1, 4), (3, 3), (4, 2)])
def test_a_hidden_part_of_a_tiling_is_repaired(size: tuple[int, int], period: tuple[int, int]) -> None:
    tile = np.random.default_rng(sum(size)).integers(0, 8, period)
    array = np.tile(tile, size)[: size[0], : size[1]]
    covered = hide(array, 3, 2, 5, 5)
    found = detect_translational_symmetry(covered, ignore_colors=[HIDDEN])
    assert {(one.translate_x > 0, one.translate_y > 0) for one in found} == {(True, False), (False, True)}
    assert np.array_equal(repaired(covered, found), array)


def test_translations_are_diagonal_only_if_there_are_no_others() -> None:
    array = grid("0000830 0008300 0083000 0830004 8300040 3000400 0004000")
    assert detect_translational_symmetry(array) == [TranslationalSymmetry(1, -1)]
    assert detect_translational_symmetry(grid("1212 3434")) == [TranslationalSymmetry(2, 0)]
    assert detect_translational_symmetry(grid("12 34")) == []


def test_of_translations_the_shortest_is_found_first() -> None:
    assert detect_translational_symmetry(grid("121212")) == [TranslationalSymmetry(2, 0)]
    # One step preserves as many pixels here as any, since only the first two can be seen.
    assert detect_translational_symmetry(grid("110000")) == [TranslationalSymmetry(1, 0)]


def test_the_background_can_contradict_but_is_no_evidence() -> None:
    array = grid("0100 1000 0100 0000")
    assert detect_translational_symmetry(array, ignore_colors=[], background=0) == []
    assert detect_mirror_symmetry(array, ignore_colors=[], background=0) == [MirrorSymmetry(None, 1)]
    assert detect_mirror_symmetry(grid("000 000"), ignore_colors=[], background=0) == []
    assert detect_mirror_symmetry(grid("000 000"), ignore_colors=[]) == [
        MirrorSymmetry(1, None),
        MirrorSymmetry(None, 0.5),
    ]


@pytest.mark.parametrize(
    ("size", "mirrors"), [((16, 16), (7.5, 7.5)), ((30, 30), (15.5, 15.5)), ((24, 11), (11, 4.5)), ((14, 13), (6, 7))]
)
@pytest.mark.parametrize("hidden", [(1, 1, 4, 3), (5, 1, 5, 3), (2, 2, 5, 5)])
def test_a_hidden_part_of_a_mirrored_pattern_is_repaired(
    size: tuple[int, int], mirrors: tuple[float, float], hidden: tuple[int, int, int, int]
) -> None:
    """Mirrors run through pixels or between them, in the middle or not; the hidden part may lie across one or both."""
    colours = np.random.default_rng(size[0]).integers(0, 8, (60, 60))
    xs, ys = (
        np.array([max(place, int(2 * mirror) - place) for place in range(length)])
        for mirror, length in zip(mirrors, size, strict=True)
    )
    array = colours[np.ix_(xs, ys)]
    covered = hide(array, *hidden)
    found = detect_mirror_symmetry(covered, ignore_colors=[HIDDEN])
    assert found == [MirrorSymmetry(mirrors[0], None), MirrorSymmetry(None, mirrors[1])]
    result = repaired(covered, found)
    assert np.array_equal(result[result != HIDDEN], array[result != HIDDEN])
    # What is still hidden has no image that can be seen.
    for x, y in np.argwhere(result == HIDDEN):
        assert {covered[point] for point in orbit(covered, x, y, found)} == {HIDDEN}
    assert (result == HIDDEN).sum() < (covered == HIDDEN).sum() / 2


def test_mirrors_of_an_object_beside_a_hidden_part() -> None:
    array = grid("00000000 00339900 03019930 00300300 00000000")
    assert detect_mirror_symmetry(array, ignore_colors=[9], background=0) == [MirrorSymmetry(3.5, None)]
    assert detect_mirror_symmetry(grid("00000 01210 02120 00000"), [], 0) == [MirrorSymmetry(2, None)]
    assert detect_mirror_symmetry(grid("0000 0121 0212 0121"), [], 0) == [
        MirrorSymmetry(2, None),
        MirrorSymmetry(None, 2),
    ]


def test_a_reflection_in_a_point_is_found_where_there_is_no_other() -> None:
    array = grid("0000000 0123400 0056000 0065000 0432100 0000000")
    assert detect_mirror_symmetry(array, ignore_colors=[], background=0) == [MirrorSymmetry(2.5, 2.5)]
    assert detect_mirror_symmetry(grid("123 456"), ignore_colors=[]) == []


def turned(size: int) -> Any:
    """A square that a quarter turn leaves as it is, without black: the first of four pixels gives them its colour."""
    index = np.arange(size * size).reshape(size, size)
    first = np.minimum.reduce([np.rot90(index, turn) for turn in range(4)])
    return np.random.default_rng(size).integers(1, 8, size * size)[first]


@pytest.mark.parametrize("size", [4, 7, 12, 15])
@pytest.mark.parametrize("corner", [(0, 0), (3, 5), (14, 1)])
def test_a_hidden_part_of_a_turned_pattern_is_repaired(size: int, corner: tuple[int, int]) -> None:
    square = turned(size)
    assert np.array_equal(square, np.rot90(square))
    array = np.zeros((30, 25), dtype=int)
    array[corner[0] : corner[0] + size, corner[1] : corner[1] + size] = square
    covered = array.copy()
    covered[corner[0] + 1 : corner[0] + 1 + size // 3, corner[1] : corner[1] + size // 2] = 0
    found = detect_rotational_symmetry(covered, ignore_colors=[0])
    assert found == RotationalSymmetry(corner[0] + (size - 1) / 2, corner[1] + (size - 1) / 2)
    by_hand, by_orbit = covered.copy(), covered.copy()
    for x, y in np.argwhere(covered):
        for turn in range(1, 4):
            by_hand[found.apply(x, y, iters=turn)] = covered[x, y]
        for point in orbit(covered, x, y, [found]):
            by_orbit[point] = covered[x, y]
    assert np.array_equal(by_hand, array)
    assert np.array_equal(by_orbit, array)


def test_the_half_turn_can_contradict_a_quarter_turn() -> None:
    # Two opposite corners are hidden: only the half turn compares the other two.
    assert detect_rotational_symmetry(grid("130 303 031")) == RotationalSymmetry(1, 1)
    assert detect_rotational_symmetry(grid("130 303 032")) != RotationalSymmetry(1, 1)


def test_a_quarter_turn_must_move_something() -> None:
    assert detect_rotational_symmetry(grid("101 000 101")) == RotationalSymmetry(1, 1)
    assert detect_rotational_symmetry(grid("00 00")) is None
    assert detect_rotational_symmetry(grid("000 010 000")) is None
    assert detect_rotational_symmetry(grid("012 345"), ignore_colors=[]) is None


def test_detectors_read_their_arguments_freely() -> None:
    rows = [[1, 2, 9, 2], [1, 2, 1, 2]]
    expected = [TranslationalSymmetry(1, 0), TranslationalSymmetry(0, 2)]
    assert detect_translational_symmetry(grid=rows, ignore_colors=9, background=None) == expected
    assert detect_translational_symmetry(rows, np.array([9])) == expected
    mask = grid("0110 0110") == 1
    assert detect_mirror_symmetry(mask) == [MirrorSymmetry(1.5, None), MirrorSymmetry(None, 0.5)]
    assert detect_rotational_symmetry(mask) == RotationalSymmetry(1.5, 0.5)
