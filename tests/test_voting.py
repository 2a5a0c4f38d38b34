from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from solver.attempts import Candidate, Channel
from solver.augmentation import Dihedral, Transform, View
from solver.grid import Grid
from solver.task import Pair, Query, Task
from solver.voting import (
    choose,
    fallback,
    fallback_grids,
    flat_vote,
    hierarchical_vote,
    majority_grids,
    poe_counts_vote,
    poe_vote,
    predicted_shape,
)
from tests.strategies import ballots, candidates, grids, tasks

QUERY = Query("t", 0)
IDENTITY, TRANSPOSE, ROT90, ROT180 = Dihedral.IDENTITY, Dihedral.TRANSPOSE, Dihedral.ROT90, Dihedral.ROT180
A, B, C, D, E = (Grid(((colour,),)) for colour in range(1, 6))
Vote = Callable[[Sequence[Candidate]], tuple[Grid, ...]]
VOTES = [flat_vote, hierarchical_vote, poe_vote, poe_counts_vote]


def grid(*rows: str) -> Grid:
    return Grid(tuple(tuple(map(int, row)) for row in rows))


def by(dihedral: Dihedral | None, *predicted: Grid, logprob: float | None = None) -> list[Candidate]:
    """One candidate per grid, through views of one symmetry, or from programs."""
    if dihedral is None:
        return [Candidate(QUERY, one, Channel.PROGRAM) for one in predicted]
    return [Candidate(QUERY, one, view=View(Transform(dihedral), (0,)), logprob=logprob) for one in predicted]


class TestFlatVote:
    def test_most_frequent_first(self) -> None:
        assert flat_vote(by(ROT90, B, A, B, C, B, A)) == (B, A, C)

    def test_a_tie_goes_to_the_identity_then_to_the_best_logprob_then_to_content(self) -> None:
        assert flat_vote([*by(ROT90, A), *by(IDENTITY, B)]) == (B, A)
        assert flat_vote([*by(ROT90, A, logprob=-3.0), *by(ROT90, B, logprob=-2.0)]) == (B, A)
        assert flat_vote(by(ROT90, B, A)) == (A, B)

    def test_no_candidates(self) -> None:
        assert flat_vote([]) == hierarchical_vote([]) == ()


class TestHierarchicalVote:
    def test_agreement_between_groups_beats_one_loud_group(self) -> None:
        found = [*by(IDENTITY, A, A, A, A, A), *by(TRANSPOSE, B), *by(ROT90, B)]
        assert flat_vote(found)[0] == A
        assert hierarchical_vote(found) == (B, A)

    def test_a_lone_prediction_does_not_outvote_a_rich_group(self) -> None:
        # Padded with copies of itself, the lone A would have three picks.
        found = [*by(TRANSPOSE, A), *by(IDENTITY, B, B, C), *by(ROT90, B, D)]
        assert hierarchical_vote(found)[0] == B

    def test_a_group_sends_three_and_the_rest_follows_in_flat_order(self) -> None:
        found = [*by(IDENTITY, A, A, B, B, C, C, D), *by(TRANSPOSE, B, C), *by(ROT90, E)]
        assert hierarchical_vote(found) == (B, C, A, E, D)

    def test_ties_go_to_the_identity_at_both_levels(self) -> None:
        second_level = [*by(TRANSPOSE, A, A, A), *by(IDENTITY, B)]
        assert hierarchical_vote(second_level) == (B, A)
        first_level = [*by(TRANSPOSE, A, B, C, D), *by(IDENTITY, D, E)]
        assert hierarchical_vote(first_level)[0] == D

    def test_then_to_the_total_count_then_to_the_best_logprob(self) -> None:
        assert hierarchical_vote([*by(ROT90, A), *by(ROT180, B, B)]) == (B, A)
        assert hierarchical_vote([*by(ROT90, A, logprob=-3.0), *by(ROT180, B, logprob=-2.0)]) == (B, A)

    def test_an_unusable_logprob_is_as_good_as_none(self) -> None:
        found = [*by(ROT90, A, logprob=math.nan), *by(ROT180, B, logprob=-2.0)]
        assert hierarchical_vote(found) == hierarchical_vote(found[::-1]) == (B, A)

    def test_programs_are_a_group_of_their_own(self) -> None:
        found = [*by(ROT90, A, A), *by(ROT180, B), *by(None, B, B)]
        assert hierarchical_vote(found)[0] == B

    def test_colours_and_orders_of_a_view_do_not_split_its_group(self) -> None:
        recoloured = Transform(IDENTITY, (0, 2, 1, 3, 4, 5, 6, 7, 8, 9))
        one_group = [Candidate(QUERY, A, view=View(transform, (0,))) for transform in (Transform(), recoloured)]
        assert hierarchical_vote([*one_group, *by(ROT90, B), *by(ROT180, B)])[0] == B

    def test_a_divided_group_is_filled_with_a_majority_that_comes_last(self) -> None:
        # Rows of the transposed group tie; the other groups' rows decide each tie, and together give a new grid.
        found = [*by(TRANSPOSE, grid("11", "22"), grid("33", "44")), *by(IDENTITY, grid("11", "55"), grid("66", "44"))]
        ranking = hierarchical_vote(found)
        assert set(ranking[:4]) == {candidate.grid for candidate in found}
        assert ranking[4] == grid("11", "44")

    def test_one_more_vote_does_not_let_a_filled_in_grid_overtake(self) -> None:
        first, rival, hybrid, other = grid("11", "22"), grid("33", "44"), grid("11", "44"), grid("55", "44")
        found = [
            *by(TRANSPOSE, first, rival, rival),
            *by(IDENTITY, first, first, first, hybrid, hybrid, other, other),
            *by(ROT90, hybrid),
        ]
        majority = majority_grids({first: 2, rival: 2}, {first: 3, hybrid: 2, other: 2})
        assert hybrid in majority
        assert hierarchical_vote(found)[0] == first
        assert hierarchical_vote([*found, *by(TRANSPOSE, first)])[0] == first


def scored(grid: Grid, score: float | None, count: int = 1, dihedral: Dihedral = ROT90) -> list[Candidate]:
    return [replace(one, score=score) for one in by(dihedral, *[grid] * count)]


class TestProductOfExperts:
    def test_the_most_probable_under_all_views_first(self) -> None:
        found = [*scored(A, -3.0, 5), *scored(B, -2.0), *scored(C, -4.0)]
        assert poe_vote(found) == (B, A, C)

    def test_with_counts_a_grid_said_twice_weighs_as_one_twice_as_probable(self) -> None:
        found = [*scored(A, -2.0 - math.log(2) + 1e-6, 2), *scored(B, -2.0)]
        assert poe_vote(found) == (B, A)
        assert poe_counts_vote(found) == (A, B)
        found = [*scored(A, -2.0 - math.log(2) - 1e-6, 2), *scored(B, -2.0)]
        assert poe_counts_vote(found) == (B, A)

    @pytest.mark.parametrize("vote", [poe_vote, poe_counts_vote])
    def test_what_was_not_scored_under_all_views_stands_behind_what_was(self, vote: Vote) -> None:
        found = [*scored(A, None, 9), *scored(B, None), *scored(C, -90.0), *scored(D, -math.inf)]
        assert vote(found) == (C, D, A, B)

    @pytest.mark.parametrize("vote", [poe_vote, poe_counts_vote])
    def test_without_any_scores_it_is_the_flat_vote(self, vote: Vote) -> None:
        found = [*by(IDENTITY, A), *by(ROT90, B, B, C), *by(ROT180, C, logprob=-1.0)]
        assert vote(found) == flat_vote(found)
        assert vote([]) == ()

    @pytest.mark.parametrize("vote", [poe_vote, poe_counts_vote])
    def test_ties_go_to_the_count_then_to_the_identity_then_to_the_best_logprob(self, vote: Vote) -> None:
        assert poe_vote([*scored(A, -1.0), *scored(B, -1.0, 2)]) == (B, A)
        assert vote([*scored(A, -1.0), *scored(B, -1.0, dihedral=IDENTITY)]) == (B, A)
        assert vote([*scored(A, -1.0), *[replace(one, logprob=-2.0) for one in scored(B, -1.0)]]) == (B, A)
        assert vote([*scored(B, -1.0), *scored(A, -1.0)]) == (A, B)

    @pytest.mark.parametrize("vote", [poe_vote, poe_counts_vote])
    def test_an_unusable_score_is_as_good_as_none(self, vote: Vote) -> None:
        assert vote([*scored(A, math.nan, 3), *scored(B, -9.0)]) == (B, A)


@pytest.mark.parametrize("vote", VOTES)
class TestProperties:
    def test_counters_do_not_leak_between_queries(self, vote: Vote) -> None:
        stranger = Candidate(Query("t", 1), A)
        with pytest.raises(ValueError, match="more than one query"):
            vote([*by(IDENTITY, A), stranger])

    @settings(max_examples=80)
    @given(data=st.data())
    def test_ignores_the_order_of_its_input(self, vote: Vote, data: st.DataObject) -> None:
        found = data.draw(ballots(QUERY))
        assert vote(data.draw(st.permutations(found))) == vote(found)

    @settings(max_examples=80)
    @given(found=ballots(QUERY))
    def test_ranks_every_grid_once(self, vote: Vote, found: list[Candidate]) -> None:
        ranking = vote(found)
        predicted = {candidate.grid for candidate in found}
        assert len(set(ranking)) == len(ranking)
        assert set(ranking[: len(predicted)]) == predicted

    @settings(max_examples=80)
    @given(data=st.data())
    def test_more_support_never_demotes(self, vote: Vote, data: st.DataObject) -> None:
        found = data.draw(ballots(QUERY, min_size=1))
        supported = data.draw(st.sampled_from(found)).grid
        more = [*found, data.draw(candidates(QUERY, st.just(supported)))]
        before, after = vote(found), vote(more)
        ahead = set(after[: after.index(supported)])
        assert ahead <= set(before[: before.index(supported)])


class TestMajority:
    def test_rows_and_columns(self) -> None:
        rows, columns = majority_grids(Counter([grid("12", "34"), grid("12", "56"), grid("78", "56")]))
        assert rows == grid("12", "56")
        assert columns == grid("12", "34")

    def test_only_the_most_common_shape_counts(self) -> None:
        assert majority_grids({grid("12"): 2, grid("1", "2"): 1, grid("345"): 1}) == (grid("12"), grid("12"))

    def test_tie_breaks_are_asked_in_turn(self) -> None:
        tied = {grid("1"): 1, grid("2"): 1}
        assert majority_grids(tied)[0] == grid("1")
        assert majority_grids(tied, {}, {grid("2"): 1})[0] == grid("2")
        assert majority_grids(tied, {grid("1"): 1}, {grid("2"): 9})[0] == grid("1")

    @settings(max_examples=80)
    @given(found=st.lists(grids(max_side=3, colours=2), min_size=1, max_size=8))
    def test_every_row_and_column_was_predicted(self, found: list[Grid]) -> None:
        rows, columns = majority_grids(Counter(found))
        alike = [one for one in found if one.shape == rows.shape]
        assert rows.shape == columns.shape
        assert all(row in {one.rows[number] for one in alike} for number, row in enumerate(rows.rows))
        across = [list(zip(*one.rows, strict=True)) for one in alike]
        for number, column in enumerate(zip(*columns.rows, strict=True)):
            assert column in {one[number] for one in across}


def task_of(*pairs: tuple[Grid, Grid], test: Grid) -> Task:
    return Task("t", tuple(Pair(*pair) for pair in pairs), (test,))


class TestChoose:
    task = task_of((grid("11"), grid("22")), (grid("33"), grid("44")), test=grid("55"))

    def test_takes_the_first_two(self) -> None:
        chosen = choose((C, A, B), self.task, QUERY)
        assert (chosen.first, chosen.second) == (C, A)

    def test_a_unanimous_vote_gets_a_plausible_second_attempt(self) -> None:
        answer = grid("66")
        chosen = choose((answer,), self.task, QUERY, predictions=[answer] * 8)
        assert chosen.first == answer
        assert chosen.second == grid("55")

    def test_predictions_are_smoothed_before_anything_is_guessed(self) -> None:
        weak = [grid("12", "34"), grid("12", "56"), grid("78", "56")]
        chosen = choose((), self.task, QUERY, predictions=weak)
        assert (chosen.first, chosen.second) == (grid("12", "56"), grid("12", "34"))

    def test_the_test_input_may_itself_be_the_answer(self) -> None:
        chosen = choose((grid("55"),), self.task, QUERY)
        assert chosen.second == grid("22")

    def test_refuses_a_query_of_another_task(self) -> None:
        with pytest.raises(ValueError, match="other"):
            choose((A,), self.task, Query("other", 0))

    @settings(max_examples=80)
    @given(data=st.data(), task=tasks(task_id="t"))
    def test_attempts_differ_and_are_the_ranking_s_while_it_lasts(self, data: st.DataObject, task: Task) -> None:
        ranking = flat_vote(data.draw(ballots(QUERY, max_size=3)))
        predictions = data.draw(st.lists(grids(max_side=3), max_size=3))
        chosen = choose(ranking, task, QUERY, predictions)
        assert chosen.first != chosen.second
        assert (chosen.first, chosen.second)[: len(ranking)] == ranking[:2]


class TestFallback:
    @settings(max_examples=80)
    @given(task=tasks())
    def test_always_two_different_grids(self, task: Task) -> None:
        for query in task.queries():
            answer = fallback(task, query.index)
            assert answer.first != answer.second

    def test_even_where_every_guess_is_the_same(self) -> None:
        black = grid("0")
        answer = fallback(task_of((black, black), test=black), 0)
        assert answer.first == black
        assert answer.second != black

    def test_guesses_of_the_predicted_shape_come_first(self) -> None:
        task = task_of((grid("111"), grid("9")), (grid("222"), grid("8")), (grid("333"), grid("8")), test=grid("444"))
        assert fallback_grids(task, 0)[:2] == (grid("8"), grid("0"))
        assert grid("444") in fallback_grids(task, 0)

    @pytest.mark.parametrize(
        ("demonstrations", "test", "shape"),
        [
            ([("11", "22"), ("1", "2")], "333", (1, 3)),
            ([("11", "2222"), ("1", "22")], "333", (1, 6)),
            ([("1111", "22"), ("11", "2")], "333333", (1, 3)),
            ([("1111", "22"), ("11", "2")], "333", None),
            ([("11", "2222"), ("1", "22")], "3" * 16, None),
            ([("111", "22"), ("1", "22")], "3333", (1, 2)),
            ([("111", "22"), ("1", "2")], "3333", None),
        ],
    )
    def test_predicted_shape(
        self, demonstrations: list[tuple[str, str]], test: str, shape: tuple[int, int] | None
    ) -> None:
        task = task_of(*((grid(one), grid(other)) for one, other in demonstrations), test=grid(test))
        assert predicted_shape(task, 0) == shape

    @settings(max_examples=80)
    @given(task=tasks())
    def test_a_predicted_shape_is_a_valid_one_and_comes_first(self, task: Task) -> None:
        shape = predicted_shape(task, 0)
        assume(shape is not None)
        assert fallback_grids(task, 0)[0].shape == shape
