"""What a program's executions mean for a task: wrong on which demonstration, not deterministic, or perfect.

Pure: sees grids in the task's own frame, first the demonstrations', then the test inputs'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from solver.grid import Grid
from solver.programs.fate import Execution, Fate
from solver.task import Pair, Task

TELLING = frozenset({Fate.EXCEPTION, Fate.FORBIDDEN, Fate.KILLED})
"""Fates whose detail begins with a kind that is worth counting; after a comma it may name an input."""

STRAINED = frozenset({Fate.TIME, Fate.MEMORY, Fate.KILLED})
"""Ends that a busy machine can bring about: that one of two runs met such an end earlier is not held against the
program."""

SHOWN = 40
"""Characters of a kind in an account: a program chooses the names of its exceptions."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a program.

    fate: PERFECT when two runs under different hash seeds reproduced every demonstration and agreed on everything,
    UNSTEADY when they did not agree, WRONG when a grid differs from a demonstration's, else how the run ended;
    detail: the number of the first demonstration that is wrong, from 1, else the execution's detail; where fate is
    PERFECT, how the run ended after the demonstrations, if not well;
    reproduced: how many demonstrations it reproduces; cells: the share of right cells, averaged over demonstrations;
    answers: one per test input, None where there is none.
    """

    fate: Fate
    answers: tuple[Grid | None, ...]
    detail: str = ""
    reproduced: int = 0
    cells: float = 0.0

    @property
    def perfect(self) -> bool:
        return self.fate is Fate.PERFECT

    def account(self) -> str:
        """The fate as the journal's histogram names it: `exception: IndexError`, `wrong on demonstration 2`, `time`."""
        if self.fate is Fate.WRONG:
            return f"wrong on demonstration {self.detail}"
        if self.perfect and self.detail:
            return f"{self.fate.value}, then {self.detail}"
        return _named(self.fate, self.detail)


def judge(task: Task, execution: Execution, again: Execution | None = None) -> Verdict:
    """The verdict on a program from one run or, if it was promising, from two.

    The first thing that goes wrong decides: a wrong grid before an exception is WRONG, a run that ended before a
    wrong grid has its own fate. A program that reproduces every demonstration and fails on a test input is no less
    perfect: it answers the test inputs before that one, and has no say in the others. (What it raises is often a
    case that its author did not think of, which says little about the cases that it covers.)
    """
    single = _judge(task, execution)
    if again is None or not promising(task, single):
        return single
    if _contradict(execution, again):
        both = tuple(one if one == two else None for one, two in zip(execution.grids, again.grids, strict=False))
        answers, reproduced, cells = _compare(task, both)
        return Verdict(Fate.UNSTEADY, answers, "", reproduced, cells)
    shorter = min((execution, again), key=lambda one: len(one.grids))
    agreed = _judge(task, shorter)
    if not promising(task, agreed):
        return agreed
    ended = "" if shorter.fate is Fate.RETURNED else _named(shorter.fate, shorter.detail)
    return Verdict(Fate.PERFECT, agreed.answers, ended, agreed.reproduced, agreed.cells)


def promising(task: Task, verdict: Verdict) -> bool:
    """Whether a program reproduces every demonstration and a second run can show it to be perfect."""
    return verdict.reproduced == len(task.train) and verdict.fate not in (Fate.PERFECT, Fate.UNSTEADY)


def _judge(task: Task, execution: Execution) -> Verdict:
    """The verdict on one run; never PERFECT or UNSTEADY."""
    answers, reproduced, cells = _compare(task, execution.grids)
    wrong = _first_wrong(task.train, execution.grids)
    if wrong:
        return Verdict(Fate.WRONG, answers, str(wrong), reproduced, cells)
    return Verdict(execution.fate, answers, execution.detail, reproduced, cells)


def _first_wrong(train: Sequence[Pair], grids: Sequence[Grid]) -> int:
    """The number, from 1, of the first demonstration that a grid differs from; 0 if none does."""
    pairs = enumerate(zip(train, grids, strict=False), start=1)
    return next((number for number, (pair, grid) in pairs if grid != pair.output), 0)


def _contradict(one: Execution, two: Execution) -> bool:
    """Whether two runs of a program differ in a way that only the program can be the reason of."""
    if any(a != b for a, b in zip(one.grids, two.grids, strict=False)):
        return True
    if (one.fate, len(one.grids)) == (two.fate, len(two.grids)):
        return False
    fewest = min(len(one.grids), len(two.grids))
    return not any(run.fate in STRAINED for run in (one, two) if len(run.grids) == fewest)


def _compare(task: Task, grids: Sequence[Grid | None]) -> tuple[tuple[Grid | None, ...], int, float]:
    """(the answers to the test inputs, demonstrations reproduced, average share of right cells)."""
    count = len(task.train)
    shares = [_share(grid, pair.output) for pair, grid in zip(task.train, _filled(grids, count), strict=True)]
    reproduced = sum(grid == pair.output for pair, grid in zip(task.train, grids, strict=False))
    return _filled(grids[count:], len(task.test_inputs)), reproduced, sum(shares) / count


def _filled(grids: Sequence[Grid | None], count: int) -> tuple[Grid | None, ...]:
    """The first `count` grids, None for those that are missing."""
    return tuple(grid for grid, _ in zip_longest(grids[:count], range(count)))


def _share(grid: Grid | None, output: Grid) -> float:
    """The share of cells in which a grid is right; 0 for another shape."""
    if grid is None or grid.shape != output.shape:
        return 0.0
    return float(np.mean(grid.array() == output.array()))


def _named(fate: Fate, detail: str) -> str:
    """A fate with the kind in its detail, if there is one."""
    kind = detail.partition(",")[0] if fate in TELLING else ""
    return f"{fate.value}: {kind[:SHOWN]}" if kind else fate.value
