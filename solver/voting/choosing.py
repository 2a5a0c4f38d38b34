"""Two attempts that always differ: from a ranking, and where it is too short from what the task alone suggests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from solver.attempts import Attempts
from solver.grid import BLACK, MAX_SIDE, Grid
from solver.task import Query, Task
from solver.voting.majority import majority_grids


def choose(ranking: Sequence[Grid], task: Task, query: Query, predictions: Sequence[Grid] = ()) -> Attempts:
    """The first two grids of the ranking; where it holds fewer, the best different ones to be had.

    These are the row-wise and column-wise majority of `predictions` (grids too weak to be ranked, repeats counted),
    the predictions themselves, and the fallback. Raises `ValueError` for a query of another task.
    """
    if query.task_id != task.id:
        raise ValueError(f"a query of task {query.task_id} cannot be answered from task {task.id}")
    ballot = Counter(predictions)
    weak = sorted(ballot, key=lambda grid: (-ballot[grid], grid.shape, grid.rows))
    majorities = majority_grids(ballot) if ballot else ()
    first, second, *_ = dict.fromkeys((*ranking, *majorities, *weak, *fallback_grids(task, query.index)))
    return Attempts(first, second)


def fallback(task: Task, index: int) -> Attempts:
    """Two different valid answers to a test input that nothing has been predicted for."""
    return choose((), task, Query(task.id, index))


def fallback_grids(task: Task, index: int) -> tuple[Grid, ...]:
    """At least two distinct guesses from the task alone, those of the predicted output shape first.

    In this order: the test input, the most common demonstration output, an all-black grid, and one of another
    colour so that two always differ.
    """
    test_input = task.test_inputs[index]
    outputs = Counter(pair.output for pair in task.train)
    shape = predicted_shape(task, index)
    height, width = shape or test_input.shape
    plain = [Grid(((colour,) * width,) * height) for colour in (BLACK, BLACK + 1)]
    guesses = dict.fromkeys((test_input, outputs.most_common(1)[0][0], *plain))
    return tuple(sorted(guesses, key=lambda grid: shape is not None and grid.shape != shape))


def predicted_shape(task: Task, index: int) -> tuple[int, int] | None:
    """The output's (height, width) if the demonstrations keep their shape, agree on one, or on one ratio."""
    height, width = task.test_inputs[index].shape
    shapes = {pair.output.shape for pair in task.train}
    ratios = {
        (Fraction(pair.output.height, pair.input.height), Fraction(pair.output.width, pair.input.width))
        for pair in task.train
    }
    if ratios == {(Fraction(1), Fraction(1))}:
        return height, width
    if len(shapes) == 1:
        return shapes.pop()
    if len(ratios) > 1:
        return None
    down, across = ratios.pop()
    scaled = height * down, width * across
    if any(side.denominator > 1 or side > MAX_SIDE for side in scaled):
        return None
    return int(scaled[0]), int(scaled[1])
