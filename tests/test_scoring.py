"""Product of experts: scores are those of the plain loop, under the same views for all candidates, or there is none."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.attempts import Candidate
from solver.augmentation import Dihedral, Transform, View
from solver.budget import Deadline
from solver.decoding import reference
from solver.grid import Grid
from solver.inference import Shown, inference_views, show
from solver.jobs import Manner
from solver.model import Base
from solver.pace import Pace
from solver.prompt import Encoded
from solver.reading import Reading
from solver.scoring import Scorer, most_supported, per_token
from solver.settings import VOTES
from solver.task import Query, Task
from tests.fake_decoding import FakeDecoding
from tests.fakes import FakeClock, copy_task, random_grid, shake, tiny_base
from tests.oracle import FORMAT, PROFILE, NoModel, oracle, oracle_answers, rotated_task, run, untrained

TASK = copy_task("scored", demonstrations=2, side=2, tests=2)
GRIDS = [
    random_grid(random.Random(number), height, width) for number, (height, width) in enumerate([(2, 3), (1, 1), (3, 2)])
]


@pytest.fixture(scope="module")
def base() -> Base:
    base = tiny_base()
    shake(base)
    return base


def readings(base: object, task: Task, profile: object, sizes: Sequence[int]) -> list[Reading]:
    """All views of a task, in readings of so many."""
    shown = show(task, inference_views(task, profile, 0), profile, lambda _: None)  # type: ignore[arg-type]
    found = []
    for size in sizes:
        found.append(Reading(base, shown[:size]))  # type: ignore[arg-type]
        shown = shown[size:]
    return found


def expected(base: Base, shown: Sequence[Shown], index: int, grid: Grid) -> float:
    """By the plain loop, one view after the other."""
    logprobs = []
    for one in shown:
        follow = reference.next_token(base, one.prompts[index])
        logprobs.append(reference.score(follow, one.answer(grid, base.profile).tolist()))
    return sum(logprobs) / len(logprobs)


class TestAgainstThePlainLoop:
    @pytest.mark.parametrize("index", [0, 1])
    @pytest.mark.parametrize(("sizes", "decode_tokens"), [((8,), 4096), ((3, 5), 4096), ((2, 6), 100)])
    def test_scores_are_the_means_over_all_views(
        self, base: Base, index: int, sizes: Sequence[int], decode_tokens: int
    ) -> None:
        profile = replace(base.profile, orders=1, decode_tokens=decode_tokens)
        some = readings(base, TASK, profile, sizes)
        with base.inference():
            some[0].open()
            scorer = Scorer(profile, some, index, Pace(), pytest.fail)
            found = scorer.score(GRIDS, Deadline.never())
            shown = [one for reading in some for one in reading.shown]
            assert list(found) == GRIDS
            for grid, score in found.items():
                assert score == pytest.approx(expected(base, shown, index, grid), abs=2e-4)
        # What was held before is held still, and nothing else.
        assert [reading.views is not None for reading in some] == [True, *[False] * (len(sizes) - 1)]

    def test_a_view_that_was_read_is_not_read_again(self, base: Base) -> None:
        (reading,) = readings(base, TASK, replace(base.profile, orders=1), (8,))
        with base.inference():
            views = reading.open()
            scorer = Scorer(base.profile, [reading], 0, Pace(), pytest.fail)
            scorer.score(GRIDS, Deadline.never())
            assert reading.views is views
            # One pass for what is the test input's own, one for the answers.
            assert scorer.passes == 2
            reading.close()
            scorer.score(GRIDS, Deadline.never())
            assert scorer.passes == 5


def probable(prompt: Encoded, answer: Sequence[int]) -> float:
    """Another number for every pair."""
    return -float(random.Random(f"{prompt.ids.tolist()}:{list(answer)}").random())


def fake(before: object = lambda _: None) -> FakeDecoding:
    return FakeDecoding(oracle_answers, probable=probable, before=before)  # type: ignore[arg-type]


class TestOneSetOfViews:
    def scorer(
        self, patch: pytest.MonkeyPatch, decoding: FakeDecoding, clock: FakeClock, pace: Pace, **changes: object
    ) -> Scorer:
        decoding.install(patch)
        profile = replace(PROFILE, orders=1, **changes)
        some = readings(NoModel(profile), TASK, profile, (5, 3))
        return Scorer(profile, some, 0, pace, lambda _: None, clock)

    def test_the_views_do_not_depend_on_the_candidate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        decoding, clock = fake(), FakeClock()
        scorer = self.scorer(monkeypatch, decoding, clock, Pace())
        found = scorer.score(GRIDS, Deadline.never())
        pairs = [pair for call in decoding.scored for pair in call]
        prompts = {id(one.prompts[0]) for one in scorer.shown}
        assert len(prompts) == 8
        for grid in GRIDS:
            spelled = {(id(one.prompts[0]), tuple(one.answer(grid, PROFILE).tolist())) for one in scorer.shown}
            assert spelled <= {(id(prompt), answer) for prompt, answer in pairs}
            total = sum(probable(one.prompts[0], one.answer(grid, PROFILE).tolist()) for one in scorer.shown)
            assert found[grid] == pytest.approx(total / 8)
        assert len(pairs) == 8 * len(GRIDS)

    def test_the_first_are_scored_whole_where_time_is_short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = FakeClock()
        tokens = [
            sum(len(one.answer(grid, PROFILE)) for one in readings(NoModel(), TASK, PROFILE, (8,))[0].shown)
            for grid in GRIDS
        ]
        for affordable in range(len(GRIDS) + 1):

            def as_expected(_: Encoded, answer: Sequence[int]) -> float:
                clock.now += len(answer)
                return -1.0

            decoding = FakeDecoding(oracle_answers, probable=as_expected)
            scorer = self.scorer(monkeypatch, decoding, clock, Pace(per_scored_token=1.0))
            deadline = Deadline(clock.now + sum(tokens[:affordable]) + 0.5, clock)
            found = scorer.score(GRIDS, deadline)
            assert list(found) == GRIDS[:affordable]

    def test_a_pass_that_takes_longer_than_thought_ends_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = FakeClock()

        def slow(_: object) -> None:
            clock.now += 10

        pace = Pace(per_scored_token=1e-6)
        scorer = self.scorer(monkeypatch, fake(slow), clock, pace, decode_tokens=1)
        found = scorer.score(GRIDS, Deadline(clock.now + 1, clock))
        assert list(found) == GRIDS[:1]
        assert pace.per_scored_token > 0.05

    def test_what_does_not_fit_some_view_has_no_score(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A wide answer is a tall one in half of the views, which takes a marker for each row."""
        wide = Grid((tuple([1] * 30),))
        shown = readings(NoModel(), TASK, PROFILE, (8,))[0].shown
        room = max(len(one.prompts[0]) + one.limits[0] for one in shown)
        lengths = {len(one.prompts[0]) + len(one.answer(wide, PROFILE)) for one in shown}
        assert min(lengths) <= room < max(lengths)
        scorer = self.scorer(monkeypatch, fake(), FakeClock(), Pace(), context=room)
        assert len(scorer.shown) == 8
        assert list(scorer.score([wide, *GRIDS], Deadline.never())) == GRIDS

    @pytest.mark.parametrize("most_at_once", [1, 2, 7])
    def test_a_pass_out_of_memory_is_halved(self, monkeypatch: pytest.MonkeyPatch, most_at_once: int) -> None:
        def before(prompts: Sequence[Encoded]) -> None:
            if len(prompts) > most_at_once:
                raise torch.OutOfMemoryError("CUDA out of memory")

        whole = self.scorer(monkeypatch, fake(), FakeClock(), Pace()).score(GRIDS, Deadline.never())
        halved = self.scorer(monkeypatch, fake(before), FakeClock(), Pace()).score(GRIDS, Deadline.never())
        assert halved == pytest.approx(whole)

    @pytest.mark.parametrize("good", range(3))
    def test_without_memory_for_a_single_answer_it_ends(self, monkeypatch: pytest.MonkeyPatch, good: int) -> None:
        """Answers are scored one by one under two readings; nothing is kept of one scored under the first only."""
        calls = itertools.count()

        def before(_: object) -> None:
            if next(calls) > 2 * good:
                raise torch.OutOfMemoryError("CUDA out of memory")

        whole = self.scorer(monkeypatch, fake(), FakeClock(), Pace()).score(GRIDS, Deadline.never())
        scorer = self.scorer(monkeypatch, fake(before), FakeClock(), Pace(), decode_tokens=1)
        noted: list[str] = []
        scorer.note = noted.append
        assert scorer.score(GRIDS, Deadline.never()) == pytest.approx({grid: whole[grid] for grid in GRIDS[:good]})
        assert noted[-1] == "out of memory scoring a single answer: no more are scored"
        assert all(reading.views is None for reading in scorer.readings)

    def test_other_errors_in_scoring_are_raised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def before(_: object) -> None:
            raise RuntimeError("shapes do not match")

        with pytest.raises(RuntimeError, match="shapes do not match"):
            self.scorer(monkeypatch, fake(before), FakeClock(), Pace()).score(GRIDS, Deadline.never())

    def test_without_views_there_are_no_scores(self) -> None:
        scorer = Scorer(PROFILE, [], 0, Pace(), pytest.fail)
        assert scorer.score(GRIDS, Deadline.never()) == {}


def test_the_best_supported_are_scored_first() -> None:
    view = View(Transform(Dihedral.ROT90), (0,))
    said = [Candidate(Query("t", 0), grid, view=view) for grid in (GRIDS[0], GRIDS[1], GRIDS[1], GRIDS[2])]
    assert most_supported(said, 1) == [GRIDS[1]]
    assert set(most_supported(said, 9)) == set(GRIDS)


@settings(max_examples=20)
@given(height=st.integers(1, 30), width=st.integers(1, 30))
def test_per_token_divides_by_what_the_grid_takes_on_average(height: int, width: int) -> None:
    shown = readings(NoModel(), TASK, PROFILE, (8,))[0].shown
    grid = random_grid(random.Random(0), height, width)
    lengths = [FORMAT.answer_length(one.view.transform.apply(grid)) for one in shown]
    assert per_token(-3.0, grid, shown, PROFILE) == pytest.approx(-3.0 * 8 / sum(lengths))


class TestInThePipeline:
    manner = Manner(vote="poe")

    @pytest.mark.parametrize("vote", ["poe", "poe+counts"])
    def test_all_candidates_have_scores_and_the_vote_goes_by_them(
        self, monkeypatch: pytest.MonkeyPatch, vote: str
    ) -> None:
        task, _ = rotated_task([random_grid(random.Random(number), 2, 3) for number in range(2)])
        solved, _, rated = run(monkeypatch, fake(), untrained(task, manner=Manner(vote=vote)))
        assert len(solved.candidates) == 32
        for query in task.queries():
            mine = [one for one in solved.candidates if one.query == query]
            grids = {one.grid for one in mine}
            assert all(one.score is not None for one in mine)
            assert {one.grid: one.score for one in mine} == next(scores[query] for scores in rated if query in scores)
            scores = {one.grid: one.score for one in mine}
            assert VOTES["poe"](mine)[0] == max(grids, key=lambda grid: scores[grid] or 0.0)
        assert solved.decoding.scored == sum(len(found) for scores in rated for found in scores.values())
        assert solved.decoding.score_views == 32
        assert solved.seconds.keys() == {"ttt", "decode", "score"}

    def test_no_other_vote_scores(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
        decoding = fake()
        solved, _, rated = run(monkeypatch, decoding, untrained(task))
        assert not rated
        assert not decoding.scored
        assert {one.score for one in solved.candidates} == {None}
        assert solved.seconds.keys() == {"ttt", "decode"}

    def test_earlier_passes_candidates_are_scored_again_under_the_new_views(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
        earlier = Candidate(Query(task.id, 0), GRIDS[2], view=View(Transform(), (0, 1)), score=-99.0)
        _, _, rated = run(monkeypatch, fake(), untrained(task, manner=self.manner, known=(earlier,)))
        ((scores,),) = (list(one.values()) for one in rated)
        assert scores[GRIDS[2]] > -99.0

    def test_decoding_leaves_time_for_scoring(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One call takes all of the time that is left: half of it was to be kept."""
        task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
        clock = FakeClock()
        decoding = oracle(seconds=6, clock=clock)
        decoding.probable = probable
        pace = Pace(per_scored_token=1.0)
        solved, emitted, rated = run(
            monkeypatch, decoding, untrained(task, ends=10, manner=self.manner), clock=clock, pace=pace
        )
        assert len(emitted) == 1
        assert solved.views == 8
        assert rated == []
        assert {one.score for one in solved.candidates} == {None}
        pace = Pace(per_scored_token=1e-3)
        clock.now = 0.0
        _, emitted, rated = run(
            monkeypatch, decoding, untrained(task, ends=10, manner=self.manner), clock=clock, pace=pace
        )
        assert len(emitted) == 2
