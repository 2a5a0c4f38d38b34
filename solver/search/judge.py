"""Looks at the results of a batch of words and says which are worth keeping at the last depth, without copying them.

The deepest programs are by far the most, and nothing is built on them: only those count that are the outputs, or
that paint part of them without a mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from solver.search.compiled import kernel
from solver.search.image import Cells, area, unpack
from solver.search.sizes import Size

NOTHING, PIECE, ANSWER = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Goal:
    """What results are compared with.

    known: how many instances are demonstrations; sizes [P, 2]: the frames guessed for all instances; cells: the
    demonstrations' outputs, packed; in_place: the frames are those of the inputs.
    """

    known: int
    sizes: npt.NDArray[np.int32]
    cells: Cells
    in_place: bool

    @classmethod
    def of(cls, targets: Sequence[Cells], sizes: Sequence[Size], in_place: bool) -> Goal:
        cells = np.concatenate([target.ravel() for target in targets])
        return cls(len(targets), np.array(sizes, np.int32), cells, in_place)

    def parts(self) -> tuple[Any, ...]:
        """As the compiled functions take it."""
        return self.known, self.sizes, self.cells, self.in_place


@kernel
def judge(counts: Any, boxes: Any, cells: Any, goal: Any) -> int:
    """ANSWER if every demonstration's only image is its output, PIECE if what is painted is right, else NOTHING."""
    known, sizes, target, in_place = goal
    offset, index, start = 0, 0, 0
    whole, equal, drawn, painted = True, True, in_place, False
    for instance in range(known):
        height, width = sizes[instance]
        if counts[instance] != 1 or boxes[index, 2] != height or boxes[index, 3] != width:
            whole, equal = False, False
        for _ in range(counts[instance]):
            row, col, image = unpack(boxes, cells, offset, index)
            offset += area(boxes, index)
            index += 1
            if whole:
                for i in range(height):
                    for j in range(width):
                        if image[i, j] != target[start + i * width + j]:
                            equal = False
                            if image[i, j] != 0:
                                whole = False
            if drawn:
                for i in range(max(0, -row), min(image.shape[0], height - row)):
                    for j in range(max(0, -col), min(image.shape[1], width - col)):
                        if image[i, j] != 0:
                            if image[i, j] != target[start + (row + i) * width + col + j]:
                                drawn = False
                            else:
                                painted = True
            if not (whole or drawn or equal):
                return NOTHING
        start += height * width
    if equal:
        return ANSWER
    if drawn and painted:
        return PIECE
    if not whole:
        return NOTHING
    for instance in range(known, counts.size):
        if counts[instance] != 1 or boxes[index, 2] != sizes[instance, 0] or boxes[index, 3] != sizes[instance, 1]:
            return NOTHING
        index += counts[instance]
    return PIECE


@kernel
def judge_all(hashes: Any, out: Any, goal: Any, verdicts: Any) -> None:
    """Judges every result of a batch; hashes [K] are those of this batch, verdicts [K] is written."""
    counts, _, starts, boxes, cells = out
    for word in range(hashes.size):
        verdicts[word] = NOTHING
        if hashes[word] != 0:
            box, cell = starts[word]
            end = box + counts[word].sum()
            size = 0
            for index in range(box, end):
                size += area(boxes, index)
            verdicts[word] = judge(counts[word], boxes[box:end], cells[cell : cell + size], goal)
