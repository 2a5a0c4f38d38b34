"""Finds decision lists (Rivest 1987): tests of one feature each that split off, one after the other, cells for which
one predictor is right, until one is right for all that remain.

Beam search. A state is the set of cells that remain; it is as good as the fewest bits that say where the best of a
few common predictors is wrong in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solver.search.cells.cell_table import CellTable
from solver.search.cells.partitions import Partition
from solver.search.cells.splits import halves, remaining, scan, splits

LANES = 3
"""Common predictors whose errors are counted, 16 bits each, in one word with the number of cells."""

EQUAL, DIFFERENT, AT_MOST, MORE = range(4)
SIGNS = ("=", "≠", "≤", ">")

BITS_PER_COST = 3.0
"""How many bits of remaining errors a test must save for each unit of its cost."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A test: whether a feature's code compares so with a code."""

    feature: int
    sign: int
    code: int


Literals = tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class State:
    """The demonstration cells that remain after some tests; cost: of the tests; bits: that the cells still need."""

    cells: npt.NDArray[np.int32]
    literals: Literals
    cost: float
    bits: float

    @property
    def score(self) -> float:
        return self.bits + BITS_PER_COST * self.cost


def holds(table: CellTable, literal: Literal) -> npt.NDArray[np.bool_]:
    """Whether a test holds, for every cell."""
    codes = table.codes[literal.feature]
    true: npt.NDArray[np.bool_] = codes <= literal.code if literal.sign in (AT_MOST, MORE) else codes == literal.code
    return ~true if literal.sign in (DIFFERENT, MORE) else true


def describe(table: CellTable, literal: Literal) -> str:
    value = table.values[table.offsets[literal.feature] + literal.code]
    return f"{table.features[literal.feature].name} {SIGNS[literal.sign]} {value}"


def as_partition(table: CellTable, literals: Literals, cost: float) -> Partition:
    """Part i: cells for which test i is the first that holds; the last part: the others."""
    tests = [holds(table, literal) for literal in literals]
    last = len(tests)

    def parts(without: int | None = None) -> npt.NDArray[np.int16]:
        out = np.full(len(table.frame), last, np.int16)
        for number in reversed(range(last)):
            if number != without:
                out[tests[number]] = number
        return out

    texts = tuple("if " + describe(table, literal) for literal in literals) + (("else",) if last else ("always",))
    return Partition(parts(), last + 1, texts, cost, tuple(parts(number) for number in range(last)))


class Learner:
    """Working memory for one table. Its first word of predictors is what lists of several tests choose from."""

    def __init__(self, table: CellTable) -> None:
        self.table = table
        self.words = table.allowed.view(np.int64)
        self.active = np.arange(len(table.features))
        self.costs = np.array([feature.cost for feature in table.features])
        self.ordered = np.array([feature.ordered for feature in table.features])
        self.logarithms = np.concatenate([[0.0], np.cumsum(np.log2(np.arange(1, table.trained + 1)))])
        self.tally = common_errors(table)
        self.masks = np.empty((len(self.words), len(table.values)), np.int64)
        self.sums = np.empty(len(table.values), np.int64)

    def scan(self, cells: npt.NDArray[np.int32], word: int) -> None:
        t = self.table
        scan(t.codes, t.offsets, self.active, cells, self.words[word], self.tally, self.masks[word], self.sums)

    def single(self, expired: Callable[[], bool]) -> dict[Literals, float]:
        """All lists of one test, whatever predictors they need."""
        cells = np.arange(self.table.trained, dtype=np.int32)
        for word in range(len(self.words)):
            if expired():
                return {}
            self.scan(cells, word)
        costs = np.empty(2 * len(self.table.values))
        rows, count = halves(self.table.offsets, self.active, self.ordered, self.costs, self.masks, self.sums, costs)
        return {(Literal(*row),): cost for row, cost in zip(rows[:count].tolist(), costs[:count].tolist(), strict=True)}

    def expand(self, state: State, width: int, found: dict[Literals, float]) -> list[State]:
        """Adds the lists that one more test completes to `found`; the most promising others, at most `width`."""
        t = self.table
        self.scan(state.cells, 0)
        out = np.empty((2, 4 * len(t.values)))
        rows, count = splits(
            t.offsets, self.active, self.ordered, self.costs, self.masks[0], self.sums, self.logarithms, out
        )
        rows, (scores, costs) = rows[:count], out[:, :count]
        done = rows[:, 3] != 0
        for row, cost in zip(rows[done].tolist(), costs[done].tolist(), strict=True):
            found.setdefault((*state.literals, Literal(*row[:3])), state.cost + cost)
        total = np.where(done, np.inf, scores + BITS_PER_COST * costs)
        following = []
        for n in smallest(total, min(width, count - int(done.sum()))):
            literal = Literal(*rows[n, :3].tolist())
            cells = remaining(t.codes[literal.feature], state.cells, literal.sign, literal.code)
            following.append(State(cells, (*state.literals, literal), state.cost + float(costs[n]), float(scores[n])))
        return following


def smallest(values: npt.NDArray[np.float64], count: int) -> list[int]:
    """Where the `count` smallest values are, in ascending order, the first of equals first."""
    if count <= 0:
        return []
    near = np.flatnonzero(values <= np.partition(values, count - 1)[count - 1])
    places: list[int] = near[np.argsort(values[near], kind="stable")][:count].tolist()
    return places


def common_errors(table: CellTable) -> npt.NDArray[np.int64]:
    """The tally of every demonstration cell: 1, and above it in LANES of 16 bits whether a common predictor is wrong.

    Common are the predictor that is right most often, and those that are where all before them are wrong.
    """
    wrong = table.predicted[:, : table.trained] != table.targets
    tally = np.ones(table.trained, np.int64)
    left = np.ones(table.trained, np.bool_)
    for lane in range(1, LANES + 1):
        best = int((~wrong & left).sum(axis=1).argmax())
        tally += wrong[best].astype(np.int64) << (16 * lane)
        left &= wrong[best]
    return tally


def learn(
    table: CellTable, depth: int, width: int, most: int, expired: Callable[[], bool]
) -> list[tuple[Literals, float]]:
    """Decision lists of at most `depth` tests with the cost of these, cheapest first, at most `most`.

    Stops one test after the shortest list: longer ones would be worse. width: states kept per number of tests.
    """
    if not table.features:
        return []
    learner = Learner(table)
    found = learner.single(expired)
    beam = [State(np.arange(table.trained, dtype=np.int32), (), 0.0, 0.0)]
    last = depth
    for number in range(1, depth + 1):
        following: dict[bytes, State] = {}
        for state in beam:
            if number > last or expired():
                break
            for new in learner.expand(state, 2 * width, found):
                key = new.cells.tobytes()
                if key not in following or new.cost < following[key].cost:
                    following[key] = new
        if found and last == depth:
            last = min(depth, number + 1)
        beam = sorted(following.values(), key=lambda state: state.score)[:width]
    return sorted(found.items(), key=lambda item: item[1])[:most]
