"""The bank writes exactly what the native format writes, and its rounds are functions of their arguments."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.augmentation import IDENTITY_COLOURS, Dihedral, Transform, View, random_colours
from solver.base.bank import DIHEDRALS, Bank, Recipe, Source, rounds
from solver.grid import COLOURS, MAX_SIDE, Grid
from solver.prompt import PAD, Encoded, NativeFormat
from solver.task import Pair, Task
from solver.training import Batch

CPU = torch.device("cpu")


def random_grid(rng: np.random.Generator, max_side: int) -> Grid:
    return Grid.from_array(rng.integers(0, COLOURS, rng.integers(1, max_side + 1, 2)))


def random_source(seed: int, name: str = "source", tasks: int = 5, max_side: int = 6) -> Source:
    """Tasks of two to six pairs of rectangular grids, inputs and outputs of different shapes."""
    rng = np.random.default_rng(seed)
    return Source(
        name,
        1.0,
        tuple(
            tuple(Pair(random_grid(rng, max_side), random_grid(rng, max_side)) for _ in range(rng.integers(2, 7)))
            for _ in range(tasks)
        ),
    )


def all_pairs(*sources: Source) -> list[Pair]:
    """Pairs by their number in a bank of these sources."""
    return [pair for source in sources for task in source.tasks for pair in task]


def reference(pairs: list[Pair], recipe: Recipe, geometric: bool, first_supervised: int) -> Encoded:
    """The recipe as the format itself writes it: its last pair is the query and the answer."""
    *shown, last = (pairs[number] for number in recipe.pairs)
    task = Task("reference", tuple(shown), (last.input,))
    view = View(Transform(DIHEDRALS[recipe.dihedral], recipe.colours), tuple(range(len(shown))))
    return NativeFormat(geometric).encode(view.episode(task, last.input, last.output), first_supervised)


def assert_row_equals(batch: Batch, row: int, encoded: Encoded) -> None:
    """Token by token, position by position, mask by mask; padding beyond."""
    length = len(encoded)
    assert batch.ids[row, :length].tolist() == encoded.ids.tolist()
    assert batch.positions[row, :length].tolist() == encoded.positions.tolist()
    assert batch.loss_mask[row, :length].tolist() == encoded.loss_mask.tolist()
    assert (batch.ids[row, length:] == PAD).all()
    assert not batch.loss_mask[row, length:].any()


def recipe_of(bank: Bank, pairs: tuple[int, ...], dihedral: int, colours: tuple[int, ...]) -> Recipe:
    turned = int(DIHEDRALS[dihedral].value[0])
    return Recipe(pairs, dihedral, colours, int(bank.spans[turned][list(pairs)].sum()))


@pytest.mark.parametrize("geometric", [True, False])
@pytest.mark.parametrize("dihedral", list(Dihedral))
def test_encoding_equals_the_format_under_every_dihedral(dihedral: Dihedral, geometric: bool) -> None:
    source = random_source(1)
    bank = Bank([source], CPU)
    rng = random.Random(dihedral.name)
    colour_maps = [IDENTITY_COLOURS, random_colours(rng, permute_black=False), random_colours(rng, permute_black=True)]
    recipes = [
        recipe_of(bank, tuple(rng.sample(task, len(task))), DIHEDRALS.index(dihedral), colours)
        for task in bank.tasks[0]
        for colours in colour_maps
    ]
    for first_supervised in (0, 1):
        batch = bank.encode(recipes, geometric, first_supervised)
        for row, recipe in enumerate(recipes):
            encoded = reference(all_pairs(source), recipe, geometric, first_supervised)
            assert recipe.length == len(encoded)
            assert_row_equals(batch, row, encoded)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), permute_black=st.booleans(), geometric=st.booleans())
def test_drawn_recipes_encode_as_the_format_does(seed: int, permute_black: bool, geometric: bool) -> None:
    sources = [random_source(seed, "first"), random_source(seed + 1, "second", max_side=MAX_SIDE)]
    bank = Bank(sources, CPU)
    rng = random.Random(seed)
    recipes = [bank.draw(rng, max_length=4000, max_pairs=4, permute_black=permute_black) for _ in range(3)]
    batch = bank.encode(recipes, geometric)
    assert batch.ids.shape == batch.positions.shape == batch.loss_mask.shape
    for row, recipe in enumerate(recipes):
        assert_row_equals(batch, row, reference(all_pairs(*sources), recipe, geometric, 1))


@pytest.mark.parametrize("first_supervised", [0, 1, 2])
def test_inputs_are_targets_where_outputs_are(first_supervised: int) -> None:
    """All but the first, which nothing before it tells anything about."""
    bank = Bank([random_source(3)], CPU)
    recipes = [recipe_of(bank, tuple(task), 0, IDENTITY_COLOURS) for task in bank.tasks[0]]
    outputs = bank.encode(recipes, True, first_supervised)
    both = bank.encode(recipes, True, first_supervised, inputs=True)
    assert torch.equal(both.ids, outputs.ids)
    for row, recipe in enumerate(recipes):
        wanted, start = outputs.loss_mask[row].clone(), 0
        for number, pair in enumerate(recipe.pairs):
            height, width = bank.shapes[2 * pair].tolist()
            shown = height * (width + 1)
            if number >= max(1, first_supervised):
                wanted[start + 1 : start + shown] = True  # what follows its marker
            start += int(bank.spans[0][pair])
        assert torch.equal(both.loss_mask[row], wanted)


def test_a_batch_is_its_sequences_side_by_side() -> None:
    bank = Bank([random_source(2)], CPU)
    recipes = [bank.draw(random.Random(number), 500, 5, permute_black=False) for number in range(6)]
    together = bank.encode(recipes, geometric=True)
    for row, recipe in enumerate(recipes):
        alone = bank.encode([recipe], geometric=True)
        assert torch.equal(together.ids[row, : recipe.length], alone.ids[0])
        assert torch.equal(together.positions[row, : recipe.length], alone.positions[0])
        assert torch.equal(together.loss_mask[row, : recipe.length], alone.loss_mask[0])


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), max_pairs=st.integers(2, 6), max_length=st.integers(200, 600))
def test_draws_keep_to_one_task_and_to_their_limits(seed: int, max_pairs: int, max_length: int) -> None:
    bank = Bank([random_source(3)], CPU)
    recipe = bank.draw(random.Random(seed), max_length, max_pairs, permute_black=False)
    assert any(set(recipe.pairs) <= set(task) for task in bank.tasks[0])
    assert len(set(recipe.pairs)) == len(recipe.pairs)
    assert 2 <= len(recipe.pairs) <= max_pairs
    assert recipe.length == bank.encode([recipe], geometric=True).ids.shape[1] <= max_length
    assert recipe.colours[0] == 0


def test_sources_are_drawn_by_weight() -> None:
    heavy, light = random_source(4), random_source(5)
    bank = Bank([Source("never", 0.0, light.tasks), Source("always", 1.0, heavy.tasks)], CPU)
    first_heavy = len(all_pairs(light))
    drawn = [bank.draw(random.Random(number), 500, 4, permute_black=False) for number in range(30)]
    assert all(min(recipe.pairs) >= first_heavy for recipe in drawn)


def test_rounds_are_functions_of_their_arguments() -> None:
    def one(seed: int, number: int) -> list[list[Recipe]]:
        bank = Bank([random_source(6)], CPU)
        return list(rounds(bank, seed, number, 300, 5, 1000, permute_black=False, count=12))

    assert one(0, 3) == one(0, 3)
    assert one(0, 3) != one(0, 4)
    assert one(0, 3) != one(1, 3)


def test_a_round_can_be_entered_in_its_middle() -> None:
    bank = Bank([random_source(7)], CPU)
    whole = list(rounds(bank, 0, 0, 300, 5, 1000, permute_black=False, count=12))
    resumed = rounds(bank, 0, 0, 300, 5, 1000, permute_black=False, count=12)
    for _ in range(4):
        next(resumed)
    assert list(resumed) == whole[4:]


@pytest.mark.parametrize("tokens", [100, 400, 1000, 4096])
@pytest.mark.parametrize("count", [12, 20])
def test_batches_of_a_round_have_like_lengths_and_as_many_tokens_each(tokens: int, count: int) -> None:
    bank = Bank([random_source(8)], CPU)
    batches = list(rounds(bank, 0, 0, 300, 5, tokens, permute_black=False, count=count))
    assert len(batches) == count
    sizes = [sum(recipe.length for recipe in batch) for batch in batches]
    assert sum(sizes) >= count * tokens
    longest = max(recipe.length for batch in batches for recipe in batch)
    assert all(sizes), "also where a sequence is longer than a batch"
    if tokens >= longest:
        assert all(abs(size - sum(sizes) / count) <= longest for size in sizes)
    lengths = sorted((min(r.length for r in batch), max(r.length for r in batch)) for batch in batches)
    assert all(long <= short for (_, long), (short, _) in itertools.pairwise(lengths))
