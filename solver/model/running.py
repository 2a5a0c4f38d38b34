"""Forward passes of a causal LM."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
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


def read_prompt(lm: Any, ids: Tensor, positions: Tensor, cache: SharedPrefixCache) -> Tensor:
    """Logits [V] after a prompt; ids, positions: [1, P]. The cache then holds the prompt and has no rows yet."""
    out = lm.model(
        input_ids=ids,
        position_ids=positions,
        attention_mask=torch.ones_like(ids),
        past_key_values=cache,
        use_cache=True,
    )
    logits: Tensor = lm.lm_head(out.last_hidden_state[0, -1])
    return logits


def read_on(lm: Any, ids: Tensor, cache: SharedPrefixCache, positions: Tensor | None = None) -> Tensor:
    """Logits [B, T, V] after each of T more tokens of every row of the cache; ids, positions: [B, T].

    Without positions, they follow the prompt's, which are then taken to be 0, 1, 2, ... Raises RuntimeError if the
    model runs another attention than this kit's, or one that keyword arguments do not reach.
    """
    mask = cache.grow(ids.shape[1])
    out = lm.model(
        input_ids=ids,
        position_ids=cache.prefix_length + cache.slots if positions is None else positions,
        attention_mask=mask,
        past_key_values=cache,
        use_cache=True,
        prefix=cache,
    )
    if cache.looks != len(cache.prefix):
        raise RuntimeError("this model's attention never looked at the prompt that its rows share")
    logits: Tensor = lm.lm_head(out.last_hidden_state)
    return logits
