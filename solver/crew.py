"""Processes of one kind that work for a run: started, spoken to over pipes, replaced when they die, ended.

Knows nothing of what they are told or of what they answer.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from solver.budget import Deadline
from solver.jobs import SearcherSettings, WorkerSettings, WriterSettings
from solver.scheduler import Grant, Scheduler

LIVES = 3
"""How often in a row one worker is started again after it died, with no task done in between."""

LEAVING = 10.0
"""Seconds for ended processes to be gone: one that hangs in a driver may never be."""


AnySettings = WorkerSettings | SearcherSettings | WriterSettings
"""What a process of one of the kinds is started with."""


@dataclass(slots=True)
class Seat:
    """One worker's place: its process, its pipe, and what it is doing."""

    settings: AnySettings
    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    grant: Grant | None = None
    deaths: int = 0


@dataclass(slots=True)
class Crew:
    """All workers of one kind.

    name: how people call one of them; entry: what its process runs; vacant: settings of those still to be started;
    grace: seconds past its grant after which a worker counts as hung; base: the number of the base that it trains, None
    for others; ready: whether one has ever been; lost: numbers of workers that cannot do their work and are not started
    any more; gone: processes that were ended and not waited for.
    """

    name: str
    entry: Callable[[Any, Connection], None]
    scheduler: Scheduler
    vacant: list[AnySettings]
    grace: float
    base: int | None = None
    seats: list[Seat] = field(default_factory=list)
    ready: bool = False
    lost: set[int] = field(default_factory=set)
    gone: list[SpawnProcess] = field(default_factory=list)

    def size(self) -> int:
        """Workers that live, or that are still to be started."""
        return len(self.seats) + len(self.vacant)

    def busy(self) -> bool:
        return any(seat.grant for seat in self.seats)

    def open(self, now: float) -> bool:
        """Whether its work is worth waiting for."""
        return self.busy() or (self.size() > 0 and not self.scheduler.exhausted(now))

    def numbers(self) -> set[int]:
        """Of workers that live, or that are still to be started."""
        return {one.number for one in (*self.vacant, *(seat.settings for seat in self.seats))}

    def start(self, count: int, held: Collection[int] = ()) -> None:
        """Starts up to so many of those that are still to be started. held: numbers of those that have no place yet."""
        free = [settings for settings in self.vacant if settings.number not in held]
        for settings in free[: max(0, count)]:
            self.vacant.remove(settings)
            self.seat(settings)

    def seat(self, settings: AnySettings, deaths: int = 0) -> None:
        """Starts one process."""
        # spawn, not fork: a forked child cannot use CUDA, and would inherit this process's journal.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        name = f"{self.name} {settings.number}".replace(" ", "-")
        process = context.Process(target=self.entry, args=(settings, theirs), name=name, daemon=True)
        process.start()
        theirs.close()
        self.seats.append(Seat(settings, process, ours, deaths=deaths))

    def idle(self) -> list[Seat]:
        """Workers that wait for a task."""
        return [seat for seat in self.seats if seat.ready and not seat.grant]

    def remove(self, seat: Seat) -> None:
        """Ends a process for good."""
        self.seats.remove(seat)
        seat.grant = None
        seat.pipe.close()
        seat.process.kill()
        self.gone.append(seat.process)

    def lose(self, seat: Seat) -> None:
        """Ends a process that cannot do its work: none is started in its place."""
        self.remove(seat)
        self.lost.add(seat.settings.number)
        self.scheduler.worker_gone()

    def replace(self, seat: Seat) -> None:
        """Starts another process in the place of one that died, unless too many have died there."""
        if seat.deaths < LIVES:
            self.remove(seat)
            self.seat(seat.settings, seat.deaths + 1)
        else:
            self.lose(seat)

    def recall(self, settings: Sequence[AnySettings]) -> None:
        """Has those of these workers started again that were ended, but not those that cannot do their work."""
        there = self.numbers() | self.lost
        self.vacant += [one for one in settings if one.number not in there]

    def dismiss(self) -> None:
        """Ends those that are not working, and starts no more."""
        self.vacant.clear()
        for seat in list(self.seats):
            if not seat.grant:
                self.remove(seat)

    def kill(self) -> None:
        """Ends all at once; `join` must follow."""
        for seat in self.seats:
            seat.process.kill()

    def join(self) -> None:
        """Waits until all are gone, but not for ever."""
        processes = (*self.gone, *(seat.process for seat in self.seats))
        deadline = Deadline.after(LEAVING)
        for process in processes:
            process.join(max(0.0, deadline.left()))
        for seat in self.seats:
            seat.pipe.close()


def wait_for(crews: Sequence[Crew], seconds: float) -> None:
    """Until a worker speaks or dies, or so many seconds have passed."""
    seats = [seat for crew in crews for seat in crew.seats]
    wait([*(seat.pipe for seat in seats), *(seat.process.sentinel for seat in seats)], max(0.0, seconds))
