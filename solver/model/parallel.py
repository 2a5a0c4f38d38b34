"""Several processes that train one model, each on its part of every step's data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn

from solver.training import Team


class Processes(Team):
    """Those that `accelerate launch` (or torchrun) started together; every one of them must make the same calls."""

    def __init__(self, state: Any) -> None:
        self.rank: int = state.process_index
        self.size: int = state.num_processes
        # A processor has no number, whatever the library says: torch.load does not know one.
        self.device: torch.device = torch.device("cpu") if state.device.type == "cpu" else state.device

    def total(self, number: float) -> float:
        value = torch.tensor([number], dtype=torch.float64 if self.device.type == "cpu" else torch.float32)
        value = value.to(self.device)
        distributed.all_reduce(value)
        return float(value.item())

    def sum_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        gradients: list[Tensor] = [weight.grad for weight in weights if weight.grad is not None]
        # In one message, and in fp32: rounding must not depend on how many processes there are more than it has to.
        flat = torch.cat([gradient.flatten().float() for gradient in gradients])
        distributed.all_reduce(flat)
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()


def find_team(device: str | None) -> Team:
    """The processes that were launched together with this one, or this one alone. device: where they compute."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Team()
    from accelerate import PartialState

    return Processes(PartialState(cpu=device == "cpu"))
