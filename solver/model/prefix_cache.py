"""The KV cache of several continuations of one prompt, or of each of several prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from solver.model.layout import Layout, lay_out
from solver.model.shared_prefix import KeyValue


class SharedPrefixCache(DynamicCache):  # type: ignore[misc]
    """Keys and values of prompts, each once, and of each row's own tokens after its prompt, in slots allocated before.

    First the prompts go through the model (`running.read_prompts`), then `allocate` makes the rows, all empty. Before
    each further pass `grow` makes room for more tokens, as many as each row gets; rows of different lengths stay
    together. `restart`, `crop` and `select` change rows in between without touching the prompts. Prompts are padded on
    the right; their padding is never seen.

    prefix: by layer, keys and values [V, H, P, D]; prefix_lengths: tokens of each prompt; keys, values: by layer,
    [rows, H, capacity, D]; lengths: own tokens of each row; owners: the prompt that each row follows, in whatever
    order; slots: [rows, T], where the newest tokens are; looks: layers that have asked for the prompts since `grow`.
    """

    def __init__(self, prefix_lengths: Sequence[int] = ()) -> None:
        """prefix_lengths: of the prompts to be read; may be left out where all are as long as the longest."""
        super().__init__()
        self.prefix: list[KeyValue] = []
        self.prefix_lengths = list(prefix_lengths)
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.lengths: list[int] = []
        self.owners: list[int] = []
        self.slots = torch.zeros(0, 0, dtype=torch.long)
        self.looks = 0
        self._written: tuple[Tensor, ...] = ()
        self._layout: Layout | None = None

    @property
    def rows(self) -> int:
        return len(self.lengths)

    @property
    def capacity(self) -> int:
        """Most own tokens of a row."""
        return self.keys[0].shape[2] if self.keys else 0

    @property
    def prefix_length(self) -> int:
        """Tokens of the longest prompt."""
        return self.prefix[0][0].shape[2] if self.prefix else 0

    @property
    def device(self) -> torch.device:
        return self.prefix[0][0].device

    def fork(self) -> SharedPrefixCache:
        """A cache of the same prompts, which are not copied, with rows of its own: none yet."""
        other = SharedPrefixCache(self.prefix_lengths)
        other.prefix = self.prefix
        return other

    def allocate(self, rows: int, capacity: int, owners: Sequence[int] | None = None) -> None:
        """Makes `rows` empty rows with room for `capacity` tokens each, instead of those there were.

        owners: the prompt that each follows, the first if not given. Raises ValueError if these are not such prompts.
        """
        owners = [0] * rows if owners is None else list(owners)
        if len(owners) != rows or not all(0 <= owner < len(self.prefix_lengths) for owner in owners):
            raise ValueError(f"{rows} rows cannot follow the prompts {owners} of {len(self.prefix_lengths)}")
        self.release()
        # Zeros: a slot that is masked but not yet written could hold NaN, which no mask hides.
        for stores, part in ((self.keys, 0), (self.values, 1)):
            for layer in self.prefix:
                _, heads, _, width = layer[part].shape
                stores.append(layer[part].new_zeros(rows, heads, capacity, width))
        self._set(owners, [0] * rows)

    def release(self) -> None:
        """Frees all rows; the prompts stay."""
        self.keys, self.values = [], []
        self._set([], [])

    def _set(self, owners: list[int], lengths: list[int]) -> None:
        self.owners, self.lengths = owners, lengths
        self._layout = lay_out(owners, self.prefix_lengths, self.device) if owners else None

    def grow(self, tokens: int | Sequence[int]) -> Tensor:
        """Makes room for `tokens` more of every row, or for so many of each; returns [rows, 1, T, S], True where each
        may look.

        Where rows get different numbers of tokens, T is the most, and what the others are padded with is not kept.
        Raises ValueError if a row has no room.
        """
        counts = [tokens] * self.rows if isinstance(tokens, int) else list(tokens)
        after = [length + count for length, count in zip(self.lengths, counts, strict=True)]
        if max(after) > self.capacity:
            raise ValueError(f"rows of {self.capacity} tokens have no room for {tokens} after {self.lengths}")
        steps = torch.arange(max(counts))
        slots = torch.tensor(self.lengths)[:, None] + steps
        rows, places = (steps < torch.tensor(counts)[:, None]).nonzero(as_tuple=True)
        self._written = tuple(index.to(self.device) for index in (rows, slots[rows, places], places))
        self.slots = slots.to(self.device)
        self.lengths = after
        self.looks = 0
        seen = torch.arange(max(self.lengths), device=self.device)
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
        chosen = torch.tensor(rows, dtype=torch.long, device=self.device)
        for stores in (self.keys, self.values):
            for layer, store in enumerate(stores):
                stores[layer] = store[chosen]
        self._set([self.owners[row] for row in rows], [self.lengths[row] for row in rows])

    def next_positions(self) -> Tensor:
        """[rows, T], the positions of the newest tokens where each sequence's are 0, 1, 2, ..."""
        starts = [self.prefix_lengths[owner] for owner in self.owners]
        return torch.tensor(starts, device=self.device)[:, None] + self.slots

    def look(self, layer: int) -> tuple[KeyValue, Layout]:
        """All prompts' keys and values for a layer's attention, and which rows follow which of them.

        Raises ValueError while there are no rows.
        """
        if self._layout is None:
            raise ValueError("no rows follow the prompts yet")
        self.looks += 1
        return self.prefix[layer], self._layout

    def update(self, key: Tensor, value: Tensor, layer: int, *_: Any, **__: Any) -> KeyValue:
        """key, value: [V, H, P, D] of the prompts while there are no rows, then [rows, H, T, D].

        Returns the rows' own keys and values; the attention must `look` at the prompts'. Raises ValueError if prompts
        are read a second time.
        """
        if not self.rows:
            if layer < len(self.prefix):
                raise ValueError("the prompts were read already, and no rows follow them yet")
            self.prefix_lengths = self.prefix_lengths or [key.shape[2]] * key.shape[0]
            self.prefix.append((key.contiguous(), value.contiguous()))
            return key, value
        rows, slots, steps = self._written
        seen = max(self.lengths)
        for stores, new in ((self.keys, key), (self.values, value)):
            # Indices on both sides of a slice put the indexed dimension first: [tokens, H, D].
            stores[layer][rows, :, slots] = new[rows, :, steps]
        return self.keys[layer][:, :, :seen], self.values[layer][:, :, :seen]

    def get_seq_length(self, *_: Any, **__: Any) -> int:
        return self.prefix_length + max(self.lengths, default=0)

    def get_mask_sizes(self, query_length: Any, *_: Any, **__: Any) -> tuple[int, int]:
        length = query_length if isinstance(query_length, int) else len(query_length)
        return self.get_seq_length() + length, 0
