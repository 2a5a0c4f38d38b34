"""Attention of several continuations of one prompt to that prompt, stored once, and each to its own tokens.

Softmax attention over two sets of keys is the mean of the attentions over each, weighted by the sums of their
exponentials. So the prompt's part is one large matrix product for all rows together, as in Hydragen (Juravsky et al.
2024, "Hydragen: High-Throughput LLM Inference with Shared Prefixes", section 3) and cascade attention (Ye et al. 2024).
"""

from __future__ import annotations

import torch
from torch import Tensor

KeyValue = tuple[Tensor, Tensor]
"""One layer's keys and values; those of the prompt are [1, H, P, D]."""

BLOCK_SCORES = 1 << 24
"""Most scores of queries against the prompt that exist at once (64 MiB in fp32): its keys are taken in blocks."""

SMALLEST_BLOCK = 256


def shared_prefix_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, prefix: KeyValue, scale: float
) -> Tensor:
    """Attention [B, T, Hq, D] of query [B, Hq, T, D] to the whole prefix and to what it may see of its row's own keys.

    key, value: [B, H, S, D], a row's own; Hq is a multiple of H (grouped queries). mask: [B, 1, T, S], True where a
    query may look; every query must see at least one own key, such as its own token's. The scores of a row's own keys,
    [B, Hq, T, S] in fp32, exist at once.
    """
    rows, heads, length, width = query.shape
    queries = heads // key.shape[1] * length
    query_BHQD = query.reshape(rows, -1, queries, width)
    own = _attend(query_BHQD.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1), scale, ~mask)
    query_HQD = query_BHQD.transpose(0, 1).reshape(-1, rows * queries, width)
    shared, shared_weight = _attend_in_blocks(query_HQD, prefix[0][0], prefix[1][0], scale)
    # Back from [H, B * Q, D] to [B * H, Q, D].
    shared = shared.view(-1, rows, queries, width).transpose(0, 1).flatten(0, 1)
    shared_weight = shared_weight.view(-1, rows, queries).transpose(0, 1).flatten(0, 1)
    out, _ = _merge(own, (shared, shared_weight))
    return out.view(rows, heads, length, width).to(query.dtype).transpose(1, 2).contiguous()


Partial = tuple[Tensor, Tensor]
"""Attention over some of the keys, [N, Q, D], and the logarithm of its exponentials' sum, [N, Q]; both fp32."""


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float, hidden: Tensor | None = None) -> Partial:
    """query: [N, Q, D]; key, value: [N, S, D]; hidden: [B, 1, T, S], True where a query must not look."""
    scores = _product(query, key.transpose(1, 2)).mul_(scale)
    if hidden is not None:
        rows, _, length, seen = hidden.shape
        scores.view(rows, -1, length, seen).masked_fill_(hidden, float("-inf"))
    weight = scores.logsumexp(-1)
    shares = scores.sub_(weight[..., None]).exp_()
    return _product(shares.to(value.dtype), value), weight


def _attend_in_blocks(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Partial:
    """The same over all keys, with a bound on the memory of the scores."""
    block = max(SMALLEST_BLOCK, BLOCK_SCORES // (query.shape[0] * query.shape[1]))
    parts = (
        _attend(query, key[:, start : start + block], value[:, start : start + block], scale)
        for start in range(0, key.shape[1], block)
    )
    found = next(parts)
    for part in parts:
        found = _merge(found, part)
    return found


def _merge(first: Partial, second: Partial) -> Partial:
    """Attention over the keys of both."""
    share = torch.sigmoid(second[1] - first[1])[..., None]
    return torch.lerp(first[0], second[0], share), torch.logaddexp(first[1], second[1])


def _product(first: Tensor, second: Tensor) -> Tensor:
    """Batched matrix product in fp32. A CPU cannot return more digits than its inputs have."""
    if first.is_cuda and first.dtype is not torch.float32:
        return torch.bmm(first, second, out_dtype=torch.float32)
    return torch.bmm(first, second).float()
