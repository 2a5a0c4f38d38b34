"""`python -m solver preflight`: runs all checks in order and prints them, one line each."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from solver.budget import parse_duration
from solver.grid import InputError
from solver.places import COMPETITION_BUDGET, VISIBLE_BUDGET, attached_base, competition_file, visible_gpus
from solver.preflight.check import Check, Status, faults
from solver.preflight.devices import GIB, Probe, available_memory, check_gpus, check_memory, run_probe
from solver.preflight.files import (
    attached_wheels,
    check_attached,
    check_base,
    check_challenges,
    check_output,
    read_config,
)
from solver.preflight.libraries import check_libraries
from solver.preflight.machines import MACHINES, Machine
from solver.preflight.plan import Need, check_quota, check_time, read_shape, worker_need
from solver.preflight.smoke import MODEL, SEARCH, smoke_model, smoke_search
from solver.profiles import KAGGLE_INPUT, Profile

STYLES = {Status.OK: "green", Status.NOTE: "yellow", Status.FAULT: "bold red", Status.SKIPPED: "dim"}


@dataclass(frozen=True, slots=True)
class Flight:
    """What is to be checked: the options, resolved.

    bases: none for the one that is attached; planned: bytes for a worker, None for an estimate; workers: None for one
    per GPU, or per core for a small base.
    """

    challenges: Path | None
    output: Path
    budget: float
    dry_run: float
    bases: tuple[str, ...]
    machine: Machine | None
    planned: int | None
    workers: int | None
    quantize: str
    smoke: bool
    root: Path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.description = (
        "Check everything that could cost a submission: libraries, GPUs, memory, files, time, quota, and a run of one "
        "task. Exit code 1 if anything speaks against submitting."
    )
    parser.add_argument("--challenges", type=Path, help="challenge JSON (default: the competition's hidden tasks)")
    parser.add_argument("--output", type=Path, default=Path("submission.json"))
    parser.add_argument("--time-budget", default=COMPETITION_BUDGET, help=f"of the run (default {COMPETITION_BUDGET})")
    parser.add_argument("--dry-run-budget", default=VISIBLE_BUDGET, help="of the dry run, for the quota's estimate")
    parser.add_argument(
        "--base",
        action="append",
        default=[],
        help="as for submission.py, which may have several (default: as it would choose)",
    )
    parser.add_argument("--machine", choices=sorted(MACHINES), help="Kaggle's name of the accelerator to be found")
    parser.add_argument("--planned-gib", type=float, help="memory of one worker (default: estimated from the base)")
    parser.add_argument("--workers", type=int, help="as for submission.py")
    parser.add_argument("--quantize", choices=("nf4", "none"), default="nf4")
    parser.add_argument("--no-smoke", action="store_true", help="leave out the runs of one task")


def preflight_command(options: argparse.Namespace) -> int:
    """Prints the table; 1 if there is a fault. Raises `InputError` for options that make no sense."""
    root = KAGGLE_INPUT
    for name in ("workers", "planned_gib"):
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise InputError(f"--{name.replace('_', '-')} {value}: must be more than zero")
    flight = Flight(
        challenges=options.challenges or competition_file(root, "arc-agi_test_challenges.json"),
        output=options.output,
        budget=parse_duration(options.time_budget),
        dry_run=parse_duration(options.dry_run_budget, "--dry-run-budget"),
        bases=tuple(options.base),
        machine=MACHINES[options.machine] if options.machine else None,
        planned=None if options.planned_gib is None else int(options.planned_gib * GIB),
        workers=options.workers,
        quantize=options.quantize,
        smoke=not options.no_smoke,
        root=root,
    )
    checks = list(fly(flight, run_probe(), len(visible_gpus())))
    show(Console(), checks)
    return 1 if faults(checks) else 0


def fly(flight: Flight, probe: Probe, visible: int) -> Iterator[Check]:
    """All checks, in order; the run of one task only where nothing before speaks against it."""
    found: list[Check] = []
    # A PyTorch that is not there is named among the libraries.
    if probe.error is not None and not (probe.versions and probe.versions.get("torch") is None):
        found.append(Check("libraries and GPUs", Status.FAULT, probe.error, "restart the notebook's session"))
    if probe.versions:
        found += check_libraries(probe.versions, probe.errors, attached_wheels([flight.root]))
    profiles: dict[str, Profile | None] = {}
    for name in flight.bases or (attached_base(flight.root),):
        base, profiles[name] = check_base(name)
        found += base
    profile = _most_demanding(flight, probe, profiles.values())
    found += check_attached(flight.root, bool(flight.bases))
    found += _check_room(flight, probe, profile, visible)
    challenges, tasks = check_challenges(flight.challenges, flight.root)
    found.append(challenges)
    if tasks:
        found.append(check_time(len(tasks), flight.budget, count_workers(flight, profile, visible)))
    found.append(check_output(flight.output))
    found.append(check_quota(flight.machine, flight.budget, flight.dry_run))
    yield from found
    for name, one in profiles.items():
        yield _smoke_model(flight, name if flight.bases else None, one, found)
    yield _smoke_search(flight, found)


def count_workers(flight: Flight, profile: Profile | None, gpus: int) -> int:
    """As submission.py starts them: one per GPU, else one per core for a small base, else one."""
    if flight.workers or gpus:
        return flight.workers or gpus
    return len(os.sched_getaffinity(0)) if profile is None or profile.small else 1


def _most_demanding(flight: Flight, probe: Probe, profiles: Iterable[Profile | None]) -> Profile | None:
    """Of several bases, which have the devices one after the other, the one that needs the most memory."""
    usable = [profile for profile in profiles if profile is not None]
    return max(usable, key=lambda profile: _need(flight, probe, profile).full, default=None)


def _check_room(flight: Flight, probe: Probe, profile: Profile | None, visible: int) -> list[Check]:
    """GPUs and memory against the plan."""
    need = _need(flight, probe, profile)
    checks = check_gpus(probe, visible, flight.machine, need)
    workers = count_workers(flight, profile, visible)
    if not probe.gpus and not visible:
        checks.append(check_memory(available_memory(), need, workers))
    return checks


def _need(flight: Flight, probe: Probe, profile: Profile | None) -> Need:
    """What was planned, else what the base's shape says; nothing where neither is known."""
    if flight.planned is not None:
        return Need(flight.planned, flight.planned)
    shape = None if profile is None else read_shape(read_config(profile.folder))
    if profile is None or shape is None:
        return Need(0, 0)
    # The base is cut to the tokens of its format when it is loaded.
    shape = replace(shape, vocabulary=profile.format.vocabulary)
    gpu = bool(probe.gpus)
    return worker_need(shape, profile, flight.quantize == "nf4", gpu, 2 if gpu else probe.cpu_width)


def _smoke_model(flight: Flight, base: str | None, profile: Profile | None, before: list[Check]) -> Check:
    """base: as it was named, None where it was not."""
    if not flight.smoke:
        return Check(MODEL, Status.SKIPPED, "left out by --no-smoke")
    if profile is None or any(check.name.startswith(("librar", "cuda")) for check in faults(before)):
        return Check(MODEL, Status.SKIPPED, "the faults above would end it")
    words = ("--workers", str(flight.workers)) if flight.workers else ()
    return smoke_model(base or str(profile.folder), flight.quantize, profile.small, words)


def _smoke_search(flight: Flight, before: list[Check]) -> Check:
    if not flight.smoke:
        return Check(SEARCH, Status.SKIPPED, "left out by --no-smoke")
    if any(check.name in ("library numba", "library numpy", "library scipy") for check in faults(before)):
        return Check(SEARCH, Status.SKIPPED, "the faults above would end it")
    return smoke_search()


def show(console: Console, checks: list[Check]) -> None:
    """The table: one line per check, what to do about it below what was found."""
    table = Table(title="Preflight", title_justify="left")
    for column in ("check", "result", "found"):
        table.add_column(column, overflow="fold")
    for check in checks:
        text = check.found + (f"\n-> {check.mend}" if check.mend and check.status is not Status.OK else "")
        table.add_row(Text(check.name), Text(check.status.value, style=STYLES[check.status]), Text(text))
    console.print(table)
    count = len(faults(checks))
    console.print("preflight: no faults" if not count else f"preflight: {count} fault(s)", highlight=False)
