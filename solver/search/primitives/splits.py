"""Splits: primitives that take one image apart into a list of images.

Every part keeps its place in the frame, and parts come in reading order of their first cell. Inside this module
a box is (top, left, height, width) within the image, so that places in the frame enter in one function only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.search.compiled import kernel
from solver.search.image import MAX_LIST, Boxes, Cells, Images, area, components, no_images
from solver.search.primitive import Primitive, Type


@kernel
def _cut(row: int, col: int, cells: Cells, boxes: Boxes) -> Images:
    """What the image shows in each box."""
    count = boxes.shape[0]
    if count < 1 or count > MAX_LIST:
        return no_images()
    total = 0
    for k in range(count):
        total += area(boxes, k)
    placed = boxes.copy()
    out = np.empty(total, np.int8)
    offset = 0
    for k in range(count):
        placed[k, 0] += row
        placed[k, 1] += col
        for i in range(boxes[k, 0], boxes[k, 0] + boxes[k, 2]):
            for j in range(boxes[k, 1], boxes[k, 1] + boxes[k, 3]):
                out[offset] = cells[i, j]
                offset += 1
    return placed, out


@kernel
def _cut_labels(row: int, col: int, cells: Cells, boxes: Boxes, labels: Any) -> Images:
    """What the image shows in each box, with 0 for every cell whose label is not the box's own (1 for box 0)."""
    placed, out = _cut(row, col, cells, boxes)
    offset = 0
    for k in range(placed.shape[0]):
        for i in range(boxes[k, 0], boxes[k, 0] + boxes[k, 2]):
            for j in range(boxes[k, 1], boxes[k, 1] + boxes[k, 3]):
                if labels[i, j] != k + 1:
                    out[offset] = 0
                offset += 1
    return placed, out


@kernel
def _label_boxes(labels: Any, count: int) -> Boxes:
    """The smallest box around each of the labels 1..count."""
    height, width = labels.shape
    boxes = np.empty((count, 4), np.int32)
    for k in range(count):
        boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3] = height, width, 0, 0
    for i in range(height):
        for j in range(width):
            k = labels[i, j] - 1
            if k >= 0:
                boxes[k, 0], boxes[k, 1] = min(boxes[k, 0], i), min(boxes[k, 1], j)
                boxes[k, 2], boxes[k, 3] = max(boxes[k, 2], i + 1), max(boxes[k, 3], j + 1)
    for k in range(count):
        boxes[k, 2] -= boxes[k, 0]
        boxes[k, 3] -= boxes[k, 1]
    return boxes


@kernel
def _cross(rows: Any, cols: Any) -> Boxes:
    """The boxes where intervals of rows and of columns (int32 [n, 2]: begin, length) cross."""
    across = cols.shape[0]
    boxes = np.empty((rows.shape[0] * across, 4), np.int32)
    for k in range(boxes.shape[0]):
        boxes[k, 0], boxes[k, 1] = rows[k // across, 0], cols[k % across, 0]
        boxes[k, 2], boxes[k, 3] = rows[k // across, 1], cols[k % across, 1]
    return boxes


@kernel
def _even(side: int, count: int) -> Any:
    """`count` intervals of one length that fill a side, with one cell between neighbours if need be; none if neither.

    Whether cells lie between follows from the side, as it is a multiple of `count` or one less than a multiple.
    """
    gap = 0 if side % count == 0 else 1
    length = (side - gap * (count - 1)) // count
    if length < 1 or length * count + gap * (count - 1) != side:
        return np.empty((0, 2), np.int32)
    intervals = np.empty((count, 2), np.int32)
    for k in range(count):
        intervals[k, 0], intervals[k, 1] = k * (length + gap), length
    return intervals


@kernel
def _between(lines: Any, colour: int) -> Any:
    """The intervals between the rows or columns whose entry in `lines` is `colour`."""
    side = lines.shape[0]
    intervals = np.empty((side, 2), np.int32)
    count = 0
    inside = False
    for i in range(side):
        if lines[i] == colour:
            inside = False
        elif inside:
            intervals[count - 1, 1] += 1
        else:
            intervals[count, 0], intervals[count, 1] = i, 1
            count += 1
            inside = True
    return intervals[:count]


@kernel
def _lines(cells: Cells, vertical: bool) -> Any:
    """For every row, or for every column, the colour that fills it, or -1."""
    height, width = cells.shape
    lines = np.empty(width if vertical else height, np.int64)
    for k in range(lines.shape[0]):
        lines[k] = cells[0, k] if vertical else cells[k, 0]
        for m in range(height if vertical else width):
            if (cells[m, k] if vertical else cells[k, m]) != lines[k]:
                lines[k] = -1
                break
    return lines


@kernel
def _count(counts: Any, colour: int) -> None:
    """Counts one more cell of a non-zero colour in `counts` (int64 [10]); colours met earlier are ahead in a tie."""
    if colour > 0:
        if counts[colour] == 0:
            counts[colour] = 10
            for other in range(10):
                if other != colour and counts[other] > 0:
                    counts[colour] -= 1
        counts[colour] += 16


@kernel
def _most(counts: Any) -> int:
    """The colour that `_count` has seen most often, 0 if none."""
    best = 0
    for colour in range(1, 10):
        if counts[colour] > counts[best]:
            best = colour
    return best


@kernel
def _divide(row: int, col: int, cells: Cells, blank: bool, direction: int) -> Images:
    """The parts between full lines; direction: 0 across, 1 down, 2 both.

    Lines are blank, or of the non-zero colour of most lines. Fewer than two parts are no result.
    """
    across, down = _lines(cells, False), _lines(cells, True)
    if direction < 2:
        (down if direction == 0 else across).fill(-1)
    colour = 0
    if not blank:
        counts = np.zeros(10, np.int64)
        for k in range(across.shape[0]):
            _count(counts, across[k])
        for k in range(down.shape[0]):
            _count(counts, down[k])
        colour = _most(counts)
        if colour == 0:
            return no_images()
    boxes = _cross(_between(across, colour), _between(down, colour))
    return _cut(row, col, cells, boxes) if boxes.shape[0] > 1 else no_images()


@kernel
def objects(row: int, col: int, cells: Cells, arg: int) -> Images:
    """Connected components, each with its own cells only.

    arg: 0 one colour, 4-connected; 1 one colour, 8-connected; 2 any non-zero, 4-connected; 3 any non-zero, 8-connected.
    """
    labels, count = components(cells, 4 + 4 * (arg % 2), arg < 2)
    return _cut_labels(row, col, cells, _label_boxes(labels, count), labels)


@kernel
def object_boxes(row: int, col: int, cells: Cells, arg: int) -> Images:
    """All that the image shows in the box around each component of one colour. arg: 0 4-connected, 1 8-connected."""
    labels, count = components(cells, 4 + 4 * arg, True)
    return _cut(row, col, cells, _label_boxes(labels, count))


@kernel
def colour_layers(row: int, col: int, cells: Cells, arg: int) -> Images:
    """One image for every non-zero colour.

    arg: 0 its cells, as large as the whole; 1 its cells, in the box around them; 2 all that is in that box.
    """
    height, width = cells.shape
    labels = np.zeros((height, width), np.int32)
    ranks = np.zeros(10, np.int32)
    count = 0
    for i in range(height):
        for j in range(width):
            colour = cells[i, j]
            if colour != 0:
                if ranks[colour] == 0:
                    count += 1
                    ranks[colour] = count
                labels[i, j] = ranks[colour]
    boxes = _label_boxes(labels, count)
    if arg == 2:
        return _cut(row, col, cells, boxes)
    if arg == 0:
        for k in range(count):
            boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3] = 0, 0, height, width
    return _cut_labels(row, col, cells, boxes, labels)


@kernel
def pixels(row: int, col: int, cells: Cells, arg: int) -> Images:
    """Every cell that is not 0 as an image of its own."""
    height, width = cells.shape
    boxes = np.ones((height * width, 4), np.int32)
    count = 0
    for i in range(height):
        for j in range(width):
            if cells[i, j] != 0:
                boxes[count, 0], boxes[count, 1] = i, j
                count += 1
    return _cut(row, col, cells, boxes[:count])


@kernel
def strips(row: int, col: int, cells: Cells, arg: int) -> Images:
    """arg: 0 the rows, 1 the columns."""
    height, width = cells.shape
    return _cut(row, col, cells, _cross(_even(height, 1 if arg else height), _even(width, width if arg else 1)))


@kernel
def parts(row: int, col: int, cells: Cells, arg: int) -> Images:
    """The parts between lines that cross the whole image. arg: 0 lines of one non-zero colour, 1 lines of zeros."""
    return _divide(row, col, cells, arg == 1, 2)


@kernel
def bands(row: int, col: int, cells: Cells, arg: int) -> Images:
    """The parts between lines of one non-zero colour in one direction. arg: 0 horizontal lines, 1 vertical lines."""
    return _divide(row, col, cells, False, arg)


@kernel
def equal_parts(row: int, col: int, cells: Cells, arg: int) -> Images:
    """Parts of one size; where the side asks for it, one line between neighbours belongs to none.

    arg: 0..2 two, three, four side by side; 3..5 two, three, four stacked; 6 two by two; 7 three by three.
    """
    height, width = cells.shape
    down = arg - 1 if 3 <= arg <= 5 else 1
    across = arg + 2 if arg <= 2 else 1
    if arg >= 6:
        down = across = arg - 4
    return _cut(row, col, cells, _cross(_even(height, down), _even(width, across)))


@kernel
def zero_regions(row: int, col: int, cells: Cells, arg: int) -> Images:
    """4-connected regions of zeros, each filled with the colour that most of its cells border on.

    arg: 0 the enclosed ones, which do not reach the edge of the image; 1 all.
    """
    height, width = cells.shape
    mask = np.zeros((height, width), np.int8)
    for i in range(height):
        for j in range(width):
            mask[i, j] = 1 if cells[i, j] == 0 else 0
    labels, count = components(mask, 4, True)
    inner = np.ones(count + 1, np.bool_)
    around = np.zeros((count + 1, 10), np.int64)
    for i in range(height):
        for j in range(width):
            for di, dj in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                if i + di < 0 or j + dj < 0 or i + di >= height or j + dj >= width:
                    inner[labels[i, j]] = False
                else:
                    _count(around[labels[i, j]], cells[i + di, j + dj])
    numbers = np.zeros(count + 1, np.int32)
    kept = 0
    for k in range(1, count + 1):
        if _most(around[k]) > 0 and (inner[k] or arg == 1):
            kept += 1
            numbers[k] = kept
    filled = np.zeros((height, width), np.int8)
    for i in range(height):
        for j in range(width):
            filled[i, j] = _most(around[labels[i, j]])
            labels[i, j] = numbers[labels[i, j]]
    return _cut_labels(row, col, filled, _label_boxes(labels, kept), labels)


@kernel
def frames(row: int, col: int, cells: Cells, arg: int) -> Images:
    """What rectangular frames of one colour hold; solid rectangles are no frames. arg: 0 the inside, 1 with the frame.

    A frame may be several cells thick.
    """
    labels, count = components(cells, 4, True)
    boxes = _label_boxes(labels, count)
    found = 0
    for k in range(count):
        top, left = boxes[k, 0], boxes[k, 1]
        bottom, right = top + boxes[k, 2] - 1, left + boxes[k, 3] - 1
        thickness = 0
        closed = True
        while closed and top <= bottom and left <= right:
            for i in range(top, bottom + 1):
                closed = closed and labels[i, left] == k + 1 and labels[i, right] == k + 1
            for j in range(left, right + 1):
                closed = closed and labels[top, j] == k + 1 and labels[bottom, j] == k + 1
            if closed:
                top, left, bottom, right = top + 1, left + 1, bottom - 1, right - 1
                thickness += 1
        if thickness > 0 and top <= bottom and left <= right:
            thickness = 0 if arg == 0 else thickness
            boxes[found, 0], boxes[found, 1] = top - thickness, left - thickness
            boxes[found, 2] = bottom - top + 1 + 2 * thickness
            boxes[found, 3] = right - left + 1 + 2 * thickness
            found += 1
    return _cut(row, col, cells, boxes[:found])


@kernel
def solid_windows(row: int, col: int, cells: Cells, arg: int) -> Images:
    """The largest windows of one colour, at least 2 x 2: all of the greatest area that do not overlap earlier ones.

    arg: 0 squares of a non-zero colour, 1 squares of zeros, 2 rectangles of a non-zero colour, 3 rectangles of zeros.
    Windows of zeros are filled with the most common non-zero colour of the image.
    """
    height, width = cells.shape
    down = np.ones((height, width), np.int64)
    counts = np.zeros(10, np.int64)
    for i in range(height):
        for j in range(width):
            _count(counts, cells[i, j])
    for i in range(height - 2, -1, -1):
        for j in range(width):
            if cells[i + 1, j] == cells[i, j]:
                down[i, j] = down[i + 1, j] + 1
    boxes = np.empty((height * width, 4), np.int32)
    best, count = 4, 0
    for i in range(height):
        for j in range(width):
            if (cells[i, j] == 0) != (arg % 2 == 1):
                continue
            run = down[i, j]
            wide = 0
            while j + wide < width and cells[i, j + wide] == cells[i, j]:
                run = min(run, down[i, j + wide])
                wide += 1
                tall = wide if arg < 2 else run
                if tall < 2 or wide < 2 or tall > run or tall * wide < best:
                    continue
                if tall * wide > best:
                    best, count = tall * wide, 0
                overlaps = False
                for k in range(count):
                    rows = min(boxes[k, 0] + boxes[k, 2], i + tall) - max(boxes[k, 0], i)
                    cols = min(boxes[k, 1] + boxes[k, 3], j + wide) - max(boxes[k, 1], j)
                    overlaps = overlaps or (rows > 0 and cols > 0)
                if overlaps:
                    continue
                boxes[count, 0], boxes[count, 1], boxes[count, 2], boxes[count, 3] = i, j, tall, wide
                count += 1
    if arg % 2 == 0:
        return _cut(row, col, cells, boxes[:count])
    main = _most(counts)
    if main == 0:
        return no_images()
    placed, out = _cut(row, col, cells, boxes[:count])
    out[:] = main
    return placed, out


PRIMITIVES: tuple[Primitive, ...] = (
    Primitive(objects, Type.SPLIT, args=range(4), cost=1.0),
    Primitive(object_boxes, Type.SPLIT, args=range(2), cost=1.5),
    Primitive(colour_layers, Type.SPLIT, args=range(3), cost=1.0),
    Primitive(pixels, Type.SPLIT, cost=2.0),
    Primitive(strips, Type.SPLIT, args=range(2), cost=1.5),
    Primitive(parts, Type.SPLIT, args=range(2), cost=1.0),
    Primitive(bands, Type.SPLIT, args=range(2), cost=2.0),
    Primitive(equal_parts, Type.SPLIT, args=range(8), cost=1.0),
    Primitive(zero_regions, Type.SPLIT, args=range(2), cost=1.5),
    Primitive(frames, Type.SPLIT, args=range(2), cost=1.5),
    Primitive(solid_windows, Type.SPLIT, args=range(4), cost=2.0),
)
