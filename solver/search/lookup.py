"""Finds pictures that, read together cell by cell, determine the outputs' colours: a table from their colours.

One picture gives colour maps; two give Boolean combinations, masks and overlays of any kind, without naming them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from solver.search.compiled import kernel
from solver.search.pieces import Pieces

COLOURS = 10
UNKNOWN = -1
ENTRY_COST = 0.3
"""Description length of one entry of the table that the table's default does not give."""

MAX_FOUND = 64
"""Tables kept of each kind, the cheapest pictures first."""


@dataclass(frozen=True, slots=True)
class Table:
    """pictures: one or two piece numbers; entries: colours of the pictures → colour of the output; cells [N]."""

    pictures: tuple[int, ...]
    entries: dict[tuple[int, ...], int]
    cells: npt.NDArray[np.int8]
    cost: float


@kernel
def determine(first: Any, second: Any, target: Any, table: Any) -> bool:
    """Fills table [100] so that table[10 * first + second] == target everywhere; False at the first contradiction."""
    table[:] = UNKNOWN
    for cell in range(target.size):
        entry = COLOURS * first[cell] + second[cell]
        if table[entry] == UNKNOWN:
            table[entry] = target[cell]
        elif table[entry] != target[cell]:
            return False
    return True


@kernel
def covered(first: Any, second: Any, table: Any, start: int) -> bool:
    """Whether the table has an entry for every cell from `start` on."""
    for cell in range(start, first.size):  # noqa: SIM110 - compiled code has no generators
        if table[COLOURS * first[cell] + second[cell]] == UNKNOWN:
            return False
    return True


@kernel
def search_pairs(cells: Any, target: Any, shuffled: Any, out: Any) -> int:
    """Writes the piece pairs (i <= j) that determine the target to out [limit, 2], and says how many there are.

    cells [K, N]; shuffled [K, M]: its first M columns in the order in which contradictions come soonest, target alike.
    """
    table = np.empty(COLOURS * COLOURS, np.int8)
    found = 0
    for high in range(cells.shape[0]):
        for low in range(high + 1):
            if not determine(shuffled[low], shuffled[high], target, table):
                continue
            if not covered(cells[low], cells[high], table, target.size):
                continue
            out[found, 0], out[found, 1] = low, high
            found += 1
            if found == out.shape[0]:
                return found
    return found


def find_tables(pieces: Pieces, target: npt.NDArray[np.int8], limit: int) -> list[Table]:
    """Tables over the cheapest `limit` whole pieces that give `target` [M] and know every test cell; cheapest first."""
    whole = np.flatnonzero(pieces.whole)[:limit]
    if not len(whole):
        return []
    cells = np.ascontiguousarray(pieces.cells[whole])
    # A fixed permutation: contradictions are spread all over, but neighbouring cells often tell the same.
    order = np.random.default_rng(0).permutation(target.size)
    out = np.empty((MAX_FOUND, 2), np.int64)
    found = search_pairs(cells, target[order], np.ascontiguousarray(cells[:, order]), out)
    tables = [_table(pieces, target, int(whole[low]), int(whole[high])) for low, high in out[:found].tolist()]
    best: dict[bytes, Table] = {}
    for table in tables:
        key = table.cells[target.size :].tobytes()
        if key not in best or table.cost < best[key].cost:
            best[key] = table
    return sorted(best.values(), key=lambda table: (table.cost, table.pictures))


def _table(pieces: Pieces, target: npt.NDArray[np.int8], low: int, high: int) -> Table:
    first, second = pieces.cells[low].astype(np.int64), pieces.cells[high].astype(np.int64)
    size = target.size
    entries: dict[tuple[int, ...], int] = {
        (a, b): c for a, b, c in zip(first[:size].tolist(), second[:size].tolist(), target.tolist(), strict=True)
    }
    lookup = np.zeros((COLOURS, COLOURS), np.int8)
    for colours, colour in entries.items():
        lookup[colours] = colour
    # The default is what describes most entries: one picture as it is, or one colour.
    defaults = [sum(colours[which] != colour for colours, colour in entries.items()) for which in (0, 1)]
    results = list(entries.values())
    defaults += [sum(default != colour for colour in results) + 1 for default in set(results)]
    cost = float(pieces.costs[low]) + ENTRY_COST * min(defaults)
    if low != high:
        cost += float(pieces.costs[high]) + ENTRY_COST
    pictures = (low,) if low == high else (low, high)
    return Table(pictures, entries, lookup[first, second], cost)
