"""A tiny base on disk, small tasks and a clock that tests move by hand."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from solver.augmentation import Episode
from solver.examples import collate
from solver.grid import Grid
from solver.model import Base, Quantize, forward_hidden, load_base, new_native, save_base
from solver.profiles import NATIVE, LoraSettings, Profile, TttSettings
from solver.prompt import END, INPUT, NATIVE_TOKENS, OUTPUT, ROW, Encoded, NativeFormat
from solver.task import Pair, Task
from solver.training import Batch

CPU = torch.device("cpu")
TTT = TttSettings(lr=1e-2, epochs=2, batch=4, max_examples=24, micro_tokens=1024)


class FakeClock:
    """Moves only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tiny_lm(seed: int = 0) -> Any:
    """A fp32 model of the native shape with random weights everywhere, so that its outputs depend on its inputs."""
    lm = new_native(width=64, layers=2, feed_forward=128, vocabulary=len(NATIVE_TOKENS), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in lm.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")) or "lm_head" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * weight.shape[1] ** -0.5)
        # Else hardly any answer would end within a few tokens.
        lm.lm_head.weight[[ROW, END]] *= 1.5
    return lm.eval()


@cache
def _holder() -> tempfile.TemporaryDirectory[str]:
    """Deleted when the process ends."""
    return tempfile.TemporaryDirectory(prefix="tiny-base-")


@cache
def tiny_folder(seed: int = 0) -> Path:
    """The tiny model as files, written once per test session. Not to be changed: others read it."""
    folder = Path(_holder().name) / str(seed)
    save_base(tiny_lm(seed), folder, NATIVE_TOKENS, "geometric")
    return folder


def tiny_profile(seed: int = 0, **changes: Any) -> Profile:
    profile = replace(
        NATIVE,
        name="tiny",
        folder=tiny_folder(seed),
        context=2048,
        lora=LoraSettings(rank=8, alpha=8),
        ttt=TTT,
        decode_tokens=4096,
    )
    return replace(profile, **changes)


def tiny_base(quantize: Quantize = Quantize.NONE, seed: int = 0, **changes: Any) -> Base:
    """The tiny base with a fresh LoRA, on the CPU in fp32."""
    # Threads only wait for one another on matrices this small, for seconds where other work is running.
    torch.set_num_threads(1)
    return load_base(tiny_profile(seed, **changes), CPU, quantize, torch.float32)


def shake(base: Base, seed: int = 0) -> None:
    """Random values for the whole adapter: one at birth contributes nothing."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in base.adapter().values():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.1)


def logits(lm: Any, batch: Batch) -> Tensor:
    """[B, T, V] of a plain forward without gradients."""
    with torch.no_grad():
        out: Tensor = lm.lm_head(forward_hidden(lm, batch.ids, batch.positions))
    return out


def random_grid(rng: random.Random, height: int, width: int) -> Grid:
    return Grid(tuple(tuple(rng.randrange(10) for _ in range(width)) for _ in range(height)))


def copy_task(task_id: str, seed: int = 0, demonstrations: int = 3, side: int = 3, tests: int = 1) -> Task:
    """The output is the input; grids of `side` rows and one more column, all different."""
    rng = random.Random(f"{task_id}:{seed}")
    grids = [random_grid(rng, side, side + 1) for _ in range(demonstrations + tests)]
    return Task(task_id, tuple(Pair(grid, grid) for grid in grids[:demonstrations]), tuple(grids[demonstrations:]))


def random_prompt(seed: int, side: int, answered: bool = False, geometric: bool = True) -> Encoded:
    """A prompt of two demonstrations with random grids of about `side` rows and columns."""
    rng = random.Random(seed)
    grids = [random_grid(rng, rng.randint(1, side), rng.randint(1, side)) for _ in range(6)]
    demonstrations = Pair(grids[0], grids[1]), Pair(grids[2], grids[3])
    return NativeFormat(geometric).encode(Episode(demonstrations, grids[4], grids[5] if answered else None))


def training_batch(*seeds: int, side: int = 3) -> Batch:
    """Random answered prompts of different lengths, right-padded."""
    return collate([random_prompt(seed, side, answered=True) for seed in seeds], NativeFormat().pad_id, CPU)


def grids_in(ids: Sequence[int]) -> list[Grid]:
    """The grids that a native sequence spells, in order, without those still to be written."""
    grids: list[list[list[int]]] = []
    for token in ids:
        if token in (INPUT, OUTPUT):
            grids.append([[]])
        elif token == ROW:
            grids[-1].append([])
        elif token != END:
            grids[-1][-1].append(int(token))
    return [Grid(tuple(map(tuple, rows))) for rows in grids if rows != [[]]]
