"""How much of a machine a training uses: its model's arithmetic per second over that of a large matrix product."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from solver.training import Batch

SIDES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192)}
"""Of the square matrices multiplied; the fastest product counts."""
REPEATS, LEAST_SECONDS = 3, 0.2


def peak(device: torch.device, clock: Callable[[], float] = time.perf_counter) -> float:
    """FLOP/s of the fastest large bf16 matrix product here, with as many threads as PyTorch uses now."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    best = 0.0
    for side in SIDES.get(device.type, SIDES["cpu"]):
        one, other = (torch.randn(side, side, device=device).to(torch.bfloat16) for _ in range(2))
        # Other work on the machine can only make a measurement too low, and the utilisation too high.
        for _ in range(REPEATS):
            wait()
            began, count = clock(), 0
            while clock() - began < LEAST_SECONDS:
                one @ other
                wait()
                count += 1
            best = max(best, count * 2 * side**3 / (clock() - began))
    return best


def flops(lm: Any, batch: Batch) -> float:
    """Of a forward and a backward pass over a batch, padding not counted: three times the forward pass's.

    Two per weight of every matrix product and token, and under causal attention four per layer, channel and pair of
    tokens of which one sees the other (Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1; they
    leave out that half of the pairs are masked). Embeddings, norms and the softmax are not counted.
    """
    config = lm.config
    matrices = sum(weight.numel() for name, weight in lm.named_parameters() if weight.ndim == 2 and "layers" in name)
    head = lm.lm_head.weight.numel()
    channels: int = config.num_hidden_layers * config.num_attention_heads * config.head_dim
    # Sequences are padded on the right, with a token that is nowhere else.
    lengths = (batch.ids != config.pad_token_id).sum(1).tolist()
    pairs = sum(length * (length + 1) / 2 for length in lengths)
    targets = int(batch.loss_mask.sum())
    return float(3 * (2 * matrices * sum(lengths) + 2 * head * targets + 4 * channels * pairs))
