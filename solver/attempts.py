"""What channels produce (`Candidate`) and what is submitted (`Attempts`); submission.json itself.

Knows nothing of how candidates are made or chosen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from solver.augmentation import View
from solver.grid import Grid, InputError
from solver.task import Query, Task, read_json


class Channel(Enum):
    """Where a candidate comes from: the model itself, program search, or a program that a language model wrote
    (induction, in the terms of Li et al. 2024)."""

    MODEL = "model"
    PROGRAM = "program"
    INDUCTION = "induction"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proposed answer, in the task's own frame.

    view: the view it was generated through, None for a searched program; logprob: natural log of the probability of
    the whole answer under the model in that view; score: mean of that over a fixed set of views, the same for all
    scored candidates of a query, in nats; base: which of the run's bases said it, by its number in the order in which
    they were named. For programs, program: its text; cost: its description length; perfect: whether it reproduces every
    demonstration; seconds: of the CPU, until a searched one was found.
    """

    query: Query
    grid: Grid
    channel: Channel = Channel.MODEL
    view: View | None = None
    logprob: float | None = None
    program: str | None = None
    cost: float | None = None
    perfect: bool = False
    seconds: float | None = None
    score: float | None = None
    base: int = 0


@dataclass(frozen=True, slots=True)
class Attempts:
    """The two answers submitted for one test input."""

    first: Grid
    second: Grid


Rows = list[list[int]]
Submission = dict[str, list[dict[str, Rows]]]
"""What submission.json holds: for every task, in the order of its test inputs, both attempts."""

KEYS = ("attempt_1", "attempt_2")


def render_submission(tasks: Sequence[Task], answers: Mapping[Query, Attempts]) -> Submission:
    """The submission for all tasks, in their order; raises `ValueError` if a query has no answer."""
    missing = [query for task in tasks for query in task.queries() if query not in answers]
    if missing:
        raise ValueError(f"{len(missing)} queries have no answer, the first is {missing[0]}")
    return {task.id: [_render(answers[query]) for query in task.queries()] for task in tasks}


def _render(attempts: Attempts) -> dict[str, Rows]:
    return dict(zip(KEYS, (attempts.first.to_json(), attempts.second.to_json()), strict=True))


def write_submission(path: Path, tasks: Sequence[Task], answers: Mapping[Query, Attempts]) -> None:
    """Replaces the submission file; raises as `render_submission` and `write_atomic` do."""
    write_atomic(path, json.dumps(render_submission(tasks, answers)))


def write_atomic(path: Path, text: str) -> None:
    """Writes a file so that at every moment it holds either its old text or the new one, whole.

    Raises `InputError` if it cannot be written; no temporary file is left behind.
    """
    # A temporary file beside it: only within one file system is a rename atomic.
    temporary = path.parent / f".{path.name}.tmp"
    try:
        temporary.touch()
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def check_submission(value: Any, tasks: Sequence[Task], source: str) -> list[str]:
    """Everything that is wrong with a parsed submission for these tasks; one line each, none if it is valid."""
    if not isinstance(value, dict):
        return [f"{source}: is not an object of answers by task id"]
    problems: list[str] = []
    for task in tasks:
        where = f"{source}: task {task.id}"
        if task.id not in value:
            problems.append(f"{where}: is missing")
            continue
        problems += _problems(value[task.id], where)
        if isinstance(value[task.id], list) and len(value[task.id]) != len(task.test_inputs):
            problems.append(f"{where}: has {len(value[task.id])} test outputs instead of {len(task.test_inputs)}")
    known = {task.id for task in tasks}
    problems += [f"{source}: task {task_id}: is not among the tasks" for task_id in value if task_id not in known]
    return problems


def _problems(outputs: Any, where: str) -> list[str]:
    """What is wrong with one task's part of a submission, whatever the task."""
    if not isinstance(outputs, list):
        return [f"{where}: is not a list of test outputs"]
    problems: list[str] = []
    for index, output in enumerate(outputs):
        spot = f"{where}: [{index}]"
        if not isinstance(output, dict):
            problems.append(f"{spot}: is not an object of attempts")
            continue
        problems += [f"{spot}: {key!r} is missing" for key in KEYS if key not in output]
        problems += [f"{spot}: {key!r} is not one of {', '.join(KEYS)}" for key in output if key not in KEYS]
        for key in KEYS:
            try:
                if key in output:
                    Grid.from_json(output[key], f"{spot}.{key}")
            except InputError as error:
                problems.append(str(error))
    return problems


def read_submission(path: Path) -> dict[Query, Attempts]:
    """The answers in a submission file, whatever tasks it is for; raises `InputError` with the first problem."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path}: is not an object of answers by task id")
    answers: dict[Query, Attempts] = {}
    for task_id, outputs in value.items():
        problems = _problems(outputs, f"{path}: task {task_id}")
        if problems:
            raise InputError(problems[0])
        for index, output in enumerate(outputs):
            answers[Query(task_id, index)] = Attempts(*(Grid.from_json(output[key]) for key in KEYS))
    return answers
