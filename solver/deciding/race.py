"""Whether one grid can still overtake another in a counting vote, whatever the views to come say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from solver.augmentation import Dihedral
from solver.grid import Grid
from solver.voting import PICKS, Support

Lead = tuple[int, ...]
"""By how much one grid is ahead of another in what a vote compares, the most important first."""


@dataclass(frozen=True, slots=True)
class Coming:
    """Views of a query that are still to be decoded, by symmetry.

    repeats: most candidates that one view gives to one grid; alone: whether a view has `repeats` candidates in all (one
    greedy answer, or so many samples), rather than one for each of any number of grids (a depth-first search).
    """

    views: Mapping[Dihedral, int]
    repeats: int = 1
    alone: bool = True

    def count(self) -> int:
        return sum(self.views.values())


@dataclass(frozen=True, slots=True)
class Race:
    """A vote that is under way. support: of the model's candidates so far; hierarchical: else the flat vote."""

    support: Support
    coming: Coming
    hierarchical: bool

    def overtakes(self, chaser: Grid, leader: Grid, spared: int = 0) -> bool:
        """Whether `chaser`, which is behind `leader` now, can come to be ahead, if `spared` of the coming views say
        `leader` (those that harm the chaser least) and all others what helps the chaser most.

        Exact for the flat vote, and for the hierarchical one while no group of views can come to hold more than three
        distinct grids; else True in some cases in which it cannot.
        """
        identity, total = self.support.identity, self.support.total
        start = self._lead(0, identity[chaser] - identity[leader], total[chaser] - total[leader])
        # By number of views that say the leader, the best lead of the chaser. Leads of different groups add up, and
        # sums keep their order, so what is best for each group is best for all.
        best: dict[int, Lead] = {0: start}
        for group in self.support.groups.keys() | self.coming.views.keys():
            views = 0 if group is None else self.coming.views.get(group, 0)
            gains = [self._gain(group, views, said, chaser, leader) for said in range(min(views, spared) + 1)]
            following: dict[int, Lead] = {}
            for used, lead in best.items():
                for said, gain in enumerate(gains[: spared - used + 1]):
                    added = tuple(one + other for one, other in zip(lead, gain, strict=True))
                    following[used + said] = max(following.get(used + said, added), added)
            best = following
        final, nothing = best[spared], (0,) * len(start)
        # What is left to decide a tie are log-probabilities, and those of coming answers can be anything.
        return final > nothing or (final == nothing and self.coming.count() > spared)

    def _lead(self, picks: int, identity: int, total: int) -> Lead:
        return (picks, identity, total) if self.hierarchical else (total, identity)

    def _gain(self, group: Dihedral | None, views: int, said: int, chaser: Grid, leader: Grid) -> Lead:
        """What the chaser gains on the leader in one group at most, if `said` of its coming views say the leader."""
        # Where a view gives candidates to several grids at once, one that says the leader may say the chaser too.
        votes = (views - said if self.coming.alone else views) * self.coming.repeats
        ahead = votes - said
        picks = self._picks(group, votes, said, chaser, leader) if self.hierarchical else 0
        return self._lead(picks, ahead if group is Dihedral.IDENTITY else 0, ahead)

    def _picks(self, group: Dihedral | None, votes: int, said: int, chaser: Grid, leader: Grid) -> int:
        """At most, whether the group picks the chaser, less whether it picks the leader."""
        counts = self.support.groups.get(group, Counter())
        before, others = counts[leader] + said, [grid for grid in counts if grid not in (chaser, leader)]
        after = counts[chaser] + votes
        rivals = [(counts[grid], grid) for grid in others] + ([(before, leader)] if before else [])
        ahead = sum(count > after or (count == after and not self._may_win(chaser, grid)) for count, grid in rivals)
        picked = after > 0 and ahead < PICKS
        if not before:
            return int(picked)
        # Grids that would have to get ahead of the leader, by the votes each needs; new ones are always at hand.
        costs = sorted(
            [self._cost(counts[grid], grid, before, leader) for grid in others]
            + [self._cost(0, None, before, leader)] * PICKS
        )
        own = self._cost(counts[chaser], chaser, before, leader)
        budget = votes if self.coming.alone else math.inf
        if picked:
            overtaken = max(own, self._entry(counts, others, chaser))
            if _affordable([overtaken, *costs[: PICKS - 1]], votes, budget):
                return 1
            return 0
        return 0 if _affordable(sorted([own, *costs])[:PICKS], votes, budget) else -1

    def _entry(self, counts: Counter[Grid], others: list[Grid], chaser: Grid) -> int:
        """Votes that the chaser needs so that at most two of the other grids stay ahead of it."""
        costs = sorted((self._cost(counts[chaser], chaser, counts[grid], grid) for grid in others), reverse=True)
        return costs[PICKS - 1] if len(costs) >= PICKS else 0

    def _cost(self, count: int, grid: Grid | None, target: int, leader: Grid) -> int:
        """Votes that bring a grid ahead of another one in a group; None: a new grid."""
        return max(0, target - count + (not self._may_win(grid, leader)))

    def _may_win(self, grid: Grid | None, other: Grid) -> bool:
        """Whether a tie between the two within a group can go to the first of them."""
        identity, total, coming = self.support.identity, self.support.total, self.coming
        best = (
            (identity[grid] if grid else 0) + coming.views.get(Dihedral.IDENTITY, 0) * coming.repeats,
            (total[grid] if grid else 0) + coming.count() * coming.repeats,
        )
        return best >= (identity[other], total[other])


def _affordable(costs: list[int], votes: int, budget: float) -> bool:
    """Whether the group's coming views suffice. votes: the most that one grid can get; budget: all grids together."""
    return max(costs) <= votes and sum(costs) <= budget
