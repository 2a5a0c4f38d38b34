"""Answers drawn at random: temperature and nucleus sampling over legal tokens."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from solver.budget import Clock, Deadline
from solver.decoding.results import Generated, Timing
from solver.decoding.rows import Rows
from solver.decoding.stepwise import write
from solver.sampling import Floats, SamplingSettings, draw, uniforms


def write_samples(
    rows: Rows,
    numbers: Sequence[int],
    settings: SamplingSettings,
    limit: int,
    deadline: Deadline,
    clock: Clock = time.monotonic,
) -> tuple[list[Generated], Timing]:
    """One answer for each row, each token drawn from the legal ones by `solver.sampling.draw`.

    numbers: by row; the answer depends on its prompt, the settings' seed and this number alone, up to rounding, in
    whatever company it is drawn. So the rows of one view need numbers of their own, as do views that should not be
    drawn alike. Log-probabilities are those at temperature 1. At most `limit` tokens each; returns what there is when
    the deadline passes. Raises FloatingPointError if the base's logits are not finite.
    """
    noise_BT = np.stack([uniforms(settings.seed, number, limit) for number in numbers])

    def choose(logprobs_BV: Tensor, answers: npt.NDArray[np.int64], step: int) -> tuple[npt.NDArray[np.int64], Floats]:
        return draw(logprobs_BV, noise_BT[answers, step], settings)

    return write(rows, choose, limit, deadline, clock)
