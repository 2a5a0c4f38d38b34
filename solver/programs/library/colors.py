"""Colours by name, as programs write them: plain integers, so that they compare with pixels and index arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class Color:
    """The ten colours. Two of them, and the background, answer to more than one name."""

    BLACK = 0
    BLUE = 1
    RED = 2
    GREEN = 3
    YELLOW = 4
    GREY = 5
    GRAY = 5
    PINK = 6
    ORANGE = 7
    TEAL = 8
    MAROON = 9
    # The prompt calls the last two by these words.
    PURPLE = 8
    BROWN = 9

    TRANSPARENT = 0
    BACKGROUND = 0

    ALL_COLORS = list(range(10))  # noqa: RUF012 -- programs expect lists
    NOT_BLACK = list(range(1, 10))  # noqa: RUF012


def color_set(colors: int | Iterable[Any] | None) -> frozenset[int]:
    """The colours of a list, a tuple, a set, an array, a single colour, or None (no colour at all)."""
    if colors is None:
        return frozenset()
    listed = list(colors) if isinstance(colors, Iterable) and not isinstance(colors, np.ndarray) else colors
    return frozenset(int(color) for color in np.ravel(listed))
