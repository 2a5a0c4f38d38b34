"""What a program computes: one image, or one list of images, for every instance of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from solver.search.catalogue import Word
from solver.search.image import Boxes, Cells


class Kind(Enum):
    IMAGE = 0
    LIST = 1


@dataclass(frozen=True, slots=True)
class Value:
    """A program and what it computes. counts [P] images for each instance, packed in boxes and cells.

    cost: the program's description length; word and parents: its last step, none for a root.
    """

    kind: Kind
    counts: npt.NDArray[np.int32]
    boxes: Boxes
    cells: Cells
    cost: float
    name: str = ""
    word: Word | None = None
    parents: tuple[Value, ...] = ()

    def images(self) -> list[Cells]:
        """The cells of every image, each [height, width], over all instances."""
        sizes = self.boxes[:, 2].astype(np.int64) * self.boxes[:, 3]
        ends = np.cumsum(sizes)
        return [
            self.cells[end - size : end].reshape(int(box[2]), int(box[3]))
            for end, size, box in zip(ends.tolist(), sizes.tolist(), self.boxes, strict=True)
        ]

    def has_sizes(self, sizes: bytes) -> bool:
        """Whether it is one image for each of the first instances, of these sizes (`pack_sizes`)."""
        return self.kind is Kind.IMAGE and self.boxes[: len(sizes) // 8, 2:].tobytes() == sizes

    @property
    def program(self) -> str:
        """How it is computed, innermost first: `input |> split |> pick[3]`."""
        if not self.parents:
            return self.name
        first, *others = (parent.program for parent in self.parents)
        inside = "".join(f" ({other})" for other in others)
        return f"{first} |> {self.word}{inside}"


def pack_sizes(sizes: Sequence[tuple[int, int]]) -> bytes:
    """(height, width) of the first instances in a form that compares fast."""
    return np.array(sizes, np.int32).tobytes()


def image_value(images: Sequence[Cells], name: str, cost: float = 0.0) -> Value:
    """A root: one image for each instance, each at the frame's origin."""
    boxes = np.array([(0, 0, *image.shape) for image in images], np.int32)
    cells = np.concatenate([image.ravel() for image in images]).astype(np.int8)
    return Value(Kind.IMAGE, np.ones(len(images), np.int32), boxes, cells, cost, name)
