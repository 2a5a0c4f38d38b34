"""Preflight as a whole, its plans and its files: each fault is named by its own line."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from solver import cli
from solver.preflight import command
from solver.preflight.check import Check, Status, faults
from solver.preflight.command import Flight, count_workers, fly, show
from solver.preflight.devices import GIB, Gpu, Probe
from solver.preflight.files import check_attached, check_base, check_challenges, check_output
from solver.preflight.libraries import REQUIRED
from solver.preflight.machines import MACHINES
from solver.preflight.plan import check_quota, check_time, read_shape, worker_need
from solver.profiles import LARGE_LORA, NATIVE, NATIVE_FOLDER
from tests.fake_worker import make_tasks, write_base, write_tasks
from tests.fakes import tiny_folder

VERSIONS: dict[str, str | None] = dict(REQUIRED)
T4, L4 = MACHINES["NvidiaTeslaT4"], MACHINES["NvidiaL4"]


def only(checks: list[Check]) -> Check:
    (check,) = checks
    return check


def gpu(name: str = "Tesla T4", free: float = 14.0, error: str | None = None) -> Gpu:
    return Gpu(name, int(free * GIB), 15 * GIB, error, 0.1, "7.5")


LLAMA_8B = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
}


class TestPlan:
    def test_a_shape_counts_the_weights_of_the_model(self) -> None:
        shape = read_shape(LLAMA_8B)
        assert shape is not None
        blocks = shape.layers * sum(inner * outer for inner, outer in shape.linear())
        # Llama-3.1-8B has 8.03e9 parameters, 1.05e9 of them in embeddings and head.
        assert blocks + 2 * shape.vocabulary * shape.hidden == pytest.approx(8.03e9, rel=0.001)

    def test_no_shape_where_a_size_is_missing(self) -> None:
        assert read_shape({name: size for name, size in LLAMA_8B.items() if name != "vocab_size"}) is None
        assert read_shape(LLAMA_8B | {"hidden_size": "wide"}) is None

    def test_what_is_needed_grows_with_what_is_asked_for(self) -> None:
        shape = read_shape(LLAMA_8B)
        assert shape is not None
        profile = replace(NATIVE, small=False, lora=LARGE_LORA)
        need = worker_need(shape, profile, quantized=True, gpu=True, width=2)
        assert 4 * GIB < need.least < need.full < 24 * GIB
        assert worker_need(shape, profile, quantized=False, gpu=True, width=2).least > need.least + 8 * GIB
        smaller = replace(profile, lora=replace(LARGE_LORA, rank=8))
        assert worker_need(shape, smaller, quantized=True, gpu=True, width=2).least < need.least - 4 * GIB

    def test_the_embedded_base_needs_what_was_measured(self) -> None:
        """2.5 GiB at most in runs over tasks of all sizes."""
        shape = read_shape(json.loads((NATIVE_FOLDER / "config.json").read_text()))
        assert shape is not None
        assert worker_need(shape, NATIVE, True, False, 2).full / GIB == pytest.approx(2.5, abs=0.3)

    @pytest.mark.parametrize(("tasks", "budget", "workers", "fault"), [
        (240, 11.5 * 3600, 2, False),
        (240, 3600.0, 2, False),
        (241, 3600.0, 2, True),
        (5000, 11.5 * 3600, 2, True),
        (5000, 11.5 * 3600, 4, False),
    ])  # fmt: skip
    def test_thirty_seconds_for_each_task(self, tasks: int, budget: float, workers: int, fault: bool) -> None:
        check = check_time(tasks, budget, workers)
        assert (check.status is Status.FAULT) is fault
        assert check.found.startswith(f"{tasks} tasks in ")

    def test_the_quota(self) -> None:
        assert "at most 11.5 of a week's 30" in check_quota(T4, 11.5 * 3600, 600).found
        check = check_quota(L4, 16 * 3600, 600)
        assert check.status is Status.NOTE
        assert "at most 32.0" in check.found
        assert check_quota(None, 1.0, 1.0).status is Status.OK


class TestFiles:
    def test_challenges(self, tmp_path: Path) -> None:
        file = write_tasks(tmp_path / "challenges.json", make_tasks(3))
        check, tasks = check_challenges(file, tmp_path)
        assert check.found == f"{file}: 3 tasks, 4 test inputs"
        assert len(tasks) == 3
        file.write_text('{"a": {"train": []}}')
        check, tasks = check_challenges(file, tmp_path)
        assert (check.status, tasks) == (Status.FAULT, ())
        assert "task a: train: is not a non-empty list" in check.found
        assert "attach the competition" in check_challenges(None, tmp_path)[0].mend

    def test_a_model_folder_without_safetensors(self, tmp_path: Path) -> None:
        folder = write_base(tmp_path / "models" / "base")
        (folder / "model.safetensors").unlink()
        checks, profile = check_base(str(folder))
        assert (only(checks).status, profile) == (Status.FAULT, None)
        assert str(folder) in checks[0].found
        assert "safetensors" in checks[0].found

    def test_a_wrong_tokenizer(self, tmp_path: Path) -> None:
        folder = write_base(tmp_path / "models" / "base")
        (folder / "tokenizer.json").write_text('{"model": {"vocab": {"012": 0, "the": 1}}}')
        checks, profile = check_base(str(folder))
        assert (only(checks).status, profile) == (Status.FAULT, None)
        assert "tokenizer.json" in checks[0].found

    def test_a_base_as_it_should_be(self, tmp_path: Path) -> None:
        folder = tiny_folder()
        checks, profile = check_base(str(folder))
        assert profile is not None
        assert profile.folder == folder
        assert only(checks).status is Status.OK
        assert str(folder) in checks[0].found

    def test_a_missing_shard(self, tmp_path: Path) -> None:
        folder = write_base(tmp_path / "base")
        (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
        weights = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
        checks, profile = check_base(str(folder))
        assert profile is None
        assert "model-00002-of-00002.safetensors" in only(checks).found

    def test_an_attached_model_that_cannot_be_used_is_not_passed_over(self, tmp_path: Path) -> None:
        good = write_base(tmp_path / "models" / "me" / "good" / "1")
        bad = write_base(tmp_path / "models" / "me" / "bad" / "1")
        (bad / "model.safetensors").unlink()
        own = write_base(tmp_path / "datasets" / "me" / "code" / "solver" / "base" / "native")
        (own / "model.safetensors").unlink()
        (tmp_path / "datasets" / "me" / "config.json").write_text('{"theme": "dark"}')
        check = only(check_attached(tmp_path, chosen=False))
        assert check.status is Status.FAULT
        assert str(bad) in check.found
        assert str(good) not in check.found
        assert only(check_attached(tmp_path, chosen=True)).status is Status.NOTE
        assert check_attached(tmp_path / "nowhere", chosen=False) == []

    def test_output(self, tmp_path: Path) -> None:
        assert check_output(tmp_path / "submission.json").status is Status.OK
        assert list(tmp_path.iterdir()) == []
        # A place where not even root may write.
        check = check_output(Path("/proc/submission.json"))
        assert check.status is Status.FAULT
        assert "/proc/submission.json: cannot be written" in check.found


GOOD = Probe(VERSIONS | {"torchao": None}, {}, None, ())


class TestFlight:
    @pytest.fixture
    def flight(self, tmp_path: Path) -> Flight:
        """One without faults."""
        root = tmp_path / "input"
        base = write_base(root / "models" / "me" / "base" / "1")
        file = write_tasks(root / "arc-agi_test_challenges.json", make_tasks(6))
        return Flight(file, tmp_path / "submission.json", 3600, 600, (str(base),), None, 1, 1, "nf4", False, root)

    def named(self, flight: Flight, probe: Probe = GOOD, gpus: int = 0) -> list[str]:
        return [check.name for check in faults(list(fly(flight, probe, gpus)))]

    def test_no_faults(self, flight: Flight) -> None:
        assert self.named(flight) == []

    def test_each_fault_is_named(self, flight: Flight, tmp_path: Path) -> None:
        assert self.named(flight, replace(GOOD, versions=GOOD.versions | {"peft": None})) == ["library peft"]
        assert self.named(replace(flight, planned=2**60)) == ["memory"]
        assert self.named(replace(flight, budget=6 * 29.0)) == ["time"]
        assert self.named(replace(flight, output=Path("/proc/submission.json"))) == ["output"]
        assert self.named(replace(flight, challenges=None)) == ["challenges"]
        assert self.named(flight, replace(GOOD, gpus=(gpu(error="RuntimeError: no"),)), 1) == ["cuda:0"]
        assert self.named(flight, Probe(error="it hung")) == ["libraries and GPUs"]
        (Path(flight.bases[0]) / "model.safetensors").unlink()
        assert self.named(flight) == ["base"]
        # Unnamed, a run would go on with the embedded base instead.
        assert self.named(replace(flight, bases=())) == ["attached model"]

    def test_every_one_of_several_bases_is_checked(self, flight: Flight, tmp_path: Path) -> None:
        second = write_base(tmp_path / "input" / "models" / "me" / "second" / "1")
        both = replace(flight, bases=(*flight.bases, str(second)))
        assert self.named(both) == []
        names = [check.name for check in fly(both, GOOD, 0)]
        assert (names.count("base"), names.count("one-task run")) == (2, 2)
        (second / "model.safetensors").unlink()
        assert self.named(both) == ["base"]

    def test_the_runs_of_one_task_wait_for_the_rest(self, flight: Flight) -> None:
        poor = replace(GOOD, versions={**GOOD.versions, "peft": None, "numba": "0.1"})
        last = list(fly(replace(flight, smoke=True), poor, 0))[-2:]
        assert [(one.name, one.status) for one in last] == [
            ("one-task run", Status.SKIPPED),
            ("one-task search", Status.SKIPPED),
        ]

    def test_workers_as_the_submission_starts_them(self, flight: Flight) -> None:
        free = replace(flight, workers=None)
        assert count_workers(free, NATIVE, 4) == 4
        assert count_workers(free, replace(NATIVE, small=False), 0) == 1
        assert count_workers(replace(flight, workers=3), NATIVE, 2) == 3

    def test_one_line_per_check(self, flight: Flight) -> None:
        checks = list(fly(replace(flight, challenges=None), GOOD, 0))
        out = io.StringIO()
        show(Console(file=out, width=300), checks)
        lines = out.getvalue().splitlines()
        assert sum("FAULT" in line for line in lines) == 1
        assert any("-> attach the competition" in line for line in lines)
        assert lines[-1] == "preflight: 1 fault(s)"


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_tasks(tmp_path / "tasks.json", make_tasks(2))
    monkeypatch.setattr(command, "run_probe", lambda: GOOD)
    monkeypatch.setattr(command, "visible_gpus", list)
    monkeypatch.setattr(command, "KAGGLE_INPUT", tmp_path / "input")
    words = ["preflight", "--challenges", str(file), "--output", str(tmp_path / "s.json"), "--no-smoke"]
    assert cli.main(words) == 0
    assert "preflight: no faults" in capsys.readouterr().out
    assert cli.main([*words, "--planned-gib", "1e6"]) == 1
    assert "preflight: 1 fault(s)" in capsys.readouterr().out
    assert cli.main([*words, "--time-budget", "soon"]) == 2
    assert cli.main([*words, "--workers", "0"]) == 2
