"""The bank's values seen as pictures of the outputs: one row of cells for each, over all instances' output frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from solver.search.compiled import kernel
from solver.search.image import Cells, area, unpack
from solver.search.sizes import Size
from solver.search.value import Value, pack_sizes


@dataclass(frozen=True, slots=True)
class Pieces:
    """Distinct pictures, the cheapest first.

    cells [K, N]: N cells of all frames, demonstrations first, each row-major; 0 is transparent where a piece paints.
    whole [K]: the value has exactly the frames' sizes, so that its zeros say something too.
    """

    sizes: tuple[Size, ...]
    cells: npt.NDArray[np.int8]
    costs: npt.NDArray[np.float64]
    whole: npt.NDArray[np.bool_]
    programs: tuple[Value, ...]

    def frames(self, row: npt.NDArray[np.int8]) -> list[Cells]:
        """A row of cells as one array [height, width] for each instance."""
        ends = np.cumsum([height * width for height, width in self.sizes]).tolist()
        return [
            row[end - height * width : end].reshape(height, width)
            for end, (height, width) in zip(ends, self.sizes, strict=True)
        ]


@kernel
def draw(counts: Any, boxes: Any, cells: Any, sizes: Any, in_place: bool, out: Any) -> bool:
    """Paints a value's images on the frames (out [N], zeros); False if nothing lies in any of them.

    in_place: at the images' own places; otherwise every image must have its frame's size and covers it.
    """
    offset, index, start, painted = 0, 0, 0, False
    for instance in range(counts.size):
        height, width = sizes[instance]
        for _ in range(counts[instance]):
            row, col, image = unpack(boxes, cells, offset, index)
            offset += area(boxes, index)
            index += 1
            if not in_place:
                row, col = 0, 0
            for i in range(max(0, -row), min(image.shape[0], height - row)):
                for j in range(max(0, -col), min(image.shape[1], width - col)):
                    if image[i, j] != 0:
                        out[start + (row + i) * width + col + j] = image[i, j]
                        painted = True
        start += height * width
    return painted


def make_pieces(values: Sequence[Value], sizes: Sequence[Size], limit: int, in_place: bool) -> Pieces:
    """At most `limit` distinct pieces of the cheapest values.

    in_place: the output's frame is the input's, so that images smaller or larger than it have a place in it.
    """
    shapes = np.array(sizes, np.int32)
    total = int((shapes[:, 0].astype(np.int64) * shapes[:, 1]).sum())
    wanted = pack_sizes(sizes)
    rows: list[npt.NDArray[np.int8]] = []
    whole: list[bool] = []
    programs: list[Value] = []
    seen: set[bytes] = set()
    for value in sorted(values, key=lambda value: value.cost):
        if len(rows) >= limit:
            break
        fits = value.has_sizes(wanted)
        for at_place in (False,) if fits and not value.boxes[:, :2].any() else (False, True):
            if not (in_place if at_place else fits):
                continue
            row = np.zeros(total, np.int8)
            if not draw(value.counts, value.boxes, value.cells, shapes, at_place, row) and at_place:
                continue
            key = row.tobytes()
            if key not in seen:
                seen.add(key)
                rows.append(row)
                whole.append(not at_place)
                programs.append(value)
    cells = np.stack(rows) if rows else np.zeros((0, total), np.int8)
    costs = np.array([value.cost for value in programs])
    return Pieces(tuple(sizes), cells, costs, np.array(whole, np.bool_), tuple(programs))
