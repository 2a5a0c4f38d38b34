"""How many tokens of a guess are checked in one forward pass: guesses that prove wrong are trusted less.

A guess is an answer that the true one may resemble: another view's answer, or the best one found so far. Checking is
exact whatever the guess; only its cost is at stake. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solver.prompt import Format

FEW = 8
"""Tokens of a guess that are checked however often it was wrong: reading them beside the one that is read anyway costs
little, and what is wrong in one place tends to be right in the next."""


@dataclass(slots=True)
class Trust:
    """right: tokens of the guess that came; wrong: how often another one came."""

    right: int = 0
    wrong: int = 0

    def tokens(self, most: int) -> int:
        """How many tokens to check next: all before the first mistake, then twice what was right between mistakes."""
        return min(most, max(FEW, 2 * self.right // self.wrong)) if self.wrong else most

    def learn(self, right: int, wrong: bool) -> None:
        self.right += right
        self.wrong += wrong


def legal_beginning(fmt: Format, answer: Sequence[int], more: Sequence[int]) -> list[int]:
    """As many of the further tokens as are legal after the answer so far, without a stop token."""
    stop = next((place for place, token in enumerate(more) if token == fmt.stop_id), len(more))
    ids = np.array([*answer, *more[:stop]], dtype=np.int64)
    # Nothing may follow a token that is not legal, but something may follow all others.
    alive = fmt.legal_along(ids, len(answer))[1:].any(-1)
    return list(more[: stop if alive.all() else int(alive.argmin())])
