"""The table of cells and their features that rules are learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np
import numpy.typing as npt

from solver.search.cells.feature import Feature, Plane
from solver.search.cells.features import FEATURES, planes
from solver.search.compiled import kernel

MOST_VALUES = 256
"""Features with more distinct values in a task are not tested: their values are stored in bytes."""

WORD = 64
"""Predictors per word of `CellTable.allowed`."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """Something that a leaf of a rule may put out. name: as it reads in rules; cost: its description length."""

    name: str
    cost: float


@dataclass(frozen=True, slots=True)
class CellTable:
    """What rules are learned from: the cells of all frames in reading order, one frame after the other.

    The cells of the demonstrations come first. A feature's values are stored as codes 0, 1, ... in ascending order.
    """

    targets: npt.NDArray[np.int8]
    """The output colour of every demonstration cell [trained]."""
    frame: npt.NDArray[np.int16]
    """The number of the frame of every cell [cells]."""
    shapes: tuple[tuple[int, int], ...]
    """Height and width of every frame."""
    colours: npt.NDArray[np.int8]
    """The colour of every cell [cells]."""
    features: tuple[Feature, ...]
    """The features that tell cells apart, cheapest first; no two of them say the same."""
    codes: npt.NDArray[np.uint8]
    """[features, cells]."""
    offsets: npt.NDArray[np.int64]
    """Where a feature's codes begin among the codes of all features [features + 1]."""
    values: npt.NDArray[np.int16]
    """The value of every code of every feature [offsets[-1]]."""
    predictors: tuple[Predictor, ...]
    """The most useful ones first."""
    predicted: npt.NDArray[np.int8]
    """[predictors, cells]; negative where a predictor has no colour."""
    allowed: npt.NDArray[np.uint64]
    """Which predictors are right at a demonstration cell, a bit each, WORD per word [words, trained]."""

    @property
    def trained(self) -> int:
        """How many cells belong to demonstrations."""
        return len(self.targets)

    @property
    def demonstrations(self) -> int:
        return int(self.frame[self.trained - 1]) + 1


@kernel
def encode(values: Plane, trained: int, low: int, span: int, codes: Any, found: Any) -> tuple[int, int]:
    """Codes the values (int16 [cells], low <= value < low + span) of one feature.

    Writes codes [cells] and the value of every code; returns how many codes there are (257: more than MOST_VALUES) and
    how many of them the first `trained` cells have.
    """
    present = np.zeros(span, np.int16)
    for c in range(len(values)):
        if c < trained:
            present[values[c] - low] = 2
        elif present[values[c] - low] == 0:
            present[values[c] - low] = 1
    count, known = 0, 0
    for value in range(span):
        if present[value] > 0:
            if count == 256:
                return 257, 257
            found[count] = value + low
            known += present[value] == 2
            present[value] = count
            count += 1
    for c in range(len(values)):
        codes[c] = present[values[c] - low]
    return count, known


def extra_cost(rank: int) -> float:
    """The cost of the image that the program search found as its `rank`-th (from 0)."""
    return 1.0 + 0.25 * log2(1 + rank)


def tabulate(
    frames: Sequence[npt.NDArray[np.int8]],
    targets: Sequence[npt.NDArray[np.int8]],
    extra: Sequence[Sequence[npt.NDArray[np.int8]]] = (),
    extra_names: Sequence[str] = (),
) -> CellTable:
    """The table of the frames (demonstrations, then tests), the demonstrations' outputs and further images."""
    cells = sum(frame.size for frame in frames)
    values = np.empty((len(FEATURES) + len(extra), cells), np.int16)
    start = 0
    for number, frame in enumerate(frames):
        end = start + frame.size
        values[: len(FEATURES), start:end] = planes(frame).reshape(len(FEATURES), -1)
        for row, images in enumerate(extra, len(FEATURES)):
            values[row, start:end] = images[number].ravel()
        start = end
    further = (Feature(name, extra_cost(rank), copies=True) for rank, name in enumerate(extra_names))
    features = (*FEATURES, *further)
    order = sorted(range(len(features)), key=lambda f: features[f].cost)
    flat = np.concatenate([target.ravel() for target in targets]).astype(np.int8)
    kept, codes, found = _tests(values, order, len(flat))
    predictors, predicted = _predictors(values, features, order, flat)
    return CellTable(
        targets=flat,
        frame=np.repeat(np.arange(len(frames), dtype=np.int16), [image.size for image in frames]),
        shapes=tuple((image.shape[0], image.shape[1]) for image in frames),
        colours=values[0].astype(np.int8),
        features=tuple(features[f] for f in kept),
        codes=codes,
        offsets=np.cumsum([0, *map(len, found)]),
        values=np.concatenate([*found, np.empty(0, np.int16)]),
        predictors=predictors,
        predicted=predicted,
        allowed=pack(predicted[:, : len(flat)] == flat),
    )


def _tests(values: Plane, order: Sequence[int], trained: int) -> tuple[list[int], npt.NDArray[np.uint8], list[Plane]]:
    """The features that rules may test, in `order`, with their codes [features, cells] and the codes' values."""
    low = int(values.min())
    span = int(values.max()) - low + 1
    codes = np.empty((len(values), values.shape[1]), np.uint8)
    buffer = np.empty(MOST_VALUES, np.int16)
    kept, found, known = list[int](), list[Plane](), set[bytes]()
    for f in order:
        row = codes[len(kept)]
        count, told_apart = encode(values[f], trained, low, span, row, buffer)
        if count <= MOST_VALUES and told_apart > 1 and row.tobytes() not in known:
            known.add(row.tobytes())
            kept.append(f)
            found.append(buffer[:count].copy())
    return kept, codes[: len(kept)].copy(), found


CONSTANT_COST = 0.5


def _predictors(
    values: Plane, features: Sequence[Feature], order: Sequence[int], targets: npt.NDArray[np.int8]
) -> tuple[tuple[Predictor, ...], npt.NDArray[np.int8]]:
    """Predictors, and what they put out [predictors, cells]: constants, then those that are right most often.

    Right where the colour changes counts as much as right anywhere.
    """
    trained = len(targets)
    chosen: dict[bytes, tuple[Predictor, npt.NDArray[np.int8]]] = {}
    for c in np.unique(targets).tolist():
        output = np.full(values.shape[1], c, np.int8)
        chosen[output.tobytes()] = Predictor(str(c), CONSTANT_COST), output
    for f in order:
        if features[f].copies:
            output = values[f].astype(np.int8)
            # The cell's own colour is what a cell keeps if a rule says nothing of it.
            cost = 0.0 if f == 0 else features[f].cost
            chosen.setdefault(output.tobytes(), (Predictor(features[f].name, cost), output))
    predictors, predicted = [p for p, _ in chosen.values()], np.stack([output for _, output in chosen.values()])
    right = predicted[:, :trained] == targets
    changed = targets != values[0, :trained]
    use = right[:, changed].sum(axis=1) / max(1, changed.sum()) + right.sum(axis=1) / trained
    ranking = sorted(range(len(predictors)), key=lambda k: (predictors[k].cost > CONSTANT_COST, -use[k], k))
    return tuple(predictors[k] for k in ranking), predicted[ranking]


def pack(right: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Bits [predictors, trained] in words [words, trained]."""
    words = -(-len(right) // WORD)
    out = np.zeros((words, right.shape[1]), np.uint64)
    for k, row in enumerate(right):
        out[k // WORD] |= row.astype(np.uint64) << np.uint64(k % WORD)
    return out
