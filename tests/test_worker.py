"""What a worker process says, in which order, and that no fault costs more than the job it happens in."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from solver import worker
from solver.attempts import Candidate
from solver.jobs import Finished, Job, Manner, Message, Partial, Rated, Ready, Unusable, WorkerSettings
from solver.model import Base, native_dtype
from solver.pipeline import solve
from solver.training import Stop
from solver.worker import work
from tests.fakes import CPU, copy_task, tiny_folder, tiny_profile

SETTINGS = WorkerSettings(number=3, profile=tiny_profile(orders=1), device="cpu", quantize="none", threads=1)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """A worker takes its process over: signals and threads."""
    handler, threads = signal.getsignal(signal.SIGINT), torch.get_num_threads()
    yield
    signal.signal(signal.SIGINT, handler)
    torch.set_num_threads(threads)


def messages(jobs: Sequence[Job], settings: WorkerSettings = SETTINGS, ends: bool = True) -> list[Message]:
    """All that a worker says to these jobs; then it is told to end, or left alone by its runner."""
    ours, theirs = Pipe()
    for job in jobs:
        ours.send(job)
    if ends:
        ours.send(None)
        # Nothing that comes after the end is read.
        ours.send("not a job")
        work(settings, theirs)
        assert theirs.poll()
        assert theirs.recv() == "not a job"
    else:
        # The other direction stays open: the worker may still speak, but hears that no more jobs come.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(theirs, "recv", _until_empty(theirs))
            work(settings, theirs)
    theirs.close()
    heard: list[Message] = []
    while ours.poll():
        try:
            heard.append(ours.recv())
        except EOFError:
            break
    return heard


def _until_empty(pipe: Any) -> Any:
    receive = pipe.recv

    def recv() -> Any:
        if not pipe.poll():
            raise EOFError
        return receive()

    return recv


def job(name: str, **changes: Any) -> Job:
    return replace(Job(copy_task(name), time.monotonic() + 1000, seed=1, steps=2), **changes)


def of(heard: Sequence[Message], task_id: str) -> tuple[list[Candidate], Finished]:
    """A task's candidates, in the order in which they came, and its end; no other task's messages in between."""
    numbers = [number for number, message in enumerate(heard) if getattr(message, "task_id", None) == task_id]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    *partial, finished = (heard[number] for number in numbers)
    assert all(isinstance(message, Partial) for message in partial)
    assert isinstance(finished, Finished)
    return [candidate for message in partial for candidate in message.candidates], finished  # type: ignore[union-attr]


def test_a_worker_is_ready_then_sends_each_jobs_candidates_then_its_end() -> None:
    first, second = copy_task("first", tests=2), copy_task("second")
    heard = messages([job("first", task=first), job("second", task=second, ttt=False)])
    ready, *rest = heard
    assert isinstance(ready, Ready)
    assert (ready.worker, ready.device, ready.quantize) == (3, "cpu", "none")
    assert ready.dtype == str(native_dtype(CPU))
    assert ready.versions["torch"] != "absent"
    assert ready.seconds > 0
    assert {message.worker for message in heard} == {3}
    assert [type(message) for message in rest if message.task_id == "first"][-1] is Finished  # type: ignore[union-attr]
    for task, executed in ((first, 2), (second, 0)):
        candidates, finished = of(rest, task.id)
        views = 8 * len(task.test_inputs)
        assert len(candidates) + finished.decoding["unparsed"] == finished.views == finished.planned_views == views
        assert {candidate.query for candidate in candidates} <= set(task.queries())
        assert finished.error is None
        assert finished.ttt["executed"] == executed
        assert finished.seconds.keys() == {"ttt", "decode"}
        assert finished.peak_memory > 0
    assert of(rest, "second")[1].ttt["stop"] == Stop.SKIPPED.value


def test_scores_are_sent_where_the_vote_wants_them() -> None:
    task = copy_task("scored")
    _, *rest = messages([job("scored", task=task, ttt=False, manner=Manner(vote="poe"))])
    *partial, rated, finished = rest
    assert isinstance(rated, Rated)
    assert isinstance(finished, Finished)
    found = {one.grid for message in partial for one in message.candidates}  # type: ignore[union-attr]
    assert rated.scores.keys() == set(task.queries())
    assert all(rated.scores[query].keys() == found for query in task.queries())
    assert finished.seconds.keys() == {"ttt", "decode", "score"}
    assert finished.decoding["scored"] == len(found)


def test_a_job_that_fails_is_reported_and_the_next_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    bases: list[Base] = []

    def failing(base: Base, job: Job, *rest: Any) -> None:
        bases.append(base)
        solve(base, job, *rest)
        if job.task.id == "bad":
            base.checkpoint_activations(True)
            raise ValueError("first line\nsecond line")

    expected = of(messages([job("good")]), "good")
    monkeypatch.setattr(worker, "solve", failing)
    heard = messages([job("bad"), job("good")])
    candidates, finished = of(heard, "bad")
    assert finished.error is not None
    assert finished.error.startswith("ValueError: first line\n")
    assert "in failing" in finished.error
    assert finished.views == 8
    assert len(candidates) == 8 - finished.decoding["unparsed"]
    assert of(heard, "good")[0] == expected[0]
    assert of(heard, "good")[1].error is None
    # What the failed job left in the base is freed at once, not when the next job comes.
    messages([job("bad")])
    assert not bases[-1].checkpointing
    assert all(torch.equal(weight, bases[-1].initial[name]) for name, weight in bases[-1].adapter().items())


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(), MemoryError(), RecursionError("deep"), KeyError("key")])
def test_whatever_a_job_raises_is_named(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> None:
        raise error

    monkeypatch.setattr(worker, "solve", failing)
    _, finished = messages([job("bad")])
    assert isinstance(finished, Finished)
    assert (finished.error or "").startswith(f"{type(error).__name__}: ")
    assert (finished.views, finished.ttt) == (0, {})


def test_notes_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def noting(base: Any, job: Job, pace: Any, emit: Any, rate: Any, solved: Any) -> None:
        solved.notes += ["b", "a", "b"]

    monkeypatch.setattr(worker, "solve", noting)
    _, finished = messages([job("noted")])
    assert isinstance(finished, Finished)
    assert finished.notes == ("b", "a")


def test_a_job_past_its_end_finishes_without_candidates() -> None:
    _, finished = messages([job("late", ends=time.monotonic() - 1, steps=None)])
    assert isinstance(finished, Finished)
    assert (finished.views, finished.planned_views, finished.error) == (0, 8, None)
    assert finished.ttt["stop"] == Stop.DEADLINE.value


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (replace(SETTINGS, device="abacus"), "--device abacus: cannot be used"),
        (replace(SETTINGS, quantize="nf3"), "nf3"),
        (replace(SETTINGS, profile=tiny_profile(folder=Path("no/such/base"))), "no/such/base"),
    ],
    ids=["device", "quantize", "folder"],
)
def test_settings_that_cannot_work_make_it_unusable(settings: WorkerSettings, problem: str) -> None:
    ours, theirs = Pipe()
    work(settings, theirs)
    theirs.close()
    message = ours.recv()
    assert isinstance(message, Unusable)
    assert message.worker == 3
    assert not message.again
    assert problem in message.message
    assert "\n" not in message.message
    with pytest.raises(EOFError):
        ours.recv()


def test_without_memory_for_the_base_another_try_may_help(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", no_memory)
    ours, theirs = Pipe()
    work(SETTINGS, theirs)
    message = ours.recv()
    assert isinstance(message, Unusable)
    assert message.again
    assert "CUDA out of memory" in message.message


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_broken_base_makes_it_unusable(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tiny_folder(), folder)
    (folder / name).write_text("broken")
    ours, theirs = Pipe()
    work(replace(SETTINGS, profile=tiny_profile(folder=folder)), theirs)
    message = ours.recv()
    assert isinstance(message, Unusable)
    assert str(folder) in message.message
    assert not ours.poll()


def test_a_worker_ends_when_its_runner_is_gone() -> None:
    *_, last = messages([job("last", ttt=False)], ends=False)
    assert isinstance(last, Finished)


def test_interrupts_are_left_to_the_runner() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    messages([])
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert torch.get_num_threads() == 1
