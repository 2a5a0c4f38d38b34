"""Greedy answers from drafts: guesses are checked in one forward pass instead of being written token by token.

As in "Inference with Reference: Lossless Acceleration of Large Language Models" (Yang et al. 2023), which copies spans
of a reference text and checks them: the tokens of a draft are read at once, which gives the best legal token after each
of them, and those that the model would have written itself are kept. The drafts come from elsewhere, such as other
views' answers. What is written is exactly what `write_greedily` writes, up to rounding, whatever the drafts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from solver.budget import Clock, Deadline
from solver.decoding.greedy import best
from solver.decoding.guess import Trust, legal_beginning
from solver.decoding.results import Generated, Timing
from solver.decoding.rows import AnswerRows
from solver.prompt import Format


@dataclass(slots=True)
class _Answer:
    """One answer being written. rest: of the draft, what may follow `ids`; ahead: what of it is being checked."""

    rest: list[int]
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    trust: Trust = field(default_factory=Trust)
    ahead: list[int] = field(default_factory=list)

    def confirm(self, token: int, gained: float) -> bool:
        """Takes the model's next token; returns whether the draft had it."""
        self.ids.append(token)
        self.logprob += gained
        agrees = bool(self.rest) and self.rest[0] == token
        if self.rest:
            self.trust.learn(int(agrees), wrong=not agrees)
        # After another token, the rest of the draft is taken to follow it all the same.
        self.rest = self.rest[1:]
        return agrees

    def ended(self, stop_id: int, limit: int) -> bool:
        return self.ids[-1] == stop_id or len(self.ids) >= limit

    def plan(self, fmt: Format, limit: int) -> list[int]:
        """The tokens to read next: the one that was confirmed last, and those of the draft to be checked."""
        most = self.trust.tokens(limit - len(self.ids) - 1)
        self.ahead = legal_beginning(fmt, self.ids, self.rest[:most])
        return [self.ids[-1], *self.ahead]

    def check(self, tokens: Sequence[int], gained: Sequence[float], fmt: Format, limit: int) -> None:
        """tokens, gained: the model's best tokens after each of those read, and their log-probabilities."""
        read = 1 + len(self.ahead)
        for token, logprob in zip(tokens[:read], gained[:read], strict=True):
            # What follows was read after another token, or after the end.
            if not self.confirm(token, logprob) or self.ended(fmt.stop_id, limit):
                break


def write_from_drafts(
    rows: AnswerRows,
    drafts: Sequence[Sequence[int] | None],
    limit: int,
    deadline: Deadline,
    clock: Clock = time.monotonic,
) -> tuple[list[Generated], Timing]:
    """What `write_greedily` writes, from a draft for each row, or None: answer tokens, with or without a stop token.

    A draft may be wrong, too long, too short or illegal. Where it has another token than the answer, its rest is
    checked again, the less of it at a time the more often it was wrong. A right draft takes a single forward pass,
    or none if it has one token; without a draft there is one pass per token. `limit` is one at least. Returns what
    there is when the deadline passes.
    """
    fmt, began, steps = rows.format, clock(), 0
    answers = [_Answer([] if draft is None else [int(token) for token in draft]) for draft in drafts]
    for answer, token, gained in zip(answers, *(found.tolist() for found in best(rows.first)), strict=True):
        answer.confirm(token, gained)
    open_ = list(answers)
    while not deadline.passed():
        left = [row for row, answer in enumerate(open_) if not answer.ended(fmt.stop_id, limit)]
        if not left:
            break
        if 2 * len(left) <= len(open_):
            rows.select(left)
            open_ = [open_[row] for row in left]
        writing = [not answer.ended(fmt.stop_id, limit) for answer in open_]
        tokens = [answer.plan(fmt, limit) if more else [] for answer, more in zip(open_, writing, strict=True)]
        found_BT, gained_BT = best(rows.extend(tokens))
        steps += 1
        for row, answer in enumerate(open_):
            if writing[row]:
                answer.check(found_BT[row].tolist(), gained_BT[row].tolist(), fmt, limit)
        # All but the newest token have been read.
        rows.crop([len(answer.ids) - 1 for answer in open_])
    generated = [Generated(tuple(one.ids), one.logprob, one.ids[-1] == fmt.stop_id) for one in answers]
    return generated, Timing(rows.seconds, clock() - began, steps)
