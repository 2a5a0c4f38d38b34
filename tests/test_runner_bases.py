"""Whole runs with several bases, one after the other on the same devices: real processes and no model."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from solver import runner, scheduler
from solver.attempts import Attempts, Candidate
from solver.fusion import fuse, settled
from solver.grid import InputError
from solver.history import finished_tasks
from solver.jobs import WorkerSettings
from solver.records import Outcome
from solver.run_state import Run
from solver.runner import _seed, run
from solver.scheduler import EARLY_SHARE
from solver.settings import VOTES
from solver.task import Task
from solver.voting import fallback
from tests.fake_search import SearchScript, program_candidates
from tests.fake_worker import PROFILE, Script, answers, make_tasks
from tests.fake_writer import WriterScript, hold, written_candidates
from tests.test_runner import Poll, Silent, journal, make_settings, written

SMALL, LARGE = replace(PROFILE, name="small"), replace(PROFILE, name="large")


@dataclass(frozen=True)
class Bases:
    """Workers of several bases, each with a script and a folder of notes of its own. They must have their devices for
    themselves."""

    notes: Path
    scripts: Mapping[str, Script] = field(default_factory=dict)

    def __call__(self, settings: WorkerSettings, pipe: Connection) -> None:
        hold(self.notes, settings.number)
        self.of(settings.profile.name)(settings, pipe)

    def of(self, name: str) -> Script:
        (self.notes / name).mkdir(exist_ok=True)
        return self.scripts.get(name) or Script(self.notes / name)


class Look(Silent):
    """Sees that no task is worked on by two bases at once."""

    def changed(self, run: Run) -> None:
        running = [task_id for base in run.bases for task_id in base.scheduler.running]
        assert len(set(running)) == len(running)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Runs tasks with fake workers; the submission must be valid, and no device used twice, at every moment."""

    def start(tasks: Sequence[Task], watcher: Any = None, **changes: Any) -> Run:
        scripts = {name: changes.pop(name) for name in ("small", "large") if name in changes}
        monkeypatch.setattr(runner, "enter", Bases(tmp_path, scripts))
        monkeypatch.setattr(runner, "enter_search", SearchScript(tmp_path))
        monkeypatch.setattr(runner, "enter_writing", WriterScript(tmp_path))
        settings = make_settings(tmp_path, **{"profiles": (SMALL, LARGE), "devices": ("cuda:0",), **changes})
        with Poll(settings.output, tasks) as poll:
            state = run(settings, tasks, watcher or Look())
            left = settings.began + settings.budget - time.monotonic()
        assert poll.flaws == []
        assert left >= 0, "the run passed its budget"
        assert multiprocessing.active_children() == []
        assert WriterScript(tmp_path).read("clashes") == []
        return state

    return start


Play = Callable[..., Run]


def script(folder: Path, name: str, **how: Any) -> Script:
    (folder / name).mkdir(exist_ok=True)
    return Script(folder / name, **how)


def said(task: Task, *bases: int, passes: int = 1, agree: bool = False) -> list[Candidate]:
    """What these bases find; the first of the run has so many passes."""
    return [
        one
        for base in bases
        for number in range(1 if base else passes)
        for one in answers(task, _seed(7, task.id, number, base), base, agree and not base)
    ]


def expected(task: Task, found: Sequence[Candidate], vote: str = "hierarchical") -> tuple[Attempts, ...]:
    return tuple(one.attempts for one in fuse(task, found, VOTES[vote]))


def visits(folder: Path) -> list[tuple[int, str]]:
    """The base and the task of every record, in their order."""
    return [(event["base"], event["task_id"]) for event in journal(folder) if event["event"] == "task"]


def jobs(folder: Path, name: str) -> list[str]:
    return Script(folder / name).read("jobs")


class TestTurns:
    def test_both_answer_every_task_one_base_after_the_other(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        state = play(tasks)
        for task in tasks:
            assert written(tmp_path, task) == expected(task, said(task, 0, 1))
            assert state.candidates(task.id) == said(task, 0, 1)
            assert [base.records[task.id].candidates for base in state.bases] == [
                tuple(said(task, base)) for base in (0, 1)
            ]
        ids = [task.id for task in tasks]
        assert visits(tmp_path) == [(0, task_id) for task_id in ids] + [(1, task_id) for task_id in ids]
        events = [event["event"] for event in journal(tmp_path)]
        assert events == ["run", "worker", *["task"] * 4, "worker", *["task"] * 4, "end"]
        assert state.problems == []

    def test_what_one_base_said_is_known_to_the_next(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks)
        told = {
            name: [json.loads(line) for line in Script(tmp_path / name).read("told")] for name in ("small", "large")
        }
        assert [one["model"] for one in told["small"]] == [0, 0]
        assert [one["model"] for one in told["large"]] == [3 * len(task.test_inputs) for task in tasks]

    def test_the_next_base_begins_where_most_is_to_be_gained(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        small = script(tmp_path, "small", agree=frozenset({"task00", "task02"}), faults=frozenset({"task03"}))
        play(tasks, small=small)
        # Where the first one's views agree, nothing is to be gained; where it failed, everything.
        order = [task_id for base, task_id in visits(tmp_path) if base]
        assert order == ["task01", "task03", "task00", "task02"]
        assert written(tmp_path, tasks[0]) == expected(tasks[0], said(tasks[0], 0, 1, agree=True))

    def test_the_last_one_has_the_further_passes(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks, passes=3)
        assert sorted(jobs(tmp_path, "small")) == ["task00 0", "task01 0"]
        assert sorted(jobs(tmp_path, "large")) == [f"{task.id} {number}" for task in tasks for number in range(3)]

    def test_three_bases(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks, profiles=(SMALL, replace(PROFILE, name="middle"), LARGE))
        assert [base for base, _ in visits(tmp_path)] == [0, 0, 1, 1, 2, 2]
        assert all(written(tmp_path, task) == expected(task, said(task, 0, 1, 2)) for task in tasks)

    def test_the_first_one_has_its_share_of_the_time(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, small=script(tmp_path, "small", to_the_end=True), budget=30.0)
        assert state.bases[0].records.keys() == state.bases[1].records.keys() == {task.id for task in tasks}
        stop = state.settings.stop()
        assert state.bases[0].scheduler.policy.stop <= stop - (1 - EARLY_SHARE) * (stop - state.settings.began) + 8
        assert all(written(tmp_path, task) == expected(task, said(task, 0, 1)) for task in tasks)

    def test_a_base_that_does_not_get_ready_is_given_up_in_time(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks, small=script(tmp_path, "small", load={0: 1000.0}), budget=16.0)
        assert all(written(tmp_path, task) == expected(task, said(task, 1)) for task in tasks)

    def test_a_device_that_is_free_goes_to_the_next_base(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        # The first base has one worker that hangs: the other device is not kept waiting.
        small = script(tmp_path, "small", hangs=frozenset({"task00"}))
        state = play(tasks, devices=("cuda:0", "cuda:1"), small=small, budget=20.0)
        rest = {task.id for task in tasks[1:]}
        assert state.bases[1].records.keys() == rest
        assert state.bases[0].records["task00"].status is Outcome.TIMED_OUT
        assert all(written(tmp_path, task) == expected(task, said(task, 0, 1)) for task in tasks[1:])
        assert written(tmp_path, tasks[0]) == expected(tasks[0], said(tasks[0], 0))


class TestOtherChannels:
    def test_on_the_same_cores_everybody_has_a_turn(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(4)
        play(tasks, devices=("cpu",), searchers=1, writer=Path("a-writer"))
        kinds = [(event["event"], event.get("base")) for event in journal(tmp_path)]
        starts = [kind for kind in kinds if kind[0] in ("searcher", "writer", "worker")]
        assert starts == [("searcher", None), ("writer", None), ("worker", 0), ("worker", 1)]
        for task in tasks:
            dropped = settled(task, program_candidates(task))
            programs = [*program_candidates(task), *(() if dropped else written_candidates(task))]
            assert written(tmp_path, task) == expected(task, [*said(task, 0, 1), *programs])

    def test_scores_of_one_base_are_not_compared_with_anothers(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        state = play(tasks, vote="poe")
        for task in tasks:
            found = state.candidates(task.id)
            # The fake's scores: the last base's, of all that both said.
            assert all(one.score == 0.5 * sum(map(sum, one.grid.rows)) for one in found)
            assert written(tmp_path, task) == expected(task, found, "poe")
            early, late = (base.records[task.id] for base in state.bases)
            assert all(one.score == -0.5 * sum(map(sum, one.grid.rows)) for one in early.candidates)
            assert {(one.query, one.grid, one.score) for one in late.others} == {
                (one.query, one.grid, one.score) for one in found if one.base == 0
            }
        answers_before = (tmp_path / "submission.json").read_bytes()
        resumed = play(tasks, vote="poe", resume=True)
        assert (tmp_path / "submission.json").read_bytes() == answers_before
        assert [resumed.candidates(task.id) for task in tasks] == [state.candidates(task.id) for task in tasks]


class TestFaults:
    def test_where_the_last_base_is_of_no_use_the_other_has_its_time(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, large=script(tmp_path, "large", unusable=frozenset({0})), passes=3)
        assert state.problems == ["large worker 0: no such base"]
        assert sorted(jobs(tmp_path, "small")) == [f"{task.id} {number}" for task in tasks for number in range(3)]
        assert all(written(tmp_path, task) == expected(task, said(task, 0, passes=3)) for task in tasks)

    def test_where_the_first_base_is_of_no_use_the_other_begins(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        state = play(tasks, small=script(tmp_path, "small", unusable=frozenset({0})))
        assert state.problems == ["small worker 0: no such base"]
        assert all(written(tmp_path, task) == expected(task, said(task, 1)) for task in tasks)
        assert journal(tmp_path)[-1]["seconds"] < 60

    def test_where_both_are_of_no_use_the_run_ends(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        useless = {name: script(tmp_path, name, unusable=frozenset({0})) for name in ("small", "large")}
        state = play(tasks, **useless)
        assert state.problems == ["small worker 0: no such base", "large worker 0: no such base"]
        assert journal(tmp_path)[-1]["seconds"] < 60
        for task in tasks:
            assert written(tmp_path, task) == tuple(fallback(task, index) for index in range(len(task.test_inputs)))

    def test_a_task_that_kills_workers_of_both_is_tried_again_by_both(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(3)
        deadly = {name: script(tmp_path, name, deaths={"task01": 1}) for name in ("small", "large")}
        state = play(tasks, **deadly)
        assert [problem.split(" died")[0] for problem in state.problems] == ["small worker 0", "large worker 0"]
        assert state.candidates("task01") == said(tasks[1], 0, 1)
        assert all(written(tmp_path, task) == expected(task, said(task, 0, 1)) for task in tasks)

    def test_the_end_of_the_run_during_the_first_base(
        self, tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # On a busy machine a worker takes seconds to start, which a share of a short run is not enough for.
        monkeypatch.setattr(scheduler, "EARLY_SHARE", 1.0)
        tasks = make_tasks(2)
        state = play(tasks, small=script(tmp_path, "small", hangs=frozenset({"task00"})), budget=14.0)
        assert state.bases[0].records["task00"].status is Outcome.TIMED_OUT
        assert state.bases[1].records == {}
        assert not (tmp_path / "large").exists()
        assert written(tmp_path, tasks[0]) == expected(tasks[0], said(tasks[0], 0))
        assert journal(tmp_path)[-1]["event"] == "end"


class Impatient(Look):
    """Stops the run when so many tasks have been visited by a base."""

    def __init__(self, base: int, visits: int) -> None:
        self.base, self.visits = base, visits

    def changed(self, run: Run) -> None:
        if len(run.bases[self.base].records) == self.visits:
            raise KeyboardInterrupt


class TestResume:
    @pytest.mark.parametrize("base", [0, 1])
    def test_every_base_goes_on_where_it_was(self, tmp_path: Path, play: Play, base: int) -> None:
        tasks = make_tasks(4)
        names = ("small", "large")
        # A pause, so that the end comes before the next task's.
        slow = script(tmp_path, names[base], pause=0.5)
        with pytest.raises(KeyboardInterrupt):
            play(tasks, Impatient(base, 2), **{names[base]: slow})
        before = [finished_tasks(journal(tmp_path), number) for number in (0, 1)]
        done = [{task_id for task_id, one in records.items() if one.whole()} for records in before]
        assert [len(one) for one in done] == [4 if base else 2, 2 if base else 0]
        for name in names:
            (tmp_path / name / "jobs").unlink(missing_ok=True)
        state = play(tasks, resume=True)
        for number, name in enumerate(names):
            assert {line.split()[0] for line in jobs(tmp_path, name)} == {task.id for task in tasks} - done[number]
        assert all(state.candidates(task.id) == said(task, 0, 1) for task in tasks)
        assert all(written(tmp_path, task) == expected(task, said(task, 0, 1)) for task in tasks)

    def test_a_finished_run_starts_nothing(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(2)
        play(tasks)
        for name in ("small", "large"):
            (tmp_path / name / "workers").unlink()
        (tmp_path / "submission.json").unlink()
        play(tasks, resume=True)
        assert Script(tmp_path / "small").read("workers") == Script(tmp_path / "large").read("workers") == []
        assert all(written(tmp_path, task) == expected(task, said(task, 0, 1)) for task in tasks)

    def test_other_bases_or_another_order_are_another_run(self, tmp_path: Path, play: Play) -> None:
        tasks = make_tasks(1)
        play(tasks)
        for profiles in ((SMALL,), (LARGE, SMALL)):
            with pytest.raises(InputError, match=r"bases was \['small', 'large'\], now it is"):
                run(make_settings(tmp_path, profiles=profiles, resume=True), tasks, Silent())
