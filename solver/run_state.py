"""A run's state, as its loop, its watchers and its journal see it; where an earlier run left off. Starts no process."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from solver.attempts import Attempts, Candidate, Channel
from solver.budget import Clock
from solver.fusion import Fused, fuse, settled
from solver.grid import InputError
from solver.history import finished_inductions, finished_searches, finished_tasks, last_scores
from solver.journal import Json, check_kind, read_journal
from solver.records import InductionRecord, Outcome, SearchRecord, TaskRecord
from solver.scheduler import WARM_UP_SHARE, Scheduler, easiest_first, expected_gain, induction_policy, search_policy
from solver.settings import CONCERNS, VOTES, Settings
from solver.task import Query, Task
from solver.visits import Visits, begin_visits, rescore
from solver.voting import fallback


@dataclass(slots=True)
class Run:
    """The state of a run.

    bases: the part of every base that is trained; searches, searching: of the program search's work; inductions,
    inducing: of the programs that a language model writes.
    """

    settings: Settings
    tasks: dict[str, Task]
    answers: dict[Query, Attempts]
    bases: tuple[Visits, ...]
    searches: dict[str, SearchRecord]
    inductions: dict[str, InductionRecord]
    searching: Scheduler
    inducing: Scheduler
    clock: Clock
    problems: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)

    def left(self) -> float:
        """Seconds of the budget left."""
        return self.settings.began + self.settings.budget - self.clock()

    def reached(self) -> list[str]:
        """Tasks that some work on has ended."""
        known: list[Collection[str]] = [*(base.records for base in self.bases), self.searches, self.inductions]
        return [task_id for task_id in self.tasks if any(task_id in records for records in known)]

    def candidates(self, task_id: str) -> list[Candidate]:
        """Those of all bases and channels."""
        return [*(one for base in self.bases for one in base.found[task_id]), *self.programs(task_id)]

    def programs(self, task_id: str) -> list[Candidate]:
        """The answers of searched and of written programs."""
        searched = self.searches[task_id].candidates if task_id in self.searches else ()
        written = self.inductions[task_id].candidates if task_id in self.inductions else ()
        return [*searched, *written]

    def closed(self, task_id: str) -> bool:
        """Whether programs have said all that they will say to a task."""
        now = self.clock()
        return not any(
            task_id in other.running or (task_id in other.waiting and now < other.policy.stop)
            for other in (self.searching, self.inducing)
        )

    def fused(self, task_id: str, only: Channel | None = None) -> tuple[Fused, ...]:
        """What all candidates of a task, or those of one channel, give now: one per test input."""
        return self._fuse(task_id, [one for one in self.candidates(task_id) if only in (None, one.channel)])

    def _fuse(self, task_id: str, candidates: Sequence[Candidate]) -> tuple[Fused, ...]:
        return fuse(self.tasks[task_id], candidates, VOTES[self.settings.vote])

    def doubt(self, task_id: str) -> float:
        """0 when channels, or all views, agree on all of a task; 1 when nothing speaks for some of its answers."""
        return max(fused.doubt for fused in self.fused(task_id))

    def doubt_before(self, task_id: str) -> float:
        """The same for a base that has not visited the task: without what others said on visits that were cut short.

        A single view agrees with itself, which is no reason to leave a task to the end.
        """
        said = [one for base in self.bases if base.whole(task_id) for one in base.found[task_id]]
        return max(fused.doubt for fused in self._fuse(task_id, [*said, *self.programs(task_id)]))

    def alone(self, channel: Channel) -> dict[Query, Attempts]:
        """The answers that one channel gives by itself."""
        return self._answers({task_id: self.fused(task_id, channel) for task_id in self.tasks})

    def base_alone(self, base: Visits) -> dict[Query, Attempts]:
        """The answers that one base gives by itself, with the scores that it gave itself."""
        return self._answers(
            {task_id: self._fuse(task_id, base.recorded(task_id) or base.found[task_id]) for task_id in self.tasks}
        )

    def _answers(self, fused: Mapping[str, Sequence[Fused]]) -> dict[Query, Attempts]:
        return {
            Query(task_id, index): one.attempts for task_id, all_ in fused.items() for index, one in enumerate(all_)
        }

    def conclude(self, task_id: str) -> tuple[Fused, ...]:
        """Answers a task by all that is known of it now."""
        fused = self.fused(task_id)
        self.answers |= self._answers({task_id: fused})
        return fused

    def visited(self, record: TaskRecord) -> None:
        """A base's pass over a task ended: those before it need not give it an early answer, those after it may have to
        think less of it."""
        self.bases[record.base].records[record.task_id] = record
        for base in self.bases[: record.base]:
            base.scheduler.drop(record.task_id)
        self.tell(record.task_id, self.bases[record.base + 1 :])

    def searched(self, record: SearchRecord) -> None:
        """A search ended: models may have to think less of its task."""
        self.searches[record.task_id] = record
        self.tell(record.task_id, self.bases)
        if settled(self.tasks[record.task_id], record.candidates):
            self.inducing.drop(record.task_id)

    def written(self, record: InductionRecord) -> None:
        """Programs were written for a task: the other model may have to think less of it."""
        self.inductions[record.task_id] = record
        self.tell(record.task_id, self.bases)

    def tell(self, task_id: str, bases: Sequence[Visits]) -> None:
        """News of a task for some bases. Those after the first take tasks in the order of what is to be gained, and at
        last those that nothing speaks against."""
        sure = settled(self.tasks[task_id], self.programs(task_id))
        for base in bases:
            if not base.number or task_id in base.scheduler.passes:
                base.scheduler.learned(task_id, self.doubt(task_id), sure)
                continue
            doubt = self.doubt_before(task_id)
            base.scheduler.learned(task_id, doubt, sure or not doubt)
            base.scheduler.promise(task_id, expected_gain(doubt, base.sizes.get(task_id, 0)))


class Watcher(Protocol):
    """Somebody looking on: told of every change, able to change nothing."""

    def started(self, run: Run) -> None: ...

    def changed(self, run: Run) -> None: ...

    def ended(self, run: Run) -> None: ...


def new_run(settings: Settings, tasks: Sequence[Task], clock: Clock) -> Run:
    """A run at its beginning, or where an earlier one in the same directory left off."""
    events = _earlier(settings, tasks)
    earlier = [finished_tasks(events, number) for number in range(len(settings.profiles))]
    searches, inductions = finished_searches(events), finished_inductions(events)
    state = Run(
        settings,
        {task.id: task for task in tasks},
        {query: fallback(task, query.index) for task in tasks for query in task.queries()},
        begin_visits(settings, tasks, earlier),
        {},
        {},
        _search_scheduler(settings, [task for task in tasks if task.id not in searches], clock()),
        _induction_scheduler(settings, [task for task in tasks if not _written(inductions.get(task.id))], clock()),
        clock,
    )
    if len(state.bases) > 1:
        rescore(state.bases, last_scores(events))
        for task in tasks:
            state.tell(task.id, state.bases[1:])
    for base in state.bases:
        for task_id in base.records:
            base.scheduler.doubt[task_id] = state.doubt(task_id)
    for search in searches.values():
        state.searched(search)
    for induction in inductions.values():
        state.written(induction)
    for task_id in state.tasks:
        # Not the attempts that were recorded: this sitting may vote otherwise.
        if state.candidates(task_id):
            state.conclude(task_id)
    return state


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
    check_kind(path, events, "run")
    for event in events:
        if event["event"] == "run":
            _check_same(path, event, settings.fixed(tasks))
    return events


def _check_same(path: Path, event: Json, now: Json) -> None:
    """Raises `InputError` naming what differs from an earlier sitting; channels may have been added since."""
    channels = set(event.get("channels") or ())
    for key, value in now.items():
        if key == "channels" and channels:
            same = channels <= set(value)
        else:
            same = event.get(key) == value or (key in CONCERNS and not CONCERNS[key] & channels)
        if not same and key == "tasks":
            raise InputError(f"{path}: cannot resume: other tasks were recorded there")
        if not same:
            raise InputError(f"{path}: cannot resume: {key} was {event.get(key)!r}, now it is {value!r}")
