"""Compiling a small model's layers, where that makes training on a CPU faster."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

from solver.model.attention import ATTENTION, register_attention

WHOLE = f"{ATTENTION}_whole"


def compile_layers(lm: Any) -> str | None:
    """Makes each layer compile, in place, once it runs; the reason, for people, where that cannot be done here.

    What is between the matrix products (norms, rotary turns, gates, sums) then runs in a few passes over memory, and
    a fifth more tokens are trained on per second. The attention stays as it is: its blocks have many shapes, and
    its products are fast already. One graph of the whole model was slower than none.
    """
    try:
        # Compilers, Python's headers and folders to write to: only a trial tells whether all is there.
        torch.compile(torch.sinh)(torch.zeros(3))
    except Exception as error:  # noqa: BLE001 (whatever a tool chain lacks, training goes on without it)
        return (str(error).splitlines() or [type(error).__name__])[0]
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    attention = AttentionInterface()[register_attention()]
    AttentionInterface.register(WHOLE, torch.compiler.disable(attention))  # type: ignore[no-untyped-call]
    AttentionMaskInterface.register(WHOLE, sdpa_mask)
    lm.config._attn_implementation = WHOLE
    for layer in lm.model.layers:
        layer.compile(dynamic=True)
    return None


def uncompiled() -> AbstractContextManager[object]:
    """Inside, nothing is compiled: for what runs too seldom to be worth it."""
    context: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return context
