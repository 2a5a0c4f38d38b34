"""What the model's channel of a finished run would have scored with every vote, on the candidates that it had.

Reads journals and solutions; changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from solver.attempts import Candidate
from solver.evaluation import Scores, Solutions, recall, restrict
from solver.grid import Grid, InputError
from solver.history import finished_tasks, last_scores
from solver.records import TASK_EVENT
from solver.settings import SCORED_VOTES, VOTES
from solver.task import Query
from solver.visits import rescored

PERFECT = "a perfect choice"
"""Whatever is right among the candidates."""


@dataclass(frozen=True, slots=True)
class Election:
    """What a vote makes of a run's candidates. either: with two attempts, first: with the first alone."""

    vote: str
    either: Scores
    first: Scores


def last_candidates(events: Sequence[Mapping[str, Any]]) -> list[Candidate]:
    """Of every base's newest record of each task, with the scores that were given last."""
    bases = sorted({event["base"] for event in events if event.get("event") == TASK_EVENT})
    records = (record for base in bases for record in finished_tasks(events, base).values())
    return rescored((one for record in records for one in record.candidates), last_scores(events))


def by_vote(events: Sequence[Mapping[str, Any]], solutions: Solutions) -> list[Election]:
    """One election for every vote that the run's candidates allow, and the best that any could have had.

    Of the tasks that a base came to. Raises `InputError` where it answered none, and for a task without a solution.
    """
    candidates = last_candidates(events)
    if not candidates:
        raise InputError("no base answered a task of this run")
    solutions = restrict(solutions, (event["task_id"] for event in events if event["event"] == TASK_EVENT))
    queries: dict[Query, list[Candidate]] = defaultdict(list)
    for one in candidates:
        queries[one.query].append(one)
    scored = any(one.score is not None for one in candidates)
    votes = [(name, vote) for name, vote in VOTES.items() if scored or name not in SCORED_VOTES]
    elections = [
        Election(name, *(recall(solutions, _elected(queries.values(), vote, most)) for most in (2, 1)))
        for name, vote in votes
    ]
    whole = recall(solutions, candidates)
    return [*elections, Election(PERFECT, whole, whole)]


def _elected(
    queries: Iterable[Sequence[Candidate]], vote: Callable[[Sequence[Candidate]], tuple[Grid, ...]], most: int
) -> list[Candidate]:
    return [Candidate(some[0].query, grid) for some in queries for grid in vote(some)[:most]]


def table(elections: Sequence[Election]) -> Table:
    """For people."""
    shown = Table(title=f"The model's answers to {elections[0].either.tasks} task(s), by vote", title_justify="left")
    shown.add_column("vote")
    for name in ("score", "whole tasks", "outputs", "score with one attempt"):
        shown.add_column(name, justify="right")
    for one in elections:
        either = one.either
        shown.add_row(
            one.vote,
            f"{100 * either.mean_fraction:.2f} %",
            str(either.solved_tasks),
            f"{either.solved_outputs} of {either.outputs}",
            "" if one.vote == PERFECT else f"{100 * one.first.mean_fraction:.2f} %",
        )
    return shown
