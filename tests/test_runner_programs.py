"""Whole runs in which a model writes programs, with real processes and neither models nor search."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from solver import runner
from solver.attempts import Attempts, Candidate
from solver.crew import LIVES
from solver.fusion import Branch, Fused, fuse, settled, unique
from solver.grid import InputError
from solver.history import finished_inductions
from solver.records import InductionRecord, Outcome
from solver.run_state import Run
from solver.runner import _seed, run
from solver.scheduler import INDUCTION_SHARE, MAX_TRIES
from solver.task import Task
from solver.voting import fallback, hierarchical_vote
from tests.fake_search import SearchScript, program_candidates
from tests.fake_worker import Script, answers, make_tasks
from tests.fake_writer import SAMPLED, LoneScript, WriterScript, written_answers, written_candidates
from tests.test_runner import Poll, Silent, journal, make_settings, written


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Runs tasks with fake workers of all kinds; the submission must be valid, and no device used twice, at every
    moment."""

    def start(
        tasks: Sequence[Task],
        writing: WriterScript | None = None,
        searching: SearchScript | None = None,
        script: Script | None = None,
        watcher: Any = None,
        **changes: Any,
    ) -> Run:
        monkeypatch.setattr(runner, "enter", script or LoneScript(tmp_path))
        monkeypatch.setattr(runner, "enter_search", searching or SearchScript(tmp_path))
        monkeypatch.setattr(runner, "enter_writing", writing or WriterScript(tmp_path))
        settings = make_settings(tmp_path, **{**ALL, **changes})
        with Poll(settings.output, tasks) as poll:
            state = run(settings, tasks, watcher or Silent())
            left = settings.began + settings.budget - time.monotonic()
        assert poll.flaws == []
        assert poll.versions
        assert left >= 0, "the run passed its budget"
        assert multiprocessing.active_children() == []
        assert WriterScript(tmp_path).read("clashes") == []
        return state

    return start


Play = Callable[..., Run]
ALL: dict[str, Any] = {"writer": Path("a-writer"), "devices": ("cpu",), "searchers": 1}
"""Every channel, all on the same cores: one after the other, so that what happens is always the same."""

GPU = {"devices": ("cuda:0",), "searchers": 1}
ALONE = {"profiles": (), "devices": ("cuda:0",), "searchers": 0}
WITHOUT_SEARCH = {"devices": ("cuda:0",), "searchers": 0}
TWO_DEVICES = {"devices": ("cuda:0", "cuda:1"), "searchers": 0}


def is_dropped(task: Task) -> bool:
    """Whether a search leaves nothing to write for a task."""
    return settled(task, program_candidates(task))


def by_programs(task: Task, search: bool = True, writer: bool = True) -> list[Candidate]:
    """What programs of both kinds say about a task."""
    return [
        *(program_candidates(task) if search else ()),
        *(written_candidates(task) if writer and not (search and is_dropped(task)) else ()),
    ]


def fused(task: Task, model: bool = True, search: bool = True, writer: bool = True) -> tuple[Fused, ...]:
    """What a task gets when nothing goes wrong."""
    found = answers(task, _seed(7, task.id, 0)) if model else ()
    return fuse(task, [*found, *by_programs(task, search, writer)], hierarchical_vote)


def expected(task: Task, **changes: bool) -> tuple[Attempts, ...]:
    return tuple(one.attempts for one in fused(task, **changes))


def fallbacks(task: Task) -> tuple[Attempts, ...]:
    return tuple(fallback(task, index) for index in range(len(task.test_inputs)))


def inductions(folder: Path) -> dict[str, InductionRecord]:
    return finished_inductions(journal(folder))


def kinds(folder: Path) -> list[str]:
    return [event["event"] for event in journal(folder)]


class TestAllChannels:
    def test_every_test_input_gets_what_all_of_them_say(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(10)
        state = play(tasks)
        for task in tasks:
            assert written(tmp_path, task) == expected(task)
            assert state.bases[0].records[task.id].branches == tuple(one.branch for one in fused(task))
            assert state.bases[0].records[task.id].candidates == answers(task, _seed(7, task.id, 0))
        assert state.problems == []
        branches = {branch for record in state.bases[0].records.values() for branch in record.branches}
        assert branches == {Branch.PROGRAM_FIRST, Branch.MODEL_FIRST}
        without = [expected(task, writer=False) for task in tasks]
        assert without != [expected(task) for task in tasks], "the written programs change nothing"

    def test_on_the_same_cores_one_comes_after_the_other(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(10)
        state = play(tasks)
        dropped = [task.id for task in tasks if is_dropped(task)]
        assert dropped == ["task00", "task05"]
        programs = ["programs"] * (len(tasks) - len(dropped))
        assert kinds(tmp_path) == [
            *("run", "searcher", *["search"] * len(tasks)),
            *("writer", *programs),
            *("worker", *["task"] * len(tasks)),
            "end",
        ]
        assert sorted(WriterScript(tmp_path).tasks()) == [task.id for task in tasks if task.id not in dropped]
        # What written programs settle, too, the model leaves for last.
        jobs = [line.split()[0] for line in Script(tmp_path).read("jobs")]
        late = {task.id for task in tasks if is_dropped(task) or settled(task, by_programs(task))}
        assert set(jobs[-len(late) :]) == late > set(dropped)
        assert state.workers == ["fake (nf4, float32), writing programs", "fake (nf4, float32)"]

    def test_the_journal_holds_an_account_of_every_tasks_programs(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(6)
        state = play(tasks)
        assert inductions(tmp_path) == state.inductions
        assert state.inductions.keys() == {task.id for task in tasks if not is_dropped(task)}
        for task in tasks:
            if is_dropped(task):
                continue
            record = state.inductions[task.id]
            assert (record.status, record.stop, record.error) == (Outcome.DONE, "deadline", None)
            assert record.candidates == written_candidates(task)
            assert record.attempts == expected(task, model=False)
            assert record.sampled == sum(record.fates.values()) == SAMPLED
            assert record.programs == len(written_answers(task))
            assert record.perfect == sum(perfect for _, _, perfect in written_answers(task))
            assert record.unique == unique(task, written_candidates(task))
            assert record.seconds == {"write": 0.0, "run": 0.5}
        started, armed = journal(tmp_path)[0], next(one for one in journal(tmp_path) if one["event"] == "writer")
        assert started["channels"] == ["ttt", "search", "programs"]
        assert (started["programs_base"], started["programs_folder"]) == ("a-writer", "a-writer")
        assert (armed["device"], armed["protections"]) == ("fake", ["a wall"])

    def test_beside_a_device_the_search_works_from_the_start(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)[1:]
        state = play(tasks, None, WaitingSearch(tmp_path), **GPU)
        order = [kind for kind in kinds(tmp_path) if kind in ("search", "programs", "worker")]
        assert order == ["programs", "worker", "search"]
        assert written(tmp_path, tasks[0]) == expected(tasks[0])
        assert state.searches.keys() == state.inductions.keys() == {"task01"}

    def test_a_search_drops_what_is_not_written_yet(self, tmp_path: Path, play: Play) -> None:
        # Beside a device both begin at once; the writer is at its first task until the search is done.
        tasks = make_tasks(6)[1:]
        state = play(tasks, WriterScript(tmp_path, pause_for={"task01": "searched"}), watcher=Opener(), **GPU)
        assert sorted(WriterScript(tmp_path).tasks()) == ["task01", "task02", "task03", "task04"]
        assert "task05" not in state.inductions
        assert written(tmp_path, tasks[-1]) == expected(tasks[-1])

    def test_jobs_are_seeded_and_cores_are_shared_out(
        self, tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(7)))
        play(make_tasks(2), **TWO_DEVICES)
        seeds = {line.split()[0]: int(line.split()[2]) for line in WriterScript(tmp_path).read("writings")}
        assert seeds == {task.id: _seed(7, task.id, 0) for task in make_tasks(2)}
        for line in WriterScript(tmp_path).read("writers"):
            number, device, runners = line.split()
            assert (device, runners) == (f"cuda:{number}", "3")


class Opener(Silent):
    """Lets the writer go on once everything is searched."""

    def changed(self, run: Run) -> None:
        if len(run.searches) == len(run.tasks):
            (run.settings.run_dir.parent / "searched").touch()


class WaitingSearch(SearchScript):
    """Searches end after the model has begun."""

    def warm_up(self, number: int) -> None:
        WriterScript(self.notes).wait_for("workers")


class TestSomeChannels:
    def test_programs_alone(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(5)
        state = play(tasks, **ALONE)
        assert Script(tmp_path).read("workers") == SearchScript(tmp_path).read("searchers") == []
        for task in tasks:
            assert written(tmp_path, task) == expected(task, model=False, search=False)
        assert written(tmp_path, tasks[3]) == fallbacks(tasks[3])
        assert (state.bases, state.searches) == ((), {})
        assert kinds(tmp_path) == ["run", "writer", *["programs"] * 5, "end"]
        assert (journal(tmp_path)[0]["channels"], journal(tmp_path)[0]["bases"]) == (["programs"], [])

    def test_programs_alone_may_take_nearly_all_the_time(self, tmp_path: Path, play: Play) -> None:
        state = play(make_tasks(1), **ALONE, budget=1000.0)
        (line,) = WriterScript(tmp_path).read("writings")
        share = float(line.split()[4]) - state.settings.began
        assert 970.0 < share < 985.0

    def test_programs_and_search_on_the_same_cores(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(6)
        play(tasks, profiles=())
        assert kinds(tmp_path) == ["run", "searcher", *["search"] * 6, "writer", *["programs"] * 4, "end"]
        assert Script(tmp_path).read("workers") == []
        for task in tasks:
            assert written(tmp_path, task) == expected(task, model=False)

    def test_programs_and_the_model(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(5)
        play(tasks, **WITHOUT_SEARCH)
        assert kinds(tmp_path) == ["run", "writer", *["programs"] * 5, "worker", *["task"] * 5, "end"]
        for task in tasks:
            assert written(tmp_path, task) == expected(task, search=False)


class TestDevices:
    def test_the_model_gets_the_device_that_was_left(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        # The first is at work until the model has a task; the second has nothing to do after its own.
        writing = WriterScript(tmp_path, load_for={1: "writings"}, pause_for={"task00": "jobs"})
        play(tasks, writing, **TWO_DEVICES)
        workers = [line.split()[1] for line in writing.read("writings")]
        assert workers == ["0", "1"]
        assert Script(tmp_path).read("workers")[0] == "1"
        events = [event.get("task_id", event["event"]) for event in journal(tmp_path) if event["event"] != "task"]
        assert events.index("worker") < events.index("task00")
        for task in tasks:
            assert written(tmp_path, task) == expected(task, search=False)

    def test_the_model_begins_when_the_share_of_the_time_is_over(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, WriterScript(tmp_path, to_the_end=True), **WITHOUT_SEARCH, budget=25.0)
        stop = state.settings.stop()
        began, ends = zip(*((float(x) for x in line.split()[3:]) for line in self.writings(tmp_path)), strict=True)
        assert len(ends) == 3, "every task had its turn"
        # The time counts from when the writer was ready, a moment before its first job.
        assert state.inducing.policy.stop <= began[0] + INDUCTION_SHARE * (stop - began[0])
        assert max(ends) <= state.inducing.policy.stop + 0.001
        assert state.bases[0].records.keys() == {task.id for task in tasks}
        assert all(written(tmp_path, task) == expected(task, search=False) for task in tasks)

    def test_nobody_waits_for_a_writer_that_never_gets_ready(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        state = play(tasks, WriterScript(tmp_path, load={0: 1000.0}), **WITHOUT_SEARCH, budget=20.0)
        assert state.inductions == {}
        assert all(written(tmp_path, task) == expected(task, search=False, writer=False) for task in tasks)

    def test_where_there_is_nothing_to_write_the_model_begins_at_once(self, tmp_path: Path, play: Play) -> None:
        tasks = tuple(task for task in make_tasks(6) if is_dropped(task))
        assert len(tasks) == 2
        state = play(tasks)
        assert WriterScript(tmp_path).read("writers") == []
        assert state.inductions == {}
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def writings(self, folder: Path) -> list[str]:
        return WriterScript(folder).read("writings")


class TestDeaths:
    def test_a_task_that_kills_one_writer_is_tried_again(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        state = play(tasks, WriterScript(tmp_path, deaths={"task01": 1}), **WITHOUT_SEARCH)
        assert WriterScript(tmp_path).tasks().count("task01") == 2
        assert state.inductions["task01"].status is Outcome.DONE
        assert all(written(tmp_path, task) == expected(task, search=False) for task in tasks)
        (problem,) = state.problems
        assert problem == "program writer 0 died (exit code -9) on task task01; the task is tried again"

    def test_a_task_that_always_kills_costs_its_programs_alone(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        state = play(tasks, WriterScript(tmp_path, deaths={"task01": 99}), **WITHOUT_SEARCH)
        assert WriterScript(tmp_path).tasks().count("task01") == MAX_TRIES
        assert state.inductions["task01"].status is Outcome.FAILED
        assert "exit code -9" in (state.inductions["task01"].error or "")
        assert written(tmp_path, tasks[1]) == expected(tasks[1], search=False, writer=False)
        for task in (tasks[0], *tasks[2:]):
            assert written(tmp_path, task) == expected(task, search=False)

    def test_all_writers_die(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(6)
        state = play(tasks, WriterScript(tmp_path, deaths={task.id: 99 for task in tasks}), **WITHOUT_SEARCH)
        assert len(WriterScript(tmp_path).read("writers")) == LIVES + 1
        assert len(state.problems) == LIVES + 1
        assert all(written(tmp_path, task) == expected(task, search=False, writer=False) for task in tasks)

    def test_writers_that_die_while_loading_are_not_started_for_ever(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        state = play(tasks, WriterScript(tmp_path, deaths_loading=frozenset({0})), **WITHOUT_SEARCH)
        assert len(WriterScript(tmp_path).read("writers")) == LIVES + 1
        assert len(state.problems) == LIVES + 1
        assert all(written(tmp_path, task) == expected(task, search=False, writer=False) for task in tasks)

    def test_both_models_lose_a_worker_on_the_same_task(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        script = LoneScript(tmp_path, deaths={"task01": 1})
        state = play(tasks, WriterScript(tmp_path, deaths={"task01": 1}), script=script, **WITHOUT_SEARCH)
        assert len(state.problems) == 2
        assert all(written(tmp_path, task) == expected(task, search=False) for task in tasks)


class TestFaults:
    def test_without_a_base_the_others_go_on(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, WriterScript(tmp_path, unusable=frozenset({0})))
        assert state.problems == ["program writer 0: no such base"]
        assert state.inductions == {}
        assert all(written(tmp_path, task) == expected(task, writer=False) for task in tasks)

    def test_one_without_a_base_leaves_the_work_to_the_other(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        writing = WriterScript(tmp_path, unusable=frozenset({0}), load_for={1: "workers"})
        state = play(tasks, writing, **TWO_DEVICES)
        # The other loads until the model has begun, on the device of the first.
        assert Script(tmp_path).read("workers")[0] == "0"
        assert state.inductions.keys() == {task.id for task in tasks}
        assert all(written(tmp_path, task) == expected(task, search=False) for task in tasks)

    def test_alone_and_without_a_base_nothing_is_left_to_do(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks, WriterScript(tmp_path, unusable=frozenset({0})), **ALONE)
        assert all(written(tmp_path, task) == fallbacks(task) for task in tasks)
        assert kinds(tmp_path) == ["run", "problem", "end"]

    def test_a_fault_costs_one_task_and_what_it_found_still_counts(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, WriterScript(tmp_path, faults=frozenset({"task01"})), **WITHOUT_SEARCH)
        record = state.inductions["task01"]
        assert (record.status, record.stop, record.error) == (Outcome.FAILED, None, "RuntimeError: no luck\nTraceback")
        assert state.problems == []
        assert WriterScript(tmp_path).tasks().count("task01") == 1
        assert all(written(tmp_path, task) == expected(task, search=False) for task in tasks)

    def test_a_writer_that_hangs_is_killed_and_the_model_gets_its_device(
        self, tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runner, "GRACE", 0.2)
        tasks = make_tasks(3)
        state = play(tasks, WriterScript(tmp_path, hangs=frozenset({"task02"})), **WITHOUT_SEARCH, budget=25.0)
        assert state.problems[0].startswith("program writer 0 was killed 0 s past its time on task task02")
        assert state.bases[0].records.keys() == {task.id for task in tasks}
        assert written(tmp_path, tasks[0]) == expected(tasks[0], search=False)
        assert written(tmp_path, tasks[2]) == expected(tasks[2], search=False, writer=False)

    def test_the_end_of_the_run_ends_writing(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        state = play(tasks, WriterScript(tmp_path, hangs=frozenset({"task01"})), **ALONE, budget=8.0)
        assert state.inductions.keys() == {"task00"}
        assert written(tmp_path, tasks[0]) == expected(tasks[0], model=False, search=False)
        assert written(tmp_path, tasks[1]) == fallbacks(tasks[1])
        assert kinds(tmp_path)[-1] == "end"


class TestResume:
    def test_what_is_written_is_not_written_again_and_still_counts(
        self, tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Impatient(Silent):
            def changed(self, run: Run) -> None:
                if len(run.inductions) == 2:
                    raise KeyboardInterrupt

        tasks = make_tasks(5)
        with pytest.raises(KeyboardInterrupt):
            play(tasks, WriterScript(tmp_path, pause=0.5), watcher=Impatient(), **WITHOUT_SEARCH)
        assert kinds(tmp_path)[-1] == "end"
        before = inductions(tmp_path)
        assert before.keys() == {"task00", "task01"}
        assert written(tmp_path, tasks[0]) == expected(tasks[0], model=False, search=False)
        (tmp_path / "writings").unlink()
        state = play(tasks, resume=True, **WITHOUT_SEARCH)
        assert sorted(WriterScript(tmp_path).tasks()) == ["task02", "task03", "task04"]
        assert {task_id: state.inductions[task_id] for task_id in before} == before
        assert all(written(tmp_path, task) == expected(task, search=False) for task in tasks)

    def test_what_failed_or_came_too_late_begins_anew_and_stands_until_then(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        writing = WriterScript(tmp_path, faults=frozenset({"task00"}), late=frozenset({"task01"}))
        state = play(tasks, writing, **ALONE)
        assert state.inductions["task01"].status is Outcome.TIMED_OUT
        wanted = {task.id: expected(task, model=False, search=False) for task in tasks}
        (tmp_path / "writings").unlink()
        # Now nothing gets ready.
        play(tasks, WriterScript(tmp_path, unusable=frozenset({0})), resume=True, **ALONE)
        assert written(tmp_path, tasks[0]) == wanted["task00"]
        assert written(tmp_path, tasks[1]) == fallbacks(tasks[1])
        state = play(tasks, resume=True, **ALONE)
        assert WriterScript(tmp_path).tasks() == ["task00", "task01"]
        assert {record.status for record in state.inductions.values()} == {Outcome.DONE}
        assert all(written(tmp_path, task) == wanted[task.id] for task in tasks)

    def test_a_finished_run_starts_nothing(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(6)
        play(tasks)
        for name in ("workers", "searchers", "writers", "submission.json"):
            (tmp_path / name).unlink()
        play(tasks, resume=True)
        read = WriterScript(tmp_path).read
        assert read("workers") == read("searchers") == read("writers") == []
        assert all(written(tmp_path, task) == expected(task) for task in tasks)

    def test_another_base_is_another_run(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(1)
        play(tasks, **ALONE)
        before = (tmp_path / "run" / "journal.jsonl").read_bytes()
        with pytest.raises(InputError, match="programs_base was 'a-writer', now it is 'other'"):
            run(make_settings(tmp_path, **ALONE, writer=Path("other"), resume=True), tasks, Silent())
        for place, content in (("one", b"weights"), ("two", b"other weights")):
            (tmp_path / place / "a-writer").mkdir(parents=True)
            (tmp_path / place / "a-writer" / "model.safetensors").write_bytes(content)
        with pytest.raises(InputError, match="programs_weights was 0, now it is 7"):
            run(make_settings(tmp_path, **ALONE, writer=tmp_path / "one/a-writer", resume=True), tasks, Silent())
        assert (tmp_path / "run" / "journal.jsonl").read_bytes() == before
