"""What decoding returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Logprobs = npt.NDArray[np.float32]
"""Log-probabilities [..., v] of a next token among the legal ones, in nats; minus infinity elsewhere."""


@dataclass(frozen=True, slots=True)
class Generated:
    """One decoded answer. ids: its tokens, stop token included; logprob: of the whole answer, in nats; complete: False
    when the token limit or the deadline cut it short.

    Log-probabilities are those of the model restricted to legal tokens.
    """

    ids: tuple[int, ...]
    logprob: float
    complete: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found. answers: the most probable first; complete: whether they are all that are probable enough.

    That is not known when the deadline passed, or when a beginning as long as the limit was still probable enough.
    """

    answers: tuple[Generated, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds to read the prompts, seconds to write the answers, and the sequential forward passes of the latter."""

    prompt: float
    answer: float
    steps: int
