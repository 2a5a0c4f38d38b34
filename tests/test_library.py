"""The programs' library as a whole: its names, its signatures, how it reads arguments, what it costs to import."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.programs import library
from solver.programs.library.arguments import canvas_of, foreground, grid_of, inside, whole
from solver.programs.library.colors import Color, color_set
from tests.library_grids import grid, text

# The interface that programs were written against: every name with its arguments and their defaults.
INTERFACE = {
    "flood_fill": "grid, x, y, color, connectivity=4",
    "draw_line": "grid, x, y, end_x=None, end_y=None, length=None, direction=None, color=None, stop_at_color=[]",
    "find_connected_components": "grid, background=0, connectivity=4, monochromatic=True",
    "scale_sprite": "sprite, factor",
    "scale_pattern": "sprite, factor",
    "blit": "grid, sprite, x=0, y=0, background=None",
    "blit_sprite": "grid, sprite, x, y, background=0",
    "blit_object": "grid, obj, background=0",
    "bounding_box": "grid, background=0",
    "bounding_box_mask": "grid, background=0",
    "object_position": "obj, background=0, anchor='upper left'",
    "object_colors": "obj, background=0",
    "crop": "grid, background=0",
    "translate": "obj, x, y, background=0",
    "collision": "_=None, object1=None, object2=None, x1=0, y1=0, x2=0, y2=0, background=0",
    "contact": "_=None, object1=None, object2=None, x1=0, y1=0, x2=0, y2=0, background=0, connectivity=4",
    "check_between_objects": "obj1, obj2, x, y, padding=0, background=0",
    "object_interior": "grid, background=0",
    "object_boundary": "grid, background=0",
    "object_neighbors": "grid, background=0, connectivity=4",
    "detect_translational_symmetry": "grid, ignore_colors=[0], background=None",
    "detect_mirror_symmetry": "grid, ignore_colors=[0], background=None",
    "detect_rotational_symmetry": "grid, ignore_colors=[0], background=None",
    "orbit": "grid, x, y, symmetries",
    "is_contiguous": "bitmask, background=0, connectivity=4",
    "detect_objects": "grid, _=None, predicate=None, background=0, monochromatic=False, connectivity=None, "
    "allowed_dimensions=None, colors=None, can_overlap=False",
    "randomly_scatter_points": "grid, color, density=0.5, background=0",
    "randomly_spaced_indices": "max_len, n, border_size=1, padding=1",
    "random_sprite": "n, m, density=0.5, symmetry=None, color_palette=None, connectivity=4, background=0",
    "random_free_location_for_sprite": "grid, sprite, background=0, border_size=0, padding=0, padding_connectivity=8",
}
SYMMETRIES = {
    "TranslationalSymmetry": "translate_x, translate_y",
    "MirrorSymmetry": "mirror_x, mirror_y",
    "RotationalSymmetry": "center_x, center_y",
}


@pytest.mark.parametrize(("name", "expected"), list({**INTERFACE, **SYMMETRIES}.items()))
def test_arguments_have_the_names_and_defaults_of_the_interface(name: str, expected: str) -> None:
    wanted = ast.parse(f"def f({expected}): pass").body[0].args
    defaults = [ast.literal_eval(default) for default in wanted.defaults]
    parameters = inspect.signature(getattr(library, name)).parameters.values()
    assert [parameter.name for parameter in parameters] == [argument.arg for argument in wanted.args]
    found = [one.default for one in parameters if one.default is not inspect.Parameter.empty]
    assert [list(one) if isinstance(one, tuple) else one for one in found] == defaults


def test_every_name_of_the_interface_has_a_test_named_after_it() -> None:
    files = sorted(Path(__file__).parent.glob("test_library*.py"))
    bodies = [node for file in files for node in ast.parse(file.read_text()).body]
    tests = {node.name for node in bodies if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    assert {f"test_{name}" for name in INTERFACE} <= tests


def test_star_import_gives_exactly_what_is_promised() -> None:
    names: dict[str, Any] = {}
    exec("from solver.programs.library import *", names)
    names.pop("__builtins__")
    assert set(names) == set(library.__all__)
    assert len(library.__all__) == len(set(library.__all__))
    assert {*INTERFACE, *SYMMETRIES, "Symmetry", "Color", "np", "random", "List", "Tuple"} <= set(names)
    assert names["np"] is np
    # A star import must not take a built-in name away from the program.
    assert set(names).isdisjoint(dir(__import__("builtins")))


def test_importing_it_loads_neither_torch_nor_the_rest_of_the_kit() -> None:
    code = (
        "import sys; import solver.programs.library; "
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in ('torch', 'numba', 'transformers') "
        "or m.startswith('solver.') and not m.startswith('solver.programs')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []


def test_colors() -> None:
    names = ["BLACK", "BLUE", "RED", "GREEN", "YELLOW", "GREY", "PINK", "ORANGE", "TEAL", "MAROON"]
    assert [getattr(Color, name) for name in names] == list(range(10))
    assert Color.GRAY == Color.GREY
    assert Color.TRANSPARENT == Color.BACKGROUND == Color.BLACK
    assert (Color.PURPLE, Color.BROWN) == (8, 9)
    assert list(range(10)) == Color.ALL_COLORS
    assert list(range(1, 10)) == Color.NOT_BLACK
    assert type(Color.RED) is int
    assert text(np.where(grid("012") == Color.RED, Color.TEAL, Color.BLACK)) == "008"


@pytest.mark.parametrize(
    "colors", [[2, 5], (5, 2, 2), {2, 5}, np.array([2, 5]), np.array([[2], [5]]), [2.0, np.int8(5)]]
)
def test_colors_are_read_from_any_collection(colors: Any) -> None:
    assert color_set(colors) == {2, 5}


def test_one_color_and_none_are_collections_too() -> None:
    assert color_set(7) == color_set(np.int64(7)) == color_set(np.array(7)) == {7}
    assert color_set(None) == color_set([]) == frozenset()


@given(st.integers(-(10**6), 10**6))
def test_whole_numbers_are_read_from_every_numeric_type(number: int) -> None:
    for value in (number, float(number), np.int64(number), np.float64(number), np.array(number), np.array([number])):
        assert whole(value, "x") == number
        assert type(whole(value, "x")) is int


@pytest.mark.parametrize(
    ("value", "error"),
    [(0.5, ValueError), (float("nan"), ValueError), (None, TypeError), ("1", TypeError), ([1, 2], TypeError)],
)
def test_what_is_not_a_whole_number_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^x must be"):
        whole(value, "x")


def test_grids_are_read_from_lists_and_must_have_two_dimensions() -> None:
    assert grid_of([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ValueError, match="sprite must have two dimensions, not 1"):
        grid_of([1, 2], "sprite")


def test_only_arrays_are_drawn_on() -> None:
    with pytest.raises(TypeError, match="changed in place"):
        canvas_of([[0]])
    with pytest.raises(TypeError, match="changed in place"):
        library.blit_sprite([[0]], grid("1"), 0, 0)
    canvas = grid("0")
    assert canvas_of(canvas) is canvas


def test_foreground_and_inside() -> None:
    assert text(foreground(grid("012"), 1)) == "101"
    assert text(foreground(grid("012") == 2, False)) == "001"
    assert [inside(grid("012"), x, 0) for x in (-1, 0, 2, 3)] == [False, True, True, False]
    assert not inside(grid("012"), 0, 1)
