"""The chunked attention equals PyTorch's, and geometric positions never cut a sequence into pieces."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from solver.augmentation import Episode
from solver.grid import Grid
from solver.model import CHUNK, ChunkedCausalAttention, forward_hidden, new_native
from solver.model.attention import _attention, _lacks_flash
from solver.prompt import NATIVE_TOKENS, PAD, NativeFormat
from solver.task import Pair

LENGTHS = [1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 37]


def attend(length: int, dtype: torch.dtype, chunked: bool) -> list[Tensor]:
    """Output and the three gradients, [B, H, T, D], of one attention on random values."""
    generator = torch.Generator().manual_seed(length)
    query, key, value, upstream = (
        torch.randn(2, 3, length, 8, generator=generator, dtype=dtype, requires_grad=True) for _ in range(4)
    )
    if chunked:
        out = ChunkedCausalAttention.apply(query, key, value, 0.3)  # type: ignore[no-untyped-call]
    else:
        out = functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.3)
    return [out.detach(), *torch.autograd.grad(out, (query, key, value), upstream)]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_chunked_attention_and_its_gradients_equal_pytorchs(length: int, dtype: torch.dtype) -> None:
    for ours, theirs in zip(attend(length, dtype, True), attend(length, dtype, False), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5 if dtype is torch.float32 else 1e-12, rtol=1e-4)


def test_chunked_attention_takes_strided_inputs() -> None:
    base = torch.randn(2, 200, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    query, key, value = (base.transpose(1, 2).detach().requires_grad_() for _ in range(3))
    out = ChunkedCausalAttention.apply(query, key, value, 0.5)  # type: ignore[no-untyped-call]
    gradients = torch.autograd.grad(out.transpose(1, 2).square().sum(), (query, key, value))
    expected = functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.5)
    expected_gradients = torch.autograd.grad(expected.square().sum(), (query, key, value))
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(gradients, expected_gradients)


@pytest.mark.parametrize("length", LENGTHS)
def test_chunked_attention_in_bfloat16_is_as_exact_as_its_numbers(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where memory holds what is not a number before it is written."""
    monkeypatch.setattr(Tensor, "new_empty", lambda self, *shape: self.new_full(shape, float("nan")))
    parts = attend(length, torch.bfloat16, True)
    generator = torch.Generator().manual_seed(length)
    exact = [torch.randn(2, 3, length, 8, generator=generator, dtype=torch.bfloat16).double() for _ in range(4)]
    query, key, value = (part.requires_grad_() for part in exact[:3])
    out = functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.3)
    for ours, theirs in zip(parts, [out, *torch.autograd.grad(out, (query, key, value), exact[3])], strict=True):
        assert (ours.double() - theirs).norm() <= 0.01 * theirs.norm()


def test_chunked_attention_is_written_as_the_next_product_reads_it() -> None:
    query, key, value = (torch.randn(2, 150, 3, 8).transpose(1, 2).requires_grad_() for _ in range(3))
    out = ChunkedCausalAttention.apply(query, key, value, 0.5)  # type: ignore[no-untyped-call]
    assert out.transpose(1, 2).is_contiguous()
    (gradient,) = torch.autograd.grad(out.sum(), query)
    assert gradient.transpose(1, 2).is_contiguous()


@pytest.mark.parametrize("length", [1, 9])
def test_without_flash_attention_shared_keys_are_given_to_each_head(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only so does PyTorch have a kernel that does not hold all scores; the result is the same."""
    generator = torch.Generator().manual_seed(length)
    query, key, value = (torch.randn(2, heads, length, 8, generator=generator) for heads in (6, 2, 2))
    module = SimpleNamespace(num_key_value_groups=3, is_causal=True, training=False)
    asked: list[tuple[int, bool]] = []
    original = functional.scaled_dot_product_attention

    def spy(query: Tensor, key: Tensor, *rest: Any, **options: Any) -> Tensor:
        asked.append((key.shape[1], options.get("enable_gqa", False)))
        return original(query, key, *rest, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", spy)
    found = []
    with torch.no_grad():
        for lacks in (False, True):
            monkeypatch.setattr("solver.model.attention._lacks_flash", lambda device, lacks=lacks: lacks)
            found.append(_attention(module, query, key, value, None, scaling=0.3)[0])  # type: ignore[arg-type]
    assert asked[-1] == (6, False)
    assert found[1].is_contiguous()
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(("capability", "lacks"), [((7, 5), True), ((8, 0), False), ((8, 9), False), ((6, 0), True)])
def test_which_gpus_have_flash_attention(
    capability: tuple[int, int], lacks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert _lacks_flash(torch.device("cuda", 0)) is lacks
    assert _lacks_flash(torch.device("cpu")) is False


@pytest.fixture(scope="module")
def lm() -> Any:
    """A tiny fp32 model with random weights everywhere: a fresh one's attention still contributes nothing."""
    fresh = new_native(width=128, layers=2, feed_forward=64, vocabulary=len(NATIVE_TOKENS), seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in fresh.parameters():
            if weight.ndim == 2:
                weight.copy_(torch.randn(weight.shape, generator=generator) * weight.shape[1] ** -0.5)
    return fresh.eval()


def sequence(seed: int, side: int) -> tuple[Tensor, Tensor]:
    """Ids and geometric positions, each [1, T], of an episode of three demonstrations."""
    generator = torch.Generator().manual_seed(seed)
    grids = [Grid.from_array(torch.randint(10, (side, side + 1), generator=generator).numpy()) for _ in range(8)]
    pairs = [Pair(first, second) for first, second in zip(grids[::2], grids[1::2], strict=True)]
    encoded = NativeFormat().encode(Episode(tuple(pairs[:3]), pairs[3].input, pairs[3].output))
    return torch.from_numpy(encoded.ids)[None], torch.from_numpy(encoded.positions)[None]


def with_explicit_mask(lm: Any, ids: Tensor, positions: Tensor) -> Tensor:
    """The same forward under a causal mask [1, 1, T, T] written out, which leaves transformers nothing to infer."""
    length = ids.shape[1]
    mask = torch.ones(length, length, dtype=torch.bool).tril()[None, None]
    hidden: Tensor = lm.model(
        input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False
    ).last_hidden_state
    return hidden


@pytest.mark.parametrize("side", [2, 5])
@pytest.mark.parametrize("trains", [True, False], ids=["chunked", "inference"])
def test_jumps_in_the_positions_do_not_break_attention(lm: Any, side: int, trains: bool) -> None:
    ids, positions = sequence(1, side)
    with torch.set_grad_enabled(trains):
        hidden = forward_hidden(lm, ids, positions)
        expected = with_explicit_mask(lm, ids, positions)
    torch.testing.assert_close(hidden, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("trains", [True, False])
def test_the_chunked_attention_runs_in_training_and_only_there(
    lm: Any, trains: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []

    def spy(query: Tensor, *rest: Any) -> Any:
        lengths.append(query.shape[2])
        return ChunkedCausalAttention.apply(query, *rest)  # type: ignore[no-untyped-call]

    monkeypatch.setattr("solver.model.attention.ChunkedCausalAttention", SimpleNamespace(apply=spy))
    ids, positions = sequence(6, 2)
    with torch.set_grad_enabled(trains):
        forward_hidden(lm, ids, positions)
    assert lengths == ([ids.shape[1]] * 2 if trains else [])


@pytest.mark.parametrize("trains", [True, False], ids=["chunked", "inference"])
def test_the_last_token_sees_the_first_grid_and_never_the_reverse(lm: Any, trains: bool) -> None:
    ids, positions = sequence(2, 3)
    early, late = ids.clone(), ids.clone()
    early[0, 1] = (ids[0, 1] + 1) % 10
    late[0, -2] = (ids[0, -2] + 1) % 10
    with torch.set_grad_enabled(trains):
        plain, changed_early, changed_late = (forward_hidden(lm, x, positions) for x in (ids, early, late))
    assert (plain[0, -1] - changed_early[0, -1]).abs().max() > 1e-4
    torch.testing.assert_close(plain[:, :-2], changed_late[:, :-2], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("trains", [True, False], ids=["chunked", "inference"])
def test_padding_on_the_right_changes_nothing(lm: Any, trains: bool) -> None:
    rows = [sequence(3, 2), sequence(4, 5)]
    longest = max(ids.shape[1] for ids, _ in rows)
    ids, positions = (
        torch.cat([functional.pad(row[part], (0, longest - row[part].shape[1]), value=pad) for row in rows])
        for part, pad in ((0, PAD), (1, 0))
    )
    with torch.set_grad_enabled(trains):
        together = forward_hidden(lm, ids, positions)
        for number, (alone_ids, alone_positions) in enumerate(rows):
            alone = forward_hidden(lm, alone_ids, alone_positions)
            torch.testing.assert_close(together[number, : alone.shape[1]], alone[0], atol=1e-4, rtol=1e-4)


def test_training_gradients_equal_those_under_an_explicit_mask(lm: Any) -> None:
    ids, positions = sequence(5, 4)
    weights = list(lm.model.parameters())
    upstream = torch.randn(1, ids.shape[1], 128, generator=torch.Generator().manual_seed(1))
    ours = torch.autograd.grad(forward_hidden(lm, ids, positions), weights, upstream)
    theirs = torch.autograd.grad(with_explicit_mask(lm, ids, positions), weights, upstream)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
