"""Which rows continue which prompts, in the form that their attention needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Rows among the prompts that they follow.

    prompts: the slice of all prompts from the first to the last that rows follow, V of them; longest, shortest: tokens
    of the longest and the shortest of these; lengths: [V] of them, or None where they are equal; width: most rows that
    follow one prompt; places: [rows], each row's place among the V * width of them, prompt by prompt, or None where the
    rows are all of these in order.
    """

    prompts: slice
    longest: int
    shortest: int
    lengths: Tensor | None
    width: int
    places: Tensor | None

    def hidden(self, start: int, end: int) -> Tensor | None:
        """[V, 1, 1, keys], True where keys `start` to `end` of a prompt are padding; None where none is."""
        if self.lengths is None or end <= self.shortest:
            return None
        keys = torch.arange(start, end, device=self.lengths.device)
        return (keys >= self.lengths[:, None])[:, None, None]


def lay_out(owners: Sequence[int], prompt_lengths: Sequence[int], device: torch.device) -> Layout:
    """owners: the prompt that each row follows, in whatever order."""
    first, last = min(owners), max(owners) + 1
    lengths = list(prompt_lengths[first:last])
    followers = [0] * len(lengths)
    ranks = []
    for owner in owners:
        ranks.append(followers[owner - first])
        followers[owner - first] += 1
    width = max(followers)
    places = [(owner - first) * width + rank for owner, rank in zip(owners, ranks, strict=True)]
    in_order = places == list(range(len(lengths) * width))
    longest, shortest = max(lengths), min(lengths)
    return Layout(
        prompts=slice(first, last),
        longest=longest,
        shortest=shortest,
        lengths=None if longest == shortest else torch.tensor(lengths, device=device),
        width=width,
        places=None if in_order else torch.tensor(places, device=device),
    )
