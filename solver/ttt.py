"""Test-time training: a task's demonstrations as a training set, and a LoRA fitted to it under a deadline.

After Akyürek et al. 2024, section 4: leave-one-out tasks under invertible transforms, one LoRA per task, loss on
the outputs of all prefixes. Never sees a test input's answer: a `Task` does not hold one.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from solver.budget import Clock, Deadline
from solver.examples import by_step, examples, identity_examples, micro_batches
from solver.model import Base
from solver.profiles import Profile, TttSettings
from solver.prompt import Encoded
from solver.task import Task
from solver.training import Batch, Stop, fit, is_out_of_memory, warmup_cosine

PROBE_STEPS = 3
"""Steps timed before the number of steps is first planned; the first is slower, so one is never enough."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a TTT run may use. steps: exactly so many (None: as many as the deadline and the epochs allow)."""

    deadline: Deadline
    seed: int
    steps: int | None = None


@dataclass(slots=True)
class TttReport:
    """What test-time training did to one task. Losses are nats per target token on the leave-one-out prompts.

    planned: as first planned after the probe; step_seconds: mean of the executed steps; seconds: everything; skipped:
    steps left out because a loss or gradient was not finite.
    """

    stop: Stop
    planned: int = 0
    executed: int = 0
    skipped: int = 0
    examples: int = 0
    tokens: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0
    loss_before: float | None = None
    loss_after: float | None = None
    losses: list[float] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        rounded = [round(loss, 5) for loss in self.losses]
        return asdict(self) | {"stop": self.stop.value, "losses": rounded, "seconds": round(self.seconds, 3)}


@dataclass(slots=True)
class StepPlanner:
    """How many steps the time allows, by the steps timed so far; at most `most`.

    Asked again after every step, so that the learning rate's cosine ends where the time does. `first` is the plan
    that was made after the probe: what the executed steps are compared with.
    """

    most: int
    plan: Plan
    first: int | None = None

    def __call__(self, executed: int, seconds: float) -> int:
        if self.plan.steps is not None or executed < PROBE_STEPS:
            return self.most
        affordable = max(0.0, self.plan.deadline.left()) / (seconds / executed)
        planned = int(min(self.most, executed + affordable))
        self.first = self.first or planned
        return planned

    def planned(self) -> int:
        """What executed steps are compared with; the probe alone when time ended before there was a plan."""
        if self.plan.steps is not None:
            return self.most
        return self.first or min(self.most, PROBE_STEPS)


@dataclass(slots=True)
class Degradation:
    """How far a training was made smaller to fit in memory; each rung is taken once, in order."""

    micro_tokens: int
    checkpointing: bool = False
    context: int = 0

    def next(self, base: Base, events: list[str]) -> bool:
        """Takes the next rung: smaller micro-batches, checkpointing, shorter prompts; False when none is left."""
        if self.micro_tokens > 1:
            self.micro_tokens = 1
            events.append("micro-batches of one sequence")
        elif not self.checkpointing:
            self.checkpointing = True
            base.checkpoint_activations(True)
            events.append("activation checkpointing")
        elif self.context > 512:
            self.context //= 2
            events.append(f"prompts of at most {self.context} tokens")
        else:
            return False
        return True

    def profile(self, base: Base) -> Profile:
        """The base's, with prompts as short as they have become."""
        return replace(base.profile, context=self.context)


def loss_of(base: Base, encoded: Sequence[Encoded], micro_tokens: int) -> float:
    """Mean loss in nats per target token, without gradients."""
    total, targets = 0.0, 0
    with base.inference():
        for batch in micro_batches(encoded, micro_tokens, base.profile.format.pad_id, base.device):
            loss, count = base.loss_sum(batch)
            total, targets = total + loss.item(), targets + count
    return total / max(1, targets)


def train(base: Base, task: Task, plan: Plan, clock: Clock = time.monotonic) -> TttReport:
    """Fits the base's LoRA to one task, from its initial state. Never raises for memory or numbers: it reports.

    Where memory runs out, training goes on with less at a time, as long as that is possible and there is time; what it
    has learnt by then is kept.
    """
    base.reset()
    report = TttReport(Stop.TOO_LONG if len(task.train) > 1 else Stop.TOO_FEW)
    began = clock()
    rung = Degradation(base.profile.ttt.micro_tokens, context=base.profile.context)
    measured = identity_examples(task, base.profile.format, base.profile.context)
    rng = random.Random(plan.seed)
    if first := examples(task, base.profile, rng, base.profile.ttt.max_examples):
        if measured:
            report.loss_before = _measure(base, measured, rung, report.events)
        _fit(base, task, plan, rung, report, first, rng, clock)
        if report.stop in (Stop.OUT_OF_MEMORY, Stop.NOT_FINITE) and not report.executed:
            base.reset()
            report.events.append(f"{report.stop.value}: answers come from the untrained base")
        elif measured:
            report.loss_after = _measure(base, measured, rung, report.events)
    # Decoding with a cache and checkpointing exclude each other.
    base.checkpoint_activations(False)
    report.seconds = clock() - began
    return report


def _measure(base: Base, measured: Sequence[Encoded], rung: Degradation, events: list[str]) -> float | None:
    """`loss_of`, or None where there is no memory for it: a loss that is only shown must not cost the training."""
    try:
        return loss_of(base, measured, rung.micro_tokens)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        events.append("out of memory measuring the loss")
        return None


def _fit(
    base: Base,
    task: Task,
    plan: Plan,
    rung: Degradation,
    report: TttReport,
    first: list[Encoded],
    rng: random.Random,
    clock: Clock,
) -> None:
    """Trains, on what was drawn `first` and then on more; fills the report."""
    settings = base.profile.ttt
    report.examples = len(first)
    per_epoch = len(by_step(first, settings))
    planner = StepPlanner(settings.epochs * per_epoch if plan.steps is None else plan.steps, plan)

    def relieve() -> bool:
        """The next rung on which there is something to train on; what was learnt so far is kept."""
        while not plan.deadline.passed() and rung.next(base, report.events):
            if examples(task, rung.profile(base), random.Random(plan.seed), 1):
                return True
        return False

    fitted = fit(
        base.loss_sum,
        _steps(base, task, rng, first, rung),
        adamw(base, settings),
        warmup_cosine(settings.warmup),
        steps=planner.most,
        deadline=plan.deadline,
        replan=planner,
        relieve=relieve,
        converged=_converged(settings),
        clip=settings.clip,
        loss_scale=base.loss_scale(),
        clock=clock,
    )
    report.planned = planner.planned()
    fell_short = fitted.stop is Stop.PLANNED and fitted.executed < report.planned
    report.stop = Stop.DEADLINE if fell_short else fitted.stop
    report.executed, report.tokens, report.losses = fitted.executed, fitted.tokens, fitted.losses
    report.step_seconds = fitted.seconds / max(1, fitted.executed)
    report.skipped = fitted.skipped
    if fitted.skipped:
        report.events.append(f"steps left out, their loss or gradient not finite: {fitted.skipped}")


def adamw(base: Base, settings: TttSettings) -> torch.optim.Optimizer:
    """A group for the layers, and one for embeddings and head where these are trained."""
    slow = settings.lr if settings.embedding_lr is None else settings.embedding_lr
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, weight in base.adapter().items():
        lr = slow if "embed_tokens" in name or "lm_head" in name else settings.lr
        groups.setdefault(lr, []).append(weight)
    return torch.optim.AdamW(
        [{"params": weights, "lr": lr, "initial_lr": lr} for lr, weights in groups.items()],
        weight_decay=settings.weight_decay,
        # What a GPU does otherwise takes as much memory as the weights once more.
        fused=base.device.type == "cuda" or None,
    )


def _steps(
    base: Base, task: Task, rng: random.Random, first: list[Encoded], rung: Degradation
) -> Iterator[list[Batch]]:
    """Micro-batches by step, epoch after epoch; every epoch draws its examples afresh, as does a shorter context."""
    settings, pool = base.profile.ttt, first
    while True:
        context = rung.context
        for chosen in by_step(pool, settings):
            yield micro_batches(chosen, rung.micro_tokens, base.profile.format.pad_id, base.device)
            if rung.context != context:
                break
        pool = examples(task, rung.profile(base), rng, settings.max_examples) or pool


def _converged(settings: TttSettings) -> Callable[[Sequence[float]], bool]:
    def check(losses: Sequence[float]) -> bool:
        recent = losses[-settings.patience :]
        return len(recent) == settings.patience and sum(recent) / len(recent) < settings.converged_loss

    return check
