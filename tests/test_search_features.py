"""Features of cells: every one of them, by name, against a slow definition or a drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from solver.search.cells.cell_table import extra_cost, tabulate
from solver.search.cells.component_table import NOTIONS
from solver.search.cells.extents import EXTENTS, NEAREST
from solver.search.cells.features import FEATURES, planes
from solver.search.cells.lines import DIAGONALS, LINES
from solver.search.cells.membership import MEMBERSHIP
from solver.search.cells.palette import PALETTE
from solver.search.cells.panels import PANELS
from solver.search.cells.periods import PERIODS
from solver.search.cells.reflections import MIRRORS
from solver.search.cells.relations import RELATIONS
from solver.search.cells.spreading import SPECIALS, WAYS
from solver.search.cells.surroundings import AXES, DIRECTIONS, NEIGHBOURS, OFFSETS, POSITION, SIGHT

NUMBERS = {feature.name: number for number, feature in enumerate(FEATURES)}

STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
STRAIGHT, DIAGONAL = STEPS[:4], STEPS[4:]


def draw(text: str) -> np.ndarray:
    """A grid from rows of characters: '.' is 0, '-' is -1."""
    codes = {".": 0, "-": -1}
    return np.array([[codes[c] if c in codes else int(c) for c in row] for row in text.split()], np.int8)


def plane(name: str, cells: np.ndarray) -> list[list[int]]:
    return planes(cells)[NUMBERS[name]].tolist()


def sample(seed: int, height: int, width: int, colours: int, empty: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, colours, (height, width)).astype(np.int8)
    cells[rng.random((height, width)) < empty] = 0
    return cells


GRIDS = (
    sample(1, 7, 6, 4, 0.4),
    sample(2, 8, 8, 3, 0.6),
    sample(3, 5, 9, 10, 0.2),
    sample(4, 1, 6, 3, 0.3),
    sample(5, 4, 1, 3, 0.3),
    draw("1111..... 1..1.222. 1..1.2.2. 1111.222. ......... ..333.... ..3.3..1. ..333.... ........3"),
    draw("000 000 000"),
    draw("7"),
)

Definition = Callable[..., Any]


def agree(name: str, definition: Callable[[np.ndarray, int, int], Any]) -> None:
    """The feature is what the definition says of every cell of every grid."""
    for cells in GRIDS:
        height, width = cells.shape
        expected = [[int(definition(cells, i, j)) for j in range(width)] for i in range(height)]
        assert plane(name, cells) == expected, cells


def named(features: tuple[Any, ...]) -> set[str]:
    return {feature.name for feature in features}


def test_every_name_is_there_once_and_the_colour_comes_first() -> None:
    assert len(NUMBERS) == len(FEATURES)
    assert FEATURES[0].name == "colour"
    assert all(feature.cost > 0 for feature in FEATURES)
    for cells in GRIDS:
        assert planes(cells).shape == (len(FEATURES), *cells.shape)
        assert np.array_equal(planes(cells)[0], cells)


def test_values_that_are_colours_are_colours_or_negative() -> None:
    for cells in GRIDS:
        values = planes(cells)
        for number, feature in enumerate(FEATURES):
            if feature.copies:
                assert -1 <= values[number].min() <= values[number].max() <= 9, feature.name


POSITIONS: dict[str, Definition] = {
    "row": lambda i, j, h, w: i,
    "row from the bottom": lambda i, j, h, w: h - 1 - i,
    "column": lambda i, j, h, w: j,
    "column from the right": lambda i, j, h, w: w - 1 - j,
    "row parity": lambda i, j, h, w: i % 2,
    "column parity": lambda i, j, h, w: j % 2,
    "checkerboard parity": lambda i, j, h, w: (i + j) % 2,
    "row mod 3": lambda i, j, h, w: i % 3,
    "column mod 3": lambda i, j, h, w: j % 3,
    "row plus column mod 3": lambda i, j, h, w: (i + j) % 3,
    "row minus column mod 3": lambda i, j, h, w: (i - j) % 3,
    "ring": lambda i, j, h, w: min(i, j, h - 1 - i, w - 1 - j),
    "ring parity": lambda i, j, h, w: min(i, j, h - 1 - i, w - 1 - j) % 2,
    "on the edge": lambda i, j, h, w: i in (0, h - 1) or j in (0, w - 1),
    "in a corner": lambda i, j, h, w: i in (0, h - 1) and j in (0, w - 1),
    "on the main diagonal": lambda i, j, h, w: i == j,
    "on the other diagonal": lambda i, j, h, w: i + j == w - 1,
    "in the middle row": lambda i, j, h, w: i == (h - 1) / 2,
    "in the middle column": lambda i, j, h, w: j == (w - 1) / 2,
    "height": lambda i, j, h, w: h,
    "width": lambda i, j, h, w: w,
    "row parity from the bottom": lambda i, j, h, w: (h - 1 - i) % 2,
    "column parity from the right": lambda i, j, h, w: (w - 1 - j) % 2,
}


def test_every_position_is_defined() -> None:
    assert set(POSITIONS) == named(POSITION)


@pytest.mark.parametrize("name", POSITIONS)
def test_position(name: str) -> None:
    agree(name, lambda cells, i, j: POSITIONS[name](i, j, *cells.shape))


def at(cells: np.ndarray, i: int, j: int) -> int:
    height, width = cells.shape
    return int(cells[i, j]) if 0 <= i < height and 0 <= j < width else -1


def around(cells: np.ndarray, i: int, j: int, steps: Any) -> list[int]:
    return [c for c in (at(cells, i + a, j + b) for a, b in steps) if c >= 0]


def most(colours: list[int], default: int = 0) -> int:
    """The most common non-zero colour, the smallest of equals."""
    counts = Counter(c for c in colours if c > 0)
    return min(counts, key=lambda c: (-counts[c], c)) if counts else default


def least(colours: list[int]) -> int:
    counts = Counter(c for c in colours if c > 0)
    return min(counts, key=lambda c: (counts[c], c)) if counts else 0


SETS = {"8 neighbours": STEPS, "4 neighbours": STRAIGHT, "diagonal neighbours": DIAGONAL}

NEIGHBOUR_DEFINITIONS: dict[str, Definition] = {
    "colour": at,
    **{f"colour at {a:+d},{b:+d}": lambda g, i, j, a=a, b=b: at(g, i + a, j + b) for a, b in OFFSETS},
    **{
        f"same-coloured among {name}": lambda g, i, j, s=s: sum(c == g[i, j] for c in around(g, i, j, s))
        for name, s in SETS.items()
    },
    **{
        f"differently coloured among {name}": lambda g, i, j, s=s: sum(c != g[i, j] for c in around(g, i, j, s))
        for name, s in SETS.items()
    },
    **{
        f"non-zero among {name}": lambda g, i, j, s=s: sum(c != 0 for c in around(g, i, j, s))
        for name, s in SETS.items()
    },
    "colours among 8 neighbours": lambda g, i, j: len({*around(g, i, j, STEPS)} - {0}),
    "colours among 4 neighbours": lambda g, i, j: len({*around(g, i, j, STRAIGHT)} - {0}),
    "most common colour of 8 neighbours": lambda g, i, j: most(around(g, i, j, STEPS)),
    "most common colour of 4 neighbours": lambda g, i, j: most(around(g, i, j, STRAIGHT)),
    **{f"touches {c} (8)": lambda g, i, j, c=c: c in around(g, i, j, STEPS) for c in range(1, 10)},
    **{f"touches {c} (4)": lambda g, i, j, c=c: c in around(g, i, j, STRAIGHT) for c in range(1, 10)},
}


def test_every_neighbour_is_defined() -> None:
    assert set(NEIGHBOUR_DEFINITIONS) == named(NEIGHBOURS)


@pytest.mark.parametrize("name", NEIGHBOUR_DEFINITIONS)
def test_neighbour(name: str) -> None:
    agree(name, NEIGHBOUR_DEFINITIONS[name])


def ray(cells: np.ndarray, i: int, j: int, step: tuple[int, int]) -> list[int]:
    """The colours beyond a cell, the nearest first."""
    found = []
    while at(cells, i + step[0], j + step[1]) >= 0:
        i, j = i + step[0], j + step[1]
        found.append(int(cells[i, j]))
    return found


def first(colours: list[int], default: int = 0) -> int:
    return next(iter(colours), default)


def seen(g: np.ndarray, i: int, j: int, steps: Any) -> list[int]:
    """What a cell sees in some directions, 0 where nothing."""
    return [first([c for c in ray(g, i, j, step) if c]) for step in steps]


def distance(g: np.ndarray, i: int, j: int, step: tuple[int, int]) -> int:
    return first([n for n, c in enumerate(ray(g, i, j, step), 1) if c])


PAIRS = dict(zip(AXES, (((-1, 0), (1, 0)), ((0, -1), (0, 1)), ((-1, -1), (1, 1)), ((-1, 1), (1, -1))), strict=True))


def both(g: np.ndarray, i: int, j: int, *axes: str) -> int:
    pairs = [seen(g, i, j, PAIRS[axis]) for axis in axes]
    return first([one for one, other in pairs if one == other and one > 0])


DIRECTED = tuple(zip(DIRECTIONS, STEPS, strict=True))

SIGHT_DEFINITIONS: dict[str, Definition] = {
    **{f"colour seen {d}": lambda g, i, j, s=s: seen(g, i, j, [s])[0] for d, s in DIRECTED},
    **{
        f"other colour seen {d}": lambda g, i, j, s=s: first([c for c in ray(g, i, j, s) if c not in (0, g[i, j])])
        for d, s in DIRECTED
    },
    **{f"distance seen {d}": lambda g, i, j, s=s: distance(g, i, j, s) for d, s in DIRECTED[:4]},
    **{f"own colour seen {d}": lambda g, i, j, s=s: g[i, j] in ray(g, i, j, s) for d, s in DIRECTED},
    **{f"colour on both sides {axis}": lambda g, i, j, axis=axis: both(g, i, j, axis) for axis in AXES},
    "colour on both sides along rows or columns": lambda g, i, j: both(g, i, j, *AXES[:2]),
    "colour on both sides along diagonals": lambda g, i, j: both(g, i, j, *AXES[2:]),
    "straight directions that see something": lambda g, i, j: np.count_nonzero(seen(g, i, j, STRAIGHT)),
    "diagonal directions that see something": lambda g, i, j: np.count_nonzero(seen(g, i, j, DIAGONAL)),
    "directions that see something": lambda g, i, j: np.count_nonzero(seen(g, i, j, STEPS)),
    "colour seen in some straight direction": lambda g, i, j: first([c for c in seen(g, i, j, STRAIGHT) if c]),
    "colour seen in some diagonal direction": lambda g, i, j: first([c for c in seen(g, i, j, DIAGONAL) if c]),
    "colours seen straight": lambda g, i, j: len({*seen(g, i, j, STRAIGHT)} - {0}),
    "most seen colour": lambda g, i, j: most(seen(g, i, j, STEPS)),
    **{f"sees {c} straight": lambda g, i, j, c=c: c in seen(g, i, j, STRAIGHT) for c in range(1, 10)},
    **{f"sees {c} diagonally": lambda g, i, j, c=c: c in seen(g, i, j, DIAGONAL) for c in range(1, 10)},
    **{
        f"next colour {d}": lambda g, i, j, s=s: first([c for c in ray(g, i, j, s) if c != g[i, j]], -1)
        for d, s in DIRECTED[:4]
    },
    "midway between what it sees left and right": lambda g, i, j: (
        distance(g, i, j, (0, -1)) == distance(g, i, j, (0, 1)) > 0
    ),
    "midway between what it sees up and down": lambda g, i, j: (
        distance(g, i, j, (-1, 0)) == distance(g, i, j, (1, 0)) > 0
    ),
}


def test_every_sight_is_defined() -> None:
    assert set(SIGHT_DEFINITIONS) == named(SIGHT)


@pytest.mark.parametrize("name", SIGHT_DEFINITIONS)
def test_sight(name: str) -> None:
    agree(name, SIGHT_DEFINITIONS[name])


def common(line: np.ndarray) -> int:
    counts = np.bincount(line.ravel(), minlength=10)
    return int(counts.argmax())


LINE_DEFINITIONS: dict[str, Definition] = {
    "most common colour of the {}": lambda g, i, j: common(g[i]),
    "most common non-zero colour of the {}": lambda g, i, j: most(g[i].tolist()),
    "non-zero in the {}": lambda g, i, j: np.count_nonzero(g[i]),
    "{} is uniform": lambda g, i, j: len(set(g[i].tolist())) == 1,
    "colours in the {}": lambda g, i, j: len(set(g[i].tolist())),
    "same-coloured in the {}": lambda g, i, j: (g[i] == g[i, j]).sum(),
    "{} is one of the fullest": lambda g, i, j: (g[i] != 0).sum() == (g != 0).sum(axis=1).max(),
    "{} is a palindrome": lambda g, i, j: np.array_equal(g[i], g[i, ::-1]),
    "{}s like this {}": lambda g, i, j: (g == g[i]).all(axis=1).sum(),
    "{first} cell of the {}": lambda g, i, j: g[i, 0],
    "{last} cell of the {}": lambda g, i, j: g[i, -1],
    "first non-zero colour of the {}": lambda g, i, j: first([c for c in g[i].tolist() if c]),
    "last non-zero colour of the {}": lambda g, i, j: first([c for c in g[i, ::-1].tolist() if c]),
}

ROWS = {
    name.replace("{first}", "left").replace("{last}", "right").replace("{}", "row"): definition
    for name, definition in LINE_DEFINITIONS.items()
}
COLUMNS = {
    name.replace("{first}", "top").replace("{last}", "bottom").replace("{}", "column"): definition
    for name, definition in LINE_DEFINITIONS.items()
}


def test_every_line_is_defined() -> None:
    assert {*ROWS, *COLUMNS} == named(LINES)


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    agree(name, ROWS[name])


@pytest.mark.parametrize("name", COLUMNS)
def test_column(name: str) -> None:
    agree(name, lambda cells, i, j: COLUMNS[name](cells.T, j, i))


def falling(g: np.ndarray, i: int, j: int) -> list[int]:
    return np.diagonal(g, j - i).tolist()


def rising(g: np.ndarray, i: int, j: int) -> list[int]:
    return falling(g[:, ::-1], i, g.shape[1] - 1 - j)


DIAGONAL_DEFINITIONS: dict[str, Definition] = {
    "most common non-zero colour of the falling diagonal": lambda g, i, j: most(falling(g, i, j)),
    "most common non-zero colour of the rising diagonal": lambda g, i, j: most(rising(g, i, j)),
    "non-zero in the falling diagonal": lambda g, i, j: np.count_nonzero(falling(g, i, j)),
    "non-zero in the rising diagonal": lambda g, i, j: np.count_nonzero(rising(g, i, j)),
}


def test_every_diagonal_is_defined() -> None:
    assert set(DIAGONAL_DEFINITIONS) == named(DIAGONALS)


@pytest.mark.parametrize("name", DIAGONAL_DEFINITIONS)
def test_diagonal(name: str) -> None:
    agree(name, DIAGONAL_DEFINITIONS[name])


Part = tuple[tuple[int, int], ...]
"""The cells of a component in reading order."""


@cache
def parts_of(key: bytes, height: int, width: int, notion: str) -> tuple[Part, ...]:
    cells = np.frombuffer(key, np.int8).reshape(height, width)
    steps = STRAIGHT if notion == "4-component" else STEPS
    objects = notion in ("object", "box")
    left = {(i, j) for i in range(height) for j in range(width) if cells[i, j] or not objects}
    found = []
    while left:
        part, edge = set(), [min(left)]
        while edge:
            i, j = edge.pop()
            if (i, j) in left:
                left.remove((i, j))
                part.add((i, j))
                near = [(i + a, j + b) for a, b in steps]
                edge += [p for p in near if p in left and (objects or cells[p] == cells[i, j])]
        found.append(tuple(sorted(part)))
    return tuple(found)


def parts(cells: np.ndarray, notion: str) -> tuple[Part, ...]:
    return parts_of(np.ascontiguousarray(cells).tobytes(), *cells.shape, notion)


def box(part: Part) -> tuple[int, int, int, int]:
    rows, columns = [i for i, _ in part], [j for _, j in part]
    return min(rows), min(columns), max(rows), max(columns)


def sides(part: Part) -> tuple[int, int]:
    top, left, bottom, right = box(part)
    return bottom - top + 1, right - left + 1


def part_at(cells: np.ndarray, notion: str, i: int, j: int) -> Part | None:
    found = parts(cells, notion)
    if notion != "box":
        return next((part for part in found if (i, j) in part), None)
    holding = [p for p in found if box(p)[0] <= i <= box(p)[2] and box(p)[1] <= j <= box(p)[3]]
    return min(holding, key=lambda p: sides(p)[0] * sides(p)[1]) if holding else None


def colours(cells: np.ndarray, part: Part) -> list[int]:
    return [int(cells[place]) for place in part]


def shape(part: Part) -> frozenset[tuple[int, int]]:
    top, left, _, _ = box(part)
    return frozenset((i - top, j - left) for i, j in part)


def orientations(part: Part) -> frozenset[frozenset[tuple[int, int]]]:
    turned, found = list(part), set()
    for _ in range(4):
        turned = [(j, -i) for i, j in turned]
        found |= {shape(tuple(turned)), shape(tuple((i, -j) for i, j in turned))}
    return frozenset(found)


def like(cells: np.ndarray, notion: str, part: Part) -> list[Part]:
    return [other for other in parts(cells, notion) if (cells[other[0]] == 0) == (cells[part[0]] == 0)]


def rarer(cells: np.ndarray, part: Part) -> int:
    chosen = colours(cells, part)
    return sum(c != most(chosen) for c in chosen) if any(chosen) else 0


def mirrored(cells: np.ndarray, part: Part, axis: int) -> bool:
    top, left, bottom, right = box(part)
    image = {(top + bottom - i, j) if axis else (i, left + right - j): cells[i, j] for i, j in part}
    return image == {place: cells[place] for place in part}


def hole_count(part: Part) -> int:
    top, left, bottom, right = box(part)
    mask = np.ones((bottom - top + 3, right - left + 3), np.int8)
    for i, j in part:
        mask[i - top + 1, j - left + 1] = 0
    return sum(mask[p[0]] == 1 for p in parts(mask, "4-component")) - 1


def depth(cells: np.ndarray, notion: str, i: int, j: int) -> int:
    """Chessboard distance from the nearest cell with a neighbour elsewhere; what belongs to no object is one region."""
    height, width = cells.shape
    name = {place: n for n, part in enumerate(parts(cells, notion)) for place in part}
    border = [
        (a, b)
        for a in range(height)
        for b in range(width)
        if any(
            not (0 <= a + y < height and 0 <= b + x < width) or name.get((a + y, b + x)) != name.get((a, b))
            for y, x in STEPS
        )
    ]
    return min(max(abs(a - i), abs(b - j)) for a, b in border)


def inside(part: Part, place: tuple[int, int], steps: Any) -> list[bool]:
    return [(place[0] + a, place[1] + b) in part for a, b in steps]


def is_turn(part: Part, place: tuple[int, int]) -> bool:
    up, down, left, right = inside(part, place, STRAIGHT)
    return up + down == 1 and left + right == 1


def rank(side: int, sign: int) -> Definition:
    return lambda g, n, p, i, j: sum(sign * box(q)[side] < sign * box(p)[side] for q in like(g, n, p))


def middle(p: Part, i: int, j: int) -> tuple[bool, bool]:
    top, left, bottom, right = box(p)
    return abs(i - (top + bottom) / 2) < 1, abs(j - (left + right) / 2) < 1


MEMBERSHIP_DEFINITIONS: dict[str, Definition] = {
    "size": lambda g, n, p, i, j: len(p),
    "height": lambda g, n, p, i, j: sides(p)[0],
    "width": lambda g, n, p, i, j: sides(p)[1],
    "largest": lambda g, n, p, i, j: len(p) == max(map(len, like(g, n, p))),
    "smallest": lambda g, n, p, i, j: len(p) == min(map(len, like(g, n, p))),
    "rank by size": lambda g, n, p, i, j: sum(len(q) > len(p) for q in like(g, n, p)),
    "of this size": lambda g, n, p, i, j: sum(len(q) == len(p) for q in like(g, n, p)),
    "of this shape": lambda g, n, p, i, j: sum(shape(q) == shape(p) for q in like(g, n, p)),
    "touches the edge": lambda g, n, p, i, j: any(a in (0, g.shape[0] - 1) or b in (0, g.shape[1] - 1) for a, b in p),
    "full rectangle": lambda g, n, p, i, j: len(p) == sides(p)[0] * sides(p)[1],
    "square box": lambda g, n, p, i, j: sides(p)[0] == sides(p)[1],
    "left-right symmetric": lambda g, n, p, i, j: mirrored(g, p, 0),
    "up-down symmetric": lambda g, n, p, i, j: mirrored(g, p, 1),
    "holes": lambda g, n, p, i, j: hole_count(p),
    "of this colour": lambda g, n, p, i, j: sum(most(colours(g, q)) == most(colours(g, p)) for q in like(g, n, p)),
    "rank from the left": rank(1, 1),
    "rank from the top": rank(0, 1),
    "rank from the right": rank(3, -1),
    "rank from the bottom": rank(2, -1),
    "row in it": lambda g, n, p, i, j: i - box(p)[0],
    "row in it from the bottom": lambda g, n, p, i, j: box(p)[2] - i,
    "column in it": lambda g, n, p, i, j: j - box(p)[1],
    "column in it from the right": lambda g, n, p, i, j: box(p)[3] - j,
    "on the border of its box": lambda g, n, p, i, j: i in box(p)[::2] or j in box(p)[1::2],
    "in a corner of its box": lambda g, n, p, i, j: i in box(p)[::2] and j in box(p)[1::2],
    "in the centre of its box": lambda g, n, p, i, j: all(middle(p, i, j)),
    "in the middle row of its box": lambda g, n, p, i, j: middle(p, i, j)[0],
    "in the middle column of its box": lambda g, n, p, i, j: middle(p, i, j)[1],
    "depth in it": lambda g, n, p, i, j: depth(g, n, i, j),
    "depth parity in it": lambda g, n, p, i, j: depth(g, n, i, j) % 2,
    "wider than high": lambda g, n, p, i, j: np.sign(sides(p)[1] - sides(p)[0]),
    "size parity": lambda g, n, p, i, j: len(p) % 2,
    "parity of the row in it": lambda g, n, p, i, j: (i - box(p)[0]) % 2,
    "parity of the column in it": lambda g, n, p, i, j: (j - box(p)[1]) % 2,
    "checkerboard parity in it": lambda g, n, p, i, j: (i - box(p)[0] + j - box(p)[1]) % 2,
    "in its upper half": lambda g, n, p, i, j: i - box(p)[0] < sides(p)[0] / 2,
    "in its left half": lambda g, n, p, i, j: j - box(p)[1] < sides(p)[1] / 2,
    "ends in it": lambda g, n, p, i, j: sum(sum(inside(p, place, STRAIGHT)) == 1 for place in p),
    "turns in it": lambda g, n, p, i, j: sum(is_turn(p, place) for place in p),
    "cells of rarer colours in it": lambda g, n, p, i, j: rarer(g, p),
    "most cells of rarer colours": lambda g, n, p, i, j: (
        rarer(g, p) == max(rarer(g, q) for q in like(g, n, p)) and rarer(g, p) > 0
    ),
    "of this shape, turned or mirrored": lambda g, n, p, i, j: sum(shape(q) in orientations(p) for q in like(g, n, p)),
    "colours in it": lambda g, n, p, i, j: len({*colours(g, p)} - {0}),
}


def test_every_membership_is_defined() -> None:
    assert set(MEMBERSHIP_DEFINITIONS) == named(MEMBERSHIP)


def agree_on_parts(name: str, notion: str, definition: Definition, none: int) -> None:
    def of_cell(cells: np.ndarray, i: int, j: int) -> Any:
        part = part_at(cells, notion, i, j)
        return none if part is None else definition(cells, notion, part, i, j)

    agree(f"{notion}: {name}", of_cell)


@pytest.mark.parametrize("notion", NOTIONS)
@pytest.mark.parametrize("name", MEMBERSHIP_DEFINITIONS)
def test_membership(name: str, notion: str) -> None:
    agree_on_parts(name, notion, MEMBERSHIP_DEFINITIONS[name], -1)


def adjacent(g: np.ndarray, part: Part) -> list[int]:
    """The colours across the border of a component, -1 for the edge of the grid."""
    return [at(g, i + a, j + b) for i, j in part for a, b in STRAIGHT if (i + a, j + b) not in part]


def enclosing(g: np.ndarray, part: Part) -> int:
    found = set(adjacent(g, part))
    return found.pop() if len(found) == 1 and min(found) > 0 else 0


def twin(g: np.ndarray, n: str, part: Part, same: Callable[[Part, Part], bool]) -> int:
    own = most(colours(g, part))
    return first([most(colours(g, q)) for q in like(g, n, part) if same(part, q) and most(colours(g, q)) != own])


def seen_from(g: np.ndarray, part: Part, step: tuple[int, int]) -> int:
    for i, j in part:
        a, b = i + step[0], j + step[1]
        while g[part[0]] != 0 and at(g, a, b) >= 0 and (a, b) not in part:
            if g[a, b] != 0:
                return int(g[a, b])
            a, b = a + step[0], b + step[1]
    return 0


def there(g: np.ndarray, n: str, part: Part, i: int, j: int, key: Callable[[Part], int]) -> int:
    """The colour at the same place in the box of the first component not of colour 0 with the highest key."""
    others = [q for q in parts(g, n) if g[q[0]] != 0]
    if not others:
        return 0
    top, left, bottom, right = box(max(others, key=key))
    y, x = top + i - box(part)[0], left + j - box(part)[1]
    return int(g[y, x]) if y <= bottom and x <= right else -1


RELATION_DEFINITIONS: dict[str, Definition] = {
    "most common adjacent colour": lambda g, n, p, i, j: most(adjacent(g, p)),
    "enclosing colour": lambda g, n, p, i, j: enclosing(g, p),
    "adjacent colours": lambda g, n, p, i, j: len({*adjacent(g, p)} - {0, -1}),
    "least common adjacent colour": lambda g, n, p, i, j: (
        least(adjacent(g, p)) if len({*adjacent(g, p)} - {0, -1}) > 1 else 0
    ),
    "most common colour in it": lambda g, n, p, i, j: most(colours(g, p)),
    "least common colour in it": lambda g, n, p, i, j: least(colours(g, p)) if len({*colours(g, p)} - {0}) > 1 else 0,
    "colour of its twin": lambda g, n, p, i, j: twin(g, n, p, lambda a, b: shape(a) == shape(b)),
    "colour of its turned or mirrored twin": lambda g, n, p, i, j: twin(
        g, n, p, lambda a, b: shape(b) in orientations(a)
    ),
    "mirrored left-right in its box": lambda g, n, p, i, j: g[i, box(p)[1] + box(p)[3] - j],
    "mirrored up-down in its box": lambda g, n, p, i, j: g[box(p)[0] + box(p)[2] - i, j],
    "half turned in its box": lambda g, n, p, i, j: g[box(p)[0] + box(p)[2] - i, box(p)[1] + box(p)[3] - j],
    "transposed in its box": lambda g, n, p, i, j: (
        g[box(p)[0] + j - box(p)[1], box(p)[1] + i - box(p)[0]] if sides(p)[0] == sides(p)[1] else -1
    ),
    **{f"colour seen {d} from it": lambda g, n, p, i, j, s=s: seen_from(g, p, s) for d, s in DIRECTED[:4]},
    "colour there in the most colourful": lambda g, n, p, i, j: there(
        g, n, p, i, j, lambda q: len({*colours(g, q)} - {0})
    ),
    "colour there in the largest": lambda g, n, p, i, j: there(g, n, p, i, j, len),
}


def test_every_relation_is_defined() -> None:
    assert set(RELATION_DEFINITIONS) == named(RELATIONS)


@pytest.mark.parametrize("notion", NOTIONS)
@pytest.mark.parametrize("name", RELATION_DEFINITIONS)
def test_relation(name: str, notion: str) -> None:
    agree_on_parts(name, notion, RELATION_DEFINITIONS[name], 0)


def counted(g: np.ndarray) -> Counter[int]:
    return Counter(g.ravel().tolist())


def second(g: np.ndarray) -> int:
    return most([c for c in g.ravel().tolist() if c != most(g.ravel().tolist())])


def single_coloured(g: np.ndarray) -> list[Part]:
    return [part for part in parts(g, "8-component") if g[part[0]] != 0]


def of_component(g: np.ndarray, choose: Any) -> int:
    found = single_coloured(g)
    return int(g[choose(found, key=len)[0]]) if found else 0


def partner(g: np.ndarray, i: int, j: int) -> int:
    own = [place for place in np.ndindex(g.shape) if g[place] == g[i, j]]
    return most([c for place in own for c in around(g, *place, STRAIGHT) if c != g[i, j]])


def through_middle(g: np.ndarray, line: int, axis: int) -> int:
    for part in single_coloured(g):
        if len(part) > 1 and (box(part)[axis] + box(part)[axis + 2]) / 2 == line:
            return int(g[part[0]])
    return 0


def rarest(g: np.ndarray) -> set[tuple[int, int]]:
    chosen = least(g.ravel().tolist())
    return {place for place in np.ndindex(g.shape) if g[place] == chosen > 0}


PALETTE_DEFINITIONS: dict[str, Definition] = {
    "most common colour": lambda g, i, j: common(g),
    "least common colour": lambda g, i, j: min(counted(g), key=lambda c: (counted(g)[c], c != common(g), c)),
    "most common non-zero colour": lambda g, i, j: most(g.ravel().tolist()),
    "second most common non-zero colour": lambda g, i, j: second(g),
    "least common non-zero colour": lambda g, i, j: min(
        [c for c in counted(g) if c], key=lambda c: (counted(g)[c], c != most(g.ravel().tolist()), c), default=0
    ),
    "colours": lambda g, i, j: len(counted(g)),
    "non-zero cells": lambda g, i, j: np.count_nonzero(g),
    "has the most common non-zero colour": lambda g, i, j: (
        g[i, j] != 0 and counted(g)[g[i, j]] == max(n for c, n in counted(g).items() if c)
    ),
    "has the least common non-zero colour": lambda g, i, j: (
        g[i, j] != 0 and counted(g)[g[i, j]] == min(n for c, n in counted(g).items() if c)
    ),
    "cells of its colour": lambda g, i, j: counted(g)[g[i, j]],
    "rank of its colour": lambda g, i, j: (
        sum(n > counted(g)[g[i, j]] for c, n in counted(g).items() if c) if g[i, j] else -1
    ),
    "top-left colour": lambda g, i, j: g[0, 0],
    "top-right colour": lambda g, i, j: g[0, -1],
    "bottom-left colour": lambda g, i, j: g[-1, 0],
    "bottom-right colour": lambda g, i, j: g[-1, -1],
    "colour in the centre": lambda g, i, j: g[(g.shape[0] - 1) // 2, (g.shape[1] - 1) // 2],
    "colour of the largest component": lambda g, i, j: of_component(g, max),
    "colour of the smallest component": lambda g, i, j: of_component(g, min),
    "colour most often next to its colour": partner,
    "the other of two colours": lambda g, i, j: (
        sum({*counted(g)} - {0}) - g[i, j] if len({*counted(g)} - {0}) == 2 and g[i, j] else 0
    ),
    "components": lambda g, i, j: len(single_coloured(g)),
    "grid is left-right symmetric": lambda g, i, j: np.array_equal(g, g[:, ::-1]),
    "grid is up-down symmetric": lambda g, i, j: np.array_equal(g, g[::-1]),
    "touches the least common non-zero colour": lambda g, i, j: any((i + a, j + b) in rarest(g) for a, b in STEPS),
    "sees the least common non-zero colour straight": lambda g, i, j: any((a == i) != (b == j) for a, b in rarest(g)),
    "colour of a component with its middle in this row": lambda g, i, j: through_middle(g, i, 0),
    "colour of a component with its middle in this column": lambda g, i, j: through_middle(g, j, 1),
}


def test_every_palette_feature_is_defined() -> None:
    assert set(PALETTE_DEFINITIONS) == named(PALETTE)


@pytest.mark.parametrize("name", PALETTE_DEFINITIONS)
def test_palette(name: str) -> None:
    agree(name, PALETTE_DEFINITIONS[name])


@pytest.mark.parametrize("special", SPECIALS, ids=lambda special: f"{special.feature}={special.value}")
@pytest.mark.parametrize("way", WAYS)
def test_spread(way: str, special: Any) -> None:
    stands: dict[str, Callable[[int, int], bool]] = {
        "touches (4)": lambda a, b: abs(a) + abs(b) == 1,
        "touches (8)": lambda a, b: max(abs(a), abs(b)) == 1,
        "in line with": lambda a, b: (a == 0) != (b == 0),
        "in row with": lambda a, b: a == 0 != b,
        "in column with": lambda a, b: b == 0 != a,
    }

    def definition(g: np.ndarray, i: int, j: int) -> bool:
        values = planes(g)[NUMBERS[special.feature]]
        places = [p for p in np.ndindex(g.shape) if values[p] == special.value and (g[p] != 0 or special.empty)]
        return any(stands[way](a - i, b - j) for a, b in places)

    agree(f"{way} a cell with {special.feature} = {special.value}", definition)


def shortest(g: np.ndarray, i: int, j: int, king: bool) -> tuple[int, set[int]]:
    """The distance of the nearest non-zero cells and their colours."""
    far = [(max(abs(a - i), abs(b - j)) if king else abs(a - i) + abs(b - j), int(g[a, b])) for a, b in np.argwhere(g)]
    best = min(far, default=(-1, 0))[0]
    return best, {c for n, c in far if n == best}


def only(found: set[int]) -> int:
    return found.pop() if len(found) == 1 else 0


def without_own(g: np.ndarray, i: int, j: int) -> np.ndarray:
    return np.where(g == g[i, j], 0, g)


def walk(g: np.ndarray, i: int, j: int) -> int:
    reached, steps = rarest(g), 0
    while reached and (i, j) not in reached:
        further = {(a + y, b + x) for a, b in reached for y, x in STRAIGHT if at(g, a + y, b + x) == 0} - reached
        reached, steps = reached | further, steps + 1
        if not further:
            return -1
    return steps if reached else -1


def parity(number: int) -> int:
    return number % 2 if number >= 0 else -1


NEAREST_DEFINITIONS: dict[str, Definition] = {
    "nearest non-zero colour": lambda g, i, j: only(shortest(g, i, j, False)[1]),
    "steps to the nearest non-zero cell": lambda g, i, j: shortest(g, i, j, False)[0],
    "parity of the steps to the nearest non-zero cell": lambda g, i, j: parity(shortest(g, i, j, False)[0]),
    "nearest non-zero colour, diagonal steps allowed": lambda g, i, j: only(shortest(g, i, j, True)[1]),
    "king's moves to the nearest non-zero cell": lambda g, i, j: shortest(g, i, j, True)[0],
    "parity of the king's moves to the nearest non-zero cell": lambda g, i, j: parity(shortest(g, i, j, True)[0]),
    "nearest other non-zero colour": lambda g, i, j: only(shortest(without_own(g, i, j), i, j, False)[1]),
    "steps from the least common colour through 0": walk,
    "parity of the steps from the least common colour through 0": lambda g, i, j: parity(walk(g, i, j)),
}


def test_everything_nearest_is_defined() -> None:
    assert set(NEAREST_DEFINITIONS) == named(NEAREST)


@pytest.mark.parametrize("name", NEAREST_DEFINITIONS)
def test_nearest(name: str) -> None:
    agree(name, NEAREST_DEFINITIONS[name])


def rectangles(g: np.ndarray) -> list[tuple[int, int, int, int]]:
    """top, left, bottom, right of all rectangles of one colour."""
    height, width = g.shape
    return [
        (a, b, c, d)
        for a in range(height)
        for b in range(width)
        for c in range(a, height)
        for d in range(b, width)
        if (g[a : c + 1, b : d + 1] == g[a, b]).all()
    ]


def area(r: tuple[int, int, int, int]) -> int:
    return (r[2] - r[0] + 1) * (r[3] - r[1] + 1)


def holds(r: tuple[int, int, int, int], i: int, j: int) -> bool:
    return r[0] <= i <= r[2] and r[1] <= j <= r[3]


def square(g: np.ndarray, i: int, j: int) -> int:
    return max(r[2] - r[0] + 1 for r in rectangles(g) if r[2] - r[0] == r[3] - r[1] and holds(r, i, j))


def in_largest(g: np.ndarray, i: int, j: int) -> bool:
    own = [r for r in rectangles(g) if g[r[0], r[1]] == g[i, j]]
    return any(holds(r, i, j) for r in own if area(r) == max(map(area, own)))


def holding_box(g: np.ndarray, i: int, j: int) -> int:
    boxes = {c: box(tuple(map(tuple, np.argwhere(g == c)))) for c in range(1, 10) if (g == c).any()}
    around_it = [c for c, r in boxes.items() if holds(r, i, j)]
    return min(around_it, key=lambda c: area(boxes[c]), default=0)


EXTENT_DEFINITIONS: dict[str, Definition] = {
    "side of the largest square of its colour": square,
    "in a largest rectangle of its colour": in_largest,
    "colour whose box holds it": holding_box,
}


@pytest.mark.parametrize("name", EXTENT_DEFINITIONS)
def test_extent(name: str) -> None:
    agree(name, EXTENT_DEFINITIONS[name])


def square_only(g: np.ndarray, i: int, j: int, image: np.ndarray) -> int:
    return int(image[i, j]) if g.shape[0] == g.shape[1] else -1


MIRROR_IMAGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "colour mirrored left-right": lambda g: g[:, ::-1],
    "colour mirrored up-down": lambda g: g[::-1],
    "colour after a half turn": lambda g: g[::-1, ::-1],
}
SQUARE_IMAGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "colour transposed": lambda g: g.T,
    "colour transposed along the other diagonal": lambda g: g[::-1, ::-1].T,
    "colour after a quarter turn": lambda g: np.rot90(g, -1),
    "colour after a quarter turn back": lambda g: np.rot90(g),
}


@pytest.mark.parametrize("name", MIRROR_IMAGES)
def test_mirror(name: str) -> None:
    agree(name, lambda g, i, j: MIRROR_IMAGES[name](g)[i, j])


@pytest.mark.parametrize("name", SQUARE_IMAGES)
def test_turn(name: str) -> None:
    agree(name, lambda g, i, j: square_only(g, i, j, SQUARE_IMAGES[name](g)))


DRAWINGS: dict[str, tuple[str, str]] = {
    "colour at the corners of a rectangle around it": (
        "4...4 ..... 4...4 .3..3",
        "..... .444. ..... .....",
    ),
    "colour in the best left-right reflection": ("123.. 454.. 67...", "..321 ..454 ...76"),
    "colour in the best up-down reflection": ("12. 34. 34. 1.. ...", "1.. 34. 34. 12. ..."),
    "colour in some reflection or turn": ("12. ... ...", "121 2.2 121"),
    "colour in some best reflection": ("12321 4.6.. 12321", "12321 4.6.4 12321"),
    "colour in the best quarter turns": ("121.. 2.2.. 12... ..... .....", "121.. 2.2.. 121.. ..... ....."),
    "colour in the smallest tiling": ("1212 34.4 .212", "1212 3434 1212"),
    "colour in the period of the row": ("121... 33.... ......", "121212 333333 ......"),
    "colour in the period of the column": ("13. 23. 1.. ...", "13. 23. 13. 23."),
    "colour in the period along falling diagonals": ("12.1. .12.1 2.12. 1...2", "12.12 .12.1 2.12. 12.12"),
    "colour in the period along rising diagonals": ("12..2. 2..2.. .1....", "120120 201201 012012"),
    "on a separator": ("1.5.. 115.. 55555 ..5.2", "..1.. ..1.. 11111 ..1.."),
    "row of the panel": ("1.5.. 115.. 55555 ..5.2", "00-00 00-00 ----- 11-11"),
    "column of the panel": ("1.5.. 115.. 55555 ..5.2", "00-11 00-11 ----- 00-11"),
    "row in the panel": ("1.5.. 115.. 55555 ..5.2", "00-00 11-11 ----- 00-00"),
    "column in the panel": ("1.5.. 115.. 55555 ..5.2", "01-01 01-01 ----- 01-01"),
    "non-zero in the panel": ("1.5.. 115.. 55555 ..5.2", "33-00 33-00 ----- 00-11"),
    "panel is the fullest": ("1.5.. 115.. 55555 ..5.2", "11-00 11-00 ----- 00-00"),
    "panel is the emptiest": ("1.5.. 115.. 55555 ..5.2", "00-11 00-11 ----- 11-00"),
    "most common non-zero colour of the panel": ("1.5.. 115.. 55555 ..5.2", "11... 11... ..... ...22"),
    "colours in the panel": ("1.5.. 315.. 55555 ..5.2", "22-00 22-00 ----- 00-11"),
    "colour there in the fullest panel": ("1.5.. 315.. 55555 ..5.2", "1..1. 31.31 ..... 1..1."),
    "colour there in some panel": ("1.5.. 115.. 55555 ..5.2", "12.12 11.11 ..... 12.12"),
    "colour of the panel that lies there": ("1.5.. 115.. 55555 ..5.2", "1..1. .2..2 ..... 1..1."),
    "colour in the fullest panel where this panel lies": ("1.5.. 315.. 55555 ..5.2", "11... 11... ..... 33.11"),
    "colour of the separator": ("1.5.. 115.. 55555 ..5.2", "55555 55555 55555 55555"),
    "panel colour on both sides horizontally": ("15.51 55555 .5.52", "..1.. ..... ....."),
    "panel colour on both sides vertically": ("15. 555 .5. 555 153", "... ... 1.. ... ..."),
    "panel colour on both sides": ("15. 555 .5. 555 153", "... ... 1.. ... ..."),
}


def test_everything_else_is_drawn() -> None:
    drawn = named(PANELS) | named(PERIODS) | (named(MIRRORS) - {*MIRROR_IMAGES, *SQUARE_IMAGES})
    assert set(DRAWINGS) == drawn | (named(EXTENTS) - set(EXTENT_DEFINITIONS))


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawn(name: str) -> None:
    before, after = DRAWINGS[name]
    assert plane(name, draw(before)) == draw(after).tolist()


@pytest.mark.parametrize("feature", [f for f in PANELS if not f.copies], ids=lambda feature: feature.name)
def test_a_grid_without_separators_has_no_panels(feature: Any) -> None:
    assert plane(feature.name, draw("12 3.")) == [[-1, -1], [-1, -1]]


def test_a_grid_with_very_many_rectangles_of_like_corners_shows_none() -> None:
    assert not np.any(plane("colour at the corners of a rectangle around it", np.ones((12, 12), np.int8)))


def test_the_table_has_cells_of_demonstrations_first_and_features_once() -> None:
    frames = [draw("12 21"), draw("11 22 12")]
    table = tabulate(frames, [draw("22 11")], [[frame.copy() for frame in frames]], ["copy"])
    assert table.trained == 4
    assert table.demonstrations == 1
    assert table.colours.tolist() == [1, 2, 2, 1, 1, 1, 2, 2, 1, 2]
    assert table.frame.tolist() == [0] * 4 + [1] * 6
    assert len({codes.tobytes() for codes in table.codes}) == len(table.codes)
    assert "copy" not in {feature.name for feature in table.features}, "it says what the colour says"
    assert [feature.cost for feature in table.features] == sorted(feature.cost for feature in table.features)
    for f, feature in enumerate(table.features):
        values = table.values[table.offsets[f] : table.offsets[f + 1]]
        assert np.array_equal(values, np.unique(values)), feature.name
        if feature.name in NUMBERS:
            expected = np.concatenate([planes(frame)[NUMBERS[feature.name]].ravel() for frame in frames])
            assert np.array_equal(values[table.codes[f]], expected), feature.name


def test_the_table_knows_which_predictors_are_right() -> None:
    frames, targets = [draw("12 21"), draw("11 22")], [draw("22 11")]
    table = tabulate(frames, targets)
    for k, predictor in enumerate(table.predictors):
        bits = table.allowed[k // 64] >> np.uint64(k % 64) & np.uint64(1)
        assert np.array_equal(bits == 1, table.predicted[k, :4] == targets[0].ravel()), predictor.name
    assert table.predictors[[p.name for p in table.predictors].index("colour")].cost == 0.0


def test_later_images_of_the_program_search_cost_more() -> None:
    assert extra_cost(0) == 1.0
    assert extra_cost(1) < extra_cost(50) < extra_cost(499) < 4.0
