"""Answers through views that share their demonstrations are those of plain forwards over whole sequences.

Log-probabilities agree to 1e-4 in fp32, and so they do in NF4 where activations stay in fp32: the 4-bit weights are the
same ones. With bf16 activations each forward rounds differently; `BF16_TOLERANCE` is per token of the answer.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.budget import Deadline
from solver.decoding import (
    Generated,
    greedy,
    read_views,
    reference,
    score_rows,
    search,
    write_from_drafts,
    write_greedily,
    write_samples,
)
from solver.model import Base, Quantize, SharedPrefixCache
from solver.prompt import END, PAD, Encoded
from solver.sampling import SamplingSettings, uniforms
from tests.decoding_bases import prompts_of_view, random_base
from tests.fakes import FakeClock

NEVER = Deadline.never()
BF16_TOLERANCE = 0.05
LIMIT = 14
SAMPLING = SamplingSettings(temperature=1.0, top_p=0.9, seed=7)
ARCHITECTURES = ["qwen3", "llama"]


@pytest.fixture(scope="module")
def bases() -> dict[tuple[str, bool], Base]:
    """By architecture and geometry; the tests leave them as they are."""
    return {(kind, geometric): random_base(kind, geometric=geometric) for kind in ARCHITECTURES for geometric in (0, 1)}


@pytest.fixture(params=ARCHITECTURES)
def base(bases: dict[tuple[str, bool], Base], request: pytest.FixtureRequest) -> Base:
    return bases[request.param, True]


def follow(base: Base, prompt: Encoded) -> reference.NextToken:
    return reference.next_token(base, prompt)


def plain(base: Base, prompt: Encoded, limit: int = LIMIT) -> Generated:
    return reference.greedy(follow(base, prompt), END, limit)


def assert_same(found: Sequence[Generated], expected: Sequence[Generated], tolerance: float = 1e-4) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.ids, one.complete) == (other.ids, other.complete)
        assert one.logprob == pytest.approx(other.logprob, abs=tolerance)


def assert_all_as_the_reference(
    base: Base, prompts: Sequence[Sequence[Encoded]], chosen: Sequence[tuple[int, int]], limit: int
) -> None:
    """Greedy, drafted, sampled, searched and scored answers of the same rows."""
    asked = [prompts[view][number] for view, number in chosen]
    expected = [plain(base, prompt, limit) for prompt in asked]
    drawn = [
        reference.sample(follow(base, prompt), END, limit, SAMPLING, uniforms(7, row, limit))
        for row, prompt in enumerate(asked)
    ]
    with base.inference():
        views = read_views(base, prompts)
        assert_same(write_greedily(views.rows(chosen, limit), limit, NEVER)[0], expected)
        # Each row's draft is the next row's answer.
        drafts = [answer.ids for answer in (*expected[1:], expected[0])]
        assert_same(write_from_drafts(views.rows(chosen, limit), drafts, limit, NEVER)[0], expected)
        found, _ = write_samples(views.rows(chosen, limit), range(len(chosen)), SAMPLING, limit, NEVER)
        assert_same(found, drawn)
        scores = score_rows(views.rows(chosen, limit), [answer.ids for answer in expected])
        np.testing.assert_allclose(scores, [answer.logprob for answer in expected], atol=1e-4)
        searches, _ = search(views.rows(chosen, 4), 0.04, 4, NEVER, drafts)
    for one, prompt in zip(searches, asked, strict=True):
        answers, complete = reference.search(follow(base, prompt), END, 4, 0.04)
        assert one.complete == complete
        assert_same(one.answers, answers)


@pytest.mark.parametrize("geometric", [True, False], ids=["geometric", "sequential"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_views_of_several_test_inputs_answer_as_plain_forwards(
    bases: dict[tuple[str, bool], Base], kind: str, geometric: bool
) -> None:
    prompts = [prompts_of_view(view, side, tests=2, geometric=geometric) for view, side in enumerate((2, 6, 4))]
    chosen = [(view, number) for view in range(3) for number in range(2)]
    assert_all_as_the_reference(bases[kind, geometric], prompts, chosen, LIMIT)


@settings(max_examples=10)
@given(data=st.data(), seed=st.integers(0, 10**6), limit=st.integers(1, 10), kind=st.sampled_from(ARCHITECTURES))
def test_any_rows_of_any_views_answer_as_plain_forwards(
    bases: dict[tuple[str, bool], Base], data: st.DataObject, seed: int, limit: int, kind: str
) -> None:
    """Views with different numbers of test inputs, rows in any order, some prompts several times, some not at all."""
    shapes = data.draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=4))
    prompts = [prompts_of_view(seed + view, side, tests) for view, (side, tests) in enumerate(shapes)]
    every = [(view, number) for view, some in enumerate(prompts) for number in range(len(some))]
    chosen = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=5))
    assert_all_as_the_reference(bases[kind, True], prompts, chosen, limit)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of all forward passes from now on."""
    passes: list[tuple[int, ...]] = []
    read, read_on = Base.read, Base.read_on

    def reading(self: Base, ids: torch.Tensor, *rest: Any) -> Any:
        passes.append(tuple(ids.shape))
        return read(self, ids, *rest)

    def reading_on(self: Base, ids: torch.Tensor, *rest: Any, **more: Any) -> Any:
        passes.append(tuple(ids.shape))
        return read_on(self, ids, *rest, **more)

    monkeypatch.setattr(Base, "read", reading)
    monkeypatch.setattr(Base, "read_on", reading_on)
    return passes


def test_demonstrations_are_read_once_for_all_that_is_asked(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [prompts_of_view(view, side, tests=3) for view, side in enumerate((6, 5))]
    passes = counted(monkeypatch)
    with base.inference():
        views = read_views(base, prompts)
        demonstrations = [int(np.flatnonzero(some[0].ids == END)[1]) + 1 for some in prompts]
        assert passes == [(2, max(views.prefixes))]
        assert all(prefix >= length for prefix, length in zip(views.prefixes, demonstrations, strict=True))
        for number in range(3):
            rows = views.rows([(0, number)] * 3 + [(1, number)], LIMIT)
            write_greedily(rows, LIMIT, NEVER)
            score_rows(views.rows([(view, number) for view in (0, 0, 1)], 3), [(1, END), (2, 3, END), (4, END)])
        search(views.rows([(1, 2)], LIMIT), 0.3, LIMIT, NEVER)
    longest = max(len(prompt) - prefix for some, prefix in zip(prompts, views.prefixes, strict=True) for prompt in some)
    assert longest < min(demonstrations)
    assert max(length for _, length in passes[1:]) <= longest


def test_a_prompt_asked_for_several_times_is_read_once(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [prompts_of_view(0, 4, tests=2)]
    passes = counted(monkeypatch)
    with base.inference():
        rows = read_views(base, prompts).rows([(0, 1)] * 5, 3)
        assert len(rows.answers) == rows.cache.rows == 5
        assert passes[1:] == [(1, rows.own[0])]
        passes.clear()
        read_views(base, [[some] for some in prompts[0]]).rows([(0, 0), (1, 0), (0, 0)], 3)
        # Views of one prompt each: nothing of it is left to be read.
        assert len(passes) == 1


def test_passes_are_counted_as_they_are_made(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [prompts_of_view(view, 4) for view in range(4)]
    chosen = [(view, 0) for view in range(4)]
    passes = counted(monkeypatch)
    with base.inference():
        views = read_views(base, prompts)
        passes.clear()
        answers, timing = write_greedily(views.rows(chosen, LIMIT), LIMIT, NEVER)
        assert timing.steps == len(passes) == max(len(answer.ids) for answer in answers) - 1
        passes.clear()
        _, timing = write_from_drafts(views.rows(chosen, LIMIT), [one.ids for one in answers], LIMIT, NEVER)
        assert timing.steps == len(passes) == 1
        passes.clear()
        _, timing = search(views.rows(chosen, LIMIT), 0.01, LIMIT, NEVER)
        assert timing.steps == len(passes) > 1
        passes.clear()
        score_rows(views.rows([pair for pair in chosen for _ in answers], LIMIT), [one.ids for one in answers] * 4)
        assert len(passes) == 1


def test_a_search_takes_no_more_memory_the_more_it_visits(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[tuple[int, int]] = []
    read_on = Base.read_on

    def watching(
        self: Base, ids: Any, positions: Any, counts: Any, cache: SharedPrefixCache, last: bool = False
    ) -> Any:
        logits = read_on(self, ids, positions, counts, cache, last)
        held.append((cache.rows, sum(store.numel() for store in (*cache.keys, *cache.values))))
        return logits

    monkeypatch.setattr(Base, "read_on", watching)
    with base.inference():
        views = read_views(base, [prompts_of_view(view, 3) for view in range(2)])
        for threshold, passes in ((0.05, 1), (0.002, 30)):
            held.clear()
            _, timing = search(views.rows([(0, 0), (1, 0)], 6), threshold, 6, NEVER)
            assert timing.steps == len(held) >= passes
            assert held[0][0] == 2
            assert all(rows <= 2 and stored <= held[0][1] for rows, stored in held)


def test_scores_of_any_candidates_are_those_of_plain_forwards(base: Base) -> None:
    prompts = [prompts_of_view(view, side, tests=2) for view, side in enumerate((3, 5))]
    candidates = [(1, END), (2, 3, 10, 4, 5, END), (0, 10, 0, 10, 0, END), (7, 7, 7, END), (9, END)]
    pairs = [(view, answer) for view in range(2) for answer in candidates]
    expected = [reference.score(follow(base, prompts[view][1]), answer) for view, answer in pairs]
    assert np.ptp(expected) > 3
    with base.inference():
        views = read_views(base, prompts)
        found = score_rows(views.rows([(view, 1) for view, _ in pairs], 6), [answer for _, answer in pairs])
        np.testing.assert_allclose(found, expected, atol=1e-4)
        for (view, answer), logprob in zip(pairs, expected, strict=True):
            (alone,) = score_rows(views.rows([(view, 1)], len(answer)), [answer])
            assert alone == pytest.approx(logprob, abs=1e-4)


def test_answers_that_cannot_be_have_no_probability(base: Base) -> None:
    bad = [(END,), (10, 1, END), (1, 2, 10, 3, END), (1, 99, END), (-1, END), (1, PAD), (1, END, 1)]
    with base.inference():
        views = read_views(base, [prompts_of_view(0, 3)])
        found = score_rows(views.rows([(0, 0)] * 8, 5), [*bad, (1, END)])
        assert score_rows(views.rows([(0, 0)], 1), [(1,)]) == pytest.approx(views.rows([(0, 0)], 1).first[0, 1].item())
    assert found[:-1].tolist() == [-np.inf] * len(bad)
    assert -50 < found[-1] < 0


def test_samples_depend_on_their_number_alone(base: Base) -> None:
    prompts = [prompts_of_view(0, 3, tests=2), prompts_of_view(1, 5)]
    with base.inference():
        views = read_views(base, prompts)
        numbers = [5, 2, 9, 5]
        together, _ = write_samples(views.rows([(0, 1)] * 4, LIMIT), numbers, SAMPLING, LIMIT, NEVER)
        for number, sampled in zip(numbers, together, strict=True):
            rows = views.rows([(1, 0), (0, 1)], LIMIT)
            (_, alone), _ = write_samples(rows, [number + 1, number], SAMPLING, LIMIT, NEVER)
            assert_same([alone], [sampled])
    assert len({answer.ids for answer in together}) == 3


def test_prompts_of_one_view_must_have_something_in_common(base: Base) -> None:
    first, second = (prompts_of_view(seed, 3)[0] for seed in range(2))
    with base.inference(), pytest.raises(ValueError, match="share no token"):
        read_views(base, [[first, Encoded(second.ids[1:], second.positions[1:], second.loss_mask[1:])]])


def test_reading_is_timed(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    read, read_on = Base.read, Base.read_on

    def slow(method: Any, seconds: float) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            clock.now += seconds
            return method(*arguments, **named)

        return call

    monkeypatch.setattr(Base, "read", slow(read, 100))
    monkeypatch.setattr(Base, "read_on", slow(read_on, 1))
    with base.inference():
        views = read_views(base, [prompts_of_view(0, 4, tests=2)], clock)
        rows = views.rows([(0, 0), (0, 1)], 3, clock)
        assert (views.seconds, rows.seconds) == (100, 1)
        # No answer ends with its first token.
        _, timing = write_greedily(rows, 2, NEVER, clock)
        assert (timing.prompt, timing.answer, timing.steps) == (1, 1, 1)
        _, timing = greedy(base, prompts_of_view(1, 3), 2, NEVER, clock)
        assert (timing.prompt, timing.answer, timing.steps) == (100, 1, 1)


@pytest.mark.parametrize("decoder", ["greedy", "drafts", "search", "score"])
def test_nothing_is_left_behind_by_what_fails(base: Base, monkeypatch: pytest.MonkeyPatch, decoder: str) -> None:
    """The rows' keys and values are free as soon as the error is; the views go on."""
    stores: list[weakref.ref[torch.Tensor]] = []
    read_on = Base.read_on

    def failing(self: Base, ids: Any, positions: Any, counts: Any, cache: SharedPrefixCache, last: bool = False) -> Any:
        stores.extend(weakref.ref(store) for store in (*cache.keys, *cache.values))
        if len(stores) > 4:
            raise torch.OutOfMemoryError("no")
        return read_on(self, ids, positions, counts, cache, last)

    prompts = [prompts_of_view(view, 4, tests=2) for view in range(2)]
    chosen = [(0, 0), (1, 1)]
    expected = plain(base, prompts[1][1])
    with base.inference():
        views = read_views(base, prompts)
        calls = {
            "greedy": lambda: write_greedily(views.rows(chosen, LIMIT), LIMIT, NEVER),
            "drafts": lambda: write_from_drafts(views.rows(chosen, LIMIT), [None, None], LIMIT, NEVER),
            "search": lambda: search(views.rows(chosen, LIMIT), 0.001, LIMIT, NEVER),
            "score": lambda: score_rows(views.rows([*chosen, *chosen], LIMIT), [(1, 2, END)] * 4),
        }
        with monkeypatch.context() as patch:
            patch.setattr(Base, "read_on", failing)
            with pytest.raises(torch.OutOfMemoryError):
                calls[decoder]()
        gc.collect()
        assert len(stores) > 4
        assert all(store() is None for store in stores)
        assert_same(write_greedily(views.rows([(1, 1)], LIMIT), LIMIT, NEVER)[0], [expected])


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_four_bit_weights_change_nothing_about_equality(kind: str) -> None:
    base = random_base(kind, Quantize.NF4)
    assert base.quantize is Quantize.NF4
    prompts = [prompts_of_view(view, side, tests=2) for view, side in enumerate((2, 5, 3))]
    assert_all_as_the_reference(base, prompts, [(0, 0), (0, 1), (1, 1), (2, 0), (2, 0)], LIMIT)


@pytest.mark.parametrize("quantize", list(Quantize))
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_with_bf16_activations_log_probabilities_agree_within_the_tolerance(kind: str, quantize: Quantize) -> None:
    """Every answer is the reference's but where two tokens are as good as equal, and is as probable as it says."""
    base = random_base(kind, quantize, torch.bfloat16)
    prompts = [prompts_of_view(view, 5) for view in range(6)]
    chosen = [(view, 0) for view in range(6)]
    with base.inference():
        views = read_views(base, prompts)
        answers, _ = write_greedily(views.rows(chosen, LIMIT), LIMIT, NEVER)
        drafted, _ = write_from_drafts(views.rows(chosen, LIMIT), [answers[0].ids] * 6, LIMIT, NEVER)
        scores = score_rows(views.rows(chosen, LIMIT), [answer.ids for answer in answers])
    for answer, other, scored, (prompt,) in zip(answers, drafted, scores, prompts, strict=True):
        room = BF16_TOLERANCE * len(answer.ids)
        exact = reference.score(follow(base, prompt), answer.ids)
        assert answer.logprob == pytest.approx(exact, abs=room)
        assert scored == pytest.approx(exact, abs=room)
        assert other.logprob == pytest.approx(reference.score(follow(base, prompt), other.ids), abs=room)
        for place, token in enumerate(answer.ids):
            logprobs = follow(base, prompt)(answer.ids[:place])
            assert logprobs[token] > logprobs.max() - 2 * BF16_TOLERANCE
