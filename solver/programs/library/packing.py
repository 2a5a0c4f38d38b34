"""Choosing, of masks that overlap, some that do not and cover as much as possible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from solver.programs.library.arguments import Mask

# Places tried per group of masks that overlap; beyond that the best choice so far stands.
PATIENCE = 5_000


def pack(masks: Sequence[Mask]) -> list[int]:
    """Indices, ascending, of masks of which no two overlap and that leave as few pixels of all masks as possible.

    Among equally good choices the one that takes masks of low index first is preferred. Masks are of one shape.
    """
    sets = [_bits(mask) for mask in masks]
    return sorted(index for group in _groups(sets) for index in _cover(sets, group))


def _bits(mask: Mask) -> int:
    """A mask as a set of bits, the first pixel lowest."""
    return int.from_bytes(np.packbits(mask, bitorder="little").tobytes(), "little")


def _groups(sets: Sequence[int]) -> list[list[int]]:
    """Indices of sets that are connected through common elements."""
    groups: list[tuple[int, list[int]]] = []
    for index, elements in enumerate(sets):
        members, apart = [index], []
        for union, group in groups:
            if union & elements:
                elements, members = elements | union, group + members
            else:
                apart.append((union, group))
        groups = [*apart, (elements, members)]
    return [sorted(group) for _union, group in groups]


def _cover(sets: Sequence[int], group: Sequence[int]) -> list[int]:
    """Depth-first: the first element not yet decided on is covered by each set that fits in turn, then left out.

    What is pushed last is tried first.
    """
    union = 0
    covering: dict[int, list[int]] = {}
    for index in reversed(group):
        union |= sets[index]
        for element in _elements(sets[index]):
            covering.setdefault(element, []).append(index)
    best: list[int] = []
    fewest = union.bit_count()
    # Elements not decided on, how many have been left out, the sets chosen.
    stack: list[tuple[int, int, list[int]]] = [(union, 0, [])]
    for _place in range(PATIENCE):
        if not stack or not fewest:
            break
        open_, left_out, chosen = stack.pop()
        if left_out >= fewest:
            continue
        if not open_:
            best, fewest = chosen, left_out
            continue
        first = open_ & -open_
        stack.append((open_ ^ first, left_out + 1, chosen))
        fitting = [index for index in covering[first] if sets[index] & ~open_ == 0]
        stack.extend((open_ & ~sets[index], left_out, [*chosen, index]) for index in fitting)
    return best


def _elements(bits: int) -> Iterator[int]:
    """The elements of a set, each as a set of one."""
    while bits:
        yield bits & -bits
        bits &= bits - 1
