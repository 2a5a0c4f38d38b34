from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.attempts import Candidate
from solver.fusion import Branch
from solver.grid import Grid, InputError
from solver.history import finished_inductions, finished_searches, finished_tasks
from solver.journal import Journal, read_journal
from solver.records import INDUCTION_EVENT, SEARCH_EVENT, TASK_EVENT, InductionRecord, Outcome, SearchRecord, TaskRecord
from solver.task import Query
from tests.strategies import attempts, candidates


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@st.composite
def records(draw: st.DrawFn, task_id: str = "t") -> TaskRecord:
    found = candidates(Query(task_id, 0)) | candidates(Query(task_id, 1))
    return TaskRecord(
        task_id,
        draw(st.sampled_from(Outcome)),
        candidates=tuple(draw(st.lists(found, max_size=3))),
        attempts=tuple(draw(st.lists(attempts(), max_size=2))),
        branches=tuple(draw(st.lists(st.sampled_from(Branch), max_size=2))),
        ttt=draw(st.dictionaries(st.sampled_from(["planned", "executed"]), st.integers(0, 9))),
        decoding=draw(st.dictionaries(st.sampled_from(["views", "passes"]), st.integers(0, 9))),
        seconds=draw(st.dictionaries(st.sampled_from(["ttt", "decode"]), st.floats(0, 99))),
        peak_memory=draw(st.integers(0, 2**40)),
        notes=tuple(draw(st.lists(st.text(max_size=5), max_size=2))),
        error=draw(st.none() | st.text(max_size=5)),
        pass_number=draw(st.integers(0, 3)),
        worker=draw(st.integers(0, 3)),
        base=draw(st.integers(0, 2)),
        others=tuple(draw(st.lists(found, max_size=2))),
    )


class TestTaskRecord:
    @settings(max_examples=50)
    @given(record=records())
    def test_comes_back_from_a_journal(self, tmp_path_factory: pytest.TempPathFactory, record: TaskRecord) -> None:
        path = tmp_path_factory.getbasetemp() / "journal.jsonl"
        path.unlink(missing_ok=True)
        with Journal(path) as journal:
            journal.append("start", task_id="other")
            journal.append(TASK_EVENT, **record.to_json())
        assert finished_tasks(read_journal(path), record.base) == {"t": record}
        assert finished_tasks(read_journal(path), record.base + 1) == {}

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


@st.composite
def searches(draw: st.DrawFn, task_id: str = "t") -> SearchRecord:
    found = candidates(Query(task_id, 0)) | candidates(Query(task_id, 1))
    return SearchRecord(
        task_id,
        Outcome.DONE,
        candidates=tuple(draw(st.lists(found, max_size=3))),
        attempts=tuple(draw(st.lists(attempts(), max_size=2))),
        branches=tuple(draw(st.lists(st.sampled_from(Branch), max_size=2))),
        stop=draw(st.sampled_from(["exhausted", "deadline", "memory"])),
        states=draw(st.integers(0, 10**9)),
        seconds=draw(st.floats(0, 300)),
        answers=draw(st.integers(0, 99)),
        perfect=draw(st.integers(0, 9)),
        unique=draw(st.booleans()),
        peak_memory=draw(st.integers(0, 2**40)),
        worker=draw(st.integers(0, 3)),
    )


class TestSearchRecord:
    @settings(max_examples=50)
    @given(search=searches(), record=records())
    def test_comes_back_from_a_journal_beside_a_task_record(
        self, tmp_path_factory: pytest.TempPathFactory, search: SearchRecord, record: TaskRecord
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "journal.jsonl"
        path.unlink(missing_ok=True)
        with Journal(path) as journal:
            journal.append(SEARCH_EVENT, **search.to_json())
            journal.append(TASK_EVENT, **record.to_json())
        assert finished_searches(read_journal(path)) == {"t": search}
        assert finished_tasks(read_journal(path), record.base) == {"t": record}

    def test_a_failure_is_no_search(self) -> None:
        failed = SearchRecord("t", Outcome.FAILED, error="x").to_json()
        done = SearchRecord("t", Outcome.DONE, states=1).to_json()
        for first, second in ((failed, done), (done, failed)):
            events = [{"event": SEARCH_EVENT, **first}, {"event": SEARCH_EVENT, **second}]
            assert finished_searches(events)["t"].states == 1
        assert finished_searches([{"event": SEARCH_EVENT, **failed}]) == {}

    def test_candidates_of_another_task_are_refused(self) -> None:
        with pytest.raises(ValueError, match="candidates of task other"):
            SearchRecord("t", Outcome.DONE, candidates=(Candidate(Query("other", 0), Grid(((1,),))),))

    def test_a_malformed_record_is_an_input_error_that_names_the_event(self) -> None:
        whole = SearchRecord("t", Outcome.DONE).to_json()
        for change in ({"status": "solved"}, {"candidates": [{}]}, {"branches": ["both"]}, {"attempts": 7}):
            with pytest.raises(InputError, match="event 3: is not a search record"):
                finished_searches([{"seq": 3, "event": SEARCH_EVENT, **whole, **change}])


@st.composite
def inductions(draw: st.DrawFn, task_id: str = "t") -> InductionRecord:
    found = candidates(Query(task_id, 0)) | candidates(Query(task_id, 1))
    return InductionRecord(
        task_id,
        draw(st.sampled_from(Outcome)),
        candidates=tuple(draw(st.lists(found, max_size=3))),
        attempts=tuple(draw(st.lists(attempts(), max_size=2))),
        branches=tuple(draw(st.lists(st.sampled_from(Branch), max_size=2))),
        stop=draw(st.sampled_from(["settled", "deadline", None])),
        sampled=draw(st.integers(0, 999)),
        programs=draw(st.integers(0, 999)),
        perfect=draw(st.integers(0, 99)),
        unique=draw(st.booleans()),
        fates=draw(st.dictionaries(st.sampled_from(["time", "returned", "exception: KeyError"]), st.integers(1, 9))),
        seconds=draw(st.dictionaries(st.sampled_from(["write", "run"]), st.floats(0, 999))),
        notes=tuple(draw(st.lists(st.text(max_size=5), max_size=2))),
        peak_memory=draw(st.integers(0, 2**40)),
        error=draw(st.none() | st.text(max_size=5)),
        worker=draw(st.integers(0, 3)),
    )


class TestInductionRecord:
    @settings(max_examples=50)
    @given(induction=inductions(), search=searches(), record=records())
    def test_comes_back_from_a_journal_beside_the_others(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        induction: InductionRecord,
        search: SearchRecord,
        record: TaskRecord,
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "journal.jsonl"
        path.unlink(missing_ok=True)
        with Journal(path) as journal:
            journal.append(INDUCTION_EVENT, **induction.to_json())
            journal.append(SEARCH_EVENT, **search.to_json())
            journal.append(TASK_EVENT, **record.to_json())
        assert finished_inductions(read_journal(path)) == {"t": induction}
        assert finished_searches(read_journal(path)) == {"t": search}
        assert finished_tasks(read_journal(path), record.base) == {"t": record}

    @pytest.mark.parametrize(
        ("statuses", "counts"),
        [
            ([Outcome.FAILED], 0),
            ([Outcome.FAILED, Outcome.FAILED], 1),
            ([Outcome.TIMED_OUT, Outcome.FAILED], 1),
            ([Outcome.FAILED, Outcome.DONE], 1),
            ([Outcome.DONE, Outcome.FAILED], 0),
            ([Outcome.DONE, Outcome.TIMED_OUT], 0),
            ([Outcome.DONE, Outcome.DONE], 1),
        ],
    )
    def test_the_last_counts_unless_an_earlier_one_is_done(self, statuses: list[Outcome], counts: int) -> None:
        made = [InductionRecord("t", status, sampled=number) for number, status in enumerate(statuses)]
        events = [{"event": INDUCTION_EVENT, **record.to_json()} for record in made]
        assert finished_inductions(events) == {"t": made[counts]}

    def test_candidates_of_another_task_are_refused(self) -> None:
        with pytest.raises(ValueError, match="candidates of task other"):
            InductionRecord("t", Outcome.DONE, candidates=(Candidate(Query("other", 0), Grid(((1,),))),))

    def test_a_malformed_record_is_an_input_error_that_names_the_event(self) -> None:
        whole = InductionRecord("t", Outcome.DONE, fates={"time": 1}).to_json()
        events = [{"seq": 3, "event": INDUCTION_EVENT, **whole}]
        assert finished_inductions(events)["t"].fates == {"time": 1}
        changes: list[dict[str, Any]] = [{"fates": 7}, {"seconds": ["write"]}, {"notes": None}, {"status": "solved"}]
        for change in [*changes, {"candidates": [{}]}, {"branches": ["both"]}, {"attempts": 7}]:
            with pytest.raises(InputError, match="event 3: is not a record of written programs"):
                finished_inductions([events[0] | change])
        for name in whole:
            with pytest.raises(InputError, match="event 3: is not a record of written programs"):
                finished_inductions([{key: value for key, value in events[0].items() if key != name}])
