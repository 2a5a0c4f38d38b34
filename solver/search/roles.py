"""Other ways to look at the same task: its colours renamed to roles, or its grids transposed.

The language takes 0 for "nothing here", and its words name colours. So a task on a blue ground is searched with blue
and 0 exchanged, and one whose colours change from pair to pair with colours named by how common they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solver.grid import BLACK, COLOURS
from solver.search.image import Cells

IDENTITY = tuple(range(COLOURS))


@dataclass(frozen=True, slots=True)
class Look:
    """One way to look at a task. colours [P]: for each instance, the new name of every colour (a bijection)."""

    colours: tuple[tuple[int, ...], ...]
    transpose: bool = False
    cost: float = 0.0

    def see(self, images: Sequence[Cells]) -> list[Cells]:
        """The images of the first instances as this look shows them."""
        named = (np.array(names, np.int8)[image] for image, names in zip(images, self.colours, strict=False))
        return [np.ascontiguousarray(image.T if self.transpose else image) for image in named]

    def restore(self, images: Sequence[Cells], first: int) -> list[Cells]:
        """What was seen, as it is in the task; `first`: the instance of the first image."""
        names = self.colours[first:]
        back = (np.argsort(name).astype(np.int8)[image] for image, name in zip(images, names, strict=True))
        return [np.ascontiguousarray(image.T if self.transpose else image) for image in back]


def looks(inputs: Sequence[Cells], outputs: Sequence[Cells]) -> list[Look]:
    """Distinct looks, the most promising first. inputs: of all instances; outputs: of the demonstrations."""
    counts = [np.bincount(image.ravel(), minlength=COLOURS) for image in inputs]
    grounds = {int(np.argmax(count)) for count in counts}
    plain = Look((IDENTITY,) * len(inputs))
    found = [plain]
    total = np.sum(counts, axis=0)
    ground = int(np.argmax(total))
    if ground != BLACK and all(count[ground] for count in counts):
        swapped = Look((_exchange(ground),) * len(inputs), cost=0.2)
        found = [swapped, plain] if total[BLACK] == 0 or grounds == {ground} else [plain, swapped]
    elif len(grounds) > 1:
        found.append(Look(tuple(_exchange(int(np.argmax(count))) for count in counts), cost=0.4))
    roles = Look(tuple(_ranks(count) for count in counts), cost=0.6)
    palettes = {tuple(np.flatnonzero(count[1:]).tolist()) for count in counts}
    known = all(set(np.unique(out)) <= {0, *np.unique(image)} for image, out in zip(inputs, outputs, strict=False))
    if len(palettes) > 1 and known:
        found.append(roles)
    return list(dict.fromkeys(found))


def _exchange(colour: int) -> tuple[int, ...]:
    """0 and a colour change names."""
    names = list(IDENTITY)
    names[BLACK], names[colour] = colour, BLACK
    return tuple(names)


def _ranks(count: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """0 stays; the other colours are 1, 2, … from the most to the least common, absent ones last."""
    order = sorted(range(1, COLOURS), key=lambda colour: (-int(count[colour]), colour))
    names = [BLACK] * COLOURS
    for rank, colour in enumerate(order):
        names[colour] = rank + 1
    return tuple(names)
