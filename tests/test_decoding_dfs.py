"""The search finds every answer above the threshold and no other, in one row per search."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.budget import Deadline
from solver.decoding import Found, Timing, reference, search
from solver.decoding.branches import Branches, Reading
from solver.decoding.reference import NextToken
from solver.prompt import Format
from tests.fakes import FakeClock
from tests.toy_answers import ToyFormat, ToyRows, restricted, toy_model

FORMAT = ToyFormat()
NEVER = Deadline.never()
Drafts = Sequence[Sequence[int] | None] | None


def searched(
    models: Sequence[NextToken], threshold: float, limit: int, drafts: Drafts = None
) -> tuple[list[Found], ToyRows]:
    rows = ToyRows(FORMAT, models)
    found, timing = search(rows, threshold, limit, NEVER, drafts)
    assert (timing.prompt, timing.steps) == (rows.seconds, len(rows.passes))
    assert rows.capacity < limit
    return found, rows


def assert_same(found: Found, model: NextToken, threshold: float, limit: int) -> int:
    """Equality with brute force but for what lies at the threshold to within rounding; returns how many there are."""
    expected, complete = reference.search(model, FORMAT.stop_id, limit, threshold)
    assert found.complete == complete
    assert len({answer.ids for answer in found.answers}) == len(found.answers)
    logprobs = [answer.logprob for answer in found.answers]
    assert logprobs == sorted(logprobs, reverse=True)
    mine, theirs = ({answer.ids: answer for answer in answers} for answers in (found.answers, expected))
    for ids in mine.keys() | theirs.keys():
        if ids in mine and ids in theirs:
            assert mine[ids].logprob == pytest.approx(theirs[ids].logprob, abs=1e-4)
            assert mine[ids].complete
            assert ids[-1] == FORMAT.stop_id
        else:
            assert (mine.get(ids) or theirs[ids]).logprob == pytest.approx(math.log(threshold), abs=1e-4)
    return len(expected)


SOMETHING = st.none() | st.lists(st.integers(-2, FORMAT.vocabulary + 3), max_size=20)


@settings(max_examples=150)
@given(
    data=st.data(),
    seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=4),
    threshold=st.floats(0.004, 1),
    sharpness=st.floats(0, 4),
    limit=st.integers(1, 12),
)
def test_exactly_the_answers_above_the_threshold_are_found(
    data: st.DataObject, seeds: list[int], threshold: float, sharpness: float, limit: int
) -> None:
    models = [toy_model(FORMAT, seed, sharpness) for seed in seeds]
    drafts = None
    if data.draw(st.booleans()):
        best = [reference.greedy(model, FORMAT.stop_id, limit).ids for model in models]
        drafts = [data.draw(st.just(answer) | SOMETHING) for answer in best]
    found, _ = searched(models, threshold, limit, drafts)
    for one, model in zip(found, models, strict=True):
        assert_same(one, model, threshold, limit)


def test_many_branches_are_found_in_one_row_that_never_grows() -> None:
    model = toy_model(FORMAT, seed=1, sharpness=0.5)
    branches, passes, most = [], [], []
    for threshold in (0.1, 0.01, 0.001):
        (found,), rows = searched([model], threshold, 12)
        branches.append(assert_same(found, model, threshold, 12))
        passes.append(len(rows.passes))
        assert {len(some) for some in rows.passes} == {1}
        most.append(rows.capacity)
    assert branches[0] < 10 < 100 < branches[2]
    assert passes[2] > 20 * passes[0]
    assert max(most) < 12


def test_what_is_still_to_be_visited_is_bounded_by_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[tuple[int, int]] = []
    take = Branches.take

    def watched(self: Branches, logprobs: Any) -> None:
        take(self, logprobs)
        held.append((len(self.stack) + sum(map(len, self.children)), len(self.read)))

    monkeypatch.setattr(Branches, "take", watched)
    threshold = 0.001
    _, rows = searched([toy_model(FORMAT, 1, 0.5)], threshold, 12)
    assert len(rows.passes) > 300
    # Far less than the bound of 1 / threshold at each depth: no more than there are tokens.
    assert all(nodes <= 2 * FORMAT.vocabulary * (length + 1) for nodes, length in held)


def test_children_are_visited_from_the_most_probable_on() -> None:
    model = toy_model(FORMAT, seed=3, sharpness=3)
    machine = Branches(FORMAT, math.log(0.05), 12, [])  # type: ignore[arg-type]
    machine.begin(model([]))
    greedy: list[int] = []
    while not machine.found:
        reading = machine.next()
        if reading is None or machine.found:
            break
        assert reading.kept == len(greedy)
        greedy.append(reading.tokens[0])
        machine.take(np.array([model(machine.read[: reading.kept] + reading.tokens)]))
    assert machine.found[0].ids == reference.greedy(model, FORMAT.stop_id, 12).ids


def chain(length: int, fork: int, chance: float = 0.4) -> NextToken:
    """Letters 0, 1, 0, 1, ... `length` times, then the stop; at place `fork` the letter may be 2, with this chance."""

    def follow(answer: Sequence[int]) -> Any:
        place = len(answer)
        scores = np.full(FORMAT.vocabulary, -40.0)
        scores[FORMAT.stop_id if place == length else place % 2] = 0
        if place == fork:
            scores[place % 2], scores[2] = math.log(1 - chance), math.log(chance)
        return restricted(FORMAT, answer, scores)

    return follow


def test_an_answer_longer_than_pythons_stack() -> None:
    length = 3 * sys.getrecursionlimit()
    (found,), rows = searched([chain(length, fork=length // 2)], 0.1, length + 1)
    assert found.complete
    assert [len(answer.ids) for answer in found.answers] == [length + 1] * 2
    assert [round(math.exp(answer.logprob), 3) for answer in found.answers] == [0.6, 0.4]
    assert {len(some) for some in rows.passes} == {1}


def test_a_right_draft_shows_the_whole_path_in_one_pass_and_a_branch_takes_one_more() -> None:
    length = 40
    path = [place % 2 for place in range(length)]
    for fork in range(length):
        (found,), rows = searched([chain(length, fork)], 0.1, length + 1, [[*path, FORMAT.stop_id]])
        assert [len(answer.ids) for answer in found.answers] == [length + 1] * 2
        assert len(rows.passes) == 2
        # The branch is read along the answer that was found before.
        assert rows.passes == [[length], [length - fork]]


def test_branches_follow_the_answer_found_before_without_a_draft() -> None:
    length = 40
    (found,), rows = searched([chain(length, 10)], 0.1, length + 1)
    assert len(found.answers) == 2
    assert rows.passes == [[1]] * length + [[length - 10]]


def test_a_draft_less_probable_than_the_threshold_is_left_behind() -> None:
    length = 20
    model = chain(length, 5, chance=0.05)
    draft = [2 if place == 5 else place % 2 for place in range(length)]
    (found,), rows = searched([model], 0.1, length + 1, [draft])
    assert [round(math.exp(answer.logprob), 3) for answer in found.answers] == [0.95]
    assert len(rows.passes) <= 4


def test_a_finished_search_leaves_the_batch_when_half_are_left() -> None:
    models = [chain(4, 1), chain(4, 2), chain(30, 3), chain(4, 0)]
    found, rows = searched(models, 0.1, 31)
    assert [len(one.answers) for one in found] == [2] * 4
    assert [one.answers[0].ids[:3] for one in found][2] == (0, 1, 0)
    assert len(rows.passes[0]) == 4
    assert len(rows.passes[-1]) == 1


def test_a_beginning_as_long_as_the_limit_is_said_to_be_cut() -> None:
    for limit, answers, complete in ((11, 2, True), (10, 0, False), (1, 0, False)):
        (found,), _ = searched([chain(10, 4)], 0.1, limit)
        assert (len(found.answers), found.complete) == (answers, complete)


def timed(models: Sequence[NextToken], seconds: float) -> tuple[list[Found], Timing]:
    clock = FakeClock()
    rows = ToyRows(FORMAT, models, lambda: setattr(clock, "now", clock.now + 1))
    return search(rows, 0.1, 41, Deadline.after(seconds, clock), None, clock)


def test_a_passed_deadline_returns_what_was_found_and_says_so() -> None:
    model = chain(20, 5)
    for seconds, answers, complete in ((0, 0, False), (19, 0, False), (20, 1, False), (30, 2, True)):
        (found,), timing = timed([model], seconds)
        assert (len(found.answers), found.complete) == (answers, complete)
        assert timing.answer == timing.steps == min(seconds, 21)
    (short, long), _ = timed([chain(3, 1), chain(30, 1)], 6)
    assert (len(short.answers), short.complete) == (2, True)
    assert (len(long.answers), long.complete) == (0, False)


def test_a_search_may_be_over_before_any_pass() -> None:
    (found,), rows = searched([toy_model(FORMAT, 0, sharpness=0)], 1.0, 5)
    assert (found.answers, found.complete, rows.passes) == ((), True, [])


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="no probability"):
        searched([toy_model(FORMAT, 0)], threshold, 5)


def test_a_machine_asks_for_nothing_it_knows() -> None:
    """Whatever was read ahead along the guess is visited without another pass."""
    length = 12
    fmt: Format = FORMAT  # type: ignore[assignment]
    model = chain(length, fork=6)
    guess = [place % 2 for place in range(length)]
    machine = Branches(fmt, math.log(0.1), length + 1, guess)
    machine.begin(model([]))
    assert machine.next() == Reading(0, guess)
    machine.take(np.array([model(guess[: place + 1]) for place in range(length)]))
    reading = machine.next()
    assert reading == Reading(6, [2, *guess[7:]])
    assert not machine.result().complete
    machine.take(np.array([model([*guess[:6], *reading.tokens[: place + 1]]) for place in range(length - 6)]))
    assert machine.next() is None
    assert machine.result().complete
    assert len(machine.found) == 2
