"""Through which views a task is answered, and what each of them shows: prompts that fit, room for answers. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from solver.augmentation import IDENTITY_COLOURS, Dihedral, Transform, View, random_colours, random_order
from solver.grid import COLOURS, MAX_SIDE, Grid
from solver.profiles import Profile
from solver.prompt import Encoded, Ids, fit_context
from solver.task import Task

LARGEST = tuple(Grid(((colour,) * MAX_SIDE,) * MAX_SIDE) for colour in range(COLOURS))
"""The largest grids: in some formats colours take different numbers of tokens."""


def inference_views(task: Task, profile: Profile, seed: int) -> list[View]:
    """`profile.orders` rounds of all eight dihedral views with random colours and demonstration orders.

    The very first view is the task as it is.
    """
    rng = random.Random(f"{seed}:views")
    count = len(task.train)
    views = []
    for number in range(profile.orders):
        for dihedral in Dihedral:
            colours, order = random_colours(rng, profile.permute_black), random_order(rng, count)
            if not number and dihedral is Dihedral.IDENTITY:
                colours, order = IDENTITY_COLOURS, tuple(range(count))
            views.append(View(Transform(dihedral, colours), order))
    return views


def answer_limits(task: Task, query: Grid, profile: Profile) -> tuple[int, int]:
    """(expected, most) tokens of an answer, by the demonstrations' outputs, alone and relative to their inputs."""
    length = profile.format.answer_length
    largest = max(map(length, LARGEST))
    scaled = max(length(pair.output) / length(pair.input) for pair in task.train) * length(query)
    expected = min(largest, max(round(scaled), *(length(pair.output) for pair in task.train)))
    return expected, min(largest, 2 * expected + 16)


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a base reads of a task through one view.

    prompts: by number of the test input, all with the same demonstrations, so that these are read once for all; limits:
    the most tokens of an answer to each; number: that of the view's turn, for what must differ between views.
    """

    view: View
    prompts: dict[int, Encoded]
    limits: dict[int, int]
    number: int

    def longest(self) -> Encoded:
        return max(self.prompts.values(), key=len)

    def limit(self) -> int:
        return max(self.limits.values())

    def answer(self, grid: Grid, profile: Profile) -> Ids:
        """The tokens that give a grid of the task's own frame as the answer."""
        return profile.format.answer_ids(self.view.transform.apply(grid))


def show(task: Task, views: Sequence[View], profile: Profile, note: Callable[[str], None]) -> list[Shown]:
    """All views of all test inputs that fit the base's context.

    Where test inputs of a view leave room for different numbers of demonstrations, the view is shown once for each.
    `note` is told of demonstrations that were dropped and of test inputs that do not fit.
    """
    limits = [answer_limits(task, query, profile)[1] for query in task.test_inputs]
    found = []
    for number, view in enumerate(views):
        by_shown: dict[int, dict[int, Encoded]] = {}
        for index, query in enumerate(task.test_inputs):
            episode = view.episode(task, query)
            fitting = fit_context(profile.format, episode, profile.context, answer_room=limits[index])
            if fitting is None:
                # Which demonstration stays depends on the view's order, so other views may still fit.
                note(f"test input {index}: too long even with one demonstration")
                continue
            if dropped := len(episode.demonstrations) - len(fitting.demonstrations):
                note(f"test input {index}: {dropped} demonstrations dropped from a prompt")
            by_shown.setdefault(len(fitting.demonstrations), {})[index] = profile.format.encode(fitting)
        found += [
            Shown(view, prompts, {index: limits[index] for index in prompts}, number) for prompts in by_shown.values()
        ]
    return found
