"""Two real bases in one run, from the command line to the submission: tiny ones with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from solver import cli
from solver.attempts import check_submission
from solver.history import finished_tasks
from solver.journal import read_journal
from solver.task import Task
from tests.fake_worker import write_tasks
from tests.fakes import copy_task, tiny_folder

TASKS: tuple[Task, ...] = (copy_task("task00", side=2), copy_task("task01", seed=1, side=2, tests=2))


def test_both_train_answer_and_vote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    challenges = write_tasks(tmp_path / "challenges.json", TASKS)
    output, run_dir = tmp_path / "submission.json", tmp_path / "run"
    words = ["--challenges", str(challenges), "--output", str(output), "--run-dir", str(run_dir)]
    words += ["--base", str(tiny_folder(0)), "--base", str(tiny_folder(1)), "--quantize", "none", "--channels", "ttt"]
    words += ["--ttt-steps", "2", "--vote", "poe", "--device", "cpu", "--workers", "1", "--time-budget", "10m"]
    assert cli.submission(words) == 0
    assert check_submission(json.loads(output.read_text()), TASKS, "submission.json") == []
    events = read_journal(run_dir / "journal.jsonl")
    assert [event["base"] for event in events if event["event"] == "worker"] == [0, 1]
    early, late = (finished_tasks(events, number) for number in range(2))
    assert early.keys() == late.keys() == {task.id for task in TASKS}
    for number, records in enumerate((early, late)):
        for record in records.values():
            assert record.ttt["executed"] == 2
            assert record.candidates
            assert {one.base for one in record.candidates} == {number}
    for task in TASKS:
        assert early[task.id].others == ()
        # What the first one said is scored by the second, which its score alone is compared with.
        said = {(one.query, one.grid) for one in early[task.id].candidates}
        assert {(one.query, one.grid) for one in late[task.id].others} <= said
        assert late[task.id].others
        assert {one.query for one in late[task.id].candidates if one.score is not None} == set(task.queries())
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "4 TTT steps of 4 planned" in printed
    before = output.read_bytes()
    output.unlink()
    assert cli.submission([*words, "--resume"]) == 0
    assert output.read_bytes() == before
    assert [event["event"] for event in read_journal(run_dir / "journal.jsonl")[len(events) :]] == ["run", "end"]
