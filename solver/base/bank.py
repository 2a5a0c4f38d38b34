"""The pairs a base is trained on, as flat tensors, and their encoding into batches by index arithmetic.

Sequences are described by a few integers per grid; cells, symmetries, colours and positions are then
gathered on the device, so that augmentation costs no more than an embedding look-up.
Writes exactly what `prompt.NativeFormat` writes (a test holds them together).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from solver.augmentation import Dihedral, random_colours
from solver.grid import Grid
from solver.prompt import END, GRID_STRIDE, INPUT, OUTPUT, PAD, ROW, ROW_STRIDE
from solver.task import Pair
from solver.training import Batch

DIHEDRALS = tuple(Dihedral)


@dataclass(frozen=True, slots=True)
class Source:
    """A family of tasks and how often it is drawn. tasks: pairs by task."""

    name: str
    weight: float
    tasks: tuple[tuple[Pair, ...], ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training sequence: grids (two per pair), a symmetry and a colour map."""

    pairs: tuple[int, ...]
    dihedral: int
    colours: tuple[int, ...]
    length: int


class Bank:
    """All pairs of all sources. A pair's grids are numbers 2p and 2p + 1 in `shapes` and `offsets`."""

    def __init__(self, sources: Sequence[Source], device: torch.device) -> None:
        self.names = [source.name for source in sources]
        self.weights = [source.weight for source in sources]
        self.tasks: list[list[list[int]]] = []
        grids: list[Grid] = []
        for source in sources:
            tasks = []
            for pairs in source.tasks:
                tasks.append([len(grids) // 2 + number for number in range(len(pairs))])
                for pair in pairs:
                    grids += (pair.input, pair.output)
            self.tasks.append(tasks)
        self.shapes = np.array([grid.shape for grid in grids], dtype=np.int64)
        sizes = self.shapes.prod(1)
        self.offsets = np.cumsum(sizes) - sizes
        spans = sizes[0::2] + sizes[1::2] + self.shapes[0::2, 0] + self.shapes[1::2, 0] + 1
        spans_turned = sizes[0::2] + sizes[1::2] + self.shapes[0::2, 1] + self.shapes[1::2, 1] + 1
        self.spans = np.stack([spans, spans_turned])
        self.cells = torch.from_numpy(np.concatenate([grid.array().ravel() for grid in grids])).to(device)

    def draw(self, rng: random.Random, max_length: int, max_pairs: int, permute_black: bool) -> Recipe:
        """A sequence of two to `max_pairs` pairs of one task within `max_length` tokens."""
        while True:
            pool = rng.choice(rng.choices(self.tasks, self.weights)[0])
            dihedral = rng.randrange(len(DIHEDRALS))
            spans = self.spans[int(DIHEDRALS[dihedral].value[0])]
            wanted = rng.randint(min(3, max_pairs), max_pairs)
            pairs: list[int] = []
            length = 0
            for pair in rng.sample(pool, min(len(pool), wanted + 4)):
                if length + spans[pair] <= max_length:
                    pairs.append(pair)
                    length += int(spans[pair])
                if len(pairs) == wanted:
                    break
            if len(pairs) >= 2:
                return Recipe(tuple(pairs), dihedral, random_colours(rng, permute_black), length)

    def _describe(self, recipes: Sequence[Recipe], first_supervised: int, inputs: bool) -> npt.NDArray[np.int64]:
        """Ten integers per shown grid, [G, 10], in the order in which `encode` unpacks them."""
        fields = []
        for sequence, recipe in enumerate(recipes):
            start = 0
            transpose, flip_rows, flip_columns = DIHEDRALS[recipe.dihedral].value
            for number, grid in enumerate(grid for pair in recipe.pairs for grid in (2 * pair, 2 * pair + 1)):
                height, width = self.shapes[grid]
                out_height, out_width = (width, height) if transpose else (height, width)
                is_output = number % 2
                count = out_height * (out_width + 1) + is_output
                # A cell of the shown grid comes from base + row * row_step + column * column_step of the stored one.
                row_step, column_step = (1, width) if transpose else (width, 1)
                base = self.offsets[grid]
                if flip_rows:
                    base, row_step = base + (out_height - 1) * row_step, -row_step
                if flip_columns:
                    base, column_step = base + (out_width - 1) * column_step, -column_step
                pair = number // 2
                supervised = pair >= first_supervised if is_output else inputs and pair >= max(1, first_supervised)
                fields.append(
                    (sequence, start, count, out_width + 1, base, row_step, column_step, number, is_output, supervised)
                )
                start += count
        return np.array(fields, dtype=np.int64)

    def encode(
        self, recipes: Sequence[Recipe], geometric: bool, first_supervised: int = 1, inputs: bool = False
    ) -> Batch:
        """Right-padded tokens, positions and loss mask, each [B, T], on the bank's device.

        Targets are the outputs from number `first_supervised` on and, if so wanted, the inputs too, but not the first.
        """
        device = self.cells.device
        table = torch.tensor(self._describe(recipes, first_supervised, inputs), device=device)
        counts = table[:, 2]
        expanded = torch.repeat_interleave(table, counts, dim=0).unbind(1)
        sequence, start, count, stride, base, row_step, column_step, number, is_output, supervised = expanded
        first = torch.repeat_interleave(torch.cumsum(counts, 0) - counts, counts)
        token = torch.arange(len(first), device=device) - first
        row, column = token // stride, token % stride
        palettes = torch.tensor([recipe.colours for recipe in recipes], device=device)
        source = (base + row * row_step + (column - 1) * column_step).clamp_(0, len(self.cells) - 1)
        colour = palettes[sequence, self.cells[source].long()]
        marker = torch.where(row > 0, ROW, torch.where(is_output > 0, OUTPUT, INPUT))
        marker = torch.where((is_output > 0) & (token == count - 1), END, marker)
        length = max(recipe.length for recipe in recipes)
        shape = (len(recipes), length)
        place = sequence * length + start + token
        ids = torch.full(shape, PAD, device=device)
        ids.view(-1)[place] = torch.where(column > 0, colour, marker)
        positions = torch.zeros(shape, dtype=torch.long, device=device)
        geometry = number * GRID_STRIDE + row * ROW_STRIDE + column
        positions.view(-1)[place] = geometry if geometric else start + token
        mask = torch.zeros(shape, dtype=torch.bool, device=device)
        mask.view(-1)[place] = (supervised > 0) & (token > 0)
        return Batch(ids, positions, mask)


def rounds(
    bank: Bank,
    seed: int,
    number: int,
    max_length: int,
    max_pairs: int,
    tokens: int,
    permute_black: bool,
    count: int,
) -> Iterator[list[Recipe]]:
    """The `count` batches of round `number`: like lengths together, in random order.

    Each has about `tokens` tokens (at either end half a sequence more or less), because processes that train together
    wait for whoever has most to do. A function of its arguments alone: training resumes exactly where it stopped.
    """
    rng = random.Random(f"{seed}:{number}")
    pool: list[Recipe] = []
    total = 0
    while total < count * tokens or len(pool) < count:
        pool.append(bank.draw(rng, max_length, max_pairs, permute_black))
        total += pool[-1].length
    pool.sort(key=lambda recipe: recipe.length)
    batches: list[list[Recipe]] = [[] for _ in range(count)]
    before, last = 0, -1
    for place, recipe in enumerate(pool):
        # Where the middle of its tokens is, were all in one row; but no batch is left out, nor left over at the end.
        wanted = (2 * before + recipe.length) * count // (2 * total)
        last = max(last, count - (len(pool) - place), min(wanted, last + 1))
        batches[last].append(recipe)
        before += recipe.length
    rng.shuffle(batches)
    yield from batches
