"""Runs many words of the language on one value in one compiled call.

A value holds one list of images per instance (a demonstration's input or a test input): counts [P] says how many
images each has, boxes [sum of counts, 4] and cells hold them one after the other. What a batch of words gives is
written to a `Results` buffer the same way, with a hash of each value, so that the caller copies only new ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from solver.search.apply import apply_combine, apply_join, apply_map, apply_select, apply_split
from solver.search.compiled import kernel
from solver.search.image import Boxes, Cells, area, unpack

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Results:
    """counts [K, P], hashes [K] (0: no result), starts [K, 2] (first box, first cell), boxes, cells."""

    counts: npt.NDArray[np.int32]
    hashes: Hashes
    starts: Ints
    boxes: Boxes
    cells: Cells

    @classmethod
    def make(cls, words: int, instances: int, boxes: int, cells: int) -> Results:
        """Room for that many words at once, and for all their images together; what does not fit is no result."""
        return cls(
            np.zeros((words, instances), np.int32),
            np.zeros(words, np.uint64),
            np.zeros((words, 2), np.int64),
            np.zeros((boxes, 4), np.int32),
            np.zeros(cells, np.int8),
        )

    def parts(self) -> tuple[Any, ...]:
        """As the compiled functions take it."""
        return self.counts, self.hashes, self.starts, self.boxes, self.cells


@kernel
def mix(state: Any, value: Any) -> Any:
    """One step of a 64-bit hash (multiply and xor-shift); uint64."""
    state = (state ^ np.uint64(value)) * np.uint64(0xFF51AFD7ED558CCD)
    return state ^ (state >> np.uint64(32))


@kernel
def hash_value(kind: int, counts: Any, boxes: Any, cells: Any) -> Any:
    """A uint64, never 0. kind separates a list of one image from that image; boxes and cells are this value's alone."""
    state = mix(np.uint64(0x9E3779B97F4A7C15), kind)
    for count in counts:
        state = mix(state, count)
    for index in range(boxes.shape[0]):
        for side in range(4):
            state = mix(state, boxes[index, side] + 128)
    word = np.uint64(0)
    for position in range(cells.size):
        word = (word << np.uint64(4)) | np.uint64(cells[position])
        if position % 16 == 15:
            state = mix(state, word)
            word = np.uint64(0)
    state = mix(state, word)
    return state if state != np.uint64(0) else np.uint64(1)


@kernel
def put(image: Any, out_boxes: Any, out_cells: Any, box: int, cell: int) -> bool:
    """Appends an image to a packed list; False if it is none or there is no room."""
    row, col, cells = image
    height, width = cells.shape
    if height == 0 or box >= out_boxes.shape[0] or cell + height * width > out_cells.size:
        return False
    out_boxes[box, 0], out_boxes[box, 1] = row, col
    out_boxes[box, 2], out_boxes[box, 3] = height, width
    for i in range(height):
        for j in range(width):
            out_cells[cell + i * width + j] = cells[i, j]
    return True


@kernel
def run_maps(codes: Any, args: Any, kind: int, counts: Any, boxes: Any, cells: Any, out: Any) -> None:
    """Every MAP word on every image of the value."""
    out_counts, hashes, starts, out_boxes, out_cells = out
    box, cell = 0, 0
    for word in range(codes.size):
        hashes[word] = 0
        starts[word, 0], starts[word, 1] = box, cell
        end_box, end_cell, offset, valid = box, cell, 0, True
        for index in range(boxes.shape[0]):
            row, col, image = unpack(boxes, cells, offset, index)
            offset += area(boxes, index)
            if not put(apply_map(codes[word], row, col, image, args[word]), out_boxes, out_cells, end_box, end_cell):
                valid = False
                break
            end_cell += area(out_boxes, end_box)
            end_box += 1
        if valid:
            for instance in range(counts.size):
                out_counts[word, instance] = counts[instance]
            hashes[word] = hash_value(kind, counts, out_boxes[box:end_box], out_cells[cell:end_cell])
            box, cell = end_box, end_cell


@kernel
def run_splits(codes: Any, args: Any, counts: Any, boxes: Any, cells: Any, out: Any) -> None:
    """Every SPLIT word on a value of one image per instance."""
    out_counts, hashes, starts, out_boxes, out_cells = out
    box, cell = 0, 0
    for word in range(codes.size):
        hashes[word] = 0
        starts[word, 0], starts[word, 1] = box, cell
        end_box, end_cell, offset, valid, longest = box, cell, 0, True, 0
        for index in range(boxes.shape[0]):
            row, col, image = unpack(boxes, cells, offset, index)
            offset += area(boxes, index)
            new_boxes, new_cells = apply_split(codes[word], row, col, image, args[word])
            n = new_boxes.shape[0]
            if n == 0 or end_box + n > out_boxes.shape[0] or end_cell + new_cells.size > out_cells.size:
                valid = False
                break
            out_boxes[end_box : end_box + n] = new_boxes
            out_cells[end_cell : end_cell + new_cells.size] = new_cells
            out_counts[word, index] = n
            end_box += n
            end_cell += new_cells.size
            longest = max(longest, n)
        if valid and longest > 1:
            hashes[word] = hash_value(1, out_counts[word], out_boxes[box:end_box], out_cells[cell:end_cell])
            box, cell = end_box, end_cell


@kernel
def run_selects(codes: Any, args: Any, counts: Any, boxes: Any, cells: Any, out: Any) -> None:
    """Every SELECT word on a value of one list per instance."""
    out_counts, hashes, starts, out_boxes, out_cells = out
    box, cell = 0, 0
    for word in range(codes.size):
        hashes[word] = 0
        starts[word, 0], starts[word, 1] = box, cell
        end_box, end_cell, first, offset, valid = box, cell, 0, 0, True
        for instance in range(counts.size):
            last, size = first + counts[instance], 0
            for index in range(first, last):
                size += area(boxes, index)
            new_boxes, new_cells = apply_select(
                codes[word], boxes[first:last], cells[offset : offset + size], args[word]
            )
            first, offset = last, offset + size
            n = new_boxes.shape[0]
            if n == 0 or end_box + n > out_boxes.shape[0] or end_cell + new_cells.size > out_cells.size:
                valid = False
                break
            out_boxes[end_box : end_box + n] = new_boxes
            out_cells[end_cell : end_cell + new_cells.size] = new_cells
            out_counts[word, instance] = n
            end_box += n
            end_cell += new_cells.size
        if valid:
            hashes[word] = hash_value(1, out_counts[word], out_boxes[box:end_box], out_cells[cell:end_cell])
            box, cell = end_box, end_cell


@kernel
def run_joins(codes: Any, args: Any, counts: Any, boxes: Any, cells: Any, out: Any) -> None:
    """Every JOIN word on a value of one list per instance."""
    out_counts, hashes, starts, out_boxes, out_cells = out
    box, cell = 0, 0
    for word in range(codes.size):
        hashes[word] = 0
        starts[word, 0], starts[word, 1] = box, cell
        end_box, end_cell, first, offset, valid = box, cell, 0, 0, True
        for instance in range(counts.size):
            last, size = first + counts[instance], 0
            for index in range(first, last):
                size += area(boxes, index)
            image = apply_join(codes[word], boxes[first:last], cells[offset : offset + size], args[word])
            first, offset = last, offset + size
            if not put(image, out_boxes, out_cells, end_box, end_cell):
                valid = False
                break
            out_counts[word, instance] = 1
            end_cell += area(out_boxes, end_box)
            end_box += 1
        if valid:
            hashes[word] = hash_value(0, out_counts[word], out_boxes[box:end_box], out_cells[cell:end_cell])
            box, cell = end_box, end_cell


@kernel
def run_combines(codes: Any, args: Any, boxes: Any, cells: Any, others: Any, other_cells: Any, out: Any) -> None:
    """Every COMBINE word on two values of one image per instance."""
    out_counts, hashes, starts, out_boxes, out_cells = out
    box, cell = 0, 0
    for word in range(codes.size):
        hashes[word] = 0
        starts[word, 0], starts[word, 1] = box, cell
        end_box, end_cell, offset, other_offset, valid = box, cell, 0, 0, True
        for index in range(boxes.shape[0]):
            row, col, image = unpack(boxes, cells, offset, index)
            other_row, other_col, other = unpack(others, other_cells, other_offset, index)
            offset += area(boxes, index)
            other_offset += area(others, index)
            result = apply_combine(codes[word], row, col, image, other_row, other_col, other, args[word])
            if not put(result, out_boxes, out_cells, end_box, end_cell):
                valid = False
                break
            out_counts[word, index] = 1
            end_cell += area(out_boxes, end_box)
            end_box += 1
        if valid:
            hashes[word] = hash_value(0, out_counts[word], out_boxes[box:end_box], out_cells[cell:end_cell])
            box, cell = end_box, end_cell
