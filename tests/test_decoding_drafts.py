"""Whatever the draft, what is written is the greedy answer; a good draft saves nearly all forward passes."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.budget import Deadline
from solver.decoding import Generated, reference, write_from_drafts
from solver.decoding.guess import FEW, Trust, legal_beginning
from tests.fakes import FakeClock
from tests.toy_answers import ToyFormat, ToyRows, toy_model

FORMAT = ToyFormat()
NEVER = Deadline.never()
LIMIT = 60
Draft = Sequence[int] | None


def greedy(seed: int, limit: int = LIMIT, stop: float = -1.0) -> Generated:
    return reference.greedy(toy_model(FORMAT, seed, stop=stop), FORMAT.stop_id, limit)


def written(seeds: Sequence[int], drafts: Sequence[Draft], limit: int = LIMIT) -> tuple[list[Generated], ToyRows]:
    rows = ToyRows(FORMAT, [toy_model(FORMAT, seed, stop=-1.0) for seed in seeds])
    answers, timing = write_from_drafts(rows, drafts, limit, NEVER)
    assert timing.steps == len(rows.passes)
    assert timing.prompt == rows.seconds
    assert rows.capacity < limit
    return answers, rows


def assert_same(found: Sequence[Generated], expected: Sequence[Generated]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.ids, one.complete) == (other.ids, other.complete)
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)


def long_answer(least: int = 20) -> tuple[int, Generated]:
    """A seed whose greedy answer is complete and has at least so many tokens."""
    return next(
        (seed, answer) for seed in range(1000) if len((answer := greedy(seed)).ids) >= least and answer.complete
    )


SOMETHING = st.lists(st.integers(-2, FORMAT.vocabulary + 3), max_size=LIMIT + 10)


@settings(max_examples=150)
@given(data=st.data(), seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=5), limit=st.integers(1, LIMIT))
def test_any_draft_gives_the_greedy_answer(data: st.DataObject, seeds: list[int], limit: int) -> None:
    expected = [greedy(seed, limit) for seed in seeds]
    drafts: list[Draft] = []
    for answer in expected:
        right = list(answer.ids)
        place = data.draw(st.integers(0, len(right)))
        changed = [*right[:place], *data.draw(SOMETHING)[:1], *right[place + 1 :]]
        kinds = st.sampled_from([None, right, right[:place], right[place:], changed, [*right, *right]])
        drafts.append(data.draw(kinds | SOMETHING))
    found, rows = written(seeds, drafts, limit)
    assert_same(found, expected)
    # Never more passes than without drafts.
    assert len(rows.passes) <= max(len(answer.ids) for answer in expected) - 1


def test_without_drafts_every_token_takes_a_pass() -> None:
    seed, answer = long_answer()
    found, rows = written([seed], [None])
    assert_same(found, [answer])
    assert rows.passes == [[1]] * (len(answer.ids) - 1)


@pytest.mark.parametrize("cut", [0, 1])
def test_a_right_draft_takes_one_pass_with_or_without_its_stop_token(cut: int) -> None:
    seed, answer = long_answer()
    found, rows = written([seed], [answer.ids[: len(answer.ids) - cut]])
    assert_same(found, [answer])
    # Its stop token is never read.
    assert rows.passes == [[len(answer.ids) - 1]]


def test_many_right_drafts_take_one_pass_together() -> None:
    expected = [greedy(seed) for seed in range(6)]
    assert len({len(answer.ids) for answer in expected}) > 3
    found, rows = written(range(6), [answer.ids for answer in expected])
    assert_same(found, expected)
    assert len(rows.passes) == 1


def test_one_wrong_token_takes_a_second_pass_and_few_more_where_it_is_early() -> None:
    seed, answer = long_answer(30)
    length = len(answer.ids)
    for place in range(length - 1):
        before, after = answer.ids[place - 1] if place else -1, answer.ids[place + 1]
        wrong = next(token for token in range(FORMAT.letters) if token not in (before, answer.ids[place], after))
        found, rows = written([seed], [[*answer.ids[:place], wrong, *answer.ids[place + 1 :]]])
        assert_same(found, [answer])
        rest = length - place
        assert len(rows.passes) <= 2 + math.ceil(math.log2(max(1, rest / max(FEW, 2 * place))))
        # What is right beyond the mistake is not written token by token.
        assert all(count > 1 for (count,) in rows.passes[1:-1])


def test_a_longer_or_shorter_draft_is_used_as_far_as_it_goes() -> None:
    seed, answer = long_answer()
    half = len(answer.ids) // 2
    found, rows = written([seed], [answer.ids[:half]])
    assert_same(found, [answer])
    assert rows.passes == [[half], *[[1]] * (len(answer.ids) - half - 1)]
    longer = [*answer.ids[:-1], *([0, 1] if answer.ids[-2] != 0 else [1, 0]) * 8]
    found, rows = written([seed], [longer])
    assert_same(found, [answer])
    assert len(rows.passes) == 1


def test_nothing_illegal_is_ever_read() -> None:
    """`ToyRows` refuses what is no token; what may not follow is not read either."""
    seed, answer = long_answer()
    place = len(answer.ids) // 2
    for bad in (answer.ids[place - 1], FORMAT.stop_id, FORMAT.pad_id, -1, 999):
        found, rows = written([seed], [[*answer.ids[:place], bad, *answer.ids[place + 1 :]]])
        assert_same(found, [answer])
        assert rows.passes[0] == [place]


def test_of_garbage_no_more_than_a_few_tokens_are_read_at_a_time() -> None:
    seed, answer = long_answer(30)
    rng = random.Random(0)
    garbage = [rng.randrange(FORMAT.letters)]
    while len(garbage) < LIMIT:
        token = rng.randrange(FORMAT.letters)
        place = len(garbage)
        if token != garbage[-1] and (place >= len(answer.ids) or token != answer.ids[place]):
            garbage.append(token)
    found, rows = written([seed], [garbage])
    assert_same(found, [answer])
    assert max(count for (count,) in rows.passes[1:]) == 1 + FEW


def test_rows_that_end_are_dropped_when_half_are_left() -> None:
    answers = {seed: greedy(seed) for seed in range(40)}
    by_length = sorted(answers, key=lambda seed: len(answers[seed].ids))
    seeds = [*by_length[:3], by_length[-1]]
    assert len(answers[seeds[-1]].ids) > len(answers[seeds[2]].ids)
    found, rows = written(seeds, [None] * 4)
    assert_same(found, [answers[seed] for seed in seeds])
    assert len(rows.passes[0]) <= 4
    assert len(rows.passes[-1]) == 1


def test_a_passed_deadline_returns_what_there_is() -> None:
    seed, answer = long_answer()
    clock = FakeClock()
    for seconds, tokens in ((0, 1), (1, 2), (3, 4)):
        clock.now = 0
        rows = ToyRows(FORMAT, [toy_model(FORMAT, seed, stop=-1.0)], lambda: setattr(clock, "now", clock.now + 1))
        (found,), timing = write_from_drafts(rows, [None], LIMIT, Deadline.after(seconds, clock), clock)
        assert (found.ids, found.complete) == (answer.ids[:tokens], False)
        assert (timing.prompt, timing.answer, timing.steps) == (0.25, seconds, seconds)


def test_trust_follows_what_proved_right() -> None:
    trust = Trust()
    assert trust.tokens(most=500) == 500
    trust.learn(100, wrong=False)
    assert trust.tokens(most=500) == 500
    trust.learn(20, wrong=True)
    assert (trust.tokens(most=500), trust.tokens(most=7)) == (240, 7)
    trust.learn(0, wrong=True)
    assert trust.tokens(most=500) == 120
    hopeless = Trust()
    for _ in range(9):
        hopeless.learn(0, wrong=True)
        assert (hopeless.tokens(most=500), hopeless.tokens(most=3)) == (FEW, 3)


def test_a_legal_beginning_ends_before_what_is_not_legal_and_before_the_stop() -> None:
    fmt = FORMAT
    cases = [
        ([], [0, 1, 2], [0, 1, 2]),
        ([0], [0, 1], []),
        ([1], [0, 0, 1], [0]),
        ([1], [0, fmt.stop_id, 1], [0]),
        ([], [fmt.stop_id], []),
        ([1, 2], [77, 1], []),
        ([1, 2], [], []),
    ]
    for answer, more, expected in cases:
        assert legal_beginning(fmt, answer, more) == expected  # type: ignore[arg-type]
