"""A task's demonstrations as training examples: leave-one-out tasks under invertible transforms, in batches.

After Akyürek et al. 2024, section 4.1.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch

from solver.augmentation import Dihedral, Episode, Transform, View, random_colours
from solver.profiles import Profile
from solver.prompt import Encoded, Format, fit_context
from solver.task import Task
from solver.training import Batch

DIHEDRALS = tuple(Dihedral)


def leave_one_out(task: Task, view: View) -> Episode:
    """The view's last demonstration becomes the query, the others stay as demonstrations."""
    *shown, left_out = view.order
    pair = task.train[left_out]
    return View(view.transform, tuple(shown)).episode(task, pair.input, pair.output)


def orders(count: int, rng: random.Random) -> tuple[int, ...]:
    """A random order of all demonstrations, or of all but one where that leaves at least two (leave-two-out)."""
    order = rng.sample(range(count), count)
    if count > 3 and rng.random() < 0.25:
        order.pop()
    return tuple(order)


def examples(task: Task, profile: Profile, rng: random.Random, limit: int) -> list[Encoded]:
    """At most `limit` distinct encoded leave-one-out tasks that fit the context, in random order.

    Empty when the task has a single demonstration or nothing fits.
    """
    if len(task.train) < 2:
        return []
    found: dict[bytes, Encoded] = {}
    # Few-demonstration tasks with few colours have few distinct examples: stop after enough repeated draws.
    for number in range(4 * limit):
        if len(found) == limit:
            break
        encoded = example(task, profile, rng, DIHEDRALS[number % len(DIHEDRALS)])
        if encoded is not None:
            found.setdefault(encoded.ids.tobytes(), encoded)
    return list(found.values())


def example(task: Task, profile: Profile, rng: random.Random, dihedral: Dihedral) -> Encoded | None:
    """One leave-one-out task in random colours and order, or None where it does not fit the context."""
    settings, fmt = profile.ttt, profile.format
    transform = Transform(dihedral, random_colours(rng, profile.permute_black)) if settings.transforms else Transform()
    view = View(transform, orders(len(task.train), rng))
    if settings.in_context:
        fitting = fit_context(fmt, leave_one_out(task, view), profile.context)
    else:
        alone = leave_one_out(task, View(transform, view.order[-1:]))
        fitting = alone if fmt.length(alone) <= profile.context else None
    return None if fitting is None else fmt.encode(fitting, settings.first_supervised)


def collate(encoded: Sequence[Encoded], pad_id: int, device: torch.device) -> Batch:
    """Right-padded batch [B, T] of encoded sequences."""
    shape = len(encoded), max(map(len, encoded))
    ids = np.full(shape, pad_id, dtype=np.int64)
    positions = np.zeros(shape, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.bool_)
    for row, one in enumerate(encoded):
        ids[row, : len(one)] = one.ids
        positions[row, : len(one)] = one.positions
        mask[row, : len(one)] = one.loss_mask
    return Batch(*(torch.from_numpy(array).to(device) for array in (ids, positions, mask)))


def micro_batches(encoded: Sequence[Encoded], tokens: int, pad_id: int, device: torch.device) -> list[Batch]:
    """The sequences in batches of at most `tokens` padded tokens (one sequence at least), like lengths together."""
    batches: list[Batch] = []
    current: list[Encoded] = []
    for one in sorted(encoded, key=len):
        if current and len(one) * (len(current) + 1) > tokens:
            batches.append(collate(current, pad_id, device))
            current = []
        current.append(one)
    batches.append(collate(current, pad_id, device))
    return batches


def identity_examples(task: Task, fmt: Format, context: int) -> list[Encoded]:
    """The leave-one-out tasks in the task's own frame, answers only as targets: what the losses are measured on."""
    count = len(task.train)
    found = []
    for left_out in range(count) if count > 1 else ():
        order = (*(number for number in range(count) if number != left_out), left_out)
        episode = fit_context(fmt, leave_one_out(task, View(Transform(), order)), context)
        if episode is not None:
            found.append(fmt.encode(episode, first_supervised=count))
    return found
