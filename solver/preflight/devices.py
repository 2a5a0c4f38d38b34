"""Runs the probe and judges what it saw: is every GPU usable, is it the one that was asked for, is there room?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from solver.places import usable_memory
from solver.preflight.check import Check, Status
from solver.preflight.libraries import REQUIRED
from solver.preflight.machines import Machine
from solver.preflight.plan import Need

PROBE_SECONDS = 180.0
"""After which the probe counts as hung: importing everything from a cold disk takes a minute."""

GIB = 2**30

OTHER_GPU = "choose another accelerator in the notebook's settings (machine_shape in kernel-metadata.json)"


@dataclass(frozen=True, slots=True)
class Gpu:
    """error: why a real operation failed, None if it did not; free, total: bytes; seconds: the operation took."""

    name: str
    free: int
    total: int
    error: str | None
    seconds: float
    capability: str = "?"


@dataclass(frozen=True, slots=True)
class Probe:
    """What the probe saw. error: why there is nothing to see, None otherwise; cuda: what PyTorch was built for;
    cpu_width: bytes of a number in the dtype that the CPU computes in."""

    versions: Mapping[str, str | None] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    cuda: str | None = None
    gpus: tuple[Gpu, ...] = ()
    error: str | None = None
    cpu_width: int = 4


def run_probe(seconds: float = PROBE_SECONDS) -> Probe:
    """Imports the libraries and multiplies on every GPU, in a process of its own."""
    command = [sys.executable, "-m", "solver.preflight.probe", *REQUIRED]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return Probe(error=f"importing the libraries and trying the GPUs took more than {seconds:.0f} s")
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        return Probe(error=f"importing the libraries or trying the GPUs ended with code {done.returncode}: {said}")
    return read_probe(json.loads(lines[-1]))


def read_probe(seen: Mapping[str, Any]) -> Probe:
    """The probe's JSON as data."""
    gpus = tuple(Gpu(**device) for device in seen["devices"])
    return Probe(seen["versions"], seen["errors"], seen["cuda"], gpus, seen.get("torch_error"), seen["cpu_width"])


def check_gpus(probe: Probe, visible: int, machine: Machine | None, need: Need) -> list[Check]:
    """One line per GPU, and one for what was asked for.

    visible: GPUs that the system shows; machine: what the notebook is said to run on; need: memory of each worker.
    """
    checks = [_check_gpu(number, gpu, need) for number, gpu in enumerate(probe.gpus)]
    if visible > len(probe.gpus):
        text = f"the system shows {visible} GPUs, PyTorch (built for CUDA {probe.cuda}) finds {len(probe.gpus)}"
        checks.append(Check("GPUs", Status.FAULT, text, "install a PyTorch that fits the driver; see nvidia-smi"))
    if machine is not None:
        checks.append(_check_machine(probe.gpus, machine))
    elif not probe.gpus and not visible:
        checks.append(Check("GPUs", Status.NOTE, "none: the model runs on the CPU"))
    return checks


def _check_gpu(number: int, gpu: Gpu, need: Need) -> Check:
    name = f"cuda:{number}"
    if gpu.error is not None:
        text = f"{gpu.name}: a real operation failed ({gpu.error})"
        return Check(name, Status.FAULT, text, OTHER_GPU)
    works = f"{gpu.name} (compute capability {gpu.capability}): a real operation took {gpu.seconds:.1f} s"
    status, room, mend = judge_room(gpu.free, need, 1)
    return Check(name, status, f"{works}; {room} (of {gpu.total / GIB:.1f} in all)", mend)


def judge_room(free: int, need: Need, workers: int) -> tuple[Status, str, str]:
    """Free bytes against the plan for some workers: status, what was found, what to do."""
    least, full = workers * need.least, workers * need.full
    if free < least:
        mend = "restart the session so that nothing else holds memory; or a smaller base, fewer --workers, a larger GPU"
        return Status.FAULT, f"{free / GIB:.1f} GiB are free, fewer than the {least / GIB:.1f} planned", mend
    if free < full:
        mend = "nothing, or as for a fault: training will shorten long prompts"
        return Status.NOTE, f"{free / GIB:.1f} GiB are free, {full / GIB:.1f} planned for the longest prompts", mend
    return Status.OK, f"{free / GIB:.1f} GiB are free, {full / GIB:.1f} planned", ""


def _check_machine(gpus: Sequence[Gpu], machine: Machine) -> Check:
    wanted = f"{machine.name} has {machine.gpus} GPUs called {machine.word}"
    names = ", ".join(gpu.name for gpu in gpus) or "no GPU"
    right = [gpu for gpu in gpus if machine.word in gpu.name.replace("-", " ").split()]
    if len(right) != machine.gpus:
        mend = f"choose {machine.name} in the notebook's settings; a machine_shape that Kaggle does not know is a P100"
        return Check("machine", Status.FAULT, f"{wanted}, found: {names}", mend)
    return Check("machine", Status.OK, f"{wanted}: found")


MEMINFO = Path("/proc/meminfo")


def available_memory(meminfo: Path = MEMINFO) -> int:
    """Bytes that new processes can have without swapping, within what the container may use."""
    try:
        lines = meminfo.read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return usable_memory()
    return min(free, usable_memory())


def check_memory(available: int, need: Need, workers: int) -> Check:
    """Whether the machine's own memory holds what all workers need."""
    status, room, mend = judge_room(available, need, workers)
    return Check("memory", status, f"{room}, for {workers} worker(s)", mend)
