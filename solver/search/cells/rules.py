"""Rules for single cells, learned from demonstrations whose outputs have the size of a frame image.

A rule says what colour a cell puts out: a constant, or a colour that one of its features has. Every rule fits every
cell of every demonstration. Rules are decision lists, tables of one or two features, and sweeps that also read their
own outputs. Knows nothing of programs: their images are further features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import log2

import numpy as np
import numpy.typing as npt

from solver.search.cells import dependencies, sweeps
from solver.search.cells.cell_table import CellTable, tabulate
from solver.search.cells.decision_lists import as_partition, learn
from solver.search.cells.partitions import Partition, Prediction, predict

Cells = npt.NDArray[np.int8]

DEPTH, WIDTH, LISTS = 7, 48, 200
"""Of decision lists: most tests, states of the beam, lists that are tried on the tests."""

SWEEP_DEPTH, SWEEP_WIDTH, SWEEP_LISTS = 6, 24, 400

TABLES = 200

MIN_TRIED = 20
"""Decision lists that were found are tried on the tests, so many even when time is up."""

DEAREST = 14.0
"""Rules that cost more fit by accident."""

MOST_RULES = 20

AGREEMENT = 2.0
"""Rules that predict the same support each other: n of cost c count as one of cost c - log2(n) / AGREEMENT."""

STEADY_COST, UNSTEADY_COST = 0.1, 0.7
"""Of a prediction in which a colour that the demonstrations never change is kept, and of the one before that."""


@dataclass(frozen=True, slots=True)
class Rule:
    """text: the rule in words; cost: its description length in the unit of the primitives' costs, lowered by rules
    that predict the same; outputs: its prediction for every test (int8 [height, width]).
    """

    text: str
    cost: float
    outputs: tuple[Cells, ...]


def learn_rules(
    frames: Sequence[Cells],
    targets: Sequence[Cells],
    extra: Sequence[Sequence[Cells]],
    extra_names: Sequence[str],
    expired: Callable[[], bool],
) -> list[Rule]:
    """Rules with different predictions, cheapest first, at most MOST_RULES.

    frames: for every demonstration and then every test, the image (int8 [height, width]) that the output is aligned
    with; targets: the demonstrations' outputs; extra: further images of the sizes of the frames, the cheapest first,
    with their programs in `extra_names`; expired: whether to return what there is.

    Raises `ValueError` if an output or a further image has another size than its frame.
    """
    _check(frames, targets, extra)
    if not targets or len(targets) == len(frames) or expired():
        return []
    table = tabulate(frames, targets, extra, extra_names)
    ranking = _Ranking(table)
    ranking.add(_candidates(table, expired))
    return ranking.rules()


def _check(frames: Sequence[Cells], targets: Sequence[Cells], extra: Sequence[Sequence[Cells]]) -> None:
    if len(targets) > len(frames):
        raise ValueError(f"{len(targets)} outputs for {len(frames)} frames")
    sizes = [frame.shape for frame in frames]
    if [target.shape for target in targets] != sizes[: len(targets)]:
        raise ValueError("an output has another size than its frame")
    if any([image.shape for image in images] != sizes for images in extra):
        raise ValueError("a further image has another size than its frame")


def _candidates(table: CellTable, expired: Callable[[], bool]) -> Iterator[Prediction]:
    everything = Partition(np.zeros(len(table.frame), np.int16), 1, ("always",), 0.0)
    yield from predict(table, everything)
    for number, (literals, cost) in enumerate(learn(table, DEPTH, WIDTH, LISTS, expired)):
        if number >= MIN_TRIED and expired():
            return
        yield from predict(table, as_partition(table, literals, cost))
    found = islice(dependencies.search(table, expired), 20 * TABLES)
    tables = sorted(found, key=lambda features: sum(table.features[f].cost for f in features))
    for number, features in enumerate(tables[:TABLES]):
        if number >= MIN_TRIED and expired():
            return
        yield from predict(table, dependencies.as_partition(table, features))
    yield from sweeps.search(table, SWEEP_DEPTH, SWEEP_WIDTH, SWEEP_LISTS, expired)


@dataclass(slots=True)
class _Ranking:
    """Merges equal predictions: the weights 2^(-AGREEMENT * cost) of the rules that make them add up."""

    table: CellTable
    weight: dict[bytes, float] = field(default_factory=dict)
    best: dict[bytes, Prediction] = field(default_factory=dict)

    def add(self, predictions: Iterable[Prediction]) -> None:
        kept = _steady(self.table)
        for prediction in predictions:
            output = np.where(kept >= 0, kept, prediction.output)
            if np.array_equal(output, prediction.output):
                self._count(prediction)
            else:
                text = f"{prediction.text}; but colours that never change stay"
                self._count(Prediction(output, text, prediction.cost + STEADY_COST))
                self._count(Prediction(prediction.output, prediction.text, prediction.cost + UNSTEADY_COST))

    def _count(self, prediction: Prediction) -> None:
        key = prediction.output.tobytes()
        self.weight[key] = self.weight.get(key, 0.0) + 2.0 ** (-AGREEMENT * prediction.cost)
        if key not in self.best or prediction.cost < self.best[key].cost:
            self.best[key] = prediction

    def rules(self) -> list[Rule]:
        table = self.table
        shapes = table.shapes[table.demonstrations :]
        ends = np.cumsum([height * width for height, width in shapes])[:-1]
        rules = []
        for key, prediction in self.best.items():
            cost = -log2(self.weight[key]) / AGREEMENT
            if cost <= DEAREST:
                parts = np.split(prediction.output, ends)
                outputs = tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
                rules.append(Rule(prediction.text, cost, outputs))
        return sorted(rules, key=lambda rule: rule.cost)[:MOST_RULES]


def _steady(table: CellTable) -> Cells:
    """For every test cell its colour if at least two demonstrations have that colour and none changes it; else -1."""
    colours, trained = table.colours, table.trained
    out = np.full(len(colours) - trained, -1, np.int8)
    for c in range(10):
        here = colours[:trained] == c
        if (table.targets[here] == c).all() and len(np.unique(table.frame[:trained][here])) >= 2:
            out[colours[trained:] == c] = c
    return out
