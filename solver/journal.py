"""The record of a run: one JSON line per event, only ever appended, so that a killed run can be resumed.

Knows how candidates and attempts are written down, nothing of how they are made. A line counts once its newline is
on the disk; what a kill leaves after the last newline is skipped by readers and cut off by the next writer.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from solver.attempts import Attempts, Candidate, Channel
from solver.augmentation import Dihedral, Transform, View
from solver.grid import Grid, InputError
from solver.task import Query

Json = dict[str, Any]

TASK_EVENT = "task"
"""The event that records a finished task: `journal.append(TASK_EVENT, **record.to_json())`."""


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
        if not isinstance(event, dict):
            if number == len(lines) - 1 and not lines[-1]:
                break
            raise InputError(f"{path}: line {number}: is not a whole JSON object")
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


def grid_to_json(grid: Grid) -> list[str]:
    """Rows as strings of digits."""
    return ["".join(map(str, row)) for row in grid.rows]


def grid_from_json(value: list[str]) -> Grid:
    return Grid(tuple(tuple(map(int, row)) for row in value))


def transform_to_json(transform: Transform) -> Json:
    return {"dihedral": transform.dihedral.name, "colours": "".join(map(str, transform.colours))}


def transform_from_json(value: Json) -> Transform:
    return Transform(Dihedral[value["dihedral"]], tuple(map(int, value["colours"])))


def view_to_json(view: View) -> Json:
    return {**transform_to_json(view.transform), "order": list(view.order)}


def view_from_json(value: Json) -> View:
    return View(transform_from_json(value), tuple(value["order"]))


def candidate_to_json(candidate: Candidate) -> Json:
    """All but the task's id, which stands once in its record."""
    content = {
        "index": candidate.query.index,
        "grid": grid_to_json(candidate.grid),
        "channel": candidate.channel.value,
        "view": candidate.view and view_to_json(candidate.view),
        "logprob": candidate.logprob,
        "program": candidate.program,
    }
    return {key: value for key, value in content.items() if value is not None}


def candidate_from_json(task_id: str, value: Json) -> Candidate:
    return Candidate(
        Query(task_id, value["index"]),
        grid_from_json(value["grid"]),
        Channel(value["channel"]),
        view_from_json(value["view"]) if "view" in value else None,
        value.get("logprob"),
        value.get("program"),
    )


class Outcome(Enum):
    """How a task ended; whether its answers are right is not known here."""

    DONE = "done"
    TIMED_OUT = "timed out"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """All that is kept of one task; `ttt` and `seconds` hold plain JSON values."""

    task_id: str
    status: Outcome
    candidates: tuple[Candidate, ...] = ()
    """Of all the task's queries, in the order they were found."""
    attempts: tuple[Attempts, ...] = ()
    """One per test input."""
    ttt: Json = field(default_factory=dict)
    """`planned` and `executed` steps, why it stopped (`stop`), `losses`, `events` such as a halved batch."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage."""
    peak_memory: int = 0
    """Bytes."""
    notes: tuple[str, ...] = ()
    error: str | None = None
    pass_number: int = 0
    """0 for the first visit; later passes spend what time is left."""
    worker: int = 0

    def __post_init__(self) -> None:
        strangers = {candidate.query.task_id for candidate in self.candidates} - {self.task_id}
        if strangers:
            raise ValueError(f"the record of task {self.task_id} holds candidates of task {min(strangers)}")

    def to_json(self) -> Json:
        return {
            "task_id": self.task_id,
            "status": self.status.value,
            "candidates": [candidate_to_json(candidate) for candidate in self.candidates],
            "attempts": [[grid_to_json(one.first), grid_to_json(one.second)] for one in self.attempts],
            "ttt": self.ttt,
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
            "notes": list(self.notes),
            "error": self.error,
            "pass_number": self.pass_number,
            "worker": self.worker,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TaskRecord:
        """Undoes `to_json`; raises `InputError` for anything else."""
        try:
            return cls(
                task_id=value["task_id"],
                status=Outcome(value["status"]),
                candidates=tuple(candidate_from_json(value["task_id"], one) for one in value["candidates"]),
                attempts=tuple(Attempts(grid_from_json(one), grid_from_json(two)) for one, two in value["attempts"]),
                ttt=value["ttt"],
                seconds=value["seconds"],
                peak_memory=value["peak_memory"],
                notes=tuple(value["notes"]),
                error=value["error"],
                pass_number=value["pass_number"],
                worker=value["worker"],
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"journal: event {value.get('seq')}: is not a task record ({error!r})") from None


def finished_tasks(events: Iterable[Mapping[str, Any]]) -> dict[str, TaskRecord]:
    """The record of every task that ended, in whatever way; its last one, but never a failure over a success.

    A later pass that fails must not lose what an earlier pass found.
    """
    records: dict[str, TaskRecord] = {}
    for event in events:
        if event.get("event") != TASK_EVENT:
            continue
        record = TaskRecord.from_json(event)
        earlier = records.get(record.task_id)
        if earlier is None or record.status is not Outcome.FAILED or earlier.status is Outcome.FAILED:
            records[record.task_id] = record
    return records
