"""Batched sampling writes what a slow loop over whole sequences writes, from the right distribution, in its time."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from solver.budget import Deadline
from solver.model import SharedPrefixCache, TextBase, forward_hidden
from solver.sampling import LOGIT_BYTES, WORKSPACE, Sampled, SamplingSettings, draw, rows_for, sample
from tests.fakes import FakeClock
from tests.tiny_text_base import ARCHITECTURES, BEGIN, CONTEXT, tiny_text_base

NEVER = Deadline.never()
TEXT = f"{BEGIN}0 1 2\n3 4 5\n"
GREEDY = SamplingSettings(temperature=0)
KINDS = [
    GREEDY,
    SamplingSettings(temperature=1.0, seed=3),
    SamplingSettings(temperature=0.7, top_p=0.8, seed=2**63 + 1),
    SamplingSettings(temperature=1.5, top_p=0.3),
]


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def base(request: pytest.FixtureRequest) -> TextBase:
    return tiny_text_base(request.param)


@pytest.fixture(scope="module")
def llama() -> TextBase:
    return tiny_text_base()


def first_texts(base: TextBase, count: int, rows: int, limit: int, settings: SamplingSettings) -> list[Sampled]:
    """The first `count` texts in the order of their numbers: waits for them all, as some take longer than others."""
    found = {}
    for text in sample(base, base.encode(TEXT), rows, limit, settings, NEVER):
        assert text.number not in found
        found[text.number] = text
        if all(number in found for number in range(count)):
            break
    return [found[number] for number in range(count)]


def plain(base: TextBase, number: int, limit: int, settings: SamplingSettings) -> Sampled:
    """One text with nothing clever: the whole sequence again for every token, the distribution written out."""
    noise = np.random.Generator(np.random.Philox(key=np.array([settings.seed, number], dtype=np.uint64)))
    prompt = base.encode(TEXT)
    ids: list[int] = []
    total = 0.0
    while len(ids) < limit and not (ids and ids[-1] in base.stop_ids):
        whole = torch.tensor([prompt + ids])
        with torch.no_grad():
            hidden = forward_hidden(base.lm, whole, torch.arange(whole.shape[1])[None])
            logits = base.lm.lm_head(hidden[0, -1]).double().numpy()
        uniform = noise.random()
        chances = distribution(logits, settings)
        ids.append(int(np.flatnonzero(chances.cumsum() > uniform * chances.sum())[0]))
        total += logits[ids[-1]] - np.logaddexp.reduce(logits)
    return Sampled(number, tuple(ids), ids[-1] in base.stop_ids, total)


def distribution(logits: np.ndarray, settings: SamplingSettings) -> np.ndarray:
    """What tokens are drawn from, [V], not rescaled after top_p."""
    if settings.temperature == 0:
        return np.eye(len(logits))[logits.argmax()]
    chances = np.exp((logits - logits.max()) / settings.temperature)
    chances /= chances.sum()
    reached, kept = 0.0, np.zeros_like(chances)
    for token in np.argsort(-chances, kind="stable"):
        if reached >= settings.top_p:
            break
        kept[token] = chances[token]
        reached += chances[token]
    return kept


def assert_same(found: Iterable[Sampled], expected: Iterable[Sampled]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one.number, one.ids, one.complete) == (other.number, other.ids, other.complete)
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)


@pytest.mark.parametrize("settings", KINDS, ids=str)
@pytest.mark.parametrize("rows", [1, 4, 7])
def test_texts_are_those_of_the_plain_loop_in_however_many_rows(
    base: TextBase, rows: int, settings: SamplingSettings
) -> None:
    limit = 9
    found = first_texts(base, 12, rows, limit, settings)
    assert_same(found, [plain(base, number, limit, settings) for number in range(12)])
    if settings != GREEDY:
        assert len({text.ids for text in found}) > 6
        assert len({len(text.ids) for text in found}) > 2


def test_long_texts_are_those_of_the_plain_loop(base: TextBase) -> None:
    settings = SamplingSettings(temperature=1.2, top_p=0.95, seed=5)
    found = first_texts(base, 16, 5, 60, settings)
    longest = sorted(found, key=lambda text: -len(text.ids))[:3]
    assert len(longest[0].ids) > 15
    assert_same(longest, [plain(base, text.number, 60, settings) for text in longest])


def test_complete_texts_end_with_their_only_stop_token_and_others_reach_the_limit(llama: TextBase) -> None:
    texts = first_texts(llama, 40, 6, 6, SamplingSettings(temperature=1.0))
    for text in texts:
        stops = [token in llama.stop_ids for token in text.ids]
        assert not any(stops[:-1])
        assert text.complete == stops[-1]
        assert text.complete or len(text.ids) == 6
        assert text.logprob < 0
    assert {text.complete for text in texts} == {True, False}


def test_seed_and_prompt_matter_and_the_random_state_does_not(llama: TextBase) -> None:
    settings = SamplingSettings(temperature=1.0, seed=1)
    torch.manual_seed(1)
    first = first_texts(llama, 5, 2, 20, settings)
    torch.manual_seed(2)
    np.random.seed(2)
    assert first_texts(llama, 5, 2, 20, settings) == first
    assert [text.ids for text in first_texts(llama, 5, 2, 20, SamplingSettings(1.0, seed=2))] != [t.ids for t in first]
    other = sample(llama, llama.encode(TEXT + "6"), 1, 20, settings, NEVER)
    assert [text.ids for text in itertools.islice(other, 5)] != [text.ids for text in first]


def test_rows_are_always_full_and_the_prompt_is_read_once(llama: TextBase, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[tuple[int, ...]] = []
    caches = set()
    next_logits, read = TextBase.next_logits, TextBase.read

    def counting(self: TextBase, ids: Tensor, cache: SharedPrefixCache) -> Tensor:
        passes.append(tuple(ids.shape))
        caches.add(id(cache))
        assert max(cache.lengths) < 10
        return next_logits(self, ids, cache)

    def counting_reads(self: TextBase, ids: Sequence[int]) -> Any:
        passes.append((len(ids),))
        return read(self, ids)

    monkeypatch.setattr(TextBase, "next_logits", counting)
    monkeypatch.setattr(TextBase, "read", counting_reads)
    texts = list(itertools.islice(sample(llama, [1, 2, 3], 4, 10, SamplingSettings(1.0), NEVER), 30))
    assert passes[0] == (3,)
    assert set(passes[1:]) == {(4, 1)}
    assert len(caches) == 1
    # A row loses no more than one pass to each text that starts in it.
    tokens = sum(len(text.ids) for text in texts)
    assert 4 * (len(passes) - 1) < tokens + 4 * 10


def test_the_consumer_runs_in_its_own_mode_and_ends_the_work_by_leaving(
    llama: TextBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    next_logits = TextBase.next_logits

    def counting(*args: Any) -> Tensor:
        passes.append(1)
        return next_logits(*args)

    monkeypatch.setattr(TextBase, "next_logits", counting)
    texts = sample(llama, llama.encode(TEXT), 3, 8, SamplingSettings(1.0), NEVER)
    for text in texts:
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
        if text.number > 4:
            break
    done = len(passes)
    texts.close()  # type: ignore[attr-defined]
    assert len(passes) == done > 0


def test_the_deadline_ends_sampling_between_two_tokens(llama: TextBase, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    next_logits, read = TextBase.next_logits, TextBase.read

    def slow(*args: Any) -> Tensor:
        clock.now += 1
        return next_logits(*args)

    def slow_read(*args: Any) -> Any:
        clock.now += 1
        return read(*args)

    settings = SamplingSettings(1.0)
    whole = list(itertools.islice(sample(llama, llama.encode(TEXT), 3, 8, settings, NEVER), 40))
    monkeypatch.setattr(TextBase, "next_logits", slow)
    monkeypatch.setattr(TextBase, "read", slow_read)
    counts = []
    for seconds in (0, 1, 2, 10, 30):
        clock.now = 0
        deadline = Deadline.after(seconds, clock)
        texts = list(sample(llama, llama.encode(TEXT), 3, 8, settings, deadline))
        assert clock.now == seconds
        assert texts == whole[: len(texts)]
        counts.append(len(texts))
    assert counts[:2] == [0, 0]
    assert counts == sorted(counts)
    assert counts[-1] > 10


def test_a_slow_consumer_uses_up_the_time_as_well(llama: TextBase) -> None:
    clock = FakeClock()
    count = 0
    for _ in sample(llama, llama.encode(TEXT), 2, 1, SamplingSettings(1.0), Deadline.after(5, clock)):
        clock.now += 1
        count += 1
    # Both rows' texts of one token are ready at once, and what is ready is handed out.
    assert count == 6


def no_memory(monkeypatch: pytest.MonkeyPatch, most_rows: int, passes: int, error: BaseException) -> list[int]:
    """From pass number `passes` on there is no memory for more than `most_rows` rows; returns the rows of each pass."""
    seen: list[int] = []
    next_logits = TextBase.next_logits

    def limited(self: TextBase, ids: Tensor, cache: SharedPrefixCache) -> Tensor:
        seen.append(len(ids))
        if len(seen) >= passes and len(ids) > most_rows:
            raise error
        return next_logits(self, ids, cache)

    monkeypatch.setattr(TextBase, "next_logits", limited)
    return seen


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("no"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory_halves_the_rows_and_loses_no_text(
    llama: TextBase, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    settings = SamplingSettings(1.0, seed=4)
    expected = first_texts(llama, 20, 7, 8, settings)
    seen = no_memory(monkeypatch, 2, 5, error)
    notes: list[str] = []
    found: dict[int, Sampled] = {}
    for text in sample(llama, llama.encode(TEXT), 7, 8, settings, NEVER, notes.append):
        assert text.number not in found
        found[text.number] = text
        if all(number in found for number in range(20)):
            break
    assert_same([found[number] for number in range(20)], expected)
    assert seen[:7] == [7] * 5 + [3, 1]
    assert set(seen[6:]) == {1}
    assert [note for note in notes if "out of memory" in note] == notes
    assert [note.split()[4] for note in notes] == ["7", "3"]


def test_no_memory_for_the_rows_themselves_halves_them(llama: TextBase, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    allocate = SharedPrefixCache.allocate

    def limited(self: SharedPrefixCache, rows: int, capacity: int) -> None:
        asked.append(rows)
        if rows > 3:
            raise torch.OutOfMemoryError("no")
        allocate(self, rows, capacity)

    monkeypatch.setattr(SharedPrefixCache, "allocate", limited)
    notes: list[str] = []
    settings = SamplingSettings(1.0)
    texts = list(itertools.islice(sample(llama, llama.encode(TEXT), 8, 6, settings, NEVER, notes.append), 12))
    assert asked == [8, 4, 2]
    assert len(notes) == 2
    for text in texts:
        assert_same([text], [plain(llama, text.number, 6, settings)])


def test_out_of_memory_frees_the_rows_before_others_are_made(llama: TextBase, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    caches: list[SharedPrefixCache] = []
    no_memory(monkeypatch, 2, 1, torch.OutOfMemoryError("no"))
    read = TextBase.read

    def watched(self: TextBase, ids: Sequence[int]) -> Any:
        cache, logits = read(self, ids)
        caches.append(cache)
        return cache, logits

    monkeypatch.setattr(TextBase, "read", watched)
    monkeypatch.setattr(TextBase, "recover", lambda self: held.append(len(caches[0].keys) + len(caches[0].values)))
    next(sample(llama, llama.encode(TEXT), 4, 8, SamplingSettings(1.0), NEVER, lambda note: None))
    assert held == [0]


def test_a_single_row_without_memory_and_other_errors_are_raised(
    llama: TextBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        no_memory(patch, 0, 2, torch.OutOfMemoryError("none left"))
        notes: list[str] = []
        with pytest.raises(torch.OutOfMemoryError, match="none left"):
            list(sample(llama, llama.encode(TEXT), 2, 30, SamplingSettings(1.0), NEVER, notes.append))
        assert len(notes) == 1
    with monkeypatch.context() as patch:
        no_memory(patch, 0, 2, RuntimeError("something else"))
        with pytest.raises(RuntimeError, match="something else"):
            list(sample(llama, llama.encode(TEXT), 2, 30, SamplingSettings(1.0), NEVER, notes.append))
        assert len(notes) == 1


def test_logits_that_are_not_finite_are_an_error_not_a_text(llama: TextBase, monkeypatch: pytest.MonkeyPatch) -> None:
    next_logits = TextBase.next_logits

    def broken(self: TextBase, ids: Tensor, cache: SharedPrefixCache) -> Tensor:
        logits = next_logits(self, ids, cache).clone()
        logits[0, 0, 7] = float("nan")
        return logits

    monkeypatch.setattr(TextBase, "next_logits", broken)
    with pytest.raises(FloatingPointError, match="not finite"):
        list(sample(llama, llama.encode(TEXT), 2, 30, SamplingSettings(1.0), NEVER))


@pytest.mark.parametrize(
    ("rows", "limit", "prompt"), [(0, 5, 3), (1, 0, 3), (1, 5, 0), (1, CONTEXT - 2, 3), (1, 1, CONTEXT)]
)
def test_what_does_not_fit_is_refused(llama: TextBase, rows: int, limit: int, prompt: int) -> None:
    with pytest.raises(ValueError, match="rows of"):
        next(sample(llama, [1] * prompt, rows, limit, GREEDY, NEVER))


@pytest.mark.parametrize(
    "values",
    [(-0.1, 1.0), (1e-4, 1.0), (float("inf"), 1.0), (float("nan"), 1.0), (1.0, 0.0), (1.0, 1.1), (1.0, 1.0, -1)],
)
def test_settings_without_a_distribution_are_refused(values: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="no distribution"):
        SamplingSettings(*values)


LOGITS = np.log([0.05, 0.4, 0.001, 0.2, 0.249, 0.1])


def drawn(logits: np.ndarray, settings: SamplingSettings, count: int = 20000) -> tuple[np.ndarray, np.ndarray]:
    """How often each token is drawn, [V], and the log-probabilities that `draw` reports for them."""
    noise = np.random.default_rng(0).random(count)
    rows = torch.from_numpy(logits).float().expand(count, -1)
    chosen, gained = draw(rows, noise, settings)
    np.testing.assert_allclose(gained, (logits - np.logaddexp.reduce(logits))[chosen], atol=1e-5)
    return np.bincount(chosen, minlength=len(logits)), gained


@pytest.mark.parametrize("temperature", [0.3, 0.8, 1.0, 2.0])
@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.6])
def test_tokens_are_drawn_from_the_distribution(temperature: float, top_p: float) -> None:
    settings = SamplingSettings(temperature, top_p)
    counts, _ = drawn(LOGITS, settings)
    chances = distribution(LOGITS, settings)
    possible = chances > 0
    assert not counts[~possible].any()
    if possible.sum() > 1:
        assert chisquare(counts[possible], chances[possible] / chances.sum() * counts.sum()).pvalue > 0.001


def test_the_test_of_a_distribution_can_fail() -> None:
    counts, _ = drawn(LOGITS, SamplingSettings(0.9))
    chances = distribution(LOGITS, SamplingSettings(1.0))
    assert chisquare(counts, chances * counts.sum()).pvalue < 0.001


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(1e-6, {1}), (0.4 - 1e-4, {1}), (0.4 + 1e-4, {1, 4}), (0.7, {1, 3, 4}), (0.999 + 1e-4, {0, 1, 2, 3, 4, 5})],
)
def test_the_nucleus_is_the_fewest_tokens_that_reach_top_p(top_p: float, kept: set[int]) -> None:
    counts, _ = drawn(LOGITS, SamplingSettings(1.0, top_p))
    assert set(np.flatnonzero(counts)) == kept


def test_of_equal_tokens_the_nucleus_takes_the_first() -> None:
    counts, _ = drawn(np.zeros(8), SamplingSettings(1.0, 0.5))
    assert set(np.flatnonzero(counts)) == {0, 1, 2, 3}


@pytest.mark.parametrize("temperature", [0.0, 1e-3])
def test_a_vanishing_temperature_takes_the_best(temperature: float) -> None:
    counts, _ = drawn(LOGITS, SamplingSettings(temperature), 100)
    assert counts.tolist() == [0, 100, 0, 0, 0, 0]


def test_a_high_temperature_takes_all_alike() -> None:
    counts, _ = drawn(LOGITS, SamplingSettings(1e6))
    assert chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-53])
def test_the_ends_of_the_interval_are_tokens_that_are_possible(uniform: float) -> None:
    """Those without probability lie at both ends of the vocabulary."""
    logits = torch.tensor([[float("-inf"), 1.0, 1.0, float("-inf")]], dtype=torch.bfloat16)
    chosen, gained = draw(logits, np.array([uniform]), SamplingSettings(1.0))
    assert chosen.tolist() == [1 if uniform < 0.5 else 2]
    assert gained[0] == pytest.approx(np.log(0.5))


class Chain:
    """A base whose next token depends on the last one alone, by a table of logits [V, V]; token 0 ends a text."""

    def __init__(self, table: Tensor) -> None:
        self.table = table
        self.stop_ids = frozenset([0])
        self.context = 1000

    def read(self, ids: Sequence[int]) -> tuple[Any, Tensor]:
        nothing = SimpleNamespace(allocate=lambda *_: None, restart=lambda _: None)
        return nothing, self.table[ids[-1]]

    def next_logits(self, ids: Tensor, cache: object) -> Tensor:
        return self.table[ids]


def test_whole_texts_follow_the_distribution_of_texts() -> None:
    """Short texts end sooner, but of the first so many that started none is missing, so they are not favoured."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(4, 4, generator=generator)
    settings = SamplingSettings(temperature=0.7, seed=11)
    chances = (table / 0.7).softmax(-1).double().numpy()
    count, found = 6000, {}
    for text in sample(cast(TextBase, Chain(table)), [2], 16, 5, settings, NEVER):
        if text.number < count:
            found[text.number] = text.ids
        elif len(found) == count:
            break
    expected: Counter[tuple[int, ...]] = Counter()
    for length in range(1, 6):
        for ids in itertools.product(range(4), repeat=length):
            ends = 0 not in ids[:-1] and (ids[-1] == 0 or length == 5)
            steps = zip((2, *ids), ids, strict=False)
            if ends:
                expected[ids] = count * np.prod([chances[step] for step in steps])
    assert sum(expected.values()) == pytest.approx(count)
    counts = Counter(found.values())
    assert counts.keys() <= expected.keys()
    frequent = [ids for ids in expected if expected[ids] > 20]
    rare = [ids for ids in expected if expected[ids] <= 20]
    assert len(frequent) > 30
    seen = [*(counts[ids] for ids in frequent), sum(counts[ids] for ids in rare)]
    wanted = [*(expected[ids] for ids in frequent), sum(expected[ids] for ids in rare)]
    assert chisquare(seen, np.array(wanted) / sum(wanted) * count).pvalue > 0.001


def test_as_many_rows_as_fit_are_counted_by_what_the_cache_takes(base: TextBase) -> None:
    prompt, limit = 50, 12
    cache, _ = base.read([1] * prompt)

    def taken(rows: int) -> int:
        cache.allocate(rows, limit)
        stores = [*cache.keys, *cache.values, *(part for layer in cache.prefix for part in layer)]
        return sum(store.nbytes for store in stores) + rows * base.vocabulary * LOGIT_BYTES + WORKSPACE

    for rows in (1, 2, 9):
        assert rows_for(base, prompt, limit, taken(rows)) == rows
        assert rows_for(base, prompt, limit, taken(rows) - 1) == rows - 1
    assert rows_for(base, prompt, limit, taken(5) + prompt * base.token_bytes()) == rows_for(
        base, 2 * prompt, limit, taken(5) + 2 * prompt * base.token_bytes()
    )
    assert rows_for(base, prompt, limit, 0) == 0


@pytest.mark.gpu
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_texts_on_a_gpu_are_likely_ones(architecture: str, dtype: torch.dtype) -> None:
    """What was written under lower precision has the same probability in fp32 on a CPU, up to rounding."""
    exact = tiny_text_base(architecture)
    base = tiny_text_base(architecture, dtype=dtype, device=torch.device("cuda", 0))
    for text in first_texts(base, 8, 4, 20, SamplingSettings(0.8, 0.9)):
        whole = torch.tensor([exact.encode(TEXT) + list(text.ids)])
        with torch.no_grad():
            hidden = forward_hidden(exact.lm, whole, torch.arange(whole.shape[1])[None])
            logprobs = exact.lm.lm_head(hidden)[0].log_softmax(-1)
        total = sum(logprobs[place - 1, whole[0, place]].item() for place in range(-len(text.ids), 0))
        assert text.logprob == pytest.approx(total, abs=0.05 * len(text.ids))
