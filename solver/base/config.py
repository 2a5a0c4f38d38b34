"""What decides a base's training: its shape, data and schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from solver.model import new_native
from solver.prompt import NATIVE_TOKENS

CURRICULUM = ((0.0, 384), (0.08, 512), (0.2, 768), (0.4, 1024), (0.65, 1536))
"""(progress, longest sequence in tokens): short sequences first, they carry more outputs per second."""


@dataclass(frozen=True, slots=True)
class BaseConfig:
    """Everything that decides what a training computes.

    tokens: planned training tokens (padding included); step_tokens: per optimiser step; micro_tokens: per forward;
    geometric: positions tell rows and columns; axial: and so do the rotary frequencies, each one axis;
    first_supervised, inputs: which grids are targets (`Bank.encode`).
    """

    width: int = 192
    layers: int = 6
    feed_forward: int = 512
    geometric: bool = True
    axial: bool = True
    permute_black: bool = False
    seed: int = 0
    tokens: float = 40e6
    step_tokens: int = 12288
    micro_tokens: int = 4096
    max_pairs: int = 6
    first_supervised: int = 0
    inputs: bool = True
    muon_lr: float = 0.02
    adam_lr: float = 0.003
    weight_decay: float = 0.0
    clip: float = 1.0
    warmup_steps: int = 50
    decay: float = 0.3

    def model(self) -> Any:
        """A fresh model of this shape, fp32."""
        axial = self.geometric and self.axial
        return new_native(self.width, self.layers, self.feed_forward, len(NATIVE_TOKENS), self.seed, axial)

    def steps(self) -> int:
        return max(1, round(self.tokens / self.step_tokens))

    def parts(self) -> int:
        """Micro-batches of a step."""
        return max(1, round(self.step_tokens / self.micro_tokens))

    def longest(self, step: int) -> int:
        progress = step / self.steps()
        return max(length for start, length in CURRICULUM if progress >= start)
