"""A task's demonstrations as training examples: leave-one-out tasks under invertible transforms, in batches.

After Akyürek et al. 2024, section 4.1.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch

from solver.augmentation import Dihedral, Episode, Transform, View, random_colours
from solver.profiles import Profile, TttSettings
from solver.prompt import Encoded, Format, fit_context
from solver.task import Task
from solver.training import Batch

DIHEDRALS = tuple(Dihedral)

MEASURED_TOKENS = 4096
"""Tokens of the prompts on which a task's losses before and after training are measured."""


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


def by_step(encoded: Sequence[Encoded], settings: TttSettings) -> list[list[Encoded]]:
    """The sequences, in their order, by optimiser step: as many as a step may hold, one at least."""
    found: list[list[Encoded]] = []
    tokens = 0
    for one in encoded:
        full = not found or len(found[-1]) == settings.batch
        if full or (settings.step_tokens is not None and tokens + len(one) > settings.step_tokens):
            found.append([])
            tokens = 0
        found[-1].append(one)
        tokens += len(one)
    return found


def identity_examples(task: Task, fmt: Format, context: int) -> list[Encoded]:
    """The leave-one-out tasks in the task's own frame, answers only as targets: what the losses are measured on.

    As many, from the first, as have `MEASURED_TOKENS` together, one at least: measuring must not cost many steps.
    """
    count = len(task.train)
    found: list[Encoded] = []
    tokens = 0
    for left_out in range(count) if count > 1 else ():
        order = (*(number for number in range(count) if number != left_out), left_out)
        episode = fit_context(fmt, leave_one_out(task, View(Transform(), order)), context)
        if episode is None:
            continue
        encoded = fmt.encode(episode, first_supervised=count)
        tokens += len(encoded)
        if found and tokens > MEASURED_TOKENS:
            break
        found.append(encoded)
    return found
