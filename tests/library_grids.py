"""Grids for tests of the programs' library: written as rows of digits, indexed [x, y] as programs index them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

# Shapes, colours and sides are small, so that coincidences are common.
COLOURS = 3


def grid(text: str) -> np.ndarray[Any, Any]:
    """Rows from top to bottom, separated by blanks: "012 345" has width 3 and height 2."""
    return np.array([[int(cell) for cell in row] for row in text.split()]).T.copy()


def text(array: np.ndarray[Any, Any]) -> str:
    """The inverse of `grid`; masks become zeros and ones."""
    return " ".join("".join(str(int(cell)) for cell in row) for row in array.T)


@st.composite
def arrays(draw: st.DrawFn, max_side: int = 6, colours: int = COLOURS) -> np.ndarray[Any, Any]:
    """Any grid of 1 to `max_side` columns and rows."""
    width, height = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    cells = draw(st.lists(st.integers(0, colours - 1), min_size=width * height, max_size=width * height))
    return np.array(cells).reshape(width, height)
