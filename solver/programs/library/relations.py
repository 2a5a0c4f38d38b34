"""How two objects lie to each other: overlapping, touching, with a pixel between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.programs.library.arguments import Array, Mask, foreground, whole
from solver.programs.library.colors import Color
from solver.programs.library.morphology import dilated
from solver.programs.library.positions import bounding_box


def collision(
    _: Any = None,
    object1: Array | None = None,
    object2: Array | None = None,
    x1: int = 0,
    y1: int = 0,
    x2: int = 0,
    y2: int = 0,
    background: int = Color.BLACK,
) -> bool:
    """Do the objects have a pixel in common when their corners are at (x1, y1) and (x2, y2)?

    Their shapes may differ. They are meant to be given by name; two without names are taken as the two objects.
    Raises ValueError if one is missing.
    """
    one, two = _pair("collision", background, _, object1, object2)
    return _overlap((one, x1, y1), (two, x2, y2))


def contact(
    _: Any = None,
    object1: Array | None = None,
    object2: Array | None = None,
    x1: int = 0,
    y1: int = 0,
    x2: int = 0,
    y2: int = 0,
    background: int = Color.BLACK,
    connectivity: int = 4,
) -> bool:
    """Do the objects overlap, or do two of their pixels touch, when their corners are at (x1, y1) and (x2, y2)?

    Pixels touch along a side, with a connectivity of 8 also at a corner. Otherwise like `collision`.
    """
    one, two = _pair("contact", background, _, object1, object2)
    grown = dilated(np.pad(one, 1), connectivity)
    return _overlap((grown, whole(x1, "x1") - 1, whole(y1, "y1") - 1), (two, x2, y2))


def _pair(caller: str, background: int, *objects: Array | None) -> tuple[Mask, Mask]:
    """Masks of the two objects of a call, of which the first argument, not named, may have been meant as one."""
    given = [obj for obj in objects if obj is not None]
    if len(given) < 2:
        raise ValueError(f"{caller}: needs object1 and object2")
    return foreground(given[-2], background, "object1"), foreground(given[-1], background, "object2")


def _overlap(*placed: tuple[Mask, int, int]) -> bool:
    """Are two masks, each at its place in the plane, somewhere both True?"""
    corners = [(whole(x, "x"), whole(y, "y")) for _mask, x, y in placed]
    shapes = [mask.shape for mask, _x, _y in placed]
    first = [max(corner[axis] for corner in corners) for axis in (0, 1)]
    last = [min(corner[axis] + shape[axis] for corner, shape in zip(corners, shapes, strict=True)) for axis in (0, 1)]
    if first[0] >= last[0] or first[1] >= last[1]:
        return False
    one, two = (
        mask[first[0] - x : last[0] - x, first[1] - y : last[1] - y]
        for (mask, _x, _y), (x, y) in zip(placed, corners, strict=True)
    )
    return bool((one & two).any())


def check_between_objects(
    obj1: Array, obj2: Array, x: int, y: int, padding: int = 0, background: int = Color.BLACK
) -> bool:
    """Is (x, y) between the bounding boxes of two objects, in a row or in a column?

    In a row: x in the gap that separates them along x, y in the rows that both have, `padding` pixels or more from
    the first and the last of these; in a column likewise. False if one of the objects is empty.
    """
    boxes = bounding_box(obj1, background), bounding_box(obj2, background)
    if not all(box[2] for box in boxes):
        return False
    point, margin = (whole(x, "x"), whole(y, "y")), whole(padding, "padding")
    # Along each axis, a box as its first and its last pixel.
    (ax, bx), (ay, by) = ([(box[axis], box[axis] + box[axis + 2] - 1) for box in boxes] for axis in (0, 1))
    return (_in_gap(point[0], ax, bx) and _in_common(point[1], ay, by, margin)) or (
        _in_gap(point[1], ay, by) and _in_common(point[0], ax, bx, margin)
    )


def _in_gap(value: int, a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[1] < value < b[0] or b[1] < value < a[0]


def _in_common(value: int, a: tuple[int, int], b: tuple[int, int], margin: int) -> bool:
    return max(a[0], b[0]) + margin <= value <= min(a[1], b[1]) - margin
