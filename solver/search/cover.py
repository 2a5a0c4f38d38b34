"""Assembles the outputs from several pieces, each of which is never wrong where it is seen.

Layers are chosen from the top down: a layer may be wrong only where a layer above it hides it. What no layer paints
stays 0. The greedy choice takes the piece that explains most cells not yet painted; it is repeated from several first
pieces, because the largest one is not always part of the simplest picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from solver.search.compiled import kernel
from solver.search.pieces import Pieces

MAX_LAYERS = 6
STARTS = 24
"""First pieces that are tried."""

LAYER_COST = 0.5
"""Description length of one more layer, beside its program."""

Bits = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Cover:
    """layers: piece numbers, the top one first; cells [N]: the picture on all frames."""

    layers: tuple[int, ...]
    cells: npt.NDArray[np.int8]
    cost: float


@kernel
def popcount(word: Any) -> int:
    """Set bits of a uint64."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def gains(painted: Any, wrong: Any, remaining: Any, out: Any) -> None:
    """out [K]: cells of `remaining` that each piece paints, -1 where it would paint one of them wrongly."""
    for piece in range(painted.shape[0]):
        gain = 0
        for word in range(remaining.size):
            if wrong[piece, word] & remaining[word]:
                gain = -1
                break
            gain += popcount(painted[piece, word] & remaining[word])
        out[piece] = gain


def _bits(flags: npt.NDArray[np.bool_]) -> Bits:
    """[K, M] booleans packed into [K, W] words."""
    padding = -flags.shape[1] % 64
    packed = np.packbits(np.pad(flags, ((0, 0), (0, padding))), axis=1, bitorder="little")
    return packed.view(np.uint64)


def find_covers(pieces: Pieces, target: npt.NDArray[np.int8], weight: float = 1.0) -> list[Cover]:
    """Covers of the demonstrations' cells `target` [M], M <= N, the cheapest first; empty if there is none.

    weight: cells that one more unit of a piece's cost must explain when the greedy choice compares two.
    """
    known = pieces.cells[:, : target.size]
    if not len(known) or not target.any():
        return []
    shown = known != 0
    painted, wrong = _bits(shown), _bits(shown & (known != target))
    todo = _bits((target != 0)[None])[0]
    everything = _bits(np.ones((1, target.size), np.bool_))[0]
    first = np.empty(len(known), np.int64)
    gains(painted, wrong, everything, first)
    ranking = np.argsort(-(first - weight * pieces.costs), kind="stable")
    covers: dict[bytes, Cover] = {}
    for start in [int(piece) for piece in ranking[:STARTS] if first[piece] > 0]:
        layers = _descend(start, painted, wrong, everything.copy(), todo, weight * pieces.costs)
        if layers:
            cells = _compose(pieces, layers)
            cost = float(sum(pieces.costs[layer] for layer in layers)) + LAYER_COST * (len(layers) - 1)
            key = cells[target.size :].tobytes()
            if key not in covers or cost < covers[key].cost:
                covers[key] = Cover(tuple(layers), cells, cost)
    return sorted(covers.values(), key=lambda cover: (cover.cost, cover.layers))


def _descend(
    start: int, painted: Bits, wrong: Bits, remaining: Bits, todo: Bits, penalty: npt.NDArray[np.float64]
) -> list[int]:
    """Layers below and including `start` that paint all cells of `todo`; empty if greed does not find them."""
    layers = [start]
    gain = np.empty(len(painted), np.int64)
    while True:
        remaining &= ~painted[layers[-1]]
        if not (remaining & todo).any():
            return layers
        if len(layers) == MAX_LAYERS:
            return []
        gains(painted, wrong, remaining, gain)
        best = int(np.argmax(np.where(gain > 0, gain - penalty, -np.inf)))
        if gain[best] <= 0:
            return []
        layers.append(best)


def _compose(pieces: Pieces, layers: list[int]) -> npt.NDArray[np.int8]:
    """The picture [N] of the layers, the first on top."""
    cells = np.zeros(pieces.cells.shape[1], np.int8)
    for layer in reversed(layers):
        cells = np.where(pieces.cells[layer] != 0, pieces.cells[layer], cells)
    return cells
