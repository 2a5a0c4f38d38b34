"""What test-time training makes of a base that is being trained: a few held-out tasks, trained on and asked."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from solver.augmentation import Transform, View
from solver.budget import Deadline
from solver.examples import collate
from solver.model import Base, Quantize, forward_hidden, load_base, save_base
from solver.profiles import NATIVE
from solver.prompt import NATIVE_TOKENS, Encoded, NativeFormat
from solver.recipes import ANSWER_ONLY
from solver.task import Pair, Task
from solver.ttt import Plan, train

LONGEST = 1000
"""Tokens of a task that takes part, so that all of them together take about a minute of one core."""
TASKS, STEPS, SEED = 8, 16, 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A task whose answer is known. encoded: the whole, with the answer's tokens as the only targets."""

    task: Task
    encoded: Encoded


def asked(tasks: Mapping[str, Sequence[Pair]], fmt: NativeFormat) -> list[Asked]:
    """The first few tasks that are short enough; their last pair is the question."""
    found = []
    for task_id, (*shown, last) in tasks.items():
        task = Task(task_id, tuple(shown), (last.input,))
        episode = View(Transform(), tuple(range(len(shown)))).episode(task, last.input, last.output)
        if len(shown) > 1 and fmt.length(episode) <= LONGEST:
            found.append(Asked(task, fmt.encode(episode, ANSWER_ONLY)))
    return found[:TASKS]


def ttt_score(lm: Any, geometric: bool, tasks: Mapping[str, Sequence[Pair]], device: torch.device) -> dict[str, float]:
    """Mean nats of the right answer's tokens and answers that are right token by token, before and after `STEPS` steps.

    In the task's own frame only, so cheaper and worse than what a run does; comparable between bases of one size.
    """
    fmt = NativeFormat(geometric)
    with tempfile.TemporaryDirectory() as folder:
        save_base(lm, Path(folder), NATIVE_TOKENS, "geometric" if geometric else "sequential")
        base = load_base(replace(NATIVE, folder=Path(folder), format=fmt), device, Quantize.NONE)
    questions = asked(tasks, fmt)
    before, after = [], []
    for one in questions:
        base.reset()
        before.append(_answer(base, one))
        train(base, one.task, Plan(Deadline.never(), SEED, STEPS))
        after.append(_answer(base, one))
    found: dict[str, float] = {"tasks": len(questions)}
    for name, answers in (("before", before), ("after", after)):
        found[f"nats_{name}"] = sum(loss for loss, _ in answers) / max(1, len(answers))
        found[f"right_{name}"] = sum(right for _, right in answers)
    return found


def _answer(base: Base, one: Asked) -> tuple[float, bool]:
    """(nats per token of the right answer, whether greedy decoding would give it)."""
    batch = collate([one.encoded], base.profile.format.pad_id, base.device)
    with base.inference():
        targets = batch.loss_mask[:, 1:]
        logits = base.lm.lm_head(forward_hidden(base.lm, batch.ids, batch.positions)[:, :-1][targets]).float()
    labels = batch.ids[:, 1:][targets]
    loss = torch.nn.functional.cross_entropy(logits, labels)
    return loss.item(), bool((logits.argmax(-1) == labels).all())
