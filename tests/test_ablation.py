"""The ablation: rows change what they say, it goes on where it stopped, its figures are right on made entries."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from solver.ablation import command, findings
from solver.ablation.rows import CHOICES, FULL, ROWS, Row, Terms
from solver.ablation.shared import read_adapter, train_shared
from solver.ablation.trial import changed, run_trial
from solver.ablation.work import Crowd, WorkerTerms, trial
from solver.attempts import Candidate
from solver.augmentation import Dihedral, Transform, View
from solver.budget import Deadline
from solver.cli import main
from solver.encoding import candidate_to_json
from solver.examples import example
from solver.grid import Grid, InputError
from solver.journal import Journal, read_journal
from solver.model import Base
from solver.prompt import OUTPUT
from solver.recipes import ANSWER_ONLY
from solver.task import Query, Task
from solver.training import Batch, Stop
from tests.fakes import CPU, FakeClock, copy_task, tiny_base, tiny_folder, tiny_profile

BY_KEY = {row.key: row for row in ROWS}
TASK = copy_task("ablated", demonstrations=3, side=2)
OTHERS = (TASK, copy_task("second", demonstrations=2, side=2), copy_task("single", demonstrations=1, side=2))
TERMS = Terms(steps=2)


@pytest.fixture(scope="module")
def base() -> Base:
    return tiny_base(orders=1)


def weights(base: Base) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in base.adapter().values()]


class TestRows:
    def example_of(self, base: Base, row: Row, number: int) -> Any:
        import random

        with changed(base, row):
            found = example(TASK, base.profile, random.Random(number), list(Dihedral)[number % 8])
        assert found is not None
        return found

    def test_the_direct_row_shows_single_pairs(self, base: Base) -> None:
        for number in range(8):
            assert list(self.example_of(base, FULL, number).ids).count(OUTPUT) == 3
            direct = self.example_of(base, BY_KEY["direct"], number)
            assert list(direct.ids).count(OUTPUT) == 1
            assert direct.loss_mask.any()

    def test_without_transforms_only_the_order_changes(self, base: Base) -> None:
        cells = {tuple(sorted(self.example_of(base, BY_KEY["untransformed"], number).ids)) for number in range(16)}
        assert len(cells) == 1
        orders = {tuple(self.example_of(base, BY_KEY["untransformed"], number).ids) for number in range(16)}
        assert len(orders) > 1
        assert len({tuple(sorted(self.example_of(base, FULL, number).ids)) for number in range(16)}) > 1

    def test_without_loss_on_demonstrations_the_answer_alone_is_a_target(self, base: Base) -> None:
        assert BY_KEY["answers"].changes == {"first_supervised": ANSWER_ONLY}
        full, answers = (self.example_of(base, row, 0) for row in (FULL, BY_KEY["answers"]))
        assert 0 < answers.loss_mask.sum() < full.loss_mask.sum()

    def test_a_change_ends_with_its_row(self, base: Base) -> None:
        before = base.profile
        with changed(base, BY_KEY["direct"]):
            assert not base.profile.ttt.in_context
        assert base.profile == before


class TestTrial:
    def test_a_trained_row_is_trained_and_leaves_the_base_as_it_was(self, base: Base) -> None:
        before = weights(base)
        entry = json.loads(json.dumps(run_trial(base, TASK, FULL, TERMS)))
        assert entry["ttt"]["executed"] == 2
        assert (entry["row"], entry["task_id"]) == ("ttt", "ablated")
        assert entry["views"] == entry["planned"] == 8
        assert all("score" in one for one in entry["candidates"])
        assert all(torch.equal(*pair) for pair in zip(before, weights(base), strict=True))

    def test_other_rows_are_not_scored(self, base: Base) -> None:
        entry = run_trial(base, TASK, BY_KEY["untrained"], TERMS)
        assert entry["ttt"] is None
        assert entry["candidates"]
        assert not any("score" in one for one in entry["candidates"])

    def test_views_that_no_seconds_were_left_for_are_told(self, base: Base) -> None:
        entry = run_trial(base, TASK, FULL, replace(TERMS, decode_seconds=0.0), clock=FakeClock())
        assert (entry["views"], entry["planned"], entry["candidates"]) == (0, 8, [])


class TestShared:
    def test_a_stopped_training_goes_on_to_the_same_weights(self, base: Base, tmp_path: Path) -> None:
        never = Deadline.never()
        whole = train_shared(base, OTHERS, 4, 0, tmp_path / "whole.pt", never)
        assert (whole.stop, whole.step, len(whole.losses)) == (Stop.PLANNED, 4, 4)
        clock = FakeClock()

        class Ticking(Deadline):
            def left(self) -> float:
                clock.now += 1
                return 3 - clock.now

        part = train_shared(base, OTHERS, 4, 0, tmp_path / "parts.pt", Ticking(0.0))
        assert (part.stop, part.step) == (Stop.DEADLINE, 2)
        rest = train_shared(base, OTHERS, 4, 0, tmp_path / "parts.pt", never)
        assert [*part.losses, *rest.losses] == whole.losses
        one, other = (read_adapter(tmp_path / name, CPU) for name in ("whole.pt", "parts.pt"))
        assert all(torch.equal(one[name], other[name]) for name in one)

    def test_its_weights_answer_in_the_shared_row(self, base: Base, tmp_path: Path) -> None:
        train_shared(base, OTHERS, 3, 0, tmp_path / "shared.pt", Deadline.never())
        adapter = read_adapter(tmp_path / "shared.pt", CPU)
        untrained, shared = (
            [one["logprob"] for one in run_trial(base, TASK, row, TERMS, own)["candidates"]]
            for row, own in ((BY_KEY["untrained"], None), (BY_KEY["shared"], adapter))
        )
        assert untrained != shared

    @pytest.mark.parametrize(("tokens", "sequences"), [(None, 2), (1, 1)])
    def test_its_steps_are_no_larger_than_a_tasks_own(
        self, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: int | None, sequences: int
    ) -> None:
        rows: list[int] = []
        whole = Base.loss_sum

        def counted(self: Base, batch: Batch) -> tuple[torch.Tensor, int]:
            rows.append(len(batch.ids))
            return whole(self, batch)

        monkeypatch.setattr(Base, "loss_sum", counted)
        ttt = replace(base.profile.ttt, batch=2, step_tokens=tokens)
        monkeypatch.setattr(base, "profile", replace(base.profile, ttt=ttt))
        train_shared(base, OTHERS, 3, 0, tmp_path / "shared.pt", Deadline.never())
        assert sum(rows) == 3 * sequences

    def test_tasks_of_which_nothing_can_be_left_out(self, base: Base, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="no demonstrations fit"):
            train_shared(base, OTHERS[2:], 1, 0, tmp_path / "none.pt", Deadline.never())


RIGHT, WRONG, THIRD = Grid(((1, 1),)), Grid(((2, 2),)), Grid(((3, 3),))


def made(row: str, task_id: str, said: list[tuple[Grid, Dihedral, float]], **more: Any) -> dict[str, Any]:
    found = [
        Candidate(Query(task_id, 0), grid, view=View(Transform(dihedral), (0, 1, 2)), score=score)
        for grid, dihedral, score in said
    ]
    return {
        "row": row,
        "task_id": task_id,
        "ttt": {"executed": 6},
        "seconds": {"ttt": 2.0, "decode": 1.0},
        "candidates": list(map(candidate_to_json, found)),
        "views": 8,
        "planned": 16,
    } | more


class TestFindings:
    tasks: ClassVar = {name: Task(name, TASK.train, TASK.test_inputs) for name in ("one", "two", "three")}
    levels: ClassVar = {"one": "easy", "two": "hard", "three": "hard"}
    solutions = dict.fromkeys(tasks, (RIGHT,))
    everywhere: ClassVar = [
        (WRONG, Dihedral.IDENTITY, -1.0),
        (WRONG, Dihedral.IDENTITY, -1.0),
        (THIRD, Dihedral.ROT90, -2.0),
        (THIRD, Dihedral.ROT180, -2.0),
        (RIGHT, Dihedral.FLIP_UD, -0.5),
    ]

    def rows(self, entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        found = findings.findings(entries, {"step": 9}, self.tasks, self.levels, self.solutions)
        shown = findings.table(found)
        assert shown.row_count == len(found)
        for level in found[0]["levels"] if found else ():
            (column,) = (column for column in shown.columns if column.header == level)
            assert [*column.cells] == [str(one["levels"][level]) for one in found]
        return {one["key"]: one for one in found}

    def test_rows_and_choices_are_scored(self, tmp_path: Path) -> None:
        sure = [(RIGHT, Dihedral.IDENTITY, -1.0)]
        entries = [
            *(made("ttt", name, self.everywhere if name == "two" else sure) for name in self.tasks),
            *(made("shared", name, sure if name == "one" else [], ttt=None) for name in self.tasks),
            *({"row": "direct", "task_id": name, "error": "RuntimeError()"} for name in self.tasks),
        ]
        rows = self.rows(entries)
        assert list(rows) == ["ttt", "direct", "shared", *(choice.key for choice in CHOICES), "oracle"]
        assert (rows["ttt"]["solved"], rows["ttt"]["paper"], rows["ttt"]["steps"]) == (2, 29, 6)
        assert rows["ttt"]["levels"] == {"easy": 1, "hard": 1}
        assert rows["ttt"]["recall"] == 1
        assert (rows["shared"]["solved"], rows["shared"]["steps"]) == (1, 3)
        assert (rows["direct"]["solved"], rows["direct"]["failed"]) == (0, 3)
        assert rows["flat"]["solved"] == 2
        # One view says it, and all views hold it for likely.
        assert rows["poe"]["solved"] == rows["oracle"]["solved"] == 3
        assert (rows["flip_ud"]["solved"], rows["identity"]["solved"], rows["rot90"]["solved"]) == (1, 2, 0)
        picture = tmp_path / "plot.svg"
        findings.plot(list(rows.values()), picture, "title")
        text = picture.read_text()
        assert "paper" in text
        with pytest.raises(InputError, match="cannot be written"):
            findings.plot(list(rows.values()), tmp_path / "none" / "plot.svg", "title")

    def test_all_rows_are_measured_on_the_same_tasks(self) -> None:
        entries = [made("ttt", name, []) for name in self.tasks] + [made("untrained", "two", [])]
        assert {one["tasks"] for one in self.rows(entries).values()} == {1}
        assert findings.findings([*entries[:1], made("direct", "two", [])], None, self.tasks, {}, self.solutions) == []
        assert findings.findings([], None, self.tasks, {}, self.solutions) == []


class TestCommand:
    def words(self, folder: Path, *more: str) -> list[str]:
        return [
            *("ablate", "--split", "arc1-training", "--json", "--run-dir", str(folder), "--base", str(tiny_folder())),
            *("--ttt-steps", "1", "--device", "cpu", *more),
        ]

    @pytest.fixture
    def small(self, tmp_path: Path) -> Path:
        tasks = tmp_path / "tasks.csv"
        tasks.write_text("task_id,level\n25ff71a9,easy\nd037b0a7,hard\n")
        return tasks

    def test_all_rows_and_nothing_twice(
        self, tmp_path: Path, small: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = self.words(tmp_path / "run", "--tasks", str(small), "--plot", str(tmp_path / "plot.png"))
        assert main(words) == 0
        first = json.loads(capsys.readouterr().out)
        assert [one["key"] for one in first["rows"] if one["part"] == "training"] == [row.key for row in ROWS]
        assert all(one["tasks"] == 2 and one.get("failed", 0) == 0 for one in first["rows"])
        # As many steps as both tasks had.
        assert (first["shared"]["step"], first["shared"]["stop"]) == (2, Stop.PLANNED.value)
        assert (tmp_path / "plot.png").stat().st_size > 0
        monkeypatch.setattr(command, "Crowd", lambda *_: pytest.fail("begun again"))
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out) == first
        # Fewer rows of the same run need nothing new either.
        assert main([*words, "--rows", "direct"]) == 0
        kept = [one["key"] for one in json.loads(capsys.readouterr().out)["rows"] if one["part"] == "training"]
        assert kept == ["ttt", "direct"]

    def test_nothing_is_begun_after_the_time_limit(
        self, tmp_path: Path, small: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([*self.words(tmp_path / "run", "--tasks", str(small)), "--time-limit", "0.000001"]) == 0
        assert json.loads(capsys.readouterr().out)["rows"] == []
        events = [event["event"] for event in read_journal(tmp_path / "run" / "journal.jsonl")]
        assert events == ["ablation"]

    def test_other_terms_are_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with Journal(tmp_path / "journal.jsonl") as journal:
            journal.append("ablation", base="another")
        assert main(self.words(tmp_path, "--task-ids", "25ff71a9")) == 2
        assert "base was 'another'" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (("--rows", "ttt,best"), "--rows best: is none of untrained, ttt, "),
            (("--workers", "0"), "--workers 0: must be at least 1"),
            (("--threads", "0"), "--threads 0: must be at least 1"),
            (("--task-ids", "nowhere"), "nowhere"),
            (("--tasks", "/nowhere.csv"), "--tasks /nowhere.csv: cannot be read"),
            (("--time-limit", "soon"), "--time-limit"),
        ],
    )
    def test_bad_options_are_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], message: str
    ) -> None:
        assert main(self.words(tmp_path, *more)) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
        assert not (tmp_path / "journal.jsonl").exists()

    def test_solutions_are_needed(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        challenges = tmp_path / "challenges.json"
        challenges.write_text(
            json.dumps({"one": {"train": [{"input": [[1]], "output": [[1]]}], "test": [{"input": [[1]]}]}})
        )
        words = ["ablate", "--challenges", str(challenges), "--run-dir", str(tmp_path / "run")]
        assert main(words) == 2
        assert "--solutions: is needed" in capsys.readouterr().err


def test_levels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"
    path.write_text("task_id,level\nb,hard\na,easy\n")
    assert list(command.read_levels(path).items()) == [("b", "hard"), ("a", "easy")]
    path.write_text("task_id\nb\n")
    assert command.read_levels(path) == {"b": ""}
    path.write_text("name\nb\n")
    with pytest.raises(InputError, match="line 2: has no task_id"):
        command.read_levels(path)
    path.write_text("task_id\n")
    with pytest.raises(InputError, match="holds no task"):
        command.read_levels(path)


def test_where_all_is_in_nf4_there_is_no_row_for_it() -> None:
    assert [row.key for row in command.chosen_rows("nf4,direct", "none")] == ["ttt", "direct", "nf4"]
    assert [row.key for row in command.chosen_rows("nf4,direct", "nf4")] == ["ttt", "direct"]


def test_a_fault_costs_its_own_trial_alone(tmp_path: Path) -> None:
    work = [
        (trial, ("shared", TASK, TERMS, str(tmp_path / "missing.pt"))),
        (trial, ("untrained", TASK, TERMS, None)),
    ]
    with Crowd(WorkerTerms(tiny_profile(orders=1), "none", "cpu", 1), 1, Deadline.never()) as crowd:
        failed, whole = crowd.do(work)
    assert "FileNotFoundError" in failed["error"]
    assert (failed["row"], failed["task_id"]) == ("shared", "ablated")
    assert whole["candidates"]


def _die() -> dict[str, Any]:
    import os

    os._exit(9)


def test_a_dead_worker_is_one_clear_line() -> None:
    with (
        Crowd(WorkerTerms(tiny_profile(), "none", "cpu", 1), 1, Deadline.never()) as crowd,
        pytest.raises(InputError, match="a worker died"),
    ):
        list(crowd.do([(_die, ())]))
