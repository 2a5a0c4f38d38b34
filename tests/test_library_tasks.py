"""Programs in the manner of a model's, written for tasks of the training split: the library does what they rely on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from solver.grid import Grid
from solver.programs.library import (
    Color,
    blit_sprite,
    bounding_box,
    check_between_objects,
    crop,
    detect_mirror_symmetry,
    detect_objects,
    detect_rotational_symmetry,
    detect_translational_symmetry,
    draw_line,
    find_connected_components,
    object_boundary,
    object_colors,
    object_interior,
    object_position,
    orbit,
    scale_sprite,
)
from solver.task import read_split

Program = Callable[[Any], Any]


def continue_the_tiling(grid: Any) -> Any:
    """017c7c7b: the pattern goes on to a height of 9, in red."""
    symmetries = detect_translational_symmetry(grid, ignore_colors=[], background=Color.BLACK)
    output = np.full((grid.shape[0], 9), Color.BLACK)
    for x, y in np.argwhere(grid != Color.BLACK):
        for point in orbit(output, x, y, symmetries):
            output[point] = Color.RED
    return output


def repair(grid: Any, hidden: int, symmetries: Any) -> Any:
    output = grid.copy()
    for x, y in np.argwhere(grid == hidden):
        for source in orbit(grid, x, y, symmetries):
            if grid[source] != hidden:
                output[x, y] = grid[source]
    return output


def repair_the_tiling(grid: Any) -> Any:
    """29ec7d0e, 484b58aa, 0dfd9992: black hides parts of a tiling."""
    return repair(grid, Color.BLACK, detect_translational_symmetry(grid, ignore_colors=[Color.BLACK]))


def repair_the_mirrored(hidden: int) -> Program:
    """3631a71a, b8825c91: one colour hides parts of a pattern with two mirrors."""
    return lambda grid: repair(grid, hidden, detect_mirror_symmetry(grid, ignore_colors=[hidden]))


def show_the_hidden(hidden: int) -> Program:
    """9ecd008a, dc0a314f, ff805c23: the same, and the output is the hidden part only."""

    def program(grid: Any) -> Any:
        x, y, width, height = bounding_box(grid == hidden)
        return repair_the_mirrored(hidden)(grid)[x : x + width, y : y + height]

    return program


def complete_the_turned(grid: Any) -> Any:
    """11852cab, e40b9e2f: an object is turned about its middle."""
    symmetry = detect_rotational_symmetry(grid, ignore_colors=[Color.BLACK])
    assert symmetry is not None
    output = grid.copy()
    for x, y in np.argwhere(grid != Color.BLACK):
        for turn in range(1, 4):
            output[symmetry.apply(x, y, iters=turn)] = grid[x, y]
    return output


def mark_what_a_turn_adds(grid: Any) -> Any:
    """1b60fb0c: what one quarter turn adds is red."""
    symmetry = detect_rotational_symmetry(grid, ignore_colors=[Color.BLACK], background=Color.BLACK)
    assert symmetry is not None
    output = grid.copy()
    for x, y in np.argwhere(grid == Color.BLUE):
        if grid[symmetry.apply(x, y)] == Color.BLACK:
            output[symmetry.apply(x, y)] = Color.RED
    return output


def take_apart(grid: Any) -> Any:
    """150deff5: grey is made of squares and lines."""
    parts = detect_objects(
        grid,
        background=Color.BLACK,
        colors=[Color.GREY],
        allowed_dimensions=[(2, 2), (3, 1), (1, 3)],
        predicate=lambda sprite: np.all(sprite == Color.GREY),
    )
    output = np.full(grid.shape, Color.BLACK)
    for part in parts:
        x, y, width, height = bounding_box(part)
        color = Color.TEAL if (width, height) == (2, 2) else Color.RED
        blit_sprite(output, np.full((width, height), color), x=x, y=y)
    return output


def fill_between(grid: Any) -> Any:
    """d6ad076f: between two rectangles."""
    one, two = find_connected_components(grid, connectivity=4, monochromatic=True)
    output = grid.copy()
    for x, y in np.argwhere(grid == Color.BLACK):
        if check_between_objects(obj1=one, obj2=two, x=x, y=y, padding=1):
            output[x, y] = Color.TEAL
    return output


def hollow_out(grid: Any) -> Any:
    """4347f46a: of rectangles the edges stay."""
    output = grid.copy()
    for obj in find_connected_components(grid):
        output[object_interior(obj) & ~object_boundary(obj)] = Color.BLACK
    return output


def draw_to_the_edges(grid: Any) -> Any:
    """623ea044: from one pixel along both diagonals."""
    (pixel,) = find_connected_components(grid)
    x, y = object_position(pixel, anchor="center")
    for direction in [(1, 1), (1, -1), (-1, 1), (-1, -1)]:
        draw_line(grid, x, y, direction=direction, color=object_colors(pixel)[0])
    return grid


def bounce(grid: Any) -> Any:
    """a3df8b1e: a line from the lower left corner bounces between the sides."""
    x, y, dx = 0, grid.shape[1] - 1, 1
    while True:
        stop = draw_line(grid, x, y, direction=(dx, -1), color=Color.BLUE)
        if stop == (x, y):
            return grid
        (x, y), dx = stop, -dx


def enlarge(grid: Any) -> Any:
    """c59eb873: every pixel doubled."""
    return scale_sprite(grid, factor=2)


def cut_out_the_object(grid: Any) -> Any:
    """1cf80156: the object alone."""
    return crop(grid)


PROGRAMS: list[tuple[str, Program]] = [
    ("017c7c7b", continue_the_tiling),
    ("29ec7d0e", repair_the_tiling),
    ("484b58aa", repair_the_tiling),
    ("0dfd9992", repair_the_tiling),
    ("3631a71a", repair_the_mirrored(Color.MAROON)),
    ("b8825c91", repair_the_mirrored(Color.YELLOW)),
    ("9ecd008a", show_the_hidden(Color.BLACK)),
    ("dc0a314f", show_the_hidden(Color.GREEN)),
    ("ff805c23", show_the_hidden(Color.BLUE)),
    ("11852cab", complete_the_turned),
    ("e40b9e2f", complete_the_turned),
    ("1b60fb0c", mark_what_a_turn_adds),
    ("150deff5", take_apart),
    ("d6ad076f", fill_between),
    ("4347f46a", hollow_out),
    ("623ea044", draw_to_the_edges),
    ("a3df8b1e", bounce),
    ("c59eb873", enlarge),
    ("1cf80156", cut_out_the_object),
]


@pytest.mark.parametrize(("task_id", "program"), PROGRAMS, ids=[task_id for task_id, _program in PROGRAMS])
def test_a_program_reproduces_every_demonstration(task_id: str, program: Program) -> None:
    (task,) = [task for task in read_split("arc1-training") if task.id == task_id]
    for pair in task.train:
        output = program(np.array(pair.input.rows).T.copy())
        assert Grid.from_array(output.T) == pair.output
