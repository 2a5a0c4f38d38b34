"""Muon for the matrices and AdamW for the rest, on fp32 master copies of a bf16 model."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class MasterWeights:
    """An optimiser over fp32 copies of a model's parameters.

    The model computes in its own dtype (bf16); gradients are widened, clipped to `clip` in global norm, applied
    to the copies, and the copies rounded back. Muon (Jordan et al. 2024) takes the matrices inside the layers,
    AdamW embeddings, head and norms.
    """

    def __init__(self, model: nn.Module, muon_lr: float, adam_lr: float, weight_decay: float, clip: float) -> None:
        self._clip = clip
        self._live = dict(model.named_parameters())
        self._master = {name: weight.detach().float().clone() for name, weight in self._live.items()}
        matrices = [self._master[name] for name, weight in self._live.items() if weight.ndim == 2 and "layers" in name]
        chosen = {id(matrix) for matrix in matrices}
        others = [weight for weight in self._master.values() if id(weight) not in chosen]
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=muon_lr, momentum=0.95, weight_decay=weight_decay),
            torch.optim.AdamW(others, lr=adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        for group in self.param_groups:
            group["initial_lr"] = group["lr"]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]

    def step(self) -> None:
        for name, weight in self._live.items():
            assert weight.grad is not None, f"no gradient reached {name}"
            self._master[name].grad = weight.grad.float()
        nn.utils.clip_grad_norm_(self._master.values(), self._clip)
        for optimizer in self._optimizers:
            optimizer.step()
        with torch.no_grad():
            for name, weight in self._live.items():
                weight.copy_(self._master[name])

    def zero_grad(self) -> None:
        for weight in (*self._live.values(), *self._master.values()):
            weight.grad = None

    def state_dict(self) -> dict[str, Any]:
        return {"master": self._master, "optimizers": [optimizer.state_dict() for optimizer in self._optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, weight in self._master.items():
                weight.copy_(state["master"][name])
                self._live[name].copy_(weight)
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
