"""What a job on one task produced, and an account of how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from solver.attempts import Candidate
from solver.grid import Grid
from solver.task import Query
from solver.ttt import TttReport

Emit = Callable[[Sequence[Candidate]], None]
"""Gets the candidates of a batch of views as soon as they are there."""

Scores = Mapping[Query, Mapping[Grid, float]]
"""Of each query's candidates, those that were scored under all of its fixed views: mean log-probability in nats."""

Rate = Callable[[Scores], None]
"""Gets the scores, which take the place of all that these queries' candidates had before."""


@dataclass(slots=True)
class Decoding:
    """Counts of what decoding and scoring took.

    passes: sequential forward passes, those that read prompts included; drafted: tokens of drafts, of which `accepted`
    were right at their place; searches: rows searched, of which `cut` ended before all probable answers were found;
    scored: candidates, under `score_views` views together; score_passes: forward passes of that.
    """

    passes: int = 0
    drafted: int = 0
    accepted: int = 0
    searches: int = 0
    cut: int = 0
    scored: int = 0
    score_views: int = 0
    score_passes: int = 0


@dataclass(slots=True)
class Solved:
    """Candidates in the task's own frame, and an account. saved_views: left out since nothing hung on them any more."""

    candidates: list[Candidate] = field(default_factory=list)
    ttt: TttReport | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    views: int = 0
    planned_views: int = 0
    saved_views: int = 0
    unparsed: int = 0
    decoding: Decoding = field(default_factory=Decoding)
    peak_memory: int = 0
    notes: list[str] = field(default_factory=list)

    def ttt_json(self) -> dict[str, Any]:
        return {} if self.ttt is None else self.ttt.to_json()

    def rate(self, scores: Scores) -> None:
        """Scores candidates; those of these queries that were left out have none."""
        self.candidates = [
            replace(one, score=scores[one.query].get(one.grid)) if one.query in scores else one
            for one in self.candidates
        ]

    def decoding_json(self) -> dict[str, int]:
        views = {"views": self.views, "planned": self.planned_views, "saved": self.saved_views}
        return views | {"unparsed": self.unparsed} | asdict(self.decoding)
