"""The run of one small task is judged by what it left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from solver.attempts import Candidate, Channel
from solver.grid import Grid
from solver.journal import Journal
from solver.preflight.check import Status
from solver.preflight.smoke import judge_model, judge_search, smoke_model, smoke_search, smoke_task
from solver.records import SEARCH_EVENT, TASK_EVENT, Outcome, SearchRecord, TaskRecord
from solver.task import Query, read_challenges
from tests.fakes import tiny_folder

WORKER = {"device": "cpu", "quantize": "nf4", "dtype": "torch.bfloat16", "seconds": 3.0}
DONE = TaskRecord(
    "preflight",
    Outcome.DONE,
    (Candidate(Query("preflight", 0), Grid(((1,),)), score=-0.5), Candidate(Query("preflight", 0), Grid(((2,),)))),
    ttt={"executed": 2, "stop": "planned"},
    decoding={"views": 8},
    seconds={"ttt": 1.0},
)


SEARCHED = SearchRecord(
    "preflight", Outcome.DONE, (Candidate(Query("preflight", 0), Grid(((1,),)), Channel.PROGRAM, perfect=True),)
)


class TestSmoke:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        """What a run of the task leaves, but for its journal."""
        content = smoke_task()
        (tmp_path / "task.json").write_text(json.dumps(content))
        answer = {"attempt_1": [[1]], "attempt_2": [[0]]}
        (tmp_path / "submission.json").write_text(json.dumps({"preflight": [answer] * 2}))
        return tmp_path

    def write(self, place: Path, *events: tuple[str, Mapping[str, Any]]) -> Path:
        with Journal(place / "run" / "journal.jsonl") as journal:
            for name, fields in events:
                journal.append(name, **fields)
        return place

    def test_the_task_is_one(self, place: Path) -> None:
        (task,) = read_challenges(place / "task.json")
        assert (len(task.train), len(task.test_inputs)) == (3, 2)

    def test_all_happened(self, place: Path) -> None:
        check = judge_model(self.write(place, ("worker", WORKER), (TASK_EVENT, DONE.to_json())), "nf4")
        assert check.status is Status.OK
        assert "2 steps of training, 8 views, 1 answers scored" in check.found

    def test_a_base_that_is_not_quantised(self, place: Path) -> None:
        events = ("worker", WORKER | {"quantize": "none"}), (TASK_EVENT, DONE.to_json())
        check = judge_model(self.write(place, *events), "nf4")
        assert check.status is Status.FAULT
        assert "bitsandbytes" in check.mend

    def test_no_training(self, place: Path) -> None:
        record = replace(DONE, ttt={"executed": 0, "stop": "out of memory"})
        check = judge_model(self.write(place, ("worker", WORKER), (TASK_EVENT, record.to_json())), "nf4")
        assert check.status is Status.FAULT
        assert "out of memory" in check.found

    def test_no_scores(self, place: Path) -> None:
        record = replace(DONE, candidates=DONE.candidates[1:])
        check = judge_model(self.write(place, ("worker", WORKER), (TASK_EVENT, record.to_json())), "nf4")
        assert check.status is Status.FAULT
        assert "none of 1 answers has the score that --vote poe+counts goes by" in check.found

    def test_an_error(self, place: Path) -> None:
        record = replace(DONE, error="RuntimeError: no kernel\nTraceback")
        check = judge_model(self.write(place, ("worker", WORKER), (TASK_EVENT, record.to_json())), "nf4")
        assert check.found.endswith("RuntimeError: no kernel")

    def test_a_worker_that_could_not_start(self, place: Path) -> None:
        check = judge_model(self.write(place, ("problem", {"text": "worker 0: no such base"})), "nf4")
        assert (check.status, check.found) == (Status.FAULT, "worker 0: no such base")

    def test_nothing_happened(self, place: Path) -> None:
        assert judge_model(self.write(place, ("run", {})), "nf4").status is Status.FAULT

    def test_a_submission_that_is_not_valid(self, place: Path) -> None:
        (place / "submission.json").write_text("{}")
        check = judge_model(self.write(place, ("worker", WORKER), (TASK_EVENT, DONE.to_json())), "nf4")
        assert "task preflight: is missing" in check.found

    def test_the_entry_point_refuses(self) -> None:
        check = smoke_model("no-such-base", "nf4", small=True)
        assert check.status is Status.FAULT
        assert "no-such-base" in check.found

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({}, ""),
            ({"candidates": ()}, "found no program"),
            ({"error": "MemoryError: too wide\nTraceback"}, "MemoryError: too wide"),
        ],
    )
    def test_a_search(self, place: Path, changes: dict[str, Any], named: str) -> None:
        found = replace(SEARCHED, **changes)
        warm = {"worker": 0, "seconds": 90.0}
        check = judge_search(self.write(place, ("searcher", warm), (SEARCH_EVENT, found.to_json())))
        assert (check.status is Status.FAULT) is bool(named)
        assert (named or "compiled or loaded in 90 s; 1 answers") in check.found

    def test_a_search_that_never_came(self, place: Path) -> None:
        assert "not compiled" in judge_search(self.write(place, ("run", {}))).found

    def test_the_search_for_real(self) -> None:
        """Compiled for the other tests as well."""
        check = smoke_search()
        assert check.status is Status.OK, check.found

    @pytest.mark.slow
    def test_for_real(self) -> None:
        check = smoke_model(str(tiny_folder()), "nf4", small=True, words=("--workers", "1", "--device", "cpu"))
        assert check.status is Status.OK, check.found
