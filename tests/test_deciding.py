"""Stopping when decided, held against every outcome that the coming views can have."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.attempts import Attempts, Candidate, Channel
from solver.augmentation import Dihedral, Transform, View
from solver.deciding import RISK, Case, Coming, Race, StopEarly, decided, likely, next_views
from solver.deciding.likely import _fewer
from solver.fusion import Vote, fuse
from solver.grid import Grid
from solver.task import Pair, Query, Task
from solver.voting import PICKS, flat_vote, hierarchical_vote, poe_counts_vote, poe_vote, support_of

QUERY = Query("t", 0)
A, B, C, D, E, P, FRESH, OTHER = (Grid(((colour,),)) for colour in range(8))
TASK = Task("t", (Pair(A, Grid(((9,),))),), (Grid(((8,),)),))
TURNS = (Dihedral.IDENTITY, Dihedral.ROT90, Dihedral.TRANSPOSE)
VOTES = [flat_vote, hierarchical_vote]
LOW, HIGH = -1e9, 0.0
"""Log-probabilities of coming answers: worse and better than those of all there are."""

Outcome = tuple[tuple[Grid, float], ...]
"""What one view says: grids with their log-probabilities."""


def view(dihedral: Dihedral) -> View:
    return View(Transform(dihedral), (0,))


def said(dihedral: Dihedral, *grids: Grid, logprob: float | None = -1.0) -> list[Candidate]:
    return [Candidate(QUERY, grid, view=view(dihedral), logprob=logprob) for grid in grids]


def found(*grids: Grid, perfect: bool = True, cost: float = 2.0) -> list[Candidate]:
    return [Candidate(QUERY, grid, Channel.PROGRAM, program="p", cost=cost, perfect=perfect) for grid in grids]


def attempts(vote: Vote, candidates: Sequence[Candidate]) -> Attempts:
    return fuse(TASK, candidates, vote)[0].attempts


def outcomes(case: Case) -> list[Outcome]:
    """Of one greedy view: no answer, or any known grid or one of two new ones, with the worst or best logprob."""
    grids = dict.fromkeys([*(one.grid for one in case.candidates), FRESH, OTHER])
    return [(), *(((grid, logprob),) for grid in grids for logprob in (LOW, HIGH))]


def endings(case: Case, views: Sequence[Dihedral], each: Sequence[Outcome] | None = None) -> Iterator[list[Candidate]]:
    """The candidates after every outcome of the coming views."""
    each = outcomes(case) if each is None else each
    # Views of one symmetry are interchangeable: their outcomes are drawn without regard to order.
    by_turn = [
        [(turn, chosen) for chosen in itertools.combinations_with_replacement(each, count)]
        for turn, count in Counter(views).items()
    ]
    for ending in itertools.product(*by_turn):
        answers = [(turn, answer) for turn, chosen in ending for outcome in chosen for answer in outcome]
        yield [
            *case.candidates,
            *(Candidate(QUERY, grid, view=view(turn), logprob=logprob) for turn, (grid, logprob) in answers),
        ]


def truth(case: Case, views: Sequence[Dihedral], each: Sequence[Outcome] | None = None) -> bool:
    """Whether no ending changes the attempts, by trying all."""
    now = attempts(case.vote, case.candidates)
    return all(attempts(case.vote, candidates) == now for candidates in endings(case, views, each))


def narrow(case: Case, views: Sequence[Dihedral]) -> bool:
    """Whether no group can come to hold more distinct grids than it picks."""
    groups = support_of([one for one in case.candidates if one.channel is Channel.MODEL]).groups
    return all(len(groups.get(turn, ())) + Counter(views)[turn] <= PICKS for turn in TURNS)


def coming(views: Sequence[Dihedral], repeats: int = 1, alone: bool = True) -> Coming:
    return Coming(Counter(views), repeats, alone)


def model_said(max_size: int = 7) -> st.SearchStrategy[list[Candidate]]:
    logprobs = st.sampled_from([None, -2.0, -1.0])
    one = st.builds(
        Candidate, st.just(QUERY), st.sampled_from([A, B, C]), view=st.sampled_from(TURNS).map(view), logprob=logprobs
    )
    return st.lists(one, max_size=max_size)


program_said = st.lists(
    st.builds(
        Candidate,
        st.just(QUERY),
        st.sampled_from([A, B, P]),
        st.just(Channel.PROGRAM),
        program=st.just("p"),
        cost=st.sampled_from([1.0, 3.0, 9.0]),
        perfect=st.booleans(),
    ),
    max_size=3,
).map(lambda programs: sorted(programs, key=lambda one: one.cost or 0.0))
views_to_come = st.lists(st.sampled_from(TURNS), min_size=1, max_size=2)


class TestExact:
    @settings(max_examples=150)
    @given(model=model_said(), programs=program_said, views=views_to_come)
    def test_the_flat_vote_is_decided_if_and_only_if_nothing_can_change_the_attempts(
        self, model: list[Candidate], programs: list[Candidate], views: list[Dihedral]
    ) -> None:
        case = Case(TASK, QUERY, [*model, *programs], flat_vote)
        # Without any answer of the model one will come, or not: nobody needs this case.
        assert decided(case, coming(views)) == (bool(model) and truth(case, views))

    @settings(max_examples=150)
    @given(model=model_said(), programs=program_said, views=views_to_come)
    def test_the_hierarchical_vote_is_never_decided_wrongly_and_exactly_in_small_groups(
        self, model: list[Candidate], programs: list[Candidate], views: list[Dihedral]
    ) -> None:
        case = Case(TASK, QUERY, [*model, *programs], hierarchical_vote)
        says = decided(case, coming(views))
        if narrow(case, views):
            assert says == (bool(model) and truth(case, views))
        elif says:
            assert truth(case, views)

    @pytest.mark.parametrize("vote", VOTES)
    @pytest.mark.parametrize("programs", [[], found(A), found(P), found(A, P), found(P, perfect=False)])
    def test_long_votes(self, vote: Vote, programs: list[Candidate]) -> None:
        """More views to come than chance finds decided."""
        for ahead, behind, more in itertools.product((2, 3, 4), (0, 1, 2), (1, 2, 3)):
            model = [*said(TURNS[1], *[A] * ahead), *said(TURNS[0], A), *said(TURNS[2], *[B] * behind)]
            views = [*TURNS, *TURNS][:more]
            case = Case(TASK, QUERY, [*model, *programs], vote)
            says = decided(case, coming(views))
            if vote is flat_vote or narrow(case, views):
                assert says == truth(case, views)
            else:
                assert not says or truth(case, views)

    @settings(max_examples=60)
    @given(model=model_said(), programs=program_said, later=program_said, views=views_to_come)
    def test_while_programs_may_still_be_found_no_program_can_change_it_either(
        self, model: list[Candidate], programs: list[Candidate], later: list[Candidate], views: list[Dihedral]
    ) -> None:
        for vote in VOTES:
            case = Case(TASK, QUERY, [*model, *programs], vote, closed=False)
            if decided(case, coming(views)):
                assert truth(replace(case, candidates=[*model, *later]), views)

    @settings(max_examples=60)
    @given(model=model_said(6), programs=program_said, views=st.lists(st.sampled_from(TURNS), min_size=1, max_size=1))
    def test_views_of_several_samples(
        self, model: list[Candidate], programs: list[Candidate], views: list[Dihedral]
    ) -> None:
        for vote in VOTES:
            case = Case(TASK, QUERY, [*model, *programs], vote)
            single = outcomes(case)
            each = [(*one, *other) for one, other in itertools.combinations_with_replacement(single, 2)]
            says = decided(case, coming(views, repeats=2))
            if vote is flat_vote:
                assert says == (bool(model) and truth(case, views, each))
            elif says:
                assert truth(case, views, each)

    @settings(max_examples=60)
    @given(model=model_said(6), programs=program_said, views=st.lists(st.sampled_from(TURNS), min_size=1, max_size=1))
    def test_views_that_search(self, model: list[Candidate], programs: list[Candidate], views: list[Dihedral]) -> None:
        """A view names any set of grids, each of them once."""
        for vote in VOTES:
            case = Case(TASK, QUERY, [*model, *programs], vote)
            grids = list(dict.fromkeys([*(one.grid for one in case.candidates), FRESH, OTHER, D, E]))
            each = [
                tuple((grid, HIGH) for grid in chosen)
                for size in range(len(grids) + 1)
                for chosen in itertools.combinations(grids, size)
            ]
            each += [tuple((grid, LOW if grid in (A, B) else HIGH) for grid, _ in one) for one in each]
            says = decided(case, coming(views, alone=False))
            if vote is flat_vote:
                assert says == (bool(model) and truth(case, views, each))
            elif says:
                assert truth(case, views, each)

    def test_nothing_to_come_is_decided_whatever_the_vote(self) -> None:
        for vote in (*VOTES, poe_vote, poe_counts_vote):
            assert decided(Case(TASK, QUERY, [], vote), coming([]))

    @pytest.mark.parametrize("vote", [poe_vote, poe_counts_vote])
    def test_scores_are_not_there_before_all_views_are(self, vote: Vote) -> None:
        case = Case(TASK, QUERY, [*said(TURNS[0], *[A] * 9), *found(P)], vote)
        assert not decided(case, coming(TURNS[:1]))
        assert next_views(StopEarly.EXACT, case, [view(TURNS[0])], 9) == 1

    def test_what_other_test_inputs_know_does_not_count(self) -> None:
        task = Task("t", TASK.train, (*TASK.test_inputs, *TASK.test_inputs))
        own, other = said(TURNS[1], *[A] * 3), [replace(one, query=Query("t", 1)) for one in said(TURNS[1], B, B, B)]
        programs = [replace(one, query=Query("t", index)) for index in range(2) for one in found(P)]
        for vote in VOTES:
            case = Case(task, QUERY, [*own, *other, *programs], vote)
            assert decided(case, coming(TURNS[1:2]))
            assert not decided(case, coming([TURNS[1]] * 3))


def wide_cases(number: int) -> Iterator[tuple[Case, list[Dihedral]]]:
    """Hierarchical votes with groups that may come to hold more distinct grids than they pick."""
    rng = random.Random(7)
    made = 0
    while made < number:
        counts = [rng.choice((2, 3, 4, 5)) for _ in range(2)]
        model = []
        for turn, count in zip(TURNS[:2], counts, strict=True):
            favourite = rng.choice((A, A, A, B))
            for _ in range(count):
                grid = favourite if rng.random() < 0.6 else rng.choice((A, B, C, D))
                model += said(turn, grid, logprob=rng.choice((-2.0, -1.0)))
        programs = rng.choice(([], found(A), found(P), found(P, perfect=False), found(A, P)))
        views = [rng.choice(TURNS[:2]) for _ in range(rng.choice((1, 2)))]
        case = Case(TASK, QUERY, [*model, *programs], hierarchical_vote)
        if not narrow(case, views):
            made += 1
            yield case, views


def test_how_often_the_hierarchical_vote_in_large_groups_is_decided_without_being_known_to_be() -> None:
    """Conservative there, but hardly: what is missed is at most a tenth of what is decided."""
    decided_now = missed = 0
    for case, views in wide_cases(200):
        really, says = truth(case, views), decided(case, coming(views))
        assert really or not says
        decided_now += really
        missed += really and not says
    assert decided_now > 50
    assert missed <= 0.1 * decided_now


class TestRace:
    @settings(max_examples=80)
    @given(data=st.data(), model=model_said().filter(bool), vote=st.sampled_from(VOTES))
    def test_with_some_views_spared_for_the_leader(
        self, data: st.DataObject, model: list[Candidate], vote: Vote
    ) -> None:
        """Held against all endings in which so many views at least say the leader."""
        views = data.draw(st.lists(st.sampled_from(TURNS), min_size=1, max_size=3))
        spared = data.draw(st.integers(0, len(views)))
        case = Case(TASK, QUERY, model, vote)
        leader = vote(model)[0]
        race = Race(support_of(model), coming(views), vote is hierarchical_vote)
        single: list[Outcome] = [((grid, HIGH),) for grid in (A, B, C, FRESH)]
        single += [(), ((leader, LOW),)]
        passed = set()
        for candidates in endings(case, views, single):
            ranking = vote(candidates)
            if sum(one.grid == leader for one in candidates[len(model) :]) >= spared:
                passed |= set(ranking[: ranking.index(leader)])
        for chaser in (A, B, C, FRESH):
            if chaser == leader:
                continue
            says = race.overtakes(chaser, leader, spared)
            assert says or chaser not in passed
            if vote is flat_vote or narrow(case, views):
                assert says == (chaser in passed)


class TestLikely:
    def test_the_bound_is_the_probability_that_too_few_views_agree(self) -> None:
        """Eight of eight say A, eight come: one more suffices, and all of them fail to say it once in 24,310 times."""
        model = said(TURNS[1], *[A] * 8)
        case = Case(TASK, QUERY, model, flat_vote)
        views = [TURNS[1]] * 8
        race = Race(support_of(model), coming(views), False)
        assert race.overtakes(FRESH, A, 0)
        assert not race.overtakes(FRESH, A, 1)
        assert _fewer(1, 8, 9, 1) == pytest.approx(1 / math.comb(17, 8))
        assert 1 / math.comb(17, 8) == 1 / 24310 <= RISK
        assert likely(case, coming(views), seen=8)
        assert not decided(case, coming(views))

    @pytest.mark.parametrize(("hits", "misses", "trials"), [(3, 0, 5), (5, 2, 6), (1, 1, 9), (7, 3, 4)])
    def test_the_probability_of_too_few(self, hits: int, misses: int, trials: int) -> None:
        """By a urn that gets another ball of the colour drawn: Pólya's is the same distribution."""
        chances = {0: 1.0}
        for drawn in range(trials):
            following: dict[int, float] = {}
            for count, chance in chances.items():
                share = (hits + 1 + count) / (hits + misses + 2 + drawn)
                following[count + 1] = following.get(count + 1, 0.0) + chance * share
                following[count] = following.get(count, 0.0) + chance * (1 - share)
            chances = following
        for limit in range(trials + 2):
            expected = sum(chance for count, chance in chances.items() if count < limit)
            assert _fewer(limit, trials, hits + 1, misses + 1) == pytest.approx(expected)

    @pytest.mark.parametrize("vote", VOTES)
    def test_the_first_answer_of_views_that_differ_is_not_likely_to_stay(self, vote: Vote) -> None:
        model = [*said(TURNS[1], A, A, A), *said(TURNS[2], B, B)]
        case = Case(TASK, QUERY, model, vote)
        assert not likely(case, coming([*TURNS, *TURNS]), seen=5)

    def test_views_without_an_answer_speak_against_it(self) -> None:
        case = Case(TASK, QUERY, said(TURNS[1], A, A, A, A), flat_vote)
        assert likely(case, coming([TURNS[1]] * 4), seen=4)
        assert not likely(case, coming([TURNS[1]] * 4), seen=12)

    def test_only_for_one_answer_a_view_and_votes_that_count(self) -> None:
        case = Case(TASK, QUERY, said(TURNS[1], *[A] * 15), flat_vote)
        views = [TURNS[1]] * 2
        assert likely(case, coming(views), 15)
        assert not likely(case, coming(views, repeats=2), 15)
        assert not likely(case, coming(views, alone=False), 15)
        assert not likely(replace(case, vote=poe_vote), coming(views), 15)
        assert not likely(replace(case, candidates=found(A)), coming(views), 15)

    def test_simulated_changes_are_as_rare_as_promised(self) -> None:
        """Views say A with a probability drawn evenly, else one and the same other grid: the worst case."""
        rng = random.Random(0)
        stopped = changed = 0
        for _ in range(1500):
            share = rng.random()
            views = [A if rng.random() < share else B for _ in range(16)]
            for seen in range(1, 16):
                model = said(TURNS[1], *views[:seen])
                if likely(Case(TASK, QUERY, model, flat_vote), coming([TURNS[1]] * (16 - seen)), seen):
                    stopped += 1
                    changed += flat_vote(model)[0] != flat_vote(said(TURNS[1], *views))[0]
                    break
        assert stopped > 1000
        assert changed <= RISK * stopped


class TestNextViews:
    def views(self, count: int) -> list[View]:
        return [view(TURNS[number % 3]) for number in range(count)]

    def test_off_is_all(self) -> None:
        case = Case(TASK, QUERY, [*said(TURNS[1], *[A] * 20), *found(P)], flat_vote)
        assert next_views(StopEarly.OFF, case, self.views(5), 20) == 5

    def test_none_once_it_is_decided(self) -> None:
        case = Case(TASK, QUERY, [*said(TURNS[1], *[A] * 20), *found(P)], flat_vote)
        assert next_views(StopEarly.EXACT, case, self.views(5), 20) == 0

    def test_as_many_as_would_decide_it_if_they_agreed(self) -> None:
        case = Case(TASK, QUERY, [*said(TURNS[1], *[A] * 8), *found(P)], flat_vote)
        count = next_views(StopEarly.EXACT, case, self.views(8), 8)
        assert count == 1
        agreed = replace(case, candidates=[*case.candidates, *said(TURNS[0], A)])
        assert next_views(StopEarly.EXACT, agreed, self.views(7), 9) == 0

    def test_all_where_nobody_spoke_or_the_second_attempt_is_open(self) -> None:
        silent = Case(TASK, QUERY, found(P), flat_vote)
        assert next_views(StopEarly.EXACT, silent, self.views(8), 0) == 8
        unanimous = Case(TASK, QUERY, said(TURNS[1], *[A] * 8), flat_vote)
        assert next_views(StopEarly.EXACT, unanimous, self.views(8), 8) == 8
        assert next_views(StopEarly.LIKELY, unanimous, self.views(8), 8) == 0

    @settings(max_examples=60)
    @given(
        model=model_said().filter(bool),
        programs=program_said,
        count=st.integers(1, 9),
        vote=st.sampled_from(VOTES),
        how=st.sampled_from([StopEarly.EXACT, StopEarly.LIKELY]),
    )
    def test_it_is_the_smallest_number_that_suffices(
        self, model: list[Candidate], programs: list[Candidate], count: int, vote: Vote, how: StopEarly
    ) -> None:
        case, views = Case(TASK, QUERY, [*model, *programs], vote), self.views(count)
        first = vote(model)[0]

        def enough(number: int) -> bool:
            agreed = [Candidate(QUERY, first, view=one) for one in views[:number]]
            then = replace(case, candidates=[*case.candidates, *agreed])
            rest = coming([one.transform.dihedral for one in views[number:]])
            return decided(then, rest) or (how is StopEarly.LIKELY and likely(then, rest, len(model) + number))

        expected = next((number for number in range(count) if enough(number)), count)
        assert next_views(how, case, views, len(model)) == expected

    @settings(max_examples=50)
    @given(model=model_said(), programs=program_said, count=st.integers(1, 3), vote=st.sampled_from(VOTES))
    def test_stopping_early_never_changes_the_attempts(
        self, model: list[Candidate], programs: list[Candidate], count: int, vote: Vote
    ) -> None:
        case = Case(TASK, QUERY, [*model, *programs], vote)
        if next_views(StopEarly.EXACT, case, self.views(count), len(model)) == 0:
            assert truth(case, [one.transform.dihedral for one in self.views(count)])
