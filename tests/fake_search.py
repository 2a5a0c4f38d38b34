"""A search worker whose search is a script: it answers by arithmetic, and misbehaves where it is told to.

The worker is the real one. Put in place with `monkeypatch.setattr("solver.runner.enter_search", SearchScript(…))`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from solver.attempts import Candidate
from solver.budget import Clock
from solver.grid import Grid
from solver.jobs import SearcherSettings, die_with_parent
from solver.search.answer import Answer, Found, Stop
from solver.searcher import to_candidates, work
from solver.task import Task

FOREVER = 1000.0


def program_answers(task: Task) -> tuple[Answer, ...]:
    """What the fake finds, by the task's number: a short unique program, a long one, two that differ, a poor one,
    nothing; then the same again."""
    number = int(task.id.removeprefix("task"), 16)
    count = len(task.train)

    def answer(colour: int, cost: float, reproduced: int) -> Answer:
        grids = tuple(Grid(((colour, index, number % 10),)) for index in range(len(task.test_inputs)))
        return Answer(grids, f"colour[{colour}]", cost, reproduced, count)

    match number % 5:
        case 0:
            return answer(1, 2.0, count), answer(2, 2.5, 0)
        case 1:
            return (answer(1, 9.0, count),)
        case 2:
            return answer(1, 2.0, count), answer(2, 3.0, count)
        case 3:
            return (answer(1, 2.0, count - 1),)
        case _:
            return ()


def program_candidates(task: Task) -> tuple[Candidate, ...]:
    return to_candidates(task, Found(program_answers(task), Stop.EXHAUSTED, 0, 0.0))


@dataclass(frozen=True)
class SearchScript:
    """How the fake behaves. A picklable stand-in for `solver.jobs.enter_search`.

    notes: folder for what must outlive a process; pause: seconds per search; load: seconds until a worker is warm;
    deaths: how many searches of a task kill their worker; deaths_loading, unusable: workers that never get warm;
    hangs: tasks whose search never ends; faults: tasks whose search raises.
    """

    notes: Path
    pause: float = 0.0
    load: float = 0.0
    deaths: Mapping[str, int] = field(default_factory=dict)
    deaths_loading: frozenset[int] = frozenset()
    unusable: frozenset[int] = frozenset()
    hangs: frozenset[str] = frozenset()
    faults: frozenset[str] = frozenset()

    def __call__(self, settings: SearcherSettings, pipe: Connection) -> None:
        die_with_parent()
        self.note("searchers", str(settings.number))

        work(settings, pipe, self.search, lambda: self.warm_up(settings.number))

    def warm_up(self, number: int) -> None:
        time.sleep(self.load)
        if number in self.deaths_loading:
            os._exit(3)
        if number in self.unusable:
            raise ImportError("no compiler\nat all")

    def search(self, task: Task, seconds: float, memory: int, clock: Clock) -> Found:
        tries = sum(line.split()[0] == task.id for line in self.read("searches"))
        self.note("searches", f"{task.id} {seconds:.3f} {memory} {time.monotonic():.3f}")
        time.sleep(self.pause)
        if tries < self.deaths.get(task.id, 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if task.id in self.hangs:
            time.sleep(FOREVER)
        if task.id in self.faults:
            raise ValueError("no luck\nat all")
        return Found(program_answers(task), Stop.EXHAUSTED, 77, self.pause)

    def searched(self) -> list[str]:
        """The tasks of all searches that began, in that order."""
        return [line.split()[0] for line in self.read("searches")]

    def note(self, name: str, line: str) -> None:
        with (self.notes / name).open("a") as file:
            file.write(line + "\n")

    def read(self, name: str) -> list[str]:
        """The lines noted so far, by all processes."""
        path = self.notes / name
        return path.read_text().splitlines() if path.exists() else []


def drive_search(notes: str, *arguments: str) -> None:
    """`submission.py` with fake searches: a main program for a process of its own."""
    from solver import cli, runner

    runner.enter_search = SearchScript(Path(notes))
    sys.exit(cli.submission(arguments))
