"""What a run remembers of each task, and how it is written down: candidates, attempts, an account of the work.

Three kinds of records, one per channel; each ends with the attempts that all that was known then gave. Knows nothing
of how candidates are made, nor of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from solver.attempts import Attempts, Candidate
from solver.encoding import Json, attempts_from_json, attempts_to_json, candidate_from_json, candidate_to_json
from solver.fusion import Branch
from solver.grid import InputError

TASK_EVENT = "task"
"""The event that records what the model did on a task: `journal.append(TASK_EVENT, **record.to_json())`."""

SEARCH_EVENT = "search"
"""The event that records the search on a task, in the same way."""

INDUCTION_EVENT = "programs"
"""The event that records the programs a language model wrote for a task."""


def _check_strangers(task_id: str, candidates: Iterable[Candidate]) -> None:
    strangers = {candidate.query.task_id for candidate in candidates} - {task_id}
    if strangers:
        raise ValueError(f"the record of task {task_id} holds candidates of task {min(strangers)}")


class Outcome(Enum):
    """How a task ended; whether its answers are right is not known here."""

    DONE = "done"
    TIMED_OUT = "timed out"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What one base did on one task; `ttt` and `seconds` hold plain JSON values."""

    task_id: str
    status: Outcome
    candidates: tuple[Candidate, ...] = ()
    """The base's, for all the task's queries, in the order they were found."""
    attempts: tuple[Attempts, ...] = ()
    """One per test input, from what all channels had."""
    branches: tuple[Branch, ...] = ()
    """One per test input: how they came about."""
    ttt: Json = field(default_factory=dict)
    """`planned` and `executed` steps, why it stopped (`stop`), `losses`, `events` such as a halved batch."""
    decoding: Json = field(default_factory=dict)
    """Counts: `views` decoded, `planned` and `saved`, forward `passes`, tokens of drafts `drafted` and `accepted`."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage."""
    peak_memory: int = 0
    """Bytes."""
    notes: tuple[str, ...] = ()
    error: str | None = None
    pass_number: int = 0
    """0 for the first visit; later passes spend what time is left."""
    worker: int = 0
    base: int = 0
    """Its number, in the order in which the run's bases were named."""
    others: tuple[Candidate, ...] = ()
    """What other bases said to the task, as far as it has a score, once for each grid: scores are compared only with
    others of the same base and views, and those that were given last count."""

    def __post_init__(self) -> None:
        _check_strangers(self.task_id, (*self.candidates, *self.others))

    def whole(self) -> bool:
        """Whether the base had its first pass over the task; one cut short or failed begins anew."""
        return self.status is Outcome.DONE or (self.status is Outcome.TIMED_OUT and self.pass_number > 0)

    def to_json(self) -> Json:
        return _outcome_to_json(self) | {
            "ttt": self.ttt,
            "decoding": self.decoding,
            "seconds": self.seconds,
            "notes": list(self.notes),
            "pass_number": self.pass_number,
            "base": self.base,
            "others": [candidate_to_json(one) for one in self.others],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TaskRecord:
        """Undoes `to_json`; raises `InputError` for anything else."""
        try:
            return cls(
                **_outcome_from_json(value),
                ttt=value["ttt"],
                decoding=value["decoding"],
                seconds=value["seconds"],
                notes=tuple(value["notes"]),
                pass_number=value["pass_number"],
                base=value["base"],
                others=tuple(candidate_from_json(value["task_id"], one) for one in value["others"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"journal: event {value.get('seq')}: is not a task record ({error!r})") from None


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """What the program search found for one task."""

    task_id: str
    status: Outcome
    """Done, whatever it found, or failed."""
    candidates: tuple[Candidate, ...] = ()
    """The best programs' answers with their texts, the best first, one candidate per test input each."""
    attempts: tuple[Attempts, ...] = ()
    """One per test input, from what all channels had."""
    branches: tuple[Branch, ...] = ()
    """One per test input: how they came about."""
    stop: str | None = None
    """Why the search ended."""
    states: int = 0
    """How many it kept."""
    seconds: float = 0.0
    """Of the CPU."""
    answers: int = 0
    """How many there were, the best of which are candidates."""
    perfect: int = 0
    """How many of them reproduce every demonstration."""
    unique: bool = False
    """Whether those that do agree on every test input, and there is one."""
    peak_memory: int = 0
    """Bytes; of the process, since it was started."""
    error: str | None = None
    worker: int = 0

    def __post_init__(self) -> None:
        _check_strangers(self.task_id, self.candidates)

    def to_json(self) -> Json:
        return _outcome_to_json(self) | {
            "stop": self.stop,
            "states": self.states,
            "seconds": self.seconds,
            "answers": self.answers,
            "perfect": self.perfect,
            "unique": self.unique,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SearchRecord:
        """Undoes `to_json`; raises `InputError` for anything else."""
        try:
            return cls(
                **_outcome_from_json(value),
                stop=value["stop"],
                states=value["states"],
                seconds=value["seconds"],
                answers=value["answers"],
                perfect=value["perfect"],
                unique=value["unique"],
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"journal: event {value.get('seq')}: is not a search record ({error!r})") from None


@dataclass(frozen=True, slots=True)
class InductionRecord:
    """What became of the programs that a language model wrote for one task."""

    task_id: str
    status: Outcome
    """Done, whatever came of it, timed out before anything was sampled, or failed."""
    candidates: tuple[Candidate, ...] = ()
    """The programs' answers with their texts, the best first."""
    attempts: tuple[Attempts, ...] = ()
    """One per test input, from what all channels had."""
    branches: tuple[Branch, ...] = ()
    """One per test input: how they came about."""
    stop: str | None = None
    """Why sampling ended."""
    sampled: int = 0
    """Texts."""
    programs: int = 0
    """Distinct programs that were run."""
    perfect: int = 0
    """How many of them reproduce every demonstration."""
    unique: bool = False
    """Whether those that do agree on every test input, and there is one."""
    fates: dict[str, int] = field(default_factory=dict)
    """What became of the texts: how many ended in which way."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage."""
    notes: tuple[str, ...] = ()
    peak_memory: int = 0
    """Bytes."""
    error: str | None = None
    worker: int = 0

    def __post_init__(self) -> None:
        _check_strangers(self.task_id, self.candidates)

    def to_json(self) -> Json:
        own = ("stop", "sampled", "programs", "perfect", "unique", "fates", "seconds")
        return _outcome_to_json(self) | {name: getattr(self, name) for name in own} | {"notes": list(self.notes)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> InductionRecord:
        """Undoes `to_json`; raises `InputError` for anything else."""
        try:
            return cls(
                **_outcome_from_json(value),
                stop=value["stop"],
                sampled=value["sampled"],
                programs=value["programs"],
                perfect=value["perfect"],
                unique=value["unique"],
                fates=dict(value["fates"]),
                seconds=dict(value["seconds"]),
                notes=tuple(value["notes"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            text = f"journal: event {value.get('seq')}: is not a record of written programs ({error!r})"
            raise InputError(text) from None


Record = TaskRecord | SearchRecord | InductionRecord


def _outcome_to_json(record: Record) -> Json:
    """What all kinds of records hold."""
    return {
        "task_id": record.task_id,
        "status": record.status.value,
        "candidates": [candidate_to_json(candidate) for candidate in record.candidates],
        "attempts": attempts_to_json(record.attempts),
        "branches": [branch.value for branch in record.branches],
        "peak_memory": record.peak_memory,
        "error": record.error,
        "worker": record.worker,
    }


def _outcome_from_json(value: Mapping[str, Any]) -> Json:
    """Undoes `_outcome_to_json`: arguments of any record."""
    return {
        "task_id": value["task_id"],
        "status": Outcome(value["status"]),
        "candidates": tuple(candidate_from_json(value["task_id"], one) for one in value["candidates"]),
        "attempts": attempts_from_json(value["attempts"]),
        "branches": tuple(map(Branch, value["branches"])),
        "peak_memory": value["peak_memory"],
        "error": value["error"],
        "worker": value["worker"],
    }
