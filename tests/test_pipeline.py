"""One job: views that are undone exactly, rounds, limits, faults in decoding, and tasks that leave no trace."""

from __future__ import annotations

import contextlib
import random
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solver import pipeline
from solver.attempts import Candidate
from solver.augmentation import IDENTITY_COLOURS, Dihedral, Transform, View
from solver.budget import Clock, Deadline
from solver.generation import Generated, Timing
from solver.grid import BLACK, Grid
from solver.jobs import Job
from solver.model import Base, Quantize
from solver.pipeline import Pace, Solved, answer_limits, inference_views, solve
from solver.profiles import Profile
from solver.prompt import Encoded, NativeFormat
from solver.task import Pair, Query, Task
from solver.training import Stop
from solver.ttt import Plan, TttReport
from tests.fakes import CPU, FakeClock, copy_task, grids_in, random_grid, tiny_base, tiny_profile
from tests.strategies import grids, tasks, transforms

FORMAT = NativeFormat()
PROFILE = tiny_profile(context=8192)
FOREVER = 1e9


class NoModel:
    """A base without a model, for jobs without training whose answers come from a faked `greedy`."""

    def __init__(self, profile: Profile = PROFILE) -> None:
        self.profile = profile
        self.device = CPU
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        yield


class Oracle:
    """Stands in for `greedy`: finds the one transform that explains a prompt's demonstrations, and applies it.

    most_at_once: more prompts than this are out of memory; seconds: what a call takes on the clock.
    """

    def __init__(self, most_at_once: int = 10**6, seconds: float = 0.0, clock: FakeClock | None = None) -> None:
        self.most_at_once, self.seconds, self.clock = most_at_once, seconds, clock
        self.calls: list[list[Encoded]] = []
        self.limits: list[int] = []

    def __call__(
        self, base: NoModel, prompts: Sequence[Encoded], limit: int, deadline: Deadline, clock: Clock
    ) -> tuple[list[Generated], Timing]:
        if len(prompts) > self.most_at_once:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.calls.append(list(prompts))
        self.limits.append(limit)
        if self.clock:
            self.clock.now += self.seconds
        answers = [self.answer(grids_in(prompt.ids.tolist())) for prompt in prompts]
        return [Generated(ids, -float(len(ids)), True) for ids in answers], Timing(0.5, 0.5, 10)

    def answer(self, spelled: Sequence[Grid]) -> tuple[int, ...]:
        *shown, query = spelled
        rule = the_rule(list(zip(shown[::2], shown[1::2], strict=True)))
        return tuple(FORMAT.answer_ids(rule.apply(query)).tolist())


def the_rule(pairs: Sequence[tuple[Grid, Grid]]) -> Transform:
    """The transform, by trying all symmetries; the pairs below leave a single one."""
    found = []
    for dihedral in Dihedral:
        turned = [(Transform(dihedral).apply(before), after) for before, after in pairs]
        if any((a.height, a.width) != (b.height, b.width) for a, b in turned):
            continue
        seen = {cell for a, b in turned for cell in zip(cells(a), cells(b), strict=True)}
        if len(seen) == 10:
            found.append(Transform(dihedral, tuple(new for _, new in sorted(seen))))
    (only,) = found
    return only


def cells(grid: Grid) -> list[int]:
    return [colour for row in grid.rows for colour in row]


# Together they admit one transform: the first fixes the colours for each symmetry, the second the symmetry.
ALL_COLOURS = Grid(((0, 1, 2, 3, 4), (5, 6, 7, 8, 9)))
LOPSIDED = Grid(((1, 1, 2, 3, 4), (5, 6, 7, 8, 9)))


@st.composite
def ruled_tasks(draw: st.DrawFn) -> tuple[Task, Transform]:
    """A task whose outputs are its inputs under one transform, and that transform."""
    rule = draw(transforms())
    inputs = [ALL_COLOURS, LOPSIDED, *draw(st.lists(grids(), max_size=2))]
    shown = draw(st.permutations(inputs))
    tests = draw(st.lists(grids(), min_size=1, max_size=3))
    return Task("ruled", tuple(Pair(grid, rule.apply(grid)) for grid in shown), tuple(tests)), rule


def rotated_task(tests: Sequence[Grid]) -> tuple[Task, Transform]:
    rule = Transform(Dihedral.ROT90)
    return Task("ruled", tuple(Pair(grid, rule.apply(grid)) for grid in (ALL_COLOURS, LOPSIDED)), tuple(tests)), rule


def run(
    monkeypatch: pytest.MonkeyPatch,
    oracle: object,
    task: Task,
    profile: Profile = PROFILE,
    seed: int = 0,
    ends: float = FOREVER,
    clock: Clock | None = None,
) -> tuple[Solved, list[list[Candidate]]]:
    """What a job without training yields, and what it emitted, call by call."""
    emitted: list[list[Candidate]] = []
    solved = Solved()
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "greedy", oracle)
        job = Job(task, ends, seed, ttt=False)
        solve(NoModel(profile), job, Pace(), lambda found: emitted.append(list(found)), solved, clock or FakeClock())  # type: ignore[arg-type]
    return solved, emitted


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ruled=ruled_tasks(), seed=st.integers(0, 10**6), permute_black=st.booleans(), geometric=st.booleans())
def test_an_equivariant_oracle_gives_the_same_answer_through_every_view(
    monkeypatch: pytest.MonkeyPatch, ruled: tuple[Task, Transform], seed: int, permute_black: bool, geometric: bool
) -> None:
    task, rule = ruled
    profile = replace(PROFILE, permute_black=permute_black, format=NativeFormat(geometric))
    solved, emitted = run(monkeypatch, Oracle(), task, profile, seed)
    views = inference_views(task, profile, seed)
    assert solved.views == solved.planned_views == len(views) * len(task.test_inputs)
    assert solved.unparsed == 0
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


@settings(deadline=None, max_examples=40)
@given(task=tasks(), seed=st.integers(0, 10**6), orders=st.integers(1, 3), permute_black=st.booleans())
def test_views_are_rounds_of_all_eight_symmetries_and_begin_with_the_task_itself(
    task: Task, seed: int, orders: int, permute_black: bool
) -> None:
    profile = replace(PROFILE, orders=orders, permute_black=permute_black)
    views = inference_views(task, profile, seed)
    everything = tuple(range(len(task.train)))
    assert views[0] == View(Transform(), everything)
    assert len(views) == 8 * orders
    for number in range(orders):
        assert {view.transform.dihedral for view in views[8 * number : 8 * number + 8]} == set(Dihedral)
    assert all(tuple(sorted(view.order)) == everything for view in views)
    assert permute_black or all(view.transform.colours[BLACK] == BLACK for view in views)
    assert [view.transform.colours for view in views].count(IDENTITY_COLOURS) <= 2
    assert views == inference_views(task, profile, seed) != inference_views(task, profile, seed + 1)


def test_views_shuffle_demonstrations_and_move_black_where_allowed() -> None:
    task = copy_task("views", demonstrations=4)
    views = inference_views(task, replace(PROFILE, orders=4, permute_black=True), 0)
    assert len({view.order for view in views}) > 10
    assert any(view.transform.colours[BLACK] != BLACK for view in views)


@settings(deadline=None, max_examples=100)
@given(task=tasks(max_side=8))
def test_answer_limits_hold_every_output_in_every_view(task: Task) -> None:
    for query in task.test_inputs:
        expected, most = answer_limits(task, query, PROFILE)
        assert 1 < expected <= most <= 30 * 31
        for pair in task.train:
            assert FORMAT.answer_length(pair.output) <= expected
            for dihedral in Dihedral:
                assert FORMAT.answer_length(Transform(dihedral).apply(pair.output)) <= most


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_answer_limits_grow_with_the_query_and_end_at_the_largest_grid(factor: int) -> None:
    rng = random.Random(0)

    def pair(side: int) -> Pair:
        return Pair(random_grid(rng, side, side), random_grid(rng, factor * side, factor * side))

    task = Task("scaled", (pair(2), pair(3)), (random_grid(rng, 9, 9),))
    expected, most = answer_limits(task, task.test_inputs[0], PROFILE)
    assert FORMAT.answer_length(random_grid(rng, 9 * factor, 9 * factor)) <= most
    assert expected < 1.3 * (9 * factor) * (9 * factor + 1)
    assert answer_limits(task, random_grid(rng, 30, 30), PROFILE)[1] == 30 * 31


def test_every_test_input_gets_its_first_round_before_any_gets_its_second(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = rotated_task([random_grid(random.Random(number), 3, 2 + number) for number in range(3)])
    profile = replace(PROFILE, orders=2, decode_tokens=300)
    solved, emitted = run(monkeypatch, Oracle(), task, profile)
    assert len(emitted) > 6
    rounds = inference_views(task, profile, 0)[:8], inference_views(task, profile, 0)[8:]
    seen = [(candidate.query.index, candidate.view) for candidate in solved.candidates]
    for number, views in enumerate(rounds):
        part = seen[24 * number : 24 * number + 24]
        assert [index for index, _ in part] == [0] * 8 + [1] * 8 + [2] * 8
        for index in range(3):
            assert {repr(view) for _, view in part[8 * index : 8 * index + 8]} == set(map(repr, views))


@pytest.mark.parametrize(("decode_tokens", "largest"), [(1, 1), (250, 2), (460, 4), (32768, 8)])
def test_batches_keep_within_the_decoding_tokens(
    monkeypatch: pytest.MonkeyPatch, decode_tokens: int, largest: int
) -> None:
    task, _ = rotated_task([random_grid(random.Random(0), 2, 2)])
    oracle = Oracle()
    run(monkeypatch, oracle, task, replace(PROFILE, decode_tokens=decode_tokens))
    for prompts, limit in zip(oracle.calls, oracle.limits, strict=True):
        assert len(prompts) == 1 or len(prompts) * (max(map(len, prompts)) + limit) <= decode_tokens
    assert sum(map(len, oracle.calls)) == 16
    assert max(map(len, oracle.calls)) == largest


def test_prompts_of_like_length_are_decoded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The later half of a round turns a tall query into a wide one, which takes fewer tokens."""
    task, _ = rotated_task([random_grid(random.Random(0), 9, 1)])
    oracle = Oracle()
    run(monkeypatch, oracle, task, replace(PROFILE, decode_tokens=500, orders=1))
    lengths = [[len(prompt) for prompt in prompts] for prompts in oracle.calls]
    assert len(lengths) > 1
    in_order = [length for batch in lengths for length in batch]
    assert in_order == sorted(in_order)
    assert len(set(in_order)) > 1


def test_a_query_too_long_is_noted_and_the_others_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = random_grid(random.Random(0), 2, 2), random_grid(random.Random(1), 30, 30)
    task, rule = rotated_task([small, large, small])
    oracle = Oracle()
    solved, _ = run(monkeypatch, oracle, task, replace(PROFILE, context=400))
    assert {candidate.query for candidate in solved.candidates} == {Query("ruled", 0), Query("ruled", 2)}
    assert {candidate.grid for candidate in solved.candidates} == {rule.apply(small)}
    assert len(solved.candidates) == solved.views == 32
    assert solved.planned_views == 48
    assert set(solved.notes) == {"test input 1: too long even with one demonstration"}
    for prompts, limit in zip(oracle.calls, oracle.limits, strict=True):
        assert max(map(len, prompts)) + limit <= 400


def copy_oracle(
    base: NoModel, prompts: Sequence[Encoded], limit: int, deadline: Deadline, clock: Clock
) -> tuple[list[Generated], Timing]:
    answers = [tuple(FORMAT.answer_ids(grids_in(prompt.ids.tolist())[-1]).tolist()) for prompt in prompts]
    return [Generated(ids, -1.0, True) for ids in answers], Timing(0.5, 0.5, 10)


def test_views_that_fit_are_answered_where_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one demonstration fits: in some orders it is the small one that stays, in others the large one."""
    small, large, query = (random_grid(random.Random(side), side, side) for side in (2, 9, 3))
    task = Task("mixed", (Pair(small, small), Pair(large, large)), (query,))
    _, most = answer_limits(task, query, PROFILE)
    room = FORMAT.length(View(Transform(), (0,)).episode(task, query)) + most
    solved, _ = run(monkeypatch, copy_oracle, task, replace(PROFILE, context=room))
    fitting = [view for view in inference_views(task, PROFILE, 0) if view.order[-1] == 0]
    assert 0 < len(fitting) < 16
    assert {repr(candidate.view) for candidate in solved.candidates} == set(map(repr, fitting))
    assert {candidate.grid for candidate in solved.candidates} == {query}
    assert solved.views == len(fitting)
    assert set(solved.notes) == {
        "test input 0: too long even with one demonstration",
        "test input 0: 1 demonstrations dropped from a prompt",
    }


@pytest.mark.parametrize("most_at_once", [1, 2, 5])
def test_a_batch_out_of_memory_is_halved_and_noted(monkeypatch: pytest.MonkeyPatch, most_at_once: int) -> None:
    task, rule = rotated_task([random_grid(random.Random(0), 2, 3)])
    oracle = Oracle(most_at_once)
    solved, emitted = run(monkeypatch, oracle, task)
    assert [candidate.grid for candidate in solved.candidates] == [rule.apply(task.test_inputs[0])] * 16
    assert len({repr(candidate.view) for candidate in solved.candidates}) == 16
    assert list(map(len, emitted)) == [8, 8]
    assert max(map(len, oracle.calls)) == {1: 1, 2: 2, 5: 4}[most_at_once]
    sizes = {1: (8, 4, 2), 2: (8, 4), 5: (8,)}[most_at_once]
    assert set(solved.notes) == {f"out of memory decoding {size} views at once: halved" for size in sizes}


def test_what_a_failed_batch_held_is_free_before_its_halves_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
    oracle, held = Oracle(), []

    def failing(base: NoModel, prompts: Sequence[Encoded], *rest: object) -> object:
        assert all(reference() is None for reference in held)
        cache = torch.zeros(3)
        if len(prompts) > 2:
            held.append(weakref.ref(cache))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return oracle(base, prompts, *rest)  # type: ignore[arg-type]

    solved, _ = run(monkeypatch, failing, task)
    assert len(solved.candidates) == 16
    assert len(held) == 6


def test_a_single_view_out_of_memory_is_raised_after_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = rotated_task([random_grid(random.Random(0), 2, 3), random_grid(random.Random(1), 9, 9)])
    oracle, solved, emitted = Oracle(), Solved(), []

    def failing(base: NoModel, prompts: Sequence[Encoded], *rest: object) -> object:
        if max(map(len, prompts)) > 100:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return oracle(base, prompts, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "greedy", failing)
    with pytest.raises(torch.OutOfMemoryError):
        solve(NoModel(), Job(task, FOREVER, 0, ttt=False), Pace(), emitted.extend, solved, FakeClock())  # type: ignore[arg-type]
    assert len(solved.candidates) == len(emitted) == 8
    assert {candidate.query.index for candidate in emitted} == {0}


def test_other_errors_in_decoding_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> object:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(monkeypatch, failing, copy_task("copy"))


def test_answers_that_are_cut_or_no_grid_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    task, rule = rotated_task([random_grid(random.Random(0), 2, 3)])
    oracle = Oracle()

    def sloppy(*arguments: object) -> tuple[list[Generated], Timing]:
        answers, timing = oracle(*arguments)  # type: ignore[arg-type]
        answers[0] = replace(answers[0], complete=False)
        answers[1] = Generated((10, 13), -1.0, True)
        return answers, timing

    solved, _ = run(monkeypatch, sloppy, task)
    assert (solved.views, solved.unparsed) == (16, 4)
    assert [candidate.grid for candidate in solved.candidates] == [rule.apply(task.test_inputs[0])] * 12


def test_no_batch_begins_past_the_deadline_and_what_was_found_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = rotated_task([random_grid(random.Random(number), 2, 3) for number in range(2)])
    clock = FakeClock()
    oracle = Oracle(seconds=4, clock=clock)
    solved, emitted = run(monkeypatch, oracle, task, ends=10, clock=clock)
    assert len(oracle.calls) == len(emitted) == 3
    assert [found[0].query.index for found in emitted] == [0, 1, 0]
    assert len(solved.candidates) == solved.views == 24
    assert solved.planned_views == 32
    assert solved.seconds == {"ttt": 0, "decode": 12}
    assert run(monkeypatch, oracle, task, ends=12, clock=clock)[1] == []


def test_training_leaves_the_time_that_decoding_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = rotated_task([random_grid(random.Random(0), 2, 3)])
    plans: list[Plan] = []

    def train(base: object, task: Task, plan: Plan, clock: Clock) -> TttReport:
        plans.append(plan)
        return TttReport(Stop.PLANNED, events=["an event"])

    monkeypatch.setattr(pipeline, "train", train)
    monkeypatch.setattr(pipeline, "greedy", Oracle())
    clock = FakeClock()
    solved = Solved()
    for pace in (Pace(1e-6, 1e-6), Pace(1e-3, 0.1), Pace(9.0, 9.0)):
        solve(NoModel(), Job(task, 100, 7, steps=3), pace, lambda _: None, solved, clock)  # type: ignore[arg-type]
    assert [(plan.seed, plan.steps) for plan in plans] == [(7, 3)] * 3
    ends = [plan.deadline.at for plan in plans]
    assert 99.9 < ends[0] < 100
    # Two batches of 8 views; each prompt has 50 tokens and each answer 8 or more.
    assert 100 - 1.3 * 1.5 * (16 * 50e-3 + 2 * 12 * 0.1) < ends[1] < 100 - (16 * 50e-3 + 2 * 8 * 0.1)
    assert ends[2] == 50
    assert "an event" in solved.notes


def test_the_pace_follows_what_was_measured() -> None:
    pace = Pace()
    for _ in range(40):
        pace.learn(prompt_tokens=100, prompt_seconds=2.0, steps=10, step_seconds=3.0)
    assert pace.per_prompt_token == pytest.approx(0.02, rel=1e-3)
    assert pace.per_step == pytest.approx(0.3, rel=1e-3)
    pace.learn(100, 2.0, 0, 0.0)
    assert pace.per_step == pytest.approx(0.3, rel=1e-3)


@pytest.fixture(scope="module", params=[(Quantize.NONE, False), (Quantize.NF4, True)], ids=["fp32", "nf4-folded"])
def base(request: pytest.FixtureRequest) -> Base:
    quantize, small = request.param
    return tiny_base(quantize, small=small, orders=1)


def answers(base: Base, job: Job) -> list[Candidate]:
    solved = Solved()
    solve(base, job, Pace(), lambda _: None, solved)
    assert solved.ttt is not None
    assert solved.ttt.executed == (job.steps if job.ttt else 0)
    assert solved.views == solved.planned_views
    assert solved.peak_memory > 0
    return solved.candidates


def test_no_task_leaves_a_trace_in_the_next(base: Base) -> None:
    ends = time.monotonic() + 1000
    first = Job(copy_task("first", tests=2), ends, seed=1, steps=4)
    second = Job(copy_task("second", side=2), ends, seed=2, steps=3)
    untrained = Job(copy_task("first"), ends, seed=1, ttt=False)
    forwards = [answers(base, job) for job in (untrained, first, second)]
    backwards = [answers(base, job) for job in (second, first, untrained)]
    assert forwards == backwards[::-1]
    assert all(found for found in forwards)
    alone = tiny_base(base.quantize, small=base.profile.small, orders=1)
    assert answers(alone, second) == forwards[2]


def test_training_on_a_task_changes_its_answers(base: Base) -> None:
    """Else the test above would say nothing."""
    task, ends = copy_task("first"), time.monotonic() + 1000
    trained, untrained = (answers(base, Job(task, ends, seed=1, ttt=ttt, steps=4)) for ttt in (True, False))
    assert [candidate.logprob for candidate in trained] != [candidate.logprob for candidate in untrained]


def test_a_job_without_training_says_so_and_uses_the_untrained_base(monkeypatch: pytest.MonkeyPatch) -> None:
    base, solved = NoModel(), Solved()
    monkeypatch.setattr(pipeline, "greedy", copy_oracle)
    solve(base, Job(copy_task("copy"), FOREVER, 0, ttt=False), Pace(), lambda _: None, solved)  # type: ignore[arg-type]
    assert base.resets == 1
    assert solved.ttt_json()["stop"] == Stop.SKIPPED.value
    assert solved.ttt_json()["executed"] == 0
