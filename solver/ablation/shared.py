"""One LoRA for all tasks together, in place of one for each: as many steps as they had all together, on all their data.

Goes on where it was stopped: what a step trains on is a function of the seed and the step's number alone.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from solver.ablation.trial import load_adapter
from solver.budget import Deadline
from solver.examples import DIHEDRALS, by_step, example, micro_batches
from solver.model import Base
from solver.profiles import Profile
from solver.prompt import Encoded
from solver.task import Task
from solver.training import Batch, Stop, fit, warmup_cosine
from solver.ttt import Degradation, adamw

SAVE_EVERY = 120.0
"""Seconds."""

DRAWS = 100
"""After so many tasks of which nothing fits the context, none is taken to fit."""


@dataclass(slots=True)
class SharedReport:
    """losses: nats per target token, of each step of this sitting; step: executed so far, in all sittings."""

    stop: Stop
    step: int
    losses: list[float] = field(default_factory=list)
    events: list[str] = field(default_factory=list)


def train_shared(
    base: Base, tasks: Sequence[Task], steps: int, seed: int, path: Path, deadline: Deadline
) -> SharedReport:
    """Trains up to step `steps`, the learning rate's cosine ending there; `path` holds what there is, finished or not.

    Stops early where the deadline passes, and where it cannot go on for lack of memory or a loss that is not finite.
    """
    base.reset()
    settings = base.profile.ttt
    optimizer = adamw(base, settings)
    report = SharedReport(Stop.PLANNED, 0)
    if path.exists():
        state = torch.load(path, map_location=base.device, weights_only=True)
        load_adapter(base, state["adapter"])
        optimizer.load_state_dict(state["optimizer"])
        report.step = state["step"]
    rung = Degradation(settings.micro_tokens, context=base.profile.context)
    saved = time.monotonic()

    def on_step(step: int, loss: float) -> None:
        nonlocal saved
        report.step = step
        report.losses.append(loss)
        if time.monotonic() - saved > SAVE_EVERY:
            _save(path, base, optimizer, step)
            saved = time.monotonic()

    report.stop = fit(
        base.loss_sum,
        _batches(base, tasks, seed, report.step, rung),
        optimizer,
        warmup_cosine(settings.warmup),
        steps=steps,
        first_step=report.step,
        deadline=deadline,
        relieve=lambda: rung.next(base, report.events),
        on_step=on_step,
        clip=settings.clip,
        loss_scale=base.loss_scale(),
    ).stop
    _save(path, base, optimizer, report.step)
    base.reset()
    return report


def read_adapter(path: Path, device: torch.device) -> dict[str, Tensor]:
    """The shared LoRA's weights by name."""
    weights: dict[str, Tensor] = torch.load(path, map_location=device, weights_only=True)["adapter"]
    return weights


def _save(path: Path, base: Base, optimizer: torch.optim.Optimizer, step: int) -> None:
    adapter = {name: weight.detach() for name, weight in base.adapter().items()}
    state: dict[str, Any] = {"adapter": adapter, "optimizer": optimizer.state_dict(), "step": step}
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def _batches(base: Base, tasks: Sequence[Task], seed: int, first: int, rung: Degradation) -> Iterator[list[Batch]]:
    """Micro-batches by step, from a step on."""
    for step in itertools.count(first):
        profile = rung.profile(base)
        rng = random.Random(f"{seed}:shared:{step}")
        # Bounded as a task's own steps are, so that as many steps are as much training.
        chosen = by_step([_one(profile, tasks, rng) for _ in range(profile.ttt.batch)], profile.ttt)[0]
        yield micro_batches(chosen, rung.micro_tokens, profile.format.pad_id, base.device)


def _one(profile: Profile, tasks: Sequence[Task], rng: random.Random) -> Encoded:
    """A leave-one-out task of a random task. Raises `ValueError` if none fits the context."""
    for _ in range(DRAWS):
        task = rng.choice(tasks)
        found = example(task, profile, rng, rng.choice(DIHEDRALS)) if len(task.train) > 1 else None
        if found is not None:
            return found
    raise ValueError("no demonstrations fit the context")
