"""What an answer probably resembles: drafts save forward passes where they are right, and cost some elsewhere. Pure.

A wrong draft never changes an answer, but checking its tokens takes time; below a certain likeness it is better to do
without.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from solver.attempts import Candidate, Channel
from solver.fusion import Vote, fuse
from solver.grid import Grid
from solver.task import Query, Task
from solver.voting import fallback_grids

WORTH = 1 / 3
"""Share of right tokens from which on checking a draft pays: several tokens a row cost about one and a half times as
much to read as one, and with this share every pass confirms half a token more on average."""


def likeness(one: Grid, other: Grid) -> float:
    """The share of equal cells; 0 for grids of different shapes."""
    if one.shape != other.shape:
        return 0.0
    return float((one.array() == other.array()).mean())


def draft(task: Task, query: Query, candidates: Sequence[Candidate], vote: Vote) -> Grid | None:
    """A grid that the next view's answer may resemble, in the task's own frame; None where nothing promises to.

    The favourite of the views so far, if they are alike; before there is any, the programs' best answer, or what one
    would guess from the task alone (such as the test input: many answers change few of its cells), if the same guess
    would do for the demonstrations. candidates: of all channels.
    """
    own = [one for one in candidates if one.query == query]
    said = [one for one in own if one.channel is Channel.MODEL]
    if said:
        favourite = vote(said)[0]
        # It was said once, which tells nothing of how others resemble it.
        total = math.fsum(likeness(one.grid, favourite) for one in said) - 1
        return favourite if total >= WORTH * (len(said) - 1) else None
    if own:
        return fuse(task, candidates, vote)[query.index].attempts.first
    return fallback_grids(task, query.index)[0] if guessable(task) >= WORTH else None


def guessable(task: Task) -> float:
    """How much the first fallback would resemble a demonstration's output, if that were asked; 0 for a lone one."""
    if len(task.train) < 2:
        return 0.0
    left_out = (
        (pair.output, replace(task, train=task.train[:number] + task.train[number + 1 :], test_inputs=(pair.input,)))
        for number, pair in enumerate(task.train)
    )
    return fmean(likeness(output, fallback_grids(other, 0)[0]) for output, other in left_out)
