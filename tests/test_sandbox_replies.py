"""What a hostile process may say of itself: any bytes at all have a meaning, and never a harmful one."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.grid import Grid
from solver.programs.answers import answer_bytes
from solver.programs.fate import Fate
from solver.programs.limits import Limits, Program, Protection, Settings
from solver.programs.verdict import verdict
from solver.programs.wire import (
    CHILDS_FATES,
    MAX_DETAIL,
    Cause,
    Ending,
    Reply,
    frame,
    max_reply,
    read_ending,
    read_reply,
    read_request,
    unframe,
    write_end,
    write_ending,
    write_request,
)
from tests.sandbox_tools import WIDE

grids = (
    st.integers(1, 30)
    .flatmap(lambda width: st.lists(st.tuples(*[st.integers(0, 9)] * width), min_size=1, max_size=30))
    .map(lambda rows: Grid(tuple(rows)))
)
few_grids = st.lists(grids, max_size=3)
details = st.text(max_size=2 * MAX_DETAIL)
# Bytes that look like replies more often than chance would have it.
hostile_bytes = st.one_of(
    st.binary(max_size=3000),
    st.lists(st.sampled_from([b"G\1\1\5", b"G\2\1\5\12", b"E\7\0", b"E\0\3abc", b"G", b"E", b"\0", b"\xff"])).map(
        b"".join
    ),
)


def said(answers: list[Grid]) -> bytes:
    return b"".join(answer_bytes(answer.array().T) for answer in answers)


@given(few_grids, st.sampled_from(CHILDS_FATES), details)
def test_honest_replies_are_read_as_they_were_meant(answers: list[Grid], fate: Fate, detail: str) -> None:
    reply = read_reply(said(answers) + write_end(fate, detail), len(answers))
    assert reply is not None
    assert (reply.grids, reply.fate) == (tuple(answers), fate)
    short = detail.isascii() and detail.isprintable() and len(detail) <= MAX_DETAIL
    assert reply.detail == detail if short else reply.detail.isprintable()


@given(few_grids, st.data())
def test_a_reply_may_stop_anywhere(answers: list[Grid], data: st.DataObject) -> None:
    whole = said(answers) + write_end(Fate.EXCEPTION, "ValueError")
    place = data.draw(st.integers(0, len(whole) - 1))
    reply = read_reply(whole[:place], len(answers))
    assert reply is not None
    assert reply.fate is None
    assert reply.grids == tuple(answers[: len(reply.grids)])


@given(hostile_bytes, st.integers(0, 3))
def test_any_bytes_are_a_reply_or_nothing(data: bytes, inputs: int) -> None:
    reply = read_reply(data, inputs)
    if reply is not None:
        assert len(reply.grids) <= inputs
        assert reply.fate is not Fate.RETURNED or len(reply.grids) == inputs
        assert reply.detail.isprintable()


@given(
    hostile_bytes, st.sampled_from([cause for cause in Cause if cause is not Cause.CANCELLED]), st.integers(0, 0xFFFF)
)
def test_any_ending_has_a_fate(data: bytes, cause: Cause, status: int) -> None:
    execution = verdict(Ending(cause, status, 0.5, data), 2)
    assert execution.fate in Fate
    assert execution.seconds == 0.5
    assert execution.fate is not Fate.RETURNED or len(execution.grids) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"G\0\1",
        b"G\1\0",
        b"G\37\1" + bytes(31),
        b"G\1\1\12",
        b"G\1\1\1G\1\1\1",
        b"E\7\0",
        b"G\1\1\1E\7\0E",
        b"E\10\0",
        b"E\0\0\0",
    ],
)
def test_malformed_replies(data: bytes) -> None:
    assert read_reply(data, 1) is None
    assert verdict(Ending(Cause.NONE, 0, 0.0, data), 1).detail == "malformed reply"


ONE = b"G\1\1\5"


@pytest.mark.parametrize(
    ("ending", "fate", "detail"),
    [
        (Ending(Cause.NONE, 0, 0.0, ONE * 2 + write_end(Fate.RETURNED)), Fate.RETURNED, ""),
        (Ending(Cause.WALL_CLOCK, signal.SIGKILL, 0.0, ONE), Fate.TIME, "wall clock, input 2"),
        (Ending(Cause.CPU, signal.SIGKILL, 0.0, b""), Fate.TIME, "processor, input 1"),
        (Ending(Cause.NONE, signal.SIGXCPU, 0.0, b""), Fate.TIME, "processor, input 1"),
        (Ending(Cause.OUTPUT, signal.SIGKILL, 0.0, ONE), Fate.OUTPUT, ""),
        (Ending(Cause.OUTPUT, 0, 0.0, ONE * 2 + write_end(Fate.RETURNED)), Fate.OUTPUT, ""),
        (Ending(Cause.REPLY, signal.SIGKILL, 0.0, ONE), Fate.FORBIDDEN, "malformed reply"),
        (Ending(Cause.NONE, signal.SIGSYS, 0.0, ONE), Fate.FORBIDDEN, "system call"),
        (Ending(Cause.NONE, signal.SIGSEGV | 0x80, 0.0, ONE), Fate.KILLED, "SIGSEGV"),
        (Ending(Cause.NONE, signal.SIGKILL, 0.0, ONE), Fate.KILLED, "SIGKILL"),
        (Ending(Cause.NONE, 40, 0.0, ONE), Fate.KILLED, "signal 40"),
        (Ending(Cause.NONE, 3 << 8, 0.0, ONE), Fate.EXITED, "status 3"),
        (Ending(Cause.NONE, 0, 0.0, ONE * 2), Fate.EXITED, "status 0"),
        # It had said all there was to say when the time was over.
        (Ending(Cause.WALL_CLOCK, signal.SIGKILL, 0.0, ONE * 2 + write_end(Fate.RETURNED)), Fate.RETURNED, ""),
    ],
)
def test_what_endings_mean(ending: Ending, fate: Fate, detail: str) -> None:
    execution = verdict(ending, 2)
    assert (execution.fate, execution.detail) == (fate, detail)


def test_the_longest_honest_reply_fits() -> None:
    answers = [Grid(((9,) * 30,) * 30)] * 4
    longest = said(answers) + write_end(Fate.EXCEPTION, "\udfff" * MAX_DETAIL)
    assert len(longest) <= max_reply(4)
    assert isinstance(read_reply(longest, 4), Reply)


@given(st.lists(grids, min_size=1, max_size=3), st.text(st.characters(codec=None, exclude_categories=())))
def test_requests_arrive_as_they_were_sent(inputs: list[Grid], source: str) -> None:
    rows, text = read_request(write_request(Program(source, tuple(inputs))))
    assert text == source
    assert [Grid.from_json(grid) for grid in rows] == inputs


@given(st.lists(st.binary(max_size=50), max_size=4), st.integers(1, 7))
def test_frames_arrive_whole_and_in_order(bodies: list[bytes], step: int) -> None:
    stream, buffer, found = b"".join(map(frame, bodies)), bytearray(), []
    for place in range(0, len(stream), step):
        buffer += stream[place : place + step]
        while (body := unframe(buffer)) is not None:
            found.append(body)
    assert found == bodies
    assert not buffer


def test_endings_and_settings_arrive_as_they_were_sent() -> None:
    ending = Ending(Cause.CPU, -9 & 0xFFFF, 1.25, b"anything")
    assert read_ending(write_ending(ending)) == ending
    settings = Settings(Limits(0.5, 0.25, 10, 20), 1, "library", frozenset({Protection.USER}), 77)
    assert Settings.from_json(settings.to_json()) == settings


def test_answers_are_written_row_major() -> None:
    assert answer_bytes(WIDE.array().T) == b"G\2\3\1\2\3\4\0\6"
    assert answer_bytes([[1, 4], (2.0, np.int64(0)), np.array([3, 6])]) == b"G\2\3\1\2\3\4\0\6"
