"""Decoding without a model: a function of the prompts answers them. Put in place of `solver.decoding`'s functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from solver import answering, reading, scoring
from solver.budget import Clock, Deadline
from solver.decoding import Found, Generated, Timing
from solver.decoding.batching import common_prefix
from solver.prompt import Encoded

Answers = Callable[[Sequence[Encoded], int], list[Generated]]
"""(prompts, most tokens) -> their greedy answers."""


@dataclass(eq=False)
class FakeCache:
    prefix: list[Any] = field(default_factory=list)


@dataclass(eq=False)
class FakeRows:
    """Rows are their prompts."""

    prompts: list[Encoded]
    own: list[int]
    seconds: float = 0.25


@dataclass(eq=False)
class FakeViews:
    prompts: Sequence[Sequence[Encoded]]
    seconds: float = 0.5
    cache: FakeCache = field(default_factory=FakeCache)

    @property
    def prefixes(self) -> list[int]:
        return [common_prefix(some) for some in self.prompts]

    def rows(self, chosen: Sequence[tuple[int, int]], limit: int, clock: Clock) -> FakeRows:
        prefixes = self.prefixes
        prompts = [self.prompts[view][number] for view, number in chosen]
        return FakeRows(prompts, [len(one) - prefixes[view] for one, (view, _) in zip(prompts, chosen, strict=True)])


@dataclass(eq=False)
class FakeDecoding:
    """What was read and asked for, call by call.

    answers: what the rows say; others: what a search finds besides, by prompt; probable: log-probability of an answer
    under a prompt; before: called at the beginning of every call.
    """

    answers: Answers
    others: Callable[[Encoded], list[Generated]] = lambda _: []
    probable: Callable[[Encoded, Sequence[int]], float] = lambda _, answer: -float(len(answer))
    before: Callable[[Sequence[Encoded]], None] = lambda _: None
    reads: list[list[list[Encoded]]] = field(default_factory=list)
    calls: list[list[Encoded]] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    drafts: list[list[Sequence[int] | None]] = field(default_factory=list)
    sought: list[list[Sequence[int] | None]] = field(default_factory=list)
    numbers: list[list[int]] = field(default_factory=list)
    scored: list[list[tuple[Encoded, tuple[int, ...]]]] = field(default_factory=list)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(reading, "read_views", self.read)
        patch.setattr(answering, "write_greedily", self.greedily)
        patch.setattr(answering, "write_from_drafts", self.from_drafts)
        patch.setattr(answering, "search", self.search)
        patch.setattr(answering, "write_samples", self.samples)
        patch.setattr(scoring, "score_rows", self.score)

    def read(self, base: object, prompts: Sequence[Sequence[Encoded]], clock: Clock) -> FakeViews:
        self.reads.append([list(some) for some in prompts])
        return FakeViews(prompts)

    def _answer(self, rows: FakeRows, limit: int) -> list[Generated]:
        self.before(rows.prompts)
        self.calls.append(rows.prompts)
        self.limits.append(limit)
        return self.answers(rows.prompts, limit)

    def greedily(self, rows: FakeRows, limit: int, deadline: Deadline, clock: Clock) -> tuple[list[Generated], Timing]:
        found = self._answer(rows, limit)
        self.drafts.append([None] * len(found))
        return found, Timing(rows.seconds, 0.5, 10)

    def from_drafts(
        self, rows: FakeRows, drafts: Sequence[Sequence[int] | None], limit: int, deadline: Deadline, clock: Clock
    ) -> tuple[list[Generated], Timing]:
        found = self._answer(rows, limit)
        self.drafts.append(list(drafts))
        return found, Timing(rows.seconds, 0.1, 2)

    def search(
        self,
        rows: FakeRows,
        threshold: float,
        limit: int,
        deadline: Deadline,
        drafts: Sequence[Sequence[int] | None],
        clock: Clock,
    ) -> tuple[list[Found], Timing]:
        self.sought.append(list(drafts))
        return [Found(tuple(self.others(prompt)), True) for prompt in rows.prompts], Timing(rows.seconds, 0.3, 6)

    def samples(
        self, rows: FakeRows, numbers: Sequence[int], how: object, limit: int, deadline: Deadline, clock: Clock
    ) -> tuple[list[Generated], Timing]:
        self.numbers.append(list(numbers))
        return self._answer(rows, limit), Timing(rows.seconds, 0.5, 10)

    def score(self, rows: FakeRows, answers: Sequence[Sequence[int]]) -> np.ndarray:
        self.before(rows.prompts)
        self.scored.append([(prompt, tuple(answer)) for prompt, answer in zip(rows.prompts, answers, strict=True)])
        return np.array([self.probable(prompt, answer) for prompt, answer in zip(rows.prompts, answers, strict=True)])
