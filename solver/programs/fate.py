"""What became of a program that a model wrote. Every program ends in exactly one of these; the journal counts them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from solver.grid import Grid


class Fate(Enum):
    """How a program ended. The values are what people read in the journal's histogram."""

    NO_CODE = "no code block"
    SYNTAX = "syntax error"
    NO_FUNCTION = "no transform function"
    EXCEPTION = "exception"
    NOT_A_GRID = "not a grid"
    TIME = "time"
    MEMORY = "memory"
    OUTPUT = "too much output"
    FORBIDDEN = "forbidden"
    EXITED = "exited"
    KILLED = "killed"
    RETURNED = "returned"
    WRONG = "wrong on a demonstration"
    UNSTEADY = "not deterministic"
    PERFECT = "reproduces every demonstration"


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of one program on several input grids, in order.

    fate: RETURNED when every input gave a grid, else what ended it; grids: the answers before that; detail: the
    exception's type, what was forbidden, the signal, the number of the input; seconds: of processor time.
    """

    fate: Fate
    grids: tuple[Grid, ...] = ()
    detail: str = ""
    seconds: float = 0.0
