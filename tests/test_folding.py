"""A folded LoRA computes what PEFT's own layers compute, forward and backward, and thaws whatever happens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from solver.folding import ADAPTER, FoldedLora, fold, frozen
from solver.model import Base, Quantize, dense_weight
from solver.profiles import LoraSettings
from tests.fakes import logits, shake, tiny_base, training_batch

BATCH = training_batch(1, 2, 3, 4)
LORAS = [LoraSettings(8, 4), LoraSettings(4, 16, rank_stabilised=True), LoraSettings(8, 8, targets=("v_proj",))]


@pytest.fixture(scope="module")
def base() -> Base:
    """A folded base with a random adapter, which the tests leave as it is."""
    base = tiny_base()
    shake(base)
    return base


def loss_and_gradients(base: Base) -> tuple[float, dict[str, Tensor]]:
    loss, _ = base.loss_sum(BATCH)
    loss.backward()  # type: ignore[no-untyped-call]
    found = {name: weight.grad for name, weight in base.adapter().items() if weight.grad is not None}
    for weight in base.adapter().values():
        weight.grad = None
    return loss.item(), found


@pytest.mark.parametrize("quantize", list(Quantize))
@pytest.mark.parametrize("lora", LORAS, ids=["plain", "rank-stabilised", "values only"])
def test_folded_layers_equal_pefts_own(quantize: Quantize, lora: LoraSettings) -> None:
    folded, unfolded = (tiny_base(quantize, small=small, lora=lora) for small in (True, False))
    for base in (folded, unfolded):
        shake(base)
    assert len(folded.folded) == len(folded.adapter()) // 2
    assert unfolded.folded == []
    untouched = logits(tiny_base(quantize).lm, BATCH)
    expected = logits(unfolded.lm, BATCH)
    assert (expected - untouched).abs().max() > 0.01
    torch.testing.assert_close(logits(folded.lm, BATCH), expected, atol=1e-5, rtol=1e-5)
    loss, gradients = loss_and_gradients(folded)
    expected_loss, expected_gradients = loss_and_gradients(unfolded)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert gradients.keys() == expected_gradients.keys() == folded.adapter().keys()
    for name, gradient in gradients.items():
        scale = expected_gradients[name].abs().max().item()
        assert scale > 0
        torch.testing.assert_close(gradient, expected_gradients[name], atol=1e-5 * scale, rtol=1e-4)


class Lora(nn.Module):
    """The parts of a PEFT layer that folding reads; 5 inputs, 3 outputs, rank 2."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.base_layer = nn.Linear(5, 3, bias=False)
        self.lora_A = nn.ModuleDict({ADAPTER: nn.Linear(5, 2, bias=False)})
        self.lora_B = nn.ModuleDict({ADAPTER: nn.Linear(2, 3, bias=False)})
        self.scaling = {ADAPTER: 0.5}
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.base_layer(x) + 0.5 * self.lora_B[ADAPTER](self.lora_A[ADAPTER](x))
        return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_effective_weight_is_summed_in_fp32_and_rounded_once(dtype: torch.dtype) -> None:
    model = nn.Sequential(Lora(), nn.Linear(3, 3))
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    expected = model[0](x)
    (folded,) = fold(model, dense_weight, dtype)
    assert model[0](x.to(dtype)).dtype is dtype
    torch.testing.assert_close(folded.weight(), model[0](torch.eye(5).to(dtype)).T)
    torch.testing.assert_close(
        model[0](x.to(dtype)).float(), expected, atol=1e-6 if dtype is torch.float32 else 0.1, rtol=0
    )
    model[0](x.to(dtype)).sum().backward()
    assert all(weight.grad is not None and weight.grad.dtype is torch.float32 for weight in (folded._up, folded._down))


def test_frozen_weights_give_the_same_logits(base: Base) -> None:
    expected = logits(base.lm, BATCH)
    with frozen(base.folded):
        assert torch.equal(logits(base.lm, BATCH), expected)
    assert torch.equal(logits(base.lm, BATCH), expected)


def test_frozen_weights_are_computed_once_and_follow_the_adapter_afterwards(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[FoldedLora] = []
    weight = FoldedLora.weight

    def counting(layer: FoldedLora) -> Tensor:
        computed.append(layer)
        return weight(layer)

    monkeypatch.setattr(FoldedLora, "weight", counting)
    with frozen(base.folded):
        for _ in range(3):
            logits(base.lm, BATCH)
    assert computed == base.folded
    logits(base.lm, BATCH)
    assert len(computed) == 2 * len(base.folded)


def assert_trains(base: Base) -> None:
    _, gradients = loss_and_gradients(base)
    assert gradients.keys() == base.adapter().keys()


def test_inside_frozen_no_gradient_reaches_the_adapter(base: Base) -> None:
    with frozen(base.folded):
        loss, _ = base.loss_sum(BATCH)
    assert not loss.requires_grad
    assert_trains(base)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_inside_frozen_thaws(base: Base, error: type[BaseException]) -> None:
    with pytest.raises(error), frozen(base.folded):
        raise error
    assert_trains(base)
    with pytest.raises(error), base.inference():
        raise error
    assert_trains(base)


def test_an_error_while_freezing_thaws(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze = FoldedLora.freeze

    def failing(layer: FoldedLora) -> None:
        if layer is base.folded[5]:
            raise torch.OutOfMemoryError
        freeze(layer)

    monkeypatch.setattr(FoldedLora, "freeze", failing)
    with pytest.raises(torch.OutOfMemoryError), base.inference():
        pass
    assert_trains(base)
