"""What the sandbox's tests share: a program that is known to be right, and a look at the processes that are left."""

from __future__ import annotations

import os
import time
from pathlib import Path

from solver.grid import Grid
from solver.programs.fate import Fate
from solver.programs.limits import Limits, Program, Protection
from solver.programs.sandbox import Sandbox

WIDE = Grid(((1, 2, 3), (4, 0, 6)))
ALL = frozenset(Protection)
SHORT = Limits(seconds=60.0, cpu_seconds=0.4, memory=128 * 2**20)
"""Processor time that is short enough to wait for, and long enough for what must end otherwise."""

BENIGN = """
from common import *
import numpy as np

def transform(grid):
    result = np.zeros_like(grid)
    for piece in find_connected_components(grid, monochromatic=False):
        result = np.maximum(result, piece)
    flood_fill(result, 1, 1, Color.TEAL)
    return result[:, ::-1]
"""
BENIGN_ANSWER = Grid(((4, 8, 6), (1, 2, 3)))


def program(source: str, *inputs: Grid, hash_seed: int = 0) -> Program:
    return Program(source, inputs or (WIDE,), hash_seed)


def check_benign(sandbox: Sandbox) -> None:
    """The sandbox still does what it is for."""
    ((index, execution),) = sandbox.run([program(BENIGN)])
    assert (index, execution.fate, execution.grids) == (0, Fate.RETURNED, (BENIGN_ANSWER,)), execution


def sandbox_processes(parent: int) -> list[int]:
    """The living processes of a process's sandboxes, oldest first: their servers, and whatever these have forked."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            state, *numbers = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if b"solver.programs.server" in words and b'"parent": %d}' % parent in words and state != "Z":
            # By the tick in which it started: numbers of processes begin anew when they have reached the highest.
            found.append((int(numbers[18]), int(folder.name)))
    return [pid for _, pid in sorted(found)]


def has_ended(pid: int) -> bool:
    """Whether a process has closed all that it had open."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until_gone(parent: int, left: int = 0, seconds: float = 30.0) -> list[int]:
    """Waits until no more than so many of a process's sandboxes' processes are left; those that are."""
    end = time.monotonic() + seconds
    while len(found := sandbox_processes(parent)) > left and time.monotonic() < end:
        time.sleep(0.05)
    return found


def own_processes() -> list[int]:
    """The living processes of this process's sandboxes."""
    return sandbox_processes(os.getpid())
