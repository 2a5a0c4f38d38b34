"""What the events of earlier sittings amount to: the newest record of each task, by channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from solver.grid import Grid
from solver.records import (
    INDUCTION_EVENT,
    SEARCH_EVENT,
    TASK_EVENT,
    InductionRecord,
    Outcome,
    SearchRecord,
    TaskRecord,
)
from solver.task import Query


def finished_tasks(events: Iterable[Mapping[str, Any]], base: int = 0) -> dict[str, TaskRecord]:
    """The record of every task that a base worked on, however it ended; the last, but never a failure over a success.

    A later pass that fails must not lose what an earlier pass found.
    """
    records: dict[str, TaskRecord] = {}
    for event in events:
        if event.get("event") != TASK_EVENT or event.get("base", base) != base:
            continue
        record = TaskRecord.from_json(event)
        earlier = records.get(record.task_id)
        if earlier is None or record.status is not Outcome.FAILED or earlier.status is Outcome.FAILED:
            records[record.task_id] = record
    return records


def last_channels(events: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The channels of the newest sitting; none if there was none."""
    sittings = [event for event in events if event.get("event") == "run"]
    return frozenset(sittings[-1].get("channels") or ()) if sittings else frozenset()


def last_scores(events: Iterable[Mapping[str, Any]]) -> dict[Query, dict[Grid, float]]:
    """The scores of each query's candidates, of all bases, that were given last."""
    scores: dict[Query, dict[Grid, float]] = {}
    for event in events:
        if event.get("event") == TASK_EVENT:
            record = TaskRecord.from_json(event)
            scored = [one for one in (*record.candidates, *record.others) if one.score is not None]
            scores |= {query: {} for query in {one.query for one in scored}}
            for one in scored:
                scores[one.query][one.grid] = one.score or 0.0
    return scores


def finished_searches(events: Iterable[Mapping[str, Any]]) -> dict[str, SearchRecord]:
    """The last record of every task that was searched; one that failed is none."""
    records = (SearchRecord.from_json(event) for event in events if event.get("event") == SEARCH_EVENT)
    return {record.task_id: record for record in records if record.status is Outcome.DONE}


def finished_inductions(events: Iterable[Mapping[str, Any]]) -> dict[str, InductionRecord]:
    """The record of every task that programs were written for, however it ended; the last, but never one that failed or
    came too late over one that is done."""
    records: dict[str, InductionRecord] = {}
    for event in events:
        if event.get("event") != INDUCTION_EVENT:
            continue
        record = InductionRecord.from_json(event)
        earlier = records.get(record.task_id)
        if earlier is None or record.status is Outcome.DONE or earlier.status is not Outcome.DONE:
            records[record.task_id] = record
    return records
