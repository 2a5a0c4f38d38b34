"""Which workers have a place, and since when their time counts: crews take turns on cores and devices.

Starts and ends processes through their crews; hears nothing of what they say.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from solver.crew import AnySettings, Crew
from solver.jobs import SearcherSettings, WorkerSettings, WriterSettings
from solver.run_state import Run
from solver.scheduler import early_stop, induction_policy, room_beside, search_policy, search_share
from solver.settings import Settings


@dataclass(frozen=True, slots=True)
class Staff:
    """The crews of a run: searching, writing programs, training on tasks, the last with one crew for each base.

    finals: numbers of the bases that were the last one that can be used, at some time.
    """

    state: Run
    search: Crew
    induction: Crew
    models: tuple[Crew, ...]
    finals: set[int] = field(default_factory=set)

    def crews(self) -> tuple[Crew, ...]:
        return self.search, self.induction, *self.models

    def fill(self, now: float) -> None:
        """Starts the workers that have a place now, and ends those that have nothing left to do and hold a place."""
        self._search(now)
        settings = self.state.settings
        room = len(settings.devices)
        if settings.turns():
            room = room_beside(self.search.size(), settings.searchers, room)
        self._induction(now, room)
        final = self._final()
        # A device that programs are written on, or are to be, the first base waits for, and every base for the one
        # before it.
        held = self.induction.numbers()
        for number in range(final + 1):
            crew = self.models[number]
            if number < final:
                self._early(crew, now, room - len(held), held)
            elif not crew.scheduler.exhausted(now):
                crew.start(room - len(held) - self._started(crew), held)
            held |= crew.numbers()

    def _started(self, crew: Crew) -> int:
        """How many of those that need a device have been, those included that are gone."""
        return len(self.state.settings.devices) - len(crew.vacant)

    def _early(self, crew: Crew, now: float, room: int, held: Collection[int]) -> None:
        """A base that others come after: once all its tasks are handed out, its devices go to the next."""
        if crew.scheduler.handed_out(now):
            crew.dismiss()
            return
        started = self._started(crew)
        crew.start(room - started, held)
        if not started and crew.seats:
            self._begin_early(crew)

    def _final(self) -> int:
        """The number of the last base that can be used, to which the rest of the time belongs; -1 if there is none."""
        settings = self.state.settings
        usable = [number for number, crew in enumerate(self.models) if len(crew.lost) < len(settings.devices)]
        final = max(usable, default=-1)
        if final >= 0 and final not in self.finals:
            self.finals.add(final)
            if final < len(self.models) - 1:
                # Those after it are of no use: it goes on, as if it had been the last from the beginning.
                crew = self.models[final]
                crew.recall(workers(settings, final))
                policy = crew.scheduler.policy
                crew.scheduler.policy = replace(policy, stop=settings.stop(), passes=settings.passes)
        return final

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
        started = self._started(crew)
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
        elif crew.base is not None and crew.base not in self.finals:
            self._begin_early(crew)

    def _begin_search(self) -> None:
        settings, scheduler = self.state.settings, self.state.searching
        longest = settings.longest_search()
        workers, now, tasks = scheduler.policy.workers, self.state.clock(), len(self.state.tasks)
        waiting = max((len(base.scheduler.waiting) for base in self.state.bases), default=tasks)
        scheduler.policy = search_policy(now, settings.stop(), workers, True, search_share(waiting, tasks), longest)

    def _begin_induction(self) -> None:
        """Called twice: when there is room, so that loading has an end too, and when the first base is loaded."""
        settings, scheduler = self.state.settings, self.state.inducing
        turns = bool(settings.profiles)
        scheduler.policy = induction_policy(self.state.clock(), settings.stop(), scheduler.policy.workers, turns)

    def _begin_early(self, crew: Crew) -> None:
        """Called twice, as for written programs."""
        stop = early_stop(self.state.clock(), self.state.settings.stop())
        crew.scheduler.policy = replace(crew.scheduler.policy, stop=stop)


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


def workers(settings: Settings, base: int) -> list[AnySettings]:
    """One per device."""
    return [
        WorkerSettings(number, settings.profiles[base], device, settings.quantize, settings.threads)
        for number, device in enumerate(settings.devices)
    ]
