"""The program channel as the rest of the kit sees it: a task goes in, programs' answers come out."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from solver.budget import Clock, Deadline
from solver.grid import Grid
from solver.search.answer import Answer, Found, Stop
from solver.search.assembly import Assembly
from solver.search.bank import Bank
from solver.search.image import Cells
from solver.search.roles import Look, looks
from solver.search.solve import Search
from solver.task import Task

ENOUGH = 2.6
"""Once a program this short reproduces every demonstration, no other look at the task is taken."""

SURE, LEAD = 3.0, 2.0
"""An answer of this cost at most that leads the next by this much is not searched against any further: of 99 training
tasks, 32 had such an answer after a second, all of them right."""

RESERVE = 0.05
"""Share of the seconds kept for what cannot be interrupted."""


@dataclass(slots=True)
class Tally:
    """Answers found so far. Programs with the same answer support each other: weights 2^-cost add up.

    cpu: a clock of this process's work; moments: when each answer was first found.
    """

    demonstrations: int
    cpu: Clock = time.process_time
    best: dict[tuple[Grid, ...], tuple[float, str]] = field(default_factory=dict)
    weight: dict[tuple[Grid, ...], float] = field(default_factory=dict)
    moments: dict[tuple[Grid, ...], float] = field(default_factory=dict)

    def add(self, grids: tuple[Grid, ...], cost: float, program: str) -> None:
        """One program's answer."""
        self.weight[grids] = self.weight.get(grids, 0.0) + 2.0**-cost
        self.moments.setdefault(grids, self.cpu())
        if grids not in self.best or cost < self.best[grids][0]:
            self.best[grids] = (cost, program)

    def shortest(self) -> float:
        """Cost of the shortest program; infinity before there is one."""
        return min((cost for cost, _ in self.best.values()), default=math.inf)

    def settled(self) -> bool:
        """Whether the best answer is so short, and so far ahead, that longer programs could hardly change that."""
        first, second, *_ = *sorted(-math.log2(weight) for weight in self.weight.values()), math.inf, math.inf
        return first <= SURE and first + LEAD <= second

    def answers(self, began: float = 0.0) -> tuple[Answer, ...]:
        """The best supported answer first. Its cost: of one program with the support of all. began: on the clock."""
        order = sorted(self.weight, key=lambda grids: (-self.weight[grids], [grid.rows for grid in grids]))
        return tuple(self._answer(grids, began) for grids in order)

    def _answer(self, grids: tuple[Grid, ...], began: float) -> Answer:
        cost, seconds = -math.log2(self.weight[grids]), self.moments[grids] - began
        return Answer(grids, self.best[grids][1], cost, self.demonstrations, self.demonstrations, seconds)


def search(task: Task, seconds: float, memory: int = 2 * 2**30, clock: Clock = time.monotonic) -> Found:
    """Searches for so many seconds, in so many bytes.

    What reproduces every demonstration only is reported. Deterministic as long as time does not end it.
    """
    began, cpu = clock(), time.process_time()
    inputs = [pair.input.array() for pair in task.train] + [grid.array() for grid in task.test_inputs]
    outputs = [pair.output.array() for pair in task.train]
    tally, states, stops = Tally(len(task.train)), 0, set()
    chosen = looks(inputs, outputs)
    deadline = Deadline(began + seconds * (1 - RESERVE), clock)
    for number, look in enumerate(chosen):
        share = Deadline.after(deadline.left() / (len(chosen) - number), clock)
        one = prepare(look, inputs, outputs, tally, memory)
        stops.add(one.run(share.left, tally.settled))
        states += len(one.bank.values)
        if tally.shortest() < ENOUGH or tally.settled():
            break
    stop = next(stop for stop in (Stop.SETTLED, Stop.DEADLINE, Stop.MEMORY, Stop.EXHAUSTED) if stop in stops)
    return Found(tally.answers(cpu), stop, states, time.process_time() - cpu)


def prepare(look: Look, inputs: list[Cells], outputs: list[Cells], tally: Tally, memory: int) -> Search:
    """A search of the task as this look shows it, whose answers go to the tally."""

    def report(images: Sequence[Cells], cost: float, program: str) -> None:
        grids = look.restore(images, len(outputs))
        tally.add(tuple(Grid.from_array(grid) for grid in grids), cost + look.cost, program)

    seen, targets = look.see(inputs), look.see(outputs)
    colours = frozenset(int(colour) for image in (*seen, *targets) for colour in np.unique(image))
    return Search(Assembly(seen, targets, report), Bank(colours, len(inputs)), memory)


def warm_up() -> None:
    """Compiles what is not on the disk, or loads it: minutes the first time, then seconds."""
    images = [np.array(rows, np.int8) for rows in (((1, 0, 0), (0, 2, 0)), ((0, 2, 1), (0, 0, 1)))]
    prepare(looks(images, images[:1])[0], images, images[1:], Tally(1), 2**30).rehearse()
