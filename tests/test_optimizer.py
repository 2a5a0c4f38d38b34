"""fp32 master copies: they keep what bf16 forgets, and a saved state goes on exactly where it stopped."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from solver.base.optimizer import MasterWeights


class Tiny(nn.Module):
    """Named like a transformer: an embedding, matrices and a norm inside `layers`, a head."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Embedding(11, 8)
        self.layers = nn.ModuleList([nn.Linear(8, 8, bias=False), nn.LayerNorm(8), nn.Linear(8, 8, bias=False)])
        self.head = nn.Linear(8, 11, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        hidden: Tensor = self.embed(ids)
        for layer in self.layers:
            hidden = hidden + torch.tanh(layer(hidden))
        logits: Tensor = self.head(hidden)
        return logits


def tiny(seed: int = 0) -> Tiny:
    return Tiny(seed).to(torch.bfloat16)


def optimizer_of(model: nn.Module, muon_lr: float = 0.02, adam_lr: float = 0.003, clip: float = 1.0) -> MasterWeights:
    return MasterWeights(model, muon_lr, adam_lr, weight_decay=0.01, clip=clip)


def run(model: Tiny, optimizer: MasterWeights, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        ids = torch.randint(11, (4, 6), generator=generator)
        logits = model(ids[:, :-1]).float()
        nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()  # type: ignore[no-untyped-call]
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * (1 - step / 20)
        optimizer.step()
        optimizer.zero_grad()


def saved(optimizer: MasterWeights) -> Any:
    """The state after a trip through a file."""
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def assert_same(first: tuple[Tiny, MasterWeights], second: tuple[Tiny, MasterWeights]) -> None:
    for (name, one), (_, other) in zip(first[0].named_parameters(), second[0].named_parameters(), strict=True):
        assert torch.equal(one, other), name
        assert torch.equal(first[1].state_dict()["master"][name], second[1].state_dict()["master"][name]), name


def test_a_restored_state_takes_identical_further_steps() -> None:
    model = tiny()
    optimizer = optimizer_of(model)
    run(model, optimizer, range(4))
    state = saved(optimizer)
    run(model, optimizer, range(4, 9))

    resumed = tiny(seed=1)
    resumed_optimizer = optimizer_of(resumed, muon_lr=9.0, adam_lr=9.0)
    resumed_optimizer.load_state_dict(state)
    run(resumed, resumed_optimizer, range(4, 9))
    assert_same((model, optimizer), (resumed, resumed_optimizer))


def test_restoring_restores_the_computing_weights_too() -> None:
    model = tiny()
    optimizer = optimizer_of(model)
    run(model, optimizer, range(2))
    restored = tiny(seed=1)
    restored_optimizer = optimizer_of(restored)
    restored_optimizer.load_state_dict(saved(optimizer))
    assert_same((model, optimizer), (restored, restored_optimizer))


def test_the_model_holds_its_masters_rounded() -> None:
    model = tiny()
    optimizer = optimizer_of(model)
    run(model, optimizer, range(3))
    masters = optimizer.state_dict()["master"]
    for name, weight in model.named_parameters():
        assert weight.dtype is torch.bfloat16
        assert masters[name].dtype is torch.float32
        assert torch.equal(weight, masters[name].to(torch.bfloat16))
        assert weight.grad is None


def test_steps_too_small_for_bf16_add_up() -> None:
    model = tiny()
    optimizer = optimizer_of(model, adam_lr=1e-4)
    gain = dict(model.named_parameters())["layers.1.weight"]
    assert (gain == 1).all()
    for _ in range(100):
        for weight in model.parameters():
            weight.grad = torch.ones_like(weight)
        optimizer.step()
    assert torch.tensor(1 - 1e-4, dtype=torch.bfloat16) == 1
    torch.testing.assert_close(gain.detach().float(), torch.full((8,), 0.99), atol=0.004, rtol=0)


def test_muon_takes_the_matrices_of_the_layers_and_adam_the_rest() -> None:
    model = tiny()
    muon, adam = optimizer_of(model).param_groups
    masters = sorted(tuple(weight.shape) for weight in muon["params"])
    assert masters == [(8, 8), (8, 8)]
    assert len(adam["params"]) == len(list(model.parameters())) - 2
    assert (muon["initial_lr"], adam["initial_lr"]) == (0.02, 0.003)


def test_gradients_are_clipped_in_their_global_norm() -> None:
    model = tiny()
    optimizer = optimizer_of(model, clip=0.5)
    for weight in model.parameters():
        weight.grad = torch.full_like(weight, 3.0)
    optimizer.step()
    norms = [group_weight.grad.norm() for group in optimizer.param_groups for group_weight in group["params"]]
    assert torch.stack(norms).norm().item() == pytest.approx(0.5, rel=1e-3)


def test_a_parameter_without_gradient_is_reported_by_name() -> None:
    model = tiny()
    optimizer = optimizer_of(model)
    for name, weight in model.named_parameters():
        weight.grad = None if name == "head.weight" else torch.zeros_like(weight)
    with pytest.raises(AssertionError, match=r"no gradient reached head\.weight"):
        optimizer.step()
