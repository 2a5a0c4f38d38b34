"""Random inputs made with the programs' library."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.programs.library import (
    crop,
    is_contiguous,
    random_free_location_for_sprite,
    random_sprite,
    randomly_scatter_points,
    randomly_spaced_indices,
)
from tests.library_grids import grid, text

SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.floats(0, 1))
def test_randomly_scatter_points(seed: int, density: float) -> None:
    random.seed(seed)
    canvas = np.zeros((6, 5), dtype=int)
    canvas[0] = 3
    assert randomly_scatter_points(canvas, color=2, density=density) is canvas
    assert np.all(canvas[0] == 3)
    assert (canvas == 2).sum() == round(density * 25)


def test_scattered_points_need_a_share_of_the_background() -> None:
    assert text(randomly_scatter_points(grid("0110"), 7, 1, background=1)) == "0770"
    with pytest.raises(ValueError, match=r"density must be from 0 to 1, not 1\.5"):
        randomly_scatter_points(grid("0"), 1, density=1.5)


@given(SEEDS, st.integers(0, 20), st.integers(0, 6), st.integers(0, 2), st.integers(0, 3))
def test_randomly_spaced_indices(seed: int, max_len: int, n: int, border_size: int, padding: int) -> None:
    random.seed(seed)
    least = n + max(n - 1, 0) * padding
    if least > max_len - 2 * border_size:
        with pytest.raises(ValueError, match="no room"):
            randomly_spaced_indices(max_len, n, border_size, padding)
        return
    indices = randomly_spaced_indices(max_len, n, border_size=border_size, padding=padding)
    assert len(indices) == n
    assert np.all(np.diff(indices) > padding)
    assert all(border_size <= index < max_len - border_size for index in indices)


def test_every_spacing_can_come_up() -> None:
    random.seed(0)
    assert {tuple(randomly_spaced_indices(6, 2).tolist()) for _ in range(200)} == {(1, 3), (1, 4), (2, 4)}


@given(
    SEEDS,
    st.integers(1, 7),
    st.floats(0, 1),
    st.sampled_from([None, "horizontal", "vertical", "mirror", "diagonal", "radial", "not_symmetric"]),
    st.sampled_from([4, 8]),
)
def test_random_sprite(seed: int, size: int, density: float, symmetry: str | None, connectivity: int) -> None:
    random.seed(seed)
    n = [size] if symmetry in {"diagonal", "radial"} else [size, size + 1]
    sprite = random_sprite(n, size, density, symmetry, color_palette=[3, 4], connectivity=connectivity)
    assert sprite.shape[0] in n
    assert sprite.shape[1] == size
    assert set(np.unique(sprite)) <= {0, 3, 4}
    assert is_contiguous(sprite, connectivity=connectivity)
    assert crop(sprite).shape == sprite.shape
    assert (sprite != 0).sum() >= density * sprite.size
    images = {
        "horizontal": [sprite[::-1]],
        "vertical": [sprite[:, ::-1]],
        "mirror": [sprite[::-1], sprite[:, ::-1]],
        "diagonal": [sprite.T],
        "radial": [np.rot90(sprite)],
    }
    assert all(np.array_equal(image, sprite) for image in images.get(symmetry or "", []))


def test_a_sprite_can_be_made_not_symmetric() -> None:
    random.seed(1)
    for _ in range(20):
        sprite = random_sprite(4, 4, symmetry="not_symmetric", color_palette=[1])
        turned = [sprite[::-1], sprite[:, ::-1], sprite[::-1, ::-1], sprite.T, np.rot90(sprite)]
        assert not any(np.array_equal(image, sprite) for image in turned)


def test_sprites_have_colours_that_are_not_background() -> None:
    random.seed(2)
    for _ in range(20):
        assert 1 <= len(set(np.unique(random_sprite(3, 3, density=1, background=5)))) <= 3
        assert 5 not in random_sprite(3, 3, density=1, background=5)
    with pytest.raises(ValueError, match="no symmetry 'radial' for a sprite of 2 x 3"):
        random_sprite(2, 3, symmetry="radial")


def test_random_free_location_for_sprite() -> None:
    random.seed(3)
    array, sprite = grid("0010 0000 0000"), grid("11 10")
    found = {random_free_location_for_sprite(array, sprite) for _ in range(200)}
    assert found == {(0, 0), (0, 1), (1, 1), (2, 1)}
    wider = grid("00010 00000 00000")
    far = {random_free_location_for_sprite(wider, sprite, padding=1) for _ in range(100)}
    assert far == {(0, 0), (0, 1)}
    nearer = {random_free_location_for_sprite(wider, sprite, padding=1, padding_connectivity=4) for _ in range(100)}
    assert nearer == {(0, 0), (0, 1), (1, 1)}
    assert {random_free_location_for_sprite(array, grid("1"), border_size=1) for _ in range(50)} == {(1, 1), (2, 1)}
    assert random_free_location_for_sprite(grid("101"), grid("2"), background=1) in {(0, 0), (2, 0)}


def test_no_free_location_is_an_error() -> None:
    with pytest.raises(ValueError, match="no free location"):
        random_free_location_for_sprite(grid("00"), grid("111"))
    with pytest.raises(ValueError, match="no free location"):
        random_free_location_for_sprite(grid("010"), grid("11"))
