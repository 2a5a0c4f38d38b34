"""A process that owns one device: loads the base once, then works on one job after another.

Speaks to the runner over a pipe. A fault inside a job is caught here, recorded, and costs only that job.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from solver.attempts import Candidate
from solver.grid import InputError
from solver.jobs import Finished, Job, Partial, Rated, Ready, Unusable, WorkerSettings, account, incoming, summary
from solver.model import Base, Quantize, choose_device, library_versions, load_base, quiet_libraries, use_threads
from solver.pace import expected
from solver.pipeline import Pace, Scores, Solved, solve
from solver.training import is_out_of_memory


def work(settings: WorkerSettings, pipe: Connection) -> None:
    """The process's main function: jobs come in until None, messages go out."""
    # Ctrl-C reaches the whole process group; the runner alone decides how a run ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    began = time.monotonic()
    try:
        quiet_libraries()
        use_threads(settings.threads)
        device = choose_device(settings.device)
        base = load_base(settings.profile, device, Quantize(settings.quantize))
    except InputError as error:
        pipe.send(Unusable(settings.number, str(error)))
        return
    except Exception as error:  # noqa: BLE001 (the boundary: whatever it is, the runner must hear of it)
        text = f"{settings.profile.folder}: {summary(error)}"
        # Others may be loading theirs, or just leaving.
        pipe.send(Unusable(settings.number, text, again=is_out_of_memory(error)))
        return
    loaded = time.monotonic() - began
    pipe.send(Ready(settings.number, str(device), str(base.dtype), base.quantize.value, loaded, library_versions()))
    pace = expected(settings.profile)
    for job in incoming(pipe):
        pipe.send(_finish(settings.number, job, base, pace, pipe))


def _finish(number: int, job: Job, base: Base, pace: Pace, pipe: Connection) -> Finished:
    """Runs one job; whatever it raises becomes part of the message."""

    def emit(candidates: Sequence[Candidate]) -> None:
        pipe.send(Partial(number, job.task.id, tuple(candidates)))

    def rate(scores: Scores) -> None:
        pipe.send(Rated(number, job.task.id, {query: dict(found) for query, found in scores.items()}))

    solved = Solved()
    try:
        solve(base, job, pace, emit, rate, solved)
        error = None
    except Exception as caught:  # noqa: BLE001 (the boundary: one task's fault must not end the run)
        error = account(caught)
        base.recover()
    return Finished(
        number,
        job.task.id,
        solved.views,
        solved.planned_views,
        solved.saved_views,
        solved.decoding_json(),
        solved.ttt_json(),
        solved.seconds,
        solved.peak_memory,
        tuple(dict.fromkeys(solved.notes)),
        error,
    )
