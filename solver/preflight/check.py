"""What a check found. Data; knows of no particular check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How a check ended: as it should; worth knowing; speaks against submitting; not tried after other faults."""

    OK = "ok"
    NOTE = "note"
    FAULT = "FAULT"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table. found: what was seen; mend: what to do about it, "" where nothing is to be done."""

    name: str
    status: Status
    found: str
    mend: str = ""


def faults(checks: Sequence[Check]) -> list[Check]:
    """Those that speak against submitting."""
    return [check for check in checks if check.status is Status.FAULT]
