"""What a model says to a few tokens: by this, two copies of it are held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from solver.model.lora import keep_unpacked
from solver.model.running import forward_hidden


def probe(lm: Any, ids: Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
    """Last hidden states [T, C] and logits [T, V] after each of T tokens, or of 64 spread over the vocabulary."""
    keep_unpacked(lm)
    size = lm.get_input_embeddings().weight.shape[0]
    chosen = [number * 7919 % size for number in range(64)] if ids is None else list(ids)
    ids_1T = torch.tensor([chosen], device=lm.lm_head.weight.device)
    with torch.inference_mode():
        hidden = forward_hidden(lm, ids_1T, torch.arange(len(chosen), device=ids_1T.device)[None])
        return hidden[0].clone(), lm.lm_head(hidden)[0].clone()
