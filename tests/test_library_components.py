"""Components and objects that the programs' library finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from solver.programs.library import (
    Color,
    bounding_box,
    crop,
    detect_objects,
    find_connected_components,
    is_contiguous,
    object_colors,
    packing,
)
from tests.library_grids import arrays, grid, text

CONNECTIVITY = st.sampled_from([4, 8])


def texts(objects: list[Any]) -> list[str]:
    return [text(obj) for obj in objects]


def test_find_connected_components() -> None:
    array = grid("2011 2020 0200")
    assert texts(find_connected_components(array)) == [
        "0011 0000 0000",
        "2000 2000 0000",
        "0000 0000 0200",
        "0000 0020 0000",
    ]
    assert texts(find_connected_components(array, connectivity=8)) == ["0011 0000 0000", "2000 2020 0200"]
    assert texts(find_connected_components(grid=array, monochromatic=False)) == [
        "2000 2000 0000",
        "0000 0000 0200",
        "0011 0020 0000",
    ]
    assert texts(find_connected_components(grid("010"), background=1)) == ["011", "110"]
    assert find_connected_components(grid("00")) == []


def test_components_of_masks_are_masks() -> None:
    found = find_connected_components(grid("2011") > 0)
    assert texts(found) == ["1000", "0011"]
    assert all(component.dtype == bool for component in found)


@given(arrays(), CONNECTIVITY, st.booleans(), st.integers(0, 2))
def test_components_partition_the_foreground(
    array: Any, connectivity: int, monochromatic: bool, background: int
) -> None:
    found = find_connected_components(array, background, connectivity, monochromatic)
    masks = [component != background for component in found]
    assert np.array_equal(sum(masks, np.zeros(array.shape, dtype=int)), array != background)
    for component, mask in zip(found, masks, strict=True):
        assert np.array_equal(component[mask], array[mask])
        assert is_contiguous(component, background, connectivity)
        assert len(object_colors(component, background)) == 1 or not monochromatic
    # No two of them belong together.
    for index, one in enumerate(found):
        for mask, two in zip(masks[:index], found, strict=False):
            alike = not monochromatic or object_colors(one, background) == object_colors(two, background)
            assert not (alike and is_contiguous((one != background) | mask, False, connectivity))


def test_is_contiguous() -> None:
    assert is_contiguous(grid("110 012"))
    assert not is_contiguous(grid("10 01"))
    assert is_contiguous(bitmask=grid("10 01"), background=0, connectivity=8)
    assert not is_contiguous(grid("010"), background=1)
    assert not is_contiguous(grid("00"))
    assert is_contiguous(grid("10") == 1) is True


@given(arrays(colours=2), CONNECTIVITY)
def test_contiguous_is_one_label(array: Any, connectivity: int) -> None:
    structure = np.ones((3, 3)) if connectivity == 8 else None
    assert is_contiguous(array, connectivity=connectivity) == (scipy.ndimage.label(array, structure=structure)[1] == 1)


def test_detect_objects() -> None:
    array = grid("11022 10020 00003")
    assert texts(detect_objects(array, connectivity=4)) == [
        "11000 10000 00000",
        "00022 00020 00000",
        "00000 00000 00003",
    ]
    assert texts(detect_objects(array)) == ["11000 10000 00000", "00022 00020 00003"]
    assert texts(detect_objects(grid=array, monochromatic=True, connectivity=8, colors=[2, 3])) == [
        "00022 00020 00000",
        "00000 00000 00003",
    ]
    assert texts(detect_objects(array, allowed_dimensions=[(1, 1)], connectivity=4)) == ["00000 00000 00003"]
    assert texts(detect_objects(array, predicate=lambda sprite: sprite[0, 0] == 1)) == ["11000 10000 00000"]
    assert texts(detect_objects(array, background=1, colors=[0], connectivity=4)) == []
    assert detect_objects(grid("00")) == []


@given(arrays(), CONNECTIVITY, st.booleans(), st.sets(st.integers(0, 2)), st.sets(st.tuples(*[st.integers(1, 3)] * 2)))
def test_every_condition_on_objects_filters(
    array: Any, connectivity: int, monochromatic: bool, colors: set[int], sizes: set[tuple[int, int]]
) -> None:
    every = find_connected_components(array, connectivity=connectivity, monochromatic=monochromatic)
    expected = [
        obj
        for obj in every
        if set(object_colors(obj)) <= colors and bounding_box(obj)[2:] in sizes and obj.sum() % 2 == 0
    ]
    found = detect_objects(
        array,
        predicate=lambda sprite: sprite.sum() % 2 == 0,
        connectivity=connectivity,
        monochromatic=monochromatic,
        colors=colors,
        allowed_dimensions=sizes,
    )
    assert texts(found) == texts(expected)


def test_without_connectivity_parts_of_the_allowed_dimensions_are_objects() -> None:
    array = grid("5550 5500 0055")
    dimensions = [(2, 2), (3, 1), (1, 3)]
    solid = {"predicate": lambda sprite: np.all(sprite == Color.GREY)}
    assert texts(detect_objects(array, allowed_dimensions=[(2, 2)], **solid)) == ["5500 5500 0000"]
    # The square would leave a pixel over that the line takes, but not the other way round.
    assert texts(detect_objects(grid("555 550"), allowed_dimensions=[(2, 2), (3, 1), (2, 1)], **solid)) == [
        "555 000",
        "000 550",
    ]
    assert texts(detect_objects(array, allowed_dimensions=dimensions, can_overlap=True, **solid)) == [
        "5500 5500 0000",
        "5550 0000 0000",
    ]
    assert texts(detect_objects(grid("102 000"), allowed_dimensions=(3, 1))) == ["102 000"]
    assert detect_objects(grid("102 000"), allowed_dimensions=(3, 1), monochromatic=True) == []
    assert detect_objects(grid("102 000"), allowed_dimensions=[(4, 1), (0, 0)]) == []


@given(arrays(max_side=5, colours=2), st.sets(st.tuples(*[st.integers(1, 2)] * 2), min_size=1), st.booleans())
def test_parts_have_allowed_dimensions_and_overlap_only_if_allowed(
    array: Any, sizes: set[tuple[int, int]], can_overlap: bool
) -> None:
    found = detect_objects(array, allowed_dimensions=sizes, can_overlap=can_overlap)
    assert all(crop(part).shape in sizes for part in found)
    cover = sum((part != 0 for part in found), np.zeros(array.shape, dtype=int))
    assert np.all(cover[array == 0] == 0)
    if not can_overlap:
        assert cover.max() <= 1
    if (1, 1) in sizes:
        assert np.array_equal(cover > 0, array != 0)


def masks(*rows: str) -> list[Any]:
    return [grid(row) == 1 for row in rows]


def test_packing_covers_as_much_as_possible() -> None:
    assert packing.pack(masks("0110", "1100", "0011")) == [1, 2]
    assert packing.pack(masks("1100", "0011", "1111")) == [0, 1]
    assert packing.pack(masks("110", "011")) == [0]
    assert packing.pack([]) == []


@given(st.lists(st.integers(1, 63), max_size=6))
def test_packing_is_as_good_as_any_choice(numbers: list[int]) -> None:
    sets = [np.array([[number >> bit & 1 for bit in range(6)]], dtype=bool) for number in numbers]

    def covered(choice: list[int]) -> int:
        total = sum((sets[index].astype(int) for index in choice), np.zeros((1, 6), dtype=int))
        return int(total.sum()) if total.max() <= 1 else -1

    choices = [[i for i in range(len(sets)) if number >> i & 1] for number in range(2 ** len(sets))]
    assert covered(packing.pack(sets)) == max(covered(choice) for choice in choices)


def test_packing_ends_on_hopeless_input(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = [
        mask != 0 for mask in detect_objects(np.ones((9, 9), dtype=int), allowed_dimensions=(2, 2), can_overlap=True)
    ]
    chosen = packing.pack(everything)
    assert sum(everything[index].astype(int) for index in chosen).max() == 1
    assert len(chosen) == 16
    monkeypatch.setattr(packing, "PATIENCE", 1)
    assert packing.pack(everything) == []
