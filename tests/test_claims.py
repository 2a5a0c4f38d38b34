"""Where a base was trained on the tasks at hand, the report says so beside the score."""

from __future__ import annotations

from dataclasses import replace

import pytest

from solver.claims import claim, seen_in_training
from solver.profiles import NATIVE
from solver.public_bases import PUBLIC
from solver.task import SPLITS, Task, read_split
from tests.summaries import summary_of, table


@pytest.fixture(scope="module")
def tasks() -> tuple[Task, ...]:
    return read_split("arc1-evaluation")[:10]


def test_tasks_are_known_by_their_ids_and_by_their_demonstrations(tasks: tuple[Task, ...]) -> None:
    base = replace(NATIVE, seen=("arc1-evaluation",), left_out=())
    assert seen_in_training(base, tasks) == {"arc1-evaluation": 10}
    renamed = [replace(task, id=f"other-{task.id}") for task in tasks]
    assert seen_in_training(base, renamed) == {"arc1-evaluation": 10}
    assert seen_in_training(base, [replace(task, train=task.train[:1]) for task in renamed]) == {"arc1-evaluation": 10}


def test_where_the_splits_are_not_installed_nothing_is_claimed(
    tasks: tuple[Task, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Kaggle's image: a run must not end there for want of what only a line beside its score needs."""
    monkeypatch.setattr("solver.claims.has_splits", lambda: False)
    monkeypatch.setattr("solver.claims.read_split", lambda _: pytest.fail("read"))
    seen = seen_in_training(NATIVE, tasks)
    assert seen == dict.fromkeys(NATIVE.seen)
    assert "not known" in claim("native", seen, 10)
    assert seen_in_training(replace(NATIVE, seen=()), tasks) == {}


def test_a_training_task_is_an_evaluation_task_under_another_name(tasks: tuple[Task, ...]) -> None:
    """070dd51e; the embedded base was trained without it."""
    trained = replace(NATIVE, seen=("arc1-training",), left_out=())
    assert seen_in_training(trained, tasks) == {"arc1-training": 1}
    assert seen_in_training(NATIVE, tasks) == {}
    assert seen_in_training(replace(NATIVE, seen=()), tasks) == {}


def test_arc_agi_2s_training_set_holds_most_of_arc_agi_1s_evaluation() -> None:
    base = replace(NATIVE, seen=("arc2-training",), left_out=())
    assert seen_in_training(base, read_split("arc1-evaluation"))["arc2-training"] >= 376


def test_the_report_says_so_beside_the_score() -> None:
    summary = summary_of()
    summary.settings.update(bases=["architects-8b"], seen=[{"arc1-evaluation": 3}])
    assert table(summary)["seen in training"] == "architects-8b was trained on 3 of 4 tasks (arc1-evaluation)"
    summary.settings.update(bases=["llama-1b", "a", "b"], seen=[{}, {"x": 1}, {"y": 2}])
    assert table(summary)["seen in training"] == "a was trained on 1 of 4 tasks (x); b was trained on 2 of 4 tasks (y)"
    assert "seen in training" not in table(summary_of())
    assert claim("a", {"x": 1, "y": 2}, 4) == "a was trained on 1 of 4 tasks (x), 2 of 4 tasks (y)"


def test_profiles_name_splits_that_there_are() -> None:
    assert all(set(base.seen) <= set(SPLITS) for base in PUBLIC)
