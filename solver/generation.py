"""Answers from a base: batched greedy decoding over legal tokens, with a preallocated KV cache.

Takes encoded prompts, returns token lists with their log-probabilities; knows nothing of tasks or votes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from solver.budget import Clock, Deadline
from solver.model import Base, SlotCache
from solver.prompt import Encoded
from solver.ttt import collate


@dataclass(frozen=True, slots=True)
class Generated:
    """One decoded answer. ids: its tokens, stop token included; logprob: of the whole answer, in nats;
    complete: False when the token limit or the deadline cut it short."""

    ids: tuple[int, ...]
    logprob: float
    complete: bool


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds to read the prompts, seconds to write the answers, and the sequential forward passes of the latter."""

    prompt: float
    answer: float
    steps: int


def greedy(
    base: Base, prompts: Sequence[Encoded], limit: int, deadline: Deadline, clock: Clock = time.monotonic
) -> tuple[list[Generated], Timing]:
    """The most probable legal token after each prompt, again and again, until each answer's stop token.

    At most `limit` tokens each; returns what there is when the deadline passes. Log-probabilities are those of the
    model restricted to legal tokens. To be called inside `base.inference()`.
    """
    fmt = base.profile.format
    batch = collate(prompts, fmt.pad_id, base.device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=base.device)
    decoding = fmt.decoding(np.array([prompt.positions[-1] for prompt in prompts]))
    cache = SlotCache(lengths, batch.ids.shape[1] + limit)
    count = len(prompts)
    tokens: list[list[int]] = [[] for _ in range(count)]
    logprobs = np.zeros(count)
    done = np.zeros(count, dtype=np.bool_)
    began = clock()
    logits_BV = base.next_logits(batch.ids, batch.positions, cache)
    read = clock()
    steps = 0
    for steps in range(limit):
        chosen, gained = _best(logits_BV, torch.from_numpy(decoding.legal()).to(base.device))
        for row in np.flatnonzero(~done):
            tokens[row].append(int(chosen[row]))
        logprobs += np.where(done, 0.0, gained)
        positions = decoding.advance(chosen)
        done |= chosen == fmt.stop_id
        if done.all() or steps + 1 == limit or deadline.passed():
            break
        ids_B1 = torch.from_numpy(chosen)[:, None].to(base.device)
        positions_B1 = torch.from_numpy(positions)[:, None].to(base.device)
        logits_BV = base.next_logits(ids_B1, positions_B1, cache)
    answers = [Generated(tuple(tokens[row]), float(logprobs[row]), bool(done[row])) for row in range(count)]
    return answers, Timing(read - began, clock() - read, steps)


def _best(logits: Tensor, legal: Tensor) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Each row's best legal token and its log-probability among the legal ones, [B].

    logits: [B, V]; legal: [B, v], over the first v tokens, beyond which none is legal.
    """
    scores = logits[:, : legal.shape[1]].float().masked_fill(~legal, float("-inf")).log_softmax(-1)
    best = scores.max(-1)
    return best.indices.cpu().numpy(), best.values.cpu().numpy()
