"""The sandbox under load: how fast it is beside no sandbox, and that it needs no more memory the longer it runs."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from solver.programs import throughput
from solver.programs.fate import Fate
from solver.programs.limits import Limits, Program
from solver.programs.sandbox import Sandbox
from tests.sandbox_tools import check_benign, own_processes

PROGRAMS = 20_000
SLACK = 4 * 2**20
"""Bytes that a process may grow by in the meantime: what an allocator rounds up to."""


def memory(pid: int) -> int:
    """Bytes of a process that are no file's: its own, or still shared with the process that it was forked from."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) * 1024


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_throughput_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    throughput.main(20, 1)
    *protections, trivial, typical = capsys.readouterr().out.splitlines()
    assert protections
    assert trivial.startswith("trivial: ")
    assert typical.startswith("typical: ")


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_memory_is_flat() -> None:
    grids = throughput.inputs(random.Random(1))
    # What fails must not pile up either.
    sources = (throughput.TRIVIAL, throughput.TYPICAL, "import os", "def transform(grid): return [0] * 10**6", "x x")
    with Sandbox(2, Limits(seconds=600, cpu_seconds=60)) as sandbox:
        for _ in sandbox.run([Program(throughput.TYPICAL, grids)] * 100):
            pass
        watched = [*own_processes(), os.getpid()]
        before: dict[int, int] = {}
        returned = 0
        for count, (_, execution) in enumerate(
            sandbox.run(Program(sources[number % len(sources)], grids) for number in range(PROGRAMS)), 1
        ):
            returned += execution.fate is Fate.RETURNED
            if count == PROGRAMS // 20:
                opened = descriptors()
                before = {pid: memory(pid) for pid in watched}
        after = {pid: memory(pid) for pid in before}
        assert returned == PROGRAMS * 2 // len(sources)
        assert {pid: after[pid] - before[pid] for pid in before if after[pid] > before[pid] + SLACK} == {}
        assert descriptors() == opened
        check_benign(sandbox)
