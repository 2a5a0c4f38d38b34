"""The KV cache of a batch of prompts of different lengths."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache


class SlotCache(DynamicCache):  # type: ignore[misc]
    """KV cache of a batch of right-padded prompts that is written in place, without copying what is there.

    After the prompts, row b's next token goes to slot lengths[b], over the padding; `mask` hides what lies beyond.
    Prompts then need no attention mask, and appending a token costs no concatenation.
    """

    def __init__(self, lengths: Tensor, capacity: int) -> None:
        super().__init__()
        self.slots = lengths - 1
        self.capacity = capacity
        self.filled = 0
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._rows = torch.arange(len(lengths), device=lengths.device)

    def advance(self) -> None:
        """Makes room for one more token of every row."""
        self.slots = self.slots + 1
        self.filled += 1

    def mask(self) -> Tensor:
        """[B, 1, 1, filled], True where a row's newest token may look."""
        return (torch.arange(self.filled, device=self.slots.device) <= self.slots[:, None])[:, None, None]

    def update(self, key: Tensor, value: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """key, value: [B, H, T, D], T is the prompts' length once and 1 from then on."""
        if layer == len(self._keys):
            batch, heads, length, width = key.shape
            for store, new in ((self._keys, key), (self._values, value)):
                # Zeros: a slot that is masked but not yet written could hold NaN, which no mask hides.
                store.append(new.new_zeros(batch, heads, self.capacity, width))
                store[layer][:, :, :length] = new
            self.filled = length
            return key, value
        self._keys[layer][self._rows, :, self.slots] = key[:, :, 0]
        self._values[layer][self._rows, :, self.slots] = value[:, :, 0]
        return self._keys[layer][:, :, : self.filled], self._values[layer][:, :, : self.filled]

    def get_seq_length(self, *_: Any, **__: Any) -> int:
        return self.filled

    def get_mask_sizes(self, query_length: Any, *_: Any, **__: Any) -> tuple[int, int]:
        length = query_length if isinstance(query_length, int) else len(query_length)
        return self.filled + length, 0
