"""Forward passes of a causal LM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from solver.model.prefix_cache import SharedPrefixCache
from solver.training import Batch


def forward_hidden(lm: Any, ids: Tensor, positions: Tensor) -> Tensor:
    """Last hidden states [B, T, C] of right-padded sequences without a cache.

    The mask of ones matters: without one, transformers takes jumps in the positions for borders between packed
    sequences. Padding on the right needs no mask under causal attention.
    """
    out = lm.model(input_ids=ids, position_ids=positions, attention_mask=torch.ones_like(ids), use_cache=False)
    hidden: Tensor = out.last_hidden_state
    return hidden


def loss_sum(lm: Any, batch: Batch) -> tuple[Tensor, int]:
    """Summed cross-entropy in nats over the batch's target tokens, and their number."""
    hidden = forward_hidden(lm, batch.ids, batch.positions)
    targets = batch.loss_mask[:, 1:]
    logits = lm.lm_head(hidden[:, :-1][targets]).float()
    loss = functional.cross_entropy(logits, batch.ids[:, 1:][targets], reduction="sum")
    return loss, int(targets.sum())


def read_prompts(
    lm: Any, ids: Tensor, positions: Tensor, cache: SharedPrefixCache, vocabulary: int | None = None
) -> Tensor:
    """Logits [V, vocabulary] after right-padded prompts; ids, positions: [V, P].

    The cache then holds the prompts and has no rows yet; it knows their lengths from its making.
    """
    out = lm.model(
        input_ids=ids,
        position_ids=positions,
        attention_mask=torch.ones_like(ids),
        past_key_values=cache,
        use_cache=True,
    )
    last = torch.tensor(cache.prefix_lengths, device=ids.device) - 1
    return _logits(lm, out.last_hidden_state[torch.arange(len(ids), device=ids.device), last], vocabulary)


def read_on(
    lm: Any,
    ids: Tensor,
    cache: SharedPrefixCache,
    positions: Tensor | None = None,
    counts: Sequence[int] | None = None,
    vocabulary: int | None = None,
    last: bool = False,
) -> Tensor:
    """Logits [B, T, vocabulary] after each of T more tokens of every row of the cache; ids, positions: [B, T].

    Without positions, they follow the prompts', which are then taken to be 0, 1, 2, ... counts: how many of the T each
    row gets; what is beyond is padding, as are its logits. last: only [B, 1, vocabulary], after each row's last token;
    those of a row that gets none are padding. Raises RuntimeError if the model runs another attention than this kit's,
    or one that keyword arguments do not reach.
    """
    mask = cache.grow(ids.shape[1] if counts is None else counts)
    out = lm.model(
        input_ids=ids,
        position_ids=cache.next_positions() if positions is None else positions,
        attention_mask=mask,
        past_key_values=cache,
        use_cache=True,
        prefix=cache,
    )
    if cache.looks != len(cache.prefix):
        raise RuntimeError("this model's attention never looked at the prompts that its rows follow")
    hidden = out.last_hidden_state
    if last:
        ends = torch.tensor([max(0, count - 1) for count in counts or [ids.shape[1]] * len(ids)], device=ids.device)
        hidden = hidden[torch.arange(len(ids), device=ids.device), ends][:, None]
    return _logits(lm, hidden, vocabulary)


def _logits(lm: Any, hidden: Tensor, vocabulary: int | None) -> Tensor:
    """Logits [..., vocabulary] of the first so many tokens, or of all; without those of the others where possible."""
    head = lm.lm_head
    if vocabulary is not None and type(head) is nn.Linear:
        bias = None if head.bias is None else head.bias[:vocabulary]
        return functional.linear(hidden, head.weight[:vocabulary], bias)
    logits: Tensor = head(hidden)
    return logits[..., :vocabulary]
