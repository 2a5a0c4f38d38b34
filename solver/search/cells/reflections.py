"""Features of a cell by the mirror images and turns of its grid."""

from __future__ import annotations

import numpy as np

from solver.search.cells.feature import Family, Plane, colour
from solver.search.compiled import kernel
from solver.search.image import Cells

MIRRORS = (
    colour("colour mirrored left-right", 1.2),
    colour("colour mirrored up-down", 1.2),
    colour("colour after a half turn", 1.3),
    colour("colour transposed", 1.4),
    colour("colour transposed along the other diagonal", 1.4),
    colour("colour after a quarter turn", 1.4),
    colour("colour after a quarter turn back", 1.4),
    colour("colour in the best left-right reflection", 1.5),
    colour("colour in the best up-down reflection", 1.5),
    colour("colour in some reflection or turn", 1.3),
    colour("colour in some best reflection", 1.5),
    colour("colour in the best quarter turns", 1.6),
)


@kernel
def best_axis(cells: Cells) -> int:
    """The sum i + i' of rows that an up-down reflection exchanges, which agrees best where neither cell is 0."""
    height, width = cells.shape
    best, axis = -(1 << 40), height - 1
    for total in range(height // 2, 2 * height - 1 - height // 2):
        score = 0
        for i in range(max(0, total - height + 1), min(height, total + 1)):
            other = total - i
            if other <= i:
                break
            for j in range(width):
                if cells[i, j] != 0 and cells[other, j] != 0:
                    score += 1 if cells[i, j] == cells[other, j] else -4
        better = score > best
        # Among equals the axis closest to the middle.
        if better or (score == best and abs(total - height + 1) < abs(axis - height + 1)):
            best, axis = score, total
    return int(axis)


@kernel
def turn(i: int, j: int, down: int, right: int) -> tuple[int, int]:
    """A cell after a quarter turn about (down / 2, right / 2), both even or both odd."""
    return (down + right) // 2 - j, (right - down) // 2 + i


@kernel
def best_centre(cells: Cells) -> tuple[int, int]:
    """Twice the centre of the quarter turn that agrees best where neither cell is 0; the grid's own among equals."""
    height, width = cells.shape
    best, best_down, best_right, far = 0, height - 1, width - 1 - (height + width) % 2, 0
    for down in range(height // 2, 2 * height - 1 - height // 2):
        for right in range(width // 2, 2 * width - 1 - width // 2):
            if (down + right) % 2 == 1:
                continue
            score = 0
            for i in range(height):
                for j in range(width):
                    a, b = turn(i, j, down, right)
                    if 0 <= a < height and 0 <= b < width and cells[i, j] != 0 and cells[a, b] != 0:
                        score += 1 if cells[i, j] == cells[a, b] else -4
                if score < -40:
                    break
            distance = abs(down - height + 1) + abs(right - width + 1)
            if score > best or (score == best and distance < far):
                best, best_down, best_right, far = score, down, right, distance
    return best_down, best_right


@kernel
def mirrors(cells: Cells, variant: int) -> Plane:
    """The features of MIRRORS."""
    height, width = cells.shape
    out = np.zeros((12, height, width), np.int16)
    down, right = best_centre(cells)
    up_down = best_axis(cells)
    left_right = best_axis(np.ascontiguousarray(cells.T))
    last = 7 if height == width else 3
    for i in range(height):
        for j in range(width):
            a, b = height - 1 - i, width - 1 - j
            out[0, i, j] = cells[i, b]
            out[1, i, j] = cells[a, j]
            out[2, i, j] = cells[a, b]
            if height == width:
                out[3, i, j] = cells[j, i]
                out[4, i, j] = cells[b, a]
                out[5, i, j] = cells[b, i]
                out[6, i, j] = cells[j, a]
            else:
                out[3:7, i, j] = -1
            a, b = up_down - i, left_right - j
            inside_a, inside_b = 0 <= a < height, 0 <= b < width
            if inside_b:
                out[7, i, j] = cells[i, b]
            if inside_a:
                out[8, i, j] = cells[a, j]
            out[9, i, j] = cells[i, j]
            for k in range(last):
                if out[9, i, j] == 0:
                    out[9, i, j] = out[k, i, j]
            out[10, i, j] = cells[i, j]
            for k in range(7, 9):
                if out[10, i, j] == 0:
                    out[10, i, j] = out[k, i, j]
            if out[10, i, j] == 0 and inside_a and inside_b:
                out[10, i, j] = cells[a, b]
            out[11, i, j] = cells[i, j]
            a, b = i, j
            for _ in range(3):
                a, b = turn(a, b, down, right)
                if out[11, i, j] == 0 and 0 <= a < height and 0 <= b < width:
                    out[11, i, j] = cells[a, b]
    return out


FAMILIES = (Family(mirrors, MIRRORS),)
