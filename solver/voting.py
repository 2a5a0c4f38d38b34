"""Votes: ranks the candidates of one query, and turns a ranking into two attempts that always differ.

Counts grids, never their texts. Knows nothing of models, of how programs are judged, or of solutions.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from solver.attempts import Attempts, Candidate
from solver.augmentation import Dihedral
from solver.grid import BLACK, MAX_SIDE, Grid
from solver.task import Query, Task

PICKS = 3
"""Predictions that one group sends to the second level of the hierarchical vote."""

Ballot = Mapping[Grid, int]
"""How often each grid was predicted."""


@dataclass(frozen=True, slots=True)
class _Support:
    """What the candidates of one query say about each distinct grid."""

    groups: Mapping[Dihedral | None, Counter[Grid]]
    """Counts by the symmetry of the view; None for candidates without a view, such as programs' answers."""
    identity: Counter[Grid]
    total: Counter[Grid]
    logprob: Mapping[Grid, float]
    """The best one; minus infinity where none is known."""

    def key(self, grid: Grid) -> tuple[Any, ...]:
        """Sorts the better supported grid first; no two grids are equal, so input order never decides."""
        return -self.identity[grid], -self.total[grid], -self.logprob[grid], grid.shape, grid.rows


def _support(candidates: Sequence[Candidate]) -> _Support:
    if len({candidate.query for candidate in candidates}) > 1:
        raise ValueError("candidates of more than one query cannot be counted together")
    groups: dict[Dihedral | None, Counter[Grid]] = defaultdict(Counter)
    logprob: dict[Grid, float] = defaultdict(lambda: -math.inf)
    for candidate in candidates:
        group = None if candidate.view is None else candidate.view.transform.dihedral
        groups[group][candidate.grid] += 1
        if candidate.logprob is not None:
            # In this order of arguments max() passes over NaN, which a half-precision model can return.
            logprob[candidate.grid] = max(logprob[candidate.grid], candidate.logprob)
    total = Counter(candidate.grid for candidate in candidates)
    return _Support(groups, groups[Dihedral.IDENTITY], total, logprob)


def flat_vote(candidates: Sequence[Candidate]) -> tuple[Grid, ...]:
    """All distinct grids, the most frequent first.

    Ties: count among the identity's views, best log-probability, then content. One more candidate for a grid never
    moves it down. Raises `ValueError` for candidates of more than one query.
    """
    return _flat(_support(candidates))


def _flat(support: _Support) -> tuple[Grid, ...]:
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
    support = _support(candidates)
    picks: Counter[Grid] = Counter()
    filled: Counter[Grid] = Counter()
    for group in support.groups.values():
        picks.update(sorted(group, key=lambda grid: (-group[grid], *support.key(grid)))[:PICKS])
        filled.update(_fill(group, support))
    picked = sorted(picks, key=lambda grid: (-picks[grid], *support.key(grid)))
    dropped = [grid for grid in _flat(support) if grid not in picks]
    new = sorted(filled.keys() - support.total.keys(), key=lambda grid: (-filled[grid], *support.key(grid)))
    return (*picked, *dropped, *new)


def _fill(group: Counter[Grid], support: _Support) -> list[Grid]:
    """The majority grids that bring a group to three picks."""
    if not 0 < len(group) < PICKS:
        return []
    majorities = dict.fromkeys(majority_grids(group, support.identity, support.total))
    return [grid for grid in majorities if grid not in group][: PICKS - len(group)]


def majority_grids(ballot: Ballot, *tie_breaks: Ballot) -> tuple[Grid, Grid]:
    """The row-wise and the column-wise majority of the ballot's grids of its most common shape.

    A tie goes to the row, column or shape that is more frequent in the first of `tie_breaks` that tells them
    apart, then to the smallest. Raises `ValueError` for an empty ballot.
    """
    ballots = (ballot, *tie_breaks)
    height, width = shape = _elect(ballots, lambda grid: grid.shape)
    ballots = tuple({grid: count for grid, count in one.items() if grid.shape == shape} for one in ballots)
    rows = [_elect(ballots, partial(_row, number)) for number in range(height)]
    columns = [_elect(ballots, partial(_column, number)) for number in range(width)]
    return Grid(tuple(rows)), Grid(tuple(zip(*columns, strict=True)))


def _row(number: int, grid: Grid) -> tuple[int, ...]:
    return grid.rows[number]


def _column(number: int, grid: Grid) -> tuple[int, ...]:
    return tuple(row[number] for row in grid.rows)


def _elect(ballots: Sequence[Ballot], feature: Callable[[Grid], tuple[int, ...]]) -> tuple[int, ...]:
    """The most frequent feature of the first ballot's grids."""
    counts: list[Counter[tuple[int, ...]]] = []
    for ballot in ballots:
        counts.append(Counter())
        for grid, count in ballot.items():
            counts[-1][feature(grid)] += count
    return min(counts[0], key=lambda value: ([-count[value] for count in counts], value))


def choose(ranking: Sequence[Grid], task: Task, query: Query, predictions: Sequence[Grid] = ()) -> Attempts:
    """The first two grids of the ranking; where it holds fewer, the best different ones to be had.

    These are the row-wise and column-wise majority of `predictions` (grids too weak to be ranked, repeats counted),
    the predictions themselves, and the fallback. Raises `ValueError` for a query of another task.
    """
    if query.task_id != task.id:
        raise ValueError(f"a query of task {query.task_id} cannot be answered from task {task.id}")
    ballot = Counter(predictions)
    weak = sorted(ballot, key=lambda grid: (-ballot[grid], grid.shape, grid.rows))
    majorities = majority_grids(ballot) if ballot else ()
    first, second, *_ = dict.fromkeys((*ranking, *majorities, *weak, *fallback_grids(task, query.index)))
    return Attempts(first, second)


def fallback(task: Task, index: int) -> Attempts:
    """Two different valid answers to a test input that nothing has been predicted for."""
    return choose((), task, Query(task.id, index))


def fallback_grids(task: Task, index: int) -> tuple[Grid, ...]:
    """At least two distinct guesses from the task alone, those of the predicted output shape first.

    In this order: the test input, the most common demonstration output, an all-black grid, and one of another
    colour so that two always differ.
    """
    test_input = task.test_inputs[index]
    outputs = Counter(pair.output for pair in task.train)
    shape = predicted_shape(task, index)
    height, width = shape or test_input.shape
    plain = [Grid(((colour,) * width,) * height) for colour in (BLACK, BLACK + 1)]
    guesses = dict.fromkeys((test_input, outputs.most_common(1)[0][0], *plain))
    return tuple(sorted(guesses, key=lambda grid: shape is not None and grid.shape != shape))


def predicted_shape(task: Task, index: int) -> tuple[int, int] | None:
    """The output's (height, width) if the demonstrations keep their shape, agree on one, or on one ratio."""
    height, width = task.test_inputs[index].shape
    shapes = {pair.output.shape for pair in task.train}
    ratios = {
        (Fraction(pair.output.height, pair.input.height), Fraction(pair.output.width, pair.input.width))
        for pair in task.train
    }
    if ratios == {(Fraction(1), Fraction(1))}:
        return height, width
    if len(shapes) == 1:
        return shapes.pop()
    if len(ratios) > 1:
        return None
    down, across = ratios.pop()
    scaled = height * down, width * across
    if any(side.denominator > 1 or side > MAX_SIDE for side in scaled):
        return None
    return int(scaled[0]), int(scaled[1])
