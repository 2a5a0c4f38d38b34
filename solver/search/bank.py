"""All values that short programs compute from a task's inputs, merged when equal everywhere, the shortest first.

A program runs on every demonstration input and every test input at once; one that fails on any of them is no value.
Knows nothing of outputs: what the values are good for is decided elsewhere.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from solver.search.catalogue import Word, words
from solver.search.dispatch import Results, hash_value, run_combines, run_joins, run_maps, run_selects, run_splits
from solver.search.judge import Goal, judge_all
from solver.search.primitive import Type
from solver.search.value import Kind, Value

MAX_VALUE_CELLS = 12_000
"""Values with more cells over all instances are kept but not expanded: one costs as much time as a hundred others."""

ROOM_CELLS = 6_000_000
ROOM_BOXES = 60_000

NODE_BYTES = 700
"""Python's own memory for one value, beside its cells."""


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    words: tuple[Word, ...]
    codes: npt.NDArray[np.int64]
    args: npt.NDArray[np.int64]

    @classmethod
    def of(cls, kind: Type, colours: Iterable[int], slow: bool) -> _Vocabulary:
        chosen = tuple(word for word in words(kind, colours) if slow or not word.primitive.slow)
        codes = np.array([word.code for word in chosen], np.int64)
        return cls(chosen, codes, np.array([word.arg for word in chosen], np.int64))


@dataclass(slots=True)
class Bank:
    """values: in the order in which they were found. size: estimated bytes. colours: those that the task shows."""

    colours: frozenset[int]
    instances: int
    values: list[Value] = field(default_factory=list)
    size: int = 0
    _seen: set[int] = field(default_factory=set)
    _queue: list[tuple[float, int]] = field(default_factory=list)
    _all_words: dict[Type, _Vocabulary] = field(default_factory=dict)
    _fast_words: dict[Type, _Vocabulary] = field(default_factory=dict)
    _results: Results | None = None

    def __post_init__(self) -> None:
        self._all_words = {kind: _Vocabulary.of(kind, self.colours, slow=True) for kind in Type}
        self._fast_words = {kind: _Vocabulary.of(kind, self.colours, slow=False) for kind in Type}
        longest = max(len(vocabulary.words) for vocabulary in self._all_words.values())
        self._results = Results.make(longest, self.instances, ROOM_BOXES, ROOM_CELLS)

    def add(self, value: Value) -> bool:
        """Keeps a value unless an equal one is there; it will be expanded in its turn."""
        key = int(hash_value(value.kind.value, value.counts, value.boxes, value.cells))
        return self._keep(key, value)

    def _keep(self, key: int, value: Value, last: bool = False) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        if not last:
            heapq.heappush(self._queue, (value.cost, len(self.values)))
        self.values.append(value)
        self.size += NODE_BYTES + value.cells.nbytes + value.boxes.nbytes
        return True

    def next_priority(self) -> float:
        """Of the program to be extended next; infinity when all have been."""
        return self._queue[0][0] if self._queue else float("inf")

    def expand(self, goal: Goal | None = None) -> Value:
        """Extends the next program; raises `IndexError` when there is none."""
        _, index = heapq.heappop(self._queue)
        self.extend(self.values[index], goal)
        return self.values[index]

    def extend(self, value: Value, goal: Goal | None = None) -> None:
        """Adds what every word makes of a value.

        goal: only results that are of use for it are kept, and these will not be extended.
        """
        if value.cells.size > MAX_VALUE_CELLS:
            return
        assert self._results is not None
        parts, packed = self._results.parts(), (value.counts, value.boxes, value.cells)
        vocabulary = self._fast_words if goal or value.kind is Kind.LIST else self._all_words
        words = vocabulary[Type.MAP]
        run_maps(words.codes, words.args, value.kind.value, *packed, parts)
        self._harvest(words, value.kind, (value,), goal)
        if value.kind is Kind.IMAGE:
            words = vocabulary[Type.SPLIT]
            run_splits(words.codes, words.args, *packed, parts)
            self._harvest(words, Kind.LIST, (value,), goal)
        else:
            words = vocabulary[Type.SELECT]
            run_selects(words.codes, words.args, *packed, parts)
            self._harvest(words, Kind.LIST, (value,), goal)
            words = vocabulary[Type.JOIN]
            run_joins(words.codes, words.args, *packed, parts)
            self._harvest(words, Kind.IMAGE, (value,), goal)

    def combine(self, first: Value, second: Value) -> None:
        """Adds what every COMBINE word gives for two images. Raises `ValueError` for lists."""
        if first.kind is not Kind.IMAGE or second.kind is not Kind.IMAGE:
            raise ValueError("only images are combined")
        assert self._results is not None
        vocabulary = self._all_words[Type.COMBINE]
        parts = self._results.parts()
        run_combines(vocabulary.codes, vocabulary.args, first.boxes, first.cells, second.boxes, second.cells, parts)
        self._harvest(vocabulary, Kind.IMAGE, (first, second), None)

    def _harvest(self, vocabulary: _Vocabulary, kind: Kind, parents: tuple[Value, ...], goal: Goal | None) -> None:
        """Copies the new values out of the results buffer."""
        results = self._results
        assert results is not None
        cost = sum(parent.cost for parent in parents)
        hashes = results.hashes[: len(vocabulary.words)]
        wanted = hashes
        if goal:
            wanted = np.empty(len(hashes), np.int64)
            judge_all(hashes, results.parts(), goal.parts(), wanted)
        for index in np.flatnonzero(wanted).tolist():
            key = int(hashes[index])
            if key in self._seen:
                continue
            word = vocabulary.words[index]
            counts = results.counts[index].copy()
            box, cell = results.starts[index].tolist()
            boxes = results.boxes[box : box + int(counts.sum())].copy()
            cells = results.cells[cell : cell + int((boxes[:, 2] * boxes[:, 3]).sum())].copy()
            value = Value(kind, counts, boxes, cells, cost + word.cost, "", word, parents)
            self._keep(key, value, last=goal is not None)

    def grow(self, limit: float, memory: int, expired: Callable[[], bool], goal: Goal | None = None) -> bool:
        """Extends all programs whose priority is below `limit`. False if it ended for time or memory before that."""
        while self.next_priority() < limit:
            if expired() or self.size > memory:
                return False
            self.expand(goal)
        return True

    def reorder(self, priority: Callable[[Value], float]) -> None:
        """Gives the programs not yet extended another order; the lowest first. It is their cost at the beginning."""
        self._queue = [(priority(self.values[index]), index) for _, index in self._queue]
        heapq.heapify(self._queue)
