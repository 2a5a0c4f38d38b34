"""Features of a cell by the colours, and the components of one colour, of its whole grid."""

from __future__ import annotations

import numpy as np

from solver.search.cells.feature import Family, Feature, Plane, amount, colour
from solver.search.compiled import kernel
from solver.search.image import Cells, components

PALETTE = (
    colour("most common colour", 1.5),
    colour("least common colour", 1.5),
    colour("most common non-zero colour", 1.3),
    colour("second most common non-zero colour", 1.6),
    colour("least common non-zero colour", 1.4),
    amount("colours", 1.8),
    amount("non-zero cells", 2.0),
    Feature("has the most common non-zero colour", 1.3),
    Feature("has the least common non-zero colour", 1.3),
    amount("cells of its colour", 1.8),
    amount("rank of its colour", 1.8),
    colour("top-left colour", 1.8),
    colour("top-right colour", 1.8),
    colour("bottom-left colour", 1.8),
    colour("bottom-right colour", 1.8),
    colour("colour in the centre", 1.8),
    colour("colour of the largest component", 1.6),
    colour("colour of the smallest component", 1.6),
    colour("colour most often next to its colour", 1.6),
    colour("the other of two colours", 1.4),
    amount("components", 2.0),
    Feature("grid is left-right symmetric", 2.0),
    Feature("grid is up-down symmetric", 2.0),
    Feature("touches the least common non-zero colour", 1.5),
    Feature("sees the least common non-zero colour straight", 1.5),
    colour("colour of a component with its middle in this row", 1.7),
    colour("colour of a component with its middle in this column", 1.7),
)


@kernel
def extremes(cells: Cells) -> tuple[int, int, int]:
    """The colours of the largest and the smallest 8-component of one colour (0: there is none), their number."""
    labels, count = components(cells, 8, True)
    sizes = np.zeros(count + 1, np.int64)
    colours = np.zeros(count + 1, np.int64)
    height, width = cells.shape
    for i in range(height):
        for j in range(width):
            if labels[i, j] > 0:
                sizes[labels[i, j]] += 1
                colours[labels[i, j]] = cells[i, j]
    if count == 0:
        return 0, 0, 0
    large, small = 1, 1
    for n in range(2, count + 1):
        if sizes[n] > sizes[large]:
            large = n
        if sizes[n] < sizes[small]:
            small = n
    return int(colours[large]), int(colours[small]), count


@kernel
def closest(cells: Cells) -> Cells:
    """For every colour the other non-zero colour that it most often touches (4 neighbours); 0 if none."""
    height, width = cells.shape
    touch = np.zeros((10, 10), np.int64)
    for i in range(height):
        for j in range(width):
            for k in range(2):
                a, b = i + (k == 0), j + (k == 1)
                if a < height and b < width:
                    touch[cells[i, j], cells[a, b]] += 1
                    touch[cells[a, b], cells[i, j]] += 1
    out = np.zeros(10, np.int8)
    for c in range(10):
        best = 0
        for other in range(1, 10):
            if other != c and touch[c, other] > best:
                best, out[c] = touch[c, other], other
    return out


@kernel
def middles(cells: Cells) -> tuple[Cells, Cells]:
    """For every row, and every column, the colour of the first 8-component of several cells whose middle it is."""
    height, width = cells.shape
    labels, count = components(cells, 8, True)
    box = np.zeros((count + 1, 6), np.int64)
    box[:, 0] = height
    box[:, 1] = width
    for i in range(height):
        for j in range(width):
            n = labels[i, j]
            box[n, 0] = min(box[n, 0], i)
            box[n, 1] = min(box[n, 1], j)
            box[n, 2] = max(box[n, 2], i)
            box[n, 3] = max(box[n, 3], j)
            box[n, 4] += 1
            box[n, 5] = cells[i, j]
    rows_, columns = np.zeros(height, np.int8), np.zeros(width, np.int8)
    for n in range(1, count + 1):
        down, right = box[n, 0] + box[n, 2], box[n, 1] + box[n, 3]
        if box[n, 4] > 1 and down % 2 == 0 and rows_[down // 2] == 0:
            rows_[down // 2] = box[n, 5]
        if box[n, 4] > 1 and right % 2 == 0 and columns[right // 2] == 0:
            columns[right // 2] = box[n, 5]
    return rows_, columns


@kernel
def palette(cells: Cells, variant: int) -> Plane:
    """The features of PALETTE."""
    height, width = cells.shape
    out = np.zeros((27, height, width), np.int16)
    counts = np.zeros(10, np.int64)
    for i in range(height):
        for j in range(width):
            counts[cells[i, j]] += 1
    most, most_non_zero, colours = 0, 0, 0
    for c in range(10):
        colours += counts[c] > 0
        if counts[c] > counts[most]:
            most = c
        if c > 0 and counts[c] > (0 if most_non_zero == 0 else counts[most_non_zero]):
            most_non_zero = c
    least, least_non_zero, second = most, most_non_zero, 0
    for c in range(10):
        if 0 < counts[c] < counts[least]:
            least = c
        if c > 0 and 0 < counts[c] < counts[least_non_zero]:
            least_non_zero = c
        if c > 0 and c != most_non_zero and counts[c] > (0 if second == 0 else counts[second]):
            second = c
    large, small, count = extremes(cells)
    near = closest(cells)
    middle_rows, middle_columns = middles(cells)
    lr, ud = 1, 1
    for i in range(height):
        for j in range(width):
            if cells[i, j] != cells[i, width - 1 - j]:
                lr = 0
            if cells[i, j] != cells[height - 1 - i, j]:
                ud = 0
    non_zero = colours - (counts[0] > 0)
    for i in range(height):
        for j in range(width):
            c = int(cells[i, j])
            out[0, i, j] = most
            out[1, i, j] = least
            out[2, i, j] = most_non_zero
            out[3, i, j] = second
            out[4, i, j] = least_non_zero
            out[5, i, j] = colours
            out[6, i, j] = height * width - counts[0]
            out[7, i, j] = c != 0 and counts[c] == counts[most_non_zero]
            out[8, i, j] = c != 0 and counts[c] == counts[least_non_zero]
            out[9, i, j] = counts[c]
            for other in range(1, 10):
                out[10, i, j] += counts[other] > counts[c]
            if c == 0:
                out[10, i, j] = -1
            out[11, i, j] = cells[0, 0]
            out[12, i, j] = cells[0, width - 1]
            out[13, i, j] = cells[height - 1, 0]
            out[14, i, j] = cells[height - 1, width - 1]
            out[15, i, j] = cells[(height - 1) // 2, (width - 1) // 2]
            out[16, i, j] = large
            out[17, i, j] = small
            out[18, i, j] = near[c]
            if c != 0 and non_zero == 2:
                out[19, i, j] = second if c == most_non_zero else most_non_zero
            out[20, i, j] = count
            out[21, i, j] = lr
            out[22, i, j] = ud
            out[25, i, j] = middle_rows[i]
            out[26, i, j] = middle_columns[j]
            if c == least_non_zero and c > 0:
                for a in range(height):
                    for b in range(width):
                        if abs(a - i) <= 1 and abs(b - j) <= 1 and (a != i or b != j):
                            out[23, a, b] = 1
                        if (a == i) != (b == j):
                            out[24, a, b] = 1
    return out


FAMILIES = (Family(palette, PALETTE),)
