"""What a search gives: programs' answers to a task, and how the search went. Needs none of what it is searched with."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from solver.grid import Grid


@dataclass(frozen=True, slots=True)
class Answer:
    """What one program, or several that agree, say to every test input.

    grids: one per test input; program: as people read it; cost: its description length;
    reproduced: how many of the task's `demonstrations` it reproduces; seconds: of the CPU, until its first program
    was found.
    """

    grids: tuple[Grid, ...]
    program: str
    cost: float
    reproduced: int
    demonstrations: int
    seconds: float = field(default=0.0, compare=False)

    @property
    def perfect(self) -> bool:
        """Whether it reproduces every demonstration."""
        return self.reproduced == self.demonstrations


class Stop(Enum):
    """Why a search ended."""

    EXHAUSTED = "exhausted"
    SETTLED = "settled"
    DEADLINE = "deadline"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search. answers: the best first, all distinct in grids; states: how many it kept;
    seconds: of the CPU."""

    answers: tuple[Answer, ...]
    stop: Stop
    states: int
    seconds: float
