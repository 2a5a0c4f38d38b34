"""The bytes that the sandbox's three parties exchange. Pure functions; knows nothing of processes.

The user's process asks a server to run a program (a request) and gets an ending back; both are trusted. A reply is what
the program's own process has to say, and can hold any bytes: `read_reply` is total, and nothing is ever unpickled.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

from solver.grid import COLOURS, MAX_SIDE, Grid
from solver.programs.fate import Fate
from solver.programs.limits import Program

LENGTH = struct.Struct("!I")
CANCEL = b""
"""The body of a request that the running program, if any, be ended."""

ENDING = struct.Struct("!Bid")
COUNT = struct.Struct("!H")

GRID, END = b"GE"
"""First bytes of a reply's two kinds of records: a grid (height, width, cells), the end (fate, length, detail)."""

CHILDS_FATES = (
    Fate.SYNTAX,
    Fate.NO_FUNCTION,
    Fate.EXCEPTION,
    Fate.NOT_A_GRID,
    Fate.MEMORY,
    Fate.FORBIDDEN,
    Fate.EXITED,
    Fate.RETURNED,
)
"""What a program's own process can say of its end; a fate's place here is its number in a reply."""

MAX_DETAIL = 120


class Cause(Enum):
    """Why a server ended a program's process."""

    NONE = 0
    WALL_CLOCK = 1
    CPU = 2
    OUTPUT = 3
    REPLY = 4
    CANCELLED = 5


@dataclass(frozen=True, slots=True)
class Ending:
    """How a program's process ended. cause: why its server ended it; status: as `os.wait` gives it; seconds: of
    processor time; reply: what it said."""

    cause: Cause
    status: int
    seconds: float
    reply: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What a program's process said. fate: None when it ended without a last word."""

    grids: tuple[Grid, ...]
    fate: Fate | None = None
    detail: str = ""


def frame(body: bytes) -> bytes:
    """A message of known length."""
    return LENGTH.pack(len(body)) + body


def unframe(buffer: bytearray) -> bytes | None:
    """Takes the first message off a buffer, if all of it is there."""
    if len(buffer) < LENGTH.size:
        return None
    end = LENGTH.size + LENGTH.unpack_from(buffer)[0]
    if len(buffer) < end:
        return None
    body = bytes(buffer[LENGTH.size : end])
    del buffer[:end]
    return body


def write_grid(grid: Grid) -> bytes:
    """A grid: height, width, cells row by row, one byte each."""
    return bytes((grid.height, grid.width, *(cell for row in grid.rows for cell in row)))


def write_request(program: Program) -> bytes:
    """A program as bytes."""
    grids = b"".join(write_grid(grid) for grid in program.inputs)
    return COUNT.pack(len(program.inputs)) + grids + program.source.encode("utf-8", "surrogatepass")


def read_request(body: bytes) -> tuple[list[list[list[int]]], str]:
    """The input grids' rows and the source of a request."""
    (count,), place = COUNT.unpack_from(body), COUNT.size
    grids = []
    for _ in range(count):
        height, width = body[place : place + 2]
        cells = body[place + 2 : place + 2 + height * width]
        grids.append([list(cells[start : start + width]) for start in range(0, len(cells), width)])
        place += 2 + height * width
    return grids, body[place:].decode("utf-8", "surrogatepass")


def write_ending(ending: Ending) -> bytes:
    return ENDING.pack(ending.cause.value, ending.status, ending.seconds) + ending.reply


def read_ending(body: bytes) -> Ending:
    cause, status, seconds = ENDING.unpack_from(body)
    return Ending(Cause(cause), status, seconds, body[ENDING.size :])


def write_end(fate: Fate, detail: str = "") -> bytes:
    """A reply's last record. fate: one of CHILDS_FATES; detail: cut to MAX_DETAIL characters."""
    text = detail[:MAX_DETAIL].encode("ascii", "backslashreplace")[:255]
    return bytes((END, CHILDS_FATES.index(fate), len(text))) + text


def max_reply(inputs: int) -> int:
    """Bytes that the longest honest reply takes."""
    return inputs * (3 + MAX_SIDE**2) + 3 + 255


def read_reply(data: bytes, inputs: int) -> Reply | None:
    """What any bytes mean as the reply of a program that ran on so many inputs; None if they mean nothing.

    A reply may stop anywhere, since a process can die while it writes, but must not go on after its end.
    """
    grids: list[Grid] = []
    while data[:1] == bytes((GRID,)):
        height, width = data[1:3] if len(data) >= 3 else (1, 1)
        if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE) or len(grids) == inputs:
            return None
        cells, rest = data[3 : 3 + height * width], data[3 + height * width :]
        if len(cells) < height * width:
            return Reply(tuple(grids))
        if max(cells) >= COLOURS:
            return None
        grids.append(Grid(tuple(tuple(cells[start : start + width]) for start in range(0, len(cells), width))))
        data = rest
    return _read_end(data, tuple(grids), inputs) if data else Reply(tuple(grids))


def _read_end(data: bytes, grids: tuple[Grid, ...], inputs: int) -> Reply | None:
    """A reply's last record, after its grids."""
    if data[0] != END:
        return None
    if len(data) < 3 or len(data) < 3 + data[2]:
        return Reply(grids)
    if len(data) > 3 + data[2] or data[1] >= len(CHILDS_FATES):
        return None
    fate = CHILDS_FATES[data[1]]
    if fate is Fate.RETURNED and len(grids) != inputs:
        return None
    detail = data[3:].decode("ascii", "replace")
    return Reply(grids, fate, "".join(letter if letter.isprintable() else "?" for letter in detail))
