"""A process that searches for programs: compiles or loads the search once, then works on one task after another.

Speaks to the runner over a pipe. A fault inside a search is caught here, recorded, and costs only that search.
"""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from solver.attempts import Candidate, Channel
from solver.budget import Clock
from solver.jobs import Searched, SearcherSettings, SearchJob, Unusable, Warm, account, incoming, summary
from solver.search.answer import Found
from solver.search.channel import search, warm_up
from solver.task import Task

Search = Callable[[Task, float, int, Clock], Found]
"""Task, seconds, bytes of memory, the clock of the seconds: `solver.search.channel.search`."""

KEPT = 16
"""Answers per task that leave this process; they are the best first."""


def work(
    settings: SearcherSettings, pipe: Connection, look: Search = search, prepare: Callable[[], None] = warm_up
) -> None:
    """The process's main function: jobs come in until None, messages go out."""
    # Ctrl-C reaches the whole process group; the runner alone decides how a run ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    began = time.monotonic()
    try:
        prepare()
    except Exception as error:  # noqa: BLE001 (the boundary: whatever it is, the runner must hear of it)
        pipe.send(Unusable(settings.number, f"the program search does not start: {summary(error)}"))
        return
    pipe.send(Warm(settings.number, time.monotonic() - began))
    for job in incoming(pipe):
        pipe.send(_search(settings, job, look))


def _search(settings: SearcherSettings, job: SearchJob, look: Search) -> Searched:
    """Runs one search; whatever it raises becomes part of the message."""
    cpu = time.process_time()
    try:
        left = max(0.0, job.ends - time.monotonic())
        found = look(job.task, min(left, job.seconds), settings.memory, whichever_ends(left, job.seconds))
        candidates = to_candidates(job.task, found)
    except Exception as caught:  # noqa: BLE001 (the boundary: one task's fault must not end the run)
        return Searched(settings.number, job.task.id, seconds=time.process_time() - cpu, error=account(caught))
    return Searched(
        settings.number,
        job.task.id,
        candidates,
        found.stop.value,
        found.states,
        found.seconds,
        len(found.answers),
        sum(answer.perfect for answer in found.answers),
        # In kilobytes, on Linux.
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def whichever_ends(left: float, work: float) -> Clock:
    """A clock that begins at 0 and reaches the lesser of the two once `left` seconds have passed, or the processor has
    worked for `work` seconds: what a search may take does not depend on what else the machine does."""
    lesser, began, cpu = min(left, work), time.monotonic(), time.process_time()
    spare, spare_work = left - lesser, work - lesser
    return lambda: max(time.monotonic() - began - spare, time.process_time() - cpu - spare_work)


def to_candidates(task: Task, found: Found) -> tuple[Candidate, ...]:
    """The best answers, one candidate per test input each, the best first."""
    # Answers that explain everything must not be cut off by others: how many there are decides who is believed.
    answers = sorted(found.answers, key=lambda answer: not answer.perfect)
    return tuple(
        Candidate(
            query,
            grid,
            Channel.PROGRAM,
            program=answer.program,
            cost=answer.cost,
            perfect=answer.perfect,
            seconds=round(answer.seconds, 3),
        )
        for answer in answers[:KEPT]
        for query, grid in zip(task.queries(), answer.grids, strict=True)
    )
