"""A depth-first search over one prompt's answers, as a machine that asks for forward passes and is told their results.

Knows nothing of models or batches: pure, so that many searches can share each pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from solver.decoding.guess import Trust, legal_beginning
from solver.decoding.results import Found, Generated, Logprobs
from solver.prompt import Format

Child = tuple[int, float]
"""A next token, and the log-probability of the answer up to it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a search wants to know: what follows each of `tokens`, after the answer's first `kept` read tokens."""

    kept: int
    tokens: list[int]


@dataclass(slots=True)
class Branches:
    """One search for all answers of at most `limit` tokens with a log-probability of at least `threshold`.

    `begin`; then, as long as `next` asks for a reading, `take` its result; the `result` may be asked for at any time.

    guess: an answer, or nothing, along which the search reads ahead, so that what lies on its way is known before it is
    visited; the most probable answer as soon as there is one. found: the answers; cut: whether a beginning that is
    probable enough was too long to be followed. read: the tokens that are in the cache: the path to the node that is
    visited, then what was read ahead; children: [len(read) + 1], the probable enough next tokens before the first and
    after each of these, the least probable first; stack: nodes still to be visited, as the number of tokens before
    them and a child of the path there: at most `1 / exp(threshold)` for each token of the path. last, waiting: what was
    asked for last, and whether it is still to be told; visited: how many of its tokens have been visited.
    """

    fmt: Format
    threshold: float
    limit: int
    guess: Sequence[int]
    found: list[Generated] = field(default_factory=list)
    cut: bool = False
    read: list[int] = field(default_factory=list)
    children: list[list[Child]] = field(default_factory=list)
    stack: list[tuple[int, Child]] = field(default_factory=list)
    trust: Trust = field(default_factory=Trust)
    last: Reading = field(default_factory=lambda: Reading(0, []))
    waiting: bool = False
    visited: int = 0

    def begin(self, logprobs: Logprobs) -> None:
        """logprobs: [v], of the first token."""
        self.children = [self._probable(0.0, logprobs)]
        self._visit(0)

    def next(self) -> Reading | None:
        """Visits nodes, the most probable child first, until one is not known; None when all have been visited."""
        while self.stack:
            depth, (token, logprob) = self.stack.pop()
            if token == self.fmt.stop_id:
                self._note(Generated((*self.read[:depth], token), logprob, True))
            elif depth + 1 >= self.limit:
                self.cut = True
            elif depth < len(self.read) and self.read[depth] == token:
                self._visit(depth + 1)
            else:
                return self._plan(depth, token)
        return None

    def take(self, logprobs: Logprobs) -> None:
        """logprobs: [T, v], of what follows each of the tokens asked for last."""
        kept, self.waiting = self.last.kept, False
        del self.read[kept:], self.children[kept + 1 :]
        for token, following in zip(self.last.tokens, logprobs, strict=True):
            # What was read ahead may be less probable than the threshold.
            total = dict(self.children[len(self.read)]).get(token, -math.inf)
            self.read.append(token)
            self.children.append(self._probable(total, following))
        self._visit(kept + 1)

    def result(self) -> Found:
        answers = sorted(self.found, key=lambda answer: -answer.logprob)
        return Found(tuple(answers), not (self.cut or self.stack or self.waiting))

    def _visit(self, depth: int) -> None:
        self.visited = max(self.visited, depth - self.last.kept)
        self.stack.extend((depth, child) for child in self.children[depth])

    def _probable(self, logprob: float, following: Logprobs) -> list[Child]:
        """The children of a node that are probable enough, the least probable first."""
        totals = logprob + following.astype(np.float64)
        (tokens,) = np.nonzero(totals >= self.threshold)
        tokens = tokens[np.argsort(totals[tokens], kind="stable")]
        return [(int(token), float(totals[token])) for token in tokens]

    def _note(self, answer: Generated) -> None:
        if not self.found or answer.logprob > max(one.logprob for one in self.found):
            self.guess = answer.ids
        self.found.append(answer)

    def _plan(self, depth: int, token: int) -> Reading:
        """Asks for a node, and for what the guess has after as many tokens: branches tend to differ in single cells."""
        checked = len(self.last.tokens) - 1
        if checked > 0:
            right = max(0, self.visited - 1)
            self.trust.learn(right, wrong=right < checked)
        most = self.trust.tokens(self.limit - depth - 2)
        ahead = legal_beginning(self.fmt, [*self.read[:depth], token], self.guess[depth + 1 :][:most])
        self.last = Reading(depth, [token, *ahead])
        self.visited, self.waiting = 0, True
        return self.last
