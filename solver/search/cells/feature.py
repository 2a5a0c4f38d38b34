"""What a feature of a cell is: a small integer that a cell-wise rule may test and, if it is a colour, copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.int16]
"""One feature of every cell of a grid (int16 [height, width]); several are stacked to [features, height, width]."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a cell.

    name: as it reads in rules; cost: its description length in the unit of a common primitive; copies: whether its
    value is a colour that a rule may put out (negative: there is none); ordered: whether its values are amounts,
    which a rule may compare with a threshold.
    """

    name: str
    cost: float = 1.0
    copies: bool = False
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """Features that are computed together: kernel(cells, variant) -> int16 [len(features), height, width]."""

    kernel: Callable[[npt.NDArray[np.int8], int], Any]
    features: tuple[Feature, ...]
    variant: int = 0


def colour(name: str, cost: float = 1.0) -> Feature:
    """A feature whose value is a colour."""
    return Feature(name, cost, copies=True)


def amount(name: str, cost: float = 1.0) -> Feature:
    """A feature whose values are ordered."""
    return Feature(name, cost, ordered=True)
