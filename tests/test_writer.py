"""The process that writes programs, with a base of random weights: alone, in a run, and in one that is killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch

from solver import writer
from solver.attempts import Attempts, check_submission, read_submission
from solver.budget import Deadline
from solver.grid import Grid, InputError
from solver.history import finished_inductions
from solver.induction import Written
from solver.jobs import Armed, Message, Unusable, WriteJob, WriterSettings, Wrote, enter_writing
from solver.journal import read_journal
from solver.model import TextBase
from solver.programs.sandbox import SandboxError
from solver.records import Outcome
from solver.task import Pair, Query, Task
from solver.voting import fallback
from tests.fake_worker import make_tasks, write_tasks
from tests.tiny_text_base import tiny_text_base, tiny_text_folder, write_text_base

ROOT = Path(__file__).parents[1]
TASKS = make_tasks(2)
PATIENCE = 300.0
"""Seconds within which something must happen, however busy the machine is."""

SECONDS = 8.0
"""For one task: enough for texts to end, of which the shortest have a few tokens."""


def job(task: Task = TASKS[0], seconds: float = SECONDS, **changes: Any) -> WriteJob:
    return replace(WriteJob(task, time.monotonic() + seconds, seed=3), **changes)


@pytest.fixture(scope="module")
def pipe() -> Iterator[Connection]:
    """To a process that has a base of random weights and a sandbox, and is told to end afterwards."""
    settings = WriterSettings(5, tiny_text_folder(), "cpu", "none", threads=1, runners=1)
    ours, theirs = Pipe()
    process = multiprocessing.get_context("spawn").Process(target=enter_writing, args=(settings, theirs), daemon=True)
    process.start()
    theirs.close()
    yield ours
    ours.send(None)
    process.join(PATIENCE)
    assert process.exitcode == 0


@pytest.fixture(scope="module")
def armed(pipe: Connection) -> Armed:
    """What it says first."""
    message = hear(pipe)
    assert isinstance(message, Armed)
    return message


class TestProcess:
    """A real process, with a real base and a real sandbox."""

    def test_says_when_it_is_ready(self, armed: Armed) -> None:
        assert (armed.worker, armed.device, armed.quantize) == (5, "cpu", "none")
        assert armed.seconds > 0
        assert "a process per program" in armed.protections
        assert armed.versions["torch"].startswith(torch.__version__.partition("+")[0])

    @pytest.mark.usefixtures("armed")
    def test_every_text_of_a_job_is_accounted_for(self, pipe: Connection) -> None:
        made = job(TASKS[1])
        pipe.send(made)
        wrote = hear(pipe)
        assert time.monotonic() < made.ends + 60, "it does not look at the clock"
        assert isinstance(wrote, Wrote)
        assert (wrote.worker, wrote.task_id, wrote.stop, wrote.late) == (5, "task01", "deadline", False)
        assert wrote.error is None
        assert sum(wrote.fates.values()) == wrote.sampled > 0
        # Noise reproduces nothing.
        assert (wrote.candidates, wrote.perfect) == ((), 0)
        assert wrote.seconds.keys() == {"write", "run"}
        assert 0 < wrote.seconds["write"] <= SECONDS + 60
        assert wrote.peak_memory > 0

    @pytest.mark.usefixtures("armed")
    def test_a_task_that_leaves_no_room_for_an_answer(self, pipe: Connection) -> None:
        big = Grid(((1,) * 30,) * 30)
        pipe.send(job(Task("big", (Pair(big, big),), (big,)), seconds=600))
        wrote = hear(pipe)
        assert isinstance(wrote, Wrote)
        assert (wrote.task_id, wrote.stop, wrote.late, wrote.sampled) == ("big", "prompt too long", False, 0)
        assert (wrote.fates, wrote.error) == ({}, None)
        assert wrote.notes == ("test input 0: the prompt is too long",)

    @pytest.mark.usefixtures("armed")
    def test_a_job_that_comes_too_late(self, pipe: Connection) -> None:
        pipe.send(job(seconds=-1))
        wrote = hear(pipe)
        assert isinstance(wrote, Wrote)
        assert (wrote.stop, wrote.late, wrote.sampled, wrote.error) == ("deadline", True, 0, None)


def hear(pipe: Connection) -> Message:
    assert pipe.poll(PATIENCE), "it says nothing"
    message: Message = pipe.recv()
    return message


class Walls:
    """A sandbox that runs nothing."""

    def __init__(self, runners: int) -> None:
        self.runners, self.closed = runners, False

    def __enter__(self) -> Walls:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def protections(self) -> tuple[str, ...]:
        return ("a wall",)


class TestFaults:
    """What the process says when something is wrong; here it is a function."""

    @pytest.fixture(autouse=True)
    def walls(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Walls]]:
        """The sandboxes that were started. A worker takes its process over: signals and threads."""
        started: list[Walls] = []

        def start(runners: int) -> Walls:
            started.append(Walls(runners))
            return started[-1]

        monkeypatch.setattr(writer, "Sandbox", start)
        monkeypatch.setattr(writer, "load_text_base", lambda *_: tiny_text_base())
        handler, threads = signal.getsignal(signal.SIGINT), torch.get_num_threads()
        yield started
        signal.signal(signal.SIGINT, handler)
        torch.set_num_threads(threads)

    def said(self, *jobs: WriteJob) -> list[Message]:
        ours, theirs = Pipe()
        for one in (*jobs, None):
            ours.send(one)
        writer.work(WriterSettings(2, Path("a-base"), "cpu", "none", threads=1, runners=3), theirs)
        theirs.close()
        heard = []
        while ours.poll():
            try:
                heard.append(ours.recv())
            except (EOFError, ConnectionResetError):  # its last jobs were never read
                break
        return heard

    def test_without_jobs(self, walls: list[Walls]) -> None:
        (armed,) = self.said()
        assert isinstance(armed, Armed)
        assert (armed.worker, armed.protections) == (2, ("a wall",))
        (sandbox,) = walls
        assert (sandbox.runners, sandbox.closed) == (3, True)

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (InputError("a-base/tokenizer.json: no such file"), "a-base/tokenizer.json: no such file"),
            (RuntimeError("CUDA error\nmore"), "a-base: RuntimeError: CUDA error"),
        ],
    )
    def test_a_base_that_cannot_be_loaded(
        self, error: Exception, text: str, monkeypatch: pytest.MonkeyPatch, walls: list[Walls]
    ) -> None:
        def fail(*_: object) -> TextBase:
            raise error

        monkeypatch.setattr(writer, "load_text_base", fail)
        assert self.said(job()) == [Unusable(2, text)]
        assert walls == []

    @pytest.mark.parametrize("place", ["__init__", "protections"])
    def test_a_sandbox_that_does_not_stand(self, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise SandboxError("no server can be started")

        monkeypatch.setattr(Walls, place, fail)
        assert self.said(job()) == [Unusable(2, "a-base: SandboxError: no server can be started")]

    def test_a_fault_in_one_job_costs_that_job(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail_on_the_first(made: WriteJob, texts: object, runner: object, written: Written) -> None:
            written.sampled = 4
            written.fates = {"time": 4}
            written.notes += ["twice", "twice"]
            if made.task == TASKS[0]:
                raise ValueError("no luck\nat all")

        monkeypatch.setattr(writer, "write_programs", fail_on_the_first)
        _, first, second = self.said(job(TASKS[0]), job(TASKS[1]))
        assert isinstance(first, Wrote)
        assert isinstance(second, Wrote)
        assert (first.task_id, first.stop, first.late) == ("task00", None, False)
        assert (first.error or "").startswith("ValueError: no luck\nTraceback")
        assert (second.task_id, second.stop, second.error) == ("task01", "deadline", None)
        for wrote in (first, second):
            assert (wrote.sampled, wrote.fates, wrote.notes) == (4, {"time": 4}, ("twice",))

    def test_what_the_writer_writes_is_what_its_base_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Any] = []
        monkeypatch.setattr(writer, "write_programs", lambda made, texts, runner, written: asked.append((made, runner)))
        made = job()
        self.said(made)
        ((heard, runner),) = asked
        assert heard == made
        assert isinstance(runner, Walls)
        assert Deadline(heard.ends).left() < SECONDS


def drive(*arguments: str) -> None:
    """`submission.py` with `SECONDS` for each task's programs, whenever the base is loaded: a main program."""
    from solver import cli, staffing
    from solver.scheduler import Policy, induction_policy

    def brief(*values: Any) -> Policy:
        return replace(induction_policy(*values), longest=SECONDS)

    staffing.induction_policy = brief
    sys.exit(cli.submission(arguments))


class TestSubmission:
    """`submission.py` as a process of its own."""

    @pytest.fixture
    def words(self, tmp_path: Path) -> list[str]:
        return [
            *("--challenges", str(write_tasks(tmp_path / "challenges.json", TASKS))),
            *("--programs-base", str(write_text_base(tmp_path / "a-writer"))),
            *("--output", str(tmp_path / "submission.json"), "--run-dir", str(tmp_path / "run")),
            *("--device", "cpu", "--workers", "1", "--quantize", "none", "--time-budget", "10m"),
        ]

    def start(self, words: Sequence[str]) -> subprocess.Popen[str]:
        program = "import sys; from tests.test_writer import drive; drive(*sys.argv[1:])"
        return subprocess.Popen(
            [sys.executable, "-c", program, *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def finish(self, words: Sequence[str]) -> str:
        process = self.start(words)
        printed, errors = process.communicate(timeout=10 * PATIENCE)
        assert (process.returncode, errors) == (0, "")
        return printed

    def check(self, folder: Path, channels: list[str]) -> None:
        events = read_journal(folder / "run" / "journal.jsonl")
        assert events[0]["channels"] == channels
        assert events[0]["programs_base"] == "a-writer"
        (armed,) = (event for event in events if event["event"] == "writer")
        assert (armed["device"], armed["quantize"]) == ("cpu", "none")
        assert "a process per program" in armed["protections"]
        assert (events[-1]["event"], events[-1]["problems"]) == ("end", [])
        records = finished_inductions(events)
        assert records.keys() == {task.id for task in TASKS}
        for record in records.values():
            assert (record.status, record.stop, record.error) == (Outcome.DONE, "deadline", None)
            assert record.sampled == sum(record.fates.values()) > 0
            assert (record.candidates, record.perfect, record.unique) == ((), 0, False)
            assert record.peak_memory > 0
        submission = json.loads((folder / "submission.json").read_text())
        assert check_submission(submission, TASKS, "submission") == []

    def test_programs_alone(self, tmp_path: Path, words: list[str]) -> None:
        printed = self.finish([*words, "--channels", "programs"])
        self.check(tmp_path, ["programs"])
        assert "written programs" in printed
        assert "what became of them" in printed
        wanted = {query: fallback(task, query.index) for task in TASKS for query in task.queries()}
        assert read_submission(tmp_path / "submission.json") == wanted, "something was voted"

    @pytest.mark.slow
    @pytest.mark.timeout(3000)
    def test_beside_the_search_and_the_embedded_base(self, tmp_path: Path, words: list[str]) -> None:
        printed = self.finish([*words, "--channels", "ttt,search,programs", "--ttt-steps", "1"])
        self.check(tmp_path, ["ttt", "search", "programs"])
        assert "TTT steps executed / planned" in printed
        answers: dict[Query, Attempts] = read_submission(tmp_path / "submission.json")
        assert len(answers) == sum(len(task.test_inputs) for task in TASKS)

    @pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
    def test_a_run_that_is_killed_leaves_no_process_behind(self, tmp_path: Path, words: list[str]) -> None:
        process = self.start([*words, "--channels", "programs"])
        journal = tmp_path / "run" / "journal.jsonl"
        end = time.monotonic() + PATIENCE
        while process.poll() is None and not (journal.exists() and '"event":"writer"' in journal.read_text()):
            assert time.monotonic() < end, "no writer gets ready"
            time.sleep(0.05)
        family = descendants(process.pid)
        process.kill()
        _, errors = process.communicate()
        assert len(family) >= 2, f"not even a writer and a server of its sandbox: {errors}"
        while (left := [one for one in family if alive(*one)]) and time.monotonic() < end:
            time.sleep(0.05)
        for number, _ in left:
            os.kill(number, signal.SIGKILL)
        assert left == []
        assert check_submission(json.loads((tmp_path / "submission.json").read_text()), TASKS, "submission") == []


def stat(number: int) -> tuple[str, int, str] | None:
    """A process's state, its parent, and when it was started."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return None
    return fields[0], int(fields[1]), fields[19]


def alive(number: int, started: str) -> bool:
    """Whether it is still that process, and not only its entry in the table."""
    found = stat(number)
    return found is not None and found[0] != "Z" and found[2] == started


def descendants(ancestor: int) -> list[tuple[int, str]]:
    """Numbers and starting times of the processes that a process has started, and those have."""
    everybody = {int(folder.name): stat(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")}
    parents, found = {ancestor}, []
    while parents:
        children = [(number, one) for number, one in everybody.items() if one and one[1] in parents and one[0] != "Z"]
        found += [(number, one[2]) for number, one in children]
        parents = {number for number, _ in children}
    return found
