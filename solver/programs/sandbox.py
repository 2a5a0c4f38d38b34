"""Runs programs that a model wrote so that they can do no harm: whatever they do, each has an outcome with a name.

Threat model. A program is arbitrary Python. It runs in a process of its own, forked from a server that has loaded what
programs may import; the server is another process than the user's. What keeps a program in is the kernel: limits, of
which the strictest is that no file descriptor can be opened any more, and, where the machine permits them, an empty
root folder, another user, namespaces and a filter of system calls. Python's own means (a list of imports, audited
calls) give most attempts their name before the kernel refuses them; by themselves they would keep nobody in. A program
that reaches into the code that runs it can do one thing: lie about its own answers. It is never shown an output grid,
so judging by demonstrations finds that out. Bytes that it sends are parsed as bytes and believed in nothing else.
Whatever Python's means refuse ends the program at once, as `Fate.FORBIDDEN`, even where it would have caught an
exception; what only the kernel refuses is an `OSError` to the program, and `Fate.FORBIDDEN` unless it catches that.

What a program can learn: its source, its inputs, the versions of the libraries, the time. What it can use up: the
limits. Where neither seccomp nor another user are to be had, foreign code that it managed to run (say, by corrupting
memory) could still do what needs no descriptor as that user: signal processes, outside namespaces, and remove or rename
files, outside an empty folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from solver.budget import Deadline
from solver.programs.fate import Execution
from solver.programs.limits import EVERYWHERE, Limits, Program, Protection
from solver.programs.pool import Pool, SandboxError

__all__ = ["Limits", "Program", "Protection", "Sandbox", "SandboxError"]

STANDARD_LIBRARY = "solver.programs.library"
ALL = frozenset(Protection)
DEFAULT = Limits()
NEVER = Deadline.never()


class Sandbox:
    """A pool of servers, started once; each runs one program at a time. Use it as a context manager.

    processes: programs that run at the same time; library: the module that programs import as `common`; protections:
    the walls to build where the machine permits them. Servers for hash seed 1 start with the first program that wants
    it. Not for use by several threads at once.
    """

    def __init__(
        self,
        processes: int,
        limits: Limits = DEFAULT,
        *,
        library: str = STANDARD_LIBRARY,
        protections: frozenset[Protection] = ALL,
    ) -> None:
        if processes < 1:
            raise ValueError(f"a sandbox of {processes} processes runs nothing")
        self._pool = Pool(processes, limits, library, protections)
        self._closed = False

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all servers and waits until they are gone."""
        self._closed = True
        self._pool.close()

    def protections(self) -> tuple[str, ...]:
        """Which protections are active here, for people. Raises `SandboxError` if no server can be started."""
        self._check_open()
        standing = self._pool.standing()
        return (*EVERYWHERE, *(wall.value for wall in Protection if wall in standing))

    def run(self, programs: Iterable[Program], deadline: Deadline = NEVER) -> Iterator[tuple[int, Execution]]:
        """Runs programs and yields each one's index and execution, in the order in which they end.

        Programs are taken as servers become free, so they can be made meanwhile. Those that have not ended when the
        deadline passes, or when the caller stops asking, are ended and not reported: nothing is known about them.
        Raises `SandboxError` if no server can be started, never because of a program.
        """
        self._check_open()
        if self._pool.busy():
            raise RuntimeError("the sandbox is at work already")
        coming = enumerate(programs)
        try:
            self._take(coming, deadline)
            while self._pool.busy() and not deadline.passed():
                ended = self._pool.wait(deadline.left())
                # Before the caller thinks about them, so that no server waits for that.
                self._take(coming, deadline)
                yield from ended
        finally:
            self._pool.abandon()

    def _take(self, coming: Iterator[tuple[int, Program]], deadline: Deadline) -> None:
        """Gives free servers the next programs."""
        while self._pool.free() and not deadline.passed():
            item = next(coming, None)
            if item is None:
                return
            self._pool.begin(*item)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the sandbox is closed")
