"""Which task runs next and for how many seconds. Pure: told the time and what happened, it only decides.

Seconds are shared evenly over what is left to do, so whatever one task leaves goes to the others. When every task
has had its pass and time remains, the tasks whose answers are least agreed on get another pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

MAX_TRIES = 2
"""A task is given to a worker again when its worker died, this many times in all."""


@dataclass(frozen=True, slots=True)
class Policy:
    """stop: the moment by which all work must be done; workers: how many run at once;
    passes: most passes over a task; shortest: a further pass needs at least this many seconds;
    longest: most seconds for one pass of one task (the whole run's, by default)."""

    stop: float
    workers: int
    passes: int = 1
    shortest: float = 10.0
    longest: float = float("inf")


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to work on a task until `ends`. number: which pass over it this is."""

    task_id: str
    ends: float
    number: int


@dataclass(slots=True)
class Scheduler:
    """State of a run. `waiting` is in the order in which tasks are started."""

    policy: Policy
    waiting: list[str]
    running: dict[str, Grant] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    passes: dict[str, int] = field(default_factory=dict)
    doubt: dict[str, float] = field(default_factory=dict)

    def next(self, now: float) -> Grant | None:
        """The next grant, or None when nothing is to be started (any more, or while others run)."""
        if now >= self.policy.stop:
            return None
        if not self.waiting and not self._refill(now):
            return None
        task_id = self.waiting.pop(0)
        ends = min(now + self.allotment(now, len(self.waiting) + 1), self.policy.stop)
        grant = Grant(task_id, ends, self.passes.get(task_id, 0))
        self.running[task_id] = grant
        self.tries[task_id] = self.tries.get(task_id, 0) + 1
        return grant

    def allotment(self, now: float, tasks: int) -> float:
        """Seconds for each of `tasks` waiting tasks: the workers' seconds not yet promised, shared evenly."""
        left = max(0.0, self.policy.stop - now)
        promised = sum(min(left, max(0.0, grant.ends - now)) for grant in self.running.values())
        share = (left * self.policy.workers - promised) / tasks
        return min(max(0.0, share), left, self.policy.longest)

    def finished(self, task_id: str, doubt: float) -> None:
        """A pass ended. doubt: 0 when all views agree, 1 when there is no candidate at all."""
        del self.running[task_id]
        self.passes[task_id] = self.passes.get(task_id, 0) + 1
        self.tries[task_id] = 0
        self.doubt[task_id] = doubt

    def lost(self, task_id: str) -> bool:
        """The worker died on a task. True: the task waits for another try."""
        del self.running[task_id]
        if self.tries[task_id] >= MAX_TRIES:
            self.passes[task_id] = self.policy.passes
            return False
        self.waiting.insert(0, task_id)
        return True

    def worker_gone(self) -> None:
        """One worker less, for good: its seconds are no longer there to be shared."""
        self.policy = replace(self.policy, workers=max(1, self.policy.workers - 1))

    def exhausted(self, now: float) -> bool:
        """Whether there is nothing to wait for: no task runs, and none is to be started any more."""
        return not (self.running or self.waiting or self._open_tasks(now)) or now >= self.policy.stop

    def _refill(self, now: float) -> bool:
        """Puts tasks worth another pass back in the queue, the most doubtful first; False when there is none."""
        open_tasks = self._open_tasks(now)
        seconds = (self.policy.stop - now) * self.policy.workers
        affordable = max(1, int(seconds / self.policy.shortest))
        open_tasks.sort(key=lambda task_id: (self.passes[task_id], -self.doubt.get(task_id, 1.0), task_id))
        self.waiting = open_tasks[:affordable]
        return bool(open_tasks)

    def _open_tasks(self, now: float) -> list[str]:
        """The tasks that another pass could help, while there is time for one."""
        if self.policy.stop - now < self.policy.shortest:
            return []
        return [
            task_id
            for task_id, count in self.passes.items()
            if count < self.policy.passes and task_id not in self.running and self.doubt.get(task_id, 1.0) > 0
        ]


def easiest_first(sizes: Sequence[tuple[str, int]]) -> list[str]:
    """Task ids by prompt tokens: short tasks cost least and are solved most, so they are not left to the end."""
    return [task_id for task_id, _ in sorted(sizes, key=lambda item: (item[1], item[0]))]
