"""Command lines: `submission.py` and `python -m solver …`. Resolves options; the work is done elsewhere.

Exit codes: 0 when what was asked for was done, 2 with one line on bad input.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from solver import comparison, evaluation, live, report, standings, summary, tune
from solver.attempts import check_submission, read_submission
from solver.budget import parse_duration
from solver.deciding import StopEarly
from solver.grid import InputError
from solver.journal import read_journal
from solver.options import Parser, chosen_channels, complain, submission_parser
from solver.places import Places, find_places, usable_memory, visible_gpus
from solver.profiles import Decode, Profile, attached_writers, find_base, find_writer
from solver.records import finished_searches
from solver.runner import run
from solver.settings import Settings
from solver.task import SPLITS, Task, read_challenges, read_json, read_split, select

SEARCH_MEMORY = 2 * 2**30
"""Bytes for one search, unless half of the memory divided by the searches is less."""


def guarded(command: Callable[[], int]) -> int:
    """Runs a command; bad input becomes one line and exit code 2."""
    try:
        return command()
    except InputError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        complain("interrupted; what was written is whole, and --resume goes on with the same --run-dir")
        return 130


def submission(arguments: Sequence[str] | None = None) -> int:
    """`submission.py`: solves a file or split of tasks and writes submission.json."""
    began = time.monotonic()
    options = submission_parser().parse_args(arguments)
    return guarded(lambda: _submit(options, began))


def _submit(options: argparse.Namespace, began: float) -> int:
    # On a CPU a base of 8B writes a program in minutes: there it joins in only when asked for.
    channels = chosen_channels(options, bool(visible_gpus() and attached_writers()))
    places = find_places(options)
    tasks = select(_read_tasks(places), filter(None, options.task_ids.split(",")), places.limit)
    profile = _profile(options, places) if "ttt" in channels else None
    writer = find_writer(options.programs_base) if "programs" in channels else None
    settings = _settings(options, places, profile, writer, "search" in channels, began)
    solutions = _read_solutions(places, tasks)
    _check_writable(settings.output, settings.run_dir)
    _log_to(settings.run_dir)
    console = Console(soft_wrap=not sys.stdout.isatty())
    state = run(settings, tasks, live.Watch(console, solutions))
    summed_up = summary.summarise(state)
    verdict = None if solutions is None else summary.judge(solutions, state, summed_up)
    report.show(console, summed_up, len(tasks), verdict)
    console.print(f"wrote {settings.output}", highlight=False, markup=False)
    return 0


def _profile(options: argparse.Namespace, places: Places) -> Profile:
    """The base and how it is decoded."""
    profile, threshold = find_base(places.base), options.decode_threshold
    if threshold is None:
        return profile
    if options.decode != Decode.DFS.value or not 0 < threshold < 1:
        raise InputError(f"--decode-threshold {threshold}: takes a probability between 0 and 1, with --decode dfs")
    return replace(profile, decoding=replace(profile.decoding, threshold=threshold))


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
    profile: Profile | None,
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
    devices, threads = _devices(options, profile, writer)
    cap = options.search_seconds
    searchers = _searchers(options, devices) if search else 0
    return Settings(
        output=options.output,
        run_dir=options.run_dir or Path("runs") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S"),
        profile=profile,
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
    options: argparse.Namespace, profile: Profile | None, writer: Path | None
) -> tuple[tuple[str | None, ...], int]:
    """One device name per worker that needs one, and the threads of each."""
    if profile is None and writer is None:
        return (), 0
    gpus = [] if options.device else visible_gpus()
    if gpus:
        count = options.workers or len(gpus)
        return tuple(gpus[number % len(gpus)] for number in range(count)), 0
    device = options.device or "cpu"
    if device != "cpu":
        return (device,) * (options.workers or 1), 0
    cores = len(os.sched_getaffinity(0))
    # A small base gains nothing from more threads per step; a large one needs them all, and has one copy in memory.
    small = profile is not None and profile.small and writer is None
    workers = options.workers or (cores if small else 1)
    return (device,) * workers, max(1, cores // workers)


def _searchers(options: argparse.Namespace, devices: Sequence[str | None]) -> int:
    """Beside GPUs, the cores that they leave; else as many as there are workers, which search first, or cores."""
    cores = len(os.sched_getaffinity(0))
    if any(device != "cpu" for device in devices):
        return max(1, cores - len(devices))
    return int(options.workers or cores)


def _check_writable(output: Path, run_dir: Path) -> None:
    """Says early, in one line, what would otherwise fail after hours."""
    # Tried, not asked: permissions do not tell of read-only file systems, and root has all of them.
    try:
        if output.is_dir():
            raise InputError(f"--output {output}: is a folder")
        # The run directory, made last so that a refusal leaves none behind, may make the output's folder too.
        if output.parent.is_dir() or output.parent.absolute() not in (place := run_dir.absolute(), *place.parents):
            with tempfile.NamedTemporaryFile(prefix=f".{output.name}.", dir=output.parent):
                pass
    except OSError as error:
        raise InputError(f"--output {output}: cannot be written ({error.strerror})") from None
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=run_dir):
            pass
    except OSError as error:
        raise InputError(f"--run-dir {run_dir}: cannot be used ({error.strerror})") from None


def _log_to(run_dir: Path) -> None:
    # Delayed: a run that is refused leaves no log.
    log = logging.FileHandler(run_dir / "run.log", delay=True)
    logging.basicConfig(handlers=[log], level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m solver`: everything beside the submission itself."""
    parser = Parser(prog="python -m solver", description="Tools of the ARC kit.")
    commands = parser.add_subparsers(dest="command", required=True)
    validate = commands.add_parser("validate", help="check a submission file against its challenges")
    validate.add_argument("submission", type=Path)
    _add_task_source(validate)
    scoring = commands.add_parser("score", help="score a submission file")
    scoring.add_argument("submission", type=Path)
    solutions = scoring.add_mutually_exclusive_group(required=True)
    solutions.add_argument("--solutions", type=Path)
    solutions.add_argument("--split", choices=SPLITS)
    scoring.add_argument("--json", action="store_true", help="print one JSON object")
    _add_train_base(commands.add_parser("train-base", help="train the embedded base"))
    making = commands.add_parser("make-tasks", help="write synthetic tasks to train a base on")
    making.add_argument("--out", type=Path, required=True, help="zip archive")
    making.add_argument("--count", type=int, default=10_000)
    making.add_argument("--seed", type=int, default=0)
    bench = commands.add_parser("bench", help="seconds and memory of a public model's shape, with random weights")
    bench.add_argument("--shape", choices=("tiny", "llama-1b", "llama-8b"), default="llama-1b")
    bench.add_argument("--device")
    bench.add_argument("--quantize", choices=("nf4", "none"), default="nf4")
    bench.add_argument("--task-id", default="0ca9ddb6", help="a task of arc1-training")
    bench.add_argument("--steps", type=int, default=4)
    bench.add_argument("--views", type=int, default=8)
    bench.add_argument(
        "--scoring", action="store_true", help="what the prompts' cache saves when candidates are scored"
    )
    bench.add_argument("--candidates", type=int, default=4, help="with --scoring")
    bench.add_argument("--json", action="store_true", help="print one JSON object")
    tuning = commands.add_parser("tune", help="what a finished run would have scored with fewer seconds")
    tuning.add_argument("run_dir", type=Path, help="the --run-dir of a run with the search channel")
    truth = tuning.add_mutually_exclusive_group(required=True)
    truth.add_argument("--solutions", type=Path)
    truth.add_argument("--split", choices=SPLITS)
    tuning.add_argument("--plot", type=Path, help="also draw the curve to this file (.png, .svg, .pdf)")
    comparing = commands.add_parser("compare-decoding", help="every way to decode and to choose, on the same adapters")
    _add_task_source(comparing)
    comparison.add_options(comparing)
    options = parser.parse_args(arguments)
    handlers = {
        "validate": _validate,
        "score": _score,
        "train-base": _train_base,
        "make-tasks": _make_tasks,
        "bench": _bench,
        "tune": _tune,
        "compare-decoding": _compare,
    }
    return guarded(lambda: handlers[options.command](options))


def _add_task_source(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--challenges", type=Path)
    source.add_argument("--split", choices=SPLITS)


def _validate(options: argparse.Namespace) -> int:
    tasks = read_split(options.split) if options.split else read_challenges(options.challenges)
    problems = check_submission(read_json(options.submission), tasks, str(options.submission))
    for problem in problems:
        complain(problem)
    if problems:
        return 2
    print(f"{options.submission}: valid, {len(tasks)} tasks, {sum(len(t.test_inputs) for t in tasks)} test inputs")
    return 0


def _solutions(options: argparse.Namespace) -> evaluation.Solutions:
    if options.split:
        return evaluation.split_solutions(options.split)
    return evaluation.read_solutions(options.solutions)


def _score(options: argparse.Namespace) -> int:
    scores = evaluation.score(_solutions(options), read_submission(options.submission))
    if options.json:
        content = {field.name: getattr(scores, field.name) for field in fields(scores)}
        print(json.dumps(content | {"fractions": dict(scores.fractions)}))
        return 0
    print(f"{'score (mean of solved fractions)':34} {100 * scores.mean_fraction:.2f} %")
    for name, solved, total, share in (
        ("test outputs solved", scores.solved_outputs, scores.outputs, scores.flat),
        ("whole tasks solved", scores.solved_tasks, scores.tasks, scores.strict),
    ):
        print(f"{name:34} {100 * share:.2f} % ({solved} of {total})")
    return 0


def _add_train_base(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run-dir", type=Path, required=True, help="checkpoints and the training log")
    parser.add_argument("--out", type=Path, help="folder for the finished base")
    parser.add_argument("--re-arc", type=Path, help="re_arc.zip: examples of the ARC-AGI-1 training tasks")
    parser.add_argument("--extra", type=Path, help="zip archive with mini_arc/ and 1d_arc/ task files")
    parser.add_argument("--synthetic", type=Path, help="zip archive written by make-tasks")
    parser.add_argument("--init", type=Path, help="start from this base's weights instead of random ones")
    parser.add_argument("--time-limit", help="stop after this long (90m, 2h); go on later with --resume")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--device", help="cpu, cuda (default: the best there is)")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting of the training, such as tokens=40e6, width=256, geometric=false",
    )


def _bench(options: argparse.Namespace) -> int:
    from solver.bench import benchmark
    from solver.bench_scoring import benchmark_scoring
    from solver.model import quiet_libraries

    quiet_libraries()
    (task,) = select(read_split("arc1-training"), [options.task_id])
    place = options.shape, options.device, options.quantize, task
    measured = (
        benchmark_scoring(*place, options.candidates, options.views, _say)
        if options.scoring
        else benchmark(*place, options.steps, options.views, _say)
    )
    values = {field.name: getattr(measured, field.name) for field in fields(measured)}
    if options.json:
        print(json.dumps(values))
        return 0
    for name, value in values.items():
        print(f"{name.replace('_', ' '):25} {value if not isinstance(value, float) else round(value, 3)}")
    return 0


def _say(text: str) -> None:
    """Progress, which is not part of what is printed."""
    print(text, file=sys.stderr, flush=True)


def _tune(options: argparse.Namespace) -> int:
    searches = [*finished_searches(read_journal(options.run_dir / "journal.jsonl")).values()]
    points = tune.curve(searches, _solutions(options))
    Console().print(tune.table(points, len(searches)))
    if options.plot:
        tune.plot(points, len(searches), options.plot)
    return 0


def _compare(options: argparse.Namespace) -> int:
    every = read_split(options.split) if options.split else read_challenges(options.challenges)
    tasks = select(every, filter(None, options.task_ids.split(",")), options.limit)
    entries = comparison.compare(options, comparison.chosen_profile(options), tasks, _say)
    # Only now that all is measured.
    truth = None
    if options.solutions or options.split:
        whole = evaluation.read_solutions(options.solutions) if options.solutions else _solutions(options)
        truth = evaluation.restrict(whole, [task.id for task in tasks])
    found = standings.summary(entries, {task.id: task for task in tasks}, truth)
    if options.json:
        print(json.dumps(found))
    else:
        console = Console(width=max(Console().width, 120))
        for table in standings.tables(len(entries), found):
            console.print(table)
    # In fp32 there is no rounding that could excuse other answers.
    return 1 if options.dtype == "float32" and any(row["differ"] for row in found["speeds"]) else 0


def _make_tasks(options: argparse.Namespace) -> int:
    from solver.base.make_tasks import make_tasks_command

    return make_tasks_command(options)


def _train_base(options: argparse.Namespace) -> int:
    from solver.base.command import train_command

    return train_command(options)
