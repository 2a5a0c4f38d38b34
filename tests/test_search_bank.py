"""The bank of values, the compiled calls that fill it, and what the last depth keeps of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.search import generate
from solver.search.bank import Bank
from solver.search.catalogue import CATALOGUE, Word, words
from solver.search.dispatch import hash_value
from solver.search.image import Cells
from solver.search.judge import Goal
from solver.search.primitive import COLOUR_ARGS, Type
from solver.search.value import Kind, Value, image_value

PACE = settings(max_examples=15)


def never() -> bool:
    return False


def draw_images(seed: int, count: int = 3) -> list[Cells]:
    """Sparse images with few colours, of different sizes: most words say something about them."""
    rng = np.random.default_rng(seed)
    return [
        (rng.integers(1, 4, shape) * (rng.random(shape) < 0.4)).astype(np.int8)
        for shape in (tuple(rng.integers(2, 8, 2)) for _ in range(count))
    ]


def grown(images: list[Cells], limit: float = 1.1) -> Bank:
    bank = Bank(frozenset({1, 2, 3}), len(images))
    bank.add(image_value(images, "input"))
    bank.grow(limit, 2**30, never)
    return bank


def replay(value: Value, instance: int) -> tuple[list[list[int]], list[int]]:
    """Boxes and cells of one instance, computed step by step with the primitives themselves."""
    first = int(value.counts[:instance].sum())
    boxes = value.boxes[first : first + value.counts[instance]]
    if value.word is None:
        return boxes.tolist(), value.images()[first].ravel().tolist()
    primitive, arg = value.word.primitive, value.word.arg
    inside = [replay(parent, instance) for parent in value.parents]
    packed = [(np.array(b, np.int32).reshape(-1, 4), np.array(c, np.int8)) for b, c in inside]
    if primitive.type in (Type.SELECT, Type.JOIN):
        result = primitive.function(*packed[0], arg)
    elif primitive.type is Type.MAP:
        images = [primitive.function(*image, arg) for image in _images(*packed[0])]
        return [_box(image) for image in images], [cell for _, _, cells in images for cell in cells.ravel().tolist()]
    else:
        result = primitive.function(*(part for one in packed for part in _images(*one)[0]), arg)
    if primitive.type in (Type.SPLIT, Type.SELECT):
        return result[0].tolist(), result[1].tolist()
    return [_box(result)], result[2].ravel().tolist()


def _images(boxes: np.ndarray, cells: np.ndarray) -> list[tuple[int, int, Cells]]:
    offset, images = 0, []
    for row, col, height, width in boxes.tolist():
        images.append((row, col, cells[offset : offset + height * width].reshape(height, width)))
        offset += height * width
    return images


def _box(image: tuple[int, int, Cells]) -> list[int]:
    return [image[0], image[1], *image[2].shape]


@PACE
@given(st.integers(0, 2**32 - 1))
def test_values_are_what_their_programs_compute(seed: int) -> None:
    images = draw_images(seed)
    bank = grown(images)
    one, two = [value for value in bank.values if value.kind is Kind.IMAGE][:2]
    bank.combine(one, two)
    for index in np.random.default_rng(seed).choice(len(bank.values), 60).tolist():
        value = bank.values[index]
        for instance in range(len(images)):
            boxes, cells = replay(value, instance)
            first = int(value.counts[:instance].sum())
            count = int(value.counts[instance])
            assert value.boxes[first : first + count].tolist() == boxes, value.program
            shown = [cell for image in value.images()[first : first + count] for cell in image.ravel().tolist()]
            assert shown == cells, value.program


@PACE
@given(st.integers(0, 2**32 - 1))
def test_equal_values_are_merged(seed: int) -> None:
    bank = grown(draw_images(seed), 0.5)
    keys = {(v.kind, v.counts.tobytes(), v.boxes.tobytes(), v.cells.tobytes()) for v in bank.values}
    assert len(keys) == len(bank.values)
    assert not bank.add(bank.values[-1])


def test_shorter_programs_are_extended_first() -> None:
    bank = grown(draw_images(5), 0.5)
    assert bank.next_priority() == min(value.cost for value in bank.values[1:])
    costs = [bank.expand().cost for _ in range(40)]
    assert costs == sorted(costs)


def test_a_program_that_fails_on_one_instance_is_no_value() -> None:
    # Halving needs two rows: the test input has one.
    bank = grown([np.ones((4, 4), np.int8), np.array([[1]], np.int8)], 0.5)
    for value in bank.values[1:]:
        assert value.counts.min() >= 1
        assert value.boxes[:, 2:].min() >= 1


def test_an_image_and_a_list_of_it_differ() -> None:
    value = image_value([np.ones((2, 2), np.int8)], "input")
    keys = {int(hash_value(kind, value.counts, value.boxes, value.cells)) for kind in (0, 1)}
    assert len(keys) == 2


def test_growth_ends_for_time_and_memory() -> None:
    images = draw_images(7)
    bank = Bank(frozenset({1}), len(images))
    bank.add(image_value(images, "input"))
    assert not bank.grow(9.0, 2**30, lambda: True)
    assert len(bank.values) == 1
    assert not bank.grow(9.0, 10_000, never)
    assert bank.size > 10_000


def test_lists_are_not_combined() -> None:
    bank = grown(draw_images(3), 0.5)
    one = next(value for value in bank.values if value.kind is Kind.LIST)
    with pytest.raises(ValueError, match="images"):
        bank.combine(one, bank.values[0])


def useful(value: Value, targets: list[Cells], sizes: list[tuple[int, int]], in_place: bool) -> bool:
    """What the compiled judge is to say, cell by cell."""
    whole, drawn, painted, index = value.kind is Kind.IMAGE, in_place, False, 0
    for instance, (height, width) in enumerate(sizes):
        for _ in range(int(value.counts[instance])):
            box, image = value.boxes[index], value.images()[index]
            index += 1
            whole &= image.shape == (height, width)
            if instance >= len(targets):
                continue
            if whole:
                whole = not np.any((image != 0) & (image != targets[instance]))
            for (i, j), colour in np.ndenumerate(image):
                row, col = int(box[0]) + i, int(box[1]) + j
                if colour and 0 <= row < height and 0 <= col < width:
                    drawn &= bool(colour == targets[instance][row, col])
                    painted = True
    return whole or (drawn and painted)


@PACE
@given(st.integers(0, 2**32 - 1))
def test_the_last_depth_keeps_what_is_of_use_and_only_that(seed: int) -> None:
    images = draw_images(seed, 4)
    rng = np.random.default_rng(seed)
    everything = grown(images, 0.5)
    whole = [v for v in everything.values[1:] if v.has_sizes(image_value(images, "").boxes[:, 2:].tobytes())]
    chosen = whole[int(rng.integers(len(whole)))]
    targets, sizes = chosen.images()[:3], [(len(image), len(image[0])) for image in images]
    bank = Bank(frozenset({1, 2, 3}), len(images))
    bank.add(image_value(images, "input"))
    bank.grow(0.5, 2**30, never, Goal.of(targets, sizes, in_place=True))
    fast = {w.primitive.name for w in words(Type.MAP, (1, 2, 3)) if not w.primitive.slow}
    kept = {value.program for value in bank.values[1:]}
    for value in everything.values[1:]:
        if value.kind is Kind.IMAGE and value.word and value.word.primitive.name in fast:
            equal = value.has_sizes(np.array(sizes[:3], np.int32).tobytes()) and all(
                np.array_equal(a, b) for a, b in zip(value.images()[:3], targets, strict=False)
            )
            assert (value.program in kept) == (equal or useful(value, targets, sizes, True)), value.program
    assert bank.next_priority() == float("inf")


def test_colours_that_a_task_does_not_show_are_no_words() -> None:
    few, many = words(Type.MAP, {1}), words(Type.MAP, range(10))
    coloured = [primitive for primitive in CATALOGUE if primitive.type is Type.MAP and primitive.args is COLOUR_ARGS]
    assert len(many) - len(few) == 8 * len(coloured)


def test_words_read_like_programs() -> None:
    bank = grown(draw_images(1), 0.5)
    value = bank.values[-1]
    assert value.program.startswith("input |> ")
    assert str(Word(0, CATALOGUE[0].args[0])).startswith(CATALOGUE[0].name)


def test_the_generated_calls_are_current() -> None:
    assert generate.TARGET.read_text(encoding="utf-8") == generate.render()
