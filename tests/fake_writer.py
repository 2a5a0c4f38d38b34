"""A process that writes programs without a model: it answers by arithmetic, and misbehaves where its script says so.

Put in place of the real one with `monkeypatch.setattr("solver.runner.enter_writing", WriterScript(…))`; imports no
torch.
"""

from __future__ import annotations

import fcntl
import math
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from solver.attempts import Candidate, Channel
from solver.augmentation import Transform, View
from solver.fusion import SHORT
from solver.grid import Grid
from solver.jobs import Armed, Unusable, WorkerSettings, WriteJob, WriterSettings, Wrote, die_with_parent
from solver.task import Task
from tests.fake_worker import FOREVER, Script

SAMPLED = 8
PATIENCE = 60.0
"""Seconds after which what is waited for will not happen any more."""

_held: list[Any] = []
"""Files whose locks this process keeps until it ends."""


def written_answers(task: Task) -> tuple[tuple[int, int, bool], ...]:
    """What the fake writes, by the task's number: colour of the answers, votes, whether it is perfect."""
    match int(task.id.removeprefix("task"), 16) % 4:
        case 0:
            return (1, 3, True), (2, 1, True)
        case 1:
            return ((3, 1, True),)
        case 2:
            return ((4, 1, False),)
        case _:
            return ()


def written_candidates(task: Task) -> tuple[Candidate, ...]:
    """Colours 1 and 2 are also answers of the fake search."""
    number = int(task.id.removeprefix("task"), 16)
    return tuple(
        Candidate(
            query,
            Grid(((colour, query.index, number % 10),)),
            Channel.INDUCTION,
            View(Transform(), (0, 1)),
            program=f"def transform(grid): return {colour}",
            cost=SHORT - math.log2(votes),
            perfect=perfect,
        )
        for query in task.queries()
        for colour, votes, perfect in written_answers(task)
    )


def hold(notes: Path, number: int) -> None:
    """Takes a device for as long as this process lives; notes a clash if another process will not leave it."""
    file = (notes / f"device{number}").open("w")
    _held.append(file)
    # One that was killed just now may need a moment to be gone.
    end = time.monotonic() + 1.0
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                with (notes / "clashes").open("a") as clashes:
                    clashes.write(f"{number}\n")
                return
            time.sleep(0.05)
        else:
            return


@dataclass(frozen=True)
class LoneScript(Script):
    """A model's fake worker that must have its device for itself."""

    def __call__(self, settings: WorkerSettings, pipe: Connection) -> None:
        hold(self.notes, settings.number)
        super().__call__(settings, pipe)


@dataclass(frozen=True)
class WriterScript:
    """How the fake behaves. A picklable stand-in for `solver.jobs.enter_writing`.

    notes: folder for what must outlive a process; pause: seconds per task; load: seconds that processes take to load;
    load_for: processes that load until there is a note of that name; pause_for: tasks that take until then;
    to_the_end: whether every task takes all the time that it is given; deaths: how many times a task kills the
    process; deaths_loading: processes that die before they are ready; unusable: processes without a base;
    hangs: tasks that never end; faults: tasks that end with an error, but not without candidates; late: tasks for
    which there was no time.
    """

    notes: Path
    pause: float = 0.0
    load: Mapping[int, float] = field(default_factory=dict)
    load_for: Mapping[int, str] = field(default_factory=dict)
    pause_for: Mapping[str, str] = field(default_factory=dict)
    to_the_end: bool = False
    deaths: Mapping[str, int] = field(default_factory=dict)
    deaths_loading: frozenset[int] = frozenset()
    unusable: frozenset[int] = frozenset()
    hangs: frozenset[str] = frozenset()
    faults: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()

    def __call__(self, settings: WriterSettings, pipe: Connection) -> None:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        hold(self.notes, settings.number)
        self.note("writers", f"{settings.number} {settings.device} {settings.runners}")
        self.wait_for(self.load_for.get(settings.number))
        time.sleep(self.load.get(settings.number, 0.0))
        if settings.number in self.deaths_loading:
            os._exit(3)
        if settings.number in self.unusable:
            pipe.send(Unusable(settings.number, "no such base"))
            return
        pipe.send(Armed(settings.number, "fake", "float32", settings.quantize, 0.0, ("a wall",)))
        while True:
            try:
                job: WriteJob = pipe.recv()
            except EOFError:
                return
            pipe.send(self.answer(settings.number, job))

    def answer(self, worker: int, job: WriteJob) -> Wrote:
        task = job.task
        tries = self.tasks().count(task.id)
        self.note("writings", f"{task.id} {worker} {job.seed} {time.monotonic():.3f} {job.ends:.3f}")
        self.wait_for(self.pause_for.get(task.id))
        time.sleep(max(0.0, job.ends - time.monotonic()) if self.to_the_end else self.pause)
        if tries < self.deaths.get(task.id, 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if task.id in self.hangs:
            time.sleep(FOREVER)
        if task.id in self.late:
            return Wrote(worker, task.id, stop="deadline", late=True)
        found = written_candidates(task)
        error = "RuntimeError: no luck\nTraceback" if task.id in self.faults else None
        return Wrote(
            worker,
            task.id,
            found,
            None if error else "deadline",
            sampled=SAMPLED,
            programs=len(written_answers(task)),
            perfect=sum(perfect for _, _, perfect in written_answers(task)),
            fates={"returned": SAMPLED - 1, "syntax error": 1},
            seconds={"write": self.pause, "run": 0.5},
            error=error,
        )

    def tasks(self) -> list[str]:
        """The tasks of all jobs that began, in that order."""
        return [line.split()[0] for line in self.read("writings")]

    def wait_for(self, name: str | None) -> None:
        """Until somebody has left a note of that name."""
        end = time.monotonic() + PATIENCE
        while name and not (self.notes / name).exists() and time.monotonic() < end:
            time.sleep(0.05)

    def note(self, name: str, line: str) -> None:
        with (self.notes / name).open("a") as file:
            file.write(line + "\n")

    def read(self, name: str) -> list[str]:
        """The lines noted so far, by all processes."""
        path = self.notes / name
        return path.read_text().splitlines() if path.exists() else []
