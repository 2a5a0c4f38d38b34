"""The loop of a run: starts workers, hands out tasks, keeps the journal and the submission file, stops in time.

Owns every process and the deadline; decides nothing about seconds (scheduler) or answers (voting).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from solver.attempts import write_submission
from solver.budget import Clock
from solver.jobs import Finished, Job, Message, Partial, Ready, Unusable, WorkerSettings, enter
from solver.journal import TASK_EVENT, Journal, Outcome, TaskRecord
from solver.run_state import Run, Settings, Watcher, new_run
from solver.scheduler import Grant
from solver.task import Query, Task

LIVES = 3
"""How often one worker is started again after it died."""

GRACE = 300.0
"""Seconds past its grant after which a worker counts as hung: one step of a large base takes minutes on a CPU."""

TICK = 1.0
"""Seconds between two looks at the clock when nothing happens."""


@dataclass(slots=True)
class Seat:
    """One worker's place: its process, its pipe, and what it is doing."""

    settings: WorkerSettings
    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    grant: Grant | None = None
    deaths: int = 0


def run(settings: Settings, tasks: Sequence[Task], watcher: Watcher, clock: Clock = time.monotonic) -> Run:
    """Solves the tasks within the budget and writes the submission.

    Raises `InputError` before anything is written when the run cannot start.
    """
    state = new_run(settings, tasks, clock)
    write_submission(settings.output, tasks, state.answers)
    with Journal(settings.journal) as journal:
        journal.append("run", **settings.to_json(tasks))
        watcher.started(state)
        loop = Loop(state, journal, watcher, list(tasks))
        try:
            loop.work()
        finally:
            loop.close()
            journal.append("end", seconds=round(clock() - settings.began, 3), problems=state.problems)
    watcher.ended(state)
    return state


@dataclass(slots=True)
class Loop:
    """Run state plus the processes that work on it.

    broken: tasks whose last try died with its worker; what it found waits to be replaced by another try's candidates.
    """

    state: Run
    journal: Journal
    watcher: Watcher
    order: list[Task]
    seats: list[Seat]
    broken: set[str]

    def __init__(self, state: Run, journal: Journal, watcher: Watcher, order: list[Task]) -> None:
        self.state, self.journal, self.watcher, self.order = state, journal, watcher, order
        self.seats = []
        self.broken = set()

    def work(self) -> None:
        """Until everything is done, the time is over, or no worker is left."""
        state = self.state
        if state.scheduler.exhausted(state.clock()):
            return
        for number, device in enumerate(state.settings.devices):
            settings = WorkerSettings(
                number, state.settings.profile, device, state.settings.quantize, state.settings.threads
            )
            self.seats.append(_seat(settings))
        while self.seats:
            now = state.clock()
            if now >= state.settings.stop() or not self._hand_out(now):
                return
            timeout = min(TICK, max(0.0, state.settings.stop() - now))
            handles = [seat.pipe for seat in self.seats] + [seat.process.sentinel for seat in self.seats]
            wait(handles, timeout)
            for seat in list(self.seats):
                self._listen(seat)
                if seat.grant and state.clock() > seat.grant.ends + GRACE:
                    seat.process.kill()
                    self._died(seat, f"was killed {GRACE:.0f} s past its time")
            self.watcher.changed(state)

    def _hand_out(self, now: float) -> bool:
        """Gives every free worker a task; False when nothing runs and nothing is left to be started."""
        for seat in list(self.seats):
            if not seat.ready or seat.grant:
                continue
            seat.grant = self.state.scheduler.next(now)
            if seat.grant:
                settings, task = self.state.settings, self.state.tasks[seat.grant.task_id]
                seed = _seed(settings.seed, task.id, seat.grant.number)
                job = Job(task, seat.grant.ends, seed, settings.ttt, settings.ttt_steps, seat.grant.number)
                try:
                    seat.pipe.send(job)
                except OSError:  # it died after its last message
                    self._died(seat)
        return not self.state.scheduler.exhausted(now)

    def _listen(self, seat: Seat) -> None:
        """Takes all messages of a worker; notices its death."""
        try:
            while seat.pipe.poll():
                message: Message = seat.pipe.recv()
                self._take(seat, message)
                if isinstance(message, Unusable):
                    return
        except (EOFError, OSError):
            self._died(seat)
            return
        if not seat.process.is_alive() and not seat.pipe.poll():
            self._died(seat)

    def _take(self, seat: Seat, message: Message) -> None:
        match message:
            case Ready():
                seat.ready = True
                self.state.workers.append(f"{message.device} ({message.quantize}, {message.dtype})")
                self.journal.append("worker", **asdict(message))
            case Unusable():
                self._problem(f"worker {message.worker}: {message.message}")
                self._remove(seat)
                self.state.scheduler.worker_gone()
            case Partial():
                self._collect(message)
            case Finished():
                self._finish(seat, message)

    def _collect(self, message: Partial) -> None:
        """Adds candidates; another try's replace those of the try that died, which had the same views."""
        state, task_id = self.state, message.task_id
        if task_id in self.broken:
            self.broken.remove(task_id)
            state.found[task_id] = list(state.records[task_id].candidates) if task_id in state.records else []
        state.found[task_id] += message.candidates

    def _finish(self, seat: Seat, message: Finished) -> None:
        grant, seat.grant = seat.grant, None
        assert grant is not None, f"worker {message.worker} finished {message.task_id}, which it was not given"
        cut_short = message.views < message.planned_views
        status = Outcome.FAILED if message.error else Outcome.TIMED_OUT if cut_short else Outcome.DONE
        self.state.scheduler.finished(message.task_id, self.state.doubt(message.task_id))
        self._record(
            TaskRecord(
                message.task_id,
                status,
                ttt=message.ttt,
                seconds={stage: round(seconds, 3) for stage, seconds in message.seconds.items()},
                peak_memory=message.peak_memory,
                notes=message.notes,
                error=message.error,
                pass_number=grant.number,
                worker=message.worker,
            )
        )

    def _record(self, record: TaskRecord) -> None:
        """Votes, remembers and writes. A record holds the candidates of all passes so far."""
        state = self.state
        attempts = state.vote(record.task_id)
        record = replace(record, candidates=tuple(state.found[record.task_id]), attempts=attempts)
        state.answers |= {Query(record.task_id, index): one for index, one in enumerate(attempts)}
        state.records[record.task_id] = record
        self.broken.discard(record.task_id)
        self.journal.append(TASK_EVENT, **record.to_json())
        write_submission(state.settings.output, self.order, state.answers)

    def _died(self, seat: Seat, how: str = "") -> None:
        """A worker is gone: its task waits for another try, its seat for another process."""
        seat.process.join(0.1)
        text = f"worker {seat.settings.number} {how or f'died (exit code {seat.process.exitcode})'}"
        if seat.grant:
            task_id = seat.grant.task_id
            again = self.state.scheduler.lost(task_id)
            text += f" on task {task_id}" + ("; the task is tried again" if again else "")
            if again:
                self.broken.add(task_id)
            else:
                self._record(TaskRecord(task_id, Outcome.FAILED, error=text, pass_number=seat.grant.number))
        self._problem(text)
        self._remove(seat)
        if seat.deaths < LIVES:
            self.seats.append(_seat(seat.settings, seat.deaths + 1))
        else:
            self.state.scheduler.worker_gone()

    def _problem(self, text: str) -> None:
        self.state.problems.append(text)
        self.journal.append("problem", text=text)

    def _remove(self, seat: Seat) -> None:
        self.seats.remove(seat)
        seat.pipe.close()
        if seat.process.is_alive():
            seat.process.kill()

    def close(self) -> None:
        """Ends all workers; what unfinished tasks have found so far still counts."""
        cut_short = {seat.grant.task_id: seat.grant.number for seat in self.seats if seat.grant}
        for task_id in sorted(self.broken - cut_short.keys()):
            cut_short[task_id] = self.state.scheduler.passes.get(task_id, 0)
        for seat in self.seats:
            seat.process.kill()
        for task_id, number in cut_short.items():
            note = "stopped at the end of the run's time"
            self._record(TaskRecord(task_id, Outcome.TIMED_OUT, notes=(note,), pass_number=number))
        for seat in self.seats:
            seat.process.join()
            seat.pipe.close()
        write_submission(self.state.settings.output, self.order, self.state.answers)


def _seat(settings: WorkerSettings, deaths: int = 0) -> Seat:
    # spawn, not fork: a forked child cannot use CUDA, and would inherit this process's journal.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=enter, args=(settings, theirs), name=f"worker-{settings.number}", daemon=True)
    process.start()
    theirs.close()
    return Seat(settings, process, ours, deaths=deaths)


def _seed(seed: int, task_id: str, number: int) -> int:
    """The same for a task whatever ran before it, on whichever worker."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{task_id}:{number}".encode()).digest()[:6])
