"""Grids: the only value that tasks, prompts, votes and submissions exchange.

A grid is 1..30 rows of 1..30 colours 0..9. Knows nothing of tasks, files or tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_SIDE = 30
COLOURS = 10
BLACK = 0


class InputError(ValueError):
    """Bad input from outside; the message is one line that names the file, the task and the field."""


def _problem(rows: Any) -> str | None:
    """What is wrong with `rows` as a grid, or None."""
    if not isinstance(rows, list | tuple) or not rows:
        return "is not a non-empty list of rows"
    if len(rows) > MAX_SIDE:
        return f"has {len(rows)} rows, more than {MAX_SIDE}"
    for number, row in enumerate(rows):
        if not isinstance(row, list | tuple) or not row:
            return f"row {number} is not a non-empty list of colours"
        if len(row) != len(rows[0]):
            return f"is ragged: row {number} has {len(row)} cells, row 0 has {len(rows[0])}"
        if len(row) > MAX_SIDE:
            return f"is {len(row)} cells wide, more than {MAX_SIDE}"
        for cell in row:
            if type(cell) is not int or not 0 <= cell < COLOURS:
                return f"row {number} holds {cell!r}, which is not a colour 0..{COLOURS - 1}"
    return None


@dataclass(frozen=True, slots=True)
class Grid:
    """An immutable, hashable grid. Raises `InputError` for anything that is not a valid grid."""

    rows: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        problem = _problem(self.rows)
        if problem:
            raise InputError(f"grid {problem}")

    @classmethod
    def from_json(cls, value: Any, where: str = "grid") -> Grid:
        """Reads nested lists; raises `InputError` beginning with `where`."""
        problem = _problem(value)
        if problem:
            raise InputError(f"{where}: {problem}")
        return cls(tuple(tuple(row) for row in value))

    @classmethod
    def from_array(cls, array: npt.NDArray[Any] | Sequence[Sequence[int]]) -> Grid:
        """Reads an integer array of shape [height, width]."""
        array = np.asarray(array)
        if array.ndim != 2:
            raise InputError(f"grid has {array.ndim} dimensions instead of 2")
        return cls(tuple(tuple(row) for row in array.tolist()))

    @property
    def height(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        return len(self.rows[0])

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    def array(self) -> npt.NDArray[np.int8]:
        """A fresh int8 array of shape [height, width]."""
        return np.array(self.rows, dtype=np.int8)

    def to_json(self) -> list[list[int]]:
        return [list(row) for row in self.rows]

    def palette(self) -> frozenset[int]:
        return frozenset(cell for row in self.rows for cell in row)
