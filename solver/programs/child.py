"""What runs in a program's own process, once its walls stand: the program, on one input after the other.

A program can reach and change anything in this process, this module included. So nothing here is believed elsewhere: a
program can at worst lie about its own answers, and it never gets to see an output grid.
"""

from __future__ import annotations

import mmap
import os
import random
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import NoReturn

import numpy as np

from solver.programs.answers import NotAGridError, answer_bytes
from solver.programs.fate import Fate
from solver.programs.guard import PROGRAM, guard
from solver.programs.wire import read_request, write_end

BALLAST = 2**21
"""Bytes that are given back when memory is short, so that this can still be said."""


def run(request: bytes, hash_seed: int, reply: int, guarded: bool) -> NoReturn:
    """Runs the program of a request, replies on a file descriptor and ends the process."""
    write, leave = os.write, os._exit

    def last_word(fate: Fate, detail: str = "") -> NoReturn:
        write(reply, write_end(fate, detail))
        leave(0)

    inputs, source = read_request(request)
    ballast = mmap.mmap(-1, BALLAST)
    if guarded:
        guard(lambda what: last_word(Fate.FORBIDDEN, what))
    last_word(*execute(source, inputs, hash_seed, lambda record: write(reply, record), ballast.close))


def execute(
    source: str,
    inputs: list[list[list[int]]],
    hash_seed: int,
    say: Callable[[bytes], object],
    relieve: Callable[[], None],
) -> tuple[Fate, str]:
    """Runs a program on inputs (rows of cells); every answer is said as bytes. What ended it, and the detail.

    relieve: makes room once an exception has ended it, which may be that there is none.
    """
    number = 0
    try:
        code = _compiled(source)
        if code is None:
            return Fate.SYNTAX, ""
        module = ModuleType(PROGRAM)
        # Dataclasses look their module up.
        sys.modules[PROGRAM] = module
        exec(code, vars(module))
        function = vars(module).get("transform") or vars(module).get("main")
        if not callable(function):
            return Fate.NO_FUNCTION, ""
        for number, rows in enumerate(inputs, 1):  # noqa: B007 (the handler below tells which input it was)
            random.seed(hash_seed)
            np.random.seed(hash_seed)
            say(answer_bytes(function(np.array(rows, dtype=int).T.copy())))
    except BaseException as error:  # noqa: BLE001 (a program may raise anything, and each has its name)
        relieve()
        return _caught(error, number)
    return Fate.RETURNED, ""


def _compiled(source: str) -> CodeType | None:
    try:
        return compile(source, f"<{PROGRAM}>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError):
        return None


def _caught(error: BaseException, number: int) -> tuple[Fate, str]:
    """The fate that an exception means. number: of the input, from 1; 0 before any."""
    where = f", input {number}" if number else ""
    # Not type(error).__name__, which a metaclass could answer.
    name = str(type.__dict__["__name__"].__get__(type(error)))
    if isinstance(error, NotAGridError):
        return Fate.NOT_A_GRID, f"{error}{where}"
    if isinstance(error, MemoryError):
        return Fate.MEMORY, where.removeprefix(", ")
    if isinstance(error, SystemExit):
        return Fate.EXITED, f"{name}{where}"
    if isinstance(error, OSError):
        # A function from grid to grid that needs the system has tried what it must not.
        return Fate.FORBIDDEN, f"{name}{where}"
    return Fate.EXCEPTION, f"{name}{where}"
