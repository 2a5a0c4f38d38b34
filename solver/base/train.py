"""Trains the embedded base from scratch: data, schedule, checkpoints, a live line. Resumes exactly.

The data order is a function of the seed and the step; a checkpoint holds weights, optimiser state and the place
in the data, so a stopped and resumed training sees what an undisturbed one would.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from solver.base.bank import Bank, Recipe, Source, rounds
from solver.base.card import PEAK, SHARED, SOURCES, card
from solver.base.config import BaseConfig
from solver.base.held_out import measured_banks, teacher_forced
from solver.base.optimizer import MasterWeights
from solver.base.probe import ttt_score
from solver.base.sources import development_tasks, shared_pairs
from solver.base.utilisation import Arithmetic, peak
from solver.budget import Deadline, format_duration
from solver.grid import InputError
from solver.model import (
    cast_weights,
    compile_layers,
    library_versions,
    loss_sum,
    read_weights,
    save_base,
    uncompiled,
)
from solver.prompt import NATIVE_TOKENS
from solver.task import Pair
from solver.training import Batch, FitReport, Team, fit, warmup_stable_decay

SHAPE = ("width", "layers", "feed_forward", "geometric", "axial")
"""What a training cannot go on with when it is another."""

LEAST_ROUND = 48
"""Micro-batches that are drawn, sorted by length and shuffled together, at least."""

SHOW_EVERY = 30.0
"""Seconds between two live lines."""


@dataclass(slots=True)
class Progress:
    """Where a training is: executed steps, seconds spent, and the place in the data order."""

    step: int = 0
    seconds: float = 0.0
    tokens: int = 0
    round: int = 0
    used: int = 0
    longest: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)


def share_out(step: Sequence[list[Recipe]], arithmetic: Arithmetic, team: Team) -> list[list[Recipe]]:
    """Those of a step's micro-batches that are this process's: as many for each, and about as much arithmetic."""
    order = sorted(step, key=lambda part: arithmetic.of_sequences(recipe.length for recipe in part), reverse=True)
    # Dealt there and back, so that nobody always gets the larger one of two neighbours.
    cycle = 2 * team.size
    return [part for place, part in enumerate(order) if place % cycle in (team.rank, cycle - 1 - team.rank)]


def _data(bank: Bank, config: BaseConfig, progress: Progress, team: Team, work: Arithmetic) -> Iterator[list[Batch]]:
    """Micro-batches by step, from the recorded place on; of each step, this process's share."""
    parts = config.parts()
    while True:
        if progress.used == 0:
            progress.longest = config.longest(progress.step)
        batches = list(
            rounds(
                bank,
                config.seed,
                progress.round,
                progress.longest,
                config.max_pairs,
                config.micro_tokens,
                config.permute_black,
                math.ceil(LEAST_ROUND / parts) * parts,
            )
        )
        # Whole steps only, so that a round never ends inside one and the place in the data is exact.
        while progress.used + parts <= len(batches):
            step = batches[progress.used : progress.used + parts]
            progress.used += parts
            yield [
                bank.encode(recipes, config.geometric, config.first_supervised, config.inputs)
                for recipes in share_out(step, work, team)
            ]
        progress.round, progress.used = progress.round + 1, 0


@dataclass(slots=True, eq=False)
class Training:
    """A training under way: what is trained and on what, and the live line, the log and the checkpoints about it.

    development, held_out: tasks to measure with, as such and as banks; peak: FLOP/s that the machine can do at best;
    work: FLOP since the live line was last shown.
    """

    config: BaseConfig
    run: Path
    lm: Any
    optimizer: MasterWeights
    bank: Bank
    device: torch.device
    development: Mapping[str, tuple[Pair, ...]]
    held_out: Mapping[str, Bank]
    team: Team
    save_every: float
    measure_every: float
    progress: Progress = field(default_factory=Progress)
    peak: float = 0.0
    work: float = 0.0
    recent: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    before: Progress = field(default_factory=Progress)
    shown: float = 0.0
    measured: float = 0.0
    saved: float = 0.0

    @property
    def checkpoint(self) -> Path:
        return self.run / "checkpoint.pt"

    def load(self) -> None:
        """Goes on from the checkpoint, if there is one."""
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            for name in SHAPE:
                if state["config"].get(name) != (wanted := getattr(self.config, name)):
                    raise InputError(f"{self.checkpoint}: {name} was {state['config'].get(name)}, not {wanted}")
            self.optimizer.load_state_dict(state["optimizer"])
            self.progress = Progress(**state["progress"])
            # Counted in tokens, so that a training may go on with another batch size.
            self.progress.step = round(self.progress.tokens / self.config.step_tokens)

    def save(self) -> None:
        part = self.checkpoint.with_suffix(".part")
        state = {"progress": asdict(self.progress), "config": asdict(self.config)}
        torch.save({"optimizer": self.optimizer.state_dict(), **state}, part)
        part.replace(self.checkpoint)

    def say(self, text: str) -> None:
        """For people, once however many processes there are."""
        if not self.team.rank:
            print(text, flush=True)

    def note(self, **what: float) -> None:
        """Adds a line to the log."""
        progress = self.progress
        entry = {"step": progress.step, "seconds": round(progress.seconds), "tokens": progress.tokens, **what}
        progress.log.append(entry)
        with (self.run / "log.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def fit(self, deadline: Deadline) -> FitReport:
        """Trains until the planned tokens or the deadline."""
        self.peak = peak(self.device)
        self.say(f"the machine's bf16 matrix product: {self.peak / 1e9:,.0f} GFLOP/s")
        self.began = self.shown = self.measured = self.saved = time.monotonic()
        self.before = replace(self.progress)
        return fit(
            lambda batch: loss_sum(self.lm, batch),
            self._counted(),
            self.optimizer,
            warmup_stable_decay(self.config.warmup_steps, self.config.decay),
            steps=self.config.steps(),
            first_step=self.progress.step,
            deadline=deadline,
            on_step=self._on_step,
            team=self.team,
            weights=list(self.lm.parameters()),
        )

    def _counted(self) -> Iterator[list[Batch]]:
        arithmetic = Arithmetic.of(self.lm)
        for batches in _data(self.bank, self.config, self.progress, self.team, arithmetic):
            self.work += sum(map(arithmetic.of_batch, batches))
            yield batches

    def _on_step(self, step: int, loss: float) -> None:
        now = time.monotonic()
        self.progress.step, self.progress.seconds = step, self.before.seconds + now - self.began
        self.progress.tokens += self.config.step_tokens
        self.recent.append(loss)
        if self.team.rank:
            return
        if now - self.shown >= SHOW_EVERY:
            self._show(now)
        if now - self.measured >= self.measure_every:
            self.measure()
            # What measuring takes is not training's.
            self.measured = self.shown = time.monotonic()
            self.work, self.recent = 0.0, []
        if now - self.saved >= self.save_every:
            self.saved = now
            self.save()

    def _show(self, now: float) -> None:
        """The live line: loss, speed, share of the machine that is used, time left."""
        config, progress = self.config, self.progress
        mean = sum(self.recent) / len(self.recent)
        used = self.work / (now - self.shown) / self.peak
        speed = (progress.tokens - self.before.tokens) / (progress.seconds - self.before.seconds)
        left = format_duration((config.tokens - progress.tokens) / speed)
        self.note(loss=round(mean, 4), longest=progress.longest, utilisation=round(used, 3))
        place = f"step {progress.step}/{config.steps()} length {progress.longest}"
        self.say(f"{place} loss {mean:.4f}, {speed:,.0f} tokens/s, {used:.0%} of the machine, {left} left")
        self.shown, self.work, self.recent = now, 0.0, []

    def measure(self) -> None:
        """Loss and accuracy on tasks that are not trained on, and what test-time training makes of a few of them."""
        geometric = self.config.geometric
        with uncompiled():
            scores = {name: teacher_forced(self.lm, bank, geometric) for name, bank in self.held_out.items()}
            scores["ttt"] = ttt_score(self.lm, geometric, self.development, self.device)
        for name, score in scores.items():
            self.note(**{f"{name}_{key}": round(value, 4) for key, value in score.items()})
            self.say(f"  {name}: " + ", ".join(f"{key} {value:.4g}" for key, value in score.items()))

    def publish(self, out: Path, init: Path | None, shared: Mapping[str, int]) -> None:
        """Writes the base as it is now, and how it came about."""
        save_base(self.lm, out, NATIVE_TOKENS, "geometric" if self.config.geometric else "sequential")
        families = zip(self.bank.names, self.bank.tasks, self.bank.weights, strict=True)
        facts = {
            "config": asdict(self.config),
            "init": None if init is None else init.name,
            SOURCES: {name: [len(tasks), sum(map(len, tasks)), weight] for name, tasks, weight in families},
            SHARED: dict(shared),
            "steps": self.progress.step,
            "tokens": self.progress.tokens,
            "seconds": round(self.progress.seconds),
            "device": str(self.device),
            "processes": self.team.size,
            "threads": torch.get_num_threads(),
            PEAK: round(self.peak / 1e9),
            "versions": library_versions(),
        }
        (out / "training.json").write_text(json.dumps(facts, indent=2) + "\n")
        (out / "training_log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in self.progress.log))
        parameters = sum(weight.numel() for weight in self.lm.parameters())
        (out / "README.md").write_text(card(facts, self.progress.log, parameters))


def train_base(
    config: BaseConfig,
    run: Path,
    out: Path | None,
    sources: Sequence[Source],
    device: torch.device,
    deadline: Deadline,
    resume: bool,
    init: Path | None = None,
    save_every: float = 300.0,
    measure_every: float = 1800.0,
    team: Team | None = None,
    compiles: bool = False,
) -> Progress:
    """Trains until the planned tokens or the deadline; writes checkpoints to `run`, the base as it is then to `out`.

    team: the processes that train it together, each on its part of every step's micro-batches; compiles: whether the
    layers are compiled where that can be done, on a CPU (on a GPU it has not been measured).
    """
    team = team or Team()
    if config.parts() % team.size:
        raise InputError(f"{team.size} processes cannot share the {config.parts()} micro-batches of a step equally")
    if (run / "checkpoint.pt").exists() and not resume:
        raise InputError(f"{run / 'checkpoint.pt'}: exists already; add --resume to go on, or choose another --run-dir")
    run.mkdir(parents=True, exist_ok=True)
    lm = config.model()
    if init:
        read_weights(lm, init)
    cast_weights(lm, device, torch.bfloat16)
    optimizer = MasterWeights(lm, config.muon_lr, config.adam_lr, config.weight_decay, config.clip)
    development = development_tasks()
    held_out = measured_banks(development.values(), device)
    training = Training(
        config,
        run,
        lm,
        optimizer,
        Bank(sources, device),
        device,
        development,
        held_out,
        team,
        save_every,
        measure_every,
    )
    training.load()
    training.say(f"{sum(weight.numel() for weight in lm.parameters()):,} parameters, processes: {team.size}")
    for name, tasks in zip(training.bank.names, training.bank.tasks, strict=True):
        training.say(f"{name}: {len(tasks)} tasks, {sum(map(len, tasks))} pairs")
    if compiles and device.type == "cpu" and (reason := compile_layers(lm)):
        training.say(f"not compiled: {reason}")
    report = training.fit(deadline)
    training.say(f"{report.stop.value} at step {training.progress.step}")
    if not team.rank:
        training.measure()
        training.save()
        if out:
            training.publish(out, init, shared_pairs(sources))
    return training.progress
