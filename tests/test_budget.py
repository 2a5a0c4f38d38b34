"""Seconds as people write them, and deadlines on a clock that the test turns."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.budget import Deadline, format_duration, parse_duration
from solver.grid import InputError


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("1h30m", 5400), ("12h", 43200), ("1m0.5s", 60.5)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "h", "10 m", "1d", "-5s", "1h-5m", "5m!", "1e3", "nan", "inf", "1.m", ".5h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write it like 90s, 10m, 12h or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0", "0s", "0.0", "0h0m", "9" * 400, "9" * 400 + "h"])
def test_no_time_at_all_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="must be more than zero"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0, "0s"),
        (45.2, "45s"),
        (59.7, "1m00s"),
        (545, "9m05s"),
        (3599.6, "1h00m"),
        (42000, "11h40m"),
        (360_000, "100h00m"),
    ],
)
def test_durations_are_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@settings(max_examples=100)
@given(st.integers(1, 10**6))
def test_what_is_written_reads_back_to_the_shown_precision(seconds: int) -> None:
    precision = 60 if seconds >= 3600 else 1
    assert parse_duration(format_duration(seconds)) == seconds // precision * precision


def test_a_deadline_follows_its_clock() -> None:
    clock = FakeClock()
    deadline = Deadline.after(10, clock)
    assert deadline.left() == 10
    clock.now += 9.5
    assert not deadline.passed()
    clock.now += 0.5
    assert deadline.passed()
    clock.now += 5
    assert deadline.left() == -5


def test_an_earlier_deadline_keeps_the_clock() -> None:
    clock = FakeClock()
    deadline = Deadline.after(10, clock)
    assert deadline.earlier(4).left() == 6
    clock.now += 6
    assert deadline.earlier(4).passed()
    assert not deadline.passed()


def test_never_is_never_passed() -> None:
    assert not Deadline.never().passed()
    assert Deadline.never().left() == math.inf
    assert Deadline.never().earlier(1e12).left() == math.inf
