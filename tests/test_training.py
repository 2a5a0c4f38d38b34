"""fit(): the schedule it follows, every way in which it ends, and gradients that do not depend on micro-batches."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from solver.budget import Deadline
from solver.training import MOST_SKIPPED, Batch, Stop, fit, is_out_of_memory, warmup_cosine, warmup_stable_decay

VOCABULARY = 7


class FakeClock:
    """Moves only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Bigram(nn.Module):
    """Logits of the next token from the current one; double precision, so that sums can be compared."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.table = nn.Parameter(torch.randn(VOCABULARY, VOCABULARY, generator=generator, dtype=torch.float64))

    def loss_sum(self, batch: Batch) -> tuple[Tensor, int]:
        targets = batch.loss_mask[:, 1:]
        logits = self.table[batch.ids[:, :-1]][targets]
        return functional.cross_entropy(logits, batch.ids[:, 1:][targets], reduction="sum"), int(targets.sum())


class Recorder:
    """An optimiser that notes learning rates and gradients instead of stepping."""

    def __init__(self, model: nn.Module, *rates: float) -> None:
        self.model = model
        self.param_groups: list[dict[str, object]] = [{"lr": rate, "initial_lr": rate} for rate in rates or (1.0,)]
        self.rates: list[list[object]] = []
        self.gradients: list[list[Tensor]] = []

    def step(self) -> None:
        self.rates.append([group["lr"] for group in self.param_groups])
        self.gradients.append([weight.grad.clone() for weight in self.model.parameters() if weight.grad is not None])

    def zero_grad(self) -> None:
        self.model.zero_grad()


def random_batch(seed: int, rows: int = 3, length: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(VOCABULARY, (rows, length), generator=generator)
    mask = torch.rand(rows, length, generator=generator) < 0.6
    mask[0, -1] = True
    return Batch(ids, torch.arange(length).expand(rows, length), mask)


def forever(*micro_batches: Batch) -> Iterator[Sequence[Batch]]:
    return itertools.repeat(micro_batches or (random_batch(0),))


def constant(step: int, steps: int) -> float:
    return 1.0


def sgd(model: nn.Module, rate: float = 0.1) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for group in optimizer.param_groups:
        group["initial_lr"] = rate
    return optimizer


def test_a_fit_learns_and_reports_what_it_did() -> None:
    model, batch, clock = Bigram(), random_batch(1), FakeClock()
    seen: list[tuple[int, float]] = []

    def loss_sum(batch: Batch) -> tuple[Tensor, int]:
        clock.now += 2
        return model.loss_sum(batch)

    report = fit(
        loss_sum,
        forever(batch),
        sgd(model),
        constant,
        steps=20,
        on_step=lambda step, loss: seen.append((step, loss)),
        clock=clock,
    )
    assert report.stop is Stop.PLANNED
    assert report.executed == report.planned == len(report.losses) == 20
    assert report.tokens == 20 * batch.ids.numel()
    assert report.seconds == 40
    assert seen == list(enumerate(report.losses, start=1))
    assert all(after < before for before, after in itertools.pairwise(report.losses))
    first, count = Bigram().loss_sum(batch)
    assert report.losses[0] == pytest.approx(first.item() / count)


def test_each_group_follows_the_schedule_from_its_own_rate() -> None:
    model = Bigram()
    optimizer = Recorder(model, 1.0, 0.01)
    schedule = warmup_cosine(0.25)
    fit(model.loss_sum, forever(), optimizer, schedule, steps=8)
    assert optimizer.rates == [[schedule(step, 8), 0.01 * schedule(step, 8)] for step in range(8)]


def test_a_resumed_fit_goes_on_in_the_schedule() -> None:
    model = Bigram()
    optimizer = Recorder(model)
    schedule = warmup_stable_decay(2, 0.5)
    report = fit(model.loss_sum, forever(), optimizer, schedule, steps=10, first_step=7)
    assert report.executed == 3
    assert optimizer.rates == [[schedule(step, 10)] for step in (7, 8, 9)]


@settings(max_examples=60)
@given(steps=st.integers(1, 300), warmup=st.floats(0, 0.9))
def test_the_cosine_rises_once_falls_once_and_never_leaves_its_range(steps: int, warmup: float) -> None:
    factors = [warmup_cosine(warmup)(step, steps) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    peak = factors.index(max(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


@settings(max_examples=60)
@given(steps=st.integers(1, 300), warmup=st.integers(1, 50), decay=st.floats(0.01, 1))
def test_the_trapezoid_stays_in_its_range(steps: int, warmup: int, decay: float) -> None:
    factors = [warmup_stable_decay(warmup, decay)(step, steps) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[0] <= 1 / warmup
    assert factors[-1] <= 1 / (steps * decay) + 1e-9


def test_no_step_starts_past_the_deadline() -> None:
    model, clock = Bigram(), FakeClock()
    started: list[float] = []

    def loss_sum(batch: Batch) -> tuple[Tensor, int]:
        started.append(clock.now)
        clock.now += 1
        return model.loss_sum(batch)

    report = fit(loss_sum, forever(), sgd(model), constant, steps=100, deadline=Deadline.after(3.5, clock), clock=clock)
    assert report.stop is Stop.DEADLINE
    assert started == [0, 1, 2, 3]
    assert report.executed == 4
    assert report.planned == 100


def test_a_deadline_already_passed_takes_no_batch() -> None:
    model, clock = Bigram(), FakeClock()
    batches = iter([(random_batch(0),)])
    report = fit(model.loss_sum, batches, sgd(model), constant, steps=1, deadline=Deadline.after(0, clock), clock=clock)
    assert (report.stop, report.executed, report.seconds) == (Stop.DEADLINE, 0, 0)
    assert len(list(batches)) == 1


def test_zero_steps_change_nothing() -> None:
    model = Bigram()
    report = fit(model.loss_sum, iter(()), sgd(model), constant, steps=0)
    assert (report.stop, report.executed) == (Stop.PLANNED, 0)
    assert torch.equal(model.table, Bigram().table)


def test_convergence_is_asked_after_every_step() -> None:
    model = Bigram()
    asked: list[int] = []

    def converged(losses: Sequence[float]) -> bool:
        asked.append(len(losses))
        return len(losses) == 5

    report = fit(model.loss_sum, forever(), sgd(model), constant, steps=100, converged=converged)
    assert report.stop is Stop.CONVERGED
    assert report.executed == 5
    assert asked == [1, 2, 3, 4, 5]


def fails_at(model: Bigram, step: int, failure: Callable[[Tensor], Tensor]) -> Callable[[Batch], tuple[Tensor, int]]:
    """The model's loss, changed by `failure` in the given step (one micro-batch a step)."""
    calls = itertools.count()

    def loss_sum(batch: Batch) -> tuple[Tensor, int]:
        loss, count = model.loss_sum(batch)
        return (failure(loss) if next(calls) == step else loss), count

    return loss_sum


NOT_FINITE = pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])


@NOT_FINITE
def test_a_step_that_is_not_finite_is_left_out(bad: float) -> None:
    broken, sound = Bigram(), Bigram()
    report = fit(fails_at(broken, 2, lambda loss: loss * bad), forever(), sgd(broken), constant, steps=10)
    fit(sound.loss_sum, forever(), sgd(sound), constant, steps=10)
    assert (report.stop, report.executed, report.skipped) == (Stop.PLANNED, 10, 1)
    assert len(report.losses) == 10
    assert all(map(math.isfinite, report.losses))
    assert torch.equal(broken.table, sound.table)


@NOT_FINITE
def test_many_steps_in_a_row_that_are_not_finite_end_the_fit(bad: float) -> None:
    broken, sound = Bigram(), Bigram()
    calls = itertools.count()

    def loss_sum(batch: Batch) -> tuple[Tensor, int]:
        loss, count = broken.loss_sum(batch)
        return (loss * bad if next(calls) > 1 else loss), count

    report = fit(loss_sum, forever(), sgd(broken), constant, steps=100)
    fit(sound.loss_sum, forever(), sgd(sound), constant, steps=2)
    assert (report.stop, report.executed, report.skipped) == (Stop.NOT_FINITE, 2, MOST_SKIPPED + 1)
    assert len(report.losses) == 2
    assert torch.equal(broken.table, sound.table)
    assert broken.table.grad is None


def test_many_steps_here_and_there_that_are_not_finite_do_not_end_it() -> None:
    model = Bigram()
    calls = itertools.count()

    def loss_sum(batch: Batch) -> tuple[Tensor, int]:
        loss, count = model.loss_sum(batch)
        return (loss * math.nan if next(calls) % (MOST_SKIPPED + 1) else loss), count

    report = fit(loss_sum, forever(), sgd(model), constant, steps=4)
    assert (report.stop, report.executed, report.skipped) == (Stop.PLANNED, 4, 3 * MOST_SKIPPED)


def test_the_loss_scale_is_halved_until_gradients_are_finite() -> None:
    weight = torch.nn.Parameter(torch.ones(4, dtype=torch.float16))

    def loss_sum(batch: Batch) -> tuple[Tensor, int]:
        # Its gradient, 100 times the scale, is finite in fp16 up to a scale of 655.
        return weight.float().sum() * 100 * int(batch.loss_mask[:, 1:].sum()), 1

    group = {"params": [weight], "lr": 0.001, "initial_lr": 0.001}
    report = fit(loss_sum, forever(), torch.optim.SGD([group]), constant, steps=2, loss_scale=4096.0)
    assert (report.stop, report.executed, report.skipped) == (Stop.PLANNED, 2, 3)
    assert torch.allclose(weight, torch.full_like(weight, 1 - 2 * 0.1), atol=1e-3)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["torch", "cuda", "cublas", "python", "cpu allocator"])
def test_out_of_memory_ends_the_fit_without_a_step(error: Exception) -> None:
    def fail(loss: Tensor) -> Tensor:
        raise error

    broken, sound = Bigram(), Bigram()
    # The failing micro-batch is the second of its step: the first one's gradient must not linger.
    batches = forever(random_batch(0), random_batch(1))
    report = fit(fails_at(broken, 5, fail), batches, sgd(broken), constant, steps=10)
    fit(sound.loss_sum, forever(random_batch(0), random_batch(1)), sgd(sound), constant, steps=2)
    assert is_out_of_memory(error)
    assert report.stop is Stop.OUT_OF_MEMORY
    assert report.executed == 2
    assert torch.equal(broken.table, sound.table)
    assert broken.table.grad is None


def test_out_of_memory_in_the_optimiser_ends_the_fit() -> None:
    class Greedy(torch.optim.SGD):
        def step(self, closure: object = None) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory")

    model, untouched = Bigram(), Bigram()
    greedy = Greedy([{"params": [model.table], "lr": 1.0, "initial_lr": 1.0}])
    report = fit(model.loss_sum, forever(), greedy, constant, steps=10)
    assert (report.stop, report.executed) == (Stop.OUT_OF_MEMORY, 0)
    assert torch.equal(model.table, untouched.table)
    assert model.table.grad is None


def test_a_step_that_memory_does_not_suffice_for_is_left_out_once_there_is_relief() -> None:
    def fail(loss: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    broken, sound = Bigram(), Bigram()
    asked: list[None] = []

    def relieve() -> bool:
        # By now what the failed step held is let go.
        assert broken.table.grad is None
        assert sys.exc_info() == (None, None, None)
        asked.append(None)
        return True

    report = fit(fails_at(broken, 2, fail), forever(), sgd(broken), constant, steps=10, relieve=relieve)
    fit(sound.loss_sum, forever(), sgd(sound), constant, steps=10)
    assert (report.stop, report.executed, len(asked)) == (Stop.PLANNED, 10, 1)
    assert torch.equal(broken.table, sound.table)


def test_a_real_failed_allocation_counts_as_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_other_errors_are_raised() -> None:
    def fail(loss: Tensor) -> Tensor:
        raise RuntimeError("shapes do not match")

    model = Bigram()
    with pytest.raises(RuntimeError, match="shapes do not match"):
        fit(fails_at(model, 0, fail), forever(), sgd(model), constant, steps=1)


def test_replanning_moves_the_end_and_the_schedule() -> None:
    model, clock = Bigram(), FakeClock()
    optimizer = Recorder(model)
    asked: list[tuple[int, float]] = []

    def loss_sum(batch: Batch) -> tuple[Tensor, int]:
        clock.now += 1.5
        return model.loss_sum(batch)

    def replan(executed: int, seconds: float) -> int:
        asked.append((executed, seconds))
        return 4 if executed < 3 else 6

    schedule = warmup_stable_decay(1, 1.0)
    report = fit(loss_sum, forever(), optimizer, schedule, steps=100, replan=replan, clock=clock)
    assert report.stop is Stop.PLANNED
    assert report.executed == report.planned == 6
    assert asked == [(step, 1.5 * step) for step in range(1, 7)]
    assert optimizer.rates == [[schedule(step, steps)] for step, steps in enumerate([100, 4, 4, 6, 6, 6])]


def test_a_plan_below_what_is_done_ends_at_once() -> None:
    model = Bigram()
    report = fit(model.loss_sum, forever(), sgd(model), constant, steps=9, replan=lambda executed, seconds: 0)
    assert (report.stop, report.executed, report.planned) == (Stop.PLANNED, 1, 1)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), cuts=st.sets(st.integers(1, 7), max_size=4))
def test_micro_batches_give_the_gradient_of_the_whole_batch(seed: int, cuts: set[int]) -> None:
    whole = random_batch(seed, rows=8)
    edges = [0, *sorted(cuts), 8]
    parts = [Batch(whole.ids[a:b], whole.positions[a:b], whole.loss_mask[a:b]) for a, b in itertools.pairwise(edges)]
    model = Bigram(seed)
    together, split = Recorder(model), Recorder(model)
    losses = [
        fit(model.loss_sum, forever(*micro), optimizer, constant, steps=1).losses
        for micro, optimizer in (([whole], together), (parts, split))
    ]
    torch.testing.assert_close(split.gradients, together.gradients)
    assert losses[0] == pytest.approx(losses[1])


def test_a_step_without_targets_is_harmless() -> None:
    model = Bigram()
    batch = random_batch(0)
    empty = Batch(batch.ids, batch.positions, torch.zeros_like(batch.loss_mask))
    report = fit(model.loss_sum, forever(empty), sgd(model), constant, steps=1)
    assert report.losses == [0.0]
    assert torch.equal(model.table, Bigram().table)


def test_a_batch_counts_its_padding_and_moves_whole() -> None:
    batch = random_batch(0, rows=2, length=5).to(torch.device("cpu"))
    assert batch.tokens() == 10
