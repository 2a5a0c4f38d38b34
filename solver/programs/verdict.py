"""What the end of a program's process means. Pure: any ending, however hostile, has exactly one fate."""

from __future__ import annotations

import os
import signal

from solver.programs.fate import Execution, Fate
from solver.programs.wire import Cause, Ending, Reply, read_reply

MALFORMED = "malformed reply"


def verdict(ending: Ending, inputs: int) -> Execution:
    """The execution that an ending means, for a program that was given so many inputs."""
    reply = None if ending.cause is Cause.REPLY else read_reply(ending.reply, inputs)
    if ending.cause is Cause.OUTPUT:
        fate, detail = Fate.OUTPUT, ""
    elif reply is None:
        # Only a program that found the sandbox's own pipe can have written this.
        fate, detail = Fate.FORBIDDEN, MALFORMED
    elif reply.fate:
        fate, detail = reply.fate, reply.detail
    else:
        fate, detail = _silent(ending, reply)
    return Execution(fate, reply.grids if reply else (), detail, ending.seconds)


def _silent(ending: Ending, reply: Reply) -> tuple[Fate, str]:
    """The fate and detail of a process that ended without a last word."""
    if ending.cause in (Cause.WALL_CLOCK, Cause.CPU):
        clock = "wall clock" if ending.cause is Cause.WALL_CLOCK else "processor"
        return Fate.TIME, f"{clock}, input {len(reply.grids) + 1}"
    if not os.WIFSIGNALED(ending.status):
        return Fate.EXITED, f"status {os.WEXITSTATUS(ending.status)}"
    number = os.WTERMSIG(ending.status)
    if number == signal.SIGXCPU:
        return Fate.TIME, f"processor, input {len(reply.grids) + 1}"
    if number == signal.SIGSYS:
        return Fate.FORBIDDEN, "system call"
    return Fate.KILLED, signal_name(number)


def signal_name(number: int) -> str:
    """A signal as people write it."""
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have no names
        return f"signal {number}"
