"""A task as one prompt shows it, and the way back: which grids its program is run on, what its answers mean.

Programs written for different views of a task are different guesses at its rule, which is where the variety of the
samples comes from. Answers are always brought back to the task's own frame, so nothing else knows of views.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from solver.augmentation import Dihedral, Transform, View, random_colours, random_order
from solver.grid import Grid
from solver.programs.fate import Execution
from solver.task import Task

FRAMES = (Transform(Dihedral.TRANSPOSE), Transform())
"""From a grid as the prompt shows it to the grid that the sandbox is given, in two ways; the sandbox transposes once
more, to `[x, y]`.

In the first a prompt's line is the first index of the array that a program gets: so the checkpoint's training data
were made, and so its authors evaluated it last. In the second, which their earlier evaluation had, `x` counts columns.
Which of the two a program was written for shows when it is run: what is wrong from the first demonstration on in one
is tried in the other.
"""


def views(task: Task, rng: random.Random) -> Iterator[View]:
    """Without end: the task as it is, then random symmetries, colours and orders of all demonstrations.

    Black stays black, since most programs take it for the background.
    """
    count = len(task.train)
    yield View(Transform(), tuple(range(count)))
    while True:
        transform = Transform(rng.choice(list(Dihedral)), random_colours(rng, permute_black=False))
        yield View(transform, random_order(rng, count))


def inputs(task: Task, transform: Transform, frame: Transform = FRAMES[0]) -> tuple[Grid, ...]:
    """What the sandbox runs a program on that was written for a view: the inputs of all demonstrations in the task's
    order, whichever the prompt showed, then the test inputs."""
    grids = (*(pair.input for pair in task.train), *task.test_inputs)
    shown = frame.after(transform)
    return tuple(shown.apply(grid) for grid in grids)


def restore(execution: Execution, transform: Transform, frame: Transform = FRAMES[0]) -> Execution:
    """What the sandbox reports of such a program, in the task's own frame."""
    back = frame.after(transform).inverse()
    return replace(execution, grids=tuple(back.apply(grid) for grid in execution.grids))
