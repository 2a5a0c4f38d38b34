"""Seconds: one monotonic clock, the deadline of a run, and how a budget is written by people."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from solver.grid import InputError

Clock = Callable[[], float]
"""Seconds since an arbitrary moment, never going back. `time.monotonic` is shared by all processes of a machine."""

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str, option: str = "--time-budget") -> float:
    """Seconds in `90s`, `10m`, `1.5h`, `1h30m` or a bare number of seconds; raises `InputError` naming the option."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    else:
        parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise InputError(f"{option} {text}: write it like 90s, 10m, 12h or 1h30m")
        seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not 0 < seconds < math.inf:
        raise InputError(f"{option} {text}: must be more than zero, and a number that there is")
    return seconds


def format_duration(seconds: float) -> str:
    """Seconds as `45s`, `9m05s` or `11h40m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the clock that work must not pass."""

    at: float
    clock: Clock = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Clock = time.monotonic) -> Deadline:
        return cls(clock() + seconds, clock)

    @classmethod
    def never(cls) -> Deadline:
        return cls(math.inf)

    def left(self) -> float:
        """Seconds left; negative once it has passed."""
        return self.at - self.clock()

    def passed(self) -> bool:
        return self.left() <= 0

    def earlier(self, seconds: float) -> Deadline:
        """The same deadline brought forward."""
        return Deadline(self.at - seconds, self.clock)
