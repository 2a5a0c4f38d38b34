"""One program's process, watched by its server from its start to its end, and what it may have left behind."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from solver.programs.channel import Channel
from solver.programs.limits import Limits
from solver.programs.wire import Cause, Ending

CHUNK = 2**16


@dataclass(slots=True)
class Watched:
    """A running program. reply, output: the pipes' ends for reading; max_reply: bytes that an honest reply can have;
    said: the reply so far; written: bytes of output so far; look: when to look at its clocks next."""

    pid: int
    reply: int
    output: int
    max_reply: int
    limits: Limits
    started: float = field(default_factory=time.monotonic)
    said: bytearray = field(default_factory=bytearray)
    written: int = 0
    look: float = 0.0

    def __post_init__(self) -> None:
        self.look = self.started + min(self.limits.seconds, self.limits.cpu_seconds)

    def read(self, descriptor: int) -> bool:
        """Takes what one of the pipes holds; whether more may follow."""
        while True:
            try:
                part = os.read(descriptor, CHUNK)
            except BlockingIOError:
                return True
            if descriptor == self.output:
                self.written += len(part)
            else:
                self.said += part
            if not part or self.flood() is not Cause.NONE:
                return False

    def flood(self) -> Cause:
        """Which of its pipes it has written too much into, if any."""
        if self.written > self.limits.output:
            return Cause.OUTPUT
        return Cause.REPLY if len(self.said) > self.max_reply else Cause.NONE

    def overrun(self) -> Cause:
        """The limit that the program is past, if any."""
        if (flood := self.flood()) is not Cause.NONE:
            return flood
        now = time.monotonic()
        if now < self.look:
            return Cause.NONE
        if now >= self.started + self.limits.seconds:
            return Cause.WALL_CLOCK
        left = self.limits.cpu_seconds - processor_seconds(self.pid)
        self.look = min(now + left, self.started + self.limits.seconds)
        return Cause.CPU if left <= 0 else Cause.NONE


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used; 0 where the kernel does not say."""
    # The kernel's number for another process's clock; glibc's clock_getcpuclockid computes the same.
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def supervise(watched: Watched, channel: Channel | None, wake: int) -> Ending:
    """Sees a program's process to its end; afterwards nothing of it is left.

    channel: where the user's process may cancel it, if it has asked for it; wake: a descriptor that becomes readable
    when a child has ended. Raises `GoneError` when the user's process is gone.
    """
    for descriptor in (watched.reply, watched.output):
        os.set_blocking(descriptor, False)
    try:
        cause = _until_it_ends(watched, channel, wake)
    finally:
        # Its number is its own until it is waited for; others of its group may be left.
        end_group(watched.pid)
        _, status, usage = os.wait4(watched.pid, 0)
        sweep()
    if cause is Cause.NONE:
        for descriptor in (watched.reply, watched.output):
            watched.read(descriptor)
        cause = watched.flood()
    return Ending(cause, status, usage.ru_utime + usage.ru_stime, bytes(watched.said))


def _until_it_ends(watched: Watched, channel: Channel | None, wake: int) -> Cause:
    """Waits until a program has ended, or for a reason to end it."""
    poll = select.poll()
    for descriptor in (watched.reply, watched.output, wake, *(channel.descriptors() if channel else ())):
        poll.register(descriptor, select.POLLIN)
    while True:
        _empty(wake)
        if os.waitid(os.P_PID, watched.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return Cause.NONE
        if (cause := watched.overrun()) is not Cause.NONE:
            return cause
        for descriptor, _ in poll.poll(max(0, math.ceil(1000 * (watched.look - time.monotonic())))):
            if descriptor in (watched.reply, watched.output):
                if not watched.read(descriptor):
                    poll.unregister(descriptor)
            elif channel and descriptor != wake:
                channel.receive()
                return Cause.CANCELLED


def _empty(wake: int) -> None:
    """Takes what signals have written, before the children are looked at."""
    with contextlib.suppress(BlockingIOError):
        os.read(wake, CHUNK)


def end_group(pid: int) -> None:
    """Kills a process, which may not lead a group yet, and those of its group."""
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)


def sweep() -> None:
    """Ends and waits for whatever descendants this process has: it adopts orphans."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            if os.getpid() == 1:  # the first of its namespace: all others there are descendants
                os.kill(-1, signal.SIGKILL)
            for child in children():
                end_group(child)
            os.waitpid(-1, 0)


def children() -> list[int]:
    """The processes whose parent is this one, as /proc of the same process table tells."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, parent, *_ = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(parent) == os.getpid():
            found.append(int(file.parent.name))
    return found
