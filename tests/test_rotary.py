"""Rotary frequencies by axis: what turns with a row, a column or a grid, and that files keep it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from solver.base.config import BaseConfig
from solver.grid import InputError
from solver.model import Quantize, cast_weights, forward_hidden, load_base, new_native, read_weights, save_base
from solver.model.rotary import GRID_TURNS, TURNS, axial_rope
from solver.profiles import NATIVE
from solver.prompt import GRID_STRIDE, NATIVE_TOKENS, ROW_STRIDE

CPU = torch.device("cpu")
SHAPE = (64, 2, 128, len(NATIVE_TOKENS), 0)
PAIRS = 32


def angles(position: int) -> torch.Tensor:
    """cos and sin [2, pairs of channels] at a position."""
    rotary = new_native(*SHAPE).model.rotary_emb
    cos, sin = rotary(torch.zeros(1), torch.tensor([[position]]))
    return torch.stack([cos[0, 0, :PAIRS], sin[0, 0, :PAIRS]])


def turned(first: int, second: int) -> set[int]:
    """The pairs of channels that turn by more than a hundredth of a turn between two positions."""
    change = (angles(first) - angles(second)).norm(dim=0)
    return set((change > 2 * math.pi / 100).nonzero().flatten().tolist())


COLUMNS = set(range(len(TURNS)))
ROWS = {len(TURNS) + number for number in COLUMNS}
GRIDS = {2 * len(TURNS) + number for number in range(len(GRID_TURNS))}


def test_columns_are_not_turned_by_rows_or_grids() -> None:
    assert not COLUMNS & turned(5, 5 + 7 * ROW_STRIDE + 9 * GRID_STRIDE)
    assert turned(5, 6) >= COLUMNS
    assert not turned(5, 6) & GRIDS


def test_rows_are_not_turned_by_grids() -> None:
    there = 3 + 11 * ROW_STRIDE
    assert not ROWS & turned(there, there + 5 * GRID_STRIDE)
    assert turned(there, there + ROW_STRIDE) >= ROWS


def test_the_last_frequency_tells_inputs_from_outputs() -> None:
    (last,) = {max(GRIDS)}
    first, second, third = (angles(number * GRID_STRIDE)[0, last].item() for number in (2, 3, 4))
    assert second == pytest.approx(-first, abs=1e-2)
    assert third == pytest.approx(first, abs=1e-2)


def test_what_is_left_never_turns() -> None:
    still = set(range(PAIRS)) - COLUMNS - ROWS - GRIDS
    assert still
    assert not still & turned(0, 60 * GRID_STRIDE + 29 * ROW_STRIDE + 30)


def test_heads_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="heads of 32 channels have no room"):
        axial_rope(32, 10000.0, 1 << 16)


def test_casting_leaves_frequencies_alone() -> None:
    lm = new_native(*SHAPE)
    before = lm.model.rotary_emb.inv_freq.clone()
    cast_weights(lm, CPU, torch.bfloat16)
    assert {weight.dtype for weight in lm.parameters()} == {torch.bfloat16}
    assert torch.equal(lm.model.rotary_emb.inv_freq, before)


@pytest.mark.parametrize("axial", [True, False])
def test_a_saved_base_turns_as_it_was_trained(tmp_path: Path, axial: bool) -> None:
    """What is loaded from files says the same at far positions, bit by bit."""
    lm = new_native(*SHAPE, axial=axial)
    with torch.no_grad():
        for weight in lm.parameters():
            weight.normal_(0, 0.3)
    cast_weights(lm, CPU, torch.bfloat16)
    save_base(lm, tmp_path, NATIVE_TOKENS, "geometric")
    profile = replace(NATIVE, folder=tmp_path)
    base = load_base(profile, CPU, Quantize.NONE, torch.bfloat16)
    ids = torch.arange(13)[None]
    positions = 20 * GRID_STRIDE + torch.arange(13)[None] * ROW_STRIDE
    with base.inference():
        assert torch.equal(forward_hidden(base.lm, ids, positions), forward_hidden(lm, ids, positions))


def test_weights_for_other_frequencies_are_refused(tmp_path: Path) -> None:
    save_base(new_native(*SHAPE, axial=False), tmp_path, NATIVE_TOKENS, "geometric")
    read_weights(new_native(*SHAPE, axial=False), tmp_path)
    with pytest.raises(InputError, match="rotary frequencies"):
        read_weights(new_native(*SHAPE), tmp_path)


def test_sequential_positions_have_the_usual_frequencies() -> None:
    def frequencies(config: BaseConfig) -> str:
        kind: str = json.loads(config.model().config.to_json_string())["rope_parameters"]["rope_type"]
        return kind

    small = BaseConfig(width=64, layers=1, feed_forward=64)
    assert frequencies(small) == "longrope"
    assert frequencies(replace(small, geometric=False)) == frequencies(replace(small, axial=False)) == "default"
