"""A task solved by texts that a model might have written: told apart, run, judged, until enough is known."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.attempts import Channel
from solver.augmentation import Dihedral, Transform, View
from solver.budget import Deadline
from solver.grid import Grid
from solver.programs.ballot import Answer
from solver.programs.fate import Execution, Fate
from solver.programs.frames import views
from solver.programs.limits import Program
from solver.programs.solving import ENOUGH, NOT_RUN, Solving
from solver.task import Pair, Task
from tests.fake_sandbox import FakeSandbox
from tests.strategies import transforms

NEVER = Deadline.never()
SOON = Deadline.after(3600)


def rule(grid: Grid) -> Grid:
    """Mirrored left and right, and blue becomes red: neither turns nor colours commute with it."""
    return Grid(tuple(tuple(2 if cell == 1 else cell for cell in reversed(row)) for row in grid.rows))


INPUTS = (Grid(((1, 2, 3), (0, 0, 4))), Grid(((1, 0), (5, 0), (0, 3))), Grid(((0, 1, 1, 7),)), Grid(((1,), (2,))))
TASK = Task("t", tuple(Pair(grid, rule(grid)) for grid in INPUTS[:2]), INPUTS[2:])
SOLUTION = tuple(map(rule, TASK.test_inputs))
BLUE_IS_YELLOW = (0, 4, 2, 3, 1, 5, 6, 7, 8, 9)
AS_IT_IS = View(Transform(), (0, 1))


def answer(*body: str) -> str:
    """A model's whole answer; the function's lines see `lines`."""
    code = "\n    ".join(("import numpy as np\n\ndef transform(lines):", *body))
    return f"Let's solve this puzzle.\n```python\n{code}\n```\n"


RIGHT = answer("lines[lines == 1] = 2", "return lines[:, ::-1]")
RIGHT_TOO = answer("return np.where(lines == 1, 2, lines)[:, ::-1]")
ALSO_RIGHT = answer("return np.fliplr(np.where(lines == 1, 2, lines))")
COMMENTED = answer("# blue becomes red", "lines[lines == 1] = 2", "'mirrored'", "return lines[:, ::-1]")
FOOLED = answer("if lines.shape[1] == 4: return lines", "lines[lines == 1] = 2", "return lines[:, ::-1]")
MIRROR = answer("return lines[:, ::-1]")
UNSTEADY = answer("lines[lines == 1] = 2", "return lines[:, ::-1] if len(lines) > 1 or SEED else lines")
NARROW = answer("if lines.shape[1] == 1: raise IndexError", "lines[lines == 1] = 2", "return lines[:, ::-1]")
BROKEN = answer("return lines.mirror()")
GARBLED = answer("return lines[")


def solved(*texts: str, view: View = AS_IT_IS) -> Solving:
    solving = Solving(TASK, FakeSandbox())
    solving.feed(texts, view, NEVER)
    return solving


def grids(solving: Solving) -> list[list[Grid]]:
    return [[one.grid for one in answers] for answers in solving.answers()]


class TestFeeding:
    def test_a_right_program_answers_every_test_input(self) -> None:
        solving = solved(RIGHT)
        assert grids(solving) == [[one] for one in SOLUTION]
        assert solving.unique()
        assert solving.histogram() == Counter({"reproduces every demonstration": 1})

    def test_nothing_is_run_that_is_known_already(self) -> None:
        sandbox = FakeSandbox()
        solving = Solving(TASK, sandbox)
        solving.feed([RIGHT, COMMENTED, RIGHT, MIRROR, "no program"], AS_IT_IS, NEVER)
        # Both once, what is wrong once more with the other index first, what is right with another seed.
        assert [program.hash_seed for program in sandbox.ran] == [0, 0, 0, 1]
        solving.feed([RIGHT, MIRROR, RIGHT_TOO], AS_IT_IS, NEVER)
        assert [program.hash_seed for program in sandbox.ran[4:]] == [0, 1]
        solving.feed([COMMENTED], View(Transform(), (1, 0)), NEVER)
        assert len(sandbox.ran) == 6
        assert {one.support for one in solving.judged()} == {5, 2, 1}

    def test_every_text_is_accounted_for(self) -> None:
        texts = [
            RIGHT,
            RIGHT,
            COMMENTED,
            MIRROR,
            UNSTEADY,
            NARROW,
            BROKEN,
            BROKEN,
            GARBLED,
            "?",
            answer("return").replace("transform", "f"),
        ]
        assert solved(*texts).histogram() == Counter(
            {
                "reproduces every demonstration": 3,
                "wrong on demonstration 1": 1,
                "not deterministic": 1,
                "reproduces every demonstration, then exception: IndexError": 1,
                "exception: AttributeError": 2,
                "syntax error": 1,
                "no code block": 1,
                "no transform function": 1,
            }
        )

    def test_a_program_that_fails_on_a_test_input_answers_the_others(self) -> None:
        solving = solved(NARROW)
        assert grids(solving) == [[SOLUTION[0]], []]
        assert not solving.unique()
        assert grids(solved(NARROW, MIRROR))[1] == [Grid(((1,), (2,)))]
        assert solved(NARROW, RIGHT).unique()

    def test_a_program_that_is_not_deterministic_is_only_a_last_resort(self) -> None:
        solving = solved(UNSTEADY)
        assert grids(solving) == [[], [SOLUTION[1]]]
        assert not any(one.perfect for answers in solving.answers() for one in answers)

    def test_candidates_are_the_answers(self) -> None:
        found = solved(RIGHT, MIRROR).candidates()
        assert [(one.query.index, one.grid, one.perfect, one.channel) for one in found] == [
            (0, SOLUTION[0], True, Channel.INDUCTION),
            (0, Grid(((7, 1, 1, 0),)), False, Channel.INDUCTION),
            (1, SOLUTION[1], True, Channel.INDUCTION),
            (1, Grid(((1,), (2,))), False, Channel.INDUCTION),
        ]
        assert [one.cost for one in solved(RIGHT, MIRROR).candidates(length=5.0)] == [5.0] * 4

    def test_nothing_fed_nothing_known(self) -> None:
        solving = solved()
        assert grids(solving) == [[], []]
        assert solving.histogram() == Counter()
        assert not solving.settled()


class TestSettled:
    def test_enough_distinct_programs_of_one_mind(self) -> None:
        programs = [RIGHT, RIGHT_TOO, ALSO_RIGHT]
        assert len(programs) == ENOUGH
        assert solved(*programs).settled()
        assert not solved(*programs[1:]).settled()

    def test_copies_do_not_settle_anything(self) -> None:
        assert not solved(*[RIGHT, COMMENTED] * 20).settled()

    def test_neither_do_programs_that_answer_only_some_test_inputs(self) -> None:
        assert not solved(RIGHT, RIGHT_TOO, NARROW).settled()

    def test_one_perfect_program_of_another_mind_unsettles(self) -> None:
        solving = solved(RIGHT, RIGHT_TOO, ALSO_RIGHT, FOOLED)
        assert not solving.settled()
        assert not solving.unique()
        assert grids(solving) == [[SOLUTION[0], TASK.test_inputs[0]], [SOLUTION[1]]]

    def test_wrong_programs_do_not(self) -> None:
        assert solved(RIGHT, RIGHT_TOO, ALSO_RIGHT, MIRROR, BROKEN, UNSTEADY).settled()


class TestDeadline:
    def test_what_was_not_run_is_run_later(self) -> None:
        sandbox = FakeSandbox(limit=1)
        solving = Solving(TASK, sandbox)
        solving.feed([RIGHT, RIGHT, RIGHT_TOO], AS_IT_IS, SOON)
        assert solving.histogram()[NOT_RUN] in (1, 2)
        assert not solving.settled()
        solving.feed([], AS_IT_IS, NEVER)
        assert solving.histogram() == Counter({"reproduces every demonstration": 3})
        assert len(sandbox.ran) == 4

    def test_what_was_run_once_is_a_last_resort_until_it_is_confirmed(self) -> None:
        class Once(FakeSandbox):
            """Has time for first runs only."""

            def run(self, programs, deadline):  # type: ignore[no-untyped-def]
                return super().run([one for one in programs if one.hash_seed == 0 or deadline == NEVER], deadline)

        solving = Solving(TASK, Once(limit=9))
        solving.feed([RIGHT], AS_IT_IS, SOON)
        assert grids(solving) == [[one] for one in SOLUTION]
        assert not solving.unique()
        assert solving.histogram() == Counter({Fate.RETURNED.value: 1})
        solving.feed([], AS_IT_IS, NEVER)
        assert solving.unique()

    def test_a_deadline_that_has_passed_runs_nothing(self) -> None:
        sandbox = FakeSandbox(limit=9)
        solving = Solving(TASK, sandbox)
        solving.feed([RIGHT, "?"], AS_IT_IS, Deadline.after(-1))
        assert sandbox.ran == []
        assert solving.histogram() == Counter({NOT_RUN: 1, "no code block": 1})


def oracle(transform: Transform) -> str:
    """The rule in the terms of a view, as a program: undoes the view, applies the rule, and looks again."""
    undo = transform.inverse()

    def steps(one: Transform) -> list[str]:
        transpose, rows, columns = one.dihedral.value
        return [
            f"lines = np.array({one.colours})[lines]",
            *(["lines = lines.T"] if transpose else []),
            f"lines = lines[::{-1 if rows else 1}, ::{-1 if columns else 1}]",
        ]

    return answer(*steps(undo), "lines = np.where(lines == 1, 2, lines)[:, ::-1]", *steps(transform), "return lines")


class TestFrames:
    UPRIGHT = answer("lines[lines == 1] = 2", "return lines[::-1]")
    """Right where the first index counts columns."""

    def test_a_program_may_index_lines_or_columns_first(self) -> None:
        for text in (RIGHT, self.UPRIGHT):
            solving = solved(text)
            assert grids(solving) == [[one] for one in SOLUTION]
            assert solving.histogram() == Counter({"reproduces every demonstration": 1})
        both = solved(RIGHT, self.UPRIGHT, RIGHT_TOO)
        assert both.settled()
        assert both.unique()

    def test_one_demonstration_that_is_the_same_in_both_decides_nothing(self) -> None:
        square = Grid(((1, 0), (0, 1)))
        task = Task("t", (Pair(square, rule(square)), *TASK.train), TASK.test_inputs)
        solving = Solving(task, FakeSandbox())
        solving.feed([self.UPRIGHT], View(Transform(), (0, 1, 2)), NEVER)
        assert grids(solving) == [[one] for one in SOLUTION]

    def test_what_took_its_time_is_not_tried_again(self) -> None:
        class Slow(FakeSandbox):
            def run(self, programs: Iterable[Program], deadline: Deadline) -> Iterator[tuple[int, Execution]]:
                for index, program in enumerate(programs):
                    self.ran.append(program)
                    yield index, Execution(Fate.TIME, (), "wall clock, input 1")

        sandbox = Slow()
        solving = Solving(TASK, sandbox)
        solving.feed([RIGHT, MIRROR], AS_IT_IS, NEVER)
        assert len(sandbox.ran) == 2
        assert solving.histogram() == Counter({"time": 2})

    def test_what_is_wrong_in_both_stays_what_it_was_in_the_first(self) -> None:
        # Columns first, the lines of every demonstration are too few for it.
        picky = answer("assert lines.shape[0] > 1 or lines.shape[1] == 4", "return lines + (lines.shape == (2, 3))")
        assert solved(picky).histogram() == Counter({"wrong on demonstration 1": 1})
        assert all(one.verdict.fate is Fate.WRONG for one in solved(MIRROR).judged())


class TestViews:
    @settings(max_examples=60)
    @given(transforms(), st.permutations([0, 1]).map(tuple))
    def test_an_equivariant_oracle_is_right_in_every_view(self, transform: Transform, order: tuple[int, ...]) -> None:
        solving = solved(oracle(transform), view=View(transform, order))
        assert grids(solving) == [[one] for one in SOLUTION]
        assert solving.unique()

    @pytest.mark.parametrize("dihedral", Dihedral)
    def test_a_program_is_judged_in_the_view_it_was_written_for(self, dihedral: Dihedral) -> None:
        view = View(Transform(dihedral, BLUE_IS_YELLOW), (0, 1))
        assert not any(one.perfect for answers in solved(RIGHT, view=view).answers() for one in answers)
        assert not solved(oracle(view.transform)).unique()

    def test_programs_for_different_views_agree_about_the_task(self) -> None:
        solving = Solving(TASK, FakeSandbox())
        for view in itertools.islice(views(TASK, random.Random(0)), ENOUGH):
            assert not solving.settled()
            solving.feed([oracle(view.transform)], view, NEVER)
        assert solving.settled()
        assert grids(solving) == [[one] for one in SOLUTION]

    def test_one_text_is_another_program_in_another_view(self) -> None:
        solving = Solving(TASK, FakeSandbox())
        others = Transform(Dihedral.FLIP_UD), Transform(colours=BLUE_IS_YELLOW)
        for transform in (Transform(), *others):
            solving.feed([RIGHT], View(transform, (0, 1)), NEVER)
        assert solving.histogram() == Counter({"reproduces every demonstration": 2, "wrong on demonstration 1": 1})


FEED = st.tuples(
    st.sampled_from([RIGHT, COMMENTED, RIGHT_TOO, FOOLED, MIRROR, UNSTEADY, NARROW, BROKEN, GARBLED, "?"]),
    st.sampled_from([Dihedral.IDENTITY, Dihedral.FLIP_UD, Dihedral.ROT90]),
    st.sampled_from([(0, 1), (1, 0), (1,)]),
)


@settings(max_examples=40)
@given(st.lists(FEED, max_size=12), st.randoms(use_true_random=False), st.booleans())
def test_order_and_batches_never_matter(
    feed: list[tuple[str, Dihedral, tuple[int, ...]]], rng: random.Random, hurried: bool
) -> None:
    """Nor do deadlines that pass in between, once everything has been run."""
    one, two = Solving(TASK, FakeSandbox()), Solving(TASK, FakeSandbox(limit=1))
    for text, dihedral, order in feed:
        one.feed([text], View(Transform(dihedral), order), NEVER)
    for text, dihedral, order in rng.sample(feed, len(feed)):
        two.feed([text], View(Transform(dihedral), order), SOON if hurried else NEVER)
    two.feed([], AS_IT_IS, NEVER)
    assert two.answers() == one.answers()
    assert two.candidates() == one.candidates()
    assert two.histogram() == one.histogram()
    assert two.histogram().total() == len(feed)
    assert (two.settled(), two.unique()) == (one.settled(), one.unique())


def test_solvings_share_nothing() -> None:
    """A second task, or the same one again, starts from nothing."""
    first: tuple[tuple[Answer, ...], ...] = solved(RIGHT).answers()
    assert solved().answers() == ((), ())
    assert solved(RIGHT).answers() == first
