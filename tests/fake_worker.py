"""A worker process without a model: answers at once by arithmetic, and misbehaves where its script says so.

Put in place of the real one with `monkeypatch.setattr("solver.runner.enter", Script(…))`; imports no torch.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from safetensors.numpy import save_file

from solver.attempts import Candidate, Channel
from solver.augmentation import Dihedral, Transform, View
from solver.grid import Grid
from solver.jobs import Finished, Job, Partial, Rated, Ready, Unusable, WorkerSettings, die_with_parent
from solver.profiles import LoraSettings, Profile, TttSettings
from solver.prompt import NATIVE_TOKENS, NativeFormat
from solver.settings import SCORED_VOTES
from solver.task import Pair, Query, Task

PROFILE = Profile("fake", Path("nowhere"), NativeFormat(), 8192, LoraSettings(4, 4), TttSettings(1e-3), small=True)

FOREVER = 1000.0


def make_tasks(count: int) -> tuple[Task, ...]:
    """Tasks in the order of their ids; the first four grow, every second one has two test inputs."""
    return tuple(_task(number) for number in range(count))


def _task(number: int) -> Task:
    rng = random.Random(f"task {number}")

    def grid() -> Grid:
        return Grid(tuple(tuple(rng.randrange(10) for _ in range(3)) for _ in range(min(30, 3**number))))

    pairs = tuple(Pair(grid(), grid()) for _ in range(2))
    return Task(f"task{number:02d}", pairs, tuple(grid() for _ in range(1 + number % 2)))


def write_tasks(path: Path, tasks: Sequence[Task]) -> Path:
    """A challenge file."""
    content = {
        task.id: {
            "train": [{"input": pair.input.to_json(), "output": pair.output.to_json()} for pair in task.train],
            "test": [{"input": grid.to_json()} for grid in task.test_inputs],
        }
        for task in tasks
    }
    path.write_text(json.dumps(content))
    return path


def write_base(folder: Path) -> Path:
    """Files that pass for a base: right vocabulary, readable weights."""
    import numpy as np

    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8, "num_hidden_layers": 1}))
    vocabulary = {token: number for number, token in enumerate(NATIVE_TOKENS)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
    save_file({"weight": np.zeros((2, 2), dtype=np.float32)}, folder / "model.safetensors")
    return folder


def scores(task: Task, said: Sequence[Candidate], number: int) -> dict[Query, dict[Grid, float]]:
    """What the fake makes of candidates, in every pass something else: darker grids are better, or the other way
    round."""
    return {
        query: {one.grid: -0.5 * (-1) ** number * sum(map(sum, one.grid.rows)) for one in said if one.query == query}
        for query in task.queries()
    }


def answers(task: Task, seed: int, base: int = 0, agree: bool = False) -> tuple[Candidate, ...]:
    """What the fake finds: three views of every test input, two of which agree, or all."""
    found = []
    for query in task.queries():
        rng = random.Random(f"{seed}:{query.index}")
        one, two = (Grid(((rng.randrange(10), rng.randrange(10), rng.randrange(10)),)) for _ in range(2))
        for dihedral, grid in zip(
            (Dihedral.IDENTITY, Dihedral.ROT90, Dihedral.TRANSPOSE), (one, one if agree else two, one), strict=True
        ):
            found.append(Candidate(query, grid, view=View(Transform(dihedral), (0, 1)), logprob=-1.0, base=base))
    return tuple(found)


@dataclass(frozen=True)
class Script:
    """How the fake behaves. A picklable stand-in for `solver.jobs.enter`.

    notes: folder for what must outlive a process; pause: seconds per job; load: seconds that workers take to load;
    deaths: how many times a pass over a task kills its worker, after its candidates are sent;
    deaths_loading: workers that die before they are ready; hangs: tasks that never finish once their candidates are
    sent; faults: tasks that end with an error; short: passes ("task00 1") that end before all their views are done;
    leaves_after: tasks after whose end the worker dies silently; unusable: workers without a base; crowded: how many
    processes find no memory to load it in;
    agree: tasks of which all views say the same; to_the_end: whether every task takes all the time that it is given;
    good_starts: processes that load at all, those started after them never do.
    """

    notes: Path
    pause: float = 0.0
    load: Mapping[int, float] = field(default_factory=dict)
    deaths: Mapping[str, int] = field(default_factory=dict)
    deaths_loading: frozenset[int] = frozenset()
    hangs: frozenset[str] = frozenset()
    faults: frozenset[str] = frozenset()
    short: frozenset[str] = frozenset()
    leaves_after: frozenset[str] = frozenset()
    unusable: frozenset[int] = frozenset()
    crowded: int = 0
    agree: frozenset[str] = frozenset()
    to_the_end: bool = False
    good_starts: int = 1000

    def __call__(self, settings: WorkerSettings, pipe: Connection) -> None:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.note("workers", str(settings.number))
        spoilt = len(self.read("workers")) > self.good_starts
        time.sleep(FOREVER if spoilt else self.load.get(settings.number, 0.0))
        if settings.number in self.deaths_loading:
            os._exit(3)
        if len(self.read("workers")) <= self.crowded:
            pipe.send(Unusable(settings.number, "out of memory", again=True))
            return
        if settings.number in self.unusable:
            pipe.send(Unusable(settings.number, "no such base"))
            return
        pipe.send(Ready(settings.number, "fake", "float32", settings.quantize, 0.0))
        while True:
            try:
                job: Job = pipe.recv()
            except EOFError:
                return
            self.answer(settings.number, job, pipe)

    def answer(self, worker: int, job: Job, pipe: Connection) -> None:
        task = job.task
        tries = self.read("jobs").count(f"{task.id} {job.number}")
        self.note("jobs", f"{task.id} {job.number}")
        told = {channel.value: sum(one.channel is channel for one in job.known) for channel in Channel}
        self.note("told", json.dumps({"task": task.id, "number": job.number, "closed": job.closed, **told}))
        time.sleep(max(0.0, job.ends - time.monotonic()) if self.to_the_end else self.pause)
        found = answers(task, job.seed, job.base, task.id in self.agree)
        pipe.send(Partial(worker, task.id, found))
        if job.manner.vote in SCORED_VOTES:
            said = [one for one in (*job.known, *found) if one.channel is Channel.MODEL]
            pipe.send(Rated(worker, task.id, scores(task, said, job.number + job.base)))
        if tries < self.deaths.get(task.id, 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if task.id in self.hangs:
            time.sleep(FOREVER)
        if task.id in self.leaves_after:
            threading.Timer(0.1, os._exit, (0,)).start()
        error = "RuntimeError: no luck\nTraceback" if task.id in self.faults else None
        planned = len(found) + (f"{task.id} {job.number}" in self.short)
        pipe.send(Finished(worker, task.id, len(found), planned, seconds={"decode": self.pause}, error=error))

    def note(self, name: str, line: str) -> None:
        with (self.notes / name).open("a") as file:
            file.write(line + "\n")

    def read(self, name: str) -> list[str]:
        """The lines noted so far, by all processes."""
        path = self.notes / name
        return path.read_text().splitlines() if path.exists() else []


def drive(notes: str, pause: str, *arguments: str) -> None:
    """`submission.py` with fake workers of all kinds: a main program for a process of its own."""
    from solver import cli, runner
    from tests.fake_search import SearchScript
    from tests.fake_writer import WriterScript

    runner.enter = Script(Path(notes), pause=float(pause))
    runner.enter_search = SearchScript(Path(notes), pause=float(pause))
    runner.enter_writing = WriterScript(Path(notes), pause=float(pause))
    sys.exit(cli.submission(arguments))
