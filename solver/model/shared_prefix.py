"""Attention of rows to the prompt they continue, stored once per prompt, and of each row to its own tokens.

Softmax attention over two sets of keys is the mean of the attentions over each, weighted by the sums of their
exponentials. So a prompt's part is one large matrix product for all rows that follow it, as in Hydragen (Juravsky et
al. 2024, "Hydragen: High-Throughput LLM Inference with Shared Prefixes", section 3) and cascade attention (Ye et al.
2024).
"""

from __future__ import annotations

import torch
from torch import Tensor

from solver.model.layout import Layout

KeyValue = tuple[Tensor, Tensor]
"""One layer's keys and values; those of the prompts are [V, H, P, D], padded on the right."""

BLOCK_SCORES = 1 << 24
"""Most scores of queries against prompts that exist at once (64 MiB in fp32): their keys are taken in blocks."""

CPU_BLOCK_SCORES = 1 << 20
"""The same on a CPU, where scores that fit its cache take half the time."""

SMALLEST_BLOCK = 256

OWN_SCORES = 1 << 26
"""Most scores of queries against their rows' own keys that exist at once: queries are taken in blocks."""

HIDDEN = -1e30
"""The score of a key that must not be seen. Finite: where a block of keys is all hidden, its part weighs nothing."""


def shared_prefix_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, prefix: KeyValue, layout: Layout, scale: float
) -> Tensor:
    """Attention [B, T, Hq, D] of query [B, Hq, T, D] to all of its row's prompt and what it may see of its own keys.

    key, value: [B, H, S, D], a row's own; Hq is a multiple of H (grouped queries). mask: [B, 1, T, S], True where a
    query may look; every query must see at least one own key, such as its own token's. prefix: of all prompts.
    """
    prefix = _followed(prefix, layout)
    rows, heads, length, _ = query.shape
    block = max(1, OWN_SCORES // (rows * heads * key.shape[2]))
    blocks = [slice(start, start + block) for start in range(0, length, block)]
    parts = [
        _block_attention(query[:, :, some], key, value, mask[:, :, some], prefix, layout, scale) for some in blocks
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _block_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, prefix: KeyValue, layout: Layout, scale: float
) -> Tensor:
    rows, heads, length, width = query.shape
    query_BHQD = query.reshape(rows, key.shape[1], -1, width)
    own = _attend(query_BHQD.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1), scale, ~mask)
    shared = _attend_to_prompts(query_BHQD, prefix, layout, scale)
    out, _ = _merge(own, shared)
    return out.view(rows, heads, length, width).to(query.dtype).transpose(1, 2).contiguous()


Partial = tuple[Tensor, Tensor]
"""Attention over some of the keys, [N, Q, D], and the logarithm of its exponentials' sum, [N, Q]; both fp32."""


def _followed(prefix: KeyValue, layout: Layout) -> KeyValue:
    """The keys and values of those prompts that rows follow; views, not copies."""
    key, value = (part[layout.prompts, :, : layout.longest] for part in prefix)
    return key, value


def _attend_to_prompts(query: Tensor, prefix: KeyValue, layout: Layout, scale: float) -> Partial:
    """query: [B, H, Q, D]; the result is by row and head, [B * H, Q, ...]."""
    heads, queries, width = query.shape[1:]
    prompts = len(prefix[0])
    if layout.places is not None:
        everywhere = query.new_zeros(prompts * layout.width, heads, queries, width)
        everywhere[layout.places] = query
        query = everywhere
    # All rows of a prompt side by side: [V * H, rows * Q, D].
    query = query.view(prompts, -1, heads, queries, width).transpose(1, 2).reshape(prompts * heads, -1, width)
    found, weight = _attend_in_blocks(query, prefix, layout, scale)
    return (
        _by_row(found.view(prompts, heads, -1, queries, width), layout.places),
        _by_row(weight.view(prompts, heads, -1, queries), layout.places),
    )


def _by_row(part: Tensor, places: Tensor | None) -> Tensor:
    """From [V, H, rows, Q, ...] to [B * H, Q, ...]."""
    part = part.transpose(1, 2).flatten(0, 1)
    return (part if places is None else part[places]).flatten(0, 1)


def _attend_in_blocks(query: Tensor, prefix: KeyValue, layout: Layout, scale: float) -> Partial:
    """query: [V * H, rows * Q, D], with a bound on the memory of the scores."""
    most = BLOCK_SCORES if query.is_cuda else CPU_BLOCK_SCORES
    block = max(SMALLEST_BLOCK, most // (query.shape[0] * query.shape[1]))
    key, value = prefix[0].flatten(0, 1), prefix[1].flatten(0, 1)
    parts = (
        _attend(query, key[:, start:end], value[:, start:end], scale, layout.hidden(start, end))
        for start, end in ((start, min(start + block, layout.longest)) for start in range(0, layout.longest, block))
    )
    found = next(parts)
    for part in parts:
        found = _merge(found, part)
    return found


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float, hidden: Tensor | None = None) -> Partial:
    """query: [N, Q, D]; key, value: [N, S, D]; hidden: [n, 1, T, S], True where a query must not look; N is a multiple
    of n, and Q one of T."""
    scores = _product(query, key.transpose(1, 2)).mul_(scale)
    if hidden is not None:
        some, _, length, seen = hidden.shape
        scores.view(some, -1, length, seen).masked_fill_(hidden, HIDDEN)
    best = scores.amax(-1)
    shares = scores.softmax(-1)
    # The best key's share is its exponential over the sum of all.
    weight = best - shares.amax(-1).log()
    return _product(shares.to(value.dtype), value), weight


def _merge(first: Partial, second: Partial) -> Partial:
    """Attention over the keys of both."""
    share = torch.sigmoid(second[1] - first[1])[..., None]
    return torch.lerp(first[0], second[0], share), torch.logaddexp(first[1], second[1])


def _product(first: Tensor, second: Tensor) -> Tensor:
    """Batched matrix product in fp32. A CPU cannot return more digits than its inputs have."""
    if first.is_cuda and first.dtype is not torch.float32:
        return torch.bmm(first, second, out_dtype=torch.float32)
    return torch.bmm(first, second).float()
