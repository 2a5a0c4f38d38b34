"""The only optimisation loop: base training and test-time training are both `fit`.

Knows nothing of tasks or files: it takes batches, a loss, an optimiser and a schedule, and reports what it did.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import torch
from torch import Tensor

from solver.budget import Clock, Deadline


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Right-padded sequences: ids, positions and loss_mask, each [B, T]; loss_mask marks target tokens."""

    ids: Tensor
    positions: Tensor
    loss_mask: Tensor

    def tokens(self) -> int:
        return self.ids.numel()

    def to(self, device: torch.device) -> Batch:
        return Batch(self.ids.to(device), self.positions.to(device), self.loss_mask.to(device))


class Stop(Enum):
    """Why an optimisation ended."""

    PLANNED = "planned steps"
    DEADLINE = "deadline"
    CONVERGED = "converged"
    NOT_FINITE = "loss not finite"
    OUT_OF_MEMORY = "out of memory"
    TOO_LONG = "no example fits the context"
    TOO_FEW = "a single demonstration"
    SKIPPED = "switched off"


class Optimizer(Protocol):
    """What `fit` asks of an optimiser; torch's own satisfy it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...

    def step(self) -> object: ...

    def zero_grad(self) -> None: ...


Schedule = Callable[[int, int], float]
"""(step, planned steps) -> factor of each group's `initial_lr`."""


def warmup_cosine(warmup: float) -> Schedule:
    """Linear warmup over the first `warmup` fraction, then a cosine to zero."""

    def factor(step: int, steps: int) -> float:
        progress = (step + 0.5) / max(1, steps)
        if progress < warmup:
            return progress / warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup))))

    return factor


def warmup_stable_decay(warmup_steps: int, decay: float) -> Schedule:
    """Linear warmup, constant, then linear to zero over the last `decay` fraction."""

    def factor(step: int, steps: int) -> float:
        left = (steps - step) / max(1, steps)
        return min(1.0, (step + 1) / warmup_steps, left / decay)

    return factor


@dataclass(slots=True)
class FitReport:
    """What an optimisation really did. losses: mean nats per target token of each executed step; skipped: steps that
    were left out because something was not finite."""

    stop: Stop = Stop.PLANNED
    planned: int = 0
    executed: int = 0
    skipped: int = 0
    tokens: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)


class Team:
    """The processes that train a model together. This one is alone; see `solver.model.parallel` for others.

    rank: this process's number, from 0; size: how many there are; device: where this one computes, None for a choice.
    """

    rank = 0
    size = 1
    device: torch.device | None = None

    def total(self, number: float) -> float:
        """The sum of every process's number."""
        return number

    def sum_gradients(self, weights: Sequence[torch.nn.Parameter]) -> None:
        """Every process's gradients become the sum of all."""


MOST_SKIPPED = 5
"""Steps in a row that may be left out because their loss or gradient is not finite."""

LossSum = Callable[[Batch], tuple[Tensor, int]]
"""Batch -> (summed loss in nats, number of target tokens)."""


def is_out_of_memory(error: BaseException) -> bool:
    """PyTorch's allocator on a GPU has a class of its own; CUDA, its libraries and a CPU's allocator only say so."""
    texts = ("out of memory", "alloc_failed", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(one in str(error).lower() for one in texts)


def fit(
    loss_sum: LossSum,
    batches: Iterator[Sequence[Batch]],
    optimizer: Optimizer,
    schedule: Schedule,
    *,
    steps: int,
    first_step: int = 0,
    deadline: Deadline | None = None,
    replan: Callable[[int, float], int] | None = None,
    relieve: Callable[[], bool] | None = None,
    converged: Callable[[Sequence[float]], bool] | None = None,
    on_step: Callable[[int, float], None] | None = None,
    clip: float | None = None,
    loss_scale: float = 1.0,
    clock: Clock = time.monotonic,
    team: Team | None = None,
    weights: Sequence[torch.nn.Parameter] = (),
) -> FitReport:
    """Runs optimiser steps `first_step .. steps - 1`; each takes one item of `batches`, a list of micro-batches.

    replan(executed, seconds) may lower or raise the planned steps after each step; the schedule follows.
    team: other processes that make the same steps, each on its own part of the data of `weights`, the model's.
    clip bounds the global norm of the gradients; loss_scale keeps those of fp16 activations from vanishing.
    A step whose loss or gradient norm is not finite is left out, and if it was the norm alone the loss scale is halved;
    too many in a row end the fit. A step for which memory does not suffice is left out if `relieve` makes the next ones
    smaller, and ends the fit if it cannot. Other errors are raised.
    """
    deadline, team = deadline or Deadline.never(), team or Team()
    report = FitReport(planned=steps)
    began = clock()
    step, skipped = first_step, 0
    while step < report.planned:
        # One process's clock stops all of them, or some would wait for the others for ever.
        if team.total(deadline.passed()):
            report.stop = Stop.DEADLINE
            break
        micro_batches = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * schedule(step, report.planned)
        fits = True
        try:
            loss = _accumulate(loss_sum, micro_batches, loss_scale, team, weights)
            finite = math.isfinite(loss) and _unscale_and_clip(optimizer, loss_scale, clip)
            if finite:
                # The first step allocates what the optimiser remembers.
                optimizer.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            fits = False
        optimizer.zero_grad()
        # Not in the handler: while the error lives, so does all that the failed step allocated.
        if not fits:
            if relieve is None or not relieve():
                report.stop = Stop.OUT_OF_MEMORY
                break
            continue
        if not finite:
            report.skipped, skipped = report.skipped + 1, skipped + 1
            if skipped > MOST_SKIPPED:
                report.stop = Stop.NOT_FINITE
                break
            if math.isfinite(loss):
                # The gradients alone are too large for fp16.
                loss_scale = max(1.0, loss_scale / 2)
            continue
        skipped = 0
        step += 1
        report.executed += 1
        report.tokens += sum(batch.tokens() for batch in micro_batches)
        report.losses.append(loss)
        report.seconds = clock() - began
        if on_step:
            on_step(step, loss)
        if converged and converged(report.losses):
            report.stop = Stop.CONVERGED
            break
        if replan:
            report.planned = max(step, replan(report.executed, report.seconds))
    report.seconds = clock() - began
    return report


def _accumulate(
    loss_sum: LossSum,
    micro_batches: Sequence[Batch],
    loss_scale: float,
    team: Team,
    weights: Sequence[torch.nn.Parameter],
) -> float:
    """Scaled gradients of the mean over all target tokens of a step; returns that mean, unscaled, in nats."""
    targets = max(1.0, team.total(sum(int(batch.loss_mask[:, 1:].sum()) for batch in micro_batches)))
    total = 0.0
    for batch in micro_batches:
        loss, _ = loss_sum(batch)
        (loss * (loss_scale / targets)).backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    team.sum_gradients(weights)
    return team.total(total) / targets


def _unscale_and_clip(optimizer: Optimizer, loss_scale: float, clip: float | None) -> bool:
    """Undoes the loss scale and bounds the gradients' norm; False if that norm is not finite."""
    if clip is None and loss_scale == 1.0:
        return True
    weights = [weight for group in optimizer.param_groups for weight in group["params"] if weight.grad is not None]
    for weight in weights:
        weight.grad.div_(loss_scale)
    norm = torch.nn.utils.clip_grad_norm_(weights, math.inf if clip is None else clip)
    return bool(torch.isfinite(norm))
