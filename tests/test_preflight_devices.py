"""GPUs, faked as a PyTorch shows them, and memory: what is wrong with them is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from solver.preflight import devices
from solver.preflight.check import Status, faults
from solver.preflight.devices import GIB, Gpu, Probe, check_gpus, check_memory, run_probe
from solver.preflight.libraries import REQUIRED
from solver.preflight.machines import MACHINES
from solver.preflight.plan import Need

ROOT = Path(__file__).parents[1]
T4, L4 = MACHINES["NvidiaTeslaT4"], MACHINES["NvidiaL4"]
NOTHING = Need(0, 0)


class TestProbe:
    @pytest.fixture
    def fake(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Fake libraries in front of the real ones: the probe's process imports them in no time."""
        for name in REQUIRED.keys() - {"torch"}:
            (tmp_path / f"{name}.py").touch()
        (tmp_path / "torch.py").write_text((Path(__file__).parent / "fake_gpus" / "torch.py").read_text())
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
        monkeypatch.setenv("FAKE_GPUS", "Tesla T4,Tesla T4")
        monkeypatch.setenv("FAKE_GPU_FREE", str(14 * GIB))

    @pytest.mark.usefixtures("fake")
    def test_usable_gpus(self) -> None:
        probe = run_probe()
        assert (probe.error, probe.errors, probe.cuda) == (None, {}, "12.8")
        assert [gpu.name for gpu in probe.gpus] == ["Tesla T4", "Tesla T4"]
        checks = check_gpus(probe, 2, T4, Need(GIB, 2 * GIB))
        assert faults(checks) == []
        assert "14.0 GiB are free, 2.0 planned (of 16.0 in all)" in checks[0].found

    @pytest.mark.usefixtures("fake")
    def test_a_gpu_that_only_calls_itself_available(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_GPUS", "Tesla P100-PCIE-16GB")
        monkeypatch.setenv("FAKE_GPU_ERROR", "CUDA error: no kernel image is available for execution on the device")
        checks = check_gpus(run_probe(), 1, T4, NOTHING)
        operation, machine = faults(checks)
        assert operation.name == "cuda:0"
        assert "a real operation failed (RuntimeError: CUDA error: no kernel image" in operation.found
        assert "choose another accelerator" in operation.mend
        assert machine.found == "NvidiaTeslaT4 has 2 GPUs called T4, found: Tesla P100-PCIE-16GB"

    @pytest.mark.usefixtures("fake")
    def test_a_gpu_that_computes_wrongly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_GPU_RESULT", "255")
        assert len(faults(check_gpus(run_probe(), 2, None, NOTHING))) == 2

    @pytest.mark.usefixtures("fake")
    def test_a_library_that_raises(self, tmp_path: Path) -> None:
        (tmp_path / "peft.py").write_text("raise OSError('libcudart.so: cannot open')")
        probe = run_probe()
        assert probe.errors == {"peft": "OSError: libcudart.so: cannot open"}

    @pytest.mark.usefixtures("fake")
    def test_a_pytorch_that_cannot_be_imported(self, tmp_path: Path) -> None:
        (tmp_path / "torch.py").write_text("import no_such_library")
        probe = run_probe()
        assert probe.error is not None
        assert "no_such_library" in probe.error

    @pytest.mark.usefixtures("fake")
    def test_a_library_that_ends_the_process(self, tmp_path: Path) -> None:
        (tmp_path / "torch.py").write_text("import os; os._exit(7)")
        probe = run_probe()
        assert probe.error is not None
        assert "ended with code 7" in probe.error

    @pytest.mark.usefixtures("fake")
    def test_a_probe_that_hangs(self, tmp_path: Path) -> None:
        (tmp_path / "torch.py").write_text("import time; time.sleep(1000)")
        probe = run_probe(seconds=0.5)
        assert probe.error is not None
        assert "took more than" in probe.error


def gpu(name: str = "Tesla T4", free: float = 14.0, error: str | None = None) -> Gpu:
    return Gpu(name, int(free * GIB), 15 * GIB, error, 0.1, "7.5")


class TestDevices:
    def test_fewer_gib_than_planned(self) -> None:
        checks = check_gpus(Probe(gpus=(gpu(), gpu(free=3.0))), 2, T4, Need(6 * GIB, 8 * GIB))
        (check,) = faults(checks)
        assert check.name == "cuda:1"
        assert "3.0 GiB are free, fewer than the 6.0 planned" in check.found

    def test_room_for_short_prompts_only(self) -> None:
        (check,) = check_gpus(Probe(gpus=(gpu(free=7.0),)), 1, None, Need(6 * GIB, 8 * GIB))
        assert check.status is Status.NOTE

    def test_gpus_that_pytorch_does_not_find(self) -> None:
        (check,) = faults(check_gpus(Probe(cuda="12.8"), 2, None, NOTHING))
        assert check.found == "the system shows 2 GPUs, PyTorch (built for CUDA 12.8) finds 0"

    @pytest.mark.parametrize(
        ("names", "right"),
        [(["NVIDIA L4"] * 4, True), (["NVIDIA L4"] * 2, False), (["NVIDIA L40S"] * 4, False), ([], False)],
    )
    def test_the_machine_that_was_asked_for(self, names: list[str], right: bool) -> None:
        checks = check_gpus(Probe(gpus=tuple(map(gpu, names))), len(names), L4, NOTHING)
        assert (not faults(checks)) is right

    def test_no_gpu_where_none_was_asked_for(self) -> None:
        assert [check.status for check in check_gpus(Probe(), 0, None, NOTHING)] == [Status.NOTE]

    def test_memory_of_all_workers(self) -> None:
        need = Need(GIB, 2 * GIB)
        statuses = [check_memory(free * GIB, need, 3).status for free in (2, 3, 5, 6)]
        assert statuses == [Status.FAULT, Status.NOTE, Status.NOTE, Status.OK]

    def test_available_memory_is_that_of_the_machine_or_less(self, tmp_path: Path) -> None:
        (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:       3 kB\n")
        assert devices.available_memory(tmp_path / "meminfo") == 3072
        assert devices.available_memory(tmp_path / "none") > 2**20
