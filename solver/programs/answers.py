"""What a program returned, as bytes of a grid, or why it is none. Runs in the program's own process.

Sizes are looked at before anything is converted: an answer may be a lie about 10^9 cells. What follows is plain Python:
in a process that lives for milliseconds, the first use of NumPy's arithmetic costs more than 900 comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from solver.grid import COLOURS, MAX_SIDE
from solver.programs.wire import GRID

NUMBERS = (int, float, np.integer, np.floating, np.bool_)


class NotAGridError(Exception):
    """The message says what was returned instead."""


def answer_bytes(value: object) -> bytes:
    """A reply's record of an answer: an array or nested lists [x, y] of whole numbers 0..9. Raises `NotAGridError`."""
    columns = _items(_plain(value))
    height = len(_items(columns[0]))
    cells = []
    for column in columns:
        if len(_items(column)) != height:
            raise NotAGridError("ragged rows")
        cells.append([_colour(cell) for cell in column])
    return bytes((GRID, height, len(cells), *(column[y] for y in range(height) for column in cells)))


def _plain(value: object) -> object:
    """An array as nested lists; anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    # asarray takes a subclass's memory as it is: nothing of the subclass decides what follows.
    array = np.asarray(value)
    if array.ndim != 2 or not all(1 <= side <= MAX_SIDE for side in array.shape):
        raise NotAGridError(f"shape {array.shape}")
    return array.tolist()


def _items(value: Any) -> Sequence[Any]:
    """A list, tuple or one-dimensional array of a grid's side; raises `NotAGridError` for anything else."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value[: MAX_SIDE + 1].tolist()
    if not isinstance(value, list | tuple):
        raise NotAGridError(type(value).__name__)
    if not 1 <= len(value) <= MAX_SIDE:
        raise NotAGridError(f"{len(value)} rows or columns")
    return value


def _colour(cell: Any) -> int:
    if not isinstance(cell, NUMBERS):
        raise NotAGridError(f"cells of {type(cell).__name__}")
    # Compared first: an int can be too long to print, a float not a number.
    if not 0 <= cell < COLOURS or cell != int(cell):
        raise NotAGridError("cells that are not colours")
    return int(cell)
