from __future__ import annotations

import json
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from solver.attempts import Attempts, Candidate, Channel, check_submission, render_submission
from solver.augmentation import Dihedral, Transform, View
from solver.fusion import MARGIN, SHORT, Branch, Fused, Vote, fuse, settled, unique
from solver.grid import Grid
from solver.task import Pair, Query, Task
from solver.voting import choose, fallback, flat_vote, hierarchical_vote
from tests.strategies import ballots, programs, tasks, written_programs

A, B, C, D, E = (Grid(((colour,),)) for colour in range(1, 6))
ONE = Task("t", (Pair(Grid(((0, 0),)), Grid(((7, 7),))),), (Grid(((8, 8),)),))
TWO = Task("t", ONE.train, (Grid(((8, 8),)), Grid(((9, 9),))))
VOTES = [flat_vote, hierarchical_vote]


def said(*grids: Grid, index: int = 0) -> list[Candidate]:
    """The model's candidates: each is said in one view fewer than the one before."""
    dihedrals = list(Dihedral)
    return [
        Candidate(Query("t", index), grid, view=View(Transform(dihedrals[view]), (0,)))
        for place, grid in enumerate(grids)
        for view in range(len(grids) - place)
    ]


def found(*grids: Grid, perfect: bool = True, cost: float | None = 2.0, index: int = 0) -> list[Candidate]:
    """Programs' answers, the best first."""
    query = Query("t", index)
    return [Candidate(query, grid, Channel.PROGRAM, program="p", cost=cost, perfect=perfect) for grid in grids]


def fused(*candidates: Candidate) -> Fused:
    (one,) = fuse(ONE, candidates, hierarchical_vote)
    return one


def wrote(grid: Grid, votes: float = 1, perfect: bool = True, index: int = 0) -> list[Candidate]:
    """What written programs with so many votes say."""
    cost = SHORT - math.log2(votes)
    return [Candidate(Query("t", index), grid, Channel.INDUCTION, program="p", cost=cost, perfect=perfect)]


def poor(*grids: Grid) -> list[Candidate]:
    return found(*grids, perfect=False)


class TestBranches:
    @pytest.mark.parametrize(
        ("candidates", "branch", "first", "second"),
        [
            # Both say A; then what else explains everything, what views said, what other programs said.
            (said(A, B) + found(A), Branch.AGREE, A, B),
            (said(A, B) + found(A, C), Branch.AGREE, A, C),
            (said(A) + found(A) + poor(C), Branch.AGREE, A, C),
            (said(A, B) + found(A) + poor(C), Branch.AGREE, A, B),
            (said(A, B) + found(C, A), Branch.AGREE, A, C),
            (said(A, B) + poor(A, C), Branch.AGREE, A, B),
            # A unique program comes first, whatever imperfect ones say.
            (said(A, B) + found(C), Branch.PROGRAM_FIRST, C, A),
            (said(A, B) + found(C) + poor(A), Branch.PROGRAM_FIRST, C, A),
            (said(A, B) + poor(A) + found(C), Branch.PROGRAM_FIRST, C, A),
            (said(A, B) + found(C, C), Branch.PROGRAM_FIRST, C, A),
            # Several perfect programs that differ, or none.
            (said(A, B) + found(C, D), Branch.MODEL_FIRST, A, C),
            (said(A) + found(C, D) + poor(B), Branch.MODEL_FIRST, A, C),
            (said(A, B) + poor(C), Branch.MODEL_FIRST, A, B),
            (said(A, B) + poor(C, A), Branch.MODEL_FIRST, A, B),
            (said(A) + poor(C), Branch.MODEL_FIRST, A, C),
            # One channel alone.
            (said(A, B), Branch.MODEL_ONLY, A, B),
            (found(A, B), Branch.PROGRAM_ONLY, A, B),
            (poor(B) + found(A), Branch.PROGRAM_ONLY, A, B),
            (poor(B, A), Branch.PROGRAM_ONLY, B, A),
        ],
    )
    def test_each(self, candidates: list[Candidate], branch: Branch, first: Grid, second: Grid) -> None:
        one = fused(*candidates)
        assert (one.branch, one.attempts) == (branch, Attempts(first, second))

    def test_nothing_at_all(self) -> None:
        one = fused()
        assert (one.branch, one.attempts, one.doubt) == (Branch.NEITHER, fallback(ONE, 0), 1.0)

    @pytest.mark.parametrize("candidates", [said(A) + found(A), found(A), said(A)])
    def test_a_missing_second_attempt_is_filled_in(self, candidates: list[Candidate]) -> None:
        assert fused(*candidates).attempts == Attempts(A, ONE.test_inputs[0])

    def test_uniqueness_is_that_of_the_whole_task(self) -> None:
        # On the first test input all programs agree, on the second they do not.
        candidates = [*found(C, C), *found(C, D, index=1), *said(A), *said(A, index=1)]
        branches = [one.branch for one in fuse(TWO, candidates, flat_vote)]
        assert branches == [Branch.MODEL_FIRST, Branch.MODEL_FIRST]
        candidates = [*found(C, C), *found(D, D, index=1), *said(A), *said(A, index=1)]
        branches = [one.branch for one in fuse(TWO, candidates, flat_vote)]
        assert branches == [Branch.PROGRAM_FIRST, Branch.PROGRAM_FIRST]

    def test_each_test_input_has_its_own_branch(self) -> None:
        candidates = [*found(C), *found(D, index=1), *said(C), *said(A, index=1)]
        assert [one.branch for one in fuse(TWO, candidates, flat_vote)] == [Branch.AGREE, Branch.PROGRAM_FIRST]
        candidates = [*poor(C), *said(A, index=1)]
        assert [one.branch for one in fuse(TWO, candidates, flat_vote)] == [Branch.PROGRAM_ONLY, Branch.MODEL_ONLY]


class TestUnique:
    @pytest.mark.parametrize(
        ("candidates", "is_unique"),
        [
            ([], False),
            (found(A), True),
            (found(A, A), True),
            (found(A, B), False),
            (poor(A), False),
            (found(A) + poor(B), True),
            (said(A), False),
        ],
    )
    def test_one_answer_that_explains_everything(self, candidates: list[Candidate], is_unique: bool) -> None:
        assert unique(ONE, candidates) == is_unique

    def test_programs_much_longer_than_the_shortest_do_not_count(self) -> None:
        assert unique(ONE, [*found(A, cost=2.0), *found(B, cost=2.0 + MARGIN)])
        assert not unique(ONE, [*found(A, cost=2.0), *found(B, cost=1.9 + MARGIN)])
        assert not unique(ONE, [*found(A, cost=9.0), *found(B, C, cost=2.0)])

    def test_on_every_test_input(self) -> None:
        assert unique(TWO, [*found(A), *found(B, index=1)])
        assert not unique(TWO, [*found(A), *found(B, C, index=1)])
        assert not unique(TWO, found(A))

    def test_settled_by_a_short_one(self) -> None:
        assert settled(ONE, found(A, cost=SHORT))
        assert not settled(ONE, found(A, cost=SHORT + 0.1))
        assert settled(ONE, [*found(A, cost=SHORT + 0.1), *found(A, cost=SHORT)])
        assert not settled(ONE, found(A, B, cost=SHORT))
        assert not settled(ONE, [*poor(A), *found(A, cost=SHORT + 0.1)])
        assert not settled(ONE, found(A, cost=None))
        assert not settled(ONE, [])


class TestDoubt:
    @pytest.mark.parametrize(
        ("candidates", "doubt"),
        [
            (said(A), 0.0),
            (said(A, B), 1 / 3),
            (said(A, B) + found(A), 0.0),
            (said(A, B) + found(C), 0.0),
            (found(C), 0.0),
            (said(A, B) + found(C, A), 0.0),
            (said(A, B) + found(C, D), 1 / 3),
            # Programs that fail on demonstrations settle nothing.
            (said(A, B) + poor(A), 1 / 3),
            (poor(A), 1.0),
            (found(A, B), 1.0),
        ],
    )
    def test_each(self, candidates: list[Candidate], doubt: float) -> None:
        assert fused(*candidates).doubt == pytest.approx(doubt)


QUERY = Query("t", 0)
some_programs = st.lists(programs(QUERY, st.sampled_from([A, B, C])), max_size=4).map(
    lambda found: sorted(found, key=lambda one: one.cost or 0.0)
)
"""The best first, as the search gives them."""


def believed(ranked: list[Candidate]) -> set[Grid]:
    """What perfect programs of about the shortest length say."""
    costs = [one.cost or 0.0 for one in ranked if one.perfect]
    return {one.grid for one in ranked if one.perfect and (one.cost or 0.0) < min(costs) + MARGIN}


def model_ballots(max_size: int = 8) -> st.SearchStrategy[list[Candidate]]:
    """The model's candidates; some grids are those of `some_programs`."""
    views = st.sampled_from(list(Dihedral)).map(lambda dihedral: View(Transform(dihedral), (0,)))
    one = st.builds(Candidate, st.just(QUERY), st.sampled_from([A, B, C, D]), view=views)
    return st.lists(one, max_size=max_size)


@pytest.mark.parametrize("vote", VOTES)
class TestProperties:
    @settings(max_examples=150)
    @given(model=model_ballots(), ranked=some_programs, task=tasks(task_id="t"))
    def test_branch_and_attempts_follow_the_rule(
        self, vote: Vote, model: list[Candidate], ranked: list[Candidate], task: Task
    ) -> None:
        task = Task("t", task.train, task.test_inputs[:1])
        (one,) = fuse(task, [*model, *ranked], vote)
        perfect = list(dict.fromkeys(candidate.grid for candidate in ranked if candidate.perfect))
        programs_first = [*perfect, *(candidate.grid for candidate in ranked)]
        first, second = one.attempts.first, one.attempts.second
        distinct = {candidate.grid for candidate in (*model, *ranked)}
        assert first != second
        assert len({first, second} & distinct) == min(2, len(distinct))
        if not model or not ranked:
            assert one.branch is (Branch.MODEL_ONLY if model else Branch.PROGRAM_ONLY if ranked else Branch.NEITHER)
        elif vote(model)[0] == programs_first[0] or (len(believed(ranked)) != 1 and vote(model)[0] in perfect):
            assert (one.branch, first) == (Branch.AGREE, vote(model)[0])
            assert len(perfect) < 2 or second in perfect
        elif len(believed(ranked)) == 1:
            assert (one.branch, first, second) == (Branch.PROGRAM_FIRST, perfect[0], vote(model)[0])
        else:
            assert (one.branch, first) == (Branch.MODEL_FIRST, vote(model)[0])
            others = [*perfect, *vote(model)[1:], *programs_first]
            assert second == next(grid for grid in others if grid != first)
        assert 0 <= one.doubt <= 1
        if len(believed(ranked)) == 1:
            assert one.doubt == 0

    @settings(max_examples=80)
    @given(data=st.data())
    def test_the_order_of_the_models_candidates_does_not_matter(self, vote: Vote, data: st.DataObject) -> None:
        model, ranked = data.draw(model_ballots()), data.draw(some_programs)
        mixed = data.draw(st.permutations(model))
        assert fuse(ONE, [*model, *ranked], vote) == fuse(ONE, [*ranked, *mixed], vote)

    @settings(max_examples=80)
    @given(model=model_ballots(), task=tasks(task_id="t"))
    def test_without_programs_it_is_the_vote(self, vote: Vote, model: list[Candidate], task: Task) -> None:
        for query, one in zip(task.queries(), fuse(task, model, vote), strict=True):
            own = [candidate for candidate in model if candidate.query == query]
            assert one.attempts == choose(vote(own), task, query, [candidate.grid for candidate in own])

    @settings(max_examples=80)
    @given(data=st.data(), task=tasks(task_id="t"))
    def test_any_subset_of_results_gives_a_full_valid_submission(
        self, vote: Vote, data: st.DataObject, task: Task
    ) -> None:
        candidates = [one for query in task.queries() for one in data.draw(ballots(query, max_size=4))]
        answers = dict(zip(task.queries(), (one.attempts for one in fuse(task, candidates, vote)), strict=True))
        submission = json.loads(json.dumps(render_submission([task], answers)))
        assert check_submission(submission, [task], "s") == []
        for query in task.queries():
            distinct = {one.grid for one in candidates if one.query == query}
            attempts = {answers[query].first, answers[query].second}
            assert len(attempts) == 2
            assert len(attempts & distinct) == min(2, len(distinct))

    @settings(max_examples=80)
    @given(model=model_ballots(), ranked=some_programs)
    def test_a_unique_program_is_always_an_attempt(
        self, vote: Vote, model: list[Candidate], ranked: list[Candidate]
    ) -> None:
        assume(unique(ONE, ranked))
        (one,) = fuse(ONE, [*model, *ranked], vote)
        assert one.attempts.first == next(candidate.grid for candidate in ranked if candidate.perfect)


class TestTwoKindsOfPrograms:
    """Programs that were searched for, and programs that a language model wrote."""

    def test_what_both_say_comes_before_what_either_says_alone(self) -> None:
        searched = [*found(B, cost=4.5), *found(A, cost=5.0)]
        written = [*wrote(C, votes=1.2), *wrote(A)]
        assert fused(*searched).attempts == Attempts(B, A)
        assert fused(*written).attempts == Attempts(C, A)
        assert fused(*searched, *written).attempts == Attempts(A, C)

    def test_programs_of_one_kind_do_not_add_up(self) -> None:
        # Ten of the search's programs that say the same are ten spellings of one idea.
        assert fused(*found(*[A] * 10, cost=5.0), *found(B, cost=4.5)).attempts.first == B

    def test_one_vote_weighs_as_much_as_the_longest_program_that_settles(self) -> None:
        assert settled(ONE, wrote(A))
        assert fused(*wrote(A), *found(B, cost=SHORT + 0.1)).attempts.first == A
        assert fused(*wrote(A), *found(B, cost=SHORT - 0.1)).attempts.first == B

    def test_four_votes_are_a_program_that_is_two_shorter(self) -> None:
        assert fused(*wrote(A, votes=4), *found(B, cost=SHORT - 1.9)).attempts.first == A
        assert fused(*wrote(A, votes=4), *found(B, cost=SHORT - 2.1)).attempts.first == B
        tie = found(B, cost=SHORT - 2)
        assert fused(*wrote(A, votes=4), *tie) == fused(*tie, *wrote(A, votes=4))

    @pytest.mark.parametrize(
        ("candidates", "is_unique"),
        [
            (wrote(A), True),
            (wrote(A, perfect=False), False),
            (wrote(A) + wrote(B, votes=2), False),
            (wrote(A) + wrote(B, votes=9), True),
            (found(A) + wrote(A), True),
            (found(A) + wrote(B), False),
            (found(A) + wrote(B, perfect=False), True),
            (found(A, cost=1.0) + wrote(B), True),
            # A long searched program has no say against a written one.
            (wrote(A) + found(B, cost=SHORT + MARGIN), True),
            (wrote(A) + found(B, cost=SHORT + MARGIN - 0.1), False),
            (wrote(A, votes=8) + found(B, cost=SHORT + 0.1), True),
        ],
    )
    def test_unique_is_what_both_kinds_agree_on(self, candidates: list[Candidate], is_unique: bool) -> None:
        assert unique(ONE, candidates) == is_unique

    def test_votes_are_compared_on_each_test_input(self) -> None:
        # Eight agree on the first test input, of whom one has an answer to the second.
        clear = wrote(A, votes=8)
        assert unique(TWO, [*clear, *wrote(A, index=1)])
        assert not unique(TWO, [*clear, *wrote(A, index=1), *found(B, cost=SHORT + 1, index=1)])
        assert not unique(TWO, clear)

    def test_settled_needs_short_programs_for_every_test_input(self) -> None:
        long = [*found(A, cost=SHORT + 1), *found(A, cost=SHORT + 1, index=1)]
        assert unique(TWO, [*wrote(A), *long])
        assert not settled(TWO, [*wrote(A), *long])
        assert settled(TWO, [*wrote(A), *wrote(A, index=1), *long])

    @pytest.mark.parametrize(
        ("candidates", "branch", "first", "second"),
        [
            (said(A, B) + wrote(A), Branch.AGREE, A, B),
            (said(A, B) + wrote(C), Branch.PROGRAM_FIRST, C, A),
            (said(A, B) + wrote(C) + wrote(D), Branch.MODEL_FIRST, A, C),
            (said(A, B) + wrote(C) + wrote(A), Branch.AGREE, A, C),
            (said(A, B) + wrote(C, perfect=False), Branch.MODEL_FIRST, A, B),
            (said(A, B) + found(C) + wrote(D), Branch.MODEL_FIRST, A, C),
            (said(A, B) + found(C, cost=9.0) + wrote(D), Branch.PROGRAM_FIRST, D, A),
            (said(A, B) + poor(C) + wrote(D), Branch.PROGRAM_FIRST, D, A),
            (said(A, B) + poor(C) + wrote(D, perfect=False), Branch.MODEL_FIRST, A, B),
            (said(A) + poor(C) + wrote(D, perfect=False), Branch.MODEL_FIRST, A, C),
            (poor(C) + wrote(D, perfect=False), Branch.PROGRAM_ONLY, C, D),
        ],
    )
    def test_beside_the_model(self, candidates: list[Candidate], branch: Branch, first: Grid, second: Grid) -> None:
        one = fused(*candidates)
        assert (one.branch, one.attempts) == (branch, Attempts(first, second))

    @settings(max_examples=150)
    @given(data=st.data())
    def test_how_the_channels_are_mixed_does_not_matter(self, data: st.DataObject) -> None:
        model, searched = data.draw(model_ballots()), data.draw(some_programs)
        written = data.draw(st.lists(written_programs(QUERY, st.sampled_from([A, B, C])), max_size=4))
        one = fuse(ONE, [*model, *searched, *written], hierarchical_vote)
        kinds = data.draw(st.permutations([*[0] * len(model), *[1] * len(searched), *[2] * len(written)]))
        left = [iter(data.draw(st.permutations(model))), iter(searched), iter(written)]
        mixed = [next(left[kind]) for kind in kinds]
        assert fuse(ONE, mixed, hierarchical_vote) == one
        assert unique(ONE, mixed[::-1]) == unique(ONE, mixed)
        assert settled(ONE, mixed[::-1]) == settled(ONE, mixed)

    @settings(max_examples=150)
    @given(data=st.data())
    def test_what_is_unique_is_the_first_attempt(self, data: st.DataObject) -> None:
        some = [
            data.draw(st.lists(kind(query, st.sampled_from([A, B, C])), max_size=4))
            for kind in (programs, written_programs)
            for query in TWO.queries()
        ]
        ranked = [one for few in some for one in few]
        assume(unique(TWO, ranked))
        for query, one in zip(TWO.queries(), fuse(TWO, ranked, hierarchical_vote), strict=True):
            perfect = [candidate for candidate in ranked if candidate.query == query and candidate.perfect]
            assert one.attempts.first == min(perfect, key=lambda candidate: candidate.cost or 0.0).grid
            assert (one.branch, one.doubt) == (Branch.PROGRAM_ONLY, 0.0)
