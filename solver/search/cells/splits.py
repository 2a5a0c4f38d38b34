"""Compiled functions of the search for decision lists: which tests split a set of cells well.

A predictor is a bit of a word (int64). Signs of tests: 0 equal, 1 different, 2 at most, 3 more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.compiled import kernel

VALUE_COST = 0.2
"""Of saying which of more than two values a test compares with."""

THRESHOLD_COST = 0.3
"""Of saying it with a threshold."""


@kernel
def scan(codes: Any, offsets: Any, active: Any, cells: Any, allowed: Any, tally: Any, masks: Any, sums: Any) -> None:
    """For every code of the active features: the predictors that are right at all `cells` with it, and the tally."""
    for f in active:
        base = offsets[f]
        for v in range(base, offsets[f + 1]):
            masks[v] = -1
            sums[v] = 0
        for c in cells:
            v = base + codes[f, c]
            masks[v] &= allowed[c]
            sums[v] += tally[c]


@kernel
def bits(sums: int, logarithms: Any) -> float:
    """The fewest bits that say which cells of a tallied set one of the common predictors has wrong."""
    n = sums & 0xFFFF
    best = 1e9
    for lane in range(1, 4):
        e = (sums >> (16 * lane)) & 0xFFFF
        best = min(best, logarithms[n] - logarithms[e] - logarithms[n - e] + e)
    return best


@kernel
def remaining(codes: Any, cells: Any, sign: int, code: int) -> Any:
    """The cells for which a test of a feature (codes [all cells]) does not hold."""
    out = np.empty(len(cells), np.int32)
    count = 0
    for c in cells:
        true = (codes[c] == code) == (sign == 0) if sign < 2 else (codes[c] <= code) == (sign == 2)
        if not true:
            out[count] = c
            count += 1
    return out[:count].copy()


@kernel
def halves(offsets: Any, active: Any, ordered: Any, costs: Any, masks: Any, sums: Any, out: Any) -> tuple[Any, int]:
    """The tests with a right predictor for each side, of the predictors of all words (masks [words, codes]).

    Rows feature, sign, code; their costs are in `out` [rows].
    """
    rows = np.empty((len(out), 3), np.int64)
    count = 0
    for f in active:
        base, end = offsets[f], offsets[f + 1]
        values = 0
        for v in range(base, end):
            values += sums[v] > 0
        if values < 2:
            continue
        for v in range(base, end):
            if sums[v] == 0:
                continue
            for sign in (0, 2):
                if sign == 2 and (not ordered[f] or v == end - 1):
                    continue
                one_side, other_side = False, False
                for w in range(len(masks)):
                    one, other = -1, -1
                    for u in range(base, end):
                        if u == v or (sign == 2 and u < v):
                            one &= masks[w, u]
                        else:
                            other &= masks[w, u]
                    one_side, other_side = one_side or one != 0, other_side or other != 0
                if one_side and other_side:
                    rows[count, 0], rows[count, 1], rows[count, 2] = f, sign, v - base
                    out[count] = costs[f] + (THRESHOLD_COST if sign == 2 else (VALUE_COST if values > 2 else 0.0))
                    count += 1
    return rows, count


@kernel
def splits(
    offsets: Any, active: Any, ordered: Any, costs: Any, masks: Any, sums: Any, logarithms: Any, out: Any
) -> tuple[Any, int]:
    """The tests with one side for which one predictor is right: rows feature, sign, code, other side's predictors.

    Their scores and costs are in `out` [2, rows]. A test that solves both sides is given once.
    """
    rows = np.empty((out.shape[1], 4), np.int64)
    count = 0
    for f in active:
        base, end = offsets[f], offsets[f + 1]
        total, values = 0, 0
        for v in range(base, end):
            total += sums[v]
            values += sums[v] > 0
        if values < 2:
            continue
        before, before_sum = -1, 0
        for v in range(base, end):
            if sums[v] == 0:
                continue
            after = -1
            for u in range(v + 1, end):
                after &= masks[u]
            for sign in range(4):
                if sign >= 2 and not ordered[f]:
                    break
                if sign == 0 or sign == 1:
                    side, rest, side_sum = masks[v], before & after, sums[v]
                    cost = costs[f] + (VALUE_COST if values > 2 else 0.0)
                else:
                    side, rest, side_sum = before & masks[v], after, before_sum + sums[v]
                    cost = costs[f] + THRESHOLD_COST
                if sign == 1 or sign == 3:
                    side, rest, side_sum = rest, side, total - side_sum
                if side == 0 or side_sum == total or (rest != 0 and (sign == 1 or sign == 3)) or count >= len(rows):
                    continue
                rows[count, 0], rows[count, 1], rows[count, 2], rows[count, 3] = f, sign, v - base, rest
                out[0, count] = 0.0 if rest != 0 else bits(total - side_sum, logarithms)
                out[1, count] = cost
                count += 1
            before &= masks[v]
            before_sum += sums[v]
    return rows, count
