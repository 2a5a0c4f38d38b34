"""Answers one token at a time, all rows in step; how a token is chosen is the caller's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from solver.budget import Clock, Deadline
from solver.decoding.results import Generated, Timing
from solver.decoding.rows import Rows, restrict

Choose = Callable[[Tensor, npt.NDArray[np.int64], int], tuple[npt.NDArray[np.int64], npt.NDArray[np.floating[Any]]]]
"""(log-probabilities [B, v] among legal tokens, numbers [B] of the answers, step) -> tokens [B], log-probabilities."""


def write(
    rows: Rows, choose: Choose, limit: int, deadline: Deadline, clock: Clock = time.monotonic
) -> tuple[list[Generated], Timing]:
    """An answer of at most `limit` tokens for each row; returns what there is when the deadline passes.

    Rows that have ended are dropped from the batch when only half of them are left.
    """
    stop_id, count = rows.format.stop_id, len(rows.answers)
    decoding = rows.format.decoding(rows.last_positions)
    ids: list[list[int]] = [[] for _ in range(count)]
    logprobs = np.zeros(count)
    # Numbers of the answers that the batch's rows hold, and which of these rows are still written.
    numbers, open_ = np.arange(count), np.ones(count, dtype=np.bool_)
    began, steps = clock(), 0
    logprobs_BV = rows.first
    for steps in range(limit):
        chosen, gained = choose(logprobs_BV, numbers, steps)
        for row in np.flatnonzero(open_):
            ids[numbers[row]].append(int(chosen[row]))
            logprobs[numbers[row]] += gained[row]
        positions = decoding.advance(chosen)
        open_ &= chosen != stop_id
        if not open_.any() or steps + 1 == limit or deadline.passed():
            break
        if 2 * open_.sum() <= len(open_):
            (kept,) = np.nonzero(open_)
            rows.select(kept.tolist())
            decoding.select(kept)
            numbers, open_, chosen, positions = numbers[kept], open_[kept], chosen[kept], positions[kept]
        tokens = [[int(token)] if more else [] for token, more in zip(chosen, open_, strict=True)]
        logits_BV = rows.read(tokens, [positions[row : row + len(some)] for row, some in enumerate(tokens)])[:, 0]
        logprobs_BV = restrict(logits_BV, decoding.legal())
    answers = [
        Generated(tuple(some), float(logprob), some[-1:] == [stop_id])
        for some, logprob in zip(ids, logprobs, strict=True)
    ]
    return answers, Timing(rows.seconds, clock() - began, steps)
