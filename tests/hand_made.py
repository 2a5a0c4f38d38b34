"""Runs whose passes and searches end when a test says so: no processes, and a clock that is moved by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from solver.attempts import Candidate, Channel
from solver.evaluation import Solutions
from solver.grid import Grid
from solver.records import InductionRecord, Outcome, SearchRecord, TaskRecord
from solver.run_state import Run, new_run
from solver.settings import Settings
from tests.fake_worker import PROFILE, make_tasks

RIGHT, WRONG, OTHER = (Grid(((colour,),)) for colour in range(3))
TASKS = make_tasks(4)
SOLUTIONS: Solutions = {task.id: (RIGHT,) * len(task.test_inputs) for task in TASKS}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def begun(folder: Path, clock: Clock, **changes: Any) -> Run:
    """Just begun, ten minutes long."""
    settings = Settings(folder / "out.json", folder / "run", (PROFILE,), 600.0, clock.now, ("cpu", "cpu"), passes=3)
    return new_run(replace(settings, **changes), TASKS, clock)


def solve(run: Run, task_id: str, *found: Grid, base: int = 0, **fields: Any) -> TaskRecord:
    """Ends a base's pass over a task that found these grids, the first one most often."""
    visits = run.bases[base]
    scheduler = visits.scheduler
    if task_id in scheduler.deferred:
        scheduler.deferred.remove(task_id)
        scheduler.waiting.insert(0, task_id)
    grant = scheduler.next(run.clock())
    assert grant is not None
    if grant.task_id != task_id:
        scheduler.waiting.insert(0, grant.task_id)
        scheduler.running = {task_id: replace(grant, task_id=task_id)}
        scheduler.waiting.remove(task_id)
    queries = run.tasks[task_id].queries()
    candidates = tuple(Candidate(query, grid, base=base) for query in queries for grid in (found[:1] + found))
    visits.found[task_id] += candidates
    scheduler.finished(task_id, run.doubt(task_id))
    fused = run.conclude(task_id)
    record = TaskRecord(
        task_id,
        Outcome.DONE,
        tuple(visits.found[task_id]),
        tuple(one.attempts for one in fused),
        tuple(one.branch for one in fused),
        pass_number=grant.number,
        base=base,
    )
    run.visited(replace(record, **fields))
    return visits.records[task_id]


def search(run: Run, task_id: str, *perfect: Grid, cost: float = 2.0, **fields: Any) -> SearchRecord:
    """Ends a search whose programs say this to every test input."""
    run.searching.waiting.remove(task_id)
    candidates = tuple(
        Candidate(query, grid, Channel.PROGRAM, program="mirror", cost=cost, perfect=True)
        for grid in perfect
        for query in run.tasks[task_id].queries()
    )
    count = len(perfect)
    run.searched(
        SearchRecord(task_id, Outcome.DONE, candidates, stop="exhausted", perfect=count, unique=count == 1, seconds=2.5)
    )
    fused = run.conclude(task_id)
    run.searches[task_id] = replace(
        run.searches[task_id],
        **{"attempts": tuple(one.attempts for one in fused), "branches": tuple(one.branch for one in fused), **fields},
    )
    return run.searches[task_id]


def write(run: Run, task_id: str, *perfect: Grid, cost: float = 4.0, **fields: Any) -> InductionRecord:
    """Ends the writing of programs that say this to every test input."""
    run.inducing.waiting.remove(task_id)
    candidates = tuple(
        Candidate(query, grid, Channel.INDUCTION, program="def transform", cost=cost, perfect=True)
        for query in run.tasks[task_id].queries()
        for grid in perfect
    )
    count = len(perfect)
    run.written(
        InductionRecord(task_id, Outcome.DONE, candidates, stop="deadline", perfect=count, unique=count == 1, sampled=9)
    )
    fused = run.conclude(task_id)
    run.inductions[task_id] = replace(
        run.inductions[task_id],
        **{"attempts": tuple(one.attempts for one in fused), "branches": tuple(one.branch for one in fused), **fields},
    )
    return run.inductions[task_id]
