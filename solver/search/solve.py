"""Searches one look at one task: grows the bank of values depth by depth, and assembles answers after each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from solver.search.answer import Stop
from solver.search.assembly import Assembly
from solver.search.bank import Bank
from solver.search.judge import Goal
from solver.search.sizes import SizeRule
from solver.search.value import Kind, image_value

FIRST = 0.5
"""Below it lies only the input itself: its extension is depth one."""

DEPTHS = (1.6, 2.1)
"""Costs up to which all programs are extended and all results kept; then comes the last depth, which keeps few."""

PAIRED = 30
"""Images of the shortest programs that are combined with each other."""

RULES_SHARE = 0.25
"""Of the time left, how much learning rules for cells may take."""

PER_VALUE = 3e-6
"""Seconds that assembling takes for every value, beside what it takes for the pieces that it finds."""

CANVAS_COST = 0.8
SIZE_WEIGHT = 0.25
"""Cost that a value's doubled size is worth when the last depth chooses what to extend first."""


@dataclass(slots=True)
class Search:
    """A bank, what is made of it, and the bytes it may take."""

    assembly: Assembly
    bank: Bank
    memory: int

    def run(self, left: Callable[[], float], settled: Callable[[], bool]) -> Stop:
        """Until programs run out, or `left()`, the seconds that are left, falls to what the last step needs.

        settled: whether longer programs could hardly change the answers; asked once all of the first depth are known.
        """
        self.bank.add(image_value(self.assembly.inputs, "input"))
        # Assembling is the step that cannot be interrupted; it takes longer each time, as the bank grows.
        needed = 0.0

        def expired() -> bool:
            return left() <= needed + PER_VALUE * len(self.bank.values)

        for limit in (FIRST, *DEPTHS, math.inf):
            if limit == math.inf:
                complete = self._dive(expired)
            else:
                complete = self.bank.grow(limit, self.memory, expired)
                if limit == FIRST:
                    self._pair_up(expired)
            before = left()
            self.assembly.run(self.bank)
            needed = 1.5 * (before - left()) if math.isfinite(before) else 0.0
            if limit == FIRST and not expired():
                self._learn(left, expired)
            if not complete:
                return Stop.MEMORY if self.bank.size > self.memory else Stop.DEADLINE
            # All programs left are longer than `limit`.
            if self.assembly.shortest < limit:
                break
            if limit > FIRST and settled():
                return Stop.SETTLED
        return Stop.EXHAUSTED

    def rehearse(self) -> None:
        """Calls every compiled function once."""
        self.bank.add(image_value(self.assembly.inputs, "input"))
        self.bank.expand()
        first = next(value for value in self.bank.values if value.kind is Kind.LIST)
        self.bank.reorder(lambda value: 0.0 if value is first else value.cost)
        self.bank.expand()
        self._pair_up(lambda: True)
        self.bank.expand(self._goal())
        self.assembly.run(self.bank)
        self.assembly.learn(self.bank, lambda: False)

    def _learn(self, left: Callable[[], float], expired: Callable[[], bool]) -> None:
        """Rules for cells, for a share of the time: pictures from longer programs help them less than they cost."""
        ends = left() * (1 - RULES_SHARE) if math.isfinite(left()) else 0.0
        self.assembly.learn(self.bank, lambda: expired() or left() < ends)

    def _pair_up(self, expired: Callable[[], bool]) -> None:
        """Combines the first images with each other, and with an empty image of the outputs' size."""
        images = sorted((v for v in self.bank.values if v.kind is Kind.IMAGE), key=lambda value: value.cost)[:PAIRED]
        others = list(images)
        for rule in self.assembly.sizes(self.bank)[:1]:
            if not self.assembly.in_place(rule):
                others.append(image_value([np.zeros(size, np.int8) for size in rule.sizes], "canvas", CANVAS_COST))
                self.bank.add(others[-1])
        for first in images:
            for second in others:
                if first is not second:
                    self.bank.combine(first, second)
            if expired():
                return

    def _goal(self) -> Goal:
        """What the last depth's results are judged by: the likeliest sizes, or the input's where none is likely."""
        inputs = tuple((len(image), len(image[0])) for image in self.assembly.inputs)
        rule = next(iter(self.assembly.sizes(self.bank)), SizeRule(inputs, 0.0, "the input's size"))
        if any(size != target.shape for size, target in zip(rule.sizes, self.assembly.targets, strict=False)):
            known = tuple((len(target), len(target[0])) for target in self.assembly.targets)
            rule = SizeRule(known + rule.sizes[len(known) :], rule.cost, rule.text)
        return Goal.of(self.assembly.targets, rule.sizes, self.assembly.in_place(rule))

    def _dive(self, expired: Callable[[], bool]) -> bool:
        """The last depth: short programs first, but those on large values later, as they take longer."""
        typical = np.mean([image.size for image in self.assembly.inputs]) * len(self.assembly.inputs)
        self.bank.reorder(lambda value: value.cost + SIZE_WEIGHT * math.log2(1 + value.cells.size / typical))
        return self.bank.grow(math.inf, self.memory, expired, self._goal())
