"""Rotary frequencies for positions that carry a grid's geometry: each sees one axis."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from solver.prompt import GRID_STRIDE, ROW_STRIDE

MOST_GRIDS = 64
"""Grids after which the frequencies of the third axis repeat."""
TURNS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16)
"""Full turns over the period of rows, and of columns; the last tells neighbours apart best."""
GRID_TURNS = (1, 2, 4, 8, 16, 32)
"""The last turns by half from grid to grid: inputs look one way, outputs the other."""
STILL = 1e-12
"""A frequency that never turns: what has it is compared wherever it stands."""


def axial_rope(head_dim: int, theta: float, longest: int) -> dict[str, Any]:
    """transformers' rope parameters for positions grid * 1024 + row * 32 + column (`prompt.NativeFormat`).

    Columns turn with periods that divide 32, so that other rows and grids do not turn them; rows with periods that
    divide 1024, grids with the rest (rows and columns turn these by at most half a step of their own). "The cell
    above" and "the same cell of any other grid" are then each a matter of a few dimensions of a head. Rotary
    embeddings by axis are Heo et al. 2024's ("Rotary Position Embedding for Vision Transformer").
    Written as factors of the usual frequencies ("longrope"), which transformers reads from a checkpoint's config.
    head_dim: channels of a head; theta, longest: the base of the usual frequencies, and positions there can be.
    """
    periods = [period / turns for period in (ROW_STRIDE, GRID_STRIDE) for turns in TURNS]
    periods += [MOST_GRIDS * GRID_STRIDE / turns for turns in GRID_TURNS]
    wanted = [2 * math.pi / period for period in periods]
    if len(wanted) > head_dim // 2:
        raise ValueError(f"heads of {head_dim} channels have no room for {len(wanted)} frequencies")
    wanted += [STILL] * (head_dim // 2 - len(wanted))
    factors = [theta ** (-2 * number / head_dim) / frequency for number, frequency in enumerate(wanted)]
    return {
        "rope_type": "longrope",
        "rope_theta": theta,
        "short_factor": factors,
        "long_factor": factors,
        "factor": 1.0,
        "attention_factor": 1.0,
        "original_max_position_embeddings": longest,
    }


def cast_weights(lm: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Moves a model, and casts its weights alone.

    `Module.to(dtype)` would round the rotary frequencies as well, and far positions would turn by other angles than
    in a base that is loaded from its files.
    """
    lm.to(device)
    for weight in lm.parameters():
        weight.data = weight.data.to(dtype)
