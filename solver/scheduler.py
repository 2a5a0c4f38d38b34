"""Which task runs next and for how many seconds. Pure: told the time and what happened, it only decides.

Seconds are shared evenly over what is left to do, so whatever one task leaves goes to the others. When every task
has had its pass and time remains, the tasks whose answers are least agreed on get another pass. Every base and the
program search have a scheduler each; what a search finds out reaches the bases' through `learned`.

Where search and models work on the same cores they take turns: first all seats search, for at most `SEARCH_SHARE` of
the time (more in a resumed run, where models have visited tasks before) and `SEARCH_LONGEST` a task; whoever is done
with that makes room for a model. A search with cores of its own runs from the start and may take longer. A model that
writes programs has the devices before the one that is trained on each task, for at most `INDUCTION_SHARE` of the time;
what settles a task then saves its training.

Where several bases are trained, each has the devices before the next one: all but the last visit every task once, for
at most `EARLY_SHARE` of the time; the last has the rest and all further passes. By then most tasks have answers, so the
later bases take tasks in the order of what is to be gained (`promise`), and those that nothing speaks against at last.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

MAX_TRIES = 2
"""A task is given to a worker again when its worker died, this many times in all."""

SEARCH_SHARE = 0.25
"""Of the time left, what the search takes where the model waits for its cores."""

SEARCH_LONGEST = 30.0
"""Most seconds of search per task where the model waits for its cores: most programs it finds, it finds sooner."""

SEARCH_LONGEST_ALONE = 300.0
"""Most seconds of search per task where it keeps nobody waiting."""

INDUCTION_SHARE = 0.4
"""Of the time left, for how long programs are written where test-time training waits for the same devices. The two are
about equally strong (Li et al. 2024); training has no answer at all before it ends, programs may come early."""

EARLY_SHARE = 0.25
"""Of the time left, for how long every base but the last visits tasks. What comes first is meant to be small: a base of
1B takes about an eighth of the operations of one of 8B, so that in a quarter of the time it makes more than twice the
steps that the other can make in the rest; and most of what is asked of it, an early answer to everything, is less."""

LEAST_VISIT = 30.0
"""Least seconds for a visit by a base after the first. Tasks mostly have answers by then: better a few visits that get
somewhere, where most is to be gained, than many that change nothing."""

WRITING_MARGIN = 10.0
"""Seconds before the end of all work by which programs are written where nothing comes after: the last ones may still
run then, and only what is reported in time counts. At most a tenth of the time."""

WARM_UP_SHARE = 0.5
"""Of the time left, how much the search may take to get ready: on its first run on a machine it is compiled."""


@dataclass(frozen=True, slots=True)
class Policy:
    """stop: the moment by which all work must be done; workers: how many run at once;
    passes: most passes over a task; shortest: a further pass needs at least this many seconds;
    longest: most seconds for one pass of one task (the whole run's, by default);
    least: seconds that any pass gets while there are so many, though the last tasks then go without."""

    stop: float
    workers: int
    passes: int = 1
    shortest: float = 10.0
    longest: float = float("inf")
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to work on a task until `ends`. number: which pass over it this is."""

    task_id: str
    ends: float
    number: int


@dataclass(slots=True)
class Scheduler:
    """State of a run. `waiting` is in the order in which tasks are started.

    deferred: tasks that are solved by all appearances (settled); they wait until all others had their first pass.
    gains: what a first pass over a task promises, where that decides the order (0 where nothing is known of it).
    """

    policy: Policy
    waiting: list[str]
    deferred: list[str] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    running: dict[str, Grant] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    passes: dict[str, int] = field(default_factory=dict)
    doubt: dict[str, float] = field(default_factory=dict)
    gains: dict[str, float] = field(default_factory=dict)

    def next(self, now: float, busy: Collection[str] = ()) -> Grant | None:
        """The next grant, or None when nothing is to be started (any more, or while others run).

        busy: tasks that another base works on: what it finds is to be known before they are started here.
        """
        if now >= self.policy.stop:
            return None
        if not (self.waiting or self._release(now) or self._refill(now)):
            return None
        free = [task_id for task_id in self.waiting if task_id not in busy]
        if not free:
            return None
        task_id = free[0]
        self.waiting.remove(task_id)
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
        return min(max(0.0, share, self.policy.least), left, self.policy.longest)

    def finished(self, task_id: str, doubt: float) -> None:
        """A pass ended. doubt: 0 when all views agree, 1 when there is no candidate at all."""
        del self.running[task_id]
        self.passes[task_id] = self.passes.get(task_id, 0) + 1
        self.tries[task_id] = 0
        self.doubt[task_id] = doubt

    def learned(self, task_id: str, doubt: float, settled: bool) -> None:
        """Another channel's answer to a task came in. settled: it hardly needs this one, by all that is known now."""
        waits = task_id in self.waiting
        if task_id in self.passes:
            self.doubt[task_id] = doubt
            if waits and not doubt:
                self.waiting.remove(task_id)
        elif waits and settled and not self.tries.get(task_id):
            self.waiting.remove(task_id)
            self.deferred.append(task_id)
            self.settled.add(task_id)
        elif not settled and task_id in self.deferred:
            # What had settled it was contradicted.
            self.deferred.remove(task_id)
            self.settled.remove(task_id)
            self._queue(task_id)

    def promise(self, task_id: str, gain: float) -> None:
        """What a first pass over a task promises, as far as is known now: the most promising come first."""
        self.gains[task_id] = gain
        self.waiting.sort(key=lambda one: (self._rank(one), -self.gains.get(one, 0.0) if self._new(one) else 0.0))

    def drop(self, task_id: str) -> None:
        """A task is not worth starting any more; one that was started stays."""
        if task_id in self.waiting and self._new(task_id) and not self.tries.get(task_id):
            self.waiting.remove(task_id)
        elif task_id in self.deferred:
            self.deferred.remove(task_id)
            self.settled.discard(task_id)

    def lost(self, task_id: str) -> bool:
        """The worker died on a task. True: the task waits for another try."""
        del self.running[task_id]
        if self.tries[task_id] >= MAX_TRIES:
            self.passes[task_id] = self.policy.passes
            return False
        self._queue(task_id)
        return True

    def _queue(self, task_id: str) -> None:
        """Next, but not before tasks that need a pass more."""
        ahead = [self._rank(other) < self._rank(task_id) for other in self.waiting]
        self.waiting.insert(ahead.index(False) if False in ahead else len(ahead), task_id)

    def _rank(self, task_id: str) -> tuple[int, bool]:
        """Lower for tasks that need a pass more: fewer passes so far, then not settled."""
        return self.passes.get(task_id, 0), task_id in self.settled

    def _new(self, task_id: str) -> bool:
        return task_id not in self.passes

    def worker_gone(self) -> None:
        """One worker less, for good: its seconds are no longer there to be shared."""
        self.policy = replace(self.policy, workers=max(1, self.policy.workers - 1))

    def exhausted(self, now: float) -> bool:
        """Whether there is nothing to wait for: no task runs, and none is to be started any more."""
        return now >= self.policy.stop or (not self.running and self.handed_out(now))

    def handed_out(self, now: float) -> bool:
        """Whether no task is to be started any more, unless one that runs now is lost or leaves doubts."""
        left_over = self.deferred and not self._too_late(now)
        return now >= self.policy.stop or not (self.waiting or left_over or self._open_tasks(now))

    def _release(self, now: float) -> bool:
        """Puts deferred tasks in the queue; False when there is none, or no time for one."""
        if not self.deferred or self._too_late(now):
            return False
        affordable = self._affordable(now)
        self.waiting, self.deferred = self.deferred[:affordable], self.deferred[affordable:]
        return True

    def _refill(self, now: float) -> bool:
        """Puts tasks worth another pass back in the queue, the most doubtful first; False when there is none."""
        open_tasks = self._open_tasks(now)
        open_tasks.sort(key=lambda task_id: (self.passes[task_id], -self.doubt.get(task_id, 1.0), task_id))
        self.waiting = open_tasks[: self._affordable(now)]
        return bool(open_tasks)

    def _too_late(self, now: float) -> bool:
        """Whether there is no time for anything but a first pass of tasks that need one."""
        return self.policy.stop - now < self.policy.shortest

    def _affordable(self, now: float) -> int:
        """How many passes of the shortest length there is time for, at least one."""
        return max(1, int((self.policy.stop - now) * self.policy.workers / self.policy.shortest))

    def _open_tasks(self, now: float) -> list[str]:
        """The tasks that another pass could help, while there is time for one."""
        if self._too_late(now):
            return []
        return [
            task_id
            for task_id, count in self.passes.items()
            if count < self.policy.passes and task_id not in self.running and self.doubt.get(task_id, 1.0) > 0
        ]


def easiest_first(sizes: Sequence[tuple[str, int]]) -> list[str]:
    """Task ids by prompt tokens: short tasks cost least and are solved most, so they are not left to the end."""
    return [task_id for task_id, _ in sorted(sizes, key=lambda item: (item[1], item[0]))]


def search_policy(
    now: float, stop: float, workers: int, turns: bool, share: float = SEARCH_SHARE, longest: float | None = None
) -> Policy:
    """One pass of search over every task. turns: whether the model waits for the cores that search;
    longest: most seconds per task, where they are not the usual ones."""
    if turns:
        return Policy(now + share * max(0.0, stop - now), workers, longest=longest or SEARCH_LONGEST)
    return Policy(stop, workers, longest=longest or SEARCH_LONGEST_ALONE)


def search_share(waiting: int, tasks: int) -> float:
    """Of the time left, what the search takes where the model waits for its cores: all of it, but for what is left to
    the tasks that still wait for their first visit (in a resumed run few of the `tasks`, or none)."""
    return 1 - (1 - SEARCH_SHARE) * waiting / tasks


def induction_policy(now: float, stop: float, workers: int, turns: bool) -> Policy:
    """One pass of having programs written for every task. turns: whether test-time training waits for the devices."""
    left = max(0.0, stop - now)
    return Policy(now + INDUCTION_SHARE * left if turns else stop - min(WRITING_MARGIN, 0.1 * left), workers)


def early_stop(now: float, stop: float) -> float:
    """The moment by which a base that others come after must be done with its visits, if they begin now."""
    return now + EARLY_SHARE * max(0.0, stop - now)


def expected_gain(doubt: float, tokens: int) -> float:
    """What a visit to a task promises per unit of its cost. doubt: how much speaks against the present answer, 0..1;
    tokens: of the task's prompts, in proportion to which training and decoding take time.

    That a visit removes the doubt is taken to be as probable for one task as for another.
    """
    return doubt / max(1, tokens)


def room_beside(searching: int, searchers: int, devices: int) -> int:
    """How many device workers have a place while `searching` of the `searchers` still hold the same cores."""
    return devices - math.ceil(devices * searching / searchers)
