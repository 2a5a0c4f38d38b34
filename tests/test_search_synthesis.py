"""Synthetic tasks: their programs make them, they show a rule, and none is known from an evaluation split."""

from __future__ import annotations

import json
import random
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver import cli
from solver.base import make_tasks as command
from solver.base.sources import training_sources
from solver.grid import MAX_SIDE, Grid
from solver.search.synthesis import MAX_SAME, PAIRS, Synthetic, acceptable, draw_inputs, make_tasks, vary
from solver.task import Pair

KNOWN = [[Grid(((1, 0, 2), (0, number, 0), (3, 0, 1))) for number in range(6)]]


def first(count: int, seed: int = 0, forbidden: frozenset[Pair] = frozenset()) -> list[Synthetic]:
    return list(islice(make_tasks(KNOWN, forbidden, seed), count))


def test_tasks_are_distinct_and_the_seed_decides() -> None:
    made = first(12)
    assert len({task.pairs for task in made}) == 12
    assert made == first(12)
    assert made != first(12, seed=1)


def test_every_task_shows_a_rule() -> None:
    for task in first(12):
        outputs = [pair.output for pair in task.pairs]
        assert 3 <= len(task.pairs) <= PAIRS[1]
        assert max(map(outputs.count, outputs)) <= MAX_SAME * len(outputs)
        assert sum(pair.input == pair.output for pair in task.pairs) <= MAX_SAME * len(outputs)
        assert task.program.startswith("input |> ")
        assert task.program.count("|>") >= 2


def test_what_is_forbidden_is_not_made() -> None:
    made = first(6)
    forbidden = frozenset(pair for task in made[:3] for pair in task.pairs)
    others = first(6, forbidden=forbidden)
    assert all(forbidden.isdisjoint(task.pairs) for task in others)
    assert others[:3] == made[3:6]


@pytest.mark.parametrize(
    ("inputs", "outputs", "good"),
    [
        ("123", "456", False),  # single cells are of one colour
        (["10", "20", "30"], ["01", "02", "03"], True),
        (["10", "20", "30"], ["10", "20", "03"], False),  # most outputs are their inputs
        (["10", "20", "30"], ["01", "01", "01"], False),  # a constant
        (["10", "20", "30"], ["11", "22", "03"], False),  # most are of one colour
    ],
)
def test_what_shows_a_rule(inputs: list[str], outputs: list[str], good: bool) -> None:
    images = [[np.array([[int(cell) for cell in row]], np.int8) for row in rows] for rows in (inputs, outputs)]
    assert acceptable(*images) == good


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_drawn_inputs_are_distinct_grids(seed: int) -> None:
    grids = draw_inputs(random.Random(seed))
    assert len(set(grids)) == len(grids) <= PAIRS[1]
    assert all(max(grid.shape) <= MAX_SIDE for grid in grids)
    assert grids == draw_inputs(random.Random(seed))


def test_known_inputs_are_seen_under_one_transform() -> None:
    square = [Grid(((1, number), (0, 0))) for number in range(2, 9)]
    for seed in range(10):
        varied = vary(random.Random(seed), square)
        assert len(varied) == len(set(varied))
        corners = {tuple(cell for row in grid.rows for cell in row).index(0) for grid in varied}
        assert len(corners) == 1, "black moves with the symmetry, the same for all"


def test_the_command_writes_what_training_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tasks.zip"
    assert cli.main(["make-tasks", "--out", str(out), "--count", "5", "--seed", "3"]) == 0
    assert "5 tasks" in capsys.readouterr().out
    with zipfile.ZipFile(out) as archive:
        assert len(archive.namelist()) == 5
        value = json.loads(archive.read("synthetic/000000.json"))
    assert value["program"].startswith("input |> ")
    assert len(value["test"]) == 1
    *_, source = training_sources(None, None, out)
    assert source.name == "synthetic"
    assert len(source.tasks) == 5
    made = out.read_bytes()
    assert cli.main(["make-tasks", "--out", str(out), "--count", "5", "--seed", "3"]) == 0
    assert out.read_bytes() == made
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--count", "0"], "--count 0"),
        (["--out", "nowhere/tasks.zip"], "nowhere/tasks.zip"),
        (["--out", "."], "--out .: is a folder"),
        (["--out", "x" * 252], "cannot be written"),
    ],
)
def test_bad_options_are_told_in_one_line(
    words: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["make-tasks", "--out", "tasks.zip", *words]) == 2
    assert named in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_inputs_come_from_the_training_split_only() -> None:
    known = {grid for grids in command.known_inputs() for grid in grids}
    assert len(command.known_inputs()) == 400
    assert Grid(((0, 7, 7), (7, 7, 7), (0, 7, 7))) in known
