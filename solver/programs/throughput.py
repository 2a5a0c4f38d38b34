"""Programs per second in the sandbox, beside the same programs run by plain Python in this process.

    python -m solver.programs.throughput [PROGRAMS [PROCESSES]]

What a process of one's own costs depends on the machine, and what else it does: only ratios within one run compare.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
import time
from dataclasses import dataclass

from solver.grid import Grid
from solver.programs.child import execute
from solver.programs.fate import Fate
from solver.programs.guard import LIBRARY
from solver.programs.limits import Limits, Program
from solver.programs.sandbox import STANDARD_LIBRARY, Sandbox

TRIVIAL = """
def transform(grid):
    return grid
"""
TYPICAL = """
from common import *

def transform(input_grid):
    # Every object falls to the bottom; the largest turns red.
    objects = find_connected_components(input_grid, monochromatic=False)
    largest = max(objects, key=lambda obj: np.sum(obj != Color.BLACK))
    output_grid = np.full(input_grid.shape, Color.BLACK)
    for obj in objects:
        x, y, width, height = bounding_box(obj)
        sprite = crop(obj)
        if obj is largest:
            sprite[sprite != Color.BLACK] = Color.RED
        blit_sprite(output_grid, sprite, x=x, y=input_grid.shape[1] - height)
    return output_grid
"""
SIDE, INPUTS = 15, 4


@dataclass(frozen=True, slots=True)
class Measured:
    """Programs per second of wall clock, in the sandbox and without one; seconds of processor time per program."""

    name: str
    sandboxed: float
    plain: float
    processor: float

    def __str__(self) -> str:
        ratio = self.plain / self.sandboxed
        return (
            f"{self.name}: {self.sandboxed:.0f}/s in the sandbox ({1000 * self.processor:.1f} ms of its processes), "
            f"{self.plain:.0f}/s without one, ratio {ratio:.1f}"
        )


def inputs(rng: random.Random) -> tuple[Grid, ...]:
    """Grids with a few cells that are not black."""
    colours = [0] * 8 + [1, 2, 3]
    return tuple(
        Grid(tuple(tuple(rng.choice(colours) for _ in range(SIDE)) for _ in range(SIDE))) for _ in range(INPUTS)
    )


def measure(sandbox: Sandbox, name: str, program: Program, count: int) -> Measured:
    """Runs one program so many times, both ways; raises `RuntimeError` if it does not return."""
    began = time.perf_counter()
    executions = [execution for _, execution in sandbox.run([program] * count)]
    sandboxed = count / (time.perf_counter() - began)
    rows = [grid.to_json() for grid in program.inputs]
    began = time.perf_counter()
    fates = [execute(program.source, rows, program.hash_seed, bytes, lambda: None) for _ in range(count)]
    plain = count / (time.perf_counter() - began)
    for fate, detail in {*fates, *((execution.fate, execution.detail) for execution in executions)}:
        if fate is not Fate.RETURNED:
            raise RuntimeError(f"{name}: {fate.value} {detail}")
    return Measured(name, sandboxed, plain, sum(execution.seconds for execution in executions) / count)


def main(count: int = 1000, processes: int = 0) -> None:
    """Prints what was measured, and which protections it was measured with."""
    sys.modules[LIBRARY] = importlib.import_module(STANDARD_LIBRARY)
    grids = inputs(random.Random(0))
    with Sandbox(processes or len(os.sched_getaffinity(0)), Limits(seconds=60, cpu_seconds=60)) as sandbox:
        print("\n".join(sandbox.protections()))
        for name, source in (("trivial", TRIVIAL), ("typical", TYPICAL)):
            measure(sandbox, name, Program(source, grids), 20)
            print(measure(sandbox, name, Program(source, grids), count))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
