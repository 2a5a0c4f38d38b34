"""A base with its LoRA: load, train, reset, run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from solver.folding import FoldedLora, fold, frozen
from solver.model.devices import native_dtype
from solver.model.loading import Quantize, load_lm
from solver.model.lora import attach_lora, dense_weight, keep_unpacked
from solver.model.prefix_cache import SharedPrefixCache
from solver.model.running import loss_sum, read_on, read_prompts
from solver.profiles import Profile
from solver.training import Batch


@dataclass(slots=True, eq=False)
class Base:
    """A loaded base with its LoRA attached.

    lm: a transformers causal LM whose linear layers carry the adapter; initial: the adapter's weights at birth, in the
    machine's own memory, since a GPU's is short.
    """

    lm: Any
    profile: Profile
    device: torch.device
    dtype: torch.dtype
    quantize: Quantize
    initial: dict[str, Tensor]
    folded: list[FoldedLora]
    checkpointing: bool = False

    def adapter(self) -> dict[str, nn.Parameter]:
        """The LoRA weights by name, live."""
        return {name: weight for name, weight in self.lm.named_parameters() if "lora_" in name}

    def parameters(self) -> int:
        """Parameters of the base, its LoRA not counted."""
        weights = (weight for name, weight in self.lm.named_parameters() if "lora_" not in name)
        # NF4 packs two weights into a byte; its quantisation state knows the real shape.
        return sum(int(getattr(weight, "quant_state", weight).shape.numel()) for weight in weights)

    def loss_scale(self) -> float:
        """What losses are multiplied by before the backward pass: fp16 would round small gradients to zero."""
        return 4096.0 if self.dtype == torch.float16 else 1.0

    def reset(self) -> None:
        """Back to the state after loading, bit for bit: adapter, gradients, checkpointing."""
        with torch.no_grad():
            for name, weight in self.adapter().items():
                weight.copy_(self.initial[name])
                weight.grad = None
        self.checkpoint_activations(False)

    def checkpoint_activations(self, on: bool) -> None:
        """Recompute activations in the backward pass: about a third slower, far less memory."""
        from transformers.modeling_layers import GradientCheckpointingLayer

        if on:
            _newest(self.lm, "checkpointing_enable")({"use_reentrant": False})
        elif self.checkpointing:
            _newest(self.lm, "checkpointing_disable")()
        self.checkpointing = on
        # Only in training mode do these layers recompute anything. Their own mode changes nothing else.
        for layer in self.lm.modules():
            if isinstance(layer, GradientCheckpointingLayer):
                layer.training = on

    def recover(self) -> None:
        """Frees what a failed job may have left behind."""
        self.reset()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def loss_sum(self, batch: Batch) -> tuple[Tensor, int]:
        return loss_sum(self.lm, batch)

    def read(self, ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> tuple[SharedPrefixCache, Tensor]:
        """A cache that holds the right-padded prompts [V, P] and no rows yet, and the logits [V, v] after each prompt.

        lengths: of the prompts. v is the format's vocabulary. Here and below, ids and positions may be on any device.
        """
        cache = SharedPrefixCache(lengths)
        vocabulary = self.profile.format.vocabulary
        return cache, read_prompts(self.lm, ids.to(self.device), positions.to(self.device), cache, vocabulary)

    def read_on(
        self, ids: Tensor, positions: Tensor, counts: Sequence[int], cache: SharedPrefixCache, last: bool = False
    ) -> Tensor:
        """Logits [B, T, v] after each of T more tokens of the cache's rows; row b gets `counts[b]` of them, the rest is
        padding. last: only [B, 1, v], after each row's last."""
        ids, positions = ids.to(self.device), positions.to(self.device)
        return read_on(self.lm, ids, cache, positions, counts, self.profile.format.vocabulary, last)

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        """Inside, the adapter must not change and no gradient is recorded."""
        with torch.inference_mode(), frozen(self.folded):
            yield


def _newest(lm: Any, name: str) -> Callable[..., None]:
    """transformers' method under its name of today, or under the one it had before."""
    method: Callable[..., None] = getattr(lm, f"activation_{name}", None) or getattr(lm, f"gradient_{name}")
    return method


def load_base(profile: Profile, device: torch.device, quantize: Quantize, dtype: torch.dtype | None = None) -> Base:
    """Loads the profile's base and attaches a LoRA. Raises `InputError` if the files do not make a model."""
    dtype = dtype or native_dtype(device)
    lm, quantize = load_lm(profile.folder, device, quantize, dtype, profile.format.table)
    attach_lora(lm, profile.lora)
    keep_unpacked(lm)
    folded = fold(lm, dense_weight, dtype) if profile.small else []
    initial = {name: weight.detach().to("cpu", copy=True) for name, weight in lm.named_parameters() if "lora_" in name}
    return Base(lm, profile, device, dtype, quantize, initial, folded)
