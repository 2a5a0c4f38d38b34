"""Training a base: it resumes exactly, tells what it uses of the machine, and measures what it must not train on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from solver.base import held_out, probe, train
from solver.base.bank import Recipe
from solver.base.probe import asked, ttt_score
from solver.base.train import Progress, train_base
from solver.base.utilisation import Arithmetic, peak
from solver.budget import Deadline
from solver.grid import InputError
from solver.model import forward_hidden, loss_sum, new_native
from solver.prompt import NATIVE_TOKENS, PAD, NativeFormat
from solver.task import Pair
from solver.training import Batch, Team
from tests.fakes import CPU, copy_task, random_grid, tiny_lm
from tests.train_in_team import CONFIG, HELD_OUT, SOURCES, copies, plain_steps


@pytest.fixture(autouse=True)
def _held_out_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones in place of the real splits."""
    monkeypatch.setattr(train, "development_tasks", lambda: HELD_OUT)
    monkeypatch.setattr(held_out, "read_split", lambda _: [copy_task("measured", side=2)])
    monkeypatch.setattr(probe, "STEPS", 2)


def run(folder: Path, config: Any = CONFIG, deadline: Deadline | None = None, **options: Any) -> Progress:
    return train_base(config, folder, None, SOURCES, CPU, deadline or Deadline.never(), **{"resume": True} | options)


def masters(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(folder / "checkpoint.pt")["optimizer"]["master"]
    return found


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


class Steps(Deadline):
    """Passes after so many looks at it."""

    def __init__(self, looks: int) -> None:
        super().__init__(0.0)
        object.__setattr__(self, "looks", iter([1.0] * looks + [0.0] * 1000))

    def left(self) -> float:
        return next(self.looks)  # type: ignore[attr-defined,no-any-return]


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    assert (whole.step, whole.tokens) == (6, 6 * 512)
    part = run(tmp_path / "parts", deadline=Steps(2))
    assert part.step == 2
    assert run(tmp_path / "parts").step == 6
    one, other = masters(tmp_path / "whole"), masters(tmp_path / "parts")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_finished_run_is_not_written_over(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(InputError, match=r"checkpoint\.pt: exists already; add --resume"):
        run(tmp_path, resume=False)


def test_a_run_does_not_go_on_in_another_shape(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(InputError, match=r"checkpoint\.pt: axial was True, not False"):
        run(tmp_path, replace(CONFIG, axial=False))


def test_compiled_layers_train_what_plain_ones_do(tmp_path: Path) -> None:
    """Up to rounding, which another order of sums changes; measuring is not compiled."""
    plain, compiled = run(tmp_path / "plain"), run(tmp_path / "compiled", compiles=True)
    assert compiled.step == plain.step
    losses = [
        [line["ttt_nats_after"] for line in log(tmp_path / name) if "ttt_tasks" in line]
        for name in ("plain", "compiled")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    one, other = masters(tmp_path / "plain"), masters(tmp_path / "compiled")
    for name, weight in one.items():
        torch.testing.assert_close(other[name], weight, rtol=0.05, atol=0.05)
    counters = torch._dynamo.utils.counters
    assert counters["frames"]["ok"] > 0


def test_without_a_compiler_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(function: Any) -> Any:
        raise RuntimeError("no C++ compiler here\nand a long explanation")

    monkeypatch.setattr(torch, "compile", missing)
    assert run(tmp_path, compiles=True).step == 6
    assert "not compiled: no C++ compiler here\n" in capsys.readouterr().out


def test_what_is_measured_goes_to_the_log_and_the_live_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "SHOW_EVERY", 0.0)
    train_base(CONFIG, tmp_path, tmp_path / "out", SOURCES, CPU, Deadline.never(), resume=False, measure_every=0.0)
    lines = log(tmp_path)
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5, 6]
    assert all(line["utilisation"] > 0 for line in lines if "loss" in line)
    # After every step and at the end.
    for key in ("evaluation_loss", "development_accuracy", "ttt_nats_after"):
        assert sum(key in line for line in lines) == 7
    assert "of the machine" in capsys.readouterr().out
    facts = json.loads((tmp_path / "out" / "training.json").read_text())
    assert facts["sources (tasks, pairs, weight)"] == {"copies": [8, 40, 1.0], "more": [3, 15, 0.5]}
    assert (facts["steps"], facts["peak GFLOP/s"] > 0) == (6, True)
    assert (tmp_path / "out" / "training_log.jsonl").read_text() == (tmp_path / "log.jsonl").read_text()


def test_measuring_leaves_the_training_as_it_is(tmp_path: Path) -> None:
    run(tmp_path / "quiet")
    run(tmp_path / "measured", measure_every=0.0)
    one, other = masters(tmp_path / "quiet"), masters(tmp_path / "measured")
    assert all(torch.equal(one[name], other[name]) for name in one)


class TestTeam:
    def launch(self, folder: Path, processes: int) -> str:
        """What they printed."""
        here = Path(__file__).parent
        words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        end = subprocess.run(
            [sys.executable, *words, str(here / "train_in_team.py"), str(folder)],
            cwd=here.parent,
            env={**os.environ, "PYTHONPATH": str(here.parent), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert end.returncode == 0, end.stdout
        return end.stdout

    def test_two_processes_train_what_one_does(self, tmp_path: Path) -> None:
        said = self.launch(tmp_path, 2)
        # Both make all steps; one of them speaks and writes.
        assert said.count("ended after 6 steps") == 2
        assert said.count("processes: 2") == 2, "once for each of two runs"
        assert json.loads((tmp_path / "out" / "training.json").read_text())["processes"] == 2
        alone = plain_steps(Team())
        for rank in (0, 1):
            together = torch.load(tmp_path / f"plain{rank}.pt")
            for name, weight in alone.items():
                torch.testing.assert_close(together[name], weight)

    @pytest.mark.parametrize("size", [1, 2, 3, 6])
    def test_a_step_is_shared_out_whole_and_evenly(self, size: int) -> None:
        rng = random.Random(size)
        arithmetic = Arithmetic(token=1000, target=0, pair=3)
        step = [
            [Recipe((number,), 0, (), rng.randint(50, 900)) for number in range(rng.randint(1, 4))] for _ in range(12)
        ]

        def work(parts: list[list[Recipe]]) -> float:
            return sum(arithmetic.of_sequences(recipe.length for recipe in part) for part in parts)

        team = Team()
        team.size = size
        shares = []
        for team.rank in range(size):
            shares.append(train.share_out(step, arithmetic, team))
        given = [part for share in shares for part in share]
        assert sorted(map(id, given)) == sorted(map(id, step))
        assert {len(share) for share in shares} == {12 // size}
        dealt = [work(step[rank::size]) for rank in range(size)]
        assert max(map(work, shares)) <= max(dealt)
        assert max(map(work, shares)) - min(map(work, shares)) <= max(work([part]) for part in step)

    def test_micro_batches_that_cannot_be_shared_out(self, tmp_path: Path) -> None:
        team = Team()
        team.size = 3
        with pytest.raises(InputError, match="3 processes cannot share the 4 micro-batches of a step"):
            run(tmp_path, team=team)


class TestUtilisation:
    def test_the_arithmetic_is_what_pytorch_counts(self) -> None:
        lm = new_native(64, 2, 128, len(NATIVE_TOKENS), 0)
        length = 40
        mask = torch.zeros(2, length, dtype=torch.bool)
        mask[:, 30:] = True
        ids = torch.randint(0, PAD, (2, length), generator=torch.Generator().manual_seed(0))
        batch = Batch(ids, torch.arange(length).repeat(2, 1), mask)
        with FlopCounterMode(display=False) as counter:
            loss_sum(lm, batch)[0].backward()  # type: ignore[no-untyped-call]
        attention = 4 * 2 * 64 * 2 * length**2
        # Within its blocks the attention computes the masked half as well; PyTorch's counter does not know the products
        # that are added in place, two of the six of a forward and a backward pass.
        masked = 4 * 2 * 64 * length * (length - 1)
        # Some versions of transformers make a small product of the rotary angles too.
        assert Arithmetic.of(lm).of_batch(batch) == pytest.approx(
            counter.get_total_flops() + attention - 3 * masked, rel=1e-3
        )

    def test_padding_is_not_counted(self) -> None:
        lm = new_native(64, 2, 128, len(NATIVE_TOKENS), 0)
        ids = torch.zeros(1, 30, dtype=torch.long)
        batch = Batch(ids, torch.arange(30)[None], torch.ones(1, 30, dtype=torch.bool))
        more = [torch.nn.functional.pad(part, (0, 10), value=PAD if part is ids else 0) for part in batch_parts(batch)]
        arithmetic = Arithmetic.of(lm)
        assert arithmetic.of_batch(batch) == arithmetic.of_batch(Batch(*more)) == arithmetic.of_sequences([30], 30)

    def test_the_peak_is_more_than_a_tiny_product_does(self) -> None:
        ticks = iter(range(10**6))
        # With a clock that ticks with every look, larger products are faster.
        assert peak(CPU, lambda: next(ticks) / 10) > 0
        assert peak(CPU) > 1e8


def batch_parts(batch: Batch) -> tuple[torch.Tensor, ...]:
    return batch.ids, batch.positions, batch.loss_mask


class TestProbe:
    def test_training_on_the_demonstrations_makes_the_answer_likelier(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(probe, "STEPS", 40)
        lm = tiny_lm().to(torch.bfloat16)
        grid = random_grid(random.Random(0), 2, 2)
        constant = {"constant": tuple(Pair(random_grid(random.Random(n), 2, 2), grid) for n in range(4))}
        found = ttt_score(lm, True, constant, CPU)
        assert found["tasks"] == 1
        assert found["nats_after"] < 0.7 * found["nats_before"]
        assert found["right_before"] == 0

    def test_questions_are_short_and_have_two_demonstrations(self) -> None:
        pairs = copies(1, 3)[0]
        large = tuple(
            Pair(random_grid(random.Random(n), 20, 20), random_grid(random.Random(n), 20, 20)) for n in range(4)
        )
        tasks = {"one": pairs[:2], "large": large} | {str(n): pairs for n in range(20)}
        found = asked(tasks, NativeFormat(True))
        assert [one.task.id for one in found] == [str(n) for n in range(probe.TASKS)]
        ids = found[0].encoded.ids[found[0].encoded.loss_mask].tolist()
        assert NativeFormat(True).parse(ids) == pairs[-1].output


def test_weights_of_the_model_are_not_the_probes_to_change() -> None:
    lm = new_native(64, 1, 64, len(NATIVE_TOKENS), 0).to(torch.bfloat16)
    before = {name: weight.clone() for name, weight in lm.named_parameters()}
    ttt_score(lm, True, {"copy": copies(1, 4)[0]}, CPU)
    assert all(torch.equal(weight, before[name]) for name, weight in lm.named_parameters())
    ids = torch.zeros(1, 4, dtype=torch.long)
    assert forward_hidden(lm, ids, torch.arange(4)[None]).requires_grad


def test_tokens_decide_where_a_training_with_another_batch_size_goes_on(tmp_path: Path) -> None:
    run(tmp_path, deadline=Steps(2))
    progress = run(tmp_path, config=replace(CONFIG, step_tokens=1024, micro_tokens=1024))
    assert progress.step == 3
    assert progress.tokens == 3 * 1024
