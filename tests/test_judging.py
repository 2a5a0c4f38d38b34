"""What executions mean, and what programs say together: nothing but support and merit decides."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from solver.attempts import Candidate, Channel
from solver.augmentation import Dihedral, Transform, View
from solver.fusion import unique as fused_unique
from solver.grid import Grid
from solver.programs.ballot import LAST_RESORTS, Judged, agreeing, candidates, ranking, unique
from solver.programs.fate import Execution, Fate
from solver.programs.judging import Verdict, judge, promising
from solver.task import Pair, Query, Task

A, B, C, D = (Grid(((colour,),)) for colour in range(1, 5))
WIDE = Grid(((1, 1, 1, 1),))
TASK = Task("t", (Pair(D, A), Pair(C, B), Pair(B, WIDE)), (C, D))
RIGHT = (A, B, WIDE)
"""What the demonstrations say."""


def run(*grids: Grid, fate: Fate = Fate.RETURNED, detail: str = "") -> Execution:
    return Execution(fate, grids, detail)


def twice(*grids: Grid, fate: Fate = Fate.RETURNED, detail: str = "") -> Verdict:
    one = run(*grids, fate=fate, detail=detail)
    return judge(TASK, one, one)


class TestOneRun:
    def test_what_reproduces_everything_has_to_be_run_again(self) -> None:
        verdict = judge(TASK, run(*RIGHT, C, D))
        assert verdict == Verdict(Fate.RETURNED, (C, D), reproduced=3, cells=1.0)
        assert promising(TASK, verdict)
        assert not verdict.perfect

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_wrong_names_the_first_demonstration(self, number: int) -> None:
        grids = [*RIGHT, C, D]
        grids[number - 1] = D
        verdict = judge(TASK, run(*grids))
        assert (verdict.fate, verdict.detail, verdict.reproduced) == (Fate.WRONG, str(number), 2)
        assert verdict.account() == f"wrong on demonstration {number}"
        assert verdict.answers == (C, D)
        assert not promising(TASK, verdict)

    def test_cells_are_averaged_over_demonstrations(self) -> None:
        assert judge(TASK, run(A, C, Grid(((1, 1, 2, 1),)), C, D)).cells == pytest.approx((1 + 0 + 0.75) / 3)

    def test_another_shape_has_no_right_cell(self) -> None:
        assert judge(TASK, run(A, B, Grid(((1,), (1,), (1,), (1,))), C, D)).cells == pytest.approx(2 / 3)

    def test_what_ends_a_run_before_anything_is_wrong_is_its_fate(self) -> None:
        verdict = judge(TASK, run(A, fate=Fate.EXCEPTION, detail="IndexError"))
        assert verdict == Verdict(Fate.EXCEPTION, (None, None), "IndexError", 1, pytest.approx(1 / 3))
        assert not promising(TASK, verdict)

    def test_what_is_wrong_before_a_run_ends_is_wrong(self) -> None:
        verdict = judge(TASK, run(B, fate=Fate.EXCEPTION, detail="IndexError"))
        assert (verdict.fate, verdict.detail) == (Fate.WRONG, "1")

    def test_failing_on_a_test_input_is_no_reason_not_to_run_it_again(self) -> None:
        verdict = judge(TASK, run(*RIGHT, C, fate=Fate.TIME))
        assert promising(TASK, verdict)
        assert verdict.answers == (C, None)

    def test_nothing_is_promising_without_all_demonstrations(self) -> None:
        assert not promising(TASK, judge(TASK, run(A, B, fate=Fate.TIME)))
        assert not promising(TASK, judge(TASK, run(fate=Fate.MEMORY)))


class TestTwoRuns:
    def test_perfect(self) -> None:
        verdict = twice(*RIGHT, C, D)
        assert verdict == Verdict(Fate.PERFECT, (C, D), reproduced=3, cells=1.0)
        assert verdict.account() == "reproduces every demonstration"

    def test_a_wrong_program_stays_wrong(self) -> None:
        assert twice(A, A, WIDE, C, D) == judge(TASK, run(A, A, WIDE, C, D))

    def test_a_perfect_program_answers_what_it_can(self) -> None:
        verdict = twice(*RIGHT, C, fate=Fate.EXCEPTION, detail="IndexError, input 5")
        assert verdict.perfect
        assert verdict.answers == (C, None)
        assert verdict.account() == "reproduces every demonstration, then exception: IndexError"

    @pytest.mark.parametrize(
        ("again", "answers", "reproduced"),
        [
            (run(*RIGHT, D, D), (None, D), 3),
            (run(*RIGHT, C, C), (C, None), 3),
            (run(A, A, WIDE, C, D), (C, D), 2),
            (run(A, fate=Fate.EXCEPTION), (None, None), 1),
            (run(*RIGHT, C, fate=Fate.EXCEPTION), (C, None), 3),
            (run(B, fate=Fate.TIME), (None, None), 0),
        ],
    )
    def test_runs_that_differ_are_unsteady(
        self, again: Execution, answers: tuple[Grid | None, ...], reproduced: int
    ) -> None:
        verdict = judge(TASK, run(*RIGHT, C, D), again)
        assert verdict.fate is Fate.UNSTEADY
        assert (verdict.answers, verdict.reproduced) == (answers, reproduced)
        assert verdict.account() == "not deterministic"
        assert not promising(TASK, verdict)

    @pytest.mark.parametrize("fate", [Fate.TIME, Fate.MEMORY, Fate.KILLED])
    def test_a_busy_machine_is_not_the_programs_fault(self, fate: Fate) -> None:
        whole, cut = run(*RIGHT, C, D), run(*RIGHT, C, fate=fate)
        for one, two in ((whole, cut), (cut, whole)):
            verdict = judge(TASK, one, two)
            assert verdict.perfect
            assert verdict.answers == (C, None)
            assert verdict.account() == f"reproduces every demonstration, then {fate.value}"

    def test_what_a_busy_machine_left_unconfirmed_is_not_perfect(self) -> None:
        verdict = judge(TASK, run(*RIGHT, C, D), run(A, B, fate=Fate.TIME))
        assert (verdict.fate, verdict.reproduced) == (Fate.TIME, 2)
        assert not promising(TASK, verdict)

    def test_only_the_run_that_fell_behind_may_blame_the_machine(self) -> None:
        one, two = run(*RIGHT, fate=Fate.EXCEPTION), run(*RIGHT, C, fate=Fate.TIME)
        assert judge(TASK, one, two).fate is Fate.UNSTEADY


class TestAccount:
    @pytest.mark.parametrize(
        ("fate", "detail", "account"),
        [
            (Fate.EXCEPTION, "IndexError", "exception: IndexError"),
            (Fate.EXCEPTION, "IndexError, input 4", "exception: IndexError"),
            (Fate.FORBIDDEN, "socket", "forbidden: socket"),
            (Fate.KILLED, "SIGSEGV", "killed: SIGSEGV"),
            (Fate.KILLED, "", "killed"),
            (Fate.TIME, "3", "time"),
            (Fate.NOT_A_GRID, "2", "not a grid"),
            (Fate.EXCEPTION, "X" * 1000, "exception: " + "X" * 40),
        ],
    )
    def test_details_are_told_where_they_are_kinds(self, fate: Fate, detail: str, account: str) -> None:
        assert judge(TASK, run(A, fate=fate, detail=detail)).account() == account


def perfect(*answers: Grid | None) -> Verdict:
    return Verdict(Fate.PERFECT, answers, reproduced=3, cells=1.0)


def wrong(*answers: Grid | None, reproduced: int = 1, cells: float = 0.5) -> Verdict:
    return Verdict(Fate.WRONG, answers, "1", reproduced, cells)


def judged(verdict: Verdict, support: int = 1, program: str = "p") -> Judged:
    return Judged(program, Transform(), support, verdict)


def order(programs: Sequence[Judged], index: int = 0) -> list[Grid]:
    return [answer.grid for answer in ranking(programs, index)]


class TestRanking:
    def test_programs_outweigh_samples(self) -> None:
        assert order([judged(perfect(A, A), support=6), *[judged(perfect(B, B))] * 3]) == [B, A]
        assert order([judged(perfect(A, A), support=8), *[judged(perfect(B, B))] * 3]) == [A, B]

    def test_an_answer_knows_who_gave_it(self) -> None:
        some = [judged(perfect(A, A), 3, "long"), judged(perfect(A, B), 3, "p"), judged(perfect(A, B), 1, "")]
        (answer,) = ranking(some, 0)
        assert (answer.programs, answer.speaker, answer.weight) == (3, some[1], 5.0)
        assert answer.perfect

    def test_of_equal_weight_more_programs_win_then_the_smaller_grid(self) -> None:
        assert order([judged(perfect(A, A), support=3), *[judged(perfect(B, B))] * 2]) == [B, A]
        assert order([judged(perfect(B, B)), judged(perfect(A, A))]) == [A, B]

    def test_weights_are_added_exactly(self) -> None:
        """These three floats have different sums in different orders."""
        some = [judged(perfect(A, A), support) for support in (1, 4, 9)]
        assert len({ranking(three, 0)[0].weight for three in itertools.permutations(some)}) == 1

    def test_each_test_input_is_voted_on_by_itself(self) -> None:
        """The winner of one has no weight in the other."""
        some = [judged(perfect(A, None), support=1000), judged(perfect(B, A)), judged(perfect(None, B), support=2)]
        assert order(some, 0) == [A, B]
        assert order(some, 1) == [B, A]
        assert [answer.weight for answer in ranking(some, 1)] == pytest.approx([1.585, 1.0], abs=1e-3)
        assert order(some, 0) == [A, B]

    def test_a_perfect_program_comes_before_any_number_of_others(self) -> None:
        almost = wrong(B, B, reproduced=2, cells=0.99)
        assert order([*[judged(almost, support=1000)] * 50, judged(perfect(A, A))]) == [A, B]

    def test_a_perfect_programs_answer_needs_no_last_resort(self) -> None:
        (answer,) = ranking([judged(perfect(A, A)), judged(wrong(A, B), support=100)], 0)
        assert (answer.perfect, answer.weight, answer.programs) == (True, 1.0, 1)

    def test_last_resorts_rank_by_demonstrations_then_cells_then_weight(self) -> None:
        some = [
            judged(wrong(A, A, reproduced=1, cells=0.9), support=50),
            judged(wrong(B, B, reproduced=2, cells=0.1)),
            judged(wrong(C, C, reproduced=1, cells=0.95)),
            judged(wrong(D, D, reproduced=1, cells=0.9), support=51),
        ]
        assert order(some) == [B, C]
        assert order([some[0], some[3]]) == [D, A]
        assert not any(answer.perfect for answer in ranking(some, 0))

    def test_what_is_perfect_but_unconfirmed_is_the_first_of_the_last_resorts(self) -> None:
        once = judge(TASK, run(*RIGHT, A, A))
        assert order([judged(wrong(B, B, reproduced=2)), judged(once)]) == [A, B]
        assert not unique(TASK, [judged(once)])

    def test_no_programs_no_answers(self) -> None:
        assert ranking([], 0) == ()
        assert candidates(TASK, []) == ()


class TestOneMind:
    def test_unique_is_one_answer_to_every_test_input(self) -> None:
        assert unique(TASK, [judged(perfect(A, B)), judged(perfect(A, B), program="q"), judged(wrong(C, C))])
        assert not unique(TASK, [judged(perfect(A, B)), judged(perfect(A, C))])
        assert not unique(TASK, [judged(perfect(A, None))])
        assert not unique(TASK, [judged(wrong(A, B))])
        assert not unique(TASK, [])

    def test_test_inputs_may_be_answered_by_different_programs(self) -> None:
        some = [judged(perfect(A, None)), judged(perfect(None, B)), judged(perfect(A, None))]
        assert unique(TASK, some)
        assert agreeing(TASK, some) == 0

    def test_agreeing_counts_programs_with_all_answers(self) -> None:
        some = [judged(perfect(A, B), support=9), judged(perfect(A, B)), judged(perfect(A, None)), judged(wrong(C, C))]
        assert agreeing(TASK, some) == 2
        assert agreeing(TASK, [*some, judged(perfect(C, None))]) == 0


class TestCandidates:
    def test_one_per_answer_and_test_input(self) -> None:
        turned = Transform(Dihedral.ROT90)
        some = [Judged("p", turned, 2, perfect(A, B)), judged(wrong(C, C), program="q")]
        view, own = View(turned, (0, 1, 2)), View(Transform(), (0, 1, 2))
        assert candidates(TASK, some) == (
            Candidate(Query("t", 0), A, Channel.INDUCTION, view, program="p", perfect=True),
            Candidate(Query("t", 0), C, Channel.INDUCTION, own, program="q"),
            Candidate(Query("t", 1), B, Channel.INDUCTION, view, program="p", perfect=True),
            Candidate(Query("t", 1), C, Channel.INDUCTION, own, program="q"),
        )

    def test_the_cost_of_an_answer_is_that_of_its_votes(self) -> None:
        some = [*[judged(perfect(A, A))] * 4, judged(perfect(B, B)), judged(wrong(C, C), support=3)]
        first = candidates(TASK, some, length=6.0)[:3]
        assert [(one.grid, one.cost) for one in first] == [(A, 4.0), (B, 6.0), (C, 5.0)]

    def test_a_program_cannot_have_no_support(self) -> None:
        with pytest.raises(ValueError, match="0 times"):
            judged(perfect(A, B), support=0)


ANSWERS = st.sampled_from([A, B, C])
FATES = st.sampled_from([fate for fate in Fate if fate not in (Fate.WRONG, Fate.UNSTEADY, Fate.PERFECT)])


@st.composite
def executions(draw: st.DrawFn) -> Execution:
    """Mostly right on demonstrations."""
    grids = [draw(st.sampled_from([right, right, right, A])) for right in RIGHT]
    grids += [draw(ANSWERS) for _ in TASK.test_inputs]
    kept = draw(st.sampled_from([5, 5, 5, 0, 1, 2, 3, 4]))
    return Execution(Fate.RETURNED if kept == 5 else draw(FATES), tuple(grids[:kept]))


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    first = draw(executions())
    return judge(TASK, first, draw(st.sampled_from([first, first, None]) | executions()))


PROGRAMS = st.builds(
    Judged,
    st.sampled_from(["p", "qq", "r"]),
    st.builds(Transform, st.sampled_from(Dihedral)),
    st.integers(1, 5),
    verdicts(),
)
CROWDS = st.lists(PROGRAMS, max_size=12, unique_by=lambda one: (one.program, one.transform))
INDEX = st.integers(0, 1)


@settings(max_examples=100)
@given(CROWDS, st.randoms(use_true_random=False))
def test_the_order_of_programs_never_matters(crowd: list[Judged], rng: random.Random) -> None:
    shuffled = rng.sample(crowd, len(crowd))
    assert candidates(TASK, shuffled) == candidates(TASK, crowd)
    assert [ranking(shuffled, index) for index in (0, 1)] == [ranking(crowd, index) for index in (0, 1)]
    assert unique(TASK, shuffled) == unique(TASK, crowd)
    assert agreeing(TASK, shuffled) == agreeing(TASK, crowd)


@settings(max_examples=100)
@given(CROWDS, INDEX, st.integers(0, 11), st.integers(1, 5))
def test_more_support_never_demotes_an_answer(crowd: list[Judged], index: int, which: int, more: int) -> None:
    assume(which < len(crowd))
    favoured = crowd[which]
    before = order(crowd, index)
    after = order([*crowd[:which], replace(favoured, support=favoured.support + more), *crowd[which + 1 :]], index)
    grid = favoured.verdict.answers[index]
    if grid is not None and grid in before:
        assert grid in after
        assert after.index(grid) <= before.index(grid)
    others = [[one for one in some if one != grid] for some in (before, after)]
    assert others[0][: len(others[1])] == others[1][: len(others[0])]


@settings(max_examples=100)
@given(CROWDS, INDEX, PROGRAMS)
def test_one_more_program_never_demotes_its_answer(crowd: list[Judged], index: int, newcomer: Judged) -> None:
    grid = newcomer.verdict.answers[index]
    before, after = order(crowd, index), order([*crowd, replace(newcomer, program="new")], index)
    if grid is not None and grid in before:
        assert after.index(grid) <= before.index(grid)


@settings(max_examples=100)
@given(CROWDS, INDEX)
def test_answers_are_distinct_and_what_is_wrong_comes_after_what_is_perfect(crowd: list[Judged], index: int) -> None:
    answers = ranking(crowd, index)
    given_ = {one.verdict.answers[index] for one in crowd} - {None}
    assert len({answer.grid for answer in answers}) == len(answers) >= min(len(given_), 1)
    assert {answer.grid for answer in answers} <= given_
    merits = [answer.perfect for answer in answers]
    assert merits == sorted(merits, reverse=True)
    assert merits.count(False) <= LAST_RESORTS
    for answer in answers:
        voters = [one for one in crowd if one.verdict.answers[index] == answer.grid]
        assert answer.perfect == any(one.verdict.perfect for one in voters)
        assert answer.speaker in voters
        assert answer.speaker.verdict.perfect == answer.perfect


@settings(max_examples=100)
@given(CROWDS, INDEX)
def test_a_test_inputs_answers_follow_from_what_programs_say_to_it(crowd: list[Judged], index: int) -> None:
    """Forgetting all answers to the other test input changes nothing but the verdicts that are shown."""

    def forget(one: Judged) -> Judged:
        kept = tuple(grid if number == index else None for number, grid in enumerate(one.verdict.answers))
        return replace(one, verdict=replace(one.verdict, answers=kept))

    whole, part = ranking(crowd, index), ranking([forget(one) for one in crowd], index)
    assert [replace(answer, speaker=forget(answer.speaker)) for answer in whole] == list(part)


@settings(max_examples=100)
@given(executions(), executions())
def test_verdicts_are_symmetric_and_hold_only_what_both_runs_said(one: Execution, two: Execution) -> None:
    verdict = judge(TASK, one, two)
    if promising(TASK, judge(TASK, one)) and promising(TASK, judge(TASK, two)):
        mirrored = judge(TASK, two, one)
        assert (verdict.fate, verdict.answers) == (mirrored.fate, mirrored.answers)
    if verdict.perfect:
        for number, answer in enumerate(verdict.answers, start=3):
            assert answer is None or answer == one.grids[number] == two.grids[number]
        assert one.grids[:3] == two.grids[:3] == RIGHT


@settings(max_examples=100)
@given(CROWDS)
def test_fusion_calls_unique_what_is_unique_here(crowd: list[Judged]) -> None:
    assert fused_unique(TASK, candidates(TASK, crowd)) == unique(TASK, crowd)
