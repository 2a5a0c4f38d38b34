"""A server's end of its talk with the user's process: whole messages, and word that the user is gone."""

from __future__ import annotations

import os
import select
from dataclasses import dataclass

from solver.programs.wire import LENGTH, frame


class GoneError(Exception):
    """The user's process has closed the sandbox, or is dead."""


@dataclass(frozen=True, slots=True)
class Channel:
    """commands, answers: pipes from and to the user's process; parent: a descriptor of that process, if the kernel has
    such. The end of a pipe is not enough: processes that the user forks hold it open."""

    commands: int
    answers: int
    parent: int | None

    def descriptors(self) -> tuple[int, ...]:
        """What becomes readable when the user's process speaks or dies."""
        return (self.commands,) if self.parent is None else (self.commands, self.parent)

    def receive(self) -> bytes:
        """The next message; raises `GoneError`."""
        (length,) = LENGTH.unpack(self._read(LENGTH.size))
        return self._read(length)

    def send(self, body: bytes) -> None:
        """Raises `GoneError`."""
        rest = memoryview(frame(body))
        try:
            while rest:
                rest = rest[os.write(self.answers, rest) :]
        except BrokenPipeError:
            raise GoneError from None

    def _read(self, size: int) -> bytes:
        poll = select.poll()
        for descriptor in self.descriptors():
            poll.register(descriptor, select.POLLIN)
        data = b""
        while len(data) < size:
            ready = [descriptor for descriptor, _ in poll.poll()]
            part = os.read(self.commands, size - len(data)) if self.commands in ready else b""
            if not part:
                raise GoneError
            data += part
        return data
