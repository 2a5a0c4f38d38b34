"""How much of a machine a training uses: its model's arithmetic per second over that of a large matrix product."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from solver.prompt import PAD
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


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """FLOP of a forward and a backward pass: for each token, each target, and each pair of tokens of which one sees the
    other. The backward pass has twice the forward pass's.

    Two per weight of every matrix product and token, and under causal attention four per layer, channel and pair
    (Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1; they leave out that half of the pairs
    are masked). Embeddings, norms and the softmax are not counted.
    """

    token: int
    target: int
    pair: int

    @classmethod
    def of(cls, lm: Any) -> Arithmetic:
        config = lm.config
        matrices = sum(
            weight.numel() for name, weight in lm.named_parameters() if weight.ndim == 2 and "layers" in name
        )
        channels: int = config.num_hidden_layers * config.num_attention_heads * config.head_dim
        return cls(6 * matrices, 6 * lm.lm_head.weight.numel(), 12 * channels)

    def of_sequences(self, lengths: Iterable[int], targets: int = 0) -> float:
        """FLOP of sequences of these lengths, in tokens, with so many targets in all."""
        return self.target * targets + sum(length * (self.token + self.pair * (length + 1) / 2) for length in lengths)

    def of_batch(self, batch: Batch) -> float:
        """FLOP of a batch that the embedded base trains on; its padding is not counted."""
        # Padding is on the right, of a token that is nowhere else.
        lengths = (batch.ids != PAD).sum(1).tolist()
        return self.of_sequences(lengths, int(batch.loss_mask.sum()))
