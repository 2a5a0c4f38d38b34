"""The attention that every base runs, registered with transformers: it chooses by what is asked of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from solver.model.chunked import ChunkedCausalAttention
from solver.model.prefix_cache import SharedPrefixCache
from solver.model.shared_prefix import shared_prefix_attention

ATTENTION = "chunked_causal"

FLASH = (8, 0)
"""The first compute capability for which PyTorch has flash attention. Before it (a T4 is 7.5), PyTorch has no fused
kernel for keys that several heads share, and would hold every score in memory: quadratic in the prompt's length."""


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    prefix: SharedPrefixCache | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface: chunked where it wins (training on a CPU), PyTorch's own elsewhere.

    prefix: holds the prompts that rows see before their own tokens. It comes from who calls the model: transformers
    hands keyword arguments that it does not know down to here.
    """
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if prefix is not None:
        if attention_mask is None:
            raise ValueError("rows that follow a prompt need a mask of their own tokens")
        layer: Any = module.layer_idx
        return shared_prefix_attention(query, key, value, attention_mask, *prefix.look(layer), scale), None
    groups = query.shape[1] // key.shape[1]
    trains = torch.is_grad_enabled() and query.device.type == "cpu"
    if trains and attention_mask is None and query.shape[2] == key.shape[2]:
        out = ChunkedCausalAttention.apply(  # type: ignore[no-untyped-call]
            query, repeat_kv(key, groups), repeat_kv(value, groups), scale
        )
        return out.transpose(1, 2), None
    if attention_mask is None and groups > 1 and _lacks_flash(query.device):
        key, value = repeat_kv(key, groups), repeat_kv(value, groups)
        out = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, is_causal=query.shape[2] > 1, scale=scale
        )
        return out.transpose(1, 2).contiguous(), None
    out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    return out, None


def _lacks_flash(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) < FLASH


def register_attention() -> str:
    """Makes the attention above known to transformers; returns its name for `attn_implementation`."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(ATTENTION, _attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    return ATTENTION
