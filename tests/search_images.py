"""Images and lists of the grid language as short texts, for tests by hand.

An image is (row, col, "12 30"): its place and its rows of digits. A list of images is a list of those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from solver.search.image import Boxes, Cells, Images

Text = tuple[int, int, str]

NOTHING: Text = (0, 0, "")


def read(text: str) -> Cells:
    """The cells of a text."""
    return np.array([[int(cell) for cell in line] for line in text.split()], np.int8)


def write(row: int, col: int, cells: Cells) -> Text:
    """The text of an image."""
    return row, col, " ".join("".join(map(str, line)) for line in cells)


def pack(images: Sequence[Text]) -> Images:
    """The list of these images."""
    grids = [read(text) for _, _, text in images]
    boxes = np.array([(row, col, *grid.shape) for (row, col, _), grid in zip(images, grids, strict=True)], np.int32)
    return boxes, np.concatenate([grid.reshape(-1) for grid in grids])


def unpack(boxes: Boxes, cells: Cells) -> list[Text]:
    """The images of a list."""
    images, offset = [], 0
    for row, col, height, width in boxes.tolist():
        images.append(write(row, col, cells[offset : offset + height * width].reshape(height, width)))
        offset += height * width
    assert offset == cells.size
    return images


def apply(primitive: Callable[..., Any], text: str, arg: int = 0, row: int = 0, col: int = 0) -> tuple[int, int, str]:
    """Applies a primitive to an image given as "12 30" (rows of digits), and gives its result in the same form."""
    cells = read(text)
    before = cells.copy()
    row, col, out = primitive(row, col, cells, arg)
    assert (cells == before).all()
    assert out.dtype == np.int8
    assert out.flags.c_contiguous
    return write(row, col, out)


def split(primitive: Callable[..., Any], text: str, arg: int = 0, row: int = 0, col: int = 0) -> list[Text]:
    """Applies a SPLIT to one image."""
    return unpack(*primitive(row, col, read(text), arg))


def select(primitive: Callable[..., Any], images: Sequence[Text], arg: int = 0) -> list[Text]:
    """Applies a SELECT to a list."""
    return unpack(*primitive(*pack(images), arg))


def join(primitive: Callable[..., Any], images: Sequence[Text], arg: int = 0) -> Text:
    """Applies a JOIN to a list."""
    return write(*primitive(*pack(images), arg))


def combine(primitive: Callable[..., Any], image: Text, other: Text, arg: int = 0) -> Text:
    """Applies a COMBINE to two images."""
    return write(*primitive(*image[:2], read(image[2]), *other[:2], read(other[2]), arg))
