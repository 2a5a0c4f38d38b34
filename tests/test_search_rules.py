"""Rules for single cells: what they must find, what they must refuse, and that they fit what they were learned from."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from solver.search.cells import dependencies, rules, sweeps
from solver.search.cells.cell_table import WORD, CellTable, tabulate
from solver.search.cells.decision_lists import Learner, Literal, as_partition, describe, holds, learn, smallest
from solver.search.cells.partitions import (
    ONE_DEMONSTRATION_COST,
    Partition,
    Prediction,
    charge,
    different,
    options,
    predict,
)
from solver.search.cells.rules import DEAREST, MOST_RULES, Rule, learn_rules

Cells = np.ndarray


def draw(text: str) -> Cells:
    """A grid from rows of characters: '.' is 0."""
    return np.array([[0 if c == "." else int(c) for c in row] for row in text.split()], np.int8)


def never() -> bool:
    return False


def after(calls: int) -> Callable[[], bool]:
    """Time that is up after so many questions."""
    asked = iter(range(calls))
    return lambda: next(asked, None) is None


def learned(frames: list[Cells], function: Callable[[Cells], Cells], demonstrations: int) -> list[Rule]:
    """The rules learned from a function's outputs of the first frames."""
    return learn_rules(frames, [function(frame) for frame in frames[:demonstrations]], [], [], never)


def sample(seed: int, count: int, side: int = 7, colours: int = 4) -> list[Cells]:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, colours, (count, side, side)).astype(np.int8)
    frames[rng.random(frames.shape) < 0.5] = 0
    return list(frames)


BLOCKS = [
    draw("11..... 11..... ....1.. ....... .11.... ......."),
    draw("1...... ....... ..111.. ..111.. ....... 11....."),
    draw("....... .1...11 .1..... ....... .111... .111..."),
    draw("111.... 111.... ......1 ....... ..1..11 ......."),
]


def grow_largest(cells: Cells) -> Cells:
    """Colours 2 what belongs to the largest object; in BLOCKS that is what lies in a full 2 x 2 square."""
    out = cells.copy()
    for i, j in product(range(cells.shape[0] - 1), range(cells.shape[1] - 1)):
        if (cells[i : i + 2, j : j + 2] > 0).all():
            out[i : i + 2, j : j + 2] = 2
    return out


def test_a_colour_by_the_size_of_the_component() -> None:
    found = learned(BLOCKS, grow_largest, 3)
    assert np.array_equal(found[0].outputs[0], grow_largest(BLOCKS[3]))
    assert found[0].cost < 3


def test_a_copy_of_the_mirrored_cell() -> None:
    frames = sample(1, 4)
    found = learned(frames, lambda cells: cells[:, ::-1], 2)
    assert [output.tolist() for output in found[0].outputs] == [cells[:, ::-1].tolist() for cells in frames[2:]]
    assert found[0].text == "always: colour mirrored left-right"


def test_a_copy_takes_colours_that_no_demonstration_had() -> None:
    frames = [draw("3.. ... ..."), draw(".5. ... ..."), draw("..7 ... ...")]
    found = learned(frames, lambda cells: np.broadcast_to(cells[0], cells.shape).copy(), 2)
    assert found[0].outputs[0].tolist() == [[0, 0, 7]] * 3


def test_a_table_of_two_further_images() -> None:
    frames = [np.zeros((5, 5), np.int8) for _ in range(4)]
    rng = np.random.default_rng(3)
    left, right = (list(rng.integers(0, 3, (4, 5, 5)).astype(np.int8)) for _ in range(2))
    table = rng.permutation(9).reshape(3, 3).astype(np.int8)
    targets = [table[a, b] for a, b in zip(left, right, strict=True)]
    found = learn_rules(frames, targets[:3], [left, right], ["left", "right"], never)
    assert np.array_equal(found[0].outputs[0], targets[3])
    assert "left" in found[0].text
    assert "right" in found[0].text


def test_a_table_refuses_a_combination_that_only_a_test_has() -> None:
    left, right = [draw("12 21"), draw("11 22")], [draw("34 34"), draw("34 33")]
    both = [left, right]
    blank = [np.zeros((2, 2), np.int8)] * 2
    table = tabulate(blank, [draw("12 34")], both, ["left", "right"])
    pair = {f for f, feature in enumerate(table.features) if feature.name in ("left", "right")}
    assert len(pair) == 2
    assert pair in map(set, dependencies.search(table, never))
    unseen = tabulate(blank, [draw("12 34")], [left, [right[0], draw("34 39")]], ["left", "right"])
    pair = {f for f, feature in enumerate(unseen.features) if feature.name in ("left", "right")}
    assert pair not in map(set, dependencies.search(unseen, never))


def test_noise_is_refused() -> None:
    frames = sample(5, 4, side=8)
    rng = np.random.default_rng(6)
    targets = list(rng.integers(0, 4, (3, 8, 8)).astype(np.int8))
    assert learn_rules(frames, targets, [], [], never) == []


def test_a_sweep_continues_what_it_has_put_out() -> None:
    frames = [np.zeros((height, 5), np.int8) for height in (6, 7, 9)]
    for frame, column in zip(frames, (2, 0, 3), strict=True):
        frame[-1, column] = 1

    def bounce(cells: Cells) -> Cells:
        """A ray from the cell at the bottom goes up to the right, and comes back from the sides."""
        out = cells.copy()
        column, step = int(np.flatnonzero(cells[-1])[0]), 1
        for i in range(cells.shape[0] - 1, -1, -1):
            out[i, column] = 1
            step = -step if not 0 <= column + step < cells.shape[1] else step
            column += step
        return out

    found = learned(frames, bounce, 2)
    assert any(rule.text.startswith("sweep") for rule in found)
    frames, shown = [draw("1.... ....."), draw("..1.. .....")], [draw("12121 ....."), draw("..121 .....")]
    further = draw(".1..... .......")
    found = learn_rules([*frames, further], shown, [], [], never)
    swept = [rule for rule in found if rule.text.startswith("sweep")]
    assert swept[0].outputs[0].tolist() == [[0, 1, 2, 1, 2, 1, 2], [0] * 7]


def test_colours_that_never_change_stay() -> None:
    frames = [draw("1..1 ...."), draw(".1.1 ...."), draw("1..1..1 .......")]

    def connect(cells: Cells) -> Cells:
        out = cells.copy()
        ends = np.flatnonzero(cells[0])
        row = out[0, ends[0] : ends[-1]]
        row[row == 0] = 8
        return out

    found = learned(frames, connect, 2)
    assert found[0].outputs[0][0].tolist() == [1, 8, 8, 1, 8, 8, 1]


TASKS: dict[str, tuple[list[Cells], Callable[[Cells], Cells]]] = {
    "blocks": (BLOCKS, grow_largest),
    "mirror": (sample(7, 3), lambda cells: cells[::-1]),
    "shift": (sample(8, 3), lambda cells: np.vstack([np.zeros_like(cells[:1]), cells[:-1]])),
    "outline": (sample(9, 3), lambda cells: np.where((cells == 0) & (np.roll(cells, 1, 1) == 2), 5, cells)),
    "fall": (sample(10, 3), lambda cells: np.where(np.maximum.accumulate(cells == 3, 0), 3, cells).astype(np.int8)),
}


@pytest.mark.parametrize("name", TASKS)
def test_every_rule_gives_the_demonstrations_when_they_are_asked_again(name: str) -> None:
    frames, function = TASKS[name]
    targets = [np.ascontiguousarray(function(frame)) for frame in frames]
    found = learn_rules([*frames, *frames], targets, [], [], never)
    assert len(found) == 1, "other predictions would be wrong on a demonstration"
    assert all(np.array_equal(a, b) for a, b in zip(found[0].outputs, targets, strict=True))


@pytest.mark.parametrize("name", TASKS)
def test_rules_do_not_depend_on_the_run_or_the_order_of_demonstrations(name: str) -> None:
    frames, function = TASKS[name]
    *shown, asked = frames
    one = learned([*shown, asked], function, len(shown))
    again = learned([*shown, asked], function, len(shown))
    turned = learned([*shown[::-1], asked], function, len(shown))
    assert one
    for other in (again, turned):
        assert [rule.text for rule in other] == [rule.text for rule in one]
        assert [rule.cost for rule in other] == pytest.approx([rule.cost for rule in one])
        assert all(
            np.array_equal(a, b)
            for rule, same in zip(one, other, strict=True)
            for a, b in zip(rule.outputs, same.outputs, strict=True)
        )


@pytest.mark.parametrize("name", TASKS)
def test_rules_are_ranked_distinct_and_few(name: str) -> None:
    frames, function = TASKS[name]
    found = learned(frames, function, 2)
    costs = [rule.cost for rule in found]
    assert costs == sorted(costs)
    assert costs[-1] <= DEAREST
    assert len(found) <= MOST_RULES
    assert len({tuple(output.tobytes() for output in rule.outputs) for rule in found}) == len(found)
    for rule in found:
        assert [output.shape for output in rule.outputs] == [frame.shape for frame in frames[2:]]
        assert all(output.dtype == np.int8 and output.min() >= 0 and output.max() <= 9 for output in rule.outputs)


def test_when_time_is_up_there_is_what_was_found() -> None:
    targets = [grow_largest(frame) for frame in BLOCKS[:3]]
    assert learn_rules(BLOCKS, targets, [], [], lambda: True) == []
    early = learn_rules(BLOCKS, targets, [], [], after(10))
    late = learn_rules(BLOCKS, targets, [], [], never)
    assert early, "rules of one test are found at once"
    assert late[0].cost <= early[0].cost


def test_time_is_asked_for_again_and_again() -> None:
    frames = sample(12, 4, side=10)
    rng = np.random.default_rng(13)
    asked = 0

    def count() -> bool:
        nonlocal asked
        asked += 1
        return False

    learn_rules(frames, list(rng.integers(0, 3, (3, 10, 10)).astype(np.int8)), [], [], count)
    assert asked > 100


def test_a_cell_in_a_grid_without_features_is_learned_too() -> None:
    found = learn_rules([draw("1"), draw("1")], [draw("4")], [], [], never)
    assert [output.tolist() for output in found[0].outputs] == [[[4]]]


def test_without_tests_or_demonstrations_there_is_no_rule() -> None:
    assert learn_rules([draw("12")], [draw("12")], [], [], never) == []
    assert learn_rules([draw("12")], [], [], [], never) == []


@pytest.mark.parametrize(
    ("frames", "targets", "extra", "message"),
    [
        (["12"], ["12", "12"], [], "2 outputs for 1 frames"),
        (["12", "12"], ["1"], [], "an output has another size"),
        (["12", "12"], ["12"], [["12", "1"]], "a further image has another size"),
        (["12", "12"], ["12"], [["12"]], "a further image has another size"),
    ],
)
def test_sizes_are_checked(frames: list[str], targets: list[str], extra: list[list[str]], message: str) -> None:
    images = [[draw(text) for text in texts] for texts in extra]
    with pytest.raises(ValueError, match=message):
        learn_rules(list(map(draw, frames)), list(map(draw, targets)), images, ["x"] * len(extra), never)


def small_table(seed: int = 14) -> CellTable:
    """Two demonstrations and a test in which 0 right of 2 becomes 5."""
    frames = sample(seed, 3, side=5)
    return tabulate(frames, [TASKS["outline"][1](frame) for frame in frames[:2]])


def pure(table: CellTable, side: np.ndarray) -> bool:
    """Whether one predictor is right at all demonstration cells of a side."""
    known = side[: table.trained]
    return bool((table.predicted[:, : table.trained][:, known] == table.targets[known]).all(axis=1).any())


def test_all_lists_of_one_test_are_found() -> None:
    table = tabulate(BLOCKS, [grow_largest(frame) for frame in BLOCKS[:3]])
    found = set()
    for (literal,) in Learner(table).single(never):
        found.add((literal.feature, holds(table, literal)[: table.trained].tobytes()))
    expected = set()
    for f, feature in enumerate(table.features):
        known = set(table.codes[f, : table.trained].tolist())
        for code, sign in product(sorted(known), (0, 2) if feature.ordered else (0,)):
            side = holds(table, Literal(f, sign, code))
            proper = side[: table.trained].any() and not side[: table.trained].all()
            if proper and pure(table, side) and pure(table, ~side):
                expected.add((f, side[: table.trained].tobytes()))
    assert expected
    assert found == expected


@pytest.mark.parametrize("seed", range(14, 18))
def test_decision_lists_fit_every_demonstration_cell(seed: int) -> None:
    table = small_table(seed)
    found = learn(table, 4, 8, 50, never)
    assert found
    assert [cost for _, cost in found] == sorted(cost for _, cost in found)
    for literals, cost in found:
        partition = as_partition(table, literals, cost)
        assert cost >= sum(table.features[literal.feature].cost for literal in literals)
        assert all(pure(table, partition.parts == part) for part in range(partition.count))
        for prediction in predict(table, partition):
            assert prediction.cost > cost - 1e-9
            assert prediction.output.shape == (len(table.frame) - table.trained,)


def test_a_list_of_several_tests_is_found_where_one_does_not_do() -> None:
    frames = sample(19, 4, side=8)

    def function(cells: Cells) -> Cells:
        ring = np.ones_like(cells, dtype=bool)
        ring[1:-1, 1:-1] = False
        return np.where(cells == 1, 4, np.where(ring, 6, cells)).astype(np.int8)

    found = learned(frames, function, 3)
    assert np.array_equal(found[0].outputs[0], function(frames[3]))
    assert found[0].text.count("if ") == 2


def test_tests_read_as_what_they_are() -> None:
    table = small_table()
    f = next(f for f, feature in enumerate(table.features) if feature.name == "row")
    codes = table.values[table.offsets[f] :][table.codes[f]]
    for sign, (symbol, compare) in enumerate(
        [("=", np.equal), ("≠", np.not_equal), ("≤", np.less_equal), (">", np.greater)]
    ):
        assert describe(table, Literal(f, sign, 2)) == f"row {symbol} 2"
        assert np.array_equal(holds(table, Literal(f, sign, 2)), compare(codes, 2))


def test_the_smallest_come_first_and_equals_in_order() -> None:
    values = np.array([3.0, 1.0, np.inf, 1.0, 2.0, 1.0])
    assert smallest(values, 4) == [1, 3, 5, 4]
    assert smallest(values, 2) == [1, 3]
    assert smallest(values, 0) == []


def test_options_are_the_right_predictors_cheapest_first() -> None:
    frames = sample(20, 3)
    extra = [[np.roll(frame, k % 7, k % 2) for frame in frames] for k in range(90)]
    table = tabulate(frames, [frames[0], frames[1]], extra, [f"x{k}" for k in range(90)])
    assert len(table.predictors) > WORD
    known = np.arange(table.trained) < 5
    right = (table.predicted[:, :5] == table.targets[:5]).all(axis=1)
    found = options(table, known)
    assert set(found) == set(np.flatnonzero(right))
    costs = [table.predictors[k].cost for k in found]
    assert costs == sorted(costs)
    assert table.predictors[found[0]].name == "colour"


def test_choices_differ_on_the_tests_and_need_demonstrations() -> None:
    table = tabulate([draw("1"), draw("2")], [draw("1")])
    everything = np.ones(2, np.bool_)
    chosen = different(table, everything)
    assert [table.predicted[k, 1] for k in chosen] == [2, 1], "the cell's own colour is cheaper than a constant"
    assert different(table, np.array([False, True])) == []
    assert different(table, np.array([False, False])) == [-1]


def test_a_test_that_one_demonstration_needs_costs_more() -> None:
    frames = [draw("12"), draw("12"), draw("12")]
    once, twice = tabulate(frames, [draw("15"), draw("12")]), tabulate(frames, [draw("15"), draw("15")])
    parts, without = np.array([0, 1, 0, 0, 0, 1], np.int16), np.zeros(6, np.int16)
    costs = []
    for table in (once, twice):
        numbers = {predictor.name: k for k, predictor in enumerate(table.predictors)}
        partition = Partition(parts, 2, ("if", "else"), 1.0, (without,))
        costs.append(charge(table, partition, [numbers["colour"], numbers["5"]]))
    assert costs[0] == costs[1] + ONE_DEMONSTRATION_COST
    same = [numbers["5"], numbers["5"]]
    assert charge(twice, Partition(parts, 2, ("if", "else"), 1.0, (parts,)), same) is not None
    unneeded = tabulate(frames, [draw("12"), draw("12")])
    numbers = {predictor.name: k for k, predictor in enumerate(unneeded.predictors)}
    colour = [numbers["colour"]] * 2
    assert charge(unneeded, Partition(parts, 2, ("if", "else"), 1.0, (without,)), colour) is None
    kept = charge(unneeded, Partition(parts, 2, ("if", "else"), 1.0, (without,), minimal=False), colour)
    assert kept == 1.0


def test_rules_that_predict_the_same_support_each_other() -> None:
    table = tabulate([draw("12"), draw("34")], [draw("56")])
    ranking = rules._Ranking(table)
    once, often = np.array([1, 1], np.int8), np.array([2, 2], np.int8)
    ranking.add([Prediction(once, "once", 2.0), *(Prediction(often, f"{n}", 2.2) for n in range(4))])
    found = ranking.rules()
    assert [rule.text for rule in found] == ["0", "once"]
    assert found[1].cost == pytest.approx(2.0)
    assert found[0].cost == pytest.approx(2.2 - np.log2(4) / rules.AGREEMENT)


def test_sweeps_read_what_lies_before_in_their_own_order() -> None:
    shapes = [(3, 4), (2, 2)]
    place = [(n, i, j) for n, (h, w) in enumerate(shapes) for i in range(h) for j in range(w)]
    before = np.array(sweeps.BEFORE)
    for sweep in sweeps.SWEEPS:
        sources = np.empty((len(before), len(place)), np.int64)
        order = np.empty(len(place), np.int64)
        sweeps.arrange(np.array(shapes), sweep.bottom, sweep.right, sweep.by_columns, before, sources, order)
        assert sorted(order) == list(range(len(place)))
        time = {int(cell): number for number, cell in enumerate(order)}
        for k, cell in np.ndindex(*sources.shape):
            n, i, j = place[cell]
            a, b = before[k][::-1] if sweep.by_columns else before[k]
            there = (n, i + (-a if sweep.bottom else a), j + (-b if sweep.right else b))
            source = int(sources[k, cell])
            assert source == (place.index(there) if there in place else -1)
            assert source < 0 or time[source] < time[cell], "only what is already there can be read"


def test_only_rules_that_read_outputs_are_sweeps() -> None:
    table = small_table()
    assert all(
        "output at" in prediction.text and prediction.text.startswith("sweep from the")
        for prediction in sweeps.search(table, 3, 8, 100, never)
    )
    assert list(sweeps.search(table, 3, 8, 100, lambda: True)) == []


def test_tables_determine_a_predictor() -> None:
    table = small_table()
    found = list(dependencies.search(table, never))
    assert found
    for features in found[:200]:
        partition = dependencies.as_partition(table, features)
        assert all(pure(table, partition.parts == part) for part in range(partition.count))
        asked = set(partition.parts[table.trained :].tolist())
        assert asked <= set(partition.parts[: table.trained].tolist())
