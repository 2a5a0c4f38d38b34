"""What a search worker says, in which order, and that no fault costs more than the search it happens in."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pipe
from pathlib import Path

import pytest

from solver.attempts import Channel
from solver.budget import Clock
from solver.grid import Grid
from solver.jobs import Message, Searched, SearcherSettings, SearchJob, Unusable, Warm
from solver.search.answer import Answer, Found, Stop
from solver.searcher import KEPT, Search, to_candidates, whichever_ends, work
from solver.task import Task
from tests.fake_search import program_answers
from tests.fake_worker import make_tasks

ROOT = Path(__file__).parents[1]
TASKS = make_tasks(4)
SETTINGS = SearcherSettings(number=3, memory=1234)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """A worker takes its process over."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def nothing_to_do() -> None:
    """A warm-up that is over at once."""


def messages(look: Search, *jobs: SearchJob | None, prepare: Callable[[], None] = nothing_to_do) -> list[Message]:
    """All that a worker with this search says to these jobs."""
    ours, theirs = Pipe()
    for job in jobs:
        ours.send(job)
    work(SETTINGS, theirs, look, prepare)
    theirs.close()
    heard: list[Message] = []
    while True:
        try:
            heard.append(ours.recv())
        except EOFError:
            return heard


def job(task: Task, seconds: float = 50.0) -> SearchJob:
    return SearchJob(task, time.monotonic() + seconds)


def found(*answers: Answer) -> Found:
    return Found(answers, Stop.MEMORY, 77, 1.5)


def test_it_warms_up_once_then_answers_each_job() -> None:
    calls: list[tuple[str, float, int]] = []

    def look(task: Task, seconds: float, memory: int, clock: Clock) -> Found:
        calls.append((task.id, seconds, memory))
        return found(*program_answers(task))

    jobs = job(TASKS[0]), job(TASKS[1], -1.0), job(TASKS[3])
    warm, *searched = messages(look, *jobs, None, prepare=lambda: calls.append(("warm-up", 0.0, 0)))
    assert isinstance(warm, Warm)
    assert warm.worker == 3
    assert [task_id for task_id, _, _ in calls] == ["warm-up", "task00", "task01", "task03"]
    assert [memory for _, _, memory in calls[1:]] == [1234] * 3
    assert 49 < calls[1][1] <= 50
    assert calls[2][1] == 0
    for task, message in zip((TASKS[0], TASKS[1], TASKS[3]), searched, strict=True):
        assert isinstance(message, Searched)
        assert (message.worker, message.task_id, message.error) == (3, task.id, None)
        assert message.candidates == to_candidates(task, found(*program_answers(task)))
        assert (message.stop, message.states, message.seconds) == ("memory", 77, 1.5)
        assert message.answers == len(program_answers(task))
        assert message.perfect == sum(answer.perfect for answer in program_answers(task))
        assert message.peak_memory > 2**20


def test_the_processor_s_seconds_and_those_on_the_wall_both_end_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"wall": 100.0, "work": 5.0}
    monkeypatch.setattr("solver.searcher.time.monotonic", lambda: now["wall"])
    monkeypatch.setattr("solver.searcher.time.process_time", lambda: now["work"])
    for left, effort in ((10.0, 4.0), (4.0, 10.0), (10.0, math.inf)):
        now |= {"wall": 100.0, "work": 5.0}
        clock, lesser = whichever_ends(left, effort), min(left, effort)
        assert clock() == 0
        now["wall"] += lesser / 2
        assert clock() <= lesser / 2
        now["wall"] = 100 + left
        assert clock() == pytest.approx(lesser), "the time is over, however little was done"
        now |= {"wall": 101.0, "work": 5.0 + min(effort, 1000)}
        assert clock() >= lesser or effort == math.inf, "all work is done, however early"


def test_a_search_that_fails_is_reported_and_the_next_one_works() -> None:
    def look(task: Task, seconds: float, memory: int, clock: Clock) -> Found:
        if task.id == "task00":
            raise ValueError("first line\nsecond line")
        return found()

    _, failed, fine = messages(look, job(TASKS[0]), job(TASKS[1]), None)
    assert isinstance(failed, Searched)
    assert isinstance(fine, Searched)
    assert (failed.error or "").startswith("ValueError: first line\n")
    assert "in look" in (failed.error or "")
    assert (failed.candidates, failed.stop) == ((), None)
    assert (fine.error, fine.stop) == (None, "memory")


def test_a_search_that_answers_too_few_test_inputs_has_failed() -> None:
    def look(task: Task, seconds: float, memory: int, clock: Clock) -> Found:
        return found(Answer((Grid(((1,),)),), "p", 1.0, 2, 2))

    _, message = messages(look, job(TASKS[1]), None)
    assert isinstance(message, Searched)
    assert (message.error or "").startswith("ValueError")


def test_a_search_that_does_not_even_start() -> None:
    def prepare() -> None:
        raise ImportError("no compiler\nat all")

    (message,) = messages(lambda *_: found(), prepare=prepare)
    assert message == Unusable(3, "the program search does not start: ImportError: no compiler")


def test_interrupts_are_left_to_the_runner() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    messages(lambda *_: found(), None)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


class TestCandidates:
    def answer(self, colour: int, reproduced: int, cost: float = 1.0) -> Answer:
        return Answer((Grid(((colour,),)), Grid(((colour + 1,),))), f"p{colour}", cost, reproduced, 2)

    def test_one_per_test_input_in_the_order_of_the_answers(self) -> None:
        made = to_candidates(TASKS[1], found(self.answer(1, 2, 3.5), self.answer(2, 2)))
        assert [(one.query.index, one.grid.rows[0][0], one.program) for one in made] == [
            (0, 1, "p1"),
            (1, 2, "p1"),
            (0, 2, "p2"),
            (1, 3, "p2"),
        ]
        assert {one.channel for one in made} == {Channel.PROGRAM}
        assert [one.cost for one in made] == [3.5, 3.5, 1.0, 1.0]

    def test_the_best_are_kept_and_none_that_explains_everything_is_lost_to_one_that_does_not(self) -> None:
        rest = [self.answer(number % 9, 1) for number in range(50)]
        made = to_candidates(TASKS[1], found(*rest, self.answer(1, 2), self.answer(2, 2)))
        assert len(made) == 2 * KEPT
        assert [one.perfect for one in made] == [True] * 4 + [False] * (2 * KEPT - 4)


def test_neither_the_searching_process_nor_its_parent_needs_torch(tmp_path: Path) -> None:
    """A whole run of the program channel where importing torch, or what needs it, leaves a note."""
    for name in ("torch", "transformers", "peft", "bitsandbytes"):
        (tmp_path / f"{name}.py").write_text(
            f"import os\nopen({str(tmp_path / 'imported')!r}, 'a').write('{name}\\n')\n"
        )
    assert run_alone(tmp_path, ["import sys", "import torch"]) == ["torch"], "the trap does not work"
    program = ["import sys", "from tests.fake_search import drive_search", "drive_search(*sys.argv[1:])"]
    words = ("--channels", "search", "--split", "arc1-training", "--limit", "3", "--workers", "2", "--base", "none")
    files = ("--output", str(tmp_path / "submission.json"), "--run-dir", str(tmp_path / "run"))
    assert run_alone(tmp_path, program, str(tmp_path), *words, *files) == []
    assert (tmp_path / "submission.json").exists()
    assert len((tmp_path / "searches").read_text().splitlines()) == 3


def run_alone(folder: Path, program: Sequence[str], *words: str) -> list[str]:
    """Runs a program in a process of its own; returns the trapped modules that it or its children imported."""
    trap = folder / "imported"
    trap.unlink(missing_ok=True)
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program), *words], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return trap.read_text().splitlines() if trap.exists() else []
