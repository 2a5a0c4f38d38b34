"""What judged programs say together: a ranking of answers for every test input, and whether they are of one mind.

Pure. A ballot is made for one test input, from the programs, whenever it is asked for: nothing is counted over
several test inputs or kept between them. The order of the programs never matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from solver.attempts import Candidate, Channel
from solver.augmentation import Transform, View
from solver.grid import Grid
from solver.programs.judging import Verdict
from solver.task import Task

LAST_RESORTS = 2
"""Answers of imperfect programs that are kept for a test input: as many as there are attempts."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A distinct program with its verdict.

    program: its text; transform: that of the views it was written for; support: how often it was sampled.
    """

    program: str
    transform: Transform
    support: int
    verdict: Verdict

    def __post_init__(self) -> None:
        if self.support < 1:
            raise ValueError(f"a program that was sampled {self.support} times")

    @property
    def weight(self) -> float:
        """Of its vote: log2(1 + support), so 1 for a program that was sampled once.

        Samples of one text are one guess that the model made several times. The model's confidence should count, but
        ten copies of a text are worth less than ten programs that come to the same answer on different ways.
        """
        return math.log2(1 + self.support)

    def preference(self) -> tuple[int, int, str, str]:
        """The smallest speaks for an answer: the most sampled, then the shortest text."""
        return -self.support, len(self.program), self.program, repr(self.transform)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one or several programs say to one test input.

    weight: the sum of their votes; programs: how many they are; speaker: the one that is shown;
    perfect: whether they reproduce every demonstration; otherwise reproduced and cells are those of the best.
    """

    grid: Grid
    weight: float
    programs: int
    speaker: Judged
    perfect: bool
    reproduced: int
    cells: float

    def rank(self) -> tuple[int, float, float, int, tuple[tuple[int, ...], ...]]:
        """Smaller is better; more support never makes it larger.

        Demonstrations reproduced, then cells right (all that are perfect are equal in both), then weight. Ties: more
        programs, then content.
        """
        return -self.reproduced, -self.cells, -self.weight, -self.programs, self.grid.rows


def ranking(judged: Sequence[Judged], index: int) -> tuple[Answer, ...]:
    """The answers to one test input, all distinct, the best first: all of perfect programs, then `LAST_RESORTS` of
    others."""
    perfect = [one for one in judged if one.verdict.perfect]
    certain = _answers(perfect, index)
    known = {answer.grid for answer in certain}
    others = [one for one in judged if not one.verdict.perfect and one.verdict.answers[index] not in known]
    return certain + _answers(others, index)[:LAST_RESORTS]


def _answers(judged: Sequence[Judged], index: int) -> tuple[Answer, ...]:
    """The distinct answers of programs that are either all perfect or all not."""
    voters: dict[Grid, list[Judged]] = {}
    for one in judged:
        grid = one.verdict.answers[index]
        if grid is not None:
            voters.setdefault(grid, []).append(one)
    return tuple(sorted((_answer(grid, some) for grid, some in voters.items()), key=Answer.rank))


def _answer(grid: Grid, voters: Sequence[Judged]) -> Answer:
    reproduced, cells = max((one.verdict.reproduced, one.verdict.cells) for one in voters)
    return Answer(
        grid,
        # Exact, so that the order of the programs cannot show in the last digit.
        math.fsum(one.weight for one in voters),
        len(voters),
        min(voters, key=Judged.preference),
        voters[0].verdict.perfect,
        reproduced,
        cells,
    )


def agreeing(task: Task, judged: Sequence[Judged]) -> int:
    """How many perfect programs answer every test input, if no two perfect programs disagree on any; else 0."""
    answers = [one.verdict.answers for one in judged if one.verdict.perfect]
    for index in range(len(task.test_inputs)):
        if len({grids[index] for grids in answers} - {None}) > 1:
            return 0
    return sum(None not in grids for grids in answers)


def unique(task: Task, judged: Sequence[Judged]) -> bool:
    """Whether perfect programs answer every test input, and all perfect programs agree on each."""
    return all(sum(answer.perfect for answer in ranking(judged, query.index)) == 1 for query in task.queries())


def candidates(task: Task, judged: Sequence[Judged], length: float | None = None) -> tuple[Candidate, ...]:
    """Every test input's answers as candidates, the best first; the view is the one in whose terms the program is
    written.

    length: of one vote's description, on the scale of searched programs, whose weight halves with every unit: the
    cost of an answer is that of as many votes as it has. Without it, candidates have no cost.
    """
    order = tuple(range(len(task.train)))
    return tuple(
        Candidate(
            query,
            answer.grid,
            Channel.INDUCTION,
            View(answer.speaker.transform, order),
            program=answer.speaker.program,
            cost=None if length is None else length - math.log2(answer.weight),
            perfect=answer.perfect,
        )
        for query in task.queries()
        for answer in ranking(judged, query.index)
    )
