"""The servers of a sandbox: which are free, which run what, and what becomes of a program when a server fails it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from solver.programs.fate import Execution, Fate
from solver.programs.limits import HASH_SEEDS, Limits, Program, Protection, Settings
from solver.programs.server_process import ServerGoneError, ServerProcess, wait_for
from solver.programs.verdict import verdict
from solver.programs.wire import CANCEL, read_ending, write_request

START_SECONDS = 120.0
"""How long a server may take to become ready on a busy machine."""
GRACE = 60.0
"""Seconds beyond a program's own in which its server must answer; loading a module on demand is within them."""


class SandboxError(RuntimeError):
    """The sandbox itself does not work here: no program is to blame."""


@dataclass(slots=True)
class Seat:
    """A server and the program that it runs. index: its place among the programs; inputs: how many it was given;
    ends: when the server must have answered, on the monotonic clock."""

    server: ServerProcess
    index: int
    inputs: int
    ends: float


class Pool:
    """Up to so many servers at work at a time; those for hash seed 0 start at once, the others when needed.

    One thread is enough: the servers keep their programs' time themselves, so this one only waits for whoever speaks.
    """

    def __init__(self, processes: int, limits: Limits, library: str, wanted: frozenset[Protection]) -> None:
        self._processes, self._limits, self._library, self._wanted = processes, limits, library, wanted
        self._seats: list[Seat] = []
        self._idle = [self._start(HASH_SEEDS[0]) for _ in range(processes)]

    def busy(self) -> bool:
        return bool(self._seats)

    def free(self) -> bool:
        return len(self._seats) < self._processes

    def close(self) -> None:
        """Ends all servers and waits until they are gone."""
        servers = (*self._idle, *(seat.server for seat in self._seats))
        self._idle, self._seats = [], []
        for server in servers:
            server.dismiss()
        for server in servers:
            server.end()

    def standing(self) -> frozenset[Protection]:
        """The walls of the first server, once it is ready. Raises `SandboxError`."""
        server = (*self._idle, *(seat.server for seat in self._seats))[0]
        ends = time.monotonic() + START_SECONDS
        try:
            while not server.ready():
                if time.monotonic() >= ends:
                    raise SandboxError(f"no server was ready after {START_SECONDS:.0f} s")
                wait_for([server], ends - time.monotonic())
        except ServerGoneError as error:
            raise SandboxError(f"no server can be started: {error}") from None
        return server.standing or frozenset()

    def begin(self, index: int, program: Program) -> None:
        """Sends a program to a server that has nothing to do, or to a new one. Raises `SandboxError`."""
        idle = next((server for server in self._idle if server.hash_seed == program.hash_seed), None)
        server = idle or self._start(program.hash_seed)
        if idle:
            self._idle.remove(idle)
        request = write_request(program)
        try:
            server.tell(request, START_SECONDS)
        except ServerGoneError:
            # It has ended while it had nothing to do: this program is not to blame.
            server.end()
            server = self._replacement(program.hash_seed, request)
        start = START_SECONDS if server.standing is None else 0.0
        ends = time.monotonic() + start + self._limits.seconds + GRACE
        self._seats.append(Seat(server, index, len(program.inputs), ends))

    def _replacement(self, hash_seed: int, request: bytes) -> ServerProcess:
        """A new server that has been sent a request."""
        server = self._start(hash_seed)
        try:
            server.tell(request, START_SECONDS)
        except ServerGoneError as error:
            server.end()
            raise SandboxError(f"no server can be started: {error}") from None
        return server

    def _start(self, hash_seed: int) -> ServerProcess:
        return ServerProcess.start(Settings(self._limits, hash_seed, self._library, self._wanted, os.getpid()))

    def wait(self, seconds: float) -> list[tuple[int, Execution]]:
        """Waits until a server has something to say, is late, or so many seconds have passed; the programs that have
        ended, by index. Raises `SandboxError`."""
        late = min(seat.ends for seat in self._seats) - time.monotonic()
        wait_for([seat.server for seat in self._seats], min(late, seconds))
        return [(seat.index, execution) for seat in tuple(self._seats) if (execution := self._ending(seat))]

    def _ending(self, seat: Seat) -> Execution | None:
        """What became of a seat's program, if it has ended; then its server is free or gone."""
        try:
            body = seat.server.listen()
        except ServerGoneError as error:
            execution = Execution(Fate.KILLED, detail=f"its server: {error}")
        else:
            if body is not None:
                self._seats.remove(seat)
                self._idle.append(seat.server)
                return verdict(read_ending(body), seat.inputs)
            if time.monotonic() < seat.ends:
                return None
            execution = Execution(Fate.TIME, detail="its server did not answer")
        self._seats.remove(seat)
        seat.server.end()
        if seat.server.standing is None:
            raise SandboxError(f"no server can be started: {execution.detail}")
        return execution

    def abandon(self) -> None:
        """Ends the programs that are running; nobody waits for them any more, but their servers can go on."""
        for seat in tuple(self._seats):
            self._seats.remove(seat)
            if _cancel(seat.server):
                self._idle.append(seat.server)
            else:
                seat.server.end()


def _cancel(server: ServerProcess) -> bool:
    """Ends the program that a server runs. Whether the server is of use afterwards: one that is not ready is not."""
    ends = time.monotonic() + GRACE
    try:
        if not server.ready():
            return False
        server.tell(CANCEL, GRACE)
        while server.listen() is None:
            if time.monotonic() >= ends:
                return False
            wait_for([server], ends - time.monotonic())
    except ServerGoneError:
        return False
    return True
