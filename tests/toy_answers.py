"""A language model without a model: random but fixed next-token distributions, and rows of answers over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from solver.decoding.reference import NextToken
from solver.prompt import Ids, Mask


@dataclass(frozen=True)
class ToyFormat:
    """Answers of any length over `letters` letters; a letter never follows itself, and an answer has at least two."""

    letters: int = 4

    @property
    def vocabulary(self) -> int:
        return self.letters + 2

    @property
    def stop_id(self) -> int:
        return self.letters

    @property
    def pad_id(self) -> int:
        return self.letters + 1

    def legal_after(self, ids: Sequence[int]) -> Mask:
        """[v]"""
        legal = np.zeros(self.vocabulary, dtype=np.bool_)
        if self.stop_id in ids:
            legal[self.pad_id] = True
            return legal
        legal[: self.letters] = True
        legal[[token for token in ids[-1:] if 0 <= token < self.letters]] = False
        legal[self.stop_id] = len(ids) > 1
        return legal

    def legal_along(self, ids: Ids, start: int = 0) -> Mask:
        rows, alive = [], True
        for place in range(start, len(ids) + 1):
            if place > start:
                token = int(ids[place - 1])
                alive = alive and 0 <= token < self.vocabulary and bool(rows[-1][token])
            rows.append(self.legal_after(ids[:place].tolist()) & alive)
        return np.array(rows)


def toy_model(fmt: ToyFormat, seed: int, sharpness: float = 2.0, stop: float = 0.0) -> NextToken:
    """What may follow an answer, by random scores that depend on all of it.

    sharpness: the scores' standard deviation; stop: what the stop token's score is raised by.
    """

    def follow(answer: Sequence[int]) -> Any:
        scores = np.random.default_rng([seed, *answer]).normal(size=fmt.vocabulary) * sharpness
        scores[fmt.stop_id] += stop
        return restricted(fmt, answer, scores)

    return follow


def restricted(fmt: ToyFormat, answer: Sequence[int], scores: np.ndarray) -> Any:
    """Log-probabilities [v] among the legal tokens, from scores [v]."""
    scores = np.where(fmt.legal_after(answer), scores, -np.inf)
    return (scores - np.logaddexp.reduce(scores)).astype(np.float32)


class ToyRows:
    """`AnswerRows` over toy models; watches that it is used as a cache may be.

    passes: by forward pass, the tokens that each row was given; most_rows: rows at the first; capacity: most tokens of
    an answer that were ever in a row.
    """

    def __init__(self, fmt: ToyFormat, models: Sequence[NextToken], on_pass: Callable[[], None] | None = None) -> None:
        self.format: Any = fmt
        self.models = list(models)
        self.seconds = 0.25
        self.answers: list[list[int]] = [[] for _ in models]
        self.first = torch.from_numpy(np.stack([model([]) for model in models]))
        self.passes: list[list[int]] = []
        self.capacity = 0
        self.on_pass = on_pass

    def extend(self, tokens: Sequence[Sequence[int]]) -> Tensor:
        assert len(tokens) == len(self.answers)
        assert any(tokens)
        self.passes.append(list(map(len, tokens)))
        out = np.full((len(tokens), max(map(len, tokens)), self.format.vocabulary), np.nan, dtype=np.float32)
        for row, some in enumerate(tokens):
            for step, token in enumerate(some):
                assert 0 <= token < self.format.vocabulary
                self.answers[row].append(token)
                out[row, step] = self.models[row](self.answers[row])
        self.capacity = max(self.capacity, *map(len, self.answers))
        if self.on_pass:
            self.on_pass()
        return torch.from_numpy(out)

    def crop(self, lengths: Sequence[int]) -> None:
        for answer, length in zip(self.answers, lengths, strict=True):
            assert 0 <= length <= len(answer)
            del answer[length:]

    def select(self, rows: Sequence[int]) -> None:
        self.answers = [list(self.answers[row]) for row in rows]
        self.models = [self.models[row] for row in rows]
