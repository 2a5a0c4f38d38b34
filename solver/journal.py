"""The record of a run: one JSON line per event, only ever appended, so that a killed run can be resumed.

Knows nothing of what the events say. A line counts once its newline is on the disk; what a kill leaves after the last
newline is skipped by readers and cut off by the next writer.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from solver.grid import InputError

Json = dict[str, Any]

JOURNAL = "journal.jsonl"
"""What a journal is called, in its run's directory."""


def _parse(path: Path, data: bytes) -> tuple[list[Json], int]:
    """The events in a journal's bytes, and how many bytes they take; only the last line may be torn."""
    lines = data.split(b"\n")
    events: list[Json] = []
    taken = 0
    for number, line in enumerate(lines[:-1], start=1):
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            if number == len(lines) - 1 and not lines[-1]:
                break
            raise InputError(f"{path}: line {number}: is not a whole event")
        events.append(event)
        taken += len(line) + 1
    return events, taken


def read_journal(path: Path) -> list[Json]:
    """All events, in order, without a torn last line.

    Raises `InputError` if the file cannot be read, or naming the line if another line is torn.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    return _parse(path, data)[0]


def check_kind(path: Path, events: Sequence[Json], opening: str) -> None:
    """Raises `InputError` for a journal that begins with another event: it is of something else."""
    if events and events[0]["event"] != opening:
        raise InputError(f"{path}: is the record of something else: it begins with {events[0]['event']!r}")


def read_resumed(path: Path, opening: str, settings: Mapping[str, Any]) -> list[Json]:
    """The other events of a journal whose every `opening` event has these settings; none if there is no journal yet.

    Raises `InputError` naming the setting in which an earlier opening differs, and for the journal of something else.
    """
    if not path.exists():
        return []
    found, events = [], read_journal(path)
    check_kind(path, events, opening)
    for one in events:
        if one["event"] == opening:
            for key, value in settings.items():
                if one.get(key) != value:
                    raise InputError(f"{path}: cannot go on: {key} was {one.get(key)!r}, now it is {value!r}")
        else:
            found.append(one)
    return found


class Journal:
    """Appends events to a file, which it creates with its folder; for one process at a time.

    `now` gives the wall time in seconds since 1970. Raises `InputError` if the file cannot be opened or is torn
    anywhere but at its end.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._now = now
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            events, self._end = _parse(path, path.read_bytes() if path.exists() else b"")
            self._file = path.open("ab", buffering=0)
            self._file.truncate(self._end)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
        self._next = len(events)

    def append(self, event: str, **fields: Any) -> None:
        """Writes one line {"seq", "time", "event", …fields} and returns once it is on the disk.

        Either the whole line is kept or, if an error is raised, nothing of it: `OSError` (a full disk), `TypeError`
        and `ValueError` for fields that JSON cannot hold or that are called `seq` or `time`.
        """
        if fields.keys() & {"seq", "time"}:
            raise ValueError("the journal itself numbers and times its events")
        content = {"seq": self._next, "time": round(self._now(), 3), "event": event, **fields}
        line = json.dumps(content, separators=(",", ":")).encode() + b"\n"
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except BaseException:
            # Half a line would swallow the next one.
            self._file.truncate(self._end)
            raise
        self._end += len(line)
        self._next += 1

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
