"""Trains the embedded base from scratch: data, schedule, checkpoints, a live line. Resumes exactly.

The data order is a function of the seed and the step; a checkpoint holds weights, optimiser state and the place
in the data, so a stopped and resumed training sees what an undisturbed one would.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from solver.base.bank import Bank, Recipe, Source, rounds
from solver.base.optimizer import MasterWeights
from solver.base.sources import development_tasks
from solver.budget import Deadline, format_duration
from solver.grid import InputError
from solver.model import forward_hidden, library_versions, loss_sum, new_native, read_weights, save_base
from solver.prompt import END, NATIVE_TOKENS
from solver.task import read_split
from solver.training import Batch, fit, warmup_stable_decay

CURRICULUM = ((0.0, 384), (0.08, 512), (0.2, 768), (0.4, 1024), (0.65, 1536))
"""(progress, longest sequence in tokens): short sequences first, they carry more outputs per second."""


@dataclass(frozen=True, slots=True)
class BaseConfig:
    """Everything that decides what a training computes.

    tokens: planned training tokens (padding included); step_tokens: per optimiser step; micro_tokens: per forward.
    """

    width: int = 192
    layers: int = 6
    feed_forward: int = 512
    geometric: bool = True
    permute_black: bool = False
    seed: int = 0
    tokens: float = 40e6
    step_tokens: int = 12288
    micro_tokens: int = 4096
    max_pairs: int = 6
    first_supervised: int = 1
    muon_lr: float = 0.02
    adam_lr: float = 0.003
    weight_decay: float = 0.0
    clip: float = 1.0
    warmup_steps: int = 50
    decay: float = 0.3

    def steps(self) -> int:
        return max(1, round(self.tokens / self.step_tokens))

    def longest(self, step: int) -> int:
        progress = step / self.steps()
        return max(length for start, length in CURRICULUM if progress >= start)


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


def _data(bank: Bank, config: BaseConfig, progress: Progress) -> Iterator[list[Batch]]:
    """Micro-batches by step, from the recorded place on."""
    parts = max(1, round(config.step_tokens / config.micro_tokens))
    pending: list[Batch] = []
    while True:
        if progress.used == 0:
            progress.longest = config.longest(progress.step)
        recipes: list[list[Recipe]] = list(
            rounds(
                bank,
                config.seed,
                progress.round,
                progress.longest,
                config.max_pairs,
                config.micro_tokens,
                config.permute_black,
            )
        )
        # Whole steps only, so that a round never ends inside one and the place in the data is exact.
        usable = len(recipes) // parts * parts
        while progress.used < usable:
            pending.append(bank.encode(recipes[progress.used], config.geometric, config.first_supervised))
            progress.used += 1
            if len(pending) == parts:
                yield pending
                pending = []
        progress.round, progress.used = progress.round + 1, 0


def measured_banks(device: torch.device) -> dict[str, Bank]:
    """For measuring only: the demonstrations (never the test outputs) of the ARC-AGI-1 evaluation tasks, and the tasks
    held out for development, with which settings may be chosen."""
    tasks = {
        "evaluation": tuple(task.train for task in read_split("arc1-evaluation")),
        "development": tuple(development_tasks().values()),
    }
    return {name: Bank([Source(name, 1.0, those)], device) for name, those in tasks.items()}


@torch.no_grad()
def teacher_forced(lm: Any, bank: Bank, geometric: bool, longest: int = 1536) -> dict[str, float]:
    """Loss and accuracy per target token over a bank's tasks, each as one sequence of its pairs in order."""
    identity = tuple(range(10))
    loss = correct = cells = 0.0
    exact = outputs = 0
    for task in bank.tasks[0]:
        length = int(bank.spans[0][task].sum())
        if length > longest:
            continue
        batch = bank.encode([Recipe(tuple(task), 0, identity, length)], geometric)
        hidden = forward_hidden(lm, batch.ids, batch.positions)
        targets = batch.loss_mask[:, 1:]
        logits = lm.lm_head(hidden[:, :-1][targets]).float()
        labels = batch.ids[:, 1:][targets]
        loss += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        right = logits.argmax(-1) == labels
        correct += right.sum().item()
        cells += len(labels)
        wrong = (~right).cumsum(0)
        ends = (labels == END).nonzero().flatten().tolist()
        before = 0
        for end in ends:
            exact += int(wrong[end] == before)
            before = int(wrong[end])
        outputs += len(ends)
    return {"loss": loss / cells, "accuracy": correct / cells, "exact": exact / outputs, "outputs": outputs}


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
) -> Progress:
    """Trains until the planned tokens or the deadline; writes checkpoints to `run`, the base as it is then to `out`."""
    checkpoint = run / "checkpoint.pt"
    if checkpoint.exists() and not resume:
        raise InputError(f"{checkpoint}: exists already; add --resume to go on, or choose another --run-dir")
    run.mkdir(parents=True, exist_ok=True)
    lm = new_native(config.width, config.layers, config.feed_forward, len(NATIVE_TOKENS), config.seed)
    if init:
        read_weights(lm, init)
    lm = lm.to(device=device, dtype=torch.bfloat16)
    optimizer = MasterWeights(lm, config.muon_lr, config.adam_lr, config.weight_decay, config.clip)
    progress = Progress()
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        optimizer.load_state_dict(state["optimizer"])
        progress = Progress(**state["progress"])
        # Counted in tokens, so that a training may go on with another batch size.
        progress.step = round(progress.tokens / config.step_tokens)
    print(f"parameters {sum(p.numel() for p in lm.parameters()):,}; reading data", flush=True)
    bank = Bank(sources, device)
    measured = measured_banks(device)
    for name, tasks in zip(bank.names, bank.tasks, strict=True):
        print(f"{name}: {len(tasks)} tasks, {sum(map(len, tasks))} pairs", flush=True)

    def measure() -> None:
        for name, held_out in measured.items():
            score = teacher_forced(lm, held_out, config.geometric)
            note(progress.step, **{f"{name}_{key}": round(value, 4) for key, value in score.items()})
            print(f"  {name}: " + ", ".join(f"{key} {value:.4g}" for key, value in score.items()), flush=True)

    began, before = time.monotonic(), progress.seconds
    saved = shown = measured_at = began
    recent: list[float] = []

    def save() -> None:
        part = checkpoint.with_suffix(".part")
        torch.save({"optimizer": optimizer.state_dict(), "progress": asdict(progress), "config": asdict(config)}, part)
        part.replace(checkpoint)

    def note(step: int, **more: float) -> None:
        entry = {"step": step, "seconds": round(progress.seconds), "tokens": progress.tokens, **more}
        progress.log.append(entry)
        with (run / "log.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def on_step(step: int, loss: float) -> None:
        nonlocal saved, shown, measured_at
        now = time.monotonic()
        progress.step, progress.seconds = step, before + now - began
        progress.tokens += config.step_tokens
        recent.append(loss)
        if now - shown >= 30:
            shown = now
            mean = sum(recent) / len(recent)
            recent.clear()
            speed = progress.tokens / progress.seconds
            left = format_duration((config.tokens - progress.tokens) / speed)
            note(step, loss=round(mean, 4), longest=progress.longest)
            place = f"step {step}/{config.steps()} length {progress.longest}"
            print(f"{place} loss {mean:.4f}, {speed:,.0f} tokens/s, {left} left", flush=True)
        if now - measured_at >= measure_every:
            measured_at = now
            measure()
        if now - saved >= save_every:
            saved = now
            save()

    report = fit(
        lambda batch: loss_sum(lm, batch),
        _data(bank, config, progress),
        optimizer,
        warmup_stable_decay(config.warmup_steps, config.decay),
        steps=config.steps(),
        first_step=progress.step,
        deadline=deadline,
        on_step=on_step,
    )
    measure()
    save()
    print(f"{report.stop.value} at step {progress.step}", flush=True)
    if out:
        save_base(lm, out, NATIVE_TOKENS, "geometric" if config.geometric else "sequential")
        families = zip(bank.names, bank.tasks, bank.weights, strict=True)
        counts = {name: [len(tasks), sum(map(len, tasks)), weight] for name, tasks, weight in families}
        facts = {
            "config": asdict(config),
            "init": None if init is None else init.name,
            "sources (tasks, pairs, weight)": counts,
            "steps": progress.step,
            "tokens": progress.tokens,
            "seconds": round(progress.seconds),
            "device": str(device),
            "threads": torch.get_num_threads(),
            "versions": library_versions(),
        }
        (out / "training.json").write_text(json.dumps(facts, indent=2) + "\n")
        (out / "training_log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in progress.log))
    return progress
