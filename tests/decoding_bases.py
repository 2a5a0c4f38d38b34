"""Random bases of two architectures for tests of decoding, and prompts with several test inputs."""

from __future__ import annotations

import random
import tempfile
from functools import cache
from pathlib import Path

import torch

from solver.augmentation import Episode
from solver.model import Base, Quantize, load_base, save_base
from solver.prompt import END, NATIVE_TOKENS, ROW, Encoded, NativeFormat
from solver.task import Pair
from tests.fakes import CPU, random_grid, shake, tiny_base, tiny_profile
from tests.tiny_text_base import random_lm


@cache
def _holder() -> tempfile.TemporaryDirectory[str]:
    """Deleted when the process ends."""
    return tempfile.TemporaryDirectory(prefix="tiny-llama-")


@cache
def _llama_folder() -> Path:
    """A Llama with grouped queries that reads and writes the native tokens."""
    lm = random_lm("llama", vocab_size=len(NATIVE_TOKENS), bos_token_id=None, eos_token_id=END)
    with torch.no_grad():
        lm.lm_head.weight[[ROW, END]] *= 1.5
    folder = Path(_holder().name)
    save_base(lm, folder, NATIVE_TOKENS, "geometric")
    return folder


def random_base(
    architecture: str, quantize: Quantize = Quantize.NONE, dtype: torch.dtype = torch.float32, geometric: bool = True
) -> Base:
    """A base on the CPU with a random adapter; "qwen3" has the native shape."""
    if architecture == "qwen3" and dtype is torch.float32:
        base = tiny_base(quantize, format=NativeFormat(geometric), small=False)
    else:
        folder = {} if architecture == "qwen3" else {"folder": _llama_folder()}
        profile = tiny_profile(format=NativeFormat(geometric), small=False, **folder)
        base = load_base(profile, CPU, quantize, dtype)
    shake(base)
    return base


def prompts_of_view(seed: int, side: int, tests: int = 1, geometric: bool = True) -> list[Encoded]:
    """Prompts with the same two demonstrations of about `side` rows and columns, and a test input each."""
    rng = random.Random(seed)

    def grid() -> list[int]:
        return [rng.randint(1, side), rng.randint(1, side)]

    demonstrations = tuple(Pair(random_grid(rng, *grid()), random_grid(rng, *grid())) for _ in range(2))
    queries = [random_grid(rng, *grid()) for _ in range(tests)]
    return [NativeFormat(geometric).encode(Episode(demonstrations, query)) for query in queries]
