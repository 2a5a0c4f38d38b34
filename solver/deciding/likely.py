"""When to stop decoding a query's views: never early, when the attempts are certain, or when that is likely enough.

The bounded mode asks less than the exact one: that the model's first answer stays with a probability of at least 95 %.
The second attempt may change: few views said it, or none, so that nearly all would be needed to be sure of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from enum import Enum

from solver.augmentation import View
from solver.deciding.exact import COUNTING, Case, Position, certain
from solver.deciding.race import Coming

RISK = 0.05
"""Most probability, in the bounded mode, that the model's first answer would have become another one."""


class StopEarly(Enum):
    """When views of a query are left out."""

    OFF = "off"
    EXACT = "exact"
    LIKELY = "likely"


def likely(case: Case, coming: Coming, seen: int) -> bool:
    """Whether the model's first answer stays with probability 1 - RISK. seen: views decoded, unreadable ones included.

    After Aggarwal et al. 2023, "Let's Sample Step by Step: Adaptive-Consistency for Efficient Reasoning and Coding with
    LLMs", section 3, with a finite number of views to come. Assumed is only that views say the first answer
    independently, with an unknown probability that was as likely to be any before the first view (Beta(1, 1)). If k of
    the coming views at least must say it so that no outcome of the others can overtake it (worst case, `Race`), it
    stays unless fewer than k do; their number is beta-binomial. Only for views that give one answer each.
    """
    return probable(Position.of(case), coming, seen)


def probable(position: Position, coming: Coming, seen: int) -> bool:
    """`likely`, for a position."""
    top = position.top()[:1]
    if position.case.vote not in COUNTING or not coming.alone or coming.repeats > 1 or not top:
        return False
    race, rivals = position.race(coming), [grid for grid in position.grids if grid != top[0]]
    fewest, most = 0, coming.count()
    # More views for the first answer never harm it, so the smallest sufficient number is found by halving.
    while fewest < most:
        middle = (fewest + most) // 2
        if any(race.overtakes(rival, top[0], middle) for rival in rivals):
            fewest = middle + 1
        else:
            most = middle
    hits = race.support.total[top[0]]
    return _fewer(fewest, coming.count(), hits + 1, max(seen, len(position.said)) - hits + 1) <= RISK


def _fewer(limit: int, trials: int, hits: float, misses: float) -> float:
    """The probability of fewer than `limit` hits in so many trials whose probability of a hit is Beta(hits, misses)."""

    def log_beta(one: float, other: float) -> float:
        return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)

    whole = log_beta(hits, misses)
    return math.fsum(
        math.comb(trials, count) * math.exp(log_beta(hits + count, misses + trials - count) - whole)
        for count in range(limit)
    )


def next_views(
    how: StopEarly, case: Case, views: Sequence[View], seen: int, repeats: int = 1, alone: bool = True
) -> int:
    """How many of the views to come to decode next: none if they may be left out; else the fewest after which the rest
    may be, should all of them say what the model's first answer is now; all where no such number is less.

    repeats, alone: as in `Coming`; seen: as in `likely`.
    """
    if how is StopEarly.OFF or case.vote not in COUNTING:
        return len(views)
    position = Position.of(case)
    if not position.top():
        return len(views)

    def enough(count: int) -> bool:
        then = position.after(views[:count])
        coming = Coming(Counter(view.transform.dihedral for view in views[count:]), repeats, alone)
        return certain(then, coming) or (how is StopEarly.LIKELY and probable(then, coming, seen + count))

    # More agreement never makes it less certain, so the smallest sufficient number is found by halving; mostly there
    # is none below all of them.
    fewest, most = 0, len(views)
    if not views or not enough(most - 1):
        return most
    most -= 1
    while fewest < most:
        middle = (fewest + most) // 2
        if enough(middle):
            most = middle
        else:
            fewest = middle + 1
    return most
