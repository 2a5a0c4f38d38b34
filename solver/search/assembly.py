"""Turns a bank's values into answers: values that are outputs, tables over values, layers of them, rules for cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from solver.search.bank import Bank
from solver.search.cells.rules import learn_rules
from solver.search.cover import find_covers
from solver.search.image import Cells
from solver.search.lookup import find_tables
from solver.search.pieces import Pieces, make_pieces
from solver.search.sizes import SizeRule, size_rules
from solver.search.value import pack_sizes

Report = Callable[[Sequence[Cells], float, str], None]
"""Takes an answer: the test outputs, the program's cost and its text."""

MAX_PIECES = 12_000
TABLE_PIECES = 400
"""Pictures that are tried in pairs; all pairs of 400 take about a hundredth of a second per thousand cells."""

RULE_PIECES = 150
"""Pictures that cells' rules may read, beside what is around each cell."""

RULE_COST = 0.4
TABLE_COST = 0.4
COVER_COST = 0.4
"""Description length of saying that it is a rule for cells, a table over values, or values over each other."""


@dataclass(slots=True)
class Assembly:
    """inputs: of all instances; targets: the demonstrations' outputs. shortest: cost of the best program so far."""

    inputs: Sequence[Cells]
    targets: Sequence[Cells]
    report: Report
    shortest: float = math.inf
    _target: Cells = field(init=False)
    _matched: int = 0

    def __post_init__(self) -> None:
        self._target = np.concatenate([target.ravel() for target in self.targets])

    def sizes(self, bank: Bank) -> list[SizeRule]:
        """Guesses of the outputs' sizes, the simplest first; may be empty."""
        inputs = [(len(image), len(image[0])) for image in self.inputs]
        return size_rules(inputs, [(len(target), len(target[0])) for target in self.targets], bank.values)

    def in_place(self, rule: SizeRule) -> bool:
        """Whether the outputs' frames are those of the inputs, so that places in one mean places in the other."""
        return rule.sizes == tuple((len(image), len(image[0])) for image in self.inputs)

    def run(self, bank: Bank) -> None:
        """Reports every answer that the bank's values give."""
        self._match(bank)
        # Sorted once for all rules.
        values = sorted(bank.values, key=lambda value: value.cost)
        for rule in self.sizes(bank):
            pieces = make_pieces(values, rule.sizes, MAX_PIECES, self.in_place(rule))
            self._tables(pieces)
            self._covers(rule, pieces)

    def learn(self, bank: Bank, expired: Callable[[], bool]) -> None:
        """Reports what rules for single cells say, learned from the demonstrations and the bank's values."""
        for rule in self.sizes(bank)[:1]:
            pieces = make_pieces(bank.values, rule.sizes, MAX_PIECES, in_place=False)
            whole = [pieces.frames(row) for row in pieces.cells[:RULE_PIECES]]
            if whole:
                names = [value.program for value in pieces.programs]
                # The cheapest picture is the input itself wherever that has the outputs' size.
                for found in learn_rules(whole[0], self.targets, whole[1:], names[1:RULE_PIECES], expired):
                    cost = found.cost + float(pieces.costs[0]) + rule.cost + RULE_COST
                    self._answer(found.outputs, cost, f"{names[0]}: {found.text}")

    def _answer(self, images: Sequence[Cells], cost: float, program: str) -> None:
        self.shortest = min(self.shortest, cost)
        self.report(images, cost, program)

    def _match(self, bank: Bank) -> None:
        """Values that are the outputs, among those not looked at yet."""
        known = pack_sizes([(len(target), len(target[0])) for target in self.targets])
        for value in bank.values[self._matched :]:
            if value.has_sizes(known) and np.array_equal(value.cells[: self._target.size], self._target):
                self._answer(value.images()[len(self.targets) :], value.cost, value.program)
        self._matched = len(bank.values)

    def _tables(self, pieces: Pieces) -> None:
        for table in find_tables(pieces, self._target, TABLE_PIECES):
            names = " and ".join(pieces.programs[piece].program for piece in table.pictures)
            images = pieces.frames(table.cells)[len(self.targets) :]
            self._answer(images, table.cost + TABLE_COST, f"table of {names}")

    def _covers(self, rule: SizeRule, pieces: Pieces) -> None:
        for cover in find_covers(pieces, self._target):
            names = " over ".join(pieces.programs[piece].program for piece in cover.layers)
            images = pieces.frames(cover.cells)[len(self.targets) :]
            self._answer(images, cover.cost + rule.cost + COVER_COST, names)
