"""Seconds to come, from what was measured."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.augmentation import Episode
from solver.inference import answer_limits
from solver.pace import MARGIN, Pace, decode_seconds, score_seconds
from solver.pace import expected as expected_pace
from solver.profiles import Decode, DecodeSettings
from tests.fakes import random_grid
from tests.oracle import FORMAT, PROFILE, rotated_task
from tests.strategies import tasks

TASK, _ = rotated_task([random_grid(random.Random(0), 2, 3)])


def test_the_pace_follows_what_was_measured() -> None:
    pace = Pace()
    for _ in range(40):
        pace.read(tokens=100, seconds=2.0)
        pace.wrote(steps=10, seconds=3.0)
        pace.followed(steps=3, tokens=30)
        pace.sought(steps=90, tokens=30)
        pace.scored(tokens=1000, seconds=1.0)
        pace.candidates_of(7)
    assert pace.per_prompt_token == pytest.approx(0.02, rel=1e-3)
    assert pace.per_step == pytest.approx(0.3, rel=1e-3)
    assert pace.drafted == pytest.approx(0.1, rel=1e-2)
    assert pace.searched == pytest.approx(3.0, rel=1e-3)
    assert pace.per_scored_token == pytest.approx(1e-3, rel=1e-2)
    assert pace.candidates == pytest.approx(7, rel=1e-3)
    pace.wrote(0, 0.0)
    assert pace.per_step == pytest.approx(0.3, rel=1e-3)


def test_a_first_measurement_counts_alone_and_later_ones_are_averaged() -> None:
    pace = Pace()
    pace.read(tokens=100, seconds=2.0)
    pace.wrote(steps=10, seconds=3.0)
    pace.scored(tokens=1000, seconds=1.0)
    assert (pace.per_prompt_token, pace.per_step, pace.per_scored_token) == (0.02, 0.3, 1e-3)
    pace.wrote(steps=10, seconds=1.0)
    assert pace.per_step == pytest.approx(0.24)
    assert pace.per_prompt_token == 0.02


def test_a_large_base_is_taken_to_be_slow_until_it_is_measured() -> None:
    small, large = replace(PROFILE, small=True), replace(PROFILE, small=False)
    for needed in (
        lambda profile: decode_seconds(TASK, profile, 16, Decode.GREEDY, expected_pace(profile)),
        lambda profile: score_seconds(TASK, profile, 16, expected_pace(profile)),
    ):
        assert needed(large) > 9 * needed(small) > 0
    pace = expected_pace(large)
    pace.wrote(steps=10, seconds=0.1)
    assert pace.per_step == 0.01


def test_drafts_are_never_counted_as_slower_than_none() -> None:
    pace = Pace()
    for _ in range(40):
        pace.followed(steps=90, tokens=30)
    assert pace.drafted == 1.0


def test_all_prompts_are_read_and_every_batch_is_written() -> None:
    pace = Pace(per_prompt_token=1e-3, per_step=0.1)
    expected, _ = answer_limits(TASK, TASK.test_inputs[0], PROFILE)
    prompt = FORMAT.length(Episode(TASK.train, TASK.test_inputs[0]))
    whole = MARGIN * (16 * prompt * 1e-3 + 2 * expected * 0.1)
    assert decode_seconds(TASK, PROFILE, 16, Decode.GREEDY, pace) == pytest.approx(whole)


def test_good_drafts_make_all_but_the_first_batch_cheap() -> None:
    slow, fast = Pace(0.0, 0.1), Pace(0.0, 0.1, drafted=0.0)
    one, two = (decode_seconds(TASK, PROFILE, 16, Decode.GREEDY, pace) for pace in (fast, slow))
    assert two == pytest.approx(2 * one)
    assert decode_seconds(TASK, PROFILE, 16, Decode.SAMPLE, fast) == pytest.approx(two)
    narrow = replace(PROFILE, decode_tokens=1)
    assert decode_seconds(TASK, narrow, 16, Decode.GREEDY, slow) == pytest.approx(16 * one)
    assert decode_seconds(TASK, narrow, 16, Decode.GREEDY, fast) == pytest.approx(one)


def test_searching_comes_on_top() -> None:
    pace = Pace(searched=3.0)
    greedy, dfs = (decode_seconds(TASK, PROFILE, 16, how, pace) for how in (Decode.GREEDY, Decode.DFS))
    assert dfs > 3 * greedy


@settings(max_examples=30)
@given(task=tasks(), views=st.integers(1, 32), decode=st.sampled_from(Decode))
def test_more_of_anything_never_takes_less(task: object, views: int, decode: Decode) -> None:
    pace = Pace()
    seconds = [decode_seconds(task, PROFILE, count, decode, pace) for count in (views, views + 8)]  # type: ignore[arg-type]
    assert 0 < seconds[0] <= seconds[1]
    scoring = [score_seconds(task, PROFILE, count, pace) for count in (views, views + 8)]  # type: ignore[arg-type]
    assert 0 < scoring[0] <= scoring[1]


def test_no_more_candidates_are_scored_than_the_profile_allows() -> None:
    pace = Pace(candidates=100.0)
    few = replace(PROFILE, decoding=DecodeSettings(scored=2))
    assert score_seconds(TASK, few, 8, pace) == pytest.approx(
        score_seconds(TASK, PROFILE, 8, replace(pace, candidates=2))
    )
