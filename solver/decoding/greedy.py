"""The most probable legal token, again and again."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from solver.budget import Clock, Deadline
from solver.decoding.results import Generated, Timing
from solver.decoding.rows import Rows, read_views
from solver.decoding.stepwise import write
from solver.model import Base
from solver.prompt import Encoded


def greedy(
    base: Base, prompts: Sequence[Encoded], limit: int, deadline: Deadline, clock: Clock = time.monotonic
) -> tuple[list[Generated], Timing]:
    """`write_greedily` after prompts that share nothing. To be called inside `base.inference()`."""
    views = read_views(base, [[prompt] for prompt in prompts], clock)
    rows = views.rows([(view, 0) for view in range(len(prompts))], limit, clock)
    answers, timing = write_greedily(rows, limit, deadline, clock)
    return answers, Timing(views.seconds + timing.prompt, timing.answer, timing.steps)


def write_greedily(
    rows: Rows, limit: int, deadline: Deadline, clock: Clock = time.monotonic
) -> tuple[list[Generated], Timing]:
    """The most probable legal token after each row's prompt, again and again, until each answer's stop token.

    At most `limit` tokens each; returns what there is when the deadline passes. Takes one forward pass per token of the
    longest answer but the first, which the prompt's pass gives.
    """
    return write(rows, lambda logprobs_BV, _, __: best(logprobs_BV), limit, deadline, clock)


def best(logprobs: Tensor) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The most probable tokens [...] and their log-probabilities, from those of all tokens [..., v]."""
    found = logprobs.max(-1)
    return found.indices.cpu().numpy(), found.values.cpu().numpy()
