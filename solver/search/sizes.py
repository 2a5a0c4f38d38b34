"""Guesses the sizes of the outputs: rules that give every demonstration's, applied to the test inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from solver.search.image import MAX_SIDE
from solver.search.value import Value, pack_sizes

Size = tuple[int, int]

FACTORS = tuple(Fraction(*pair) for pair in ((1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (1, 3), (1, 4)))
SHIFTS = (0, 1, -1, 2, -2)

LIKE_COST = 0.3
"""Description length of saying that the output has the size of a value."""


@dataclass(frozen=True, slots=True)
class SizeRule:
    """sizes: (height, width) of the output for every instance; cost: description length."""

    sizes: tuple[Size, ...]
    cost: float
    text: str


def size_rules(
    inputs: Sequence[Size], outputs: Sequence[Size], values: Iterable[Value], limit: int = 3
) -> list[SizeRule]:
    """The simplest rules with different predictions, simplest first, at most `limit`.

    inputs: of all instances; outputs: of the demonstrations, which come first.
    """
    best = _simplest(_formulas(inputs, outputs), limit)
    known = pack_sizes(outputs)
    for value in values:
        # There may be a million values, of which the costs say that nearly all are too late.
        if (len(best) < limit or value.cost + LIKE_COST <= best[-1].cost) and value.has_sizes(known):
            sizes = tuple((int(box[2]), int(box[3])) for box in value.boxes)
            best = _simplest((*best, SizeRule(sizes, value.cost + LIKE_COST, f"like {value.program}")), limit)
    return best


def _simplest(rules: Iterable[SizeRule], limit: int) -> list[SizeRule]:
    """At most so many with different predictions, the simplest first."""
    best: dict[tuple[Size, ...], SizeRule] = {}
    for rule in rules:
        if rule.sizes not in best or rule.cost < best[rule.sizes].cost:
            best[rule.sizes] = rule
    return sorted(best.values(), key=lambda rule: (rule.cost, rule.sizes))[:limit]


def _formulas(inputs: Sequence[Size], outputs: Sequence[Size]) -> Iterator[SizeRule]:
    """The input's size, one size for all, or the input's sides times a factor plus a number."""
    known = tuple(outputs)
    if known == tuple(inputs[: len(known)]):
        yield SizeRule(tuple(inputs), 0.0, "the input's size")
    if len(set(known)) == 1:
        yield SizeRule((known[0],) * len(inputs), 0.6, "always the same size")
    for swap in (False, True):
        rows = list(_sides([size[swap] for size in inputs], [size[0] for size in known]))
        cols = list(_sides([size[not swap] for size in inputs], [size[1] for size in known]))
        for row_cost, heights in rows:
            for col_cost, widths in cols:
                cost = 1.0 + max(row_cost, col_cost) + 0.5 * swap
                yield SizeRule(tuple(zip(heights, widths, strict=True)), cost, "the input's sides, scaled")


def _sides(sides: Sequence[int], known: Sequence[int]) -> Iterator[tuple[float, list[int]]]:
    """Cost and predictions of every formula for one side that gives the known ones."""
    for number, factor in enumerate(FACTORS):
        for shift in SHIFTS:
            scaled = [factor * side + shift for side in sides]
            if any(side.denominator != 1 or not 1 <= side <= MAX_SIDE for side in scaled):
                continue
            predicted = [int(side) for side in scaled]
            if predicted[: len(known)] == list(known):
                yield 0.2 * number + 0.5 * (shift != 0), predicted
    if len(set(known)) == 1:
        yield 0.5, [known[0]] * len(sides)
