"""What a base says, teacher-forced, on tasks that it is not trained on: for measuring, and to choose settings with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from solver.base.bank import Bank, Recipe, Source
from solver.model import forward_hidden
from solver.prompt import END
from solver.task import Pair, read_split


def measured_banks(development: Iterable[tuple[Pair, ...]], device: torch.device) -> dict[str, Bank]:
    """For measuring only: the demonstrations (never the test outputs) of the ARC-AGI-1 evaluation tasks, and the tasks
    held out for development, with which settings may be chosen."""
    tasks = {
        "evaluation": tuple(task.train for task in read_split("arc1-evaluation")),
        "development": tuple(development),
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
