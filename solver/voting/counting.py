"""Votes by counting: which grids the views said, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from solver.attempts import Candidate
from solver.grid import Grid
from solver.voting.majority import majority_grids
from solver.voting.support import Support, support_of

PICKS = 3
"""Predictions that one group sends to the second level of the hierarchical vote."""


def flat_vote(candidates: Sequence[Candidate]) -> tuple[Grid, ...]:
    """All distinct grids, the most frequent first.

    Ties: count among the identity's views, best log-probability, then content. One more candidate for a grid never
    moves it down. Raises `ValueError` for candidates of more than one query.
    """
    return flat_ranking(support_of(candidates))


def flat_ranking(support: Support) -> tuple[Grid, ...]:
    return tuple(sorted(support.total, key=lambda grid: (-support.total[grid], *support.key(grid))))


def hierarchical_vote(candidates: Sequence[Candidate]) -> tuple[Grid, ...]:
    """The two-level vote of Akyürek et al. 2024: all distinct grids, best first.

    First level: every group (the views of one dihedral symmetry; the candidates without a view) picks its three
    most frequent predictions. Second level: the most often picked first. Ties at both levels: count in the
    identity's group, count over all candidates, best log-probability, then content. Predictions that no group
    picked follow in the order of the flat vote.

    A group of fewer than three distinct predictions is filled with its row-wise and its column-wise majority, where
    these are new grids: a lone prediction is picked once, never padded with copies of itself. Filled-in grids come
    last and give no pick to a grid that was predicted. Counted like predictions they would break this property: one
    more candidate for a grid never moves it down, wherever it stands. (A group that holds A once and B twice fills
    in nothing; one more A makes it a tie, whose majority can be a third grid that then overtakes A.)

    Raises `ValueError` for candidates of more than one query.
    """
    support = support_of(candidates)
    picks: Counter[Grid] = Counter()
    filled: Counter[Grid] = Counter()
    for group in support.groups.values():
        picks.update(sorted(group, key=lambda grid: (-group[grid], *support.key(grid)))[:PICKS])
        filled.update(_fill(group, support))
    picked = sorted(picks, key=lambda grid: (-picks[grid], *support.key(grid)))
    dropped = [grid for grid in flat_ranking(support) if grid not in picks]
    new = sorted(filled.keys() - support.total.keys(), key=lambda grid: (-filled[grid], *support.key(grid)))
    return (*picked, *dropped, *new)


def _fill(group: Counter[Grid], support: Support) -> list[Grid]:
    """The majority grids that bring a group to three picks."""
    if not 0 < len(group) < PICKS:
        return []
    majorities = dict.fromkeys(majority_grids(group, support.identity, support.total))
    return [grid for grid in majorities if grid not in group][: PICKS - len(group)]
