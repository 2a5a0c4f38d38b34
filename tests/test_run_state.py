from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.attempts import Attempts, Candidate
from solver.augmentation import Dihedral, Transform, View
from solver.grid import Grid, InputError
from solver.journal import TASK_EVENT, Journal, Outcome, TaskRecord
from solver.run_state import VOTES, Run, Settings, new_run
from solver.task import Query, Task
from solver.voting import fallback
from tests.fake_worker import PROFILE, make_tasks

A, B, C = (Grid(((colour,),)) for colour in range(3))
BEGAN = 500.0


def make_settings(folder: Path, **changes: Any) -> Settings:
    plain = Settings(
        folder / "submission.json", folder / "run", PROFILE, 600.0, BEGAN, ("cpu", "cpu"), passes=3, seed=5
    )
    return replace(plain, **changes)


def candidate(query: Query, grid: Grid, dihedral: Dihedral = Dihedral.IDENTITY) -> Candidate:
    return Candidate(query, grid, view=View(Transform(dihedral), (0, 1)))


def record(task: Task, status: Outcome, number: int = 0, grid: Grid = A) -> TaskRecord:
    found = tuple(candidate(query, grid) for query in task.queries())
    return TaskRecord(task.id, status, found, (Attempts(grid, C),) * len(task.test_inputs), pass_number=number)


def write_journal(settings: Settings, tasks: tuple[Task, ...], *records: TaskRecord) -> None:
    with Journal(settings.journal) as journal:
        journal.append("run", **settings.to_json(tasks))
        for one in records:
            journal.append(TASK_EVENT, **one.to_json())


def fresh(folder: Path, tasks: tuple[Task, ...], **changes: Any) -> Run:
    return new_run(make_settings(folder, **changes), tasks, lambda: BEGAN)


class TestSettings:
    @settings(deadline=None, max_examples=100)
    @given(budget=st.floats(0.1, 1e6))
    def test_work_stops_before_the_budget_ends(self, budget: float) -> None:
        made = make_settings(Path("nowhere"), budget=budget)
        assert BEGAN + budget - made.stop() >= 1.5 - 1e-6
        assert BEGAN + budget - made.stop() <= 30.0 + 1e-6

    @pytest.mark.parametrize(("budget", "reserve"), [(4.0, 1.5), (600.0, 6.0), (43200.0, 30.0)])
    def test_reserve(self, budget: float, reserve: float) -> None:
        assert make_settings(Path("nowhere"), budget=budget).reserve() == reserve

    def test_only_what_decides_answers_is_fixed(self) -> None:
        tasks = make_tasks(3)
        plain = make_settings(Path("nowhere"))
        free = {"budget": 9.0, "began": 0.0, "devices": ("cuda:0",), "threads": 3, "vote": "flat", "passes": 1}
        assert replace(plain, **free).fixed(tasks) == plain.fixed(tasks)
        assert plain.fixed(tasks[::-1]) == plain.fixed(tasks)
        for name, other in {"seed": 6, "quantize": "none", "ttt": False, "ttt_steps": 4}.items():
            assert replace(plain, **{name: other}).fixed(tasks) != plain.fixed(tasks), name
        assert replace(plain, profile=replace(PROFILE, name="other")).fixed(tasks) != plain.fixed(tasks)
        assert plain.fixed(tasks[:2]) != plain.fixed(tasks)
        assert plain.fixed((replace(tasks[0], train=tasks[1].train), *tasks[1:])) != plain.fixed(tasks)


class TestNewRun:
    def test_every_query_has_its_fallback_from_the_first_moment(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        state = fresh(tmp_path, tasks)
        queries = [query for task in tasks for query in task.queries()]
        assert list(state.answers) == queries
        for task in tasks:
            for query in task.queries():
                assert state.answers[query] == fallback(task, query.index)
        assert state.records == {}
        assert state.found == {task.id: [] for task in tasks}
        assert not (tmp_path / "run").exists()

    def test_the_scheduler_gets_the_tasks_easiest_first_and_the_settings(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        scheduler = fresh(tmp_path, tasks[::-1]).scheduler
        assert scheduler.waiting == [task.id for task in tasks]
        assert scheduler.policy.stop == BEGAN + 594.0
        assert (scheduler.policy.workers, scheduler.policy.passes) == (2, 3)

    def test_seconds_left_are_those_of_the_whole_budget(self, tmp_path: Path) -> None:
        now = BEGAN
        state = new_run(make_settings(tmp_path), make_tasks(1), lambda: now)
        assert state.left() == 600.0
        now += 700.0
        assert state.left() == -100.0


class TestVote:
    def test_each_test_input_has_its_own_ballot(self, tmp_path: Path) -> None:
        state = fresh(tmp_path, make_tasks(2))
        one, two = Query("task01", 0), Query("task01", 1)
        state.found["task01"] = [candidate(one, A), candidate(two, B), candidate(one, A), candidate(one, C)]
        assert state.candidates(one) == [candidate(one, A), candidate(one, A), candidate(one, C)]
        first, second = state.vote("task01")
        assert first == Attempts(A, C)
        assert second.first == B != second.second

    def test_without_candidates_it_is_the_fallback(self, tmp_path: Path) -> None:
        tasks = make_tasks(2)
        assert fresh(tmp_path, tasks).vote("task01") == tuple(fallback(tasks[1], index) for index in range(2))

    def test_the_vote_is_the_one_asked_for(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        query = Query("task00", 0)
        # A is said most often, B and C by more symmetries.
        found = [candidate(query, A)] * 5 + [
            candidate(query, grid, dihedral) for grid in (B, C) for dihedral in (Dihedral.ROT90, Dihedral.ROT180)
        ]
        answers = {}
        for vote in VOTES:
            state = fresh(tmp_path, tasks, vote=vote)
            state.found["task00"] = list(found)
            answers[vote] = state.vote("task00")[0]
        assert answers == {"flat": Attempts(A, B), "hierarchical": Attempts(B, C)}

    def test_doubt(self, tmp_path: Path) -> None:
        state = fresh(tmp_path, make_tasks(2))
        one, two = Query("task01", 0), Query("task01", 1)
        assert state.doubt("task01") == 1
        state.found["task01"] = [candidate(one, A)]
        assert state.doubt("task01") == 1, "one test input without a candidate"
        state.found["task01"] += [candidate(two, A)] * 3 + [candidate(two, B)]
        assert state.doubt("task01") == 0.25
        state.found["task01"] += [candidate(one, B)]
        assert state.doubt("task01") == 0.5
        state.found["task00"] = [candidate(Query("task00", 0), C)] * 2
        assert state.doubt("task00") == 0


class TestResume:
    def test_finished_tasks_come_back_with_all_they_had(self, tmp_path: Path) -> None:
        tasks = make_tasks(4)
        records = (record(tasks[1], Outcome.DONE), record(tasks[2], Outcome.DONE), record(tasks[2], Outcome.DONE, 1, B))
        write_journal(make_settings(tmp_path), tasks, *records)
        state = fresh(tmp_path, tasks, resume=True)
        assert state.records == {"task01": records[0], "task02": records[2]}
        assert state.found["task02"] == list(records[2].candidates)
        assert state.answers[Query("task01", 1)] == Attempts(A, C)
        assert state.answers[Query("task02", 0)] == Attempts(B, C)
        assert state.scheduler.waiting == ["task00", "task03"]
        assert state.scheduler.passes == {"task01": 1, "task02": 2}
        assert state.scheduler.doubt == {"task01": 0, "task02": 0}

    @pytest.mark.parametrize("status", [Outcome.TIMED_OUT, Outcome.FAILED])
    def test_a_first_pass_without_end_begins_anew_and_its_answer_stands_until_then(
        self, tmp_path: Path, status: Outcome
    ) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path), tasks, record(tasks[0], status))
        state = fresh(tmp_path, tasks, resume=True)
        assert state.scheduler.waiting == ["task00"]
        assert state.scheduler.passes == {}
        assert state.records == {}
        assert state.found == {"task00": []}
        assert state.answers[Query("task00", 0)] == Attempts(A, C)

    @pytest.mark.parametrize(("status", "passes"), [(Outcome.TIMED_OUT, 2), (Outcome.FAILED, 1)])
    def test_a_later_pass_without_end_leaves_the_task_finished(
        self, tmp_path: Path, status: Outcome, passes: int
    ) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path), tasks, record(tasks[0], Outcome.DONE), record(tasks[0], status, 1, B))
        state = fresh(tmp_path, tasks, resume=True)
        assert state.scheduler.waiting == []
        assert state.scheduler.passes == {"task00": passes}
        assert state.answers[Query("task00", 0)].first == (B if passes == 2 else A)

    def test_without_a_journal_it_is_a_new_run(self, tmp_path: Path) -> None:
        assert fresh(tmp_path, make_tasks(2), resume=True).scheduler.waiting == ["task00", "task01"]

    def test_every_earlier_start_must_agree(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        write_journal(make_settings(tmp_path), tasks)
        write_journal(make_settings(tmp_path, seed=6), tasks)
        for seed in (5, 6):
            with pytest.raises(InputError, match="seed was"):
                fresh(tmp_path, tasks, resume=True, seed=seed)

    def test_a_journal_of_something_else(self, tmp_path: Path) -> None:
        tasks = make_tasks(1)
        path = make_settings(tmp_path).journal
        path.parent.mkdir()
        for text in ("rubbish\nrubbish\n", '{"event":"task","task_id":"task00"}\n{"event":"end"}\n'):
            path.write_text(text)
            with pytest.raises(InputError):
                fresh(tmp_path, tasks, resume=True)
