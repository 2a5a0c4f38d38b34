"""Cached, batched, right-padded greedy decoding writes what the plain loop over one unpadded sequence writes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.budget import Deadline
from solver.decoding import Generated, greedy, reference
from solver.examples import collate
from solver.model import Base
from solver.prompt import END, PAD, ROW, Encoded, NativeFormat
from tests.fakes import CPU, FakeClock, logits, random_prompt, shake, tiny_base

NEVER = Deadline.never()
SEEDS = [0, 1, 2]


@pytest.fixture(scope="module")
def bases() -> dict[tuple[int, bool], Base]:
    """By seed and geometry: random models with random adapters, which the tests leave as they are."""
    found = {}
    for seed in SEEDS:
        for geometric in (True, False):
            found[seed, geometric] = tiny_base(seed=seed, format=NativeFormat(geometric), small=bool(seed % 2))
            shake(found[seed, geometric], seed)
    return found


@pytest.fixture
def base(bases: dict[tuple[int, bool], Base]) -> Base:
    return bases[0, True]


@pytest.fixture
def uninitialised_is_nan() -> Iterator[None]:
    """Memory that PyTorch hands out uninitialised holds NaN, the worst of what it can hold."""
    torch.use_deterministic_algorithms(True)
    before, torch.utils.deterministic.fill_uninitialized_memory = (
        torch.utils.deterministic.fill_uninitialized_memory,
        True,
    )
    yield
    torch.utils.deterministic.fill_uninitialized_memory = before
    torch.use_deterministic_algorithms(False)


def decode(base: Base, prompts: Sequence[Encoded], limit: int) -> list[Generated]:
    with base.inference():
        return greedy(base, prompts, limit, NEVER)[0]


def plain(base: Base, prompt: Encoded, limit: int) -> Generated:
    return reference.greedy(reference.next_token(base, prompt), END, limit)


def assert_same(found: Sequence[Generated], expected: Sequence[Generated]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.ids, one.complete) == (other.ids, other.complete)
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)


@pytest.mark.parametrize("geometric", [True, False], ids=["geometric", "sequential"])
@pytest.mark.parametrize("seed", SEEDS)
def test_cached_batched_decoding_equals_the_plain_loop(
    bases: dict[tuple[int, bool], Base], seed: int, geometric: bool
) -> None:
    base = bases[seed, geometric]
    prompts = [random_prompt(seed, side, geometric=geometric) for seed, side in enumerate((1, 5, 3, 6, 2, 4, 5, 2))]
    assert len({len(prompt) for prompt in prompts}) > 4
    found = decode(base, prompts, 40)
    assert_same(found, [plain(base, prompt, 40) for prompt in prompts])
    assert len({answer.ids for answer in found}) > 2
    assert max(len(answer.ids) for answer in found) > 10


def test_the_prompt_and_the_adapter_matter(base: Base, bases: dict[tuple[int, bool], Base]) -> None:
    """Else equality with the plain loop would say little."""
    prompts = [random_prompt(seed, 4) for seed in range(8)]
    found = decode(base, prompts, 30)
    fresh = decode(tiny_base(), prompts, 30)
    assert [answer.ids for answer in found] != [answer.ids for answer in fresh]
    assert len({answer.logprob for answer in found}) == len(found)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), sides=st.lists(st.integers(1, 5), min_size=1, max_size=4), limit=st.integers(1, 12))
def test_any_batch_equals_the_plain_loop(
    bases: dict[tuple[int, bool], Base], seed: int, sides: list[int], limit: int
) -> None:
    base = bases[seed % len(SEEDS), True]
    prompts = [random_prompt(seed + row, side) for row, side in enumerate(sides)]
    assert_same(decode(base, prompts, limit), [plain(base, prompt, limit) for prompt in prompts])


def test_company_in_the_batch_changes_nothing(base: Base) -> None:
    short, long = random_prompt(1, 2), random_prompt(2, 9)
    assert len(long) > 3 * len(short)
    alone, with_long, with_short = (decode(base, batch, 30) for batch in ([short], [short, long], [short] * 5))
    assert_same(with_long[:1], alone)
    assert_same(with_short, alone * 5)


@pytest.mark.usefixtures("uninitialised_is_nan")
def test_nothing_is_read_before_it_is_written(base: Base) -> None:
    """A short prompt's row is padded with slots that no token has filled yet when a longer row already goes on."""
    assert torch.empty(3).isnan().all()
    prompts = [random_prompt(1, 2), random_prompt(2, 6)]
    found = decode(base, prompts, 20)
    assert all(np.isfinite(answer.logprob) for answer in found)
    assert_same(found, [plain(base, prompt, 20) for prompt in prompts])


def test_more_padding_changes_logits_by_rounding_only(base: Base) -> None:
    prompt = random_prompt(3, 3)
    following = int(prompt.positions[-1]) + 1
    found = []
    for side in (1, 5, 9):
        prompts = [prompt, random_prompt(4, side)]
        batch = collate(prompts, PAD, CPU)
        with base.inference():
            cache, logits_BV = base.read(batch.ids, batch.positions, [len(one) for one in prompts])
            cache.allocate(2, 3, owners=[0, 1])
            steps = [logits_BV]
            for token in range(3):
                ids, positions = torch.full((2, 1), token), torch.full((2, 1), following + token)
                steps.append(base.read_on(ids, positions, [1, 1], cache)[:, 0])
        found.append(torch.stack(steps)[:, 0])
    assert (found[0][0] - found[0][1]).abs().max() > 0.1
    for steps_SV in found[1:]:
        torch.testing.assert_close(steps_SV, found[0], atol=1e-4, rtol=1e-4)


def test_the_limit_cuts_an_answer_and_says_so(base: Base) -> None:
    prompts = [random_prompt(seed, 4) for seed in range(8)]
    whole = decode(base, prompts, 60)
    lengths = sorted(len(answer.ids) for answer in whole)
    limit = lengths[4]
    assert lengths[0] < limit < lengths[-1]
    for answer, full in zip(decode(base, prompts, limit), whole, strict=True):
        assert answer.ids == full.ids[:limit]
        assert answer.complete == (full.complete and len(full.ids) <= limit)
    assert not any(answer.complete for answer in decode(base, prompts, lengths[0] - 1))


def test_complete_answers_end_with_their_only_stop_token_and_parse(base: Base) -> None:
    answers = decode(base, [random_prompt(seed, 4) for seed in range(24)], 40)
    complete = [answer for answer in answers if answer.complete]
    assert len(complete) > 5
    for answer in complete:
        assert answer.ids.index(END) == len(answer.ids) - 1
        grid = base.profile.format.parse(answer.ids)
        assert grid is not None
        assert base.profile.format.answer_ids(grid).tolist() == list(answer.ids)
    for answer in answers:
        assert answer.logprob < 0
        assert answer.complete == (answer.ids[-1] == END)


@pytest.mark.parametrize("favourite", [ROW, END, PAD, 11, 12, 15])
def test_a_model_that_wants_what_is_not_legal_never_gets_it(favourite: int) -> None:
    """Whatever it favours, answers stay prefixes of valid ones, and their probability is that among legal tokens."""
    base = tiny_base()
    with torch.no_grad():
        # Hidden states are normalised by this layer: now they all point one way, towards the favourite.
        base.lm.model.norm.weight.zero_()
        base.lm.model.norm.weight[0] = 1e3
        base.lm.lm_head.weight[:, 0] = 0
        base.lm.lm_head.weight[favourite, 0] = 10
    prompts = [random_prompt(seed, 3) for seed in range(12)]
    wanted = [logits(base.lm, collate([prompt], PAD, CPU))[0, -1].argmax().item() for prompt in prompts]
    assert favourite in wanted
    answers = decode(base, prompts, 100)
    for answer in answers:
        assert np.isfinite(answer.logprob)
        assert set(answer.ids) <= {*range(10), ROW, END}
        if answer.complete:
            assert base.profile.format.parse(answer.ids) is not None


def test_every_answer_ends_within_the_largest_grid() -> None:
    base = tiny_base()
    with torch.no_grad():
        base.lm.lm_head.weight[END].zero_()
        base.lm.lm_head.weight[:END] *= 5
    (answer,) = decode(base, [random_prompt(0, 3)], 1000)
    assert answer.complete
    assert base.profile.format.parse(answer.ids) is not None


def test_the_logprob_is_that_of_the_answer_among_legal_tokens(base: Base) -> None:
    """A row that ended goes on as padding in its batch, which must cost it nothing."""
    prompts = [random_prompt(seed, 4) for seed in range(8)]
    answers = decode(base, prompts, 40)
    shortest = min(answers, key=lambda answer: len(answer.ids))
    assert len(shortest.ids) < max(len(answer.ids) for answer in answers)
    prompt = prompts[answers.index(shortest)]
    assert shortest.logprob == pytest.approx(plain(base, prompt, 40).logprob, abs=1e-4)


def test_a_passed_deadline_returns_what_there_is(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()

    def slow(method: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            clock.now += 1
            return method(*arguments)

        return call

    monkeypatch.setattr(Base, "read", slow(Base.read))
    monkeypatch.setattr(Base, "read_on", slow(Base.read_on))
    prompts = [random_prompt(seed, 4) for seed in range(8)]
    whole = decode(base, prompts, 40)
    assert max(len(answer.ids) for answer in whole) > 4
    for seconds, tokens in ((0, 1), (3.5, 4)):
        clock.now = 0
        with base.inference():
            answers, timing = greedy(base, prompts, 40, Deadline.after(seconds, clock), clock)
        assert [answer.ids for answer in answers] == [answer.ids[:tokens] for answer in whole]
        assert [answer.complete for answer in answers] == [len(answer.ids) <= tokens for answer in whole]
        assert (timing.prompt, timing.answer, timing.steps) == (1, tokens - 1, tokens - 1)


def test_no_forward_pass_follows_the_last_token(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    read_on = Base.read_on

    def counting(self: Base, ids: torch.Tensor, *rest: object) -> torch.Tensor:
        passes.append(ids.shape[1])
        return read_on(self, ids, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Base, "read_on", counting)
    with base.inference():
        answers, timing = greedy(base, [random_prompt(seed, 4) for seed in range(8)], 5, NEVER)
    assert max(len(answer.ids) for answer in answers) == 5
    assert passes == [1] * 4
    assert timing.steps == 4


def test_rows_that_end_are_dropped_when_half_are_left(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    read_on = Base.read_on

    def counting(self: Base, ids: torch.Tensor, *rest: object) -> torch.Tensor:
        rows.append(len(ids))
        return read_on(self, ids, *rest)  # type: ignore[arg-type]

    prompts = [random_prompt(seed, 4) for seed in range(8)]
    lengths = sorted(len(answer.ids) for answer in decode(base, prompts, 40))
    monkeypatch.setattr(Base, "read_on", counting)
    decode(base, prompts, 40)
    for step, batch in enumerate(rows):
        still_written = sum(length > step + 1 for length in lengths)
        assert still_written <= batch < max(2, 2 * still_written) or batch == 8
    assert rows[-1] < 8


def test_answers_do_not_depend_on_the_random_state(base: Base) -> None:
    prompts = [random_prompt(seed, 4) for seed in range(4)]
    torch.manual_seed(1)
    random.seed(1)
    first = decode(base, prompts, 30)
    torch.manual_seed(2)
    random.seed(2)
    assert decode(base, prompts, 30) == first
