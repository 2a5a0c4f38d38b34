from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.attempts import Candidate
from solver.augmentation import Transform, View
from solver.grid import Grid, InputError
from solver.journal import (
    TASK_EVENT,
    Journal,
    Outcome,
    TaskRecord,
    candidate_from_json,
    candidate_to_json,
    finished_tasks,
    grid_from_json,
    grid_to_json,
    read_journal,
    transform_from_json,
    transform_to_json,
    view_from_json,
    view_to_json,
)
from solver.task import Query
from tests.strategies import attempts, candidates, grids, transforms, views


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def write_three(path: Path) -> None:
    with Journal(path, now=lambda: 5.0) as journal:
        journal.append("start", seed=1)
        journal.append("task", name="é\n")
        journal.append("end")


class TestJournal:
    def test_events_come_back_numbered_and_timed(self, tmp_path: Path) -> None:
        path = tmp_path / "run" / "journal.jsonl"
        write_three(path)
        assert read_journal(path) == [
            {"seq": 0, "time": 5.0, "event": "start", "seed": 1},
            {"seq": 1, "time": 5.0, "event": "task", "name": "é\n"},
            {"seq": 2, "time": 5.0, "event": "end"},
        ]

    def test_torn_at_any_byte_it_reads_and_resumes_with_every_whole_line(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        write_three(path)
        whole = path.read_bytes()
        for cut in range(len(whole) + 1):
            path.write_bytes(whole[:cut])
            events = read_journal(path)
            assert len(events) == whole[:cut].count(b"\n")
            with Journal(path) as journal:
                journal.append("again")
            resumed = read_journal(path)
            assert resumed[:-1] == events
            assert [event["seq"] for event in resumed] == list(range(len(events) + 1))

    def test_a_garbled_last_line_counts_as_torn(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        write_three(path)
        for garbage in (b"\0" * 20, b"\0" * 20 + b"\n", b'{"seq":3,\n', b"7\n", b"\xff"):
            path.write_bytes(path.read_bytes() + garbage)
            assert len(read_journal(path)) == 3
            Journal(path).close()
            assert path.read_bytes().endswith(b'"end"}\n')

    def test_a_torn_line_elsewhere_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        write_three(path)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(lines[0] + lines[1][:9] + b"\n" + lines[2])
        for read in (read_journal, Journal):
            with pytest.raises(InputError, match=r"journal\.jsonl: line 2: "):
                read(path)

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_a_failed_append_leaves_no_half_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
    ) -> None:
        def fail(_: int) -> None:
            raise error

        path = tmp_path / "journal.jsonl"
        with Journal(path) as journal:
            journal.append("before")
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", fail)
                with pytest.raises(type(error)):
                    journal.append("lost")
            journal.append("after")
        assert [(event["seq"], event["event"]) for event in read_journal(path)] == [(0, "before"), (1, "after")]

    def test_what_json_cannot_hold_is_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.jsonl"
        with Journal(path) as journal:
            with pytest.raises(TypeError):
                journal.append("bad", value=object())
            with pytest.raises(ValueError, match="numbers and times"):
                journal.append("bad", seq=7)
        assert path.read_bytes() == b""

    def test_unusable_paths_are_input_errors(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read"):
            read_journal(tmp_path / "none.jsonl")
        (tmp_path / "file").write_text("")
        for path in (tmp_path, tmp_path / "file" / "journal.jsonl"):
            with pytest.raises(InputError, match="cannot be written"):
                Journal(path)


class TestEncoding:
    @settings(deadline=None, max_examples=50)
    @given(grid=grids())
    def test_grid(self, grid: Grid) -> None:
        assert grid_from_json(through_json(grid_to_json(grid))) == grid

    def test_grid_is_compact(self) -> None:
        assert grid_to_json(Grid(((0, 1, 2), (3, 4, 0)))) == ["012", "340"]

    @settings(deadline=None, max_examples=50)
    @given(transform=transforms())
    def test_transform(self, transform: Transform) -> None:
        assert transform_from_json(through_json(transform_to_json(transform))) == transform

    @settings(deadline=None, max_examples=50)
    @given(view=views())
    def test_view(self, view: View) -> None:
        assert view_from_json(through_json(view_to_json(view))) == view

    @settings(deadline=None, max_examples=100)
    @given(candidate=candidates(Query("t", 2)))
    def test_candidate(self, candidate: Candidate) -> None:
        assert candidate_from_json("t", through_json(candidate_to_json(candidate))) == candidate


@st.composite
def records(draw: st.DrawFn, task_id: str = "t") -> TaskRecord:
    found = candidates(Query(task_id, 0)) | candidates(Query(task_id, 1))
    return TaskRecord(
        task_id,
        draw(st.sampled_from(Outcome)),
        candidates=tuple(draw(st.lists(found, max_size=3))),
        attempts=tuple(draw(st.lists(attempts(), max_size=2))),
        ttt=draw(st.dictionaries(st.sampled_from(["planned", "executed"]), st.integers(0, 9))),
        seconds=draw(st.dictionaries(st.sampled_from(["ttt", "decode"]), st.floats(0, 99))),
        peak_memory=draw(st.integers(0, 2**40)),
        notes=tuple(draw(st.lists(st.text(max_size=5), max_size=2))),
        error=draw(st.none() | st.text(max_size=5)),
        pass_number=draw(st.integers(0, 3)),
        worker=draw(st.integers(0, 3)),
    )


class TestTaskRecord:
    @settings(deadline=None, max_examples=50)
    @given(record=records())
    def test_comes_back_from_a_journal(self, tmp_path_factory: pytest.TempPathFactory, record: TaskRecord) -> None:
        path = tmp_path_factory.getbasetemp() / "journal.jsonl"
        path.unlink(missing_ok=True)
        with Journal(path) as journal:
            journal.append("start", task_id="other")
            journal.append(TASK_EVENT, **record.to_json())
        assert finished_tasks(read_journal(path)) == {"t": record}

    def test_candidates_of_another_task_are_refused(self) -> None:
        with pytest.raises(ValueError, match="candidates of task other"):
            TaskRecord("t", Outcome.DONE, candidates=(Candidate(Query("other", 0), Grid(((1,),))),))

    def test_the_last_pass_counts_unless_it_failed(self) -> None:
        def last(*statuses: Outcome) -> int:
            passes = [TaskRecord("t", status, pass_number=number) for number, status in enumerate(statuses)]
            events = [{"event": TASK_EVENT, **record.to_json()} for record in passes]
            return finished_tasks(events)["t"].pass_number

        assert last(Outcome.DONE, Outcome.DONE) == 1
        assert last(Outcome.DONE, Outcome.TIMED_OUT) == 1
        assert last(Outcome.DONE, Outcome.FAILED) == 0
        assert last(Outcome.FAILED, Outcome.FAILED) == 1
        assert last(Outcome.FAILED, Outcome.TIMED_OUT) == 1

    def test_a_malformed_record_is_an_input_error_that_names_the_event(self) -> None:
        whole = TaskRecord("t", Outcome.DONE, candidates=(Candidate(Query("t", 0), Grid(((1,),))),)).to_json()
        for change in ({"status": "solved"}, {"candidates": [{"index": 0}]}, {"attempts": [[["1"]]]}, {"notes": None}):
            with pytest.raises(InputError, match="event 3: is not a task record"):
                finished_tasks([{"seq": 3, "event": TASK_EVENT, **whole, **change}])
