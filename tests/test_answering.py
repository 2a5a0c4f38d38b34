"""Views become candidates: undone exactly, in rounds and batches, with drafts, left out where nothing hangs on them."""

from __future__ import annotations

import random
import weakref
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solver.account import Solved
from solver.attempts import Candidate, Channel
from solver.augmentation import Dihedral, Transform, View
from solver.deciding import StopEarly
from solver.decoding import Generated
from solver.fusion import fuse
from solver.grid import Grid
from solver.inference import answer_limits, inference_views
from solver.jobs import Manner
from solver.pace import Pace
from solver.pipeline import solve
from solver.profiles import Decode, DecodeSettings
from solver.prompt import Encoded, NativeFormat
from solver.settings import VOTES
from solver.task import Pair, Query, Task
from solver.voting import fallback
from tests.fake_decoding import FakeDecoding
from tests.fakes import FakeClock, copy_task, grids_in, random_grid
from tests.oracle import FORMAT, PROFILE, NoModel, oracle, oracle_answers, rotated_task, ruled_tasks, run, untrained

OFF = Manner(stop=StopEarly.OFF)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ruled=ruled_tasks(), seed=st.integers(0, 10**6), permute_black=st.booleans(), geometric=st.booleans())
def test_an_equivariant_oracle_gives_the_same_answer_through_every_view(
    monkeypatch: pytest.MonkeyPatch, ruled: tuple[Task, Transform], seed: int, permute_black: bool, geometric: bool
) -> None:
    task, rule = ruled
    profile = replace(PROFILE, permute_black=permute_black, format=NativeFormat(geometric))
    solved, emitted, _ = run(monkeypatch, oracle(), untrained(task, seed=seed), profile)
    views = inference_views(task, profile, seed)
    assert solved.views == solved.planned_views == len(views) * len(task.test_inputs)
    assert (solved.unparsed, solved.saved_views) == (0, 0)
    assert [candidate for found in emitted for candidate in found] == solved.candidates
    for query in task.queries():
        mine = [candidate for candidate in solved.candidates if candidate.query == query]
        expected = rule.apply(task.test_inputs[query.index])
        assert {candidate.grid for candidate in mine} == {expected}
        assert sorted(map(repr, (candidate.view for candidate in mine))) == sorted(map(repr, views))
        for candidate in mine:
            assert candidate.view is not None
            seen = candidate.view.transform.apply(expected)
            assert candidate.logprob == -len(FORMAT.answer_ids(seen))


class TestBatches:
    def test_every_test_input_gets_its_first_round_before_any_gets_its_second(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task, _ = rotated_task([random_grid(random.Random(number), 3, 2 + number) for number in range(3)])
        profile = replace(PROFILE, orders=2, decode_tokens=300)
        solved, emitted, _ = run(monkeypatch, oracle(), untrained(task), profile)
        assert len(emitted) > 6
        rounds = inference_views(task, profile, 0)[:8], inference_views(task, profile, 0)[8:]
        seen = [(candidate.query.index, repr(candidate.view)) for candidate in solved.candidates]
        for number, views in enumerate(rounds):
            part = seen[24 * number : 24 * number + 24]
            assert set(part) == {(index, repr(view)) for index in range(3) for view in views}

    def test_what_test_inputs_share_is_read_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, _ = rotated_task([random_grid(random.Random(number), 3, 2 + number) for number in range(3)])
        decoding = oracle()
        solved, _, _ = run(monkeypatch, decoding, untrained(task))
        assert [len(views) for views in decoding.reads] == [8, 8]
        assert all(len(prompts) == 3 for views in decoding.reads for prompts in views)
        assert len(decoding.calls) == 6
        # Two readings, and for each of six calls what is a test input's own, and two passes from drafts.
        assert solved.decoding.passes == 2 + 6 + 6 * 2

    @pytest.mark.parametrize(("decode_tokens", "largest"), [(1, 1), (250, 2), (460, 4), (32768, 8)])
    def test_batches_keep_within_the_decoding_tokens(
        self, monkeypatch: pytest.MonkeyPatch, decode_tokens: int, largest: int
    ) -> None:
        task, _ = rotated_task([random_grid(random.Random(0), 2, 2)])
        decoding = oracle()
        run(monkeypatch, decoding, untrained(task), replace(PROFILE, decode_tokens=decode_tokens))
        for prompts, limit in zip(decoding.calls, decoding.limits, strict=True):
            assert len(prompts) == 1 or len(prompts) * (max(map(len, prompts)) + limit) <= decode_tokens
        assert sum(map(len, decoding.calls)) == 16
        assert max(map(len, decoding.calls)) == largest

    def test_prompts_of_like_length_are_decoded_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The later half of a round turns a tall query into a wide one, which takes fewer tokens."""
        task, _ = rotated_task([random_grid(random.Random(0), 9, 1)])
        decoding = oracle()
        run(monkeypatch, decoding, untrained(task), replace(PROFILE, decode_tokens=500, orders=1))
        lengths = [[len(prompt) for prompt in prompts] for prompts in decoding.calls]
        assert len(lengths) > 1
        in_order = [length for batch in lengths for length in batch]
        assert in_order == sorted(in_order)
        assert len(set(in_order)) > 1

    def test_a_query_too_long_is_noted_and_the_others_are_answered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        small, large = random_grid(random.Random(0), 2, 2), random_grid(random.Random(1), 30, 30)
        task, rule = rotated_task([small, large, small])
        decoding = oracle()
        solved, _, _ = run(monkeypatch, decoding, untrained(task), replace(PROFILE, context=400))
        assert {candidate.query for candidate in solved.candidates} == {Query("ruled", 0), Query("ruled", 2)}
        assert {candidate.grid for candidate in solved.candidates} == {rule.apply(small)}
        assert len(solved.candidates) == solved.views == 32
        assert solved.planned_views == 48
        assert set(solved.notes) == {"test input 1: too long even with one demonstration"}
        for prompts, limit in zip(decoding.calls, decoding.limits, strict=True):
            assert max(map(len, prompts)) + limit <= 400

    def test_views_that_fit_are_answered_where_others_do_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only one demonstration fits: in some orders it is the small one that stays, in others the large one."""
        small, large, query = (random_grid(random.Random(side), side, side) for side in (2, 9, 3))
        task = Task("mixed", (Pair(small, small), Pair(large, large)), (query,))
        _, most = answer_limits(task, query, PROFILE)
        room = FORMAT.length(View(Transform(), (0,)).episode(task, query)) + most
        solved, _, _ = run(monkeypatch, copying(), untrained(task), replace(PROFILE, context=room))
        fitting = [view for view in inference_views(task, PROFILE, 0) if view.order[-1] == 0]
        assert 0 < len(fitting) < 16
        assert {repr(candidate.view) for candidate in solved.candidates} == set(map(repr, fitting))
        assert {candidate.grid for candidate in solved.candidates} == {query}
        assert solved.views == len(fitting)
        assert set(solved.notes) == {
            "test input 0: too long even with one demonstration",
            "test input 0: 1 demonstrations dropped from a prompt",
        }

    def test_answers_that_are_cut_or_no_grid_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, rule = rotated_task([random_grid(random.Random(0), 2, 3)])

        def sloppy(prompts: Sequence[Encoded], limit: int) -> list[Generated]:
            answers = oracle_answers(prompts)
            return [replace(answers[0], complete=False), Generated((10, 13), -1.0, True), *answers[2:]]

        solved, _, _ = run(monkeypatch, FakeDecoding(sloppy), untrained(task))
        assert (solved.views, solved.unparsed) == (16, 4)
        assert [candidate.grid for candidate in solved.candidates] == [rule.apply(task.test_inputs[0])] * 12

    def test_no_batch_begins_past_the_deadline_and_what_was_found_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, _ = rotated_task([random_grid(random.Random(number), 2, 3) for number in range(2)])
        clock = FakeClock()
        decoding = oracle(seconds=4, clock=clock)
        solved, emitted, _ = run(monkeypatch, decoding, untrained(task, ends=10), clock=clock)
        assert len(decoding.calls) == len(emitted) == 3
        assert [found[0].query.index for found in emitted] == [0, 1, 0]
        assert len(solved.candidates) == solved.views == 24
        assert (solved.planned_views, solved.saved_views) == (32, 0)
        assert solved.seconds == {"ttt": 0, "decode": 12}
        assert run(monkeypatch, decoding, untrained(task, ends=12), clock=clock)[1] == []


class TestMemory:
    @pytest.mark.parametrize("most_at_once", [1, 2, 5])
    def test_a_batch_out_of_memory_is_halved_and_noted(
        self, monkeypatch: pytest.MonkeyPatch, most_at_once: int
    ) -> None:
        task, rule = rotated_task([random_grid(random.Random(0), 2, 3)])
        decoding = oracle(most_at_once)
        solved, emitted, _ = run(monkeypatch, decoding, untrained(task))
        assert [candidate.grid for candidate in solved.candidates] == [rule.apply(task.test_inputs[0])] * 16
        assert len({repr(candidate.view) for candidate in solved.candidates}) == 16
        largest = {1: 1, 2: 2, 5: 4}[most_at_once]
        assert list(map(len, emitted)) == [largest] * (16 // largest)
        sizes = {1: (8, 4, 2), 2: (8, 4), 5: (8,)}[most_at_once]
        assert set(solved.notes) == {f"out of memory decoding {size} views at once: halved" for size in sizes}

    def test_test_inputs_that_were_answered_before_memory_ran_out_are_not_answered_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task, _ = rotated_task([random_grid(random.Random(0), 2, 3), random_grid(random.Random(1), 6, 6)])

        def before(prompts: Sequence[Encoded]) -> None:
            if len(prompts) > 4 and grids_in(prompts[0].ids.tolist())[-1].height == 6:
                raise torch.OutOfMemoryError("CUDA out of memory")

        decoding = FakeDecoding(oracle_answers, before=before)
        solved, _, _ = run(monkeypatch, decoding, untrained(task), replace(PROFILE, orders=1))
        assert [len(prompts) for prompts in decoding.calls] == [8, 4, 4]
        assert Counter(candidate.query.index for candidate in solved.candidates) == {0: 8, 1: 8}

    def test_what_a_failed_batch_held_is_free_before_its_halves_begin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
        held: list[weakref.ref[torch.Tensor]] = []

        def before(prompts: Sequence[Encoded]) -> None:
            assert all(reference() is None for reference in held)
            cache = torch.zeros(3)
            if len(prompts) > 2:
                held.append(weakref.ref(cache))
                raise torch.OutOfMemoryError("CUDA out of memory")

        solved, _, _ = run(monkeypatch, FakeDecoding(oracle_answers, before=before), untrained(task))
        assert len(solved.candidates) == 16
        assert len(held) == 6

    def test_a_single_view_out_of_memory_is_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, _ = rotated_task([random_grid(random.Random(0), 2, 3), random_grid(random.Random(1), 9, 9)])
        emitted: list[Candidate] = []
        solved = Solved()

        def before(prompts: Sequence[Encoded]) -> None:
            if max(map(len, prompts)) > 100:
                raise torch.OutOfMemoryError("CUDA out of memory")

        FakeDecoding(oracle_answers, before=before).install(monkeypatch)
        solve(NoModel(), untrained(task), Pace(), emitted.extend, list, solved, FakeClock())  # type: ignore[arg-type]
        assert len(solved.candidates) == len(emitted) == solved.views == 16
        assert {candidate.query.index for candidate in emitted} == {0}
        assert solved.planned_views == 32
        assert solved.notes[-1] == "out of memory decoding a single view: left out"
        assert len([note for note in solved.notes if note == solved.notes[-1]]) == 16

    def test_other_errors_in_decoding_are_raised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(_: Sequence[Encoded]) -> None:
            raise RuntimeError("shapes do not match")

        with pytest.raises(RuntimeError, match="shapes do not match"):
            run(monkeypatch, FakeDecoding(oracle_answers, before=failing), untrained(copy_task("copy")))


def copying() -> FakeDecoding:
    """Says the test input, as it was shown."""

    def answers(prompts: Sequence[Encoded], limit: int) -> list[Generated]:
        queries = [grids_in(prompt.ids.tolist())[-1] for prompt in prompts]
        return [Generated(tuple(FORMAT.answer_ids(query).tolist()), -1.0, True) for query in queries]

    return FakeDecoding(answers)


def saying(task: Task, said: dict[str, Grid]) -> FakeDecoding:
    """Says to the first test input what is given for each view, in the task's own frame."""
    views = {
        FORMAT.encode(view.episode(task, task.test_inputs[0])).ids.tobytes(): view
        for view in inference_views(task, PROFILE, 0)
    }

    def answers(prompts: Sequence[Encoded], limit: int) -> list[Generated]:
        shown = [views[prompt.ids.tobytes()] for prompt in prompts]
        grids = [view.transform.apply(said[repr(view)]) for view in shown]
        return [Generated(tuple(FORMAT.answer_ids(grid).tolist()), -1.0, True) for grid in grids]

    return FakeDecoding(answers)


def program(task: Task, grid: Grid, perfect: bool = True) -> Candidate:
    return Candidate(Query(task.id, 0), grid, Channel.PROGRAM, program="p", cost=2.0, perfect=perfect)


class TestDrafts:
    def test_a_guess_from_the_task_and_from_the_second_batch_on_the_favourite(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
        decoding = oracle()
        solved, _, _ = run(monkeypatch, decoding, untrained(task, manner=OFF))
        guess = fallback(task, 0).first
        views = [one.view for one in solved.candidates[:8] if one.view]
        assert decoding.drafts[0] == [FORMAT.answer_ids(view.transform.apply(guess)).tolist() for view in views]
        assert decoding.drafts[1] == [list(answer.ids) for answer in oracle_answers(decoding.calls[1])]
        first, second = (sum(map(len, drafts)) for drafts in decoding.drafts)  # type: ignore[arg-type]
        assert solved.decoding.drafted == first + second
        assert second <= solved.decoding.accepted < first + second

    def test_a_programs_best_answer_serves_from_the_first_batch_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, rule = rotated_task([random_grid(random.Random(0), 2, 3)])
        known = (program(task, task.train[0].output, perfect=False), program(task, rule.apply(task.test_inputs[0])))
        decoding = oracle()
        solved, _, _ = run(monkeypatch, decoding, untrained(task, manner=OFF, known=known))
        assert [list(answer.ids) for answer in oracle_answers(decoding.calls[0])] == decoding.drafts[0]
        assert solved.decoding.accepted == solved.decoding.drafted

    def test_an_earlier_pass_s_favourite_does_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, rule = rotated_task([random_grid(random.Random(0), 2, 3)])
        view = View(Transform(), (0, 1))
        known = (
            Candidate(Query(task.id, 0), rule.apply(task.test_inputs[0]), view=view),
            program(task, task.train[0].output),
        )
        decoding = oracle()
        run(monkeypatch, decoding, untrained(task, manner=OFF, known=known))
        assert [list(answer.ids) for answer in oracle_answers(decoding.calls[0])] == decoding.drafts[0]

    def test_wrong_drafts_are_counted_where_they_are_right(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, rule = rotated_task([random_grid(random.Random(0), 2, 3)])
        answer = rule.apply(task.test_inputs[0])
        wrong = Grid((*answer.rows[:-1], tuple((cell + 1) % 10 for cell in answer.rows[-1])))
        decoding = oracle()
        solved, _, _ = run(
            monkeypatch,
            decoding,
            untrained(task, manner=OFF, known=(program(task, wrong),)),
            replace(PROFILE, orders=1),
        )
        assert 0 < solved.decoding.accepted < solved.decoding.drafted


class TestStoppingEarly:
    manner = Manner(stop=StopEarly.EXACT)

    def test_views_are_left_out_once_the_attempts_are_certain(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A unique program takes one attempt; the other is the model's, which nine of sixteen views settle."""
        task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
        known = (program(task, task.train[0].output),)
        decoding = oracle()
        solved, _, _ = run(monkeypatch, decoding, untrained(task, manner=self.manner, known=known, closed=True))
        assert list(map(len, decoding.calls)) == list(map(len, decoding.reads)) == [8, 1]
        assert (solved.views, solved.saved_views, solved.planned_views) == (9, 7, 16)

    def test_not_while_programs_may_still_be_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
        known = (program(task, task.train[0].output),)
        solved, _, _ = run(monkeypatch, oracle(), untrained(task, manner=self.manner, known=known))
        assert (solved.views, solved.saved_views) == (16, 0)

    def test_views_that_disagree_are_asked_for_in_growing_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second round says something else: one view was to settle it, then two, then what is left."""
        task = copy_task("copy", demonstrations=2)
        known = (program(task, task.train[0].output),)
        views = inference_views(task, PROFILE, 0)
        said = dict(zip(map(repr, views), [task.test_inputs[0]] * 8 + [task.train[1].output] * 8, strict=True))
        decoding = saying(task, said)
        solved, _, _ = run(monkeypatch, decoding, untrained(task, manner=self.manner, known=known, closed=True))
        assert list(map(len, decoding.calls)) == list(map(len, decoding.reads)) == [8, 1, 2, 4, 1]
        assert solved.saved_views == 0

    def test_each_test_input_by_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The views of the one are read for the other in any case."""
        task = copy_task("copy", tests=2)
        known = tuple(replace(program(task, task.train[0].output), query=query) for query in task.queries())
        shown = task.test_inputs[1]

        def answers(prompts: Sequence[Encoded], limit: int) -> list[Generated]:
            grids = [grids_in(prompt.ids.tolist())[-1] for prompt in prompts]
            told = [sorted(cell for row in grid.rows for cell in row) for grid in grids]
            mine = sorted(Counter(cell for row in shown.rows for cell in row).values())
            plain = [
                grid if sorted(Counter(cells).values()) != mine or number % 2 else Grid(((0,) * (1 + number),))
                for number, (grid, cells) in enumerate(zip(grids, told, strict=True))
            ]
            return [Generated(tuple(FORMAT.answer_ids(grid).tolist()), -1.0, True) for grid in plain]

        solved, _, _ = run(
            monkeypatch, FakeDecoding(answers), untrained(task, manner=self.manner, known=known, closed=True)
        )
        counts = Counter(candidate.query.index for candidate in solved.candidates)
        assert counts == {0: 9, 1: 16}
        assert solved.saved_views == 7
        assert solved.views + solved.saved_views == solved.planned_views

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data(), vote=st.sampled_from(["flat", "hierarchical"]), closed=st.booleans())
    def test_the_attempts_are_those_of_the_full_vote(
        self, monkeypatch: pytest.MonkeyPatch, data: st.DataObject, vote: str, closed: bool
    ) -> None:
        """Whatever the views say, whichever programs there are, and whatever another base has said before."""
        task = copy_task("copy", demonstrations=2)
        grids = [task.test_inputs[0], *(pair.output for pair in task.train)]
        programs = tuple(
            program(task, grid, perfect)
            for grid, perfect in data.draw(st.lists(st.tuples(st.sampled_from(grids), st.booleans()), max_size=2))
        )
        before = st.tuples(st.sampled_from([*[grids[0]] * 4, *grids[1:]]), st.sampled_from(Dihedral))
        votes = [
            Candidate(Query(task.id, 0), grid, view=View(Transform(dihedral), (0, 1)), logprob=-1.0)
            for grid, dihedral in data.draw(st.lists(before, max_size=16))
        ]
        known = (*votes, *programs)
        said = {
            repr(view): data.draw(st.sampled_from([*[grids[0]] * 4, *grids[1:]]))
            for view in inference_views(task, PROFILE, 0)
        }
        attempts = []
        for stop in (StopEarly.OFF, StopEarly.EXACT):
            job = untrained(task, manner=Manner(vote=vote, stop=stop), known=known, closed=closed, base=1)
            solved, _, _ = run(monkeypatch, saying(task, said), job)
            assert {one.base for one in solved.candidates} <= {1}
            attempts.append(fuse(task, [*solved.candidates, *known], VOTES[vote])[0].attempts)
        assert attempts[0] == attempts[1]


class TestSearching:
    profile = replace(PROFILE, orders=1, decoding=DecodeSettings(threshold=0.2))
    manner = Manner(Decode.DFS, stop=StopEarly.OFF)

    def decoding(self, logprob: float) -> FakeDecoding:
        """Greedy answers of that log-probability; a search finds those again and one other."""

        def answers(prompts: Sequence[Encoded], limit: int = 0) -> list[Generated]:
            return [replace(one, logprob=logprob) for one in oracle_answers(prompts)]

        def others(prompt: Encoded) -> list[Generated]:
            return [*answers([prompt]), Generated((5, 13), -1.5, True)]

        return FakeDecoding(answers, others)

    def test_the_greedy_answer_and_what_a_search_finds_beside_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, rule = rotated_task([random_grid(random.Random(0), 2, 3)])
        decoding = self.decoding(logprob=-0.5)
        solved, _, _ = run(monkeypatch, decoding, untrained(task, manner=self.manner), self.profile)
        right = rule.apply(task.test_inputs[0])
        assert Counter(one.grid == right for one in solved.candidates) == {True: 8, False: 8}
        assert {one.logprob for one in solved.candidates} == {-0.5, -1.5}
        assert [list(map(list, drafts)) for drafts in decoding.sought] == [
            [list(one.ids) for one in oracle_answers(prompts)] for prompts in decoding.calls
        ]
        assert (solved.decoding.searches, solved.decoding.cut) == (8, 0)
        assert solved.views == 8

    def test_no_search_where_no_other_answer_can_be_probable_enough(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
        decoding = self.decoding(logprob=-0.1)
        solved, _, _ = run(monkeypatch, decoding, untrained(task, manner=self.manner), self.profile)
        assert decoding.sought == []
        assert len(solved.candidates) == 8


def test_samples_of_a_view_have_numbers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = rotated_task([random_grid(random.Random(number), 2, 3) for number in range(2)])
    profile = replace(PROFILE, decoding=DecodeSettings(samples=3))
    decoding = oracle()
    job = untrained(task, manner=Manner(Decode.SAMPLE, stop=StopEarly.OFF))
    solved, _, _ = run(monkeypatch, decoding, job, profile)
    assert len(solved.candidates) == 2 * 16 * 3
    assert solved.views == solved.planned_views == 32
    numbers = [number for call in decoding.numbers for number in call]
    assert sorted(numbers) == list(range(2 * 16 * 3))
    assert all(call_drafts is None for call_drafts in decoding.drafts) or not decoding.drafts
    per_view = Counter((one.query.index, repr(one.view)) for one in solved.candidates)
    assert set(per_view.values()) == {3}
