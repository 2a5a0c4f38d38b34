"""The loop of a run: starts workers, hands out tasks, hears what they say, stops in time.

Owns the crews and the deadline; decides nothing about seconds (scheduler), places (staffing) or answers (fusion), and
leaves what is remembered to the ledger.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import asdict

from solver.attempts import write_submission
from solver.budget import Clock
from solver.crew import Crew, Seat, wait_for
from solver.jobs import (
    Armed,
    Finished,
    Job,
    Manner,
    Message,
    Partial,
    Rated,
    Ready,
    Searched,
    SearchJob,
    Unusable,
    Warm,
    WriteJob,
    Wrote,
    enter,
    enter_search,
    enter_writing,
)
from solver.journal import Journal
from solver.ledger import Ledger
from solver.records import InductionRecord, Outcome, SearchRecord, TaskRecord
from solver.run_state import Run, Watcher, new_run
from solver.scheduler import Grant
from solver.settings import Settings
from solver.staffing import Staff, searchers, workers, writers
from solver.task import Task

GRACE = 300.0
"""Seconds past its grant after which a worker counts as hung: one step of a large base takes minutes on a CPU."""

SEARCH_GRACE = 30.0
"""The same for a search, which cannot be interrupted for some seconds at its end; more on a busy machine."""

TICK = 1.0
"""Seconds between two looks at the clock when nothing happens."""


def run(settings: Settings, tasks: Sequence[Task], watcher: Watcher, clock: Clock = time.monotonic) -> Run:
    """Solves the tasks within the budget and writes the submission.

    Raises `InputError` before anything is written when the run cannot start.
    """
    state = new_run(settings, tasks, clock)
    write_submission(settings.output, tasks, state.answers)
    with Journal(settings.journal) as journal:
        ledger = Ledger(state, journal, tasks)
        journal.append("run", **settings.to_json(tasks))
        watcher.started(state)
        loop = Loop(ledger, watcher)
        try:
            loop.work()
        finally:
            loop.close()
            journal.append("end", seconds=round(clock() - settings.began, 3), problems=state.problems)
    watcher.ended(state)
    return state


class Loop:
    """The processes that work on a run, and what is made of what they say."""

    def __init__(self, ledger: Ledger, watcher: Watcher) -> None:
        self.ledger, self.state, self.watcher = ledger, ledger.state, watcher
        state = self.state
        vacant = searchers(state.settings, len(state.searching.waiting))
        self.search = Crew("search worker", enter_search, state.searching, vacant, SEARCH_GRACE)
        self.induction = Crew("program writer", enter_writing, state.inducing, writers(state.settings), GRACE)
        names = state.settings.bases()
        self.models = tuple(
            Crew(
                "worker" if len(names) == 1 else f"{names[base.number]} worker",
                enter,
                base.scheduler,
                workers(state.settings, base.number),
                GRACE,
                base.number,
            )
            for base in state.bases
        )
        self.staff = Staff(state, self.search, self.induction, self.models)
        self.crews = self.staff.crews()

    def work(self) -> None:
        """Until everything is done, the time is over, or no worker is left."""
        state = self.state
        while (now := state.clock()) < state.settings.stop():
            self.staff.fill(now)
            self._hand_out(now)
            if not any(crew.open(now) for crew in self.crews):
                return
            wait_for(self.crews, min(TICK, state.settings.stop() - now))
            for crew in self.crews:
                for seat in list(crew.seats):
                    self._listen(crew, seat)
                    if seat.grant and state.clock() > seat.grant.ends + crew.grace:
                        seat.process.kill()
                        self._died(crew, seat, f"was killed {crew.grace:.0f} s past its time")
            self.watcher.changed(state)

    def _hand_out(self, now: float) -> None:
        """Gives every worker that waits a task, while there are any."""
        for crew in self.crews:
            for seat in crew.idle():
                seat.grant = crew.scheduler.next(now, self._busy(crew))
                if seat.grant:
                    try:
                        seat.pipe.send(self._job(crew, seat.grant))
                    except OSError:  # it died after its last message
                        self._died(crew, seat)

    def _busy(self, crew: Crew) -> set[str]:
        """Tasks that a base cannot have now, because another works on them: what both said would not be told to either,
        and what is left out as decided would not be."""
        if crew.base is None:
            return set()
        return {task_id for other in self.models if other is not crew for task_id in other.scheduler.running}

    def _job(self, crew: Crew, grant: Grant) -> Job | SearchJob | WriteJob:
        settings, task = self.state.settings, self.state.tasks[grant.task_id]
        if crew is self.search:
            return SearchJob(task, grant.ends, settings.search_seconds or math.inf)
        if crew.base is None:
            return WriteJob(task, grant.ends, _seed(settings.seed, task.id, grant.number))
        return Job(
            task,
            grant.ends,
            _seed(settings.seed, task.id, grant.number, crew.base),
            settings.ttt,
            settings.ttt_steps,
            grant.number,
            Manner(settings.decode, settings.vote, settings.stop_early),
            tuple(self.ledger.known(task.id, crew.base)),
            self.state.closed(task.id),
            crew.base,
        )

    def _listen(self, crew: Crew, seat: Seat) -> None:
        """Takes all messages of a worker; notices its death."""
        try:
            while seat.pipe.poll():
                message: Message = seat.pipe.recv()
                self._take(crew, seat, message)
                if isinstance(message, Unusable):
                    return
        except (EOFError, OSError):
            self._died(crew, seat)
            return
        if not seat.process.is_alive() and not seat.pipe.poll():
            self._died(crew, seat)

    def _take(self, crew: Crew, seat: Seat, message: Message) -> None:
        match message:
            case Ready():
                self._ready(crew, seat)
                self.state.workers.append(f"{message.device} ({message.quantize}, {message.dtype})")
                self.ledger.journal.append("worker", base=crew.base, **asdict(message))
            case Warm():
                self._ready(crew, seat)
                self.ledger.journal.append("searcher", **asdict(message))
            case Armed():
                self._ready(crew, seat)
                self.state.workers.append(f"{message.device} ({message.quantize}, {message.dtype}), writing programs")
                self.ledger.journal.append("writer", **asdict(message))
            case Unusable():
                self.ledger.problem(f"{crew.name} {message.worker}: {message.message}")
                if message.again:
                    crew.replace(seat)
                else:
                    crew.lose(seat)
                self._give_up(crew)
            case Partial():
                self.ledger.collect(message, _base(crew))
            case Rated():
                self.ledger.rated(message)
            case Finished():
                number = _free(seat, message).number
                crew.scheduler.finished(message.task_id, self.state.doubt(message.task_id))
                self.ledger.finished(message, number, _base(crew))
            case Searched():
                _free(seat, message)
                self.state.searching.finished(message.task_id, doubt=0.0)
                self.ledger.searched(message)
            case Wrote():
                _free(seat, message)
                self.state.inducing.finished(message.task_id, doubt=0.0)
                self.ledger.written(message)

    def _ready(self, crew: Crew, seat: Seat) -> None:
        """A worker waits for its first task."""
        if not crew.ready:
            self.staff.ready(crew)
        seat.ready = crew.ready = True

    def _died(self, crew: Crew, seat: Seat, how: str = "") -> None:
        """A worker is gone: its task waits for another try, its seat for another process."""
        seat.process.join(0.1)
        text = f"{crew.name} {seat.settings.number} {how or f'died (exit code {seat.process.exitcode})'}"
        if seat.grant:
            task_id = seat.grant.task_id
            again = crew.scheduler.lost(task_id)
            text += f" on task {task_id}" + ("; the task is tried again" if again else "")
            if crew.base is not None and again:
                self.state.bases[crew.base].broken.add(task_id)
            elif crew.base is not None:
                number = seat.grant.number
                self.ledger.record(TaskRecord(task_id, Outcome.FAILED, error=text, pass_number=number, base=crew.base))
            elif crew is self.search and not again:
                self.ledger.record_search(SearchRecord(task_id, Outcome.FAILED, error=text))
            elif not again:
                self.ledger.record_induction(InductionRecord(task_id, Outcome.FAILED, error=text))
        self.ledger.problem(text)
        crew.replace(seat)
        self._give_up(crew)

    def _give_up(self, crew: Crew) -> None:
        """Where the first search worker cannot load the search, the others could not either."""
        if crew is self.search and not crew.ready and not crew.seats:
            crew.vacant.clear()

    def close(self) -> None:
        """Ends all workers; what unfinished tasks have found so far still counts."""
        for crew in self.crews:
            crew.kill()
        for crew in self.models:
            visits = self.state.bases[_base(crew)]
            cut_short = {seat.grant.task_id: seat.grant.number for seat in crew.seats if seat.grant}
            for task_id in sorted(visits.broken - cut_short.keys()):
                cut_short[task_id] = visits.scheduler.passes.get(task_id, 0)
            for task_id, number in cut_short.items():
                notes = ("stopped at the end of the run's time",)
                record = TaskRecord(task_id, Outcome.TIMED_OUT, notes=notes, pass_number=number, base=visits.number)
                self.ledger.record(record)
        # Before the wait, which may be cut short from outside.
        self.ledger.submit()
        for crew in self.crews:
            crew.join()


def _free(seat: Seat, message: Finished | Searched | Wrote) -> Grant:
    """The grant that a worker has just worked off. Whatever ended its forerunners, here work gets done."""
    grant, seat.grant, seat.deaths = seat.grant, None, 0
    assert grant is not None, f"worker {message.worker} finished {message.task_id}, which it was not given"
    return grant


def _base(crew: Crew) -> int:
    """The number of the base that a crew trains."""
    assert crew.base is not None, f"a {crew.name} trains no base"
    return crew.base


def _seed(seed: int, task_id: str, number: int, base: int = 0) -> int:
    """The same for a task whatever ran before it, on whichever worker; every base sees it through views of its own."""
    text = f"{seed}:{task_id}:{number}" + (f":{base}" if base else "")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])
