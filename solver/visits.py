"""What one base has done in a run and is to do: its visits to tasks; where an earlier run left off. No process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from solver.attempts import Candidate
from solver.augmentation import Episode
from solver.grid import Grid
from solver.profiles import Profile
from solver.records import TaskRecord
from solver.scheduler import LEAST_VISIT, Policy, Scheduler, easiest_first
from solver.settings import Settings
from solver.task import Query, Task


@dataclass(slots=True)
class Visits:
    """One base's part in a run. number: its place in the order in which the bases have their turns.

    found: all its candidates of each task, those of unfinished passes included; sizes: tokens of the prompts of each
    task that waits; stale: tasks whose candidates are those of an earlier run's first pass that did not end: they count
    until there are new ones; broken: tasks whose last try died with its worker; what it found waits to be replaced by
    another try's candidates.
    """

    number: int
    scheduler: Scheduler
    records: dict[str, TaskRecord]
    found: dict[str, list[Candidate]]
    sizes: dict[str, int]
    stale: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def superseded(self, task_id: str) -> bool:
        """Whether what was found last gives way to the first candidates of another try."""
        return task_id in self.broken or task_id in self.stale

    def renewed(self, task_id: str) -> None:
        """What was found is this try's."""
        self.broken.discard(task_id)
        self.stale.discard(task_id)

    def recorded(self, task_id: str) -> list[Candidate]:
        """The candidates of passes that ended."""
        return list(self.records[task_id].candidates) if task_id in self.records else []

    def standing(self, task_id: str) -> list[Candidate]:
        """The candidates that another pass will not replace."""
        return self.recorded(task_id) if self.superseded(task_id) else self.found[task_id]

    def whole(self, task_id: str) -> bool:
        """Whether the base had a whole pass over the task."""
        return task_id in self.records and self.records[task_id].whole()


def begin_visits(
    settings: Settings, tasks: Sequence[Task], earlier: Sequence[Mapping[str, TaskRecord]]
) -> tuple[Visits, ...]:
    """Every base's part, at its beginning or where earlier runs (by base, the last record of each task) left off.

    A base that others come after leaves out the tasks that one of these has visited: they need no early answer.
    """
    return tuple(
        _begin(settings, number, profile, tasks, earlier[number], frozenset().union(*earlier[number + 1 :]))
        for number, profile in enumerate(settings.profiles)
    )


def _begin(
    settings: Settings,
    number: int,
    profile: Profile,
    tasks: Sequence[Task],
    earlier: Mapping[str, TaskRecord],
    visited: Iterable[str],
) -> Visits:
    records = {task_id: record for task_id, record in earlier.items() if record.whole()}
    left_out = {*records, *visited}
    length = profile.format.length
    sizes = {
        task.id: sum(length(Episode(task.train, query)) for query in task.test_inputs)
        for task in tasks
        if task.id not in left_out
    }
    last = number == len(settings.profiles) - 1
    passes = settings.passes if last else 1
    policy = Policy(settings.stop(), len(settings.devices), passes, least=LEAST_VISIT if number else 0.0)
    scheduler = Scheduler(policy, easiest_first([*sizes.items()]))
    scheduler.passes = {task_id: record.pass_number + 1 for task_id, record in records.items()}
    found = {task.id: list(earlier[task.id].candidates) if task.id in earlier else [] for task in tasks}
    return Visits(number, scheduler, records, found, sizes, earlier.keys() - records.keys())


def rescored(candidates: Iterable[Candidate], scores: Mapping[Query, Mapping[Grid, float]]) -> list[Candidate]:
    """The candidates, those of these queries with their scores, or with none."""
    return [replace(one, score=scores[one.query].get(one.grid)) if one.query in scores else one for one in candidates]


def rescore(bases: Iterable[Visits], scores: Mapping[Query, Mapping[Grid, float]]) -> None:
    """Gives the candidates of these queries their scores, and those without one none: scores from other views, or from
    another base, cannot be compared with these."""
    tasks = {query.task_id for query in scores}
    for base in bases:
        for task_id in tasks & base.found.keys():
            base.found[task_id][:] = rescored(base.found[task_id], scores)
