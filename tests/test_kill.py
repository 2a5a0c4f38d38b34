"""Runs that are killed with no chance to clean up: what is on the disk stays whole, and the run can be resumed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from solver.attempts import check_submission, read_submission
from solver.fusion import settled
from solver.journal import read_journal
from solver.records import INDUCTION_EVENT, SEARCH_EVENT, TASK_EVENT, Outcome
from solver.task import Task, read_split, select
from tests.fake_search import program_candidates
from tests.fake_worker import make_tasks, write_base, write_tasks

ROOT = Path(__file__).parents[1]

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")


@dataclass(frozen=True)
class Command:
    """A submission's command line but for its files. tasks: what it is about; records: how many of each kind."""

    words: tuple[str, ...]
    tasks: Sequence[Task]
    records: Mapping[str, int]

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        files = ("--output", str(folder / "submission.json"), "--run-dir", str(folder / "run"), "--resume")
        # A session of its own: all its processes can be killed at once, and be found afterwards.
        return subprocess.Popen(
            [sys.executable, *self.words, *files],
            cwd=ROOT,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def finish(self, folder: Path) -> None:
        process = self.start(folder)
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors.decode()

    def check(self, folder: Path) -> None:
        """What must hold whenever a run was killed."""
        output, journal = folder / "submission.json", folder / "run" / "journal.jsonl"
        if journal.exists():
            assert output.exists(), "a journal without a submission"
            read_journal(journal)
        if output.exists():
            assert check_submission(json.loads(output.read_text()), self.tasks, "submission") == []


def session(leader: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, number, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(number) == leader and state != "Z":
            found.append(int(folder.name))
    return found


def wait_until_empty(leader: int, seconds: float) -> list[int]:
    """The processes of a session that are still there after so long."""
    end = time.monotonic() + seconds
    while (left := session(leader)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def wait_a_while(process: subprocess.Popen[bytes], folder: Path, rng: random.Random, whole: float) -> None:
    """Until a random moment of the run: any at all, or one after it has begun to record its work."""
    journal = folder / "run" / "journal.jsonl"
    size = journal.stat().st_size if journal.exists() else 0
    at_work, moment = rng.random() < 0.6, rng.random()
    while at_work and process.poll() is None and not (journal.exists() and journal.stat().st_size > size):
        time.sleep(0.01)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment * whole * (0.5 if at_work else 1.0))


def kill_often(command: Command, folder: Path, kills: int, seed: int) -> None:
    """Kills runs at random moments and resumes them; what they end with is what an undisturbed run does."""
    began = time.monotonic()
    command.finish(folder / "undisturbed")
    whole = time.monotonic() - began
    wanted = read_submission(folder / "undisturbed" / "submission.json")

    rng = random.Random(seed)
    done, chain = 0, 0
    while done < kills:
        place = folder / f"chain{chain}"
        process = command.start(place)
        seen = (place / "submission.json").exists()
        wait_a_while(process, place, rng, whole)
        if process.poll() is None:
            done += 1
            # Now the main process alone, now all of them, as an empty battery or a full memory would.
            (os.kill if done % 2 else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
        assert process.returncode in (0, -signal.SIGKILL), process.communicate()[1].decode()
        left = wait_until_empty(process.pid, 10)
        assert left == [], "workers outlive the run"
        assert process.stderr is not None
        process.stderr.close()
        command.check(place)
        assert (place / "submission.json").exists() >= seen
        chain += process.returncode == 0
    for place in folder.glob("chain*"):
        command.finish(place)
        assert read_submission(place / "submission.json") == wanted
        for kind, count in command.records.items():
            records = [event for event in read_journal(place / "run" / "journal.jsonl") if event["event"] == kind]
            assert len(records) == len({event["task_id"] for event in records}) == count, "not one for each task"
            assert {event["status"] for event in records} == {Outcome.DONE.value}


def fake_command(folder: Path, tasks: Sequence[Task], pause: float, channels: str = "ttt,search,programs") -> Command:
    """A submission with fake workers that take so many seconds per task."""
    files = {"--challenges": write_tasks(folder / "challenges.json", tasks), "--base": write_base(folder / "base")}
    if "programs" in channels:
        files["--programs-base"] = write_base(folder / "writer")
    settled_by_search = sum(settled(task, program_candidates(task)) for task in tasks)
    return Command(
        (
            *("-c", "import sys; from tests.fake_worker import drive; drive(*sys.argv[1:])", str(folder), str(pause)),
            *(word for flag, file in files.items() for word in (flag, str(file))),
            *("--no-ttt", "--device", "cpu", "--workers", "2", "--time-budget", "5m", "--seed", "3"),
            *("--channels", channels),
        ),
        tasks,
        {TASK_EVENT: len(tasks), SEARCH_EVENT: len(tasks), INDUCTION_EVENT: len(tasks) - settled_by_search},
    )


@needs_proc
def test_killed_at_random_moments_with_fake_workers(tmp_path: Path) -> None:
    kill_often(fake_command(tmp_path, make_tasks(30), 0.05), tmp_path, kills=8, seed=11)


@needs_proc
@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_at_random_moments_with_the_embedded_base(tmp_path: Path) -> None:
    tasks = select(read_split("arc1-training"), limit=3)
    words = ("submission.py", "--split", "arc1-training", "--limit", "3", "--ttt-steps", "2", "--time-budget", "5m")
    # What a search finds depends on how fast the machine is: only the model's answers can be compared.
    words = (*words, "--channels", "ttt", "--seed", "1")
    kill_often(Command(words, tasks, {TASK_EVENT: len(tasks)}), tmp_path, kills=20, seed=12)


@needs_proc
@pytest.mark.parametrize(("channel", "name"), [("ttt", "jobs"), ("search", "searches"), ("programs", "writings")])
def test_a_worker_ends_with_its_parent_in_the_middle_of_a_job(tmp_path: Path, channel: str, name: str) -> None:
    process = fake_command(tmp_path, make_tasks(2), 1000, channel).start(tmp_path)
    end = time.monotonic() + 60
    while not (tmp_path / name).exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert len(session(process.pid)) >= 2, "the main process and a worker"
    process.kill()
    process.wait()
    left = wait_until_empty(process.pid, 10)
    for orphan in left:
        os.kill(orphan, signal.SIGKILL)
    assert left == []
    assert process.stderr is not None
    process.stderr.close()
