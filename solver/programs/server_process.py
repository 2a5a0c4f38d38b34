"""One server as the user's process sees it: started, asked, listened to, ended. Decides nothing."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from solver.programs.limits import Protection, Settings
from solver.programs.verdict import signal_name
from solver.programs.wire import frame, unframe

BOOT = """
import json, sys
sys.path += json.loads(sys.argv[1])
from solver.programs.server import main
main(sys.argv[2])
"""
"""A server's program. arguments: folders of modules; its settings."""

CHUNK = 2**16
ENDING_SECONDS = 10.0
"""How long a server may take to end when the pipe is closed."""


class ServerGoneError(Exception):
    """A server has ended; the message says how."""


def module_folders() -> list[str]:
    """The folders in which this process finds this package, NumPy, SciPy and what else programs may import."""
    folders = {str(Path(__file__).parents[2]): None}
    for name in ("numpy", "scipy", "skimage", "networkx"):
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:
            folders[str(Path(spec.origin).parents[1])] = None
    return list(folders)


def environment(hash_seed: int) -> dict[str, str]:
    """All variables of a server's environment: nothing of the user's but how libraries are found."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    found = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PYTHONHASHSEED": str(hash_seed), "LC_ALL": "C.UTF-8", **threads, **found}


@dataclass(slots=True)
class ServerProcess:
    """hash_seed: of its interpreter; process: reads requests, answers endings; standing: its walls, once it is ready;
    buffer: what it has said so far of its next message."""

    hash_seed: int
    process: subprocess.Popen[bytes]
    standing: frozenset[Protection] | None = None
    buffer: bytearray = field(default_factory=bytearray)

    @classmethod
    def start(cls, settings: Settings) -> ServerProcess:
        """Starts an interpreter without the user's environment, folders and site; it becomes ready by and by."""
        # A program of its own, not a fork: the user's process may have CUDA loaded, and children of a daemonic process
        # of multiprocessing must not be multiprocessing's.
        process = subprocess.Popen(
            [
                sys.executable,
                "-s",
                "-S",
                "-P",
                "-c",
                BOOT,
                json.dumps(module_folders()),
                json.dumps(settings.to_json()),
            ],
            env=environment(settings.hash_seed),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        server = cls(settings.hash_seed, process)
        for descriptor in (server.commands, server.answers):
            os.set_blocking(descriptor, False)
        return server

    @property
    def commands(self) -> int:
        assert self.process.stdin
        return self.process.stdin.fileno()

    @property
    def answers(self) -> int:
        assert self.process.stdout
        return self.process.stdout.fileno()

    def tell(self, body: bytes, seconds: float) -> None:
        """Sends a message; raises `ServerGoneError` if the server is gone or takes nothing for so long."""
        rest, end = memoryview(frame(body)), time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.commands, select.POLLOUT)
        while rest:
            poll.poll(1000 * max(0.0, end - time.monotonic()))
            try:
                rest = rest[os.write(self.commands, rest) :]
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise ServerGoneError("it takes no requests") from None
            except BrokenPipeError:
                raise ServerGoneError(self.how_it_ended()) from None

    def ready(self) -> bool:
        """Whether it has said that it can run programs; does not wait. Raises `ServerGoneError`."""
        if self.standing is None and (body := self._next()) is not None:
            self.standing = frozenset(Protection[name] for name in json.loads(body))
        return self.standing is not None

    def listen(self) -> bytes | None:
        """The next ending it has sent, if all of it is there; does not wait. Raises `ServerGoneError`."""
        return self._next() if self.ready() else None

    def _next(self) -> bytes | None:
        while (body := unframe(self.buffer)) is None:
            try:
                part = os.read(self.answers, CHUNK)
            except BlockingIOError:
                return None
            if not part:
                raise ServerGoneError(self.how_it_ended())
            self.buffer += part
        return body

    def how_it_ended(self) -> str:
        """For people: the signal or status, and the last line of what it complained of."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING_SECONDS)
        self.process.kill()
        code = self.process.wait()
        assert self.process.stderr
        lines = self.process.stderr.read().decode(errors="replace").splitlines() or [""]
        return ", ".join(filter(None, (signal_name(-code) if code < 0 else f"status {code}", lines[-1])))

    def dismiss(self) -> None:
        """Lets it end: it ends the program that it may be running, and waits for that."""
        assert self.process.stdin
        self.process.stdin.close()

    def end(self) -> None:
        """Ends it and all that it has started, and waits until they are gone."""
        self.dismiss()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING_SECONDS)
        # Or else it hangs. Whoever is left dies with it, and holds the pipe until then.
        self.process.kill()
        self.process.wait()
        os.set_blocking(self.answers, True)
        while os.read(self.answers, CHUNK):
            pass
        for stream in (self.process.stdout, self.process.stderr):
            assert stream
            stream.close()


def wait_for(servers: Iterable[ServerProcess], seconds: float) -> None:
    """Until one of them has said something or ended, or so many seconds have passed."""
    poll = select.poll()
    for server in servers:
        poll.register(server.answers, select.POLLIN)
    poll.poll(math.ceil(1000 * max(0.0, seconds)))
