"""The scheduler under every order of events that hypothesis finds, on a clock that the test turns."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from solver.scheduler import (
    EARLY_SHARE,
    INDUCTION_SHARE,
    MAX_TRIES,
    SEARCH_LONGEST,
    SEARCH_LONGEST_ALONE,
    SEARCH_SHARE,
    WRITING_MARGIN,
    Grant,
    Policy,
    Scheduler,
    early_stop,
    easiest_first,
    expected_gain,
    induction_policy,
    room_beside,
    search_policy,
    search_share,
)

SLACK = 1e-6
"""Seconds by which a sum of floating-point seconds may be off."""


def names(count: int) -> list[str]:
    return [f"task{number:02d}" for number in range(count)]


class Life(RuleBasedStateMachine):
    """A run in which workers may finish early, overrun, or die at any moment."""

    @initialize(
        workers=st.integers(1, 4),
        tasks=st.integers(0, 7),
        passes=st.integers(1, 3),
        seconds=st.floats(0, 500),
        shortest=st.floats(0.1, 20),
        longest=st.floats(1, 100) | st.just(float("inf")),
        least=st.just(0.0) | st.floats(1, 50),
    )
    def begin(
        self, workers: int, tasks: int, passes: int, seconds: float, shortest: float, longest: float, least: float
    ) -> None:
        self.now = 1000.0
        self.policy = Policy(self.now + seconds, workers, passes, shortest, longest, least)
        self.scheduler = Scheduler(self.policy, names(tasks))
        self.running: dict[str, Grant] = {}
        self.finished: Counter[str] = Counter()
        self.tries: Counter[tuple[str, int]] = Counter()
        self.doubt: dict[str, float] = {}
        self.given_up: set[str] = set()
        self.settled: set[str] = set()
        self.dropped: set[str] = set()

    @precondition(lambda self: len(self.running) < self.policy.workers)
    @rule(data=st.data())
    def hand_out(self, data: st.DataObject) -> None:
        busy = data.draw(st.sets(st.sampled_from(names(7)), max_size=2))
        unseen = [task for task in self.scheduler.waiting if task not in self.doubt and task not in busy]
        before = sum(max(0.0, grant.ends - self.now) for grant in self.running.values())
        grant = self.scheduler.next(self.now, busy)
        if grant is None and set(self.scheduler.waiting) & busy:
            assert self.now >= self.policy.stop or set(self.scheduler.waiting) <= busy
            return
        if grant is None:
            assert self.now >= self.policy.stop or not self.scheduler.waiting
            late = self.policy.stop - self.now < self.policy.shortest
            assert late or not self.scheduler.deferred, "time is left over, but not used"
            return
        assert self.now < self.policy.stop, "a job started at or after the stop"
        assert grant.task_id not in self.running, "one task given to two workers"
        assert grant.task_id not in busy, "one task given to two bases"
        assert grant.task_id not in self.given_up, "a task that killed its workers came back"
        assert grant.task_id not in self.dropped, "a task that nobody wants came back"
        assert grant.number == self.finished[grant.task_id] < self.policy.passes
        assert self.now <= grant.ends <= min(self.policy.stop, self.now + self.policy.longest + SLACK)
        if unseen:
            assert grant.task_id not in self.doubt, "a second pass before everybody's first"
        if set(unseen) - self.settled:
            assert grant.task_id not in self.settled, "a task that may wait was not made to"
        if grant.number:
            again = self.tries[grant.task_id, grant.number] > 0
            assert again or self.doubt[grant.task_id] > 0, "a further pass for a task without doubt"
            assert not self.scheduler.deferred, "a further pass before the first of a task that waited long enough"
        self.tries[grant.task_id, grant.number] += 1
        assert self.tries[grant.task_id, grant.number] <= MAX_TRIES
        # Whoever waits can still have as much: the grant took no more than its share of what was not promised.
        rest = (self.policy.stop - self.now) * self.policy.workers - before
        share = rest / (len(self.scheduler.waiting) + 1)
        assert grant.ends - self.now <= max(share, self.policy.least) + SLACK
        self.running[grant.task_id] = grant

    @precondition(lambda self: hasattr(self, "policy"))
    @rule(data=st.data(), doubt=st.sampled_from([0.0, 0.5, 1.0]), settled=st.booleans())
    def learn(self, data: st.DataObject, doubt: float, settled: bool) -> None:
        """The other channel answers a task, whatever this one is doing with it."""
        scheduler = self.scheduler
        tasks = sorted({*scheduler.waiting, *scheduler.deferred, *scheduler.running, *scheduler.passes})
        if not tasks:
            return
        task_id = data.draw(st.sampled_from(tasks))
        tried = self.tries[task_id, self.finished[task_id]]
        before, deferred = [*self.scheduler.waiting], [*self.scheduler.deferred]
        self.scheduler.learned(task_id, doubt, settled)
        if task_id in self.doubt:
            self.doubt[task_id] = doubt
            if not doubt:
                assert task_id not in self.scheduler.waiting
        elif settled and task_id in before and not tried:
            self.settled.add(task_id)
            assert task_id in self.scheduler.deferred
        elif not settled and task_id in deferred:
            self.settled.remove(task_id)
            assert task_id in self.scheduler.waiting
        assert [one for one in before if one != task_id] == [one for one in self.scheduler.waiting if one != task_id]

    @precondition(lambda self: hasattr(self, "policy"))
    @rule(data=st.data(), gain=st.sampled_from([0.0, 0.5, 1.0]))
    def promise(self, data: st.DataObject, gain: float) -> None:
        """Something becomes known of what a task promises."""
        before = [*self.scheduler.waiting]
        self.scheduler.promise(data.draw(st.sampled_from(names(7))), gain)
        assert sorted(before) == sorted(self.scheduler.waiting)
        gains = self.scheduler.gains
        keys = [
            (self.finished[one], one in self.settled, 0.0 if self.finished[one] else -gains.get(one, 0.0))
            for one in self.scheduler.waiting
        ]
        assert keys == sorted(keys)

    @precondition(lambda self: hasattr(self, "policy"))
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """Another channel leaves nothing to do for a task, whatever this one is doing with it."""
        known = sorted({*self.scheduler.waiting, *self.scheduler.running, *self.scheduler.deferred, "other"})
        task_id = data.draw(st.sampled_from(known))
        started = self.finished[task_id] or self.tries[task_id, 0]
        before, deferred = [*self.scheduler.waiting], [*self.scheduler.deferred]
        self.scheduler.drop(task_id)
        if task_id in deferred or (task_id in before and not started):
            self.dropped.add(task_id)
            self.settled.discard(task_id)
        if started:
            assert self.scheduler.waiting == before, "a task that is to be tried or visited again is gone"
        assert [one for one in before if one != task_id] == [one for one in self.scheduler.waiting if one != task_id]

    @rule(seconds=st.floats(0, 60))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.running)
    @rule(data=st.data(), doubt=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    def finish(self, data: st.DataObject, doubt: float) -> None:
        task_id = data.draw(st.sampled_from(sorted(self.running)))
        self.scheduler.finished(task_id, doubt)
        del self.running[task_id]
        self.finished[task_id] += 1
        self.doubt[task_id] = doubt

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(sorted(self.running)))
        number = self.running.pop(task_id).number
        again = self.scheduler.lost(task_id)
        assert again == (self.tries[task_id, number] < MAX_TRIES)
        if again:
            rank = {one: (self.finished[one], one in self.settled) for one in self.scheduler.waiting}
            place = self.scheduler.waiting.index(task_id)
            assert all(rank[other] < rank[task_id] for other in self.scheduler.waiting[:place])
        else:
            self.given_up.add(task_id)

    @invariant()
    def promises_can_be_kept(self) -> None:
        if hasattr(self, "policy"):
            left = max(0.0, self.policy.stop - self.now)
            promised = sum(max(0.0, grant.ends - self.now) for grant in self.running.values())
            assert promised <= left * self.policy.workers + SLACK
            assert self.scheduler.running == self.running
            queued = [*self.scheduler.waiting, *self.scheduler.deferred]
            assert len(set(queued)) == len(queued)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40)


def simulate(
    scheduler: Scheduler, use: Callable[[Grant, float], float], doubt: Callable[[Grant], float] = lambda grant: 0.0
) -> list[tuple[float, Grant]]:
    """Runs workers that take a grant whenever they are free; `use` gives the seconds that a job really takes.

    Returns every grant and when it was made.
    """
    now, free, made = 0.0, scheduler.policy.workers, []
    ends: list[tuple[float, str, Grant]] = []
    while True:
        while free and (grant := scheduler.next(now)):
            free -= 1
            made.append((now, grant))
            heapq.heappush(ends, (now + use(grant, grant.ends - now), grant.task_id, grant))
        if not ends:
            return made
        now, task_id, grant = heapq.heappop(ends)
        free += 1
        scheduler.finished(task_id, doubt(grant))


class TestShares:
    @settings(max_examples=150)
    @given(
        workers=st.integers(1, 5),
        tasks=st.integers(1, 12),
        used=st.lists(st.floats(0, 1), min_size=12, max_size=12),
        seconds=st.floats(1, 50000),
    )
    def test_nobody_gets_less_than_an_even_share_while_others_keep_to_theirs(
        self, workers: int, tasks: int, used: list[float], seconds: float
    ) -> None:
        made = simulate(Scheduler(Policy(seconds, workers), names(tasks)), lambda grant, share: used.pop() * share)
        assert [grant.task_id for _, grant in made] == names(tasks)
        for now, grant in made:
            assert grant.ends - now >= min(seconds * workers / tasks, seconds - now) - SLACK

    def test_what_a_task_leaves_goes_to_the_others(self) -> None:
        scheduler = Scheduler(Policy(100.0, 1), names(4))
        grants = [grant.ends - now for now, grant in simulate(scheduler, lambda grant, share: share / 5)]
        # 100/4 = 25, of which 5 used: 95/3; a fifth of that used: 88 2/3 over two; and so on.
        assert grants == pytest.approx([25, 95 / 3, (95 - 19 / 3) / 2, 95 - 19 / 3 - (95 - 19 / 3) / 10])

    def test_workers_share_the_same_time(self) -> None:
        scheduler = Scheduler(Policy(100.0, 2), names(4))
        assert [(now, grant.ends) for now, grant in simulate(scheduler, lambda grant, share: share)] == [
            (0, 50),
            (0, 50),
            (50, 100),
            (50, 100),
        ]

    def test_a_lone_task_gets_no_more_than_the_time_left(self) -> None:
        grant = Scheduler(Policy(100.0, 4), names(1)).next(30.0)
        assert grant == Grant("task00", 100.0, 0)

    def test_the_seconds_of_a_lost_worker_are_not_shared_out(self) -> None:
        scheduler = Scheduler(Policy(100.0, 2), names(5))
        scheduler.worker_gone()
        assert [grant.ends - now for now, grant in simulate(scheduler, lambda grant, share: share)] == [20.0] * 5

    def test_longest_caps_a_grant(self) -> None:
        grant = Scheduler(Policy(100.0, 1, longest=7.0), names(2)).next(0.0)
        assert grant is not None
        assert grant.ends == 7.0

    @pytest.mark.parametrize("now", [100.0, 100.1, 1e9])
    def test_nothing_starts_at_or_after_the_stop(self, now: float) -> None:
        scheduler = Scheduler(Policy(100.0, 1, passes=3), names(2))
        assert scheduler.next(now) is None
        assert scheduler.waiting == names(2)


class TestPasses:
    @settings(max_examples=100)
    @given(
        doubts=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=8),
        passes=st.integers(1, 4),
        workers=st.integers(1, 3),
    )
    def test_doubtful_tasks_are_visited_while_passes_and_time_remain(
        self, doubts: list[float], passes: int, workers: int
    ) -> None:
        by_task = dict(zip(names(len(doubts)), doubts, strict=True))
        made = simulate(
            Scheduler(Policy(1e6, workers, passes), list(by_task)),
            lambda grant, share: 1.0,
            lambda grant: by_task[grant.task_id],
        )
        visits = Counter(grant.task_id for _, grant in made)
        assert visits == {task_id: passes if doubt else 1 for task_id, doubt in by_task.items()}

    def test_the_most_doubtful_comes_first(self) -> None:
        doubts = {"task00": 0.2, "task01": 0.9, "task02": 0.0, "task03": 0.5}
        scheduler = Scheduler(Policy(1000.0, 1, passes=2), list(doubts))
        made = simulate(scheduler, lambda grant, share: 1.0, lambda grant: doubts[grant.task_id])
        assert [grant.task_id for _, grant in made[4:]] == ["task01", "task03", "task00"]
        assert [grant.number for _, grant in made[4:]] == [1, 1, 1]

    def test_doubt_is_what_the_last_pass_left(self) -> None:
        scheduler = Scheduler(Policy(1000.0, 1, passes=9), names(1))
        doubts = iter([0.9, 0.1, 0.0])
        assert len(simulate(scheduler, lambda grant, share: 1.0, lambda grant: next(doubts))) == 3

    def test_only_as_many_as_there_is_time_for(self) -> None:
        scheduler = Scheduler(Policy(100.0, 1, passes=2, shortest=10.0), names(4))
        # Four first passes end at 75 s: two of ten seconds and more fit into the other 25.
        made = simulate(scheduler, lambda grant, share: 18.75 if not grant.number else share, lambda grant: 1.0)
        further = [(now, grant) for now, grant in made if grant.number]
        assert [grant.ends - now for now, grant in further] == pytest.approx([12.5, 12.5])

    def test_none_when_less_than_the_shortest_is_left(self) -> None:
        scheduler = Scheduler(Policy(100.0, 1, passes=2, shortest=10.0), names(1))
        made = simulate(scheduler, lambda grant, share: 90.5, lambda grant: 1.0)
        assert len(made) == 1

    def test_a_task_that_runs_is_not_given_out_again(self) -> None:
        scheduler = Scheduler(Policy(100.0, 2, passes=3), names(1))
        assert scheduler.next(0.0) is not None
        assert scheduler.next(0.0) is None
        scheduler.finished("task00", 1.0)
        assert scheduler.next(1.0) is not None
        assert scheduler.next(1.0) is None


class TestDeaths:
    def test_a_lost_task_is_next_and_then_given_up(self) -> None:
        scheduler = Scheduler(Policy(100.0, 1, passes=3), names(2))
        for number in range(MAX_TRIES):
            grant = scheduler.next(float(number))
            assert grant is not None
            assert grant.task_id == "task00"
            assert scheduler.lost("task00") == (number + 1 < MAX_TRIES)
        made = simulate(scheduler, lambda grant, share: 1.0, lambda grant: 1.0)
        assert {grant.task_id for _, grant in made} == {"task01"}

    def test_a_task_given_up_in_a_further_pass_does_not_come_back(self) -> None:
        scheduler = Scheduler(Policy(100.0, 1, passes=5), names(1))
        scheduler.next(0.0)
        scheduler.finished("task00", 1.0)
        for _ in range(MAX_TRIES):
            assert scheduler.next(0.0) == Grant("task00", 100.0, 1)
            scheduler.lost("task00")
        assert scheduler.next(0.0) is None

    def test_a_pass_that_ended_well_forgives_earlier_deaths(self) -> None:
        scheduler = Scheduler(Policy(1000.0, 1, passes=2), names(1))
        for number in range(2):
            assert scheduler.next(0.0) == Grant("task00", 1000.0, number)
            assert scheduler.lost("task00")
            assert scheduler.next(0.0) == Grant("task00", 1000.0, number)
            scheduler.finished("task00", 1.0)
        assert scheduler.next(0.0) is None
        assert scheduler.exhausted(0.0)


class TestDeferred:
    """Tasks that the other channel has solved by all appearances."""

    def deferring(self, *task_ids: str, stop: float = 1000.0, passes: int = 1) -> Scheduler:
        scheduler = Scheduler(Policy(stop, 1, passes), names(4))
        for task_id in task_ids:
            scheduler.learned(task_id, 0.0, settled=True)
        return scheduler

    def test_come_after_everybody_elses_first_pass_and_before_further_ones(self) -> None:
        scheduler = self.deferring("task00", "task02", passes=2)
        made = simulate(scheduler, lambda grant, share: 1.0, lambda grant: 0.5)
        order = [(grant.task_id, grant.number) for _, grant in made]
        assert order[:4] == [("task01", 0), ("task03", 0), ("task00", 0), ("task02", 0)]
        assert sorted(order[4:]) == [(task_id, 1) for task_id in names(4)]

    def test_take_nothing_from_the_others(self) -> None:
        made = simulate(self.deferring("task00", "task02"), lambda grant, share: share)
        assert [(grant.task_id, grant.ends - now) for now, grant in made] == [("task01", 500.0), ("task03", 500.0)]

    def test_share_what_the_others_leave(self) -> None:
        made = simulate(self.deferring("task00", "task02"), lambda grant, share: 100.0 if now_first(grant) else share)
        assert [(grant.task_id, grant.ends - now) for now, grant in made[2:]] == [("task00", 400.0), ("task02", 400.0)]

    def test_only_as_many_as_there_is_time_for(self) -> None:
        scheduler = self.deferring("task00", "task02", "task03", stop=45.0)
        made = simulate(scheduler, lambda grant, share: 20.0 if now_first(grant) else share)
        assert [grant.task_id for _, grant in made] == ["task01", "task00", "task02"]
        assert not scheduler.running
        late = self.deferring(*names(4), stop=9.0)
        assert late.next(0.0) is None
        assert late.exhausted(0.0)

    def test_are_waited_for_while_there_is_time(self) -> None:
        scheduler = self.deferring(*names(4))
        assert not scheduler.exhausted(0.0)
        assert scheduler.exhausted(995.0)

    def test_a_task_that_is_worked_on_or_tried_again_stays_where_it_is(self) -> None:
        scheduler = Scheduler(Policy(1000.0, 1), names(2))
        scheduler.next(0.0)
        scheduler.learned("task00", 0.0, settled=True)
        assert scheduler.deferred == []
        scheduler.lost("task00")
        scheduler.learned("task00", 0.0, settled=True)
        assert scheduler.waiting == names(2)

    def test_one_that_is_contradicted_is_the_next_of_those_that_need_a_pass(self) -> None:
        scheduler = self.deferring("task00", "task02")
        scheduler.learned("task02", 1.0, settled=False)
        assert (scheduler.waiting, scheduler.deferred) == (["task02", "task01", "task03"], ["task00"])
        made = simulate(scheduler, lambda grant, share: share)
        assert [grant.ends - now for now, grant in made] == pytest.approx([1000 / 3] * 3)

    def test_doubt_that_is_gone_ends_further_passes(self) -> None:
        scheduler = Scheduler(Policy(1000.0, 1, passes=3), names(3))
        for task_id in names(3):
            scheduler.next(0.0)
            scheduler.finished(task_id, 0.5)
        scheduler.learned("task01", 0.0, settled=False)
        assert scheduler.next(0.0) == Grant("task00", 500.0, 1)
        assert scheduler.waiting == ["task02"]
        scheduler.learned("task02", 0.0, settled=True)
        assert (scheduler.waiting, scheduler.deferred) == ([], [])

    def test_an_unknown_task_or_one_that_is_not_settled_changes_nothing(self) -> None:
        scheduler = Scheduler(Policy(1000.0, 1), names(2))
        scheduler.learned("task01", 0.7, settled=False)
        scheduler.learned("other", 0.0, settled=True)
        assert (scheduler.waiting, scheduler.deferred, scheduler.doubt) == (names(2), [], {})


def now_first(grant: Grant) -> bool:
    """Whether it is one of the tasks that nobody has solved yet."""
    return grant.task_id in ("task01", "task03")


class TestSearchPolicy:
    def test_in_turns_it_gets_a_quarter_of_the_time_and_no_task_more_than_the_longest(self) -> None:
        few = Scheduler(search_policy(100.0, 700.0, 2, turns=True), names(2))
        assert few.policy == Policy(250.0, 2, 1, longest=SEARCH_LONGEST)
        assert few.next(100.0) == Grant("task00", 130.0, 0)
        many = Scheduler(search_policy(100.0, 700.0, 2, turns=True), names(60))
        assert many.next(100.0) == Grant("task00", 105.0, 0)

    @settings(max_examples=100)
    @given(seconds=st.floats(1, 50000), workers=st.integers(1, 8), tasks=st.integers(1, 30))
    def test_in_turns_it_never_takes_more_than_its_share(self, seconds: float, workers: int, tasks: int) -> None:
        scheduler = Scheduler(search_policy(0.0, seconds, workers, turns=True), names(tasks))
        made = simulate(scheduler, lambda grant, share: share)
        assert all(grant.ends <= seconds * SEARCH_SHARE for _, grant in made)
        assert all(grant.ends - now <= SEARCH_LONGEST + SLACK for now, grant in made)
        assert sum(grant.ends - now for now, grant in made) <= seconds * workers * SEARCH_SHARE + SLACK
        assert sorted(grant.task_id for _, grant in made) == names(tasks), "every task is searched, once"

    def test_its_share_is_what_tasks_without_a_visit_do_not_need(self) -> None:
        assert search_share(40, 40) == SEARCH_SHARE
        assert search_share(0, 40) == 1
        assert search_share(10, 40) == pytest.approx(1 - (1 - SEARCH_SHARE) / 4)

    def test_with_cores_of_its_own_it_has_the_whole_run(self) -> None:
        assert search_policy(100.0, 700.0, 3, turns=False) == Policy(700.0, 3, 1, longest=SEARCH_LONGEST_ALONE)
        assert search_policy(100.0, 700.0, 3, turns=False, longest=7.0).longest == 7.0
        assert search_policy(100.0, 700.0, 3, turns=True, longest=7.0) == Policy(250.0, 3, 1, longest=7.0)

    def test_past_the_end_there_is_nothing(self) -> None:
        assert Scheduler(search_policy(800.0, 700.0, 2, turns=True), names(2)).next(800.0) is None


class TestInductionPolicy:
    def test_in_turns_it_gets_its_share_of_the_time_evenly_over_the_tasks(self) -> None:
        scheduler = Scheduler(induction_policy(100.0, 1100.0, 2, turns=True), names(10))
        assert scheduler.policy == Policy(100.0 + 1000.0 * INDUCTION_SHARE, 2)
        assert scheduler.next(100.0) == Grant("task00", 100.0 + 200.0 * INDUCTION_SHARE, 0)

    @settings(max_examples=100)
    @given(
        seconds=st.floats(1, 50000),
        workers=st.integers(1, 8),
        tasks=st.integers(1, 30),
        used=st.lists(st.floats(0, 1), min_size=30, max_size=30),
    )
    def test_in_turns_it_never_takes_more_than_its_share(
        self, seconds: float, workers: int, tasks: int, used: list[float]
    ) -> None:
        scheduler = Scheduler(induction_policy(0.0, seconds, workers, turns=True), names(tasks))
        made = simulate(scheduler, lambda grant, share: used.pop() * share, lambda grant: 1.0)
        assert all(grant.ends <= seconds * INDUCTION_SHARE + SLACK for _, grant in made)
        assert sorted(grant.task_id for _, grant in made) == names(tasks), "every task once"
        assert scheduler.next(seconds * INDUCTION_SHARE) is None

    @settings(max_examples=100)
    @given(seconds=st.floats(1, 50000))
    def test_alone_it_ends_a_little_before_the_end(self, seconds: float) -> None:
        policy = induction_policy(0.0, seconds, 3, turns=False)
        assert policy == Policy(policy.stop, 3)
        assert seconds - policy.stop == pytest.approx(min(WRITING_MARGIN, seconds / 10), rel=1e-6)

    @pytest.mark.parametrize("turns", [True, False])
    def test_past_the_end_there_is_nothing(self, turns: bool) -> None:
        assert Scheduler(induction_policy(800.0, 700.0, 2, turns), names(2)).next(800.0) is None


class TestSeveralBases:
    def test_the_early_ones_have_a_quarter_of_the_time_left(self) -> None:
        assert early_stop(100.0, 500.0) == 100.0 + EARLY_SHARE * 400.0 == 200.0
        assert early_stop(600.0, 500.0) == 600.0

    def test_a_gain_is_doubt_removed_per_token(self) -> None:
        assert expected_gain(0.5, 100) > expected_gain(0.5, 200) > expected_gain(0.2, 200) > expected_gain(0.0, 1) == 0
        assert expected_gain(1.0, 0) == 1.0

    def test_what_promises_most_comes_first_and_news_change_the_order(self) -> None:
        scheduler = Scheduler(Policy(1000.0, 1), names(4))
        for task_id, gain in zip(names(4), (0.1, 0.5, 0.0, 0.5), strict=True):
            scheduler.promise(task_id, gain)
        assert scheduler.waiting == ["task01", "task03", "task00", "task02"]
        assert scheduler.next(0.0) == Grant("task01", 250.0, 0)
        scheduler.promise("task02", 0.6)
        scheduler.promise("task01", 0.9)
        assert scheduler.waiting == ["task02", "task03", "task00"]

    def test_further_passes_go_by_doubt(self) -> None:
        doubts = {"task00": 0.2, "task01": 0.9, "task02": 0.5}
        scheduler = Scheduler(Policy(1000.0, 1, passes=2), list(doubts))
        for task_id in doubts:
            scheduler.next(0.0)
            scheduler.finished(task_id, doubts[task_id])
        assert scheduler.next(0.0) == Grant("task01", 1000.0 / 3, 1)
        scheduler.promise("task00", 9.0)
        assert scheduler.waiting == ["task02", "task00"]

    def test_a_task_that_another_base_works_on_is_passed_over(self) -> None:
        scheduler = Scheduler(Policy(100.0, 2), names(2))
        grant = scheduler.next(0.0, {"task00"})
        assert grant is not None
        assert grant.task_id == "task01"
        assert scheduler.next(0.0, {"task00"}) is None
        assert not scheduler.handed_out(0.0)
        assert scheduler.next(1.0) is not None
        assert scheduler.handed_out(1.0)
        assert not scheduler.exhausted(1.0)

    def test_a_few_visits_that_get_somewhere(self) -> None:
        scheduler = Scheduler(Policy(100.0, 1, least=30.0), names(10))
        made = simulate(scheduler, lambda grant, share: share)
        assert [(grant.task_id, grant.ends - now) for now, grant in made] == [
            ("task00", 30.0),
            ("task01", 30.0),
            ("task02", 30.0),
            ("task03", 10.0),
        ]


class TestDrop:
    def test_a_task_that_may_wait_is_gone(self) -> None:
        scheduler = Scheduler(Policy(100.0, 1), names(2))
        scheduler.learned("task01", 0.0, settled=True)
        scheduler.drop("task01")
        assert (scheduler.waiting, scheduler.deferred, scheduler.settled) == (["task00"], [], set())

    def test_a_task_that_waits_is_gone(self) -> None:
        scheduler = Scheduler(Policy(100.0, 1), names(3))
        scheduler.drop("task01")
        scheduler.drop("other")
        assert scheduler.waiting == ["task00", "task02"]
        for task_id in scheduler.waiting[:]:
            scheduler.drop(task_id)
        assert scheduler.exhausted(0.0)

    def test_one_that_is_worked_on_or_tried_again_stays(self) -> None:
        scheduler = Scheduler(Policy(100.0, 1), names(2))
        scheduler.next(0.0)
        scheduler.drop("task00")
        assert scheduler.running.keys() == {"task00"}
        scheduler.lost("task00")
        scheduler.drop("task00")
        assert scheduler.waiting == names(2)


class TestRoom:
    @pytest.mark.parametrize(
        ("searching", "searchers", "devices", "room"),
        [
            (2, 2, 2, 0),
            (1, 2, 2, 1),
            (0, 2, 2, 2),
            (8, 8, 1, 0),
            (1, 8, 1, 0),
            (0, 8, 1, 1),
            (3, 4, 2, 0),
            (2, 4, 2, 1),
        ],
    )
    def test_examples(self, searching: int, searchers: int, devices: int, room: int) -> None:
        assert room_beside(searching, searchers, devices) == room

    @given(searchers=st.integers(1, 64), devices=st.integers(1, 64), data=st.data())
    def test_cores_are_never_given_twice_and_all_come_back(
        self, searchers: int, devices: int, data: st.DataObject
    ) -> None:
        searching = data.draw(st.integers(0, searchers))
        room = room_beside(searching, searchers, devices)
        assert 0 <= room <= devices
        assert room / devices + searching / searchers <= 1 + SLACK
        assert room_beside(0, searchers, devices) == devices
        assert room_beside(searchers, searchers, devices) == 0


class TestExhausted:
    def test_only_when_nothing_runs_waits_or_may_come_back(self) -> None:
        assert Scheduler(Policy(100.0, 1), []).exhausted(0.0)
        scheduler = Scheduler(Policy(100.0, 1, passes=2), names(1))
        assert not scheduler.exhausted(0.0)
        scheduler.next(0.0)
        assert not scheduler.exhausted(0.0)
        scheduler.finished("task00", 0.5)
        assert not scheduler.exhausted(0.0)
        assert scheduler.exhausted(95.0)
        assert Scheduler(Policy(100.0, 1), names(1)).exhausted(100.0)

    def test_asking_changes_nothing(self) -> None:
        scheduler = Scheduler(Policy(100.0, 1, passes=2), [], passes={"task00": 1}, doubt={"task00": 1.0})
        assert not scheduler.exhausted(0.0)
        assert scheduler.waiting == []
        assert scheduler.next(0.0) == Grant("task00", 100.0, 1)


def test_easiest_first_orders_by_size_then_id() -> None:
    assert easiest_first([("c", 3), ("b", 1), ("a", 3)]) == ["b", "a", "c"]
