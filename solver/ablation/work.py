"""Processes that each hold a base and do one trial after the other."""

from __future__ import annotations

import itertools
import multiprocessing
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from solver.ablation.rows import ROWS, Terms
from solver.budget import Deadline
from solver.encoding import Json
from solver.grid import InputError
from solver.profiles import Profile
from solver.task import Task

Work = tuple[Callable[..., Json], tuple[Any, ...]]
"""What a process is to do, and on what."""


@dataclass(frozen=True, slots=True)
class WorkerTerms:
    """quantize: the weights of most rows, "nf4" or "none"; device: None for the best there is; threads: on a CPU."""

    profile: Profile
    quantize: str
    device: str | None
    threads: int


@dataclass(slots=True)
class _Worker:
    """This process, if it is one of those. loaded: its base and how that is quantised, once it is needed."""

    terms: WorkerTerms
    number: int
    loaded: tuple[str, Any] | None = None

    def base(self, quantize: str) -> Any:
        """The base in these weights; another one is let go of first."""
        from solver.model import Quantize, choose_device, load_base

        if self.loaded is None or self.loaded[0] != quantize:
            self.loaded = None
            device = choose_device(self._device())
            self.loaded = quantize, load_base(self.terms.profile, device, Quantize(quantize))
        return self.loaded[1]

    def _device(self) -> str | None:
        """The GPUs in turn."""
        import torch

        if self.terms.device in (None, "cuda") and torch.cuda.is_available():
            return f"cuda:{self.number % torch.cuda.device_count()}"
        return self.terms.device


_here: list[_Worker] = []
"""This process's worker: none in the one that was started by a person."""


def _start(terms: WorkerTerms, numbers: Queue[int]) -> None:
    """Begins a process's life; numbers: gives each process one of its own."""
    import torch

    from solver.model import quiet_libraries

    quiet_libraries()
    torch.set_num_threads(terms.threads)
    _here.append(_Worker(terms, numbers.get()))


def trial(key: str, task: Task, terms: Terms, adapter: str | None) -> Json:
    """One task under the row of that key. adapter: the shared LoRA's file, for the row that has one.

    A fault is the task's own: recorded, without an answer.
    """
    from solver.ablation.shared import read_adapter
    from solver.ablation.trial import run_trial

    (worker,) = _here
    (row,) = (row for row in ROWS if row.key == key)
    base = worker.base("nf4" if row.quantized else worker.terms.quantize)
    try:
        weights = None if adapter is None else read_adapter(Path(adapter), base.device)
        return run_trial(base, task, row, terms, weights)
    except Exception as error:  # noqa: BLE001 (whatever it is, the other tasks go on)
        base.recover()
        return {"row": key, "task_id": task.id, "error": repr(error), "trace": traceback.format_exc()}


def shared_training(tasks: Sequence[Task], steps: int, seed: int, path: str, seconds: float) -> Json:
    """Trains the shared LoRA for as long as there are steps and seconds."""
    from solver.ablation.shared import train_shared

    (worker,) = _here
    base = worker.base(worker.terms.quantize)
    report = train_shared(base, tasks, steps, seed, Path(path), Deadline.after(seconds))
    losses = [round(loss, 4) for loss in report.losses]
    return {"step": report.step, "steps": steps, "stop": report.stop.value, "losses": losses, "events": report.events}


class Crowd:
    """Processes that share work out among themselves; to be used in a `with`."""

    def __init__(self, terms: WorkerTerms, count: int, deadline: Deadline) -> None:
        self.count, self.deadline = count, deadline
        # Forked ones would inherit threads that a library may already have started.
        spawn = multiprocessing.get_context("spawn")
        numbers: Queue[int] = spawn.Queue()
        for number in range(count):
            numbers.put(number)
        self.pool = ProcessPoolExecutor(count, spawn, _start, (terms, numbers))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.shutdown(cancel_futures=True)

    def do(self, work: Sequence[Work]) -> Iterator[Json]:
        """What becomes of each, as it ends; after the deadline nothing more is begun. Raises `InputError` if a process
        dies, which most likely means that memory is short."""
        left = iter(work)
        running: set[Future[Json]] = set()
        while True:
            # Little is handed out ahead, so that little is under way when the time is over.
            room = 0 if self.deadline.passed() else self.count - len(running)
            running |= {self.pool.submit(function, *on) for function, on in itertools.islice(left, room)}
            if not running:
                return
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            try:
                yield from (future.result() for future in ended)
            except BrokenProcessPool:
                raise InputError(
                    "a worker died, most likely for lack of memory; with fewer --workers the same command goes on"
                ) from None
