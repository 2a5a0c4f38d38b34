"""What the runner and its workers say to each other. No torch: the runner starts in a blink and stays small."""

from __future__ import annotations

import math
import multiprocessing
import os
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from solver.attempts import Candidate
from solver.deciding import StopEarly
from solver.grid import Grid
from solver.profiles import Decode, Profile
from solver.task import Query, Task


@dataclass(frozen=True, slots=True)
class Manner:
    """How views are decoded, what is made of them (vote: its name in `settings.VOTES`), and when some are left out."""

    decode: Decode = Decode.GREEDY
    vote: str = "hierarchical"
    stop: StopEarly = StopEarly.EXACT


@dataclass(frozen=True, slots=True)
class Job:
    """Work on one task. ends: the moment (monotonic clock) by which it should be done; steps: exact number of TTT
    steps (None: as many as the time allows); seed: decides examples and views; number: which pass over the task;
    base: the number of the worker's base, which its candidates bear.

    known: candidates of all channels and bases that were there before, to be voted on together with what is found:
    earlier passes', other bases' and programs' answers, which also serve as drafts; closed: whether programs have said
    all they will.
    """

    task: Task
    ends: float
    seed: int
    ttt: bool = True
    steps: int | None = None
    number: int = 0
    manner: Manner = Manner()
    known: tuple[Candidate, ...] = ()
    closed: bool = False
    base: int = 0


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is started with. device: None for the best there is; threads: 0 for the library's choice."""

    number: int
    profile: Profile
    device: str | None
    quantize: str
    threads: int


@dataclass(frozen=True, slots=True)
class SearchJob:
    """Program search on one task. ends: the moment (monotonic clock) by which it should be done; seconds: most of the
    processor's."""

    task: Task
    ends: float
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class SearcherSettings:
    """What a search worker is started with. memory: bytes that one search may use."""

    number: int
    memory: int


@dataclass(frozen=True, slots=True)
class WriteJob:
    """Have programs written for one task. ends: the moment (monotonic clock) by which it should be done; seed: decides
    views and samples."""

    task: Task
    ends: float
    seed: int


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """What a process that writes programs is started with. folder: the base; device: None for the best there is;
    threads: 0 for the library's choice; runners: processes that run the programs."""

    number: int
    folder: Path
    device: str | None
    quantize: str
    threads: int
    runners: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The base is loaded."""

    worker: int
    device: str
    dtype: str
    quantize: str
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Warm:
    """The search is compiled and loaded, which took so many seconds."""

    worker: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Unusable:
    """The base or the search cannot be loaded; nothing will follow. again: it may be otherwise at another time."""

    worker: int
    message: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class Partial:
    """Candidates of a job that is still running."""

    worker: int
    task_id: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Rated:
    """Scores of some queries' candidates, those of earlier passes and other bases included; all that these queries'
    candidates had before no longer counts, since it came from other views or from another base."""

    worker: int
    task_id: str
    scores: dict[Query, dict[Grid, float]]


@dataclass(frozen=True, slots=True)
class Finished:
    """A job's end. views, planned_views, saved_views: decoded, intended, and left out because nothing hung on them;
    decoding: counts; error: what was caught, if anything; the candidates were sent before."""

    worker: int
    task_id: str
    views: int = 0
    planned_views: int = 0
    saved_views: int = 0
    decoding: dict[str, int] = field(default_factory=dict)
    ttt: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    notes: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Searched:
    """A search's end: its best answers, one candidate per test input each, the best first.

    stop: why it ended; states: how many it kept; seconds: of the CPU; answers, perfect: how many there were, and how
    many of them reproduce every demonstration; error: what was caught, if anything.
    """

    worker: int
    task_id: str
    candidates: tuple[Candidate, ...] = ()
    stop: str | None = None
    states: int = 0
    seconds: float = 0.0
    answers: int = 0
    perfect: int = 0
    peak_memory: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Armed:
    """The base that writes programs is loaded and the sandbox stands. protections: those that are active here."""

    worker: int
    device: str
    dtype: str
    quantize: str
    seconds: float
    protections: tuple[str, ...]
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wrote:
    """The end of a `WriteJob`. stop: why sampling ended; late: whether the time was over before there was a text;
    sampled: texts; programs: distinct ones that were run; perfect: those that reproduce every demonstration;
    fates: what became of the texts; error: what was caught, if anything."""

    worker: int
    task_id: str
    candidates: tuple[Candidate, ...] = ()
    stop: str | None = None
    late: bool = False
    sampled: int = 0
    programs: int = 0
    perfect: int = 0
    fates: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    peak_memory: int = 0
    error: str | None = None


Message = Ready | Warm | Armed | Unusable | Partial | Rated | Finished | Searched | Wrote


def enter(settings: WorkerSettings, pipe: Connection) -> None:
    """A worker process's entry: torch is imported here, in the child."""
    die_with_parent()
    try:
        from solver.worker import work
    except ImportError as error:
        pipe.send(Unusable(settings.number, summary(error)))
        return
    work(settings, pipe)


def enter_search(settings: SearcherSettings, pipe: Connection) -> None:
    """A search worker process's entry: the search is imported here, torch nowhere."""
    die_with_parent()
    try:
        from solver.searcher import work
    except ImportError as error:
        pipe.send(Unusable(settings.number, summary(error)))
        return
    work(settings, pipe)


def enter_writing(settings: WriterSettings, pipe: Connection) -> None:
    """The entry of a process that writes programs: torch is imported here, in the child."""
    die_with_parent()
    try:
        from solver.writer import work
    except ImportError as error:
        pipe.send(Unusable(settings.number, summary(error)))
        return
    work(settings, pipe)


def incoming(pipe: Connection) -> Iterator[Any]:
    """Jobs, until the runner says that no more come, or is gone."""
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        if job is None:
            return
        yield job


def summary(error: BaseException) -> str:
    """An error in one line."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def account(error: BaseException) -> str:
    """An error in one line, then the innermost frames of where it was raised."""
    return summary(error) + "\n" + "".join(traceback.format_exception(error, limit=-6))


def die_with_parent() -> None:
    """Ends this process as soon as the one that started it is gone, in the middle of a job if need be."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
