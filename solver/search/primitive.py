"""What a primitive of the grid language is: a compiled function with its type, arguments and length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

COLOUR_ARGS = range(1, 10)
"""`args` of a primitive whose argument is a colour. The search skips colours that the task does not show."""


class Type(Enum):
    """What a primitive maps to what."""

    MAP = "image to image"
    """f(row, col, cells, arg) -> (row, col, cells); also applied to every image of a list."""
    SPLIT = "image to list"
    """f(row, col, cells, arg) -> (boxes, cells)."""
    SELECT = "list to list"
    """f(boxes, cells, arg) -> (boxes, cells)."""
    JOIN = "list to image"
    """f(boxes, cells, arg) -> (row, col, cells)."""
    COMBINE = "two images to one"
    """f(row, col, cells, other_row, other_col, other_cells, arg) -> (row, col, cells)."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """One word of the language.

    name: as it reads in programs; args: the valid values of its last argument, each of which is a word of its own;
    cost: its description length in the unit of a common word; the search tries short programs first.
    slow: takes a hundred microseconds or more, so that it is tried only on images that short programs compute.
    """

    function: Callable[..., Any]
    type: Type
    args: Sequence[int] = (0,)
    cost: float = 1.0
    slow: bool = False

    @property
    def name(self) -> str:
        return self.function.__name__
