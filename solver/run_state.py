"""A run's state, as its loop, its watchers and its journal see it; where an earlier run left off. Starts no process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from solver.attempts import Attempts, Candidate, Channel
from solver.augmentation import Episode
from solver.budget import Clock
from solver.fusion import Fused, fuse, settled
from solver.grid import InputError
from solver.journal import Json, read_journal
from solver.records import (
    InductionRecord,
    Outcome,
    SearchRecord,
    TaskRecord,
    finished_inductions,
    finished_searches,
    finished_tasks,
)
from solver.scheduler import WARM_UP_SHARE, Policy, Scheduler, easiest_first, induction_policy, search_policy
from solver.settings import VOTES, Settings
from solver.task import Query, Task
from solver.voting import fallback


@dataclass(slots=True)
class Run:
    """The state of a run.

    records, scheduler: of the model's work; searches, searching: of the program search's; inductions, inducing: of the
    programs that a language model writes. found: all the model's candidates of each task, those of unfinished passes
    included; stale: tasks whose candidates are those of an earlier run's first pass that did not end: they count until
    there are new ones.
    """

    settings: Settings
    tasks: dict[str, Task]
    answers: dict[Query, Attempts]
    records: dict[str, TaskRecord]
    searches: dict[str, SearchRecord]
    inductions: dict[str, InductionRecord]
    scheduler: Scheduler
    searching: Scheduler
    inducing: Scheduler
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
        known = (self.records, self.searches, self.inductions)
        return [task_id for task_id in self.tasks if any(task_id in records for records in known)]

    def candidates(self, task_id: str) -> list[Candidate]:
        """Those of all channels."""
        searched = self.searches[task_id].candidates if task_id in self.searches else ()
        written = self.inductions[task_id].candidates if task_id in self.inductions else ()
        return [*self.found[task_id], *searched, *written]

    def closed(self, task_id: str) -> bool:
        """Whether programs have said all that they will say to a task."""
        now = self.clock()
        return not any(
            task_id in other.running or (task_id in other.waiting and now < other.policy.stop)
            for other in (self.searching, self.inducing)
        )

    def fused(self, task_id: str, only: Channel | None = None) -> tuple[Fused, ...]:
        """What all candidates of a task, or those of one channel, give now: one per test input."""
        candidates = [one for one in self.candidates(task_id) if only in (None, one.channel)]
        return fuse(self.tasks[task_id], candidates, VOTES[self.settings.vote])

    def doubt(self, task_id: str) -> float:
        """0 when channels, or all views, agree on all of a task; 1 when nothing speaks for some of its answers."""
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
        """A search ended: models may have to think less of its task."""
        self.searches[record.task_id] = record
        self._tell_model(record.task_id)
        if settled(self.tasks[record.task_id], record.candidates):
            self.inducing.drop(record.task_id)

    def written(self, record: InductionRecord) -> None:
        """Programs were written for a task: the other model may have to think less of it."""
        self.inductions[record.task_id] = record
        self._tell_model(record.task_id)

    def _tell_model(self, task_id: str) -> None:
        programs = [one for one in self.candidates(task_id) if one.channel is not Channel.MODEL]
        self.scheduler.learned(task_id, self.doubt(task_id), settled(self.tasks[task_id], programs))


class Watcher(Protocol):
    """Somebody looking on: told of every change, able to change nothing."""

    def started(self, run: Run) -> None: ...

    def changed(self, run: Run) -> None: ...

    def ended(self, run: Run) -> None: ...


def new_run(settings: Settings, tasks: Sequence[Task], clock: Clock) -> Run:
    """A run at its beginning, or where an earlier one in the same directory left off."""
    events = _earlier(settings, tasks)
    earlier, searches, inductions = finished_tasks(events), finished_searches(events), finished_inductions(events)
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
        {},
        _model_scheduler(settings, [task for task in tasks if task.id not in records]),
        _search_scheduler(settings, [task for task in tasks if task.id not in searches], clock()),
        _induction_scheduler(settings, [task for task in tasks if not _written(inductions.get(task.id))], clock()),
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
    for induction in inductions.values():
        state.written(induction)
        state.conclude(induction.task_id)
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


def _induction_scheduler(settings: Settings, tasks: Sequence[Task], now: float) -> Scheduler:
    """Nothing to do where no model writes programs. In turns, it gets its own end once it is ready to begin."""
    policy = induction_policy(now, settings.stop(), len(settings.devices), turns=False)
    return Scheduler(policy, easiest_first([(task.id, _cells(task)) for task in tasks]) if settings.writer else [])


def _cells(task: Task) -> int:
    grids = [grid for pair in task.train for grid in (pair.input, pair.output)]
    return sum(grid.height * grid.width for grid in (*grids, *task.test_inputs))


def _whole(record: TaskRecord) -> bool:
    """Whether a task had its first pass; one cut short or failed begins anew, its answers stand until then."""
    return record.status is Outcome.DONE or (record.status is Outcome.TIMED_OUT and record.pass_number > 0)


def _written(record: InductionRecord | None) -> bool:
    """Whether a task had its programs; one that failed or came too late begins anew, its answers stand until then."""
    return record is not None and record.status is Outcome.DONE


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
