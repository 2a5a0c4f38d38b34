"""A task's programs as they come in: read, told apart, run, judged, until enough is known.

Knows neither models nor how they are asked: whoever samples feeds texts, and stops when the programs are `settled`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from solver.attempts import Candidate
from solver.augmentation import Transform, View
from solver.budget import Deadline
from solver.programs.ballot import Answer, Judged, agreeing, candidates, ranking, unique
from solver.programs.extraction import Source, extract
from solver.programs.fate import Execution, Fate
from solver.programs.frames import FRAMES, inputs, restore
from solver.programs.judging import Verdict, judge, promising
from solver.programs.limits import HASH_SEEDS, Program
from solver.task import Task

ENOUGH = 3
"""Distinct perfect programs of one mind on every test input that settle a task. One may fit the demonstrations by
accident; that three do, in different ways and with the same answers to other inputs, is hardly one. More samples
could then only bring an answer in second place."""

FIRST_SEED, SECOND_SEED = HASH_SEEDS
"""Of a program's two runs. Only what reproduces every demonstration is run twice."""

NOT_RUN = "not run"
"""What the histogram says of programs for which the time was too short."""


class Runner(Protocol):
    """What is needed of a sandbox."""

    def run(self, programs: Iterable[Program], deadline: Deadline) -> Iterator[tuple[int, Execution]]:
        """Index of the program and what became of it, in order of completion; nothing for those not started."""
        ...


@dataclass(slots=True)
class _Case:
    """A distinct program: one key, one transform. execution: its first run, in the task's own frame; frame: how it was
    run; turned: whether the other way was tried."""

    text: str
    transform: Transform
    support: int = 0
    frame: Transform = FRAMES[0]
    turned: bool = False
    execution: Execution | None = None
    verdict: Verdict | None = None


class Solving:
    """The programs of one task. Not for several threads at once."""

    def __init__(self, task: Task, runner: Runner) -> None:
        self.task = task
        self._runner = runner
        self._cases: dict[tuple[str, Transform], _Case] = {}
        self._unreadable: Counter[Fate] = Counter()

    def feed(self, texts: Iterable[str], view: View, deadline: Deadline) -> None:
        """Takes in the model's whole answers to prompts for one view, and runs the programs that are new.

        One program is what has one key in views of one transform; the order of the demonstrations makes no other of
        it, and written for another transform it is another. What the deadline leaves undone is done by the next call,
        which may be one without texts.
        """
        for text in texts:
            found = extract(text)
            if isinstance(found, Source):
                self._count(found, view.transform)
            else:
                self._unreadable[found] += 1
        self._run_all(deadline)

    def judged(self) -> tuple[Judged, ...]:
        """The distinct programs that have a verdict."""
        return tuple(
            Judged(case.text, case.transform, case.support, case.verdict)
            for case in self._cases.values()
            if case.verdict is not None
        )

    def settled(self) -> bool:
        """Whether enough is known to stop sampling."""
        return agreeing(self.task, self.judged()) >= ENOUGH

    def unique(self) -> bool:
        """Whether all perfect programs agree, and answer every test input."""
        return unique(self.task, self.judged())

    def answers(self) -> tuple[tuple[Answer, ...], ...]:
        """The answers to every test input, the best first."""
        judged = self.judged()
        return tuple(ranking(judged, query.index) for query in self.task.queries())

    def candidates(self, length: float | None = None) -> tuple[Candidate, ...]:
        """The same as candidates; length as for `ballot.candidates`."""
        return candidates(self.task, self.judged(), length)

    def histogram(self) -> Counter[str]:
        """What became of the texts; every text fed counts once."""
        counts = Counter({fate.value: count for fate, count in self._unreadable.items()})
        for case in self._cases.values():
            counts[case.verdict.account() if case.verdict else NOT_RUN] += case.support
        return counts

    def _count(self, source: Source, transform: Transform) -> None:
        case = self._cases.setdefault((source.key, transform), _Case(source.text, transform))
        case.support += 1
        # Of texts that differ in comments only, whichever came first, one is shown.
        case.text = min(case.text, source.text, key=lambda text: (len(text), text))

    def _run_all(self, deadline: Deadline) -> None:
        """Runs what has not been run, then what may be perfect a second time."""
        new = [case for case in self._cases.values() if case.execution is None]
        for case, execution in self._run(new, FIRST_SEED, deadline):
            case.execution, case.verdict = execution, judge(self.task, execution)
        self._turn(deadline)
        unconfirmed = [case for case in self._cases.values() if self._open(case)]
        for case, again in self._run(unconfirmed, SECOND_SEED, deadline):
            if case.execution is not None:
                case.verdict = judge(self.task, case.execution, again)

    def _turn(self, deadline: Deadline) -> None:
        """Tries the other frame on what does not reproduce everything; it counts where it reproduces more.

        What took all its time is not tried again: hardly ever would it be the frame's fault, and it costs the most.
        """
        for case, execution in self._run(self._upright(), FIRST_SEED, deadline, FRAMES[1]):
            verdict, case.turned = judge(self.task, execution), True
            if case.verdict and verdict.reproduced > case.verdict.reproduced:
                case.frame, case.execution, case.verdict = FRAMES[1], execution, verdict

    def _upright(self) -> list[_Case]:
        """What was run in the first frame only, and may do better in the other."""
        count = len(self.task.train)
        judged = [(case, case.verdict) for case in self._cases.values() if case.verdict and not case.turned]
        return [case for case, known in judged if known.reproduced < count and known.fate is not Fate.TIME]

    def _open(self, case: _Case) -> bool:
        return case.verdict is not None and promising(self.task, case.verdict)

    def _run(
        self, cases: Sequence[_Case], seed: int, deadline: Deadline, frame: Transform | None = None
    ) -> Iterator[tuple[_Case, Execution]]:
        """Runs cases, each in its own frame or all in one, and brings what they answer back to the task's own."""
        if not cases or deadline.passed():
            return
        frames = [frame or case.frame for case in cases]
        programs = [
            Program(case.text, inputs(self.task, case.transform, one), seed)
            for case, one in zip(cases, frames, strict=True)
        ]
        for index, execution in self._runner.run(programs, deadline):
            yield cases[index], restore(execution, cases[index].transform, frames[index])
