"""LoRA folded into dense weights: exact, and much faster when a batch holds far more tokens than a matrix has columns.

A LoRA layer computes W x + s B (A x) in two narrow fp32 products per token. For a small base on a CPU it is
cheaper to form W + s B A once per forward and do one product in the compute dtype; gradients of A and B are the
same by the chain rule. Only for bases whose dense weights fit in memory (W is kept in fp32 beside its 4-bit form).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

ADAPTER = "default"


class FoldedLora:
    """Replaces one LoRA layer's forward. `dense`: its base weight [out, in] in fp32, dequantised."""

    def __init__(self, layer: nn.Module, dense: Tensor, dtype: torch.dtype) -> None:
        self._down: Tensor = layer.lora_A[ADAPTER].weight  # type: ignore[index, union-attr]
        self._up: Tensor = layer.lora_B[ADAPTER].weight  # type: ignore[index, union-attr]
        self._scale: float = layer.scaling[ADAPTER]  # type: ignore[index, assignment]
        self._dense = dense
        self._dtype = dtype
        self._frozen: Tensor | None = None

    def weight(self) -> Tensor:
        """The effective weight [out, in] in the compute dtype."""
        return torch.addmm(self._dense, self._up, self._down, alpha=self._scale).to(self._dtype)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight() if self._frozen is None else self._frozen)

    def freeze(self) -> None:
        self._frozen = self.weight()

    def thaw(self) -> None:
        self._frozen = None


def fold(model: nn.Module, dense_weight: Callable[[nn.Module], Tensor], dtype: torch.dtype) -> list[FoldedLora]:
    """Folds every LoRA layer of `model` in place; `dense_weight` gives a base layer's weight in fp32."""
    folded = []
    for layer in model.modules():
        if hasattr(layer, "lora_A") and ADAPTER in layer.lora_A:  # type: ignore[operator]
            replacement = FoldedLora(layer, dense_weight(layer.base_layer), dtype)  # type: ignore[arg-type]
            layer.forward = replacement.forward
            folded.append(replacement)
    return folded


@contextmanager
def frozen(layers: list[FoldedLora]) -> Iterator[None]:
    """Inside, the effective weights are computed once: for inference, while the adapter does not change."""
    try:
        with torch.no_grad():
            for layer in layers:
                layer.freeze()
        yield
    finally:
        for layer in layers:
            layer.thaw()
