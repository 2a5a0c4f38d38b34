"""Views whose prompts are read once, and rows of answers that continue them.

    views = read_views(base, [[prompt, ...] for each view])     # one forward pass for all views' shared tokens
    rows = views.rows([(0, 0), (1, 0)], limit)                  # answers to the first test input through two views
    rows = views.rows([(0, 1)] * 4, limit)                      # four branches of the second one, through one view

Every decoder takes rows and uses them up: for another pass over the same prompts, make others. What the views' prompts
have in common, above all the demonstrations, is never read again while `views` lives. All of it inside
`base.inference()`. Knows nothing of tasks or votes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from solver.budget import Clock
from solver.decoding.batching import common_prefix
from solver.model import Base, SharedPrefixCache
from solver.prompt import Encoded, Format, Ids, Mask


class AnswerRows(Protocol):
    """Answers that grow by several tokens at a time and can be cut back: what drafts and searches work on.

    first: [B, v], log-probabilities among legal tokens of each answer's first token; seconds: what reading the rows'
    own prompts took.
    """

    @property
    def format(self) -> Format: ...

    @property
    def first(self) -> Tensor: ...

    @property
    def seconds(self) -> float: ...

    def extend(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        """Appends tokens to each row's answer, for some rows none; returns log-probabilities [B, T, v] of the next
        token after each of them, among legal ones; those after padding mean nothing."""
        ...

    def crop(self, lengths: Sequence[int]) -> None:
        """Cuts every answer back to its first `lengths[row]` tokens."""
        ...

    def select(self, rows: Sequence[int]) -> None:
        """Row number i becomes what row number `rows[i]` was."""
        ...


@dataclass(slots=True, eq=False)
class Views:
    """Views of one task whose shared tokens are in a cache.

    prompts: by view, its prompts (one per test input); prefixes: how many tokens each view's prompts share; after:
    logits [V, v] after these; seconds: what reading them took.
    """

    base: Base
    prompts: Sequence[Sequence[Encoded]]
    prefixes: list[int]
    cache: SharedPrefixCache
    after: Tensor
    seconds: float

    def rows(self, chosen: Sequence[tuple[int, int]], limit: int, clock: Clock = time.monotonic) -> Rows:
        """One row for each (view, number of one of its prompts), with room for answers of `limit` tokens.

        What a prompt has beyond its view's shared tokens is read here, in one forward pass for all rows; where the same
        prompt is chosen several times, once.
        """
        began = clock()
        several = list(dict.fromkeys(chosen))
        prompts = [self.prompts[view][number] for view, number in several]
        starts = [self.prefixes[view] for view, _ in several]
        own = [len(prompt) - start for prompt, start in zip(prompts, starts, strict=True)]
        cache = self.cache.fork()
        cache.allocate(len(several), max(own) + limit, [view for view, _ in several])
        logits_BV = self.after[[view for view, _ in several]]
        if any(own):
            ids = [prompt.ids[start:] for prompt, start in zip(prompts, starts, strict=True)]
            positions = [prompt.positions[start:] for prompt, start in zip(prompts, starts, strict=True)]
            pad_id = self.base.profile.format.pad_id
            read_BV = self.base.read_on(padded(ids, pad_id), padded(positions, 0), own, cache, last=True)[:, 0]
            has_own_B1 = torch.tensor(own, device=logits_BV.device)[:, None] > 0
            logits_BV = torch.where(has_own_B1, read_BV, logits_BV)
        legal = self.base.profile.format.legal_along(np.zeros(0, dtype=np.int64))
        last = np.array([prompt.positions[-1] for prompt in prompts])
        rows = Rows(self.base, cache, restrict(logits_BV, legal), last, own, [[] for _ in own])
        if len(several) < len(chosen):
            rows.select([several.index(one) for one in chosen])
        rows.seconds = clock() - began
        return rows


def read_views(base: Base, prompts: Sequence[Sequence[Encoded]], clock: Clock = time.monotonic) -> Views:
    """Reads what each view's prompts share, all views in one forward pass; prompts: by view, one per test input.

    A view with a single prompt has all of it read. Raises ValueError if a view's prompts have no token in common:
    such as those with other demonstrations belong to views of their own.
    """
    began = clock()
    prefixes = [common_prefix(some) for some in prompts]
    if not all(prefixes):
        raise ValueError("a view's prompts share no token")
    firsts = [(some[0], length) for some, length in zip(prompts, prefixes, strict=True)]
    ids = padded([prompt.ids[:length] for prompt, length in firsts], base.profile.format.pad_id)
    positions = padded([prompt.positions[:length] for prompt, length in firsts], 0)
    cache, after = base.read(ids, positions, prefixes)
    return Views(base, prompts, prefixes, cache, after, clock() - began)


@dataclass(slots=True, eq=False)
class Rows:
    """Answers in a cache, each after its prompt; see `AnswerRows`.

    last_positions: [B], of the prompts' last tokens; own: how many tokens of its prompt each row holds itself;
    answers: the tokens that follow these in the cache.
    """

    base: Base
    cache: SharedPrefixCache
    first: Tensor
    last_positions: Ids
    own: list[int]
    answers: list[list[int]]
    seconds: float = 0.0

    @property
    def format(self) -> Format:
        return self.base.profile.format

    def read(self, tokens: Sequence[Sequence[int]], positions: Sequence[Ids]) -> Tensor:
        """Appends tokens with these positions to each row's answer; returns the logits [B, T, v] after each."""
        counts = list(map(len, tokens))
        ids = padded([np.asarray(some, dtype=np.int64) for some in tokens], self.format.pad_id)
        logits_BTV = self.base.read_on(ids, padded(positions, 0), counts, self.cache)
        for answer, some in zip(self.answers, tokens, strict=True):
            answer.extend(some)
        return logits_BTV

    def extend(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        legal = np.ones((len(tokens), max(map(len, tokens)), self.format.vocabulary), dtype=np.bool_)
        positions = []
        for row, (answer, some) in enumerate(zip(self.answers, tokens, strict=True)):
            ids, start = np.array([*answer, *some], dtype=np.int64), len(answer)
            legal[row, : len(some)] = self.format.legal_along(ids, start)[1:]
            positions.append(self.format.positions_along(int(self.last_positions[row]), ids, start))
        return restrict(self.read(tokens, positions), legal)

    def crop(self, lengths: Sequence[int]) -> None:
        self.cache.crop([own + length for own, length in zip(self.own, lengths, strict=True)])
        for answer, length in zip(self.answers, lengths, strict=True):
            del answer[length:]

    def select(self, rows: Sequence[int]) -> None:
        self.cache.select(rows)
        self.first, self.last_positions = self.first[list(rows)], self.last_positions[list(rows)]
        self.own = [self.own[row] for row in rows]
        self.answers = [list(self.answers[row]) for row in rows]


def padded(rows: Sequence[Ids], value: int) -> Tensor:
    """[B, T] on the CPU, from sequences of different lengths, padded on the right."""
    out = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return torch.from_numpy(out)


def restrict(logits: Tensor, legal: Mask) -> Tensor:
    """Log-probabilities of the model restricted to legal tokens, fp32, from logits [..., v] and a mask of the same or
    a broadcastable shape; minus infinity elsewhere, also where nothing is legal."""
    barred = torch.from_numpy(~legal).to(logits.device)
    scores = logits.float().masked_fill(barred, float("-inf")).log_softmax(-1)
    return scores.masked_fill(barred, float("-inf"))
