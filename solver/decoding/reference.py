"""What every decoder must agree with: plain, slow loops over one prompt, with no cache, no batch and no padding.

The whole sequence goes through the model again for every token. Legal tokens and positions come from the format's
step-by-step `Decoding`, not from the functions that the fast paths use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from solver.decoding.results import Generated, Logprobs
from solver.model import Base, forward_hidden
from solver.prompt import Encoded
from solver.sampling import Floats, SamplingSettings, draw

NextToken = Callable[[Sequence[int]], Logprobs]
"""An answer's tokens so far -> log-probabilities [v] of the next one."""


def next_token(base: Base, prompt: Encoded) -> NextToken:
    """What may follow after a prompt, by a forward pass over all of it."""
    fmt = base.profile.format

    def follow(answer: Sequence[int]) -> Logprobs:
        decoding = fmt.decoding(prompt.positions[-1:])
        positions = [int(decoding.advance(np.array([token]))[0]) for token in answer]
        ids_1T = torch.tensor([[*prompt.ids, *answer]], device=base.device)
        positions_1T = torch.tensor([[*prompt.positions, *positions]], device=base.device)
        with torch.inference_mode():
            hidden = forward_hidden(base.lm, ids_1T, positions_1T)
            logits = base.lm.lm_head(hidden[0, -1])[: fmt.vocabulary].float().cpu()
            barred = torch.from_numpy(~decoding.legal()[0])
            found: Logprobs = logits.masked_fill(barred, -math.inf).log_softmax(-1).numpy()
        return found

    return follow


def greedy(follow: NextToken, stop_id: int, limit: int) -> Generated:
    """The most probable token, again and again, at most `limit` times."""
    ids: list[int] = []
    logprob = 0.0
    while len(ids) < limit and ids[-1:] != [stop_id]:
        logprobs = follow(ids)
        ids.append(int(logprobs.argmax()))
        logprob += float(logprobs[ids[-1]])
    return Generated(tuple(ids), logprob, ids[-1:] == [stop_id])


def sample(follow: NextToken, stop_id: int, limit: int, settings: SamplingSettings, noise: Floats) -> Generated:
    """One token for each uniform random number of `noise`, until the stop token."""
    ids: list[int] = []
    logprob = 0.0
    while len(ids) < limit and ids[-1:] != [stop_id]:
        chosen, gained = draw(torch.from_numpy(follow(ids))[None], noise[len(ids) : len(ids) + 1], settings)
        ids.append(int(chosen[0]))
        logprob += float(gained[0])
    return Generated(tuple(ids), logprob, ids[-1:] == [stop_id])


def score(follow: NextToken, answer: Sequence[int]) -> float:
    """The log-probability of a whole answer, in nats."""
    return sum(float(follow(answer[:place])[token]) for place, token in enumerate(answer))


def search(follow: NextToken, stop_id: int, limit: int, threshold: float) -> tuple[list[Generated], bool]:
    """All answers of at most `limit` tokens that have a probability of at least `threshold`, the most probable first;
    False if longer ones might.

    Breadth first: all beginnings that are probable enough, one token longer each round.
    """
    found: list[Generated] = []
    beginnings: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    for _ in range(limit):
        longer = []
        for ids, logprob in beginnings:
            for token, gained in enumerate(follow(ids)):
                total = logprob + float(gained)
                if total < math.log(threshold):
                    continue
                if token == stop_id:
                    found.append(Generated((*ids, token), total, True))
                else:
                    longer.append(((*ids, token), total))
        beginnings = longer
    return sorted(found, key=lambda answer: -answer.logprob), not beginnings
