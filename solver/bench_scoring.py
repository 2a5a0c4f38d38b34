"""What a cache of the prompts saves when candidates are scored, on a base of a public model's shape."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from solver.bench import random_base, shown_views
from solver.budget import Deadline
from solver.decoding.rows import padded, restrict
from solver.grid import COLOURS, Grid
from solver.inference import Shown
from solver.model import Base, choose_device, forward_hidden, peak_memory
from solver.pace import Pace
from solver.reading import Reading
from solver.scoring import Scorer
from solver.task import Task


@dataclass(frozen=True, slots=True)
class ScoringMeasured:
    """What scoring takes with and without a cache of the prompts. Tokens are those of one view and one candidate;
    seconds are of wall clock, for all candidates under all views; difference: the largest between both ways, in nats.
    """

    shape: str
    device: str
    dtype: str
    quantize: str
    views: int
    candidates: int
    prompt_tokens: int
    answer_tokens: int
    cached_seconds: float
    whole_seconds: float
    ratio: float
    difference: float
    peak_memory: int


def benchmark_scoring(
    shape: str, device: str | None, quantize: str, task: Task, candidates: int, views: int, say: Callable[[str], None]
) -> ScoringMeasured:
    """Scores candidates for a task's first test input twice: after prompts that are read once, as a run does, and with
    the prompt read again for every candidate, all views at once."""
    place = choose_device(device)
    with random_base(shape, place, quantize, say) as (base, _):
        shown = shown_views(task, base.profile, views)
        grids = _variants(task.train[0].output, candidates)
        with base.inference():
            reading = Reading(base, shown)
            # Not timed: what a device does only once.
            say("warming up")
            whole_scores(base, shown[:1], grids[0])
            say(f"scoring {len(grids)} candidates under {len(shown)} views, prompts read once")
            began = time.monotonic()
            scorer = Scorer(base.profile, [reading], 0, Pace(per_scored_token=0.0), say)
            reading.open()
            cached = scorer.score(grids, Deadline.never())
            cached_seconds = time.monotonic() - began
            reading.close()
            say("the same, prompts read for each candidate")
            began = time.monotonic()
            whole = {grid: whole_scores(base, shown, grid).mean().item() for grid in grids}
            whole_seconds = time.monotonic() - began
        return ScoringMeasured(
            shape=shape,
            device=str(place),
            dtype=str(base.dtype),
            quantize=base.quantize.value,
            views=len(shown),
            candidates=len(grids),
            prompt_tokens=len(shown[0].prompts[0]),
            answer_tokens=len(shown[0].answer(grids[0], base.profile)),
            cached_seconds=cached_seconds,
            whole_seconds=whole_seconds,
            ratio=whole_seconds / cached_seconds,
            difference=max(abs(cached[grid] - whole[grid]) for grid in grids),
            peak_memory=peak_memory(place),
        )


def _variants(grid: Grid, count: int) -> list[Grid]:
    """So many different grids of one shape."""
    rng = random.Random(0)
    found = {grid: None}
    while len(found) < count:
        found[Grid(tuple(tuple(rng.randrange(COLOURS) for _ in row) for row in grid.rows))] = None
    return list(found)[:count]


def whole_scores(base: Base, shown: Sequence[Shown], grid: Grid) -> Tensor:
    """Log-probabilities [V] of a candidate for the first test input, the prompts included in one plain forward pass."""
    fmt, totals = base.profile.format, []
    prompts = [one.prompts[0] for one in shown]
    answers = [one.answer(grid, base.profile) for one in shown]
    ids = padded(
        [np.concatenate([prompt.ids, answer]) for prompt, answer in zip(prompts, answers, strict=True)], fmt.pad_id
    )
    places = [
        np.concatenate([prompt.positions, fmt.positions_along(int(prompt.positions[-1]), answer)])
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    hidden_VTC = forward_hidden(base.lm, ids.to(base.device), padded(places, 0).to(base.device))
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        start = len(prompt) - 1
        logits = base.lm.lm_head(hidden_VTC[number, start : start + len(answer)])[:, : fmt.vocabulary]
        logprobs = restrict(logits, fmt.legal_along(answer)[:-1])
        totals.append(logprobs.gather(-1, torch.from_numpy(answer)[:, None].to(logprobs.device)).sum())
    return torch.stack(totals)
