"""Summaries made by hand, and the table as a dictionary."""

from __future__ import annotations

from typing import Any

from solver.fusion import Branch
from solver.records import InductionRecord, Outcome, SearchRecord, TaskRecord
from solver.report import rows
from solver.summary import Summary, Verdict
from solver.task import Query


def ttt(executed: int, planned: int, stop: str = "done", **fields: Any) -> dict[str, Any]:
    losses = {"loss_before": 0.8, "loss_after": 0.02} if executed else {"loss_before": None, "loss_after": None}
    return {"executed": executed, "planned": planned, "stop": stop, "events": [], **losses, **fields}


def table(summary: Summary, verdict: Verdict | None = None, tasks: int = 4) -> dict[str, str]:
    return dict(rows(summary, tasks, verdict))


def summary_of(
    *records: TaskRecord,
    seconds: float = 90.0,
    problems: tuple[str, ...] = (),
    searches: tuple[SearchRecord, ...] = (),
    branches: dict[Query, Branch] | None = None,
    inductions: tuple[InductionRecord, ...] = (),
) -> Summary:
    return Summary({"budget": 600.0}, records, seconds, problems, searches, branches or {}, inductions)


def searched(task_id: str, perfect: int = 0, unique: bool = False, **fields: Any) -> SearchRecord:
    plain = {"stop": "deadline", "perfect": perfect, "unique": unique, "seconds": 2.5}
    return SearchRecord(task_id, Outcome.DONE, **(plain | fields))


def wrote(task_id: str, perfect: int = 0, unique: bool = False, **fields: Any) -> InductionRecord:
    plain = {"stop": "deadline", "perfect": perfect, "unique": unique, "sampled": 10, "programs": 4}
    return InductionRecord(task_id, Outcome.DONE, **(plain | fields))
