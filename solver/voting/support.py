"""What the candidates of one query say about each distinct grid: counts, log-probabilities, scores."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from solver.attempts import Candidate
from solver.augmentation import Dihedral
from solver.grid import Grid


@dataclass(frozen=True, slots=True)
class Support:
    """What speaks for each grid."""

    groups: Mapping[Dihedral | None, Counter[Grid]]
    """Counts by the symmetry of the view; None for candidates without a view, such as programs' answers."""
    identity: Counter[Grid]
    total: Counter[Grid]
    logprob: Mapping[Grid, float]
    """The best one; minus infinity where none is known."""
    score: Mapping[Grid, float]
    """Of the grids that were scored under every one of the fixed views."""

    def key(self, grid: Grid) -> tuple[Any, ...]:
        """Sorts the better supported grid first; no two grids are equal, so input order never decides."""
        return -self.identity[grid], -self.total[grid], -self.logprob[grid], grid.shape, grid.rows


def support_of(candidates: Sequence[Candidate]) -> Support:
    """Raises `ValueError` for candidates of more than one query."""
    if len({candidate.query for candidate in candidates}) > 1:
        raise ValueError("candidates of more than one query cannot be counted together")
    groups: dict[Dihedral | None, Counter[Grid]] = defaultdict(Counter)
    logprob: dict[Grid, float] = defaultdict(lambda: -math.inf)
    score: dict[Grid, float] = {}
    for candidate in candidates:
        grid = candidate.grid
        group = None if candidate.view is None else candidate.view.transform.dihedral
        groups[group][grid] += 1
        if candidate.logprob is not None:
            # In this order of arguments max() passes over NaN, which a half-precision model can return.
            logprob[grid] = max(logprob[grid], candidate.logprob)
        if candidate.score is not None and not math.isnan(candidate.score):
            score[grid] = max(score.get(grid, -math.inf), candidate.score)
    total = Counter(candidate.grid for candidate in candidates)
    return Support(groups, groups[Dihedral.IDENTITY], total, logprob, score)
