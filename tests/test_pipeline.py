"""One job: training leaves time for decoding, and tasks leave no trace."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from solver import pipeline
from solver.attempts import Candidate, Channel
from solver.budget import Clock
from solver.deciding import StopEarly
from solver.decoding import reference
from solver.inference import inference_views, show
from solver.jobs import Job, Manner
from solver.model import Base, Quantize
from solver.pace import Pace
from solver.pipeline import Solved, solve
from solver.profiles import Decode, DecodeSettings
from solver.task import Task
from solver.training import Stop
from solver.ttt import Plan, TttReport
from tests.fakes import FakeClock, copy_task, random_grid, shake, tiny_base
from tests.oracle import NoModel, oracle, rotated_task, untrained


def ignore(_: object) -> None:
    """Everything is in `Solved` as well."""


def test_training_leaves_the_time_that_decoding_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
    plans: list[Plan] = []

    def train(base: object, task: Task, plan: Plan, clock: Clock) -> TttReport:
        plans.append(plan)
        return TttReport(Stop.PLANNED, events=["an event"])

    monkeypatch.setattr(pipeline, "train", train)
    oracle().install(monkeypatch)
    clock = FakeClock()
    solved = Solved()
    for pace in (Pace(1e-6, 1e-6), Pace(1e-3, 0.1), Pace(9.0, 9.0)):
        solve(NoModel(), Job(task, 100, 7, steps=3), pace, ignore, ignore, solved, clock)  # type: ignore[arg-type]
    assert [(plan.seed, plan.steps) for plan in plans] == [(7, 3)] * 3
    ends = [plan.deadline.at for plan in plans]
    assert 99.9 < ends[0] < 100
    # Two batches of 8 views; each prompt has 50 tokens and each answer 8 or more.
    assert 100 - 1.3 * 1.5 * (16 * 50e-3 + 2 * 12 * 0.1) < ends[1] < 100 - (16 * 50e-3 + 2 * 8 * 0.1)
    assert ends[2] == 50
    assert "an event" in solved.notes


@pytest.fixture(scope="module", params=[(Quantize.NONE, False), (Quantize.NF4, True)], ids=["fp32", "nf4-folded"])
def base(request: pytest.FixtureRequest) -> Base:
    quantize, small = request.param
    return tiny_base(quantize, small=small, orders=1)


def answers(base: Base, job: Job) -> list[Candidate]:
    solved = Solved()
    solve(base, job, Pace(), ignore, ignore, solved)
    assert solved.ttt is not None
    assert solved.ttt.executed == (job.steps if job.ttt else 0)
    assert solved.views == solved.planned_views
    assert solved.peak_memory > 0
    return solved.candidates


def test_no_task_leaves_a_trace_in_the_next(base: Base) -> None:
    ends = time.monotonic() + 1000
    first = Job(copy_task("first", tests=2), ends, seed=1, steps=4)
    second = Job(copy_task("second", side=2), ends, seed=2, steps=3)
    plain = Job(copy_task("first"), ends, seed=1, ttt=False, manner=Manner(Decode.SAMPLE, "poe"))
    forwards = [answers(base, job) for job in (plain, first, second)]
    backwards = [answers(base, job) for job in (second, first, plain)]
    assert forwards == backwards[::-1]
    assert all(found for found in forwards)
    alone = tiny_base(base.quantize, small=base.profile.small, orders=1)
    assert answers(alone, second) == forwards[2]


def test_training_on_a_task_changes_its_answers(base: Base) -> None:
    """Else the test above would say nothing."""
    task, ends = copy_task("first"), time.monotonic() + 1000
    trained, plain = (answers(base, Job(task, ends, seed=1, ttt=ttt, steps=4)) for ttt in (True, False))
    assert [candidate.logprob for candidate in trained] != [candidate.logprob for candidate in plain]


@pytest.fixture(scope="module")
def shaken() -> Base:
    """In fp32, so that the plain loop's answers are to be expected to the last token."""
    base = tiny_base(orders=1, decoding=DecodeSettings(threshold=0.05, samples=2))
    shake(base)
    base.initial = {name: weight.detach().clone() for name, weight in base.adapter().items()}
    return base


def decoded(base: Base, task: Task, **changes: Any) -> Solved:
    solved = Solved()
    solve(base, untrained(task, time.monotonic() + 1000, **changes), Pace(), ignore, ignore, solved)
    return solved


def summed_up(candidates: Sequence[Candidate]) -> list[tuple[Any, ...]]:
    """What does not depend on the company that a view is decoded in."""
    rows = [(one.query.index, repr(one.view), one.grid.rows, round(one.logprob or 0.0, 3)) for one in candidates]
    return sorted(rows)


class TestAgainstThePlainLoop:
    task = copy_task("plain", demonstrations=2, side=2, tests=2)

    def expected(self, base: Base, decode: Decode) -> list[tuple[Any, ...]]:
        """One view after the other, without a cache."""
        fmt, found = base.profile.format, []
        shown = show(self.task, inference_views(self.task, base.profile, 0), base.profile, pytest.fail)
        for one in shown:
            for query in self.task.queries():
                follow = reference.next_token(base, one.prompts[query.index])
                limit = one.limits[query.index]
                answers = [reference.greedy(follow, fmt.stop_id, limit)]
                if decode is Decode.DFS:
                    others, _ = reference.search(follow, fmt.stop_id, limit, base.profile.decoding.threshold)
                    answers += [other for other in others if other.ids != answers[0].ids]
                for answer in answers:
                    grid = fmt.parse(answer.ids) if answer.complete else None
                    if grid is not None:
                        found.append(Candidate(query, one.view.restore(grid), view=one.view, logprob=answer.logprob))
        return summed_up(found)

    @pytest.mark.parametrize("decode", [Decode.GREEDY, Decode.DFS])
    @pytest.mark.parametrize("decode_tokens", [4096, 200])
    def test_candidates_are_the_same(self, shaken: Base, decode: Decode, decode_tokens: int) -> None:
        base = replace(shaken, profile=replace(shaken.profile, decode_tokens=decode_tokens))
        solved = decoded(base, self.task, manner=Manner(decode, stop=StopEarly.OFF))
        assert summed_up(solved.candidates) == self.expected(base, decode)
        assert solved.decoding.cut == 0

    def test_drafts_change_no_answer(self, shaken: Base) -> None:
        plain = decoded(shaken, self.task, manner=Manner(stop=StopEarly.OFF))
        for grid in (self.task.train[0].output, plain.candidates[0].grid):
            known = tuple(
                Candidate(query, grid, Channel.PROGRAM, program="p", cost=2.0) for query in self.task.queries()
            )
            helped = decoded(shaken, self.task, manner=Manner(stop=StopEarly.OFF), known=known)
            assert summed_up(helped.candidates) == summed_up(plain.candidates)
            assert helped.decoding != plain.decoding

    @pytest.mark.parametrize("decode", Decode)
    @pytest.mark.parametrize("vote", ["hierarchical", "flat", "poe", "poe+counts"])
    def test_every_way_of_decoding_goes_with_every_vote(self, shaken: Base, decode: Decode, vote: str) -> None:
        solved = decoded(shaken, self.task, manner=Manner(decode, vote, StopEarly.LIKELY))
        assert solved.views + solved.saved_views == solved.planned_views
        assert solved.candidates
        assert all((one.score is not None) == vote.startswith("poe") for one in solved.candidates)
        counts = solved.decoding_json()
        assert counts["passes"] > 0
        assert (counts["score_passes"] > 0) == vote.startswith("poe")


def test_a_job_without_training_says_so_and_uses_the_untrained_base(monkeypatch: pytest.MonkeyPatch) -> None:
    base, solved = NoModel(), Solved()
    oracle().install(monkeypatch)
    task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
    solve(base, untrained(task), Pace(), ignore, ignore, solved)  # type: ignore[arg-type]
    assert base.resets == 1
    assert solved.ttt_json()["stop"] == Stop.SKIPPED.value
    assert solved.ttt_json()["executed"] == 0
