"""New tasks from random programs of the language: more rules to train a base on than people have written down.

Inputs are the grids of a known task, seen under a random symmetry and colours, or drawn at random; a random program
gives their outputs. Kept is what is neither trivial nor degenerate nor known from a split that is for measuring.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from solver.augmentation import Dihedral, Transform, random_colours
from solver.grid import BLACK, COLOURS, Grid
from solver.search.bank import Bank
from solver.search.image import Cells
from solver.search.value import Kind, Value, image_value
from solver.task import Pair

PAIRS = (5, 10)
"""Fewest and most pairs of a task."""

STEPS = (2, 3)
"""Fewest and most words of a program, painting one value over another not counted."""

OVERLAY_SHARE = 0.25
"""How often the program's picture is painted over the input."""

DRAWN_SHARE = 0.4
"""How often inputs are drawn at random instead of taken from a known task."""

MAX_SAME = 0.4
"""Largest share of pairs that may have the most common output, or an output equal to its input."""


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A task and the program that made it."""

    pairs: tuple[Pair, ...]
    program: str


def make_tasks(known: Sequence[Sequence[Grid]], forbidden: frozenset[Pair], seed: int) -> Iterator[Synthetic]:
    """Endless, distinct tasks. known: input grids by task; forbidden: pairs that no task may hold."""
    rng = random.Random(seed)
    seen: set[tuple[Pair, ...]] = set()
    while True:
        inputs = draw_inputs(rng) if rng.random() < DRAWN_SHARE or not known else vary(rng, rng.choice(known))
        task = make_task(rng, inputs)
        if task and task.pairs not in seen and forbidden.isdisjoint(task.pairs):
            seen.add(task.pairs)
            yield task


def make_task(rng: random.Random, inputs: Sequence[Grid]) -> Synthetic | None:
    """One task on these inputs, or None if the program drawn does not make a good one."""
    images = [grid.array() for grid in inputs]
    colours = frozenset(colour for grid in inputs for colour in grid.palette()) | {rng.randrange(1, COLOURS)}
    bank = Bank(colours, len(images))
    root = image_value(images, "input")
    bank.add(root)
    value: Value | None = root
    for _ in range(rng.randint(*STEPS)):
        value = _extend(rng, bank, value) if value else None
    if not value or value.kind is Kind.LIST:
        return None
    outputs, program = value.images(), value.program
    if rng.random() < OVERLAY_SHARE and all(a.shape == b.shape for a, b in zip(outputs, images, strict=True)):
        outputs = [np.where(top != BLACK, top, below) for top, below in zip(outputs, images, strict=True)]
        program = f"{program} over input"
    if not acceptable(images, outputs):
        return None
    pairs = (Pair(a, Grid.from_array(b)) for a, b in zip(inputs, outputs, strict=True))
    return Synthetic(tuple(pairs), program)


def _extend(rng: random.Random, bank: Bank, value: Value) -> Value | None:
    """A value, if any, that one more word makes of this one, new to the bank: shorter programs do not give it.

    Primitives are equally likely, however many words each has.
    """
    before = len(bank.values)
    bank.extend(value)
    by_primitive: dict[str, list[Value]] = {}
    for new in bank.values[before:]:
        assert new.word is not None
        by_primitive.setdefault(new.word.primitive.name, []).append(new)
    if not by_primitive:
        return None
    return rng.choice(by_primitive[rng.choice(sorted(by_primitive))])


def acceptable(inputs: Sequence[Cells], outputs: Sequence[Cells]) -> bool:
    """Whether pairs show a rule: outputs that differ from each other and from the inputs, and are not of one colour."""
    most = MAX_SAME * len(outputs)
    kinds = [(output.shape, output.tobytes()) for output in outputs]
    if max(map(kinds.count, kinds)) > most:
        return False
    same = sum(np.array_equal(a, b) for a, b in zip(inputs, outputs, strict=True))
    plain = sum(len(np.unique(output)) == 1 for output in outputs)
    return max(same, plain) <= most


def vary(rng: random.Random, grids: Sequence[Grid]) -> list[Grid]:
    """Distinct grids of one task under one random symmetry and colour permutation; black stays black."""
    transform = Transform(rng.choice(tuple(Dihedral)), random_colours(rng, permute_black=False))
    chosen = rng.sample(list(dict.fromkeys(grids)), min(len(set(grids)), rng.randint(*PAIRS)))
    return [transform.apply(grid) for grid in chosen]


def draw_inputs(rng: random.Random) -> list[Grid]:
    """Grids of one random style: their colours and what is drawn on them have something in common."""
    draw = np.random.default_rng(rng.getrandbits(64))
    palette = draw.permutation(np.arange(1, COLOURS))[: draw.integers(1, 6)]
    style = rng.choice((_rectangles, _points, _blobs, _lines))
    side, mirrored = int(draw.integers(4, 17)), rng.random() < 0.15
    grids = []
    for _ in range(rng.randint(*PAIRS)):
        height, width = (int(draw.integers(max(3, side - 3), side + 4)) for _ in range(2))
        cells = np.zeros((height, width), np.int8)
        style(draw, cells, palette)
        grids.append(Grid.from_array(np.maximum(cells, cells[:, ::-1]) if mirrored else cells))
    return list(dict.fromkeys(grids))


Palette = np.ndarray


def _rectangles(draw: np.random.Generator, cells: Cells, palette: Palette) -> None:
    """A few rectangles, full or hollow."""
    height, width = cells.shape
    for _ in range(draw.integers(1, 6)):
        top, left = draw.integers(0, height - 1), draw.integers(0, width - 1)
        rows, cols = draw.integers(1, max(2, height // 2)), draw.integers(1, max(2, width // 2))
        cells[top : top + rows, left : left + cols] = draw.choice(palette)
        if draw.random() < 0.4:
            cells[top + 1 : top + rows - 1, left + 1 : left + cols - 1] = BLACK


def _points(draw: np.random.Generator, cells: Cells, palette: Palette) -> None:
    """Single cells, sparse or dense."""
    shown = draw.random(cells.shape) < draw.choice((0.05, 0.15, 0.5))
    cells[shown] = draw.choice(palette, shown.sum())


def _blobs(draw: np.random.Generator, cells: Cells, palette: Palette) -> None:
    """Objects that grow by random steps."""
    height, width = cells.shape
    for _ in range(draw.integers(1, 6)):
        row, col, colour = draw.integers(0, height), draw.integers(0, width), draw.choice(palette)
        for _ in range(draw.integers(2, 12)):
            cells[row, col] = colour
            down, right = draw.integers(-1, 2, 2)
            row, col = np.clip(row + down, 0, height - 1), np.clip(col + right, 0, width - 1)


def _lines(draw: np.random.Generator, cells: Cells, palette: Palette) -> None:
    """Full rows and columns, and some points beside them."""
    height, width = cells.shape
    for _ in range(draw.integers(1, 4)):
        if draw.random() < 0.5:
            cells[draw.integers(0, height)] = draw.choice(palette)
        else:
            cells[:, draw.integers(0, width)] = draw.choice(palette)
    shown = (draw.random(cells.shape) < 0.05) & (cells == BLACK)
    cells[shown] = draw.choice(palette, shown.sum())
