"""Whole runs with real processes that misbehave on demand, and no model."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from solver import runner
from solver.attempts import Attempts, check_submission, read_submission
from solver.crew import LIVES, Crew
from solver.fusion import fuse
from solver.grid import InputError
from solver.history import finished_tasks
from solver.journal import Journal, read_journal
from solver.profiles import Decode
from solver.records import TASK_EVENT, Outcome, TaskRecord
from solver.run_state import Run, new_run
from solver.runner import _seed, run
from solver.scheduler import MAX_TRIES
from solver.settings import Settings
from solver.task import Task
from solver.voting import choose, fallback, hierarchical_vote, poe_vote
from tests.fake_worker import PROFILE, Script, answers, make_tasks, scores

AMPLE = 120.0
"""A budget that no run of this file needs, however busy the machine is."""


class Silent:
    """A watcher that only looks on."""

    def started(self, run: Run) -> None: ...

    def changed(self, run: Run) -> None: ...

    def ended(self, run: Run) -> None: ...


class Poll:
    """Reads the submission file over and over while a run works, and remembers every flaw it sees."""

    def __init__(self, path: Path, tasks: Sequence[Task]) -> None:
        self.path, self.tasks = path, tasks
        self.flaws: list[str] = []
        self.versions: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.look()

    def look(self) -> None:
        if not self.path.exists():
            # It may be missing until it is first written, never afterwards.
            if self.versions:
                self.flaws.append("gone")
            return
        text = self.path.read_text()
        self.versions.add(text)
        try:
            self.flaws += check_submission(json.loads(text), self.tasks, "submission")
        except ValueError as error:
            self.flaws.append(str(error))

    def __enter__(self) -> Poll:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.look()


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Runs tasks with fake workers; whatever happens, the submission must be valid at every moment."""

    def start(tasks: Sequence[Task], script: Script | None = None, watcher: Any = None, **changes: Any) -> Run:
        monkeypatch.setattr(runner, "enter", script or Script(tmp_path))
        settings = make_settings(tmp_path, **changes)
        with Poll(settings.output, tasks) as poll:
            state = run(settings, tasks, watcher or Silent())
            left = settings.began + settings.budget - time.monotonic()
        assert poll.flaws == []
        assert poll.versions
        assert left >= 0, "the run passed its budget"
        return state

    return start


def make_settings(folder: Path, **changes: Any) -> Settings:
    settings = Settings(
        output=folder / "submission.json",
        run_dir=folder / "run",
        profiles=(PROFILE,),
        budget=AMPLE,
        began=time.monotonic(),
        devices=("cpu", "cpu"),
        ttt_steps=0,
        seed=7,
    )
    return replace(settings, **changes)


def expected(task: Task, seed: int = 7, passes: int = 1) -> tuple[Attempts, ...]:
    """The attempts of a task that nothing went wrong with."""
    found = [one for number in range(passes) for one in answers(task, _seed(seed, task.id, number))]
    by_query = {query: [one for one in found if one.query == query] for query in task.queries()}
    return tuple(
        choose(hierarchical_vote(by_query[query]), task, query, [one.grid for one in by_query[query]])
        for query in task.queries()
    )


def written(folder: Path, task: Task) -> tuple[Attempts, ...]:
    submission = read_submission(folder / "submission.json")
    return tuple(submission[query] for query in task.queries())


def fallbacks(task: Task) -> tuple[Attempts, ...]:
    return tuple(fallback(task, index) for index in range(len(task.test_inputs)))


def journal(folder: Path) -> list[dict[str, Any]]:
    return read_journal(folder / "run" / "journal.jsonl")


def done(folder: Path) -> dict[str, TaskRecord]:
    return finished_tasks(journal(folder))


Play = Callable[..., Run]


class TestUndisturbed:
    def test_every_task_is_answered_recorded_and_written(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(5)
        state = play(tasks)
        for task in tasks:
            assert written(tmp_path, task) == expected(task) != fallbacks(task)
            assert state.bases[0].records[task.id].attempts == expected(task)
        assert state.problems == []
        assert sorted(Script(tmp_path).read("jobs")) == [f"{task.id} 0" for task in tasks]

    def test_a_whole_submission_is_there_before_any_work_begins(self, tmp_path: Path, play: Play) -> None:
        class Early(Silent):
            def started(self, run: Run) -> None:
                assert all(written(tmp_path, task) == fallbacks(task) for task in tasks)
                assert Script(tmp_path).read("workers") == []

        tasks = make_tasks(2)
        play(tasks, watcher=Early())

    def test_a_jobs_seed_depends_on_the_run_the_task_and_the_pass_alone(self) -> None:
        seeds = [_seed(seed, task_id, number) for seed in range(3) for task_id in ("a", "b") for number in range(3)]
        assert len(set(seeds)) == len(seeds)
        # The same on every machine and in every process.
        assert _seed(0, "00d62c1b", 0) == 235632174633216

    def test_the_journal_tells_the_run_from_start_to_end(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        play(tasks, devices=("cpu",))
        events = journal(tmp_path)
        assert [event["event"] for event in events] == ["run", "worker", "task", "task", "task", "end"]
        assert events[0]["seed"] == 7
        assert events[0]["task_count"] == 3
        assert events[1]["device"] == "fake"
        # The shortest task first.
        assert [event["task_id"] for event in events[2:5]] == ["task00", "task01", "task02"]
        assert events[-1]["problems"] == []
        assert 0 < events[-1]["seconds"] <= AMPLE
        records = done(tmp_path)
        assert all(record.status is Outcome.DONE for record in records.values())
        for task in tasks:
            assert records[task.id].candidates == answers(task, _seed(7, task.id, 0))
            assert records[task.id].attempts == expected(task)

    def test_answers_do_not_depend_on_workers_or_order(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        play(tasks[::-1], devices=("cpu",) * 3)
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def test_further_passes_add_candidates(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        state = play(tasks, passes=3)
        assert all(written(tmp_path, task) == expected(task, passes=3) for task in tasks)
        assert all(len(state.bases[0].records[task.id].candidates) == 9 * len(task.test_inputs) for task in tasks)

    def test_a_worker_that_still_loads_is_not_waited_for(self, tmp_path: Path, play: Play) -> None:
        state = play(make_tasks(2), Script(tmp_path, load={1: 1000.0}), budget=60.0)
        assert len(state.bases[0].records) == 2
        assert journal(tmp_path)[-1]["seconds"] < 30

    def test_no_time_at_all_still_gives_a_submission(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        state = play(tasks, began=time.monotonic() - AMPLE + 1)
        assert state.bases[0].records == {}
        assert all(written(tmp_path, task) == fallbacks(task) for task in tasks)
        assert Script(tmp_path).read("workers") == []


class TestDeaths:
    def test_a_task_that_kills_one_worker_is_tried_again(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        state = play(tasks, Script(tmp_path, deaths={"task01": 1}))
        assert Script(tmp_path).read("jobs").count("task01 0") == 2
        assert state.bases[0].records["task01"].status is Outcome.DONE
        assert len(state.problems) == 1
        assert "exit code -9" in state.problems[0]
        assert "task01" in state.problems[0]
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def test_the_lost_try_and_its_repetition_do_not_vote_twice(self, tmp_path: Path, play: Play) -> None:
        state = play(make_tasks(2), Script(tmp_path, deaths={"task01": 1}), passes=2)
        counts = {task_id: len(record.candidates) for task_id, record in state.bases[0].records.items()}
        assert counts == {"task00": 6, "task01": 12}

    def test_a_task_that_always_kills_is_given_up_and_costs_no_other(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        state = play(tasks, Script(tmp_path, deaths={"task01": 99}), passes=2)
        assert Script(tmp_path).read("jobs").count("task01 0") == MAX_TRIES
        assert state.bases[0].records["task01"].status is Outcome.FAILED
        assert "exit code -9" in (state.bases[0].records["task01"].error or "")
        # What it had found before it died still counts.
        assert written(tmp_path, tasks[1]) == expected(tasks[1])
        for task in (tasks[0], tasks[2], tasks[3]):
            assert state.bases[0].records[task.id].status is Outcome.DONE
            assert written(tmp_path, task) == expected(task, passes=2)

    def test_deaths_with_work_done_in_between_never_end_it(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(LIVES + 3)
        state = play(tasks, Script(tmp_path, deaths={task.id: 1 for task in tasks}), devices=("cpu",))
        assert len(state.problems) == len(tasks)
        assert {record.status for record in state.bases[0].records.values()} == {Outcome.DONE}
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def test_all_tasks_kill_their_workers(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(6)
        state = play(tasks, Script(tmp_path, deaths={task.id: 99 for task in tasks}), devices=("cpu",))
        # One worker has so many lives, enough for two tries at two tasks.
        tried = set(Script(tmp_path).read("jobs"))
        assert len(Script(tmp_path).read("workers")) == LIVES + 1
        assert len(tried) == 2
        for task in tasks:
            assert written(tmp_path, task) == (expected(task) if f"{task.id} 0" in tried else fallbacks(task))
        assert len(state.problems) == LIVES + 1

    def test_candidates_of_a_task_that_was_never_tried_again_count(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(1)
        # Its worker dies on the first try, the next one hangs while it loads.
        script = Script(tmp_path, deaths={"task00": 1}, good_starts=1)
        state = play(tasks, script, devices=("cpu",), budget=4.5)
        assert written(tmp_path, tasks[0]) == expected(tasks[0])
        assert state.bases[0].records["task00"].status is Outcome.TIMED_OUT

    def test_a_worker_that_leaves_between_two_jobs(self, tmp_path: Path, play: Play) -> None:
        class Slow(Silent):
            """Keeps the runner busy until the worker that just answered is surely gone."""

            def changed(self, run: Run) -> None:
                if "task00" in run.bases[0].records:
                    time.sleep(0.5)

        tasks = make_tasks(2)
        script = Script(tmp_path, leaves_after=frozenset({"task00"}))
        state = play(tasks, script, Slow(), devices=("cpu",))
        assert all(state.bases[0].records[task.id].status is Outcome.DONE for task in tasks)
        assert len(state.problems) == 1

    def test_workers_that_die_while_loading_are_not_started_for_ever(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        state = play(tasks, Script(tmp_path, deaths_loading=frozenset({0})), devices=("cpu",))
        assert len(Script(tmp_path).read("workers")) == LIVES + 1
        assert len(state.problems) == LIVES + 1
        assert all(written(tmp_path, task) == fallbacks(task) for task in tasks)

    def test_one_dead_worker_leaves_the_work_to_the_other(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        play(tasks, Script(tmp_path, deaths_loading=frozenset({0})))
        assert all(written(tmp_path, task) == expected(task) for task in tasks)


class TestFaults:
    def test_a_failed_task_keeps_its_candidates_and_costs_no_other(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        state = play(tasks, Script(tmp_path, faults=frozenset({"task02"})))
        record = state.bases[0].records["task02"]
        assert record.status is Outcome.FAILED
        assert record.error == "RuntimeError: no luck\nTraceback"
        assert state.problems == []
        assert all(written(tmp_path, task) == expected(task) for task in tasks)
        assert done(tmp_path)["task02"] == record

    def test_no_worker_finds_its_base(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, Script(tmp_path, unusable=frozenset({0, 1})))
        assert state.problems == ["worker 0: no such base", "worker 1: no such base"] or state.problems == [
            "worker 1: no such base",
            "worker 0: no such base",
        ]
        assert all(written(tmp_path, task) == fallbacks(task) for task in tasks)
        events = journal(tmp_path)
        assert [event["event"] for event in events] == ["run", "problem", "problem", "end"]
        assert events[-1]["problems"] == state.problems
        # At once: nobody waits for the end of the budget.
        assert events[-1]["seconds"] < AMPLE / 2

    def test_a_worker_without_memory_for_its_base_is_started_again(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, Script(tmp_path, crowded=2), devices=("cpu",))
        assert state.problems == ["worker 0: out of memory"] * 2
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def test_a_worker_that_never_finds_memory_is_given_up(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, Script(tmp_path, crowded=99), devices=("cpu",))
        assert len(Script(tmp_path).read("workers")) == len(state.problems) == LIVES + 1
        assert all(written(tmp_path, task) == fallbacks(task) for task in tasks)

    def test_one_worker_without_a_base_leaves_the_work_to_the_other(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        # The good worker takes its time, so that the other is gone before the work is done.
        state = play(tasks, Script(tmp_path, unusable=frozenset({0}), load={1: 4.0}))
        assert all(written(tmp_path, task) == expected(task) for task in tasks)
        assert state.bases[0].scheduler.policy.workers == 1


class TestTime:
    def test_hanging_workers_never_make_a_run_late_and_what_they_found_counts(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, Script(tmp_path, hangs=frozenset({"task00", "task01"})), budget=4.5)
        for task in tasks[:2]:
            assert state.bases[0].records[task.id].status is Outcome.TIMED_OUT
            assert written(tmp_path, task) == expected(task) != fallbacks(task)
        assert "task02" not in state.bases[0].records
        assert written(tmp_path, tasks[2]) == fallbacks(tasks[2])
        events = journal(tmp_path)
        assert events[-1]["event"] == "end"
        assert done(tmp_path).keys() == {"task00", "task01"}

    def test_a_hung_worker_is_replaced_and_its_task_tried_again(
        self, tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runner, "GRACE", 0.0)
        tasks = make_tasks(4)
        state = play(tasks, Script(tmp_path, hangs=frozenset({"task00"})), budget=8.0, devices=("cpu",))
        assert all(state.bases[0].records[task.id].status is Outcome.DONE for task in tasks[1:])
        assert state.bases[0].records["task00"].status is not Outcome.DONE
        assert written(tmp_path, tasks[0]) == expected(tasks[0]) != fallbacks(tasks[0])
        assert "was killed 0 s past its time on task task00; the task is tried again" in state.problems[0]

    def test_a_worker_that_never_answers_does_not_make_a_run_late(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks, Script(tmp_path, load={0: 1000.0, 1: 1000.0}), budget=3.0)
        assert all(written(tmp_path, task) == fallbacks(task) for task in tasks)

    def test_no_process_outlives_the_run(self, tmp_path: Path, play: Play) -> None:
        import multiprocessing

        play(make_tasks(2), Script(tmp_path, hangs=frozenset({"task00"})), budget=4.0)
        assert multiprocessing.active_children() == []

    def test_an_interrupted_run_still_ends_in_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Impatient(Silent):
            def changed(self, run: Run) -> None:
                if run.bases[0].found["task00"]:
                    raise KeyboardInterrupt

        tasks = make_tasks(2)
        monkeypatch.setattr(runner, "enter", Script(tmp_path, hangs=frozenset({"task00"})))
        with pytest.raises(KeyboardInterrupt):
            run(make_settings(tmp_path, devices=("cpu",)), tasks, Impatient())
        assert journal(tmp_path)[-1]["event"] == "end"
        assert written(tmp_path, tasks[0]) == expected(tasks[0])
        assert written(tmp_path, tasks[1]) == fallbacks(tasks[1])


class TestResume:
    def test_finished_tasks_stay_as_they_are(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        play(tasks, Script(tmp_path, short=frozenset({"task02 0"}), faults=frozenset({"task03"})))
        before = done(tmp_path)
        assert [before[task.id].status for task in tasks] == [
            Outcome.DONE,
            Outcome.DONE,
            Outcome.TIMED_OUT,
            Outcome.FAILED,
        ]
        (tmp_path / "jobs").unlink()
        state = play(tasks, resume=True)
        assert sorted(Script(tmp_path).read("jobs")) == ["task02 0", "task03 0"]
        assert all(written(tmp_path, task) == expected(task) for task in tasks)
        assert state.bases[0].records["task00"] == before["task00"]
        assert all(len(state.bases[0].records[task.id].candidates) == 3 * len(task.test_inputs) for task in tasks)
        assert [event["event"] for event in journal(tmp_path)].count("run") == 2

    def test_a_finished_run_starts_no_worker(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks)
        (tmp_path / "workers").unlink()
        (tmp_path / "submission.json").unlink()
        play(tasks, resume=True)
        assert Script(tmp_path).read("workers") == []
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def test_a_resumed_run_can_use_time_for_further_passes(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks)
        play(tasks, resume=True, passes=2)
        assert sorted(Script(tmp_path).read("jobs")) == ["task00 0", "task00 1", "task01 0", "task01 1"]
        assert all(written(tmp_path, task) == expected(task, passes=2) for task in tasks)

    def test_a_further_pass_that_was_cut_short_keeps_what_the_first_found(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(1)
        play(tasks)
        play(tasks, Script(tmp_path, short=frozenset({"task00 1"})), resume=True, passes=2)
        assert done(tmp_path)["task00"].status is Outcome.TIMED_OUT
        play(tasks, resume=True)
        assert written(tmp_path, tasks[0]) == expected(tasks[0], passes=2)
        assert Script(tmp_path).read("jobs") == ["task00 0", "task00 1"]

    def test_what_was_cut_short_is_not_lost_if_it_is_not_reached_again(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks, Script(tmp_path, short=frozenset({"task00 0"}), faults=frozenset({"task01"})))
        assert all(written(tmp_path, task) == expected(task) for task in tasks)
        play(tasks, resume=True, began=time.monotonic() - AMPLE + 1)
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def test_a_run_killed_before_its_first_line_begins_anew(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(1)
        path = tmp_path / "run" / "journal.jsonl"
        path.parent.mkdir()
        path.write_bytes(b'{"seq":0,"ti')
        play(tasks, resume=True)
        assert written(tmp_path, tasks[0]) == expected(tasks[0])
        assert journal(tmp_path)[0]["event"] == "run"


class TestScores:
    def expected(self, task: Task, passes: int) -> tuple[Attempts, ...]:
        """By the scores that the last pass gave to what all passes have found."""
        found = [one for number in range(passes) for one in answers(task, _seed(7, task.id, number))]
        given = scores(task, found, passes - 1)
        rated = [replace(one, score=given[one.query][one.grid]) for one in found]
        return tuple(one.attempts for one in fuse(task, rated, poe_vote))

    def test_they_decide_and_come_back_with_a_resumed_run(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        play(tasks, vote="poe")
        assert all(written(tmp_path, task) == self.expected(task, 1) for task in tasks)
        (tmp_path / "submission.json").unlink()
        play(tasks, vote="poe", resume=True)
        assert all(written(tmp_path, task) == self.expected(task, 1) for task in tasks)
        # The last pass's scores of all candidates count, not those that the first pass gave to its own.
        play(tasks, vote="poe", resume=True, passes=2)
        assert all(written(tmp_path, task) == self.expected(task, 2) for task in tasks)
        assert any(self.expected(task, 1) != self.expected(task, 2) for task in tasks)
        play(tasks, vote="poe", resume=True)
        assert all(written(tmp_path, task) == self.expected(task, 2) for task in tasks)

    def test_a_further_pass_is_told_what_the_first_found(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks, passes=2)
        told = [json.loads(line) for line in Script(tmp_path).read("told")]
        counts = {(one["task"], one["number"]): one["model"] for one in told}
        inputs = {task.id: len(task.test_inputs) for task in tasks}
        assert counts == {(task, number): 3 * number * inputs[task] for task in inputs for number in range(2)}
        assert all(one["closed"] for one in told)


class TestRefusals:
    """Before anything is written or started."""

    @pytest.fixture
    def earlier(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Task, ...]:
        tasks = make_tasks(2)
        settings = make_settings(tmp_path)
        with Journal(settings.journal) as recorded:
            recorded.append("run", **settings.to_json(tasks))
            for task in tasks:
                record = TaskRecord(task.id, Outcome.DONE, attempts=expected(task))
                recorded.append(TASK_EVENT, **record.to_json())
        settings.output.write_text("precious")
        monkeypatch.setattr(Crew, "seat", lambda *_: pytest.fail("a worker was started"))
        return tasks

    def refused(self, folder: Path, tasks: Sequence[Task], message: str, **changes: Any) -> None:
        before = (folder / "run" / "journal.jsonl").read_bytes()
        with pytest.raises(InputError, match=message) as caught:
            run(make_settings(folder, **changes), tasks, Silent())
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(str(folder / "run" / "journal.jsonl"))
        assert (folder / "submission.json").read_text() == "precious"
        assert (folder / "run" / "journal.jsonl").read_bytes() == before

    def test_a_journal_without_resume(self, tmp_path: Path, earlier: tuple[Task, ...]) -> None:
        self.refused(tmp_path, earlier, "--resume")

    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"seed": 8}, "seed was 7, now it is 8"),
            ({"profiles": (replace(PROFILE, name="other"),)}, r"bases was \['fake'\], now it is \['other'\]"),
            ({"quantize": "none"}, "quantize was 'nf4', now it is 'none'"),
            ({"decode": Decode.DFS}, "decode was 'greedy', now it is 'dfs'"),
            ({"ttt": False}, "ttt was True, now it is False"),
            ({"ttt_steps": 3}, "ttt_steps was 0, now it is 3"),
        ],
    )
    def test_another_setting(
        self, tmp_path: Path, earlier: tuple[Task, ...], change: dict[str, Any], name: str
    ) -> None:
        self.refused(tmp_path, earlier, name, resume=True, **change)

    def test_other_tasks(self, tmp_path: Path, earlier: tuple[Task, ...]) -> None:
        self.refused(tmp_path, make_tasks(3), "other tasks were recorded there", resume=True)
        changed = replace(earlier[0], test_inputs=earlier[1].test_inputs)
        self.refused(tmp_path, (changed, earlier[1]), "other tasks were recorded there", resume=True)

    def test_the_order_of_the_tasks_does_not_matter(self, tmp_path: Path, earlier: tuple[Task, ...]) -> None:
        state = new_run(make_settings(tmp_path, resume=True), earlier[::-1], time.monotonic)
        assert state.bases[0].records.keys() == {"task00", "task01"}
