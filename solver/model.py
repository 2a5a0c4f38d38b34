"""Bases: build, load in 4 bits, attach and reset a LoRA, run. The only importer of transformers, peft, bitsandbytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from solver.training import Batch

CHUNK = 128


class ChunkedCausalAttention(torch.autograd.Function):
    """Causal attention by blocks of queries, for training on a CPU.

    The same result as scaled_dot_product_attention(is_causal=True), in about 0.65 of its time forward and
    backward on bfloat16: plain matrix products use the processor's bf16 units, PyTorch's CPU kernel does not.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:  # type: ignore[override]
        """query, key, value: [B, H, T, D], the same H."""
        shape = query.shape
        length, width = shape[2:]
        query = (query * scale).reshape(-1, length, width)
        key, value = key.reshape(-1, length, width), value.reshape(-1, length, width)
        future = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=query.device).triu(1)
        out = torch.empty_like(query)
        weights = []
        for start in range(0, length, CHUNK):
            end = min(length, start + CHUNK)
            scores = torch.bmm(query[:, start:end], key[:, :end].transpose(1, 2))
            scores[:, :, start:].masked_fill_(future[: end - start, : end - start], float("-inf"))
            weights.append(torch.softmax(scores, -1))
            out[:, start:end] = torch.bmm(weights[-1], value[:, :end])
        ctx.save_for_backward(query, key, value, *weights)
        ctx.scale = scale
        ctx.shape = shape
        return out.view(shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # type: ignore[override]
        query, key, value, *weights = ctx.saved_tensors
        length = query.shape[1]
        grad = grad.reshape(query.shape)
        grad_query, grad_key, grad_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for number, weight in enumerate(weights):
            start = number * CHUNK
            end = min(length, start + CHUNK)
            grad_chunk = grad[:, start:end]
            grad_value[:, :end].baddbmm_(weight.transpose(1, 2), grad_chunk)
            grad_weight = torch.bmm(grad_chunk, value[:, :end].transpose(1, 2))
            grad_scores = torch._softmax_backward_data(grad_weight, weight, -1, weight.dtype)
            grad_query[:, start:end] = torch.bmm(grad_scores, key[:, :end])
            grad_key[:, :end].baddbmm_(grad_scores.transpose(1, 2), query[:, start:end])
        grad_query *= ctx.scale
        return grad_query.view(ctx.shape), grad_key.view(ctx.shape), grad_value.view(ctx.shape), None


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface: chunked where it wins (training on a CPU), PyTorch's own elsewhere."""
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    trains = torch.is_grad_enabled() and query.device.type == "cpu"
    if trains and attention_mask is None and query.shape[2] == key.shape[2]:
        groups = query.shape[1] // key.shape[1]
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        out = ChunkedCausalAttention.apply(query, repeat_kv(key, groups), repeat_kv(value, groups), scale)
        return out.transpose(1, 2), None
    return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)


ATTENTION = "chunked_causal"


def register_attention() -> str:
    """Makes the attention above known to transformers; returns its name for `attn_implementation`."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(ATTENTION, _attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    return ATTENTION


def new_native(width: int, layers: int, feed_forward: int, vocabulary: int, seed: int) -> Any:
    """A fresh Qwen3-shaped causal LM (RMSNorm, rotary positions, QK-norm, SwiGLU), heads of 64, fp32.

    Output projections start at zero, so that the residual stream starts as the embedding alone.
    """
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 64,
        head_dim=64,
        intermediate_size=feed_forward,
        tie_word_embeddings=False,
        max_position_embeddings=1 << 16,
        use_cache=False,
        bos_token_id=None,
        eos_token_id=13,
        pad_token_id=14,
    )
    config._attn_implementation = register_attention()
    torch.manual_seed(seed)
    lm = Qwen3ForCausalLM(config)
    with torch.no_grad():
        for name, weight in lm.named_parameters():
            if "embed_tokens" in name:
                weight.normal_(0, 0.5)
            elif name.endswith(("o_proj.weight", "down_proj.weight")) or "lm_head" in name:
                weight.zero_()
            elif weight.ndim == 2:
                weight.normal_(0, weight.shape[1] ** -0.5)
    return lm


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


def save_base(lm: Any, folder: Path) -> None:
    """Writes config and bf16 safetensors in transformers' layout."""
    lm.config.use_cache = True
    lm.save_pretrained(folder, safe_serialization=True)
