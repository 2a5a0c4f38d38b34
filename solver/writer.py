"""A process that owns a device and has programs written: loads a base and a sandbox once, then takes task after task.

Speaks to the runner over a pipe. A fault inside a job is caught here, recorded, and costs only that job.
"""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection

from solver.grid import InputError
from solver.induction import Stop, Writer, Written, write_programs
from solver.jobs import Armed, Unusable, WriteJob, WriterSettings, Wrote, account, incoming, summary
from solver.model import (
    Quantize,
    TextBase,
    choose_device,
    library_versions,
    load_text_base,
    peak_memory,
    quiet_libraries,
    use_threads,
)
from solver.programs.sandbox import Sandbox
from solver.training import is_out_of_memory


def work(settings: WriterSettings, pipe: Connection) -> None:
    """The process's main function: jobs come in until None, messages go out."""
    # Ctrl-C reaches the whole process group; the runner alone decides how a run ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    began = time.monotonic()
    try:
        quiet_libraries()
        use_threads(settings.threads)
        base = load_text_base(settings.folder, choose_device(settings.device), Quantize(settings.quantize))
        sandbox = Sandbox(settings.runners)
        protections = sandbox.protections()
    except InputError as error:
        pipe.send(Unusable(settings.number, str(error)))
        return
    except Exception as error:  # noqa: BLE001 (the boundary: whatever it is, the runner must hear of it)
        text = f"{settings.folder}: {summary(error)}"
        # Others may be loading theirs, or just leaving.
        pipe.send(Unusable(settings.number, text, again=is_out_of_memory(error)))
        return
    with sandbox:
        pipe.send(
            Armed(
                settings.number,
                str(base.device),
                str(base.dtype),
                base.quantize.value,
                time.monotonic() - began,
                protections,
                library_versions(),
            )
        )
        for job in incoming(pipe):
            pipe.send(_write(settings.number, job, base, sandbox))


def _write(number: int, job: WriteJob, base: TextBase, sandbox: Sandbox) -> Wrote:
    """Runs one job; whatever it raises becomes part of the message."""
    written = Written()
    error = None
    try:
        write_programs(job, Writer(base, job.seed, written.notes.append), sandbox, written)
    except Exception as caught:  # noqa: BLE001 (the boundary: one task's fault must not end the run)
        error = account(caught)
        base.recover()
    return Wrote(
        number,
        job.task.id,
        written.candidates,
        None if error else written.stop.value,
        error is None and written.stop is Stop.DEADLINE and not written.sampled,
        written.sampled,
        written.programs,
        written.perfect,
        written.fates,
        written.seconds,
        tuple(dict.fromkeys(written.notes)),
        peak_memory(base.device),
        error,
    )
