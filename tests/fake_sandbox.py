"""A sandbox without walls, for programs that tests wrote themselves: runs them in this process, one after another."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from solver.budget import Deadline
from solver.grid import Grid
from solver.programs.fate import Execution, Fate
from solver.programs.limits import Program


@dataclass(slots=True)
class FakeSandbox:
    """Runs programs in an order of its own, and lets `limit` of them start before every deadline but one that never
    comes. What a program prints it prints; `SEED` is its hash seed."""

    limit: int = 0
    ran: list[Program] = field(default_factory=list)

    def run(self, programs: Iterable[Program], deadline: Deadline) -> Iterator[tuple[int, Execution]]:
        numbered = list(enumerate(programs))
        random.Random(len(numbered)).shuffle(numbered)
        for number, (index, program) in enumerate(numbered):
            if number >= self.limit and deadline != Deadline.never():
                return
            self.ran.append(program)
            yield index, execute(program)


def execute(program: Program) -> Execution:
    """As the sandbox does: row-major grids are transposed to [x, y] for the function, and its answers back."""
    grids: list[Grid] = []
    try:
        names: dict[str, Any] = {"SEED": program.hash_seed}
        exec(program.source, names)
        for grid in program.inputs:
            grids.append(Grid.from_array(names["transform"](grid.array().T).T))  # noqa: PERF401 (those before an error count)
    except Exception as error:  # noqa: BLE001 (a program may raise anything)
        return Execution(Fate.EXCEPTION, tuple(grids), type(error).__name__)
    return Execution(Fate.RETURNED, tuple(grids))
