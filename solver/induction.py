"""One task by written programs: a base is shown the task through many views, what it writes is run and judged.

Executes one `WriteJob` and says what it did. Sampling and running go on at the same time: a base on a GPU leaves the
processor's cores idle, and a program that takes its full time must not keep the base waiting.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum

from solver.attempts import Candidate
from solver.augmentation import View
from solver.budget import Clock, Deadline
from solver.fusion import SHORT
from solver.jobs import WriteJob
from solver.model import TextBase, free_memory
from solver.programs.frames import views
from solver.programs.prompt import chat_text, messages
from solver.programs.solving import Runner, Solving
from solver.sampling import SamplingSettings, rows_for, sample

TEMPERATURE = 0.8
"""What the public checkpoint's authors sample with (Li et al. 2024)."""

MOST_TOKENS = 2048
"""Of one answer; theirs are hardly ever longer."""

FEWEST_TOKENS = 512
"""Where a prompt leaves less than this of the base's context, no answer can be expected."""

MOST_ROWS = 32
"""Texts at once: from there on a step's cost grows with their number, so more only end later."""

TEXTS_PER_ROW = 4
"""Texts for one view, in rows. More would spread the cost of reading the prompt, and of the texts that are under way
when the next view comes, over more texts; fewer would show the task in more ways."""

RUN_RESERVE = 6.0
"""Seconds at the end of a job for programs only: three times the longest that one may run."""

REFUSALS = 4
"""Prompts in a row that must be too long, per test input, before a task is given up. One does not prove it: turned by
90 degrees, wide grids have more lines and so more tokens."""

UNREAD = "not read"
"""What `Written.fates` says of texts that came when the task was settled, or while the runner failed."""


class Stop(Enum):
    """Why no more programs were written for a task."""

    SETTLED = "settled"
    DEADLINE = "deadline"
    TOO_LONG = "prompt too long"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question to a base. number: in the order of asking, which seeds its samples."""

    number: int
    text: str


Texts = Callable[[Prompt, Deadline], Iterator[str] | None]
"""Answers to a prompt until the deadline, or until the next view's turn has come; None if the prompt is too long."""


@dataclass(slots=True)
class Written:
    """What a job produced, and an account of it."""

    stop: Stop = Stop.DEADLINE
    candidates: tuple[Candidate, ...] = ()
    sampled: int = 0
    programs: int = 0
    perfect: int = 0
    fates: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"write": 0.0, "run": 0.0})
    notes: list[str] = field(default_factory=list)


class Writer:
    """A base's answers to prompts."""

    def __init__(self, base: TextBase, seed: int, note: Callable[[str], None]) -> None:
        self._base, self._seed, self._note = base, seed, note

    def __call__(self, prompt: Prompt, deadline: Deadline) -> Iterator[str] | None:
        ids = self._base.encode(prompt.text)
        limit = min(MOST_TOKENS, self._base.context - len(ids))
        if limit < FEWEST_TOKENS:
            return None
        return self._texts(ids, limit, SamplingSettings(TEMPERATURE, seed=self._seed + prompt.number), deadline)

    def _texts(self, ids: list[int], limit: int, settings: SamplingSettings, deadline: Deadline) -> Iterator[str]:
        # One row at least: whether it fits is for the attempt to say, this is an estimate.
        rows = max(1, min(MOST_ROWS, rows_for(self._base, len(ids), limit, free_memory(self._base.device))))
        texts = sample(self._base, ids, rows, limit, settings, deadline, self._note)
        for _, text in zip(range(rows * TEXTS_PER_ROW), texts, strict=False):
            yield self._base.decode(text.ids)


def write_programs(
    job: WriteJob, texts: Texts, runner: Runner, written: Written, clock: Clock = time.monotonic
) -> None:
    """Asks for programs through one view after another until the task is settled or the job's time is over.

    Fills `written` as it goes. What `texts` or the runner raise is raised here, once no thread works on the task; what
    was written before that still counts.
    """
    deadline = Deadline(job.ends, clock)
    last_text = deadline.earlier(min(RUN_RESERVE, deadline.left() / 4))
    solving = Solving(job.task, runner)
    try:
        with ThreadPoolExecutor(1) as thread:
            kitchen = _Kitchen(thread, solving, deadline, written, clock)
            try:
                written.stop = _ask(job, texts, kitchen, last_text, written, clock)
            finally:
                kitchen.finish()
    finally:
        _account(written, solving)


def _account(written: Written, solving: Solving) -> None:
    """What the programs came to; every text that was sampled has one fate."""
    # A written program counts as much as the longest searched one that is still taken for the rule.
    written.candidates = solving.candidates(SHORT)
    judged = solving.judged()
    written.programs, written.perfect = len(judged), sum(one.verdict.perfect for one in judged)
    fates = solving.histogram()
    fates[UNREAD] = written.sampled - fates.total()
    written.fates = dict((+fates).most_common())


@dataclass(slots=True)
class _Kitchen:
    """Runs programs in a thread, one batch after the other; nobody else may touch `solving` before `finish`."""

    thread: ThreadPoolExecutor
    solving: Solving
    deadline: Deadline
    written: Written
    clock: Clock
    waiting: list[tuple[str, View]] = field(default_factory=list)
    work: Future[bool] | None = None

    def take(self, text: str, view: View) -> None:
        """Takes a text in. It runs with the next batch, which begins when a text comes and no batch is under way."""
        self.waiting.append((text, view))
        if not self.settled() and (self.work is None or self.work.done()):
            batch, self.waiting = self.waiting, []
            self.work = self.thread.submit(self._run, batch)

    def settled(self) -> bool:
        """Whether the task is settled, as far as is known without waiting. Raises what the runner raised."""
        return self.work is not None and self.work.done() and self.work.result()

    def finish(self) -> None:
        """Runs what is left, while there is time and need. Raises what the runner raised."""
        if self.work:
            self.work.result()
        self._run(self.waiting)

    def _run(self, batch: list[tuple[str, View]]) -> bool:
        """Whether the task is settled; from then on nothing is read."""
        began = self.clock()
        for view in dict.fromkeys(view for _, view in batch):
            if not self.solving.settled():
                self.solving.feed((text for text, of in batch if of == view), view, self.deadline)
        self.written.seconds["run"] += self.clock() - began
        return self.solving.settled()


def _ask(job: WriteJob, texts: Texts, kitchen: _Kitchen, last: Deadline, written: Written, clock: Clock) -> Stop:
    """Views in turn, each with the next test input, until one of the reasons to stop."""
    began, queries = clock(), job.task.test_inputs
    refused = 0
    try:
        for number, view in enumerate(views(job.task, random.Random(f"{job.seed}:programs"))):
            stop = _stop(kitchen, last, refused >= REFUSALS * len(queries))
            if stop:
                return stop
            index = number % len(queries)
            prompt = Prompt(number, chat_text(messages(view.episode(job.task, queries[index]))))
            if (answers := texts(prompt, last)) is None:
                # Another test input may be smaller.
                refused += 1
                _note(written, f"test input {index}: the prompt is too long")
                continue
            refused = 0
            for text in answers:
                written.sampled += 1
                kitchen.take(text, view)
                if kitchen.settled():
                    return Stop.SETTLED
        raise AssertionError("views have no end")
    finally:
        written.seconds["write"] += clock() - began


def _stop(kitchen: _Kitchen, last: Deadline, refused: bool) -> Stop | None:
    """Why there is no other prompt, if there is none."""
    if kitchen.settled():
        return Stop.SETTLED
    if refused:
        return Stop.TOO_LONG
    return Stop.DEADLINE if last.passed() else None


def _note(written: Written, text: str) -> None:
    if text not in written.notes:
        written.notes.append(text)
