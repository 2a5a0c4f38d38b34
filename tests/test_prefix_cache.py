"""Rows that share prompts' keys and values get the logits of plain forwards over whole sequences."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from solver.model import SharedPrefixCache, forward_hidden, read_on, read_prompts, register_attention, shared_prefix
from solver.model.layout import lay_out
from solver.model.shared_prefix import shared_prefix_attention
from tests.fakes import random_prompt, tiny_lm
from tests.tiny_text_base import ARCHITECTURES, CPU, VOCABULARY, random_lm

CUDA = pytest.param("cuda", marks=pytest.mark.gpu)


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def lm(request: pytest.FixtureRequest) -> Any:
    return random_lm(request.param)


def random_ids(rng: random.Random, length: int) -> list[int]:
    return [rng.randrange(VOCABULARY) for _ in range(length)]


def plain(lm: Any, ids: Sequence[int], positions: Sequence[int] | None = None) -> Tensor:
    """Logits [T, V] of one whole sequence, without a cache."""
    places = torch.arange(len(ids)) if positions is None else torch.tensor(positions)
    device = lm.lm_head.weight.device
    with torch.inference_mode():
        hidden = forward_hidden(lm, torch.tensor([ids], device=device), places[None].to(device))
        out: Tensor = lm.lm_head(hidden[0])
    return out


def read(lm: Any, prompts: Sequence[Sequence[int]]) -> tuple[SharedPrefixCache, Tensor]:
    """A cache of right-padded prompts, and the logits [V, vocabulary] after each."""
    cache = SharedPrefixCache(list(map(len, prompts)))
    longest = max(map(len, prompts))
    ids = torch.tensor([[*prompt, *[0] * (longest - len(prompt))] for prompt in prompts]).to(lm.lm_head.weight.device)
    positions = torch.arange(longest, device=ids.device).expand(len(prompts), -1)
    with torch.inference_mode():
        return cache, read_prompts(lm, ids, positions, cache)


def start(lm: Any, prompt: Sequence[int], rows: int, capacity: int) -> tuple[SharedPrefixCache, Tensor]:
    """Rows after a single prompt, and the logits [vocabulary] after it."""
    cache, logits = read(lm, [prompt])
    cache.allocate(rows, capacity)
    return cache, logits[0]


def go_on(lm: Any, cache: SharedPrefixCache, ids: Sequence[Sequence[int]]) -> Tensor:
    """[B, T, V]"""
    with torch.inference_mode():
        return read_on(lm, torch.tensor(ids, device=lm.lm_head.weight.device), cache)


def assert_plain(lm: Any, prompt: list[int], rows: list[list[int]], logits: Tensor) -> None:
    """logits [B, T, V] are those after each of the rows' last T tokens."""
    for row, logits_TV in zip(rows, logits, strict=True):
        expected = plain(lm, prompt + row)[-logits.shape[1] :]
        assert expected.std() > 0.5
        torch.testing.assert_close(logits_TV, expected, atol=1e-4, rtol=1e-4)


class Mirror:
    """A cache and the same rows as lists of tokens, changed together at random."""

    def __init__(self, lm: Any, seed: int, prompts: int = 1, rows: int = 3, capacity: int = 12) -> None:
        self.lm, self.rng, self.capacity = lm, random.Random(seed), capacity
        self.prompts = [random_ids(self.rng, self.rng.randint(1, 30)) for _ in range(prompts)]
        self.cache, self.first = read(lm, self.prompts)
        self.allocate(rows)

    def allocate(self, rows: int = 3) -> None:
        self.owners = [self.rng.randrange(len(self.prompts)) for _ in range(rows)]
        self.cache.allocate(rows, self.capacity, self.owners)
        self.rows: list[list[int]] = [[] for _ in range(rows)]

    def grow(self) -> None:
        """Some rows get fewer tokens than others, or none."""
        room = min(4, self.cache.capacity - max(map(len, self.rows)))
        if not room:
            return self.crop()
        new = [random_ids(self.rng, self.rng.randint(0, room)) for _ in self.rows]
        most = max(map(len, new))
        if not most:
            return None
        ids = torch.tensor([[*some, *[7] * (most - len(some))] for some in new], device=self.cache.device)
        with torch.inference_mode():
            logits = read_on(self.lm, ids, self.cache, counts=list(map(len, new)))
        self.rows = [row + more for row, more in zip(self.rows, new, strict=True)]
        for row, (owner, more) in enumerate(zip(self.owners, new, strict=True)):
            if more:
                assert_plain(self.lm, self.prompts[owner], [self.rows[row]], logits[row : row + 1, : len(more)])
        return None

    def restart(self) -> None:
        chosen = [number for number in range(len(self.rows)) if self.rng.random() < 0.5]
        self.cache.restart(chosen)
        self.rows = [[] if number in chosen else row for number, row in enumerate(self.rows)]

    def crop(self) -> None:
        lengths = [self.rng.randint(0, len(row)) for row in self.rows]
        self.cache.crop(lengths)
        self.rows = [row[:length] for row, length in zip(self.rows, lengths, strict=True)]

    def select(self) -> None:
        chosen = [self.rng.randrange(len(self.rows)) for _ in range(self.rng.randint(1, 4))]
        self.cache.select(chosen)
        self.rows = [list(self.rows[number]) for number in chosen]
        self.owners = [self.owners[number] for number in chosen]


@pytest.mark.parametrize(("seed", "prompts"), [(0, 1), (1, 1), (2, 2), (3, 3), (4, 5)])
def test_rows_changed_in_any_order_get_the_logits_of_plain_forwards(lm: Any, seed: int, prompts: int) -> None:
    mirror = Mirror(lm, seed, prompts)
    for prompt, logits in zip(mirror.prompts, mirror.first, strict=True):
        torch.testing.assert_close(logits, plain(lm, prompt)[-1], atol=1e-4, rtol=1e-4)
    seen = set()
    changes = [mirror.grow, mirror.grow, mirror.restart, mirror.crop, mirror.select, mirror.allocate]
    for _ in range(30):
        mirror.rng.choice(changes)()
        mirror.grow()
        seen.add(tuple(map(len, mirror.rows)))
        assert (mirror.cache.rows, mirror.cache.owners) == (len(mirror.rows), mirror.owners)
        assert mirror.cache.lengths == list(map(len, mirror.rows))
    assert len({lengths for lengths in seen if len(set(lengths)) > 1}) > 8


@pytest.mark.parametrize(
    "owners", [[0, 1, 2], [0, 0, 1, 1, 2, 2], [2, 0, 1], [0, 0, 1], [1], [2, 2], [1, 2, 1], [0, 2, 2, 2]], ids=str
)
def test_rows_follow_their_own_prompts_whatever_their_order(lm: Any, owners: list[int]) -> None:
    rng = random.Random(9)
    prompts = [random_ids(rng, length) for length in (9, 3, 14)]
    cache, _ = read(lm, prompts)
    cache.allocate(len(owners), 5, owners)
    rows = [random_ids(rng, 3) for _ in owners]
    logits = go_on(lm, cache, rows)
    for number, (owner, row) in enumerate(zip(owners, rows, strict=True)):
        assert_plain(lm, prompts[owner], [row], logits[number : number + 1])


def test_padding_of_prompts_is_never_seen(lm: Any) -> None:
    rng = random.Random(10)
    prompts = [random_ids(rng, length) for length in (3, 20)]
    cache, _ = read(lm, prompts)
    with torch.inference_mode():
        for pair in cache.prefix:
            for part in pair:
                part[0, :, 3:] = 1e4
    cache.allocate(2, 2, [0, 1])
    rows = [random_ids(rng, 2) for _ in range(2)]
    logits = go_on(lm, cache, rows)
    for number in range(2):
        assert_plain(lm, prompts[number], [rows[number]], logits[number : number + 1])


def test_a_fork_has_the_same_prompts_and_rows_of_its_own(lm: Any) -> None:
    rng = random.Random(11)
    prompts = [random_ids(rng, length) for length in (5, 8)]
    cache, _ = read(lm, prompts)
    first, second = cache.fork(), cache.fork()
    first.allocate(2, 4, [0, 1])
    second.allocate(1, 4, [1])
    rows = [random_ids(rng, 2) for _ in range(3)]
    after = [*go_on(lm, first, rows[:2]), *go_on(lm, second, rows[2:])]
    for prompt, row, logits in zip((prompts[0], prompts[1], prompts[1]), rows, after, strict=True):
        assert_plain(lm, prompt, [row], logits[None])
    for one, other in zip(cache.prefix, first.prefix, strict=True):
        assert [part.data_ptr() for part in one] == [part.data_ptr() for part in other]
    assert cache.rows == 0


def test_a_prompt_taken_in_blocks_changes_nothing(lm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[int] = []
    attend = shared_prefix._attend

    def counting(query: Tensor, key: Tensor, *rest: Any) -> Any:
        blocks.append(key.shape[1])
        return attend(query, key, *rest)

    monkeypatch.setattr(shared_prefix, "_attend", counting)
    monkeypatch.setattr(shared_prefix, "CPU_BLOCK_SCORES", 1)
    monkeypatch.setattr(shared_prefix, "SMALLEST_BLOCK", 4)
    rng = random.Random(0)
    prompts, rows = [random_ids(rng, length) for length in (11, 3)], [random_ids(rng, 3) for _ in range(2)]
    cache, _ = read(lm, prompts)
    cache.allocate(2, 3, [0, 1])
    logits = go_on(lm, cache, rows)
    for number in range(2):
        assert_plain(lm, prompts[number], [rows[number]], logits[number : number + 1])
    # The rows' own keys, then the prompts': of the short one, whole blocks are padding.
    assert blocks == [3, 4, 4, 3] * lm.config.num_hidden_layers


def test_own_keys_taken_by_blocks_of_queries_change_nothing(lm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_prefix, "OWN_SCORES", 2 * 2 * lm.config.num_attention_heads * 5)
    queries: list[int] = []
    block_attention = shared_prefix._block_attention

    def counting(query: Tensor, *rest: Any) -> Tensor:
        queries.append(query.shape[2])
        return block_attention(query, *rest)

    monkeypatch.setattr(shared_prefix, "_block_attention", counting)
    rng = random.Random(0)
    prompt, rows = random_ids(rng, 6), [random_ids(rng, 5) for _ in range(2)]
    cache, _ = start(lm, prompt, 2, 5)
    assert_plain(lm, prompt, rows, go_on(lm, cache, rows))
    assert queries == [2, 2, 1] * lm.config.num_hidden_layers


def test_rows_shorter_than_the_others_are_padded_and_cropped(lm: Any) -> None:
    rng = random.Random(1)
    prompt, rows = random_ids(rng, 5), [random_ids(rng, length) for length in (4, 1, 2)]
    cache, _ = start(lm, prompt, 3, 6)
    logits = go_on(lm, cache, [row + [0] * (4 - len(row)) for row in rows])
    for number, row in enumerate(rows):
        assert_plain(lm, prompt, [row], logits[number : number + 1, : len(row)])
    cache.crop([len(row) for row in rows])
    more = [[rng.randrange(VOCABULARY)] for _ in rows]
    logits = go_on(lm, cache, more)
    assert_plain(lm, prompt, [row + new for row, new in zip(rows, more, strict=True)], logits)


def test_what_lies_beyond_a_rows_end_is_never_seen(lm: Any) -> None:
    rng = random.Random(2)
    prompt = random_ids(rng, 6)
    cache, _ = start(lm, prompt, 2, 8)
    first = [random_ids(rng, 3) for _ in range(2)]
    go_on(lm, cache, first)
    cache.crop([1, 3])
    for store in (*cache.keys, *cache.values):
        store[0, :, 1:] = 1e4
        store[1, :, 3:] = 1e4
    new = [random_ids(rng, 2) for _ in range(2)]
    logits = go_on(lm, cache, new)
    assert_plain(lm, prompt, [first[0][:1] + new[0], first[1] + new[1]], logits)


def test_other_position_schemes_give_their_own_positions() -> None:
    lm = tiny_lm()
    encoded = random_prompt(3, 4, answered=True)
    ids, positions = encoded.ids.tolist(), encoded.positions.tolist()
    assert any(later - earlier != 1 for earlier, later in itertools.pairwise(positions))
    cut = len(ids) - 6
    cache = SharedPrefixCache()
    with torch.inference_mode():
        read_prompts(lm, torch.tensor([ids[:cut]]), torch.tensor([positions[:cut]]), cache)
        cache.allocate(2, 6)
        found = [
            read_on(lm, torch.tensor([ids[part]] * 2), cache, torch.tensor([positions[part]] * 2))
            for part in (slice(cut, cut + 4), slice(cut + 4, cut + 6))
        ]
    expected = plain(lm, ids, positions)[cut:]
    for row in torch.cat(found, 1):
        torch.testing.assert_close(row, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_lower_precision_costs_no_more_than_it_does_in_a_plain_forward(architecture: str, dtype: torch.dtype) -> None:
    exact, rounded = random_lm(architecture), random_lm(architecture).to(dtype)
    rng = random.Random(4)
    prompt, rows = random_ids(rng, 40), [random_ids(rng, 8) for _ in range(3)]
    cache, _ = start(rounded, prompt, 3, 8)
    logits = torch.cat([go_on(rounded, cache, [row[part] for row in rows]) for part in (slice(5), slice(5, 8))], 1)
    assert logits.dtype is dtype
    for row, logits_TV in zip(rows, logits.float(), strict=True):
        expected = plain(exact, prompt + row)[-8:]
        usual = (plain(rounded, prompt + row)[-8:].float() - expected).square().mean()
        assert (logits_TV - expected).square().mean() < 4 * usual


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 6e-2), (torch.float16, 4e-3)])
@pytest.mark.parametrize(("heads", "length"), [((4, 4), 1), ((6, 2), 1), ((6, 2), 3), ((4, 1), 5)])
@pytest.mark.parametrize("owners", [[0, 0, 0], [0, 1, 2], [2, 1, 2]], ids=str)
def test_merged_attention_equals_attention_over_all_keys(
    owners: list[int], heads: tuple[int, int], length: int, dtype: torch.dtype, tolerance: float, device: str
) -> None:
    generator = torch.Generator().manual_seed(0)

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    rows, own, width, lengths = 3, 7, 16, [20, 5, 12]
    query, key, value = randn(rows, heads[0], length, width), *(randn(rows, heads[1], own, width) for _ in range(2))
    # Rows look strongly either at the prompt or at themselves: both parts matter.
    prefix = randn(3, heads[1], 20, width), randn(3, heads[1], 20, width)
    query[0] *= 4
    mask = torch.rand(rows, 1, length, own, generator=generator).to(device) < 0.5
    mask[..., 0] = True
    layout = lay_out(owners, lengths, query.device)
    found = shared_prefix_attention(query, key, value, mask, prefix, layout, 0.3)
    seen = torch.arange(20, device=device) < torch.tensor(lengths, device=device)[owners][:, None]
    whole_mask = torch.cat([seen[:, None, None].expand(-1, -1, length, -1), mask], -1)
    groups = heads[0] // heads[1]
    whole = [
        torch.cat([shared[owners], mine], 2).repeat_interleave(groups, 1).float()
        for shared, mine in zip(prefix, (key, value), strict=True)
    ]
    expected = functional.scaled_dot_product_attention(query.float(), *whole, attn_mask=whole_mask, scale=0.3)
    assert found.dtype is dtype
    assert found.shape == (rows, length, heads[0], width)
    torch.testing.assert_close(found.float(), expected.transpose(1, 2), atol=tolerance, rtol=tolerance)


@pytest.mark.gpu
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_rows_on_a_gpu_get_the_logits_of_plain_forwards(architecture: str) -> None:
    for prompts in (1, 4):
        mirror = Mirror(random_lm(architecture).to("cuda"), prompts, prompts)
        for _ in range(10):
            mirror.grow()
            mirror.rng.choice([mirror.restart, mirror.crop, mirror.select, mirror.allocate])()


def test_memory_grows_with_rows_and_their_length_and_holds_the_prompt_once(lm: Any) -> None:
    vector = 2 * lm.config.num_hidden_layers * lm.config.num_key_value_heads * lm.config.head_dim * 4
    for prompt, rows, capacity in ((10, 1, 4), (10, 6, 4), (10, 6, 8), (100, 6, 8)):
        cache, _ = start(lm, [1] * prompt, rows, capacity)
        go_on(lm, cache, [[2]] * rows)
        shared = [tensor for layer in cache.prefix for tensor in layer]
        own = [*cache.keys, *cache.values]
        assert sum(tensor.untyped_storage().nbytes() for tensor in shared) == vector * prompt
        assert sum(tensor.untyped_storage().nbytes() for tensor in own) == vector * rows * capacity
        assert all(tensor.shape[0] == 1 for tensor in shared)


def test_nothing_but_a_change_of_rows_allocates(lm: Any) -> None:
    cache, _ = start(lm, [1, 2, 3], 4, 8)
    places = [tensor.data_ptr() for tensor in (*cache.keys, *cache.values, *(t for pair in cache.prefix for t in pair))]
    for _ in range(3):
        go_on(lm, cache, [[5, 6]] * 4)
        cache.crop([1, 2, 0, 1])
        cache.restart([3])
    after = [tensor.data_ptr() for tensor in (*cache.keys, *cache.values, *(t for pair in cache.prefix for t in pair))]
    assert after == places


def test_released_rows_leave_the_prompt(lm: Any) -> None:
    rng = random.Random(6)
    prompt, rows = random_ids(rng, 9), [random_ids(rng, 2) for _ in range(5)]
    cache, _ = start(lm, prompt, 2, 2)
    go_on(lm, cache, rows[:2])
    cache.release()
    assert (cache.rows, cache.capacity, cache.prefix_length) == (0, 0, 9)
    assert cache.get_seq_length() == 9
    cache.allocate(5, 2)
    assert_plain(lm, prompt, rows, go_on(lm, cache, rows))


def test_what_cannot_be_is_refused(lm: Any) -> None:
    cache, _ = start(lm, [1, 2, 3], 2, 4)
    go_on(lm, cache, [[1, 2, 3]] * 2)
    with pytest.raises(ValueError, match="no room for 2"):
        go_on(lm, cache, [[4, 5]] * 2)
    with pytest.raises(ValueError, match=r"no room for \[0, 2\]"), torch.inference_mode():
        read_on(lm, torch.tensor([[1, 2]] * 2), cache, counts=[0, 2])
    for lengths in ([4, 0], [-1, 0], [1], [1, 1, 1]):
        with pytest.raises(ValueError, match="cannot be cropped"):
            cache.crop(lengths)
    assert cache.lengths == [3, 3]
    lm.config._attn_implementation = "sdpa"
    try:
        with pytest.raises(RuntimeError, match="never looked at the prompts"):
            go_on(lm, cache, [[4]] * 2)
    finally:
        lm.config._attn_implementation = register_attention()
    cache.release()
    with pytest.raises(ValueError, match="no rows"):
        cache.look(0)
    for owners in ([0, 1], [-1, 0], [0], [0, 0, 0]):
        with pytest.raises(ValueError, match="cannot follow"):
            cache.allocate(2, 4, owners)
    with pytest.raises(ValueError, match="read already"), torch.inference_mode():
        read_prompts(lm, torch.tensor([[1]], device=CPU), torch.tensor([[0]]), cache)
