"""A server: a process that loads NumPy, SciPy and the programs' library once, and forks a process per program.

A fork is what makes a reset free: whatever a program does to the modules that it finds, it does to its own copy. Runs
as `python -c BOOT settings`, started by `solver.programs.sandbox`; speaks over its stdin and stdout.
"""

from __future__ import annotations

import builtins
import fcntl
import gc
import importlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn

from solver.programs import child
from solver.programs.channel import Channel, GoneError
from solver.programs.confine import (
    Cell,
    address_space,
    become_server,
    die_with_parent,
    enter_empty_folder,
    enter_namespaces,
    lock_in,
    prepare,
)
from solver.programs.guard import LIBRARY, named_on_demand, preload
from solver.programs.limits import Limits, Protection, Settings
from solver.programs.supervision import Watched, supervise
from solver.programs.wire import MAX_DETAIL, Ending, max_reply, read_request, write_ending

REPLY = 3
"""The descriptor on which a program's process replies; it has no others but the three standard ones."""
MOST_DESCRIPTORS = 256
"""More than a server ever has open."""
PROBE = Limits(seconds=60, cpu_seconds=60)
"""What a process may use that only looks which walls stand."""


def main(text: str) -> None:
    """A server's life, until the user's process closes the pipe or dies. text: its settings."""
    settings = Settings.from_json(json.loads(text))
    try:
        channel = _take_channel(settings.parent)
        inside = Protection.NAMESPACES in settings.wanted and enter_namespaces()
        if inside:
            _go_on_inside()
        _serve(settings, channel, frozenset({Protection.NAMESPACES}) if inside else frozenset())
    except GoneError:
        return


def _take_channel(parent: int) -> Channel:
    """Moves the pipes out of the way of whatever prints or reads; reserves the reply's descriptor."""
    commands, answers = (fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10) for descriptor in (0, 1))
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, REPLY):
        os.dup2(nothing, descriptor)
    try:
        watched = os.pidfd_open(parent)
    except OSError:  # an old kernel, or the parent is dead
        watched = None
    if os.getppid() != parent:
        raise GoneError
    return Channel(commands, answers, watched)


def _go_on_inside() -> None:
    """Goes on as the first process of the new process table: when it ends, the kernel ends all others there."""
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        return
    os.closerange(0, MOST_DESCRIPTORS)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:  # ended by a signal: to be told to the user's process as it was
        os.kill(os.getpid(), -code)
    os._exit(code)


def _serve(settings: Settings, channel: Channel, standing: frozenset[Protection]) -> None:
    """Loads what programs use, says which walls stand, then runs one program after the other. Raises `GoneError`."""
    become_server()
    warnings.simplefilter("ignore")
    preload()
    sys.modules[LIBRARY] = importlib.import_module(settings.library)
    vars(builtins).update(exit=sys.exit, quit=sys.exit)
    os.environ.clear()
    if Protection.FOLDER in settings.wanted and not enter_empty_folder():
        settings = replace(settings, wanted=settings.wanted - {Protection.FOLDER})
    server = Server(settings, channel, _wake(), _settle(settings))
    channel.send(json.dumps(sorted(wall.name for wall in standing | server.probe())).encode())
    while True:
        # Without a body it is a cancellation that came too late.
        if request := channel.receive():
            channel.send(write_ending(server.run(request)))


def _settle(settings: Settings) -> Cell:
    """The cell for programs, now that modules have been loaded."""
    # What is never collected is never written to, and stays shared with the children.
    gc.collect()
    gc.freeze()
    return prepare(settings.limits, settings.wanted)


def _wake() -> int:
    """A descriptor that becomes readable whenever a child has ended."""
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return reading


@dataclass(slots=True)
class Server:
    """tried: modules that were loaded on demand, or that are not installed."""

    settings: Settings
    channel: Channel
    wake: int
    cell: Cell
    tried: set[str] = field(default_factory=set)

    def probe(self) -> frozenset[Protection]:
        """Which walls stand around a program here. Raises `RuntimeError` if they cannot be built."""

        def say_walls() -> None:
            cell = replace(self.cell, limits=PROBE, memory=address_space() + PROBE.memory)
            os.write(REPLY, json.dumps([wall.name for wall in lock_in(cell)]).encode())

        ending = self.fork(say_walls, 0, None, PROBE)
        try:
            names = json.loads(ending.reply)
        except ValueError:
            raise RuntimeError(f"no process can be confined: {ending}") from None
        return frozenset(Protection[name] for name in names) | (self.settings.wanted & {Protection.PYTHON})

    def run(self, request: bytes) -> Ending:
        """Runs the program of a request in a process of its own."""
        inputs, source = read_request(request)
        self.load(set(named_on_demand(source)) - self.tried)

        def run_program() -> None:
            lock_in(self.cell)
            child.run(request, self.settings.hash_seed, REPLY, Protection.PYTHON in self.settings.wanted)

        return self.fork(run_program, len(inputs), self.channel, self.settings.limits)

    def load(self, names: set[str]) -> None:
        """Loads modules for good, before the processes that may import them begin."""
        for name in sorted(names):
            try:
                importlib.import_module(name)
            except Exception:  # noqa: BLE001 (not installed, or broken in any way: programs will not find it either)
                sys.modules.pop(name, None)
        if names:
            self.tried |= names
            self.cell = _settle(self.settings)

    def fork(self, work: Callable[[], None], inputs: int, channel: Channel | None, limits: Limits) -> Ending:
        """Does some work in a child that can reply and print, and sees it to its end."""
        (reply, replying), (output, printing) = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            _become_child(replying, printing)
            _work(work)
        os.close(replying)
        os.close(printing)
        try:
            watched = Watched(pid, reply, output, max_reply(inputs), limits)
            return supervise(watched, channel, self.wake)
        finally:
            os.close(reply)
            os.close(output)


def _become_child(replying: int, printing: int) -> None:
    """Leaves behind all that the server's process has and a program's must not."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for source, place in ((printing, 1), (printing, 2), (replying, REPLY)):
        os.dup2(source, place)
    os.closerange(REPLY + 1, MOST_DESCRIPTORS)


def _work(work: Callable[[], None]) -> NoReturn:
    """Does a child's work, whatever becomes of it: a child must never go on as a server."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001 (the server's probe reads what went wrong)
        os.write(REPLY, repr(error).encode()[:MAX_DETAIL])
    finally:
        os._exit(0)
