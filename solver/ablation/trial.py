"""One task under one row: trained on as the row says, answered through all views, scored where choices are compared."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from solver.ablation.rows import FULL, Row, Terms
from solver.account import Solved
from solver.answering import Answering
from solver.attempts import Candidate
from solver.budget import Clock, Deadline
from solver.deciding import StopEarly
from solver.encoding import Json, candidate_to_json
from solver.inference import inference_views, show
from solver.jobs import Job, Manner
from solver.model import Base
from solver.pace import Pace
from solver.scoring import Scorer, most_supported
from solver.task import Task
from solver.ttt import Plan, train


def run_trial(
    base: Base,
    task: Task,
    row: Row,
    terms: Terms,
    adapter: Mapping[str, Tensor] | None = None,
    clock: Clock = time.monotonic,
) -> Json:
    """A JSON object. adapter: the shared one, for the row that has one.

    Views whose decoding had not begun when the seconds were over are missing; how many is recorded.
    """
    began = clock()
    base.reset()
    report = None
    if adapter is not None:
        load_adapter(base, adapter)
    elif row.trained:
        plan = Plan(Deadline(began + terms.ttt_seconds, clock), terms.seed, terms.steps)
        with changed(base, row):
            report = train(base, task, plan, clock)
    trained = clock()
    with base.inference():
        solved = _answer(base, task, row, terms, clock)
    base.reset()
    return {
        "row": row.key,
        "task_id": task.id,
        "ttt": None if report is None else report.to_json(),
        "seconds": {"ttt": trained - began, "decode": clock() - trained},
        "candidates": list(map(candidate_to_json, solved.candidates)),
        "notes": solved.notes,
        **solved.decoding_json(),
    }


def _answer(base: Base, task: Task, row: Row, terms: Terms, clock: Clock) -> Solved:
    """All views' answers; with their scores under all of them where choices are compared."""
    shown = show(task, inference_views(task, base.profile, terms.seed), base.profile, lambda _: None)
    solved = Solved(planned_views=sum(len(one.prompts) for one in shown))
    deadline = Deadline(clock() + terms.decode_seconds, clock)
    job = Job(task, deadline.at, terms.seed, manner=Manner(stop=StopEarly.OFF), closed=True)
    pace, scoring = Pace(), row is FULL
    answering = Answering(base, job, shown, deadline, pace, lambda _: None, solved, scoring=scoring, clock=clock)
    answering.run()
    if scoring:
        scores = {}
        for query in task.queries():
            mine: list[Candidate] = [one for one in solved.candidates if one.query == query]
            scorer = Scorer(base.profile, answering.readings, query.index, pace, lambda _: None, clock)
            # Not under the deadline: a vote among half of the scores would be another vote.
            scores[query] = scorer.score(
                most_supported(mine, base.profile.decoding.scored), Deadline(float("inf"), clock)
            )
        solved.rate(scores)
    return solved


@contextlib.contextmanager
def changed(base: Base, row: Row) -> Iterator[None]:
    """Inside, the base's training is the row's."""
    original = base.profile
    changes: dict[str, Any] = dict(row.changes)
    base.profile = replace(original, ttt=replace(original.ttt, **changes))
    try:
        yield
    finally:
        base.profile = original


def load_adapter(base: Base, weights: Mapping[str, Tensor]) -> None:
    """Gives the base's LoRA these weights."""
    with torch.no_grad():
        for name, weight in base.adapter().items():
            weight.copy_(weights[name])
