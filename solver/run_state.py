"""A run's settings and state, as its loop, its watchers and its journal see them. Starts no process."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from solver.attempts import Attempts, Candidate, Channel
from solver.augmentation import Episode
from solver.budget import Clock
from solver.fusion import Fused, Vote, fuse, settled
from solver.grid import InputError
from solver.journal import Json, read_journal
from solver.profiles import Profile
from solver.records import Outcome, SearchRecord, TaskRecord, finished_searches, finished_tasks
from solver.scheduler import WARM_UP_SHARE, Policy, Scheduler, easiest_first, search_policy
from solver.task import Query, Task
from solver.voting import fallback, flat_vote, hierarchical_vote

CHANNELS = ("ttt", "search")
"""What people call the model and the program search."""

VOTES: dict[str, Vote] = {
    "hierarchical": hierarchical_vote,
    "flat": flat_vote,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """A resolved run.

    profile: the base, None if only programs are searched for; began: monotonic clock when the budget (seconds)
    started; devices: one worker each (None: the best there is); threads: per worker, 0 for the library's choice;
    searchers: search workers, none if there is no program search; search_memory: bytes for each of them;
    search_seconds: of the processor, most per task, None for what the scheduler thinks right;
    ttt_steps: exactly so many per task, None for as many as fit.
    """

    output: Path
    run_dir: Path
    profile: Profile | None
    budget: float
    began: float
    devices: tuple[str | None, ...]
    threads: int = 0
    searchers: int = 0
    search_memory: int = 2 * 2**30
    search_seconds: float | None = None
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

    def channels(self) -> list[str]:
        on = (self.profile is not None, self.searchers > 0)
        return [name for name, is_on in zip(CHANNELS, on, strict=True) if is_on]

    def turns(self) -> bool:
        """Whether the search and the model work on the same cores, so that one waits for the other."""
        return bool(self.searchers and self.devices) and all(device == "cpu" for device in self.devices)

    def longest_search(self) -> float | None:
        """Wall-clock seconds that one search may last: where the processor's are limited, those decide."""
        return None if self.search_seconds is None else math.inf

    def fixed(self, tasks: Sequence[Task]) -> dict[str, Any]:
        """What must not change when a run is resumed."""
        digest = hashlib.sha256(repr(sorted(tasks, key=lambda task: task.id)).encode()).hexdigest()
        files = [] if self.profile is None else list(self.profile.folder.glob("*.safetensors"))
        return {
            "channels": self.channels(),
            "base": self.profile and self.profile.name,
            "weights": sum(file.stat().st_size for file in files),
            "tasks": digest,
            "quantize": self.quantize,
            "ttt": self.ttt,
            "ttt_steps": self.ttt_steps,
            "seed": self.seed,
        }

    def to_json(self, tasks: Sequence[Task]) -> dict[str, Any]:
        return self.fixed(tasks) | {
            "output": str(self.output),
            "folder": self.profile and str(self.profile.folder),
            "budget": self.budget,
            "devices": [device or "auto" for device in self.devices],
            "threads": self.threads,
            "searchers": self.searchers,
            "search_memory": self.search_memory,
            "search_seconds": self.search_seconds,
            "vote": self.vote,
            "passes": self.passes,
            "task_count": len(tasks),
        }


@dataclass(slots=True)
class Run:
    """The state of a run.

    records, scheduler: of the model's work; searches, searching: of the program search's. found: all the model's
    candidates of each task, those of unfinished passes included; stale: tasks whose candidates are those of an earlier
    run's first pass that did not end: they count until there are new ones.
    """

    settings: Settings
    tasks: dict[str, Task]
    answers: dict[Query, Attempts]
    records: dict[str, TaskRecord]
    searches: dict[str, SearchRecord]
    scheduler: Scheduler
    searching: Scheduler
    clock: Clock
    found: dict[str, list[Candidate]]
    stale: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)

    def left(self) -> float:
        """Seconds of the budget left."""
        return self.settings.began + self.settings.budget - self.clock()

    def reached(self) -> list[str]:
        """Tasks that some work on has ended."""
        return [task_id for task_id in self.tasks if task_id in self.records or task_id in self.searches]

    def candidates(self, task_id: str) -> list[Candidate]:
        """Those of both channels."""
        programs = self.searches[task_id].candidates if task_id in self.searches else ()
        return [*self.found[task_id], *programs]

    def fused(self, task_id: str, only: Channel | None = None) -> tuple[Fused, ...]:
        """What all candidates of a task, or those of one channel, give now: one per test input."""
        candidates = [one for one in self.candidates(task_id) if only in (None, one.channel)]
        return fuse(self.tasks[task_id], candidates, VOTES[self.settings.vote])

    def doubt(self, task_id: str) -> float:
        """0 when the channels, or all views, agree on all of a task; 1 when nothing speaks for some of its answers."""
        return max(fused.doubt for fused in self.fused(task_id))

    def alone(self, channel: Channel) -> dict[Query, Attempts]:
        """The answers that one channel gives by itself."""
        return {
            query: fused.attempts
            for task_id, task in self.tasks.items()
            for query, fused in zip(task.queries(), self.fused(task_id, channel), strict=True)
        }

    def conclude(self, task_id: str) -> tuple[Fused, ...]:
        """Answers a task by all that is known of it now."""
        fused = self.fused(task_id)
        self.answers |= {Query(task_id, index): one.attempts for index, one in enumerate(fused)}
        return fused

    def searched(self, record: SearchRecord) -> None:
        """A search ended: the model may have to think less of its task."""
        self.searches[record.task_id] = record
        self.scheduler.learned(
            record.task_id, self.doubt(record.task_id), settled(self.tasks[record.task_id], record.candidates)
        )


class Watcher(Protocol):
    """Somebody looking on: told of every change, able to change nothing."""

    def started(self, run: Run) -> None: ...

    def changed(self, run: Run) -> None: ...

    def ended(self, run: Run) -> None: ...


def new_run(settings: Settings, tasks: Sequence[Task], clock: Clock) -> Run:
    """A run at its beginning, or where an earlier one in the same directory left off."""
    events = _earlier(settings, tasks)
    earlier, searches = finished_tasks(events), finished_searches(events)
    records = {task_id: record for task_id, record in earlier.items() if _whole(record)}
    answers = {query: fallback(task, query.index) for task in tasks for query in task.queries()}
    for task_id, record in earlier.items():
        answers |= {Query(task_id, index): attempts for index, attempts in enumerate(record.attempts)}
    state = Run(
        settings,
        {task.id: task for task in tasks},
        answers,
        records,
        {},
        _model_scheduler(settings, [task for task in tasks if task.id not in records]),
        _search_scheduler(settings, [task for task in tasks if task.id not in searches], clock()),
        clock,
        found={task.id: list(earlier[task.id].candidates) if task.id in earlier else [] for task in tasks},
        stale=earlier.keys() - records.keys(),
    )
    for task_id, record in records.items():
        state.scheduler.passes[task_id] = record.pass_number + 1
        state.scheduler.doubt[task_id] = state.doubt(task_id)
    for search in searches.values():
        state.searched(search)
        state.conclude(search.task_id)
    return state


def _model_scheduler(settings: Settings, tasks: Sequence[Task]) -> Scheduler:
    """Nothing to do where there is no model."""
    policy = Policy(settings.stop(), len(settings.devices), settings.passes)
    if settings.profile is None:
        return Scheduler(policy, [])
    length = settings.profile.format.length
    sizes = [(task.id, sum(length(Episode(task.train, query)) for query in task.test_inputs)) for task in tasks]
    return Scheduler(policy, easiest_first(sizes))


def _search_scheduler(settings: Settings, tasks: Sequence[Task], now: float) -> Scheduler:
    """Nothing to do where there is no search. In turns, it gets its own end once it is ready to begin."""
    turns, longest = settings.turns(), settings.longest_search()
    policy = search_policy(now, settings.stop(), settings.searchers, turns, WARM_UP_SHARE, longest)
    return Scheduler(policy, easiest_first([(task.id, _cells(task)) for task in tasks]) if settings.searchers else [])


def _cells(task: Task) -> int:
    grids = [grid for pair in task.train for grid in (pair.input, pair.output)]
    return sum(grid.height * grid.width for grid in (*grids, *task.test_inputs))


def _whole(record: TaskRecord) -> bool:
    """Whether a task had its first pass; one cut short or failed begins anew, its answers stand until then."""
    return record.status is Outcome.DONE or (record.status is Outcome.TIMED_OUT and record.pass_number > 0)


def _earlier(settings: Settings, tasks: Sequence[Task]) -> list[Json]:
    """What earlier, compatible runs in the same directory have recorded."""
    path = settings.journal
    if not path.exists():
        return []
    if not settings.resume:
        raise InputError(f"{path}: a run was recorded here; add --resume to go on, or choose another --run-dir")
    events = read_journal(path)
    for event in events:
        if event["event"] == "run":
            for key, value in settings.fixed(tasks).items():
                if event.get(key) != value:
                    raise InputError(f"{path}: cannot resume: {key} was {event.get(key)!r}, now it is {value!r}")
    return events
