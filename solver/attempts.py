"""What channels produce (`Candidate`) and what is submitted (`Attempts`); submission.json itself.

Knows nothing of how candidates are made or chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from solver.augmentation import View
from solver.grid import Grid
from solver.task import Query


class Channel(Enum):
    """Where a candidate comes from."""

    MODEL = "model"
    PROGRAM = "program"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proposed answer, in the task's own frame.

    view: the view it was generated through (None for a program); logprob: natural log of the probability of the
    whole answer under the model in that view; program: its text, for the program channel.
    """

    query: Query
    grid: Grid
    channel: Channel = Channel.MODEL
    view: View | None = None
    logprob: float | None = None
    program: str | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """The two answers submitted for one test input."""

    first: Grid
    second: Grid
