"""Views that a base has read: what answers and scores continue, for as long as there is memory for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from solver.budget import Clock
from solver.decoding import Rows, Views, read_views
from solver.inference import Shown
from solver.model import Base


@dataclass(slots=True, eq=False)
class Reading:
    """Views that were read together. views: None while they are not in memory."""

    base: Base
    shown: Sequence[Shown]
    views: Views | None = None

    def open(self, clock: Clock = time.monotonic) -> Views:
        """The views, read again if they were let go."""
        if self.views is None:
            self.views = read_views(self.base, [list(one.prompts.values()) for one in self.shown], clock)
        return self.views

    def close(self) -> None:
        """Lets go of what was read."""
        self.views = None

    def tokens(self) -> int:
        """How many the views share with their prompts, and are read once."""
        return 0 if self.views is None else sum(self.views.prefixes)

    def memory(self) -> int:
        """Bytes of keys and values held."""
        layers = [] if self.views is None else self.views.cache.prefix
        return sum(part.nbytes for layer in layers for part in layer)

    def own_tokens(self, chosen: Sequence[Shown], index: int) -> int:
        """How many tokens of these views' prompts for a test input are not shared, and are read for its rows."""
        shared = {} if self.views is None else dict(zip(map(id, self.shown), self.views.prefixes, strict=True))
        return sum(len(one.prompts[index]) - shared.get(id(one), 0) for one in chosen)

    def with_query(self, index: int) -> list[Shown]:
        """The views through which a test input is seen."""
        return [one for one in self.shown if index in one.prompts]

    def rows(self, chosen: Sequence[Shown], index: int, limit: int, clock: Clock = time.monotonic) -> Rows:
        """One row for each named view, which may be named repeatedly, after its prompt for that test input."""
        places = {id(one): place for place, one in enumerate(self.shown)}
        pairs = [(places[id(one)], list(one.prompts).index(index)) for one in chosen]
        return self.open(clock).rows(pairs, limit, clock)
