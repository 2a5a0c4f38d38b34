"""Sizes, looks, pieces, covers and tables: everything between the values of programs and the outputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.search.cover import find_covers, popcount
from solver.search.image import Cells
from solver.search.lookup import find_tables
from solver.search.pieces import make_pieces
from solver.search.roles import looks
from solver.search.sizes import size_rules
from solver.search.value import Kind, Value, image_value


def grid(*rows: str) -> Cells:
    """Each row as a string of digits."""
    return np.array([[int(cell) for cell in row] for row in rows], np.int8)


def value(images: list[Cells], cost: float = 1.0, places: list[tuple[int, int]] | None = None) -> Value:
    made = image_value(images, f"value of {cost}", cost)
    if places:
        made.boxes[:, :2] = places
    return made


# -- sizes ------------------------------------------------------------------------------------------------------------


def test_the_input_s_size_comes_first() -> None:
    rules = size_rules([(3, 4), (5, 5), (7, 2)], [(3, 4), (5, 5)], [])
    assert rules[0].sizes == ((3, 4), (5, 5), (7, 2))
    assert rules[0].cost == 0


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        ([(3, 4), (5, 5), (7, 2)], [(6, 8), (10, 10)], (14, 4)),
        ([(3, 6), (9, 3), (6, 12)], [(1, 2), (3, 1)], (2, 4)),
        ([(3, 4), (5, 6), (7, 2)], [(5, 6), (7, 8)], (9, 4)),
        ([(3, 4), (5, 6), (7, 2)], [(4, 3), (6, 5)], (2, 7)),
        ([(3, 4), (5, 6), (7, 2)], [(1, 4), (1, 6)], (1, 2)),
        ([(3, 4), (5, 6), (7, 2)], [(2, 2), (2, 2)], (2, 2)),
    ],
)
def test_formulas_for_sides(
    inputs: list[tuple[int, int]], outputs: list[tuple[int, int]], expected: tuple[int, int]
) -> None:
    assert expected in [rule.sizes[-1] for rule in size_rules(inputs, outputs, [])]


def test_no_formula_gives_a_side_above_the_limit() -> None:
    assert all(max(rule.sizes[-1]) <= 30 for rule in size_rules([(2, 2), (3, 3), (20, 20)], [(4, 4), (6, 6)], []))


def test_sizes_of_values_and_their_limit() -> None:
    crop = value([grid("12"), grid("1", "2"), grid("111")], 1.5)
    rules = size_rules([(5, 5), (6, 6), (7, 7)], [(1, 2), (2, 1)], [crop])
    assert [rule.sizes[2] for rule in rules] == [(1, 3)]
    assert rules[0].cost > 1.5
    assert len(size_rules([(3, 3), (3, 3), (4, 4)], [(3, 3), (3, 3)], [], limit=1)) == 1


# -- looks ------------------------------------------------------------------------------------------------------------


def test_a_ground_that_is_not_black_is_exchanged_with_it() -> None:
    first = looks([grid("8838", "8888"), grid("8881", "8888")], [grid("8833")])[0]
    assert first.see([grid("8838", "8888")])[0].tolist() == [[0, 0, 3, 0], [0, 0, 0, 0]]


def test_a_black_ground_is_seen_as_it_is_first() -> None:
    found = looks([grid("0030"), grid("0001")], [grid("0033")])
    assert found[0].see([grid("0030")])[0].tolist() == [[0, 0, 3, 0]]


def test_colours_that_change_become_roles() -> None:
    inputs = [grid("0033", "0030", "0001"), grid("0044", "0040", "0007")]
    roles = looks(inputs, [grid("3"), grid("4")])[-1]
    assert [image.tolist() for image in roles.see(inputs)] == [[[0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 0, 2]]] * 2


@given(st.data())
def test_every_look_is_undone(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    images = [rng.integers(0, data.draw(st.integers(1, 10)), (3, 4)).astype(np.int8) for _ in range(4)]
    for look in looks(images, images[:3]):
        restored = look.restore(look.see(images)[3:], 3)
        assert np.array_equal(restored[0], images[3])


# -- pieces -----------------------------------------------------------------------------------------------------------


def test_images_of_the_frame_s_size_cover_it_and_others_have_a_place() -> None:
    whole = value([grid("10", "02")], 1.0)
    small = value([grid("3")], 2.0, [(1, 0)])
    pieces = make_pieces([small, whole], [(2, 2)], 10, in_place=True)
    assert pieces.cells.tolist() == [[1, 0, 0, 2], [0, 0, 3, 0]]
    assert pieces.whole.tolist() == [True, False]
    assert [program.cost for program in pieces.programs] == [1.0, 2.0]
    assert make_pieces([small, whole], [(2, 2)], 10, in_place=False).cells.tolist() == [[1, 0, 0, 2]]


def test_what_lies_outside_the_frame_is_cut_off() -> None:
    pieces = make_pieces([value([grid("12", "34")], 1.0, [(-1, 1)])], [(2, 2)], 10, in_place=True)
    shifted = [row.tolist() for row, whole in zip(pieces.cells, pieces.whole, strict=True) if not whole]
    assert shifted == [[0, 3, 0, 0]]
    assert not len(make_pieces([value([grid("1")], 1.0, [(5, 5)])], [(2, 2)], 10, in_place=True).cells)


def test_a_list_is_drawn_image_by_image() -> None:
    boxes = np.array([(0, 0, 1, 1), (1, 1, 1, 1), (0, 1, 1, 1)], np.int32)
    both = Value(Kind.LIST, np.array([2, 1], np.int32), boxes, np.array([5, 6, 7], np.int8), 1.0, "both")
    pieces = make_pieces([both], [(2, 2), (1, 2)], 10, in_place=True)
    assert pieces.cells.tolist() == [[5, 0, 0, 6, 0, 7]]


def test_equal_pieces_are_one_and_the_cheapest_stays() -> None:
    pieces = make_pieces([value([grid("12")], cost) for cost in (3.0, 1.0, 2.0)], [(1, 2)], 10, in_place=False)
    assert [program.cost for program in pieces.programs] == [1.0]


def test_frames_are_cut_from_a_row() -> None:
    pieces = make_pieces([value([grid("12"), grid("3", "4")])], [(1, 2), (2, 1)], 10, in_place=False)
    assert [frame.tolist() for frame in pieces.frames(pieces.cells[0])] == [[[1, 2]], [[3], [4]]]


# -- covers -----------------------------------------------------------------------------------------------------------


# The first call compiles, however long that takes.
@given(st.integers(0, 2**64 - 1))
def test_popcount(word: int) -> None:
    assert popcount(np.uint64(word)) == word.bit_count()


def test_layers_hide_what_is_wrong_below_them() -> None:
    # Two instances: one demonstration, one test. The line is right everywhere, the ground only where no line is.
    line = value([grid("010", "010"), grid("100", "100")], 1.0)
    ground = value([grid("222", "222"), grid("222", "222")], 1.0)
    wrong = value([grid("303", "303"), grid("333", "333")], 0.1)
    pieces = make_pieces([line, ground, wrong], [(2, 3), (2, 3)], 10, in_place=False)
    covers = find_covers(pieces, grid("212", "212").ravel())
    assert pieces.frames(covers[0].cells)[1].tolist() == [[1, 2, 2], [1, 2, 2]]
    assert covers[0].cost == pytest.approx(2.5)


def test_a_target_that_no_pieces_make_has_no_cover() -> None:
    pieces = make_pieces([value([grid("01"), grid("10")])], [(1, 2), (1, 2)], 10, in_place=False)
    assert find_covers(pieces, grid("02").ravel()) == []
    assert find_covers(pieces, grid("00").ravel()) == []


@given(st.integers(0, 2**32 - 1))
def test_every_cover_reproduces_the_demonstrations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [value([rng.integers(0, 3, (3, 3)).astype(np.int8) for _ in range(3)], 1.0) for _ in range(12)]
    target = np.concatenate([values[0].cells[:18], []]).astype(np.int8)
    under = values[1].cells[:18]
    target = np.where(target != 0, target, under).astype(np.int8)
    pieces = make_pieces(values, [(3, 3)] * 3, 20, in_place=False)
    covers = find_covers(pieces, target)
    assert all(np.array_equal(cover.cells[:18], target) for cover in covers)
    assert covers or not target.any()


# -- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_over_two_pictures() -> None:
    first = value([grid("0101"), grid("0011")], 1.0)
    second = value([grid("0022"), grid("0202")], 1.0)
    pieces = make_pieces([first, second], [(1, 4), (1, 4)], 10, in_place=False)
    tables = find_tables(pieces, grid("4003").ravel(), 10)
    assert pieces.frames(tables[0].cells)[1].tolist() == [[4, 0, 0, 3]]
    assert tables[0].entries == {(0, 0): 4, (1, 0): 0, (0, 2): 0, (1, 2): 3}


def test_one_picture_and_a_colour_map_cost_less_than_two() -> None:
    one = value([grid("0121"), grid("2100")], 1.0)
    two = value([grid("5565"), grid("5566")], 1.0)
    pieces = make_pieces([one, two], [(1, 4), (1, 4)], 10, in_place=False)
    tables = find_tables(pieces, grid("3434").ravel()[[0, 1, 0, 1]], 10)
    assert tables[0].pictures in {(0,), (1,)}


def test_a_test_cell_that_no_demonstration_showed_refuses_the_table() -> None:
    pieces = make_pieces([value([grid("01"), grid("02")])], [(1, 2), (1, 2)], 10, in_place=False)
    assert find_tables(pieces, grid("34").ravel(), 10) == []
