"""What holds for every primitive of the grid language, whatever it does.

Compiled functions do not check bounds by themselves: after changes also run this with NUMBA_BOUNDSCHECK=1 and an
empty XDG_CACHE_HOME, which takes some minutes.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba import types

from solver.search import primitives
from solver.search.image import MAX_LIST, MAX_SIDE, Cells
from solver.search.primitive import COLOUR_ARGS, Primitive, Type

MODULES = sorted(module.name for module in iter_modules(primitives.__path__))
WORDS = [
    (name, primitive) for name in MODULES for primitive in import_module(f"{primitives.__name__}.{name}").PRIMITIVES
]

IMAGE_TYPE = "Tuple(int64, int64, array(int8, 2d, C))"
IMAGES_TYPE = "Tuple(array(int32, 2d, C), array(int8, 1d, C))"


def rectangles(rng: np.random.Generator, cells: Cells, colours: int) -> None:
    """Draws some rectangles: full, framed, or as thin as a line, which may cross the whole image."""
    height, width = cells.shape
    for _ in range(rng.integers(1, 7)):
        top, bottom = np.sort(rng.integers(0, height + 1, 2))
        left, right = np.sort(rng.integers(0, width + 1, 2))
        shape, colour = rng.integers(0, 4), rng.integers(0, colours + 1)
        if shape == 0:
            cells[min(top, height - 1), :] = colour
        elif shape == 1:
            cells[:, min(left, width - 1)] = colour
        else:
            cells[top:bottom, left:right] = colour
            if shape == 3:
                cells[top + 1 : bottom - 1, left + 1 : right - 1] = rng.integers(0, colours + 1)


def draw_cells(rng: np.random.Generator, kind: int, height: int, width: int) -> Cells:
    """One image: 0 noise, 1 sparse, 2 of one colour, 3 rectangles, 4 mirrored, 5 periodic, 6 rectangles and noise."""
    cells: Cells = np.zeros((height, width), np.int8)
    colours = int(rng.choice([1, 2, 3, 9]))
    noise = rng.integers(0, colours + 1, (height, width)).astype(np.int8)
    if kind == 0:
        cells = noise
    elif kind == 1:
        cells = np.where(rng.random((height, width)) < 0.1, noise, cells)
    elif kind == 2:
        cells[:] = rng.integers(0, colours + 1)
    else:
        rectangles(rng, cells, colours)
    if kind == 4:
        cells = np.maximum(cells, cells[:, ::-1])
        cells = np.maximum(cells, cells[::-1]) if rng.random() < 0.5 else cells
    elif kind == 5:
        tall, wide = rng.integers(1, 6, 2)
        cells = noise[np.ix_(np.arange(height) % tall % height, np.arange(width) % wide % width)]
    elif kind == 6:
        cells = np.where(rng.random((height, width)) < 0.1, noise, cells)
    return np.ascontiguousarray(cells, np.int8)


SIDES = st.integers(1, 6) | st.integers(1, MAX_SIDE) | st.just(MAX_SIDE)
PLACES = st.integers(-3, 12) | st.integers(-60, 60)
KINDS = st.integers(0, 6)
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def images(draw: st.DrawFn) -> tuple[int, int, Cells]:
    rng = np.random.default_rng(draw(SEEDS))
    return draw(PLACES), draw(PLACES), draw_cells(rng, draw(KINDS), draw(SIDES), draw(SIDES))


@st.composite
def lists_of_images(draw: st.DrawFn) -> tuple[Any, Cells]:
    """Lists whose images may be of one size, equal, or laid out in rows."""
    rng = np.random.default_rng(draw(SEEDS))
    count = draw(st.integers(1, 6) | st.integers(1, 40) | st.just(MAX_LIST))
    longest = int(draw(st.sampled_from([1, 3, 6, 6, 15, MAX_SIDE]))) if count <= 40 else 4
    one_size, one_place = draw(st.booleans()), draw(st.booleans())
    across = int(rng.integers(1, 8))
    height, width = rng.integers(1, longest + 1, 2)
    boxes, parts = [], []
    for k in range(count):
        if not one_size:
            height, width = rng.integers(1, longest + 1, 2)
        if k > 0 and rng.random() < 0.3:
            cells = parts[rng.integers(0, k)]
        else:
            cells = draw_cells(rng, int(rng.integers(0, 7)), int(height), int(width))
        place = (k // across * 7, k % across * 7) if one_place else tuple(rng.integers(-20, 21, 2))
        boxes.append((*place, *cells.shape))
        parts.append(cells)
    return np.array(boxes, np.int32), np.concatenate([cells.reshape(-1) for cells in parts])


@st.composite
def image_pairs(draw: st.DrawFn) -> tuple[Any, ...]:
    """Two images; often the second is of the same size or the same image, and near."""
    row, col, cells = draw(images())
    other_row, other_col, other = draw(images())
    likeness = draw(st.integers(0, 3))
    if likeness == 1:
        other = cells.copy()
    elif likeness == 2:
        rng = np.random.default_rng(draw(SEEDS))
        other = draw_cells(rng, draw(KINDS), *cells.shape)
    if draw(st.booleans()):
        other_row, other_col = row + draw(st.integers(-8, 8)), col + draw(st.integers(-8, 8))
    return row, col, cells, other_row, other_col, other


INPUTS: dict[Type, st.SearchStrategy[tuple[Any, ...]]] = {
    Type.MAP: images(),
    Type.SPLIT: images(),
    Type.SELECT: lists_of_images(),
    Type.JOIN: lists_of_images(),
    Type.COMBINE: image_pairs(),
}


def check_cells(cells: Any, dimensions: int) -> None:
    assert cells.dtype == np.int8
    assert cells.ndim == dimensions
    assert cells.flags.c_contiguous
    assert ((cells >= 0) & (cells <= 9)).all()


def check_image(result: Any) -> None:
    row, col, cells = result
    assert type(row) is int
    assert type(col) is int
    check_cells(cells, 2)
    if cells.size == 0:
        assert (row, col, cells.shape) == (0, 0, (0, 0))
    else:
        assert max(cells.shape) <= MAX_SIDE


def check_images(result: Any) -> None:
    boxes, cells = result
    assert boxes.dtype == np.int32
    assert boxes.ndim == 2
    assert boxes.shape[1] == 4
    assert boxes.flags.c_contiguous
    assert len(boxes) <= MAX_LIST
    assert ((boxes[:, 2:] >= 1) & (boxes[:, 2:] <= MAX_SIDE)).all()
    check_cells(cells, 1)
    assert cells.size == (boxes[:, 2].astype(int) * boxes[:, 3]).sum()


def equal(one: tuple[Any, ...], two: tuple[Any, ...]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(
    "primitive", [primitive for _, primitive in WORDS], ids=[f"{name}-{primitive.name}" for name, primitive in WORDS]
)
def test_results_are_valid(primitive: Primitive) -> None:
    """For any input and argument: a valid result or none, the same twice, and the input as it was."""
    many = primitive.type in (Type.SPLIT, Type.SELECT)

    @settings(max_examples=25, suppress_health_check=list(HealthCheck), database=None)
    @given(INPUTS[primitive.type])
    def holds(values: tuple[Any, ...]) -> None:
        before = tuple(value.copy() if isinstance(value, np.ndarray) else value for value in values)
        for arg in primitive.args:
            result = primitive.function(*values, arg)
            (check_images if many else check_image)(result)
            assert equal(values, before)
            assert not any(np.shares_memory(a, b) for a in result[-2:] for b in values if isinstance(b, np.ndarray))
            assert equal(result, primitive.function(*values, arg))

    holds()
    # The exact type that callers are compiled against. A version for a constant argument may give a constant's type.
    versions = primitive.function.nopython_signatures  # type: ignore[attr-defined]
    returned = {str(one.return_type) for one in versions if not any(isinstance(arg, types.Literal) for arg in one.args)}
    assert returned == {IMAGES_TYPE if many else IMAGE_TYPE}


def test_no_two_primitives_share_a_name() -> None:
    names = [primitive.name for _, primitive in WORDS]
    assert len(names) == len(set(names))


def test_every_primitive_is_a_public_function_of_its_module() -> None:
    for name, primitive in WORDS:
        module = import_module(f"{primitives.__name__}.{name}")
        assert getattr(module, primitive.name) is primitive.function
        assert not primitive.name.startswith("_")


def test_arguments_and_costs_are_sound() -> None:
    for _, primitive in WORDS:
        assert len(primitive.args) == len(set(primitive.args)) > 0
        assert all(type(arg) is int for arg in primitive.args)
        assert 1 <= primitive.cost <= 3
        # The search knows colours by identity of the range.
        assert primitive.args is COLOUR_ARGS or primitive.args != COLOUR_ARGS


@pytest.mark.parametrize("name", MODULES)
def test_every_primitive_has_a_test(name: str) -> None:
    tree = ast.parse(Path(__file__).with_name(f"test_search_{name}.py").read_text(encoding="utf-8"))
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert [p.name for module, p in WORDS if module == name and f"test_{p.name}" not in tests] == []
