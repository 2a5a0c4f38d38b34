"""Test-time training: which examples a task yields, and how training ends, degrades and reports."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from solver import ttt
from solver.augmentation import Dihedral, Transform, View
from solver.budget import Deadline
from solver.decoding import greedy
from solver.examples import (
    MEASURED_TOKENS,
    by_step,
    collate,
    examples,
    identity_examples,
    leave_one_out,
    micro_batches,
    orders,
)
from solver.grid import BLACK, Grid
from solver.model import Base, loss_sum
from solver.prompt import PAD, Encoded, NativeFormat
from solver.task import Pair, Task
from solver.training import Batch, Stop
from solver.ttt import Plan, train
from tests.fakes import CPU, TTT, FakeClock, copy_task, grids_in, logits, random_prompt, tiny_base, tiny_profile
from tests.strategies import tasks

NEVER = Deadline.never()
FORMAT = NativeFormat()
# Plenty of room: what examples look like does not depend on it.
PROFILE = tiny_profile(context=8192)
LOSS_SUM = loss_sum

Losses = Callable[[Any, Batch], tuple[Tensor, int]]


@pytest.fixture(scope="module")
def base() -> Base:
    """The tiny base; tests may leave its adapter changed, `train` begins with a reset."""
    return tiny_base()


def seeded(seed: int = 0) -> random.Random:
    return random.Random(seed)


def rule_task(count: int, seed: int = 0) -> Task:
    """Inputs of 2 x 3 with all colours different, outputs of another shape; every pair can be told from the others."""
    rng = seeded(seed)
    pairs = []
    for _ in range(count):
        a, b, c, d, e, f = rng.sample(range(10), 6)
        pairs.append(Pair(Grid(((a, b, c), (d, e, f))), Grid(((a, a, b, d),))))
    return Task("rule", tuple(pairs), (Grid(((9, 8, 7, 6, 5),)),))


Explanation = tuple[Dihedral, dict[int, int], tuple[int, ...]]


def explanations(task: Task, encoded: Encoded) -> list[Explanation]:
    """Every (dihedral, colour map, order of different pairs) under which `encoded` spells pairs of the task."""
    spelled = grids_in(encoded.ids.tolist())
    found: list[Explanation] = []

    def extend(dihedral: Dihedral, colours: dict[int, int], order: tuple[int, ...]) -> None:
        if 2 * len(order) == len(spelled):
            found.append((dihedral, colours, order))
            return
        for number in set(range(len(task.train))) - set(order):
            pair = Transform(dihedral).apply_pair(task.train[number])
            more = dict(colours)
            if all(map(matches, (pair.input, pair.output), spelled[2 * len(order) :], (more, more))):
                extend(dihedral, more, (*order, number))

    for dihedral in Dihedral:
        extend(dihedral, {}, ())
    return found


def matches(grid: Grid, spelled: Grid, colours: dict[int, int]) -> bool:
    """Whether one is the other under an injective colour map that extends `colours`; extends it."""
    if (grid.height, grid.width) != (spelled.height, spelled.width):
        return False
    for old, new in zip(itertools.chain(*grid.rows), itertools.chain(*spelled.rows), strict=True):
        if colours.setdefault(old, new) != new:
            return False
    return len(set(colours.values())) == len(colours)


def explained(task: Task, encoded: Encoded) -> Explanation:
    (only,) = explanations(task, encoded)
    return only


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_example_is_a_transformed_leave_one_out_task(count: int) -> None:
    task = rule_task(count)
    seen = [explained(task, encoded) for encoded in examples(task, PROFILE, seeded(), 80)]
    assert len(seen) == 80
    assert {dihedral for dihedral, _, _ in seen} == set(Dihedral)
    sizes = {len(order) for _, _, order in seen}
    assert sizes == ({count} if count <= 3 else {count, count - 1})
    assert all(len(set(order)) == len(order) for _, _, order in seen)
    assert {order[-1] for _, _, order in seen} == set(range(count))
    assert {order[0] for _, _, order in seen} == set(range(count))


def test_few_examples_leave_two_out() -> None:
    task = rule_task(5)
    seen = [explained(task, encoded) for encoded in examples(task, PROFILE, seeded(), 200)]
    assert {len(order) for _, _, order in seen} == {4, 5}
    assert 20 < sum(len(order) == 4 for _, _, order in seen) < 80


@settings(max_examples=60)
@given(count=st.integers(2, 8), seed=st.integers(0, 10**6))
def test_an_order_names_each_demonstration_at_most_once_and_leaves_out_at_most_one(count: int, seed: int) -> None:
    order = orders(count, seeded(seed))
    assert len(set(order)) == len(order)
    assert set(order) <= set(range(count))
    assert count - len(order) in ((0, 1) if count > 3 else (0,))


@pytest.mark.parametrize("permute_black", [False, True])
def test_black_moves_only_where_the_base_expects_it(permute_black: bool) -> None:
    profile = replace(PROFILE, permute_black=permute_black)
    task = rule_task(4)
    maps = [explained(task, encoded)[1] for encoded in examples(task, profile, seeded(), 80)]
    assert all(colours.get(BLACK, BLACK) == BLACK for colours in maps) is not permute_black
    assert all(BLACK not in (new for old, new in colours.items() if old) for colours in maps) is not permute_black
    assert len({tuple(sorted(colours.items())) for colours in maps}) > 70


def test_two_demonstrations_give_prompts_with_one() -> None:
    found = examples(rule_task(2), PROFILE, seeded(), 40)
    assert len(found) == 40
    for encoded in found:
        assert len(grids_in(encoded.ids.tolist())) == 4
        # The only targets are those of the query: the first demonstration's output is none.
        assert int(encoded.loss_mask.sum()) == len(FORMAT.answer_ids(grids_in(encoded.ids.tolist())[-1]))


def test_one_demonstration_gives_no_example_and_training_says_so(base: Base) -> None:
    task = rule_task(1)
    assert examples(task, PROFILE, seeded(), 10) == []
    assert identity_examples(task, FORMAT, 1000) == []
    before = logits(base.lm, collate([random_prompt(0, 3)], PAD, CPU))
    report = train(base, task, Plan(NEVER, seed=0, steps=5))
    assert (report.stop, report.executed, report.examples) == (Stop.TOO_FEW, 0, 0)
    assert report.loss_before is None
    assert report.loss_after is None
    assert torch.equal(logits(base.lm, collate([random_prompt(0, 3)], PAD, CPU)), before)


@settings(max_examples=40)
@given(task=tasks(max_side=3), seed=st.integers(0, 10**6), limit=st.integers(1, 30))
def test_examples_of_any_task_are_distinct_capped_reproducible_and_blind_to_test_inputs(
    task: Task, seed: int, limit: int
) -> None:
    found = examples(task, PROFILE, seeded(seed), limit)
    assert len(found) <= limit
    assert bool(found) == (len(task.train) > 1)
    assert len({encoded.ids.tobytes() for encoded in found}) == len(found)
    other_tests = replace(task, test_inputs=(Grid(((1,),)),))
    again = examples(other_tests, PROFILE, seeded(seed), limit)
    assert [encoded.ids.tolist() for encoded in again] == [encoded.ids.tolist() for encoded in found]
    for encoded in found:
        assert explanations(task, encoded)
        grids = grids_in(encoded.ids.tolist())
        answer = FORMAT.answer_ids(grids[-1])
        assert encoded.ids[-len(answer) :].tolist() == answer.tolist()
        assert encoded.loss_mask[-len(answer) :].all()


def test_the_seed_decides() -> None:
    task = rule_task(3)
    first, again, other = (
        [encoded.ids.tolist() for encoded in examples(task, PROFILE, seeded(seed), 20)] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_task_with_few_distinct_examples_yields_each_once_and_ends() -> None:
    black = Grid(((0,),))
    assert len(examples(Task("black", (Pair(black, black),) * 2, (black,)), PROFILE, seeded(), 50)) == 1


@pytest.mark.parametrize(("context", "shown"), [(8192, 4), (60, 3), (45, 2), (30, 1)])
def test_a_short_context_drops_whole_demonstrations(context: int, shown: int) -> None:
    """A pair takes 8 or 9 tokens for its input and 6 to 9 for its output."""
    task = rule_task(5)
    profile = replace(PROFILE, context=context)
    found = examples(task, profile, seeded(), 40)
    assert found
    for encoded in found:
        assert len(encoded) <= context
        assert explanations(task, encoded)
    assert max(len(grids_in(encoded.ids.tolist())) // 2 - 1 for encoded in found) == shown


def test_examples_that_do_not_fit_are_left_out() -> None:
    small, large = Grid(((1, 2),)), Grid(((3,) * 9,) * 9)
    task = Task("mixed", (Pair(small, small), Pair(small, Grid(((2, 1),))), Pair(large, large)), (small,))
    found = examples(task, replace(PROFILE, context=100), seeded(), 20)
    assert found
    assert all(len(grids_in(encoded.ids.tolist())) == 4 and len(encoded) < 30 for encoded in found)
    assert examples(task, replace(PROFILE, context=10), seeded(), 20) == []


def test_leaving_one_out_shows_the_others_in_order() -> None:
    task = rule_task(4)
    transform = Transform(Dihedral.ROT90, (0, 2, 1, 3, 4, 5, 6, 7, 8, 9))
    episode = leave_one_out(task, View(transform, (2, 0, 3)))
    assert episode.demonstrations == (transform.apply_pair(task.train[2]), transform.apply_pair(task.train[0]))
    assert episode.query == transform.apply(task.train[3].input)
    assert episode.answer == transform.apply(task.train[3].output)


def test_losses_are_measured_on_each_demonstration_once_in_the_tasks_own_frame() -> None:
    task = rule_task(3)
    measured = identity_examples(task, FORMAT, 1000)
    assert [explained(task, encoded)[0] for encoded in measured] == [Dihedral.IDENTITY] * 3
    assert [explained(task, encoded)[2] for encoded in measured] == [(1, 2, 0), (0, 2, 1), (0, 1, 2)]
    for encoded, pair in zip(measured, task.train, strict=True):
        assert encoded.ids[encoded.loss_mask].tolist() == FORMAT.answer_ids(pair.output).tolist()
    assert identity_examples(task, FORMAT, 10) == []


def test_losses_are_measured_on_few_prompts_of_a_large_task() -> None:
    task = copy_task("large", demonstrations=5, side=20)
    measured = identity_examples(task, FORMAT, 8192)
    assert len(measured) == 1
    assert 2 * len(measured[0]) > MEASURED_TOKENS


@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=12), st.integers(1, 5), st.one_of(st.none(), st.integers(1, 400))
)
def test_a_step_holds_as_many_examples_as_fit_in_their_order(sides: list[int], batch: int, tokens: int | None) -> None:
    rows = [random_prompt(number, side, answered=True) for number, side in enumerate(sides)]
    found = by_step(rows, replace(TTT, batch=batch, step_tokens=tokens))
    assert [id(one) for step in found for one in step] == [id(row) for row in rows]
    bound = float("inf") if tokens is None else tokens
    for number, step in enumerate(found):
        assert len(step) <= batch
        assert sum(map(len, step)) <= bound or len(step) == 1
        # The next example would have been too many.
        if number + 1 < len(found):
            assert len(step) == batch or sum(map(len, step)) + len(found[number + 1][0]) > bound


def test_collating_pads_on_the_right_with_no_target() -> None:
    rows = [random_prompt(seed, 4, answered=True) for seed in range(4)]
    batch = collate(rows, PAD, CPU)
    assert batch.ids.shape == (4, max(map(len, rows)))
    for number, row in enumerate(rows):
        length = len(row)
        assert batch.ids[number, :length].tolist() == row.ids.tolist()
        assert batch.positions[number, :length].tolist() == row.positions.tolist()
        assert batch.loss_mask[number, :length].tolist() == row.loss_mask.tolist()
        assert (batch.ids[number, length:] == PAD).all()
        assert not batch.loss_mask[number, length:].any()


@settings(max_examples=60)
@given(sides=st.lists(st.integers(1, 6), min_size=1, max_size=12), tokens=st.integers(1, 600))
def test_micro_batches_hold_every_sequence_once_within_the_limit(sides: list[int], tokens: int) -> None:
    rows = [random_prompt(seed, side, answered=True) for seed, side in enumerate(sides)]
    batches = micro_batches(rows, tokens, PAD, CPU)
    assert all(batch.tokens() <= tokens or len(batch.ids) == 1 for batch in batches)
    held = [ids[ids != PAD].tolist() for batch in batches for ids in batch.ids]
    assert sorted(held) == sorted(row.ids.tolist() for row in rows)
    assert sum(int(batch.loss_mask.sum()) for batch in batches) == sum(int(row.loss_mask.sum()) for row in rows)
    if tokens >= sum(map(len, rows)) * len(rows):
        assert len(batches) == 1


def adapter(base: Base) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in base.adapter().items()}


def is_initial(base: Base) -> bool:
    return all(torch.equal(weight, base.initial[name]) for name, weight in base.adapter().items())


def test_training_lowers_the_loss_and_reports_what_it_did(base: Base) -> None:
    report = train(base, copy_task("copy"), Plan(NEVER, seed=0, steps=25))
    assert report.stop is Stop.PLANNED
    assert report.executed == report.planned == len(report.losses) == 25
    assert report.examples == TTT.max_examples
    assert report.loss_before is not None
    assert report.loss_after is not None
    assert report.loss_after < 0.9 * report.loss_before
    assert report.tokens > 25 * TTT.batch * 50
    assert report.events == []
    assert not is_initial(base)
    assert report.to_json()["stop"] == "planned steps"


def test_the_measured_losses_are_those_before_and_after(base: Base) -> None:
    task = copy_task("copy")
    report = train(base, task, Plan(NEVER, seed=0, steps=5))
    batch = collate(identity_examples(task, FORMAT, 1000), PAD, CPU)
    for measured in (report.loss_after, report.loss_before):
        with torch.no_grad():
            loss, count = base.loss_sum(batch)
        assert measured == pytest.approx(loss.item() / count, rel=1e-5)
        base.reset()


def test_zero_steps_train_nothing(base: Base) -> None:
    report = train(base, copy_task("copy"), Plan(NEVER, seed=0, steps=0))
    assert (report.stop, report.planned, report.executed) == (Stop.PLANNED, 0, 0)
    assert report.loss_after == report.loss_before
    assert is_initial(base)


def test_without_a_number_of_steps_the_epochs_decide(base: Base) -> None:
    report = train(base, copy_task("copy"), Plan(NEVER, seed=0))
    assert report.executed == report.planned == 2 * 24 // 4


def test_every_epoch_draws_its_examples_afresh(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def recording(lm: Any, batch: Batch) -> tuple[Tensor, int]:
        if torch.is_grad_enabled():
            seen.extend(str(ids[ids != PAD].tolist()) for ids in batch.ids)
        return LOSS_SUM(lm, batch)

    monkeypatch.setattr("solver.model.base.loss_sum", recording)
    train(base, rule_task(3), Plan(NEVER, seed=0))
    assert len(seen) == 48
    assert len(set(seen)) > 40


def test_the_seed_alone_decides_what_is_learnt(base: Base) -> None:
    task, learnt = copy_task("copy"), []
    for seed in (1, 2, 1):
        train(base, task, Plan(NEVER, seed=seed, steps=3))
        learnt.append(adapter(base))
    assert all(torch.equal(weight, learnt[0][name]) for name, weight in learnt[2].items())
    assert not all(torch.equal(weight, learnt[0][name]) for name, weight in learnt[1].items())


def test_training_ends_once_the_loss_stays_low(base: Base) -> None:
    easy = replace(base, profile=replace(base.profile, ttt=replace(TTT, converged_loss=100.0, patience=3)))
    report = train(easy, copy_task("copy"), Plan(NEVER, seed=0, steps=20))
    assert (report.stop, report.executed, report.planned) == (Stop.CONVERGED, 3, 20)
    assert report.loss_after is not None


def test_one_low_loss_is_not_convergence(base: Base) -> None:
    check = ttt._converged(replace(TTT, converged_loss=1.0, patience=3))
    assert [check(losses) for losses in ([0.1], [0.1] * 2, [0.1] * 3, [9, 0.1, 0.1, 0.1], [0.1, 9, 0.1])] == [
        False,
        False,
        True,
        True,
        False,
    ]


def timed(monkeypatch: pytest.MonkeyPatch, clock: FakeClock, seconds: Callable[[int], float]) -> list[float]:
    """Makes the n-th training forward take `seconds(n)` on the clock; returns when each began."""
    began: list[float] = []

    def slow(lm: Any, batch: Batch) -> tuple[Tensor, int]:
        if torch.is_grad_enabled():
            began.append(clock.now)
            clock.now += seconds(len(began))
        return LOSS_SUM(lm, batch)

    monkeypatch.setattr("solver.model.base.loss_sum", slow)
    return began


def test_steps_are_planned_to_fit_the_deadline(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    began = timed(monkeypatch, clock, lambda number: 1)
    report = train(base, copy_task("copy"), Plan(Deadline.after(7, clock), seed=0), clock)
    assert (report.stop, report.executed, report.planned) == (Stop.PLANNED, 7, 7)
    assert began[-1] == 6
    assert report.seconds == 7


def test_a_deadline_ends_what_became_slower_than_planned(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    began = timed(monkeypatch, clock, lambda number: 1 if number <= 4 else 5)
    report = train(base, copy_task("copy"), Plan(Deadline.after(10, clock), seed=0), clock)
    assert (report.stop, report.executed, report.planned) == (Stop.DEADLINE, 5, 10)
    assert max(began) < 10
    assert len(report.losses) == 5
    assert report.loss_after is not None


def test_a_number_of_steps_is_kept_or_cut_by_the_deadline_but_never_replanned(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    timed(monkeypatch, clock, lambda number: 1)
    report = train(base, copy_task("copy"), Plan(Deadline.after(5, clock), seed=0, steps=8), clock)
    assert (report.stop, report.executed, report.planned) == (Stop.DEADLINE, 5, 8)


def test_a_deadline_already_passed_trains_nothing(base: Base) -> None:
    clock = FakeClock()
    report = train(base, copy_task("copy"), Plan(Deadline.after(0, clock), seed=0), clock)
    assert (report.stop, report.executed) == (Stop.DEADLINE, 0)
    assert is_initial(base)


RUNGS = [
    "micro-batches of one sequence",
    "activation checkpointing",
    "prompts of at most 1024 tokens",
    "prompts of at most 512 tokens",
]
UNTRAINED = "out of memory: answers come from the untrained base"


def no_memory() -> Tensor:
    raise torch.OutOfMemoryError("CUDA out of memory")


class Failing:
    """A loss for which there is no memory in training until a condition on the base and the batch holds; notes what it
    was asked."""

    def __init__(self, base: Base, fits: Callable[[Base, Batch], bool]) -> None:
        self.base, self.fits = base, fits
        self.asked: list[tuple[int, bool, int]] = []

    def __call__(self, lm: Any, batch: Batch) -> tuple[Tensor, int]:
        if torch.is_grad_enabled():
            self.asked.append((len(batch.ids), self.base.checkpointing, batch.ids.shape[1]))
            if not self.fits(self.base, batch):
                no_memory()
        return LOSS_SUM(lm, batch)


def large_task(side: int = 11) -> Task:
    """Four demonstrations of 11 x 12 cells: prompts of 900 to 1200 tokens, at least 550 with one demonstration."""
    return copy_task("large", demonstrations=4, side=side)


@pytest.mark.parametrize(
    ("fits", "rungs"),
    [
        (lambda base, batch: True, 0),
        (lambda base, batch: len(batch.ids) == 1, 1),
        (lambda base, batch: base.checkpointing, 2),
        (lambda base, batch: batch.ids.shape[1] <= 1024, 3),
    ],
    ids=["none", "micro-batches", "checkpointing", "shorter prompts"],
)
def test_failing_training_is_made_smaller_step_by_step(
    base: Base,
    monkeypatch: pytest.MonkeyPatch,
    fits: Callable[[Base, Batch], bool],
    rungs: int,
) -> None:
    wide = replace(base, profile=replace(base.profile, ttt=replace(TTT, micro_tokens=4096)))
    failing = Failing(wide, fits)
    monkeypatch.setattr("solver.model.base.loss_sum", failing)
    report = train(wide, large_task(), Plan(NEVER, seed=0, steps=2))
    assert report.stop is Stop.PLANNED
    assert report.events == RUNGS[:rungs]
    assert report.executed == len(report.losses) == 2
    assert all(math.isfinite(loss) for loss in report.losses)
    assert report.loss_before is not None
    assert report.loss_after is not None
    assert not is_initial(base)
    assert failing.asked[0][0] > 1
    assert (max(rows for rows, _, _ in failing.asked[-2:]) > 1) is (rungs == 0)
    assert {checkpointing for _, checkpointing, _ in failing.asked[-2:]} == {rungs >= 2}
    assert max(length for _, _, length in failing.asked[-8:]) <= (1024 if rungs == 3 else 2048)
    base.reset()


def test_training_goes_on_where_memory_ran_out(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third step fails; the two before it are neither lost nor made again."""
    few = replace(base, profile=replace(base.profile, ttt=replace(TTT, batch=1)))
    undisturbed = train(few, copy_task("copy"), Plan(NEVER, seed=3, steps=4))
    calls = itertools.count()
    failing = Failing(base, lambda base, batch: next(calls) != 2)
    monkeypatch.setattr("solver.model.base.loss_sum", failing)
    report = train(few, copy_task("copy"), Plan(NEVER, seed=3, steps=4))
    assert (report.stop, report.executed, len(failing.asked)) == (Stop.PLANNED, 4, 5)
    assert report.events == RUNGS[:1]
    assert report.losses[:2] == undisturbed.losses[:2]
    assert report.losses[2] != undisturbed.losses[2], "what failed is left out"


@pytest.mark.parametrize("good", [0, 2])
def test_when_nothing_helps_what_was_learnt_is_kept(base: Base, monkeypatch: pytest.MonkeyPatch, good: int) -> None:
    calls = itertools.count()
    failing = Failing(base, lambda base, batch: next(calls) < good)
    monkeypatch.setattr("solver.model.base.loss_sum", failing)
    few = replace(base, profile=replace(base.profile, ttt=replace(TTT, batch=1)))
    report = train(few, copy_task("copy"), Plan(NEVER, seed=0, steps=6))
    assert (report.stop, report.executed) == (Stop.OUT_OF_MEMORY, good)
    assert report.events == RUNGS + [UNTRAINED] * (not good)
    assert is_initial(base) is (not good)
    assert (report.loss_after is None) is (not good)
    assert not base.checkpointing
    base.reset()


def test_prompts_too_long_for_the_last_rung_end_it(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """No example of this task fits in 512 tokens: the failure is what is reported, with nothing executed."""
    failing = Failing(base, lambda base, batch: False)
    monkeypatch.setattr("solver.model.base.loss_sum", failing)
    few = replace(base, profile=replace(base.profile, ttt=replace(TTT, batch=1)))
    report = train(few, large_task(), Plan(NEVER, seed=0, steps=6))
    assert (report.stop, report.executed) == (Stop.OUT_OF_MEMORY, 0)
    assert report.events == [*RUNGS, UNTRAINED]
    # Nothing was tried on the last rung.
    assert len(failing.asked) == len(RUNGS)
    assert is_initial(base)
    assert not base.checkpointing
    assert report.loss_after is None


def test_losses_that_are_not_finite_are_left_out(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()

    def fail(lm: Any, batch: Batch) -> tuple[Tensor, int]:
        loss, count = LOSS_SUM(lm, batch)
        return (loss * math.nan if torch.is_grad_enabled() and next(calls) == 1 else loss), count

    monkeypatch.setattr("solver.model.base.loss_sum", fail)
    few = replace(base, profile=replace(base.profile, ttt=replace(TTT, batch=1)))
    report = train(few, copy_task("copy"), Plan(NEVER, seed=0, steps=4))
    assert (report.stop, report.executed, report.skipped) == (Stop.PLANNED, 4, 1)
    assert report.events == ["steps left out, their loss or gradient not finite: 1"]
    assert report.loss_after is not None
    assert math.isfinite(report.loss_after)
    base.reset()


def test_losses_that_are_never_finite_leave_the_base_untrained(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(lm: Any, batch: Batch) -> tuple[Tensor, int]:
        loss, count = LOSS_SUM(lm, batch)
        return (loss * math.nan if torch.is_grad_enabled() else loss), count

    monkeypatch.setattr("solver.model.base.loss_sum", fail)
    report = train(base, copy_task("copy"), Plan(NEVER, seed=0, steps=4))
    assert (report.stop, report.executed) == (Stop.NOT_FINITE, 0)
    assert report.events[-1] == "loss not finite: answers come from the untrained base"
    assert is_initial(base)


def test_no_attempt_begins_past_the_deadline(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()

    def fail(lm: Any, batch: Batch) -> tuple[Tensor, int]:
        if torch.is_grad_enabled():
            clock.now += 4
            no_memory()
        return LOSS_SUM(lm, batch)

    monkeypatch.setattr("solver.model.base.loss_sum", fail)
    report = train(base, copy_task("copy"), Plan(Deadline.after(7, clock), seed=0), clock)
    assert report.stop is Stop.OUT_OF_MEMORY
    assert report.events == [RUNGS[0], UNTRAINED]
    assert is_initial(base)


def test_no_memory_to_measure_a_loss_is_survived(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(lm: Any, batch: Batch) -> tuple[Tensor, int]:
        if not torch.is_grad_enabled():
            no_memory()
        return LOSS_SUM(lm, batch)

    monkeypatch.setattr("solver.model.base.loss_sum", fail)
    report = train(base, copy_task("copy"), Plan(NEVER, seed=0, steps=3))
    assert (report.stop, report.executed) == (Stop.PLANNED, 3)
    assert (report.loss_before, report.loss_after) == (None, None)
    assert any("measur" in event for event in report.events)
    assert not is_initial(base)


@pytest.mark.parametrize("failures", range(8))
def test_any_number_of_forwards_out_of_memory_is_survived(
    base: Base, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    calls = itertools.count()

    def fail(lm: Any, batch: Batch) -> tuple[Tensor, int]:
        return (no_memory(), 0) if next(calls) < failures else LOSS_SUM(lm, batch)

    monkeypatch.setattr("solver.model.base.loss_sum", fail)
    report = train(base, copy_task("copy"), Plan(NEVER, seed=0, steps=2))
    assert report.stop in (Stop.PLANNED, Stop.OUT_OF_MEMORY)
    assert is_initial(base) == (report.stop is Stop.OUT_OF_MEMORY) == (UNTRAINED in report.events)
    assert bool(report.events) == (failures > 0)
    base.reset()


def test_other_errors_are_raised(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(lm: Any, batch: Batch) -> tuple[Tensor, int]:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr("solver.model.base.loss_sum", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(base, copy_task("copy"), Plan(NEVER, seed=0, steps=2))


def test_what_was_trained_with_checkpointing_decodes_as_ever(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [random_prompt(seed, 4) for seed in range(6)]

    def answers() -> Sequence[object]:
        with base.inference():
            return greedy(base, prompts, 30, NEVER)[0]

    failing = Failing(base, lambda base, batch: base.checkpointing)
    monkeypatch.setattr("solver.model.base.loss_sum", failing)
    train(base, copy_task("copy"), Plan(NEVER, seed=0, steps=2))
    assert failing.asked[-1][1]
    found, trained = answers(), adapter(base)
    base.reset()
    with torch.no_grad():
        for name, weight in base.adapter().items():
            weight.copy_(trained[name])
    assert answers() == found
    base.reset()
