"""The KV cache of several continuations of one prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from solver.model.shared_prefix import KeyValue


class SharedPrefixCache(DynamicCache):  # type: ignore[misc]
    """Keys and values of a prompt, once, and of each row's own tokens after it, in slots allocated beforehand.

    First the prompt goes through the model (`running.read_prompt`), then `allocate` makes the rows, all empty. Before
    each further pass `grow` makes room for one or several more tokens of every row; rows of different lengths stay
    together. `restart`, `crop` and `select` change rows in between without touching the prompt.

    prefix: by layer, keys and values [1, H, P, D]; keys, values: by layer, [rows, H, capacity, D];
    lengths: own tokens of each row; slots: [rows, T], where the newest ones are; looks: layers that have
    asked for the prompt since `grow`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.prefix: list[KeyValue] = []
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.lengths: list[int] = []
        self.slots = torch.zeros(0, 0, dtype=torch.long)
        self.looks = 0

    @property
    def rows(self) -> int:
        return len(self.lengths)

    @property
    def capacity(self) -> int:
        """Most own tokens of a row."""
        return self.keys[0].shape[2] if self.keys else 0

    @property
    def prefix_length(self) -> int:
        return self.prefix[0][0].shape[2] if self.prefix else 0

    def allocate(self, rows: int, capacity: int) -> None:
        """Makes `rows` empty rows with room for `capacity` tokens each, instead of those there were."""
        self.release()
        # Zeros: a slot that is masked but not yet written could hold NaN, which no mask hides.
        for stores, part in ((self.keys, 0), (self.values, 1)):
            for layer in self.prefix:
                _, heads, _, width = layer[part].shape
                stores.append(layer[part].new_zeros(rows, heads, capacity, width))
        self.lengths = [0] * rows

    def release(self) -> None:
        """Frees all rows; the prompt stays."""
        self.keys, self.values = [], []
        self.lengths = []

    def grow(self, tokens: int) -> Tensor:
        """Makes room for `tokens` more of every row; returns [rows, 1, tokens, S], True where each may look.

        Where rows get different numbers of tokens, the shorter are padded on the right and cropped afterwards.
        Raises ValueError if a row has no room for them.
        """
        if max(self.lengths) + tokens > self.capacity:
            raise ValueError(f"rows of {self.capacity} tokens have no room for {tokens} after {self.lengths}")
        slots = [list(range(length, length + tokens)) for length in self.lengths]
        self.slots = torch.tensor(slots, device=self.prefix[0][0].device)
        self.lengths = [length + tokens for length in self.lengths]
        self.looks = 0
        seen = torch.arange(max(self.lengths), device=self.slots.device)
        return (seen <= self.slots[..., None])[:, None]

    def restart(self, rows: Sequence[int]) -> None:
        """Empties these rows."""
        for row in rows:
            self.lengths[row] = 0

    def crop(self, lengths: Sequence[int]) -> None:
        """Cuts every row back to its first `lengths[row]` own tokens; raises ValueError if one is not that long."""
        pairs = zip(lengths, self.lengths, strict=False)
        if len(lengths) != self.rows or not all(0 <= new <= old for new, old in pairs):
            raise ValueError(f"rows of {self.lengths} tokens cannot be cropped to {list(lengths)}")
        self.lengths = list(lengths)

    def select(self, rows: Sequence[int]) -> None:
        """Row number i becomes what row number `rows[i]` was; rows may be named repeatedly or not at all."""
        self.lengths = [self.lengths[row] for row in rows]
        chosen = torch.tensor(rows, dtype=torch.long, device=self.prefix[0][0].device)
        for stores in (self.keys, self.values):
            for layer, store in enumerate(stores):
                stores[layer] = store[chosen]

    def look(self, layer: int) -> KeyValue:
        """The prompt's keys and values, for a layer's attention."""
        self.looks += 1
        return self.prefix[layer]

    def update(self, key: Tensor, value: Tensor, layer: int, *_: Any, **__: Any) -> KeyValue:
        """key, value: [1, H, P, D] of the prompt while there are no rows, then [rows, H, T, D].

        Returns the rows' own keys and values; the attention must `look` at the prompt's. Raises ValueError if a
        second prompt is read.
        """
        if not self.rows:
            if layer < len(self.prefix):
                raise ValueError("the prompt was read already, and no rows follow it yet")
            self.prefix.append((key.contiguous(), value.contiguous()))
            return key, value
        rows = torch.arange(self.rows, device=self.slots.device)[:, None]
        seen = max(self.lengths)
        for stores, new in ((self.keys, key), (self.values, value)):
            # Indices on both sides of a slice put the indexed dimensions first: [rows, T, H, D].
            stores[layer][rows, :, self.slots] = new.transpose(1, 2)
        return self.keys[layer][:, :, :seen], self.values[layer][:, :, :seen]

    def get_seq_length(self, *_: Any, **__: Any) -> int:
        return self.prefix_length + max(self.lengths, default=0)

    def get_mask_sizes(self, query_length: Any, *_: Any, **__: Any) -> tuple[int, int]:
        length = query_length if isinstance(query_length, int) else len(query_length)
        return self.get_seq_length() + length, 0
