"""What a finished run amounts to: its records as the journal holds them, its totals, its scores.

Solutions come in only to be compared with answers. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from solver.attempts import Candidate, Channel
from solver.evaluation import Hits, Scores, Solutions, hits, recall, score
from solver.fusion import Branch
from solver.journal import Json, read_journal
from solver.records import INDUCTION_EVENT, SEARCH_EVENT, TASK_EVENT, InductionRecord, Record, SearchRecord, TaskRecord
from solver.run_state import Run
from solver.task import Query


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's records, every pass of every task, and its totals.

    settings: of the last sitting; its `budget`, like `seconds`, is that of all sittings together; passes, searches,
    inductions: records in the order they ended; branches: what decided the last answer to each test input.
    """

    settings: dict[str, Any]
    passes: tuple[TaskRecord, ...]
    seconds: float
    problems: tuple[str, ...] = field(default=())
    searches: tuple[SearchRecord, ...] = field(default=())
    branches: Mapping[Query, Branch] = field(default_factory=dict)
    inductions: tuple[InductionRecord, ...] = field(default=())
    sittings: int = 1

    def last(self, base: int | None = None) -> dict[str, TaskRecord]:
        """The newest record of each task, by one base or by any."""
        return {record.task_id: record for record in self.passes if base in (None, record.base)}

    def searched(self) -> dict[str, SearchRecord]:
        """The newest search of each task."""
        return {record.task_id: record for record in self.searches}

    def written(self) -> dict[str, InductionRecord]:
        """The newest record of each task's written programs."""
        return {record.task_id: record for record in self.inductions}

    def all(self) -> tuple[Record, ...]:
        """Every record, channel by channel."""
        return *self.passes, *self.searches, *self.inductions

    def candidates(self) -> list[Candidate]:
        """Those of all channels, of the newest records."""
        bases = {record.base for record in self.passes}
        visits = [record for base in sorted(bases) for record in self.last(base).values()]
        records: list[Record] = [*visits, *self.searched().values(), *self.written().values()]
        return [candidate for record in records for candidate in record.candidates]

    def by_branch(self) -> dict[Branch, list[Query]]:
        """The test inputs that each branch decided."""
        return {branch: [query for query, one in self.branches.items() if one is branch] for branch in Branch}


def summarise(run: Run) -> Summary:
    """Reads the run's journal."""
    events = read_journal(run.settings.journal)
    passes: list[TaskRecord] = []
    searches: list[SearchRecord] = []
    inductions: list[InductionRecord] = []
    branches: dict[Query, Branch] = {}
    for event in events:
        record: Record
        if event["event"] == TASK_EVENT:
            passes.append(record := TaskRecord.from_json(event))
        elif event["event"] == SEARCH_EVENT:
            searches.append(record := SearchRecord.from_json(event))
        elif event["event"] == INDUCTION_EVENT:
            inductions.append(record := InductionRecord.from_json(event))
        else:
            continue
        branches |= {Query(record.task_id, index): branch for index, branch in enumerate(record.branches)}
    problems = tuple(event["text"] for event in events if event["event"] == "problem")
    sittings = [event for event in events if event["event"] == "run"]
    return Summary(
        sittings[-1] | {"budget": sum(one["budget"] for one in sittings)},
        tuple(passes),
        _seconds(events),
        problems,
        tuple(searches),
        branches,
        tuple(inductions),
        len(sittings),
    )


def _seconds(events: Sequence[Json]) -> float:
    """Of wall clock, all sittings together: each says at its end how long it was; one that was killed lasted from the
    beginning of its work to the last that is known of it."""
    total, began, last = 0.0, None, 0.0
    for event in (*events, {"event": "run", "time": 0.0}):
        if event["event"] == "run":
            if began is not None:
                total += max(0.0, last - began)
            began = event["time"]
        elif event["event"] == "end":
            total, began = total + event["seconds"], None
        last = event["time"]
    return total


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finished run compared with the solutions. found: the scores if every candidate could be submitted;
    alone: those of each channel by itself; bases: those of each base by itself; branches: how often each was right."""

    scores: Scores
    found: Scores
    alone: Mapping[Channel, Scores] = field(default_factory=dict)
    branches: Mapping[Branch, Hits] = field(default_factory=dict)
    bases: tuple[Scores, ...] = ()


def judge(solutions: Solutions, run: Run, summary: Summary) -> Verdict:
    """Scores a finished run; channels and bases by themselves only where several were at work."""
    settings = run.settings
    at_work = [
        channel
        for channel, on in (
            (Channel.MODEL, bool(settings.profiles)),
            (Channel.PROGRAM, settings.searchers > 0),
            (Channel.INDUCTION, settings.writer is not None),
        )
        if on
    ]
    return Verdict(
        score(solutions, run.answers),
        score_candidates(solutions, summary),
        {channel: score(solutions, run.alone(channel)) for channel in at_work if len(at_work) > 1},
        {branch: hits(solutions, run.answers, queries) for branch, queries in summary.by_branch().items()},
        tuple(score(solutions, run.base_alone(base)) for base in run.bases if len(run.bases) > 1),
    )


def score_candidates(solutions: Solutions, summary: Summary) -> Scores:
    """The scores if every candidate counted: what the vote could have had."""
    return recall(solutions, summary.candidates())
