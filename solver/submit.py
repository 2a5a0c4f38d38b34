"""`submission.py`'s options become the settings of a run, and the run becomes a file and a table.

All that can be known to fail is told before anything is written.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from solver import evaluation, live, report, summary
from solver.budget import parse_duration
from solver.deciding import StopEarly
from solver.grid import InputError
from solver.history import last_channels
from solver.journal import JOURNAL, read_journal
from solver.options import chosen_channels
from solver.places import Places, check_writable, find_places, usable_memory, visible_gpus
from solver.profiles import Decode, Profile, attached_writers, find_base, find_writer
from solver.runner import run
from solver.settings import SCORED_VOTES, Settings
from solver.task import Task, read_challenges, read_split, select, split_ids

SEARCH_MEMORY = 2 * 2**30
"""Bytes for one search, unless half of the memory divided by the searches is less."""


def submit(options: argparse.Namespace, began: float) -> int:
    """Solves what the options name and writes the submission; returns the exit code. Raises `InputError`."""
    channels = _channels(options)
    places = find_places(options)
    tasks = select(_read_tasks(places), split_ids(options.task_ids), places.limit)
    profiles = _profiles(options, places) if "ttt" in channels else ()
    writer = find_writer(options.programs_base) if "programs" in channels else None
    settings = _settings(options, places, profiles, writer, "search" in channels, began)
    solutions = _read_solutions(places, tasks)
    check_writable(settings.output, settings.run_dir)
    console = live.Screen(soft_wrap=not sys.stdout.isatty())
    state = run(settings, tasks, live.Watch(console, solutions))
    summed_up = summary.summarise(state)
    verdict = None if solutions is None else summary.judge(solutions, state, summed_up)
    report.show(console, summed_up, len(tasks), verdict)
    console.print(f"wrote {settings.output}", highlight=False, markup=False)
    return 0


def _channels(options: argparse.Namespace) -> frozenset[str]:
    """What is asked for; where nothing is, those of the run that is gone on with, or the usual ones."""
    if options.resume and options.run_dir and options.channels is None and options.programs_base is None:
        journal = options.run_dir / JOURNAL
        if journal.exists() and (recorded := last_channels(read_journal(journal))):
            return recorded
    # On a CPU a base of 8B writes a program in minutes: there it joins in only when asked for.
    return chosen_channels(options, bool(visible_gpus() and attached_writers()))


def _profiles(options: argparse.Namespace, places: Places) -> tuple[Profile, ...]:
    """The bases and how they are decoded."""
    profiles, threshold = [find_base(name) for name in places.bases], options.decode_threshold
    for number, name in enumerate(places.bases):
        if profiles[number].folder in [profile.folder for profile in profiles[:number]]:
            raise InputError(f"--base {name}: {profiles[number].folder} is named twice")
    if threshold is None:
        return tuple(profiles)
    if options.decode != Decode.DFS.value or not 0 < threshold < 1:
        raise InputError(f"--decode-threshold {threshold}: takes a probability between 0 and 1, with --decode dfs")
    return tuple(replace(one, decoding=replace(one.decoding, threshold=threshold)) for one in profiles)


def _read_tasks(places: Places) -> tuple[Task, ...]:
    if places.split:
        return read_split(places.split)
    assert places.challenges is not None, "find_places names one of the two"
    return read_challenges(places.challenges)


def _read_solutions(places: Places, tasks: Sequence[Task]) -> evaluation.Solutions | None:
    ids = [task.id for task in tasks]
    if not places.solutions:
        return evaluation.restrict(evaluation.split_solutions(places.split), ids) if places.split else None
    solutions = evaluation.read_solutions(places.solutions)
    for task in tasks:
        outputs = len(solutions.get(task.id, ()))
        if not outputs:
            raise InputError(f"{places.solutions}: task {task.id}: is missing")
        if outputs != len(task.test_inputs):
            raise InputError(
                f"{places.solutions}: task {task.id}: has {outputs} test outputs instead of {len(task.test_inputs)}"
            )
    return evaluation.restrict(solutions, ids)


def _settings(
    options: argparse.Namespace,
    places: Places,
    profiles: tuple[Profile, ...],
    writer: Path | None,
    search: bool,
    began: float,
) -> Settings:
    for name in ("workers", "ttt_steps", "passes"):
        value = getattr(options, name)
        if value is not None and value < (0 if name == "ttt_steps" else 1):
            raise InputError(f"--{name.replace('_', '-')} {value}: is too small")
    if options.resume and options.run_dir is None:
        raise InputError("--resume: needs the --run-dir of the run to go on with")
    if options.stop_early == StopEarly.LIKELY.value and options.vote in SCORED_VOTES:
        raise InputError(f"--stop-early likely: is of no use with --vote {options.vote}, which asks every view")
    devices, threads = _devices(options, profiles, writer)
    cap = options.search_seconds
    searchers = _searchers(options, devices) if search else 0
    return Settings(
        output=options.output,
        run_dir=options.run_dir or Path("runs") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S"),
        profiles=profiles,
        writer=writer,
        budget=parse_duration(places.budget),
        began=began,
        devices=devices,
        threads=threads,
        searchers=searchers,
        search_seconds=None if cap is None else parse_duration(cap, "--search-seconds"),
        search_memory=min(SEARCH_MEMORY, usable_memory() // 2 // max(1, searchers)),
        quantize=options.quantize,
        decode=Decode(options.decode),
        vote=options.vote,
        stop_early=StopEarly(options.stop_early),
        ttt=not options.no_ttt,
        ttt_steps=options.ttt_steps,
        # An exact number of steps asks for a repeatable run: one pass, however long there is.
        passes=1 if options.no_ttt or options.ttt_steps is not None else options.passes,
        seed=options.seed,
        resume=options.resume,
    )


def _devices(
    options: argparse.Namespace, profiles: tuple[Profile, ...], writer: Path | None
) -> tuple[tuple[str | None, ...], int]:
    """One device name per worker that needs one, and the threads of each."""
    if not profiles and writer is None:
        return (), 0
    gpus = visible_gpus()
    if options.device:
        _check_device(options.device, gpus)
        gpus = []
    if gpus:
        count = options.workers or len(gpus)
        return tuple(gpus[number % len(gpus)] for number in range(count)), 0
    device = options.device or "cpu"
    if device != "cpu":
        return (device,) * (options.workers or 1), 0
    cores = len(os.sched_getaffinity(0))
    # A small base gains nothing from more threads per step; a large one needs them all, and has one copy in memory.
    small = bool(profiles) and all(profile.small for profile in profiles) and writer is None
    workers = options.workers or (cores if small else 1)
    return (device,) * workers, max(1, cores // workers)


def _check_device(name: str, gpus: Sequence[str]) -> None:
    """Raises `InputError` for a device that PyTorch cannot compute on. gpus: names of those that are there for sure."""
    if name == "cpu" or name in gpus or (name == "cuda" and gpus):
        return
    # Asked in another process: what loads CUDA here would hold memory on the GPU as long as the run.
    probe = "import sys, torch; torch.zeros(1, device=sys.argv[1])"
    if subprocess.run([sys.executable, "-c", probe, name], capture_output=True, check=False).returncode:
        raise InputError(f"--device {name}: cannot be used by PyTorch")


def _searchers(options: argparse.Namespace, devices: Sequence[str | None]) -> int:
    """Beside GPUs, the cores that they leave; else as many as there are workers, which search first, or cores."""
    cores = len(os.sched_getaffinity(0))
    if any(device != "cpu" for device in devices):
        return max(1, cores - len(devices))
    return int(options.workers or cores)
