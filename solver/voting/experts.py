"""Votes by product of experts: how probable each grid is under all of a fixed set of views.

After Franzen, Disselhoff and Hartmann 2025, "Product of Experts with LLMs: Boosting Performance on ARC Is a Matter of
Perspective", section 4: every view is an expert, and the product of their probabilities is high only where none of
them objects. A candidate's `score` is the mean over the views of the natural logarithm of its probability; over a
fixed set of views that mean ranks as the product does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from solver.attempts import Candidate
from solver.grid import Grid
from solver.voting.support import Support, support_of


def poe_vote(candidates: Sequence[Candidate]) -> tuple[Grid, ...]:
    """All distinct grids, those with a score first, by score; then those without one, as the flat vote has them.

    Ties go as in the flat vote: count, count among the identity's views, best log-probability, content. One more
    candidate for a grid never moves it down. Raises `ValueError` for candidates of more than one query.
    """
    support = support_of(candidates)
    return _ranked(support, lambda grid: support.score[grid])


def poe_counts_vote(candidates: Sequence[Candidate]) -> tuple[Grid, ...]:
    """The same by score + ln(count): the geometric mean of the views' probabilities, times how often a view said it.

    The two are estimates of one thing, the probability that the model gives the grid whatever the view. A product of
    both has no constant that would have to be fitted.
    """
    support = support_of(candidates)
    return _ranked(support, lambda grid: support.score[grid] + math.log(support.total[grid]))


def _ranked(support: Support, weight: Callable[[Grid], float]) -> tuple[Grid, ...]:
    """A grid without a score stands behind all that have one: it was never compared under the same views."""
    scored = {grid: weight(grid) for grid in support.score}
    return tuple(
        sorted(
            support.total,
            key=lambda grid: (
                grid not in scored,
                -scored.get(grid, 0.0),
                -support.total[grid],
                *support.key(grid),
            ),
        )
    )
