"""Whole runs of both channels, or of the program search alone, with real processes and neither model nor search."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from solver import runner
from solver.attempts import Attempts
from solver.crew import LIVES
from solver.fusion import Branch, Fused, fuse
from solver.history import finished_searches, finished_tasks
from solver.journal import read_journal
from solver.records import Outcome, SearchRecord
from solver.run_state import Run
from solver.runner import _seed, run
from solver.scheduler import MAX_TRIES, SEARCH_LONGEST_ALONE, SEARCH_SHARE
from solver.task import Task
from solver.voting import fallback, hierarchical_vote
from tests.fake_search import SearchScript, program_answers, program_candidates
from tests.fake_worker import Script, answers, make_tasks
from tests.test_runner import Poll, Silent, journal, make_settings, written


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Runs tasks with fake workers of both kinds; the submission must be valid at every moment."""

    def start(
        tasks: Sequence[Task],
        searching: SearchScript | None = None,
        script: Script | None = None,
        watcher: Any = None,
        **changes: Any,
    ) -> Run:
        monkeypatch.setattr(runner, "enter", script or Script(tmp_path))
        monkeypatch.setattr(runner, "enter_search", searching or SearchScript(tmp_path))
        settings = make_settings(tmp_path, **{"searchers": 2, **changes})
        with Poll(settings.output, tasks) as poll:
            state = run(settings, tasks, watcher or Silent())
            left = settings.began + settings.budget - time.monotonic()
        assert poll.flaws == []
        assert poll.versions
        assert left >= 0, "the run passed its budget"
        assert multiprocessing.active_children() == []
        return state

    return start


Play = Callable[..., Run]
ONLY_SEARCH = {"profiles": (), "devices": ()}
GPU = {"devices": ("cuda:0",), "searchers": 1}


def fused(task: Task, model: bool = True, programs: bool = True, passes: int = 1) -> tuple[Fused, ...]:
    """What a task gets when nothing goes wrong."""
    found = [one for number in range(passes) for one in answers(task, _seed(7, task.id, number))] if model else []
    return fuse(task, [*found, *(program_candidates(task) if programs else ())], hierarchical_vote)


def expected(task: Task, **changes: Any) -> tuple[Attempts, ...]:
    return tuple(one.attempts for one in fused(task, **changes))


def searches(folder: Path) -> dict[str, SearchRecord]:
    return finished_searches(journal(folder))


class TestBothChannels:
    def test_every_test_input_gets_what_both_channels_say(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(6)
        state = play(tasks)
        for task in tasks:
            assert written(tmp_path, task) == expected(task)
            record = state.bases[0].records[task.id]
            assert record.branches == tuple(one.branch for one in fused(task))
            assert record.candidates == answers(task, _seed(7, task.id, 0))
        assert state.problems == []
        assert {branch for record in state.bases[0].records.values() for branch in record.branches} == {
            Branch.PROGRAM_FIRST,
            Branch.MODEL_FIRST,
            Branch.MODEL_ONLY,
        }

    def test_the_journal_holds_an_account_of_every_search(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(5)
        state = play(tasks, devices=("cpu",), searchers=1)
        kinds = [event["event"] for event in journal(tmp_path)]
        assert kinds == ["run", "searcher", *["search"] * 5, "worker", *["task"] * 5, "end"]
        assert searches(tmp_path) == state.searches
        for task in tasks:
            record = state.searches[task.id]
            assert (record.status, record.stop, record.states, record.error) == (Outcome.DONE, "exhausted", 77, None)
            assert record.candidates == program_candidates(task)
            assert record.attempts == expected(task, model=False)
            assert record.answers == len(program_answers(task))
            assert record.perfect == sum(answer.perfect for answer in program_answers(task))
        unique = [record.unique for record in state.searches.values()]
        assert unique == [True, True, False, False, False]
        started = journal(tmp_path)[0]
        assert (started["channels"], started["searchers"]) == (["ttt", "search"], 1)

    def test_in_turns_all_search_first_and_what_a_short_program_solves_is_left_for_last(
        self, tmp_path: Path, play: Play
    ) -> None:
        tasks = make_tasks(6)
        play(tasks, devices=("cpu",), searchers=1)
        events = journal(tmp_path)
        ended = max(event["time"] for event in events if event["event"] == "search")
        assert all(event["time"] >= ended for event in events if event["event"] in ("worker", "task"))
        jobs = [line.split()[0] for line in Script(tmp_path).read("jobs")]
        assert jobs == ["task01", "task02", "task04", "task03", "task00", "task05"]

    def test_in_turns_every_search_is_told_its_share(self, tmp_path: Path, play: Play) -> None:
        play(make_tasks(6), devices=("cpu",), searchers=1, budget=100.0, search_memory=4321)
        told = [line.split() for line in SearchScript(tmp_path).read("searches")]
        # The first gets a sixth of a quarter, and leaves the others nearly all of it.
        share = SEARCH_SHARE * 100 / 6
        assert 0.8 * share < float(told[0][1]) <= share
        assert {memory for _, _, memory, _ in told} == {"4321"}
        assert all(float(seconds) <= SEARCH_SHARE * 100 for _, seconds, _, _ in told)

    def test_no_further_pass_for_what_a_unique_program_solves(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        play(tasks, passes=2)
        assert sorted(Script(tmp_path).read("jobs")) == ["task00 0", "task01 0", "task02 0", "task02 1"]
        assert written(tmp_path, tasks[2]) == expected(tasks[2], passes=2)

    def test_beside_a_gpu_both_work_from_the_start(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks, SearchScript(tmp_path, pause=2.0), **GPU)
        kinds = [event["event"] for event in journal(tmp_path) if event["event"] in ("task", "search")]
        assert kinds == ["task", "task", "search", "search"]
        assert all(written(tmp_path, task) == expected(task) for task in tasks)
        assert all(float(line.split()[1]) > 50 for line in SearchScript(tmp_path).read("searches"))

    def test_what_one_channel_has_stands_while_the_other_works(self, tmp_path: Path, play: Play) -> None:
        seen: list[tuple[str, tuple[Attempts, ...]]] = []

        class Look(Silent):
            def changed(self, run: Run) -> None:
                (base,) = run.bases
                state = ("model" if "task02" in base.records else "") + ("search" if "task02" in run.searches else "")
                if state and state not in [name for name, _ in seen]:
                    seen.append((state, written(tmp_path, make_tasks(3)[2])))

        task = make_tasks(3)[2]
        play([task], SearchScript(tmp_path, pause=3.0), watcher=Look(), **GPU)
        assert seen == [("model", expected(task, programs=False)), ("modelsearch", expected(task))]
        seen.clear()
        (tmp_path / "run" / "journal.jsonl").unlink()
        play([task], SearchScript(tmp_path), Script(tmp_path, pause=1.5), watcher=Look(), searchers=1)
        assert seen == [("search", expected(task, model=False)), ("modelsearch", expected(task))]


class TestSearchAlone:
    def test_no_model_is_started(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(5)
        state = play(tasks, **ONLY_SEARCH)
        assert Script(tmp_path).read("workers") == []
        for task in tasks:
            assert written(tmp_path, task) == expected(task, model=False)
        assert written(tmp_path, tasks[4]) == (fallback(tasks[4], 0),)
        assert state.bases == ()
        assert journal(tmp_path)[0]["channels"] == ["search"]
        assert journal(tmp_path)[0]["bases"] == []

    def test_each_task_may_take_long(self, tmp_path: Path, play: Play) -> None:
        play(make_tasks(1), **ONLY_SEARCH, budget=10_000.0)
        assert float(SearchScript(tmp_path).read("searches")[0].split()[1]) == pytest.approx(SEARCH_LONGEST_ALONE, 0.1)

    def test_no_more_workers_than_tasks(self, tmp_path: Path, play: Play) -> None:
        play(make_tasks(2), **ONLY_SEARCH, searchers=8)
        assert len(SearchScript(tmp_path).read("searchers")) <= 2


class TestDeaths:
    def test_a_task_that_kills_one_search_is_tried_again(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        state = play(tasks, SearchScript(tmp_path, deaths={"task01": 1}))
        assert SearchScript(tmp_path).searched().count("task01") == 2
        assert all(written(tmp_path, task) == expected(task) for task in tasks)
        assert len(state.problems) == 1
        assert "died (exit code -9) on task task01; the task is tried again" in state.problems[0]
        assert state.problems[0].startswith("search worker ")

    def test_a_task_that_always_kills_costs_its_search_alone(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        state = play(tasks, SearchScript(tmp_path, deaths={"task01": 99}))
        assert SearchScript(tmp_path).searched().count("task01") == MAX_TRIES
        assert state.searches["task01"].status is Outcome.FAILED
        assert "exit code -9" in (state.searches["task01"].error or "")
        assert written(tmp_path, tasks[1]) == expected(tasks[1], programs=False)
        for task in (tasks[0], *tasks[2:]):
            assert written(tmp_path, task) == expected(task)

    def test_all_searches_kill(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(6)
        state = play(tasks, SearchScript(tmp_path, deaths={task.id: 99 for task in tasks}), searchers=1)
        assert len(SearchScript(tmp_path).read("searchers")) == LIVES + 1
        assert len(state.problems) == LIVES + 1
        assert all(written(tmp_path, task) == expected(task, programs=False) for task in tasks)

    def test_both_channels_lose_a_worker_on_the_same_task(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, SearchScript(tmp_path, deaths={"task01": 1}), Script(tmp_path, deaths={"task01": 1}))
        assert len(state.problems) == 2
        assert all(written(tmp_path, task) == expected(task) for task in tasks)
        assert len(state.bases[0].records["task01"].candidates) == 3 * len(tasks[1].test_inputs)

    def test_a_search_that_cannot_be_loaded_leaves_the_work_to_the_model(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, SearchScript(tmp_path, unusable=frozenset(range(3))), searchers=3)
        assert state.problems == ["search worker 0: the program search does not start: ImportError: no compiler"]
        assert SearchScript(tmp_path).read("searchers") == ["0"], "the others were not spared"
        assert all(written(tmp_path, task) == expected(task, programs=False) for task in tasks)

    def test_searches_that_die_while_loading_are_not_started_for_ever(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, SearchScript(tmp_path, deaths_loading=frozenset(range(3))), searchers=3)
        assert SearchScript(tmp_path).read("searchers") == ["0"] * (LIVES + 1)
        assert len(state.problems) == LIVES + 1
        assert all(written(tmp_path, task) == expected(task, programs=False) for task in tasks)

    def test_without_a_model_nothing_is_left_to_do(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks, SearchScript(tmp_path, unusable=frozenset({0, 1})), **ONLY_SEARCH)
        assert written(tmp_path, tasks[0]) == (fallback(tasks[0], 0),)
        assert journal(tmp_path)[-1]["seconds"] < 60

    def test_without_a_base_the_search_goes_on(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        script = Script(tmp_path, unusable=frozenset({0}))
        state = play(tasks, SearchScript(tmp_path, pause=1.0), script, **GPU)
        assert state.problems == ["worker 0: no such base"]
        assert all(written(tmp_path, task) == expected(task, model=False) for task in tasks)

    def test_a_search_that_raises_is_recorded_as_failed(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, SearchScript(tmp_path, faults=frozenset({"task01"})))
        assert state.searches["task01"].status is Outcome.FAILED
        assert (state.searches["task01"].error or "").startswith("ValueError: no luck\n")
        assert SearchScript(tmp_path).searched().count("task01") == 1
        assert state.problems == []
        assert written(tmp_path, tasks[1]) == expected(tasks[1], programs=False)
        assert written(tmp_path, tasks[2]) == expected(tasks[2])


class TestTime:
    def test_a_search_that_hangs_is_killed_and_makes_room_for_the_model(
        self, tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runner, "SEARCH_GRACE", 0.2)
        tasks = make_tasks(3)
        script = SearchScript(tmp_path, hangs=frozenset({"task01"}))
        state = play(tasks, script, devices=("cpu",), searchers=1, budget=24.0)
        assert "was killed 0 s past its time on task task01" in state.problems[0]
        assert written(tmp_path, tasks[0]) == expected(tasks[0])
        assert written(tmp_path, tasks[1]) == expected(tasks[1], programs=False)
        assert state.bases[0].records.keys() == {task.id for task in tasks}

    def test_one_that_never_gets_ready_is_given_up(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, SearchScript(tmp_path, load=1000.0), budget=12.0)
        assert state.searches == {}
        assert all(written(tmp_path, task) == expected(task, programs=False) for task in tasks)

    def test_time_to_get_ready_is_not_taken_from_the_searches(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, SearchScript(tmp_path, load=3.5), devices=("cpu",), searchers=1, budget=16.0)
        # A quarter of the budget is over before the first search begins.
        assert state.searches.keys() == {task.id for task in tasks}
        assert all(written(tmp_path, task) == expected(task) for task in tasks[1:])

    def test_a_task_that_a_short_program_solves_waits_for_time_that_nobody_needs(
        self, tmp_path: Path, play: Play
    ) -> None:
        tasks = make_tasks(3)
        # What is left then is less than the shortest pass.
        play(tasks, budget=11.0)
        assert {line.split()[0] for line in Script(tmp_path).read("jobs")} == {"task01", "task02"}
        assert written(tmp_path, tasks[0]) == expected(tasks[0], model=False)

    def test_the_end_of_the_run_ends_searches(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        state = play(tasks, SearchScript(tmp_path, hangs=frozenset({"task01"})), **ONLY_SEARCH, budget=6.0)
        assert state.searches.keys() == {"task00"}
        assert written(tmp_path, tasks[0]) == expected(tasks[0], model=False)
        assert written(tmp_path, tasks[1]) == tuple(fallback(tasks[1], index) for index in range(2))
        assert journal(tmp_path)[-1]["event"] == "end"


class TestResume:
    def interrupt(
        self,
        folder: Path,
        tasks: Sequence[Task],
        monkeypatch: pytest.MonkeyPatch,
        when: Callable[[Run], bool],
        **changes: Any,
    ) -> None:
        class Impatient(Silent):
            def changed(self, run: Run) -> None:
                if when(run):
                    raise KeyboardInterrupt

        monkeypatch.setattr(runner, "enter", Script(folder))
        monkeypatch.setattr(runner, "enter_search", SearchScript(folder, pause=0.3))
        with pytest.raises(KeyboardInterrupt):
            run(make_settings(folder, searchers=1, devices=("cpu",)), tasks, Impatient())

    def test_in_the_middle_of_the_search(self, tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
        tasks = make_tasks(5)
        self.interrupt(tmp_path, tasks, monkeypatch, lambda run: len(run.searches) == 2)
        before = searches(tmp_path)
        assert before.keys() == {"task00", "task01"}
        assert written(tmp_path, tasks[0]) == expected(tasks[0], model=False)
        (tmp_path / "searches").unlink()
        state = play(tasks, resume=True)
        assert sorted(SearchScript(tmp_path).searched()) == ["task02", "task03", "task04"]
        assert {task_id: state.searches[task_id] for task_id in before} == before
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def test_after_the_search(self, tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
        tasks = make_tasks(6)
        self.interrupt(tmp_path, tasks, monkeypatch, lambda run: len(run.bases[0].records) == 2)
        (tmp_path / "searches").unlink()
        (tmp_path / "jobs").unlink()
        play(tasks, devices=("cpu",), resume=True)
        assert SearchScript(tmp_path).searched() == []
        jobs = [line.split()[0] for line in Script(tmp_path).read("jobs")]
        assert jobs == ["task04", "task03", "task00", "task05"], "solved tasks are no longer left for last"
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def test_a_failed_search_begins_anew(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        play(tasks, SearchScript(tmp_path, faults=frozenset({"task01"})))
        (tmp_path / "searches").unlink()
        (tmp_path / "jobs").unlink()
        play(tasks, resume=True)
        assert SearchScript(tmp_path).searched() == ["task01"]
        assert Script(tmp_path).read("jobs") == []
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def test_a_search_does_not_displace_what_a_pass_cut_short_had_found(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        script = Script(tmp_path, short=frozenset({"task02 0"}))
        play(tasks, SearchScript(tmp_path, faults=frozenset({"task02"})), script)
        # Now the model never gets to it; the search does, and both count.
        play(tasks, script=Script(tmp_path, load={0: 1000.0, 1: 1000.0}), resume=True, budget=8.0)
        assert written(tmp_path, tasks[2]) == expected(tasks[2])
        # When the model does get to it, its new candidates replace the old ones.
        state = play(tasks, resume=True)
        assert state.bases[0].records["task02"].candidates == answers(tasks[2], _seed(7, "task02", 0))
        assert written(tmp_path, tasks[2]) == expected(tasks[2])

    def test_a_finished_run_starts_nothing(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        play(tasks)
        for name in ("workers", "searchers", "submission.json"):
            (tmp_path / name).unlink()
        play(tasks, resume=True)
        assert Script(tmp_path).read("workers") == SearchScript(tmp_path).read("searchers") == []
        assert all(written(tmp_path, task) == expected(task) for task in tasks)
        assert finished_tasks(read_journal(tmp_path / "run" / "journal.jsonl")).keys() == {task.id for task in tasks}
