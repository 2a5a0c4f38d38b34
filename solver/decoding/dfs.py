"""All answers above a probability, by depth-first search in each view, all views in step.

After Franzen et al. 2025, "Product of Experts with LLMs: Boosting Performance on ARC Is a Matter of Perspective", its
candidate generation: an answer's probability is that of the whole, so that a search may leave every beginning that has
become less probable than the threshold. Here it is the probability among legal tokens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from solver.budget import Clock, Deadline
from solver.decoding.branches import Branches
from solver.decoding.results import Found, Timing
from solver.decoding.rows import AnswerRows


def search(
    rows: AnswerRows,
    threshold: float,
    limit: int,
    deadline: Deadline,
    drafts: Sequence[Sequence[int] | None] | None = None,
    clock: Clock = time.monotonic,
) -> tuple[list[Found], Timing]:
    """For each row, every answer of at most `limit` tokens with a probability of at least `threshold`, and no other.

    Each search goes to the most probable child first, and back by cutting its row's cached tokens to the path they have
    in common: a row per search, however many branches it visits. drafts: by row, an answer to start along, or None;
    they change how many forward passes it takes, never what is found. What lies at the threshold to within rounding may
    be found or not. Returns what was found when the deadline passes.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a threshold of {threshold} is no probability to stay above")
    fmt, began, steps = rows.format, clock(), 0
    drafts = [None] * len(rows.first) if drafts is None else drafts
    searches = [Branches(fmt, math.log(threshold), limit, [] if draft is None else draft) for draft in drafts]
    for one, logprobs in zip(searches, rows.first.cpu().numpy(), strict=True):
        one.begin(logprobs)
    open_ = searches
    while wanted := {row: reading for row, one in enumerate(open_) if (reading := one.next()) is not None}:
        if deadline.passed():
            break
        if 2 * len(wanted) <= len(open_):
            rows.select(list(wanted))
            open_ = [open_[row] for row in wanted]
            wanted = dict(enumerate(wanted.values()))
        rows.crop([wanted[row].kept if row in wanted else 0 for row in range(len(open_))])
        logprobs_BTV = rows.extend([wanted[row].tokens if row in wanted else [] for row in range(len(open_))])
        steps += 1
        for row, logprobs_TV in enumerate(logprobs_BTV.cpu().numpy()):
            if row in wanted:
                open_[row].take(logprobs_TV[: len(wanted[row].tokens)])
    return [one.result() for one in searches], Timing(rows.seconds, clock() - began, steps)
