"""A run's settings and state, as its loop, its watchers and its journal see them. Starts no process."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from solver.attempts import Attempts, Candidate
from solver.augmentation import Episode
from solver.budget import Clock
from solver.grid import Grid, InputError
from solver.journal import Outcome, TaskRecord, finished_tasks, read_journal
from solver.profiles import Profile
from solver.scheduler import Policy, Scheduler, easiest_first
from solver.task import Query, Task
from solver.voting import choose, fallback, flat_vote, hierarchical_vote

VOTES: dict[str, Callable[[Sequence[Candidate]], tuple[Grid, ...]]] = {
    "hierarchical": hierarchical_vote,
    "flat": flat_vote,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """A resolved run.

    began: monotonic clock when the budget (seconds) started; devices: one worker each (None: the best there is);
    threads: per worker, 0 for the library's choice; ttt_steps: exactly so many per task, None for as many as fit.
    """

    output: Path
    run_dir: Path
    profile: Profile
    budget: float
    began: float
    devices: tuple[str | None, ...]
    threads: int = 0
    quantize: str = "nf4"
    vote: str = "hierarchical"
    ttt: bool = True
    ttt_steps: int | None = None
    passes: int = 1
    seed: int = 0
    resume: bool = False

    @property
    def journal(self) -> Path:
        return self.run_dir / "journal.jsonl"

    def reserve(self) -> float:
        """Seconds kept at the end for the last vote, the last write and the table."""
        return min(30.0, max(1.5, 0.01 * self.budget))

    def stop(self) -> float:
        """The moment by which all work on tasks must be over."""
        return self.began + self.budget - self.reserve()

    def fixed(self, tasks: Sequence[Task]) -> dict[str, Any]:
        """What must not change when a run is resumed."""
        digest = hashlib.sha256(repr(sorted(tasks, key=lambda task: task.id)).encode()).hexdigest()
        return {
            "base": self.profile.name,
            "weights": sum(file.stat().st_size for file in self.profile.folder.glob("*.safetensors")),
            "tasks": digest,
            "quantize": self.quantize,
            "ttt": self.ttt,
            "ttt_steps": self.ttt_steps,
            "seed": self.seed,
        }

    def to_json(self, tasks: Sequence[Task]) -> dict[str, Any]:
        return self.fixed(tasks) | {
            "output": str(self.output),
            "folder": str(self.profile.folder),
            "budget": self.budget,
            "devices": [device or "auto" for device in self.devices],
            "threads": self.threads,
            "vote": self.vote,
            "passes": self.passes,
            "task_count": len(tasks),
        }


@dataclass(slots=True)
class Run:
    """The state of a run. `found` holds all candidates of each task, those of unfinished passes included."""

    settings: Settings
    tasks: dict[str, Task]
    answers: dict[Query, Attempts]
    records: dict[str, TaskRecord]
    scheduler: Scheduler
    clock: Clock
    found: dict[str, list[Candidate]]
    problems: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)

    def left(self) -> float:
        """Seconds of the budget left."""
        return self.settings.began + self.settings.budget - self.clock()

    def candidates(self, query: Query) -> list[Candidate]:
        return [candidate for candidate in self.found[query.task_id] if candidate.query == query]

    def vote(self, task_id: str) -> tuple[Attempts, ...]:
        """The attempts that all candidates of a task give now, one per test input."""
        task = self.tasks[task_id]
        count = VOTES[self.settings.vote]
        chosen = []
        for query in task.queries():
            candidates = self.candidates(query)
            predictions = [candidate.grid for candidate in candidates]
            chosen.append(choose(count(candidates), task, query, predictions))
        return tuple(chosen)

    def doubt(self, task_id: str) -> float:
        """How little a task's views agree: 0 when all say the same, 1 when some test input has no candidate."""
        shares = []
        for query in self.tasks[task_id].queries():
            counts = Counter(candidate.grid for candidate in self.candidates(query))
            shares.append(max(counts.values()) / counts.total() if counts else 0.0)
        return 1 - min(shares)


class Watcher(Protocol):
    """Somebody looking on: told of every change, able to change nothing."""

    def started(self, run: Run) -> None: ...

    def changed(self, run: Run) -> None: ...

    def ended(self, run: Run) -> None: ...


def new_run(settings: Settings, tasks: Sequence[Task], clock: Clock) -> Run:
    """A run at its beginning, or where an earlier one in the same directory left off."""
    earlier = _earlier(settings, tasks)
    records = {task_id: record for task_id, record in earlier.items() if _whole(record)}
    answers = {query: fallback(task, query.index) for task in tasks for query in task.queries()}
    for task_id, record in earlier.items():
        answers |= {Query(task_id, index): attempts for index, attempts in enumerate(record.attempts)}
    fmt = settings.profile.format
    sizes = [
        (task.id, sum(fmt.length(Episode(task.train, query)) for query in task.test_inputs))
        for task in tasks
        if task.id not in records
    ]
    scheduler = Scheduler(Policy(settings.stop(), len(settings.devices), settings.passes), easiest_first(sizes))
    found = {task.id: list(records[task.id].candidates) if task.id in records else [] for task in tasks}
    state = Run(settings, {task.id: task for task in tasks}, answers, records, scheduler, clock, found)
    for task_id, record in records.items():
        scheduler.passes[task_id] = record.pass_number + 1
        scheduler.doubt[task_id] = state.doubt(task_id)
    return state


def _whole(record: TaskRecord) -> bool:
    """Whether a task had its first pass; one cut short or failed begins anew, its answers stand until then."""
    return record.status is Outcome.DONE or (record.status is Outcome.TIMED_OUT and record.pass_number > 0)


def _earlier(settings: Settings, tasks: Sequence[Task]) -> dict[str, TaskRecord]:
    """Records of the tasks that an earlier, compatible run in the same directory worked on."""
    path = settings.journal
    if not path.exists():
        return {}
    if not settings.resume:
        raise InputError(f"{path}: a run was recorded here; add --resume to go on, or choose another --run-dir")
    events = read_journal(path)
    for event in events:
        if event["event"] == "run":
            for key, value in settings.fixed(tasks).items():
                if event.get(key) != value:
                    raise InputError(f"{path}: cannot resume: {key} was {event.get(key)!r}, now it is {value!r}")
    return finished_tasks(events)
