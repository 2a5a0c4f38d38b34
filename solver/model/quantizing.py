"""Linear layers in 4 bits: NF4 with double quantisation, by bitsandbytes (Dettmers et al. 2023, "QLoRA", section 3)."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)


def linear4bit() -> type[nn.Module]:
    """bitsandbytes' 4-bit layer; PyTorch's own where bitsandbytes is not installed."""
    try:
        from bitsandbytes.nn import Linear4bit
    except ImportError:
        return nn.Linear
    return Linear4bit  # type: ignore[no-any-return]


def nf4_config(dtype: torch.dtype) -> Any:
    """transformers' settings for NF4, or None with a warning where bitsandbytes is not installed."""
    from transformers import BitsAndBytesConfig

    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        log.warning("bitsandbytes is not installed: the base is loaded in %s instead of NF4", dtype)
        return None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def is_4bit(lm: nn.Module) -> bool:
    """Whether any of the model's layers is in 4 bits."""
    return any(hasattr(getattr(layer, "weight", None), "quant_state") for layer in lm.modules())


def dense(weight: Any) -> Tensor:
    """A weight [out, in] as numbers, dequantised if need be."""
    if hasattr(weight, "quant_state"):
        from bitsandbytes.functional import dequantize_4bit

        weight = dequantize_4bit(weight.data, weight.quant_state)
    found: Tensor = weight.detach()
    return found


def compute_in(lm: nn.Module, dtype: torch.dtype) -> None:
    """Has 4-bit layers compute in this type: files that were quantised elsewhere bring another with them."""
    kind = linear4bit()
    if kind is nn.Linear:
        return
    for layer in lm.modules():
        if isinstance(layer, kind):
            layer.compute_dtype = dtype  # type: ignore[assignment]
            layer.compute_type_is_set = True  # type: ignore[assignment]


def quantize_in_place(lm: Any, dtype: torch.dtype) -> None:
    """Replaces every linear layer but the head, as transformers does while it reads a model."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    head = lm.get_output_embeddings()
    for parent in list(lm.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is not nn.Linear or layer is head:
                continue
            options = {"compress_statistics": True, "quant_type": "nf4"}
            packed = Linear4bit(
                layer.in_features,
                layer.out_features,
                layer.bias is not None,
                compute_dtype=dtype,
                device="meta",
                **options,
            )
            packed.weight = Params4bit(layer.weight.data, requires_grad=False, **options)
            packed.bias = layer.bias
            # Moving the weight is what quantises it.
            packed.weight = packed.weight.to(layer.weight.device)
            setattr(parent, name, packed)
