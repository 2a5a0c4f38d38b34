"""Which workers have a place, and since when their time counts: crews take turns on cores and devices.

Starts and ends processes through their crews; hears nothing of what they say.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from solver.crew import AnySettings, Crew
from solver.jobs import SearcherSettings, WorkerSettings, WriterSettings
from solver.run_state import Run
from solver.scheduler import induction_policy, room_beside, search_policy
from solver.settings import Settings


@dataclass(frozen=True, slots=True)
class Staff:
    """The crews of a run, one for each channel: searching, writing programs, training on tasks."""

    state: Run
    search: Crew
    induction: Crew
    model: Crew

    def crews(self) -> tuple[Crew, ...]:
        return self.search, self.induction, self.model

    def fill(self, now: float) -> None:
        """Starts the workers that have a place now, and ends those that have nothing left to do and hold a place."""
        self._search(now)
        settings = self.state.settings
        room = len(settings.devices)
        if settings.turns():
            room = room_beside(self.search.size(), settings.searchers, room)
        self._induction(now, room)
        # A device that programs are written on, or are to be, the model waits for.
        if not self.model.scheduler.exhausted(now):
            started = len(settings.devices) - len(self.model.vacant)
            self.model.start(room - self.induction.size() - started, held=self.induction.numbers())

    def _search(self, now: float) -> None:
        crew = self.search
        if not crew.scheduler.waiting or crew.scheduler.exhausted(now):
            crew.dismiss()
        elif crew.ready or not crew.seats:
            # The first one alone, until it is ready: what it compiles, the others find on the disk.
            crew.start(len(crew.vacant) if crew.ready else 1)

    def _induction(self, now: float, room: int) -> None:
        crew = self.induction
        if not crew.scheduler.waiting or crew.scheduler.exhausted(now):
            crew.dismiss()
            return
        started = len(self.state.settings.devices) - len(crew.vacant)
        crew.start(room - started)
        if not started and crew.seats:
            self._begin_induction()

    def ready(self, crew: Crew) -> None:
        """The first worker of a crew is ready: where others wait for its cores or devices, its time begins when it can
        begin."""
        if crew is self.search and self.state.settings.turns():
            self._begin_search()
        elif crew is self.induction:
            self._begin_induction()

    def _begin_search(self) -> None:
        settings, scheduler = self.state.settings, self.state.searching
        longest = settings.longest_search()
        workers = scheduler.policy.workers
        scheduler.policy = search_policy(self.state.clock(), settings.stop(), workers, True, longest=longest)

    def _begin_induction(self) -> None:
        """Called twice: when there is room, so that loading has an end too, and when the first base is loaded."""
        settings, scheduler = self.state.settings, self.state.inducing
        turns = settings.profile is not None
        scheduler.policy = induction_policy(self.state.clock(), settings.stop(), scheduler.policy.workers, turns)


def searchers(settings: Settings, tasks: int) -> list[AnySettings]:
    """No more than there are tasks to search."""
    return [SearcherSettings(number, settings.search_memory) for number in range(min(settings.searchers, tasks))]


def writers(settings: Settings) -> list[AnySettings]:
    """One per device; the cores are shared out for running what they write."""
    if settings.writer is None:
        return []
    runners = max(1, len(os.sched_getaffinity(0)) // len(settings.devices))
    return [
        WriterSettings(number, settings.writer, device, settings.quantize, settings.threads, runners)
        for number, device in enumerate(settings.devices)
    ]


def workers(settings: Settings) -> list[AnySettings]:
    """One per device."""
    if settings.profile is None:
        return []
    return [
        WorkerSettings(number, settings.profile, device, settings.quantize, settings.threads)
        for number, device in enumerate(settings.devices)
    ]
