"""The LoRA on a base, and the base's linear layers beneath it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from solver.model.quantizing import dense, linear4bit
from solver.profiles import LoraSettings


def attach_lora(lm: Any, settings: LoraSettings) -> None:
    """Adds an fp32 LoRA in place to every target layer; its contribution starts at zero."""
    from peft import LoraConfig, inject_adapter_in_model

    targets = settings.targets
    if targets == "all-linear":
        head = lm.get_output_embeddings()
        linear = (nn.Linear, linear4bit())
        targets = tuple(name for name, layer in lm.named_modules() if isinstance(layer, linear) and layer is not head)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        use_rslora=settings.rank_stabilised,
        target_modules=list(targets),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(0)
    inject_adapter_in_model(config, lm)
    for name, weight in lm.named_parameters():
        if "lora_" in name:
            weight.data = weight.data.float()
            weight.requires_grad_(True)


def keep_unpacked(lm: Any) -> None:
    """Keeps 4-bit layers in training mode for good.

    In evaluation mode on AVX512-BF16 processors, bitsandbytes repacks them for inference at the first forward:
    values shift, and from then on gradients no longer pass through. The mode changes nothing else in them.
    """
    for layer in lm.modules():
        if isinstance(layer, linear4bit()):
            layer.training = True


def dense_weight(layer: nn.Module) -> Tensor:
    """A linear layer's weight [out, in] in fp32, dequantised if need be."""
    return dense(layer.weight).float()
