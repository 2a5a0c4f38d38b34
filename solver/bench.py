"""Seconds and memory of test-time training and decoding on a base of a public model's shape with random weights.

What a profile costs on a machine can be measured before any checkpoint is at hand: speed does not depend on the
weights' values. Leaves nothing behind.
"""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from solver.augmentation import Dihedral, Transform, View, random_order
from solver.budget import Deadline
from solver.decoding import greedy
from solver.grid import InputError
from solver.inference import Shown, show
from solver.model import Base, Quantize, choose_device, load_base, peak_memory, save_random_llama
from solver.profiles import LARGE_LORA, LARGE_TTT, NATIVE, Profile
from solver.prompt import NATIVE_TOKENS
from solver.task import Task
from solver.ttt import Plan, train

SHAPES: dict[str, dict[str, int | bool]] = {
    "tiny": {
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "intermediate_size": 256,
        "vocab_size": 256,
        "tie_word_embeddings": False,
    },
    "llama-1b": {
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 8192,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    },
    "llama-8b": {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 128256,
        "tie_word_embeddings": False,
    },
}
"""Llama configurations by name; the vocabulary's first 16 entries serve as the embedded base's tokens."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a benchmark found. Seconds are of wall clock; memory is in bytes, of the GPU or else of the process."""

    shape: str
    device: str
    dtype: str
    quantize: str
    parameters: int
    load_seconds: float
    prompt_tokens: int
    steps: int
    step_seconds: float
    train_tokens_per_second: float
    views: int
    read_tokens_per_second: float
    decode_steps_per_second: float
    peak_memory: int


@contextmanager
def random_base(
    shape: str, place: torch.device, quantize: str, say: Callable[[str], None]
) -> Iterator[tuple[Base, float]]:
    """A loaded base of that shape, and the seconds that loading took; its files are deleted in the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say(f"writing random weights of shape {shape}")
        # In a process of its own: what writing takes must not count as the run's peak memory.
        context = multiprocessing.get_context("spawn")
        writer = context.Process(target=save_random_llama, args=(folder, SHAPES[shape], NATIVE_TOKENS))
        writer.start()
        writer.join()
        if writer.exitcode:
            raise InputError(f"--shape {shape}: its weights could not be written (exit code {writer.exitcode})")
        profile = replace(NATIVE, name=shape, folder=folder, lora=LARGE_LORA, ttt=LARGE_TTT, small=False)
        say("loading")
        began = time.monotonic()
        yield load_base(profile, place, Quantize(quantize)), time.monotonic() - began


def shown_views(task: Task, profile: Profile, count: int) -> list[Shown]:
    """So many views of a task, one dihedral after the other."""
    rng = random.Random(0)
    dihedrals = list(Dihedral)
    views = [View(Transform(dihedrals[number % 8]), random_order(rng, len(task.train))) for number in range(count)]
    return show(task, views, profile, lambda _: None)


def benchmark(
    shape: str, device: str | None, quantize: str, task: Task, steps: int, views: int, say: Callable[[str], None]
) -> Measured:
    """Trains `steps` TTT steps on one task as a run would, then decodes 64 tokens of `views` views at once."""
    place = choose_device(device)
    with random_base(shape, place, quantize, say) as (base, loaded):
        profile = base.profile
        say(f"training {steps} steps of {profile.ttt.batch} sequences, LoRA rank {profile.lora.rank}")
        report = train(base, task, Plan(Deadline.never(), seed=0, steps=steps))
        say(f"decoding {views} views")
        prompts = [one.prompts[0] for one in shown_views(task, profile, views)]
        with base.inference():
            _, timing = greedy(base, prompts, 64, Deadline.never())
        return Measured(
            shape=shape,
            device=str(place),
            dtype=str(base.dtype),
            quantize=base.quantize.value,
            parameters=base.parameters(),
            load_seconds=loaded,
            prompt_tokens=len(prompts[0]),
            steps=report.executed,
            step_seconds=report.step_seconds,
            train_tokens_per_second=report.tokens / max(1e-9, report.step_seconds * report.executed),
            views=views,
            read_tokens_per_second=sum(map(len, prompts)) / timing.prompt,
            decode_steps_per_second=timing.steps / timing.answer,
            peak_memory=peak_memory(place),
        )
