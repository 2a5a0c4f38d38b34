"""`python -m solver compare-decoding`: every way to decode and to choose, on the same adapters, task by task.

Can be stopped and gone on with: a task that is in the journal is not done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from solver.attempts import Candidate
from solver.encoding import Json
from solver.grid import InputError
from solver.history import finished_inductions, finished_searches
from solver.journal import JOURNAL, Journal, read_journal, read_resumed
from solver.profiles import Profile, find_base
from solver.task import Task

CONTEST_EVENT = "contest"
"""The event that records one task."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those beside the source of tasks."""
    parser.add_argument(
        "--run-dir", type=Path, required=True, help="the journal goes here; what it holds is not redone"
    )
    parser.add_argument("--base", default="native")
    parser.add_argument("--limit", type=int, help="so many tasks, spread evenly over the sorted ids")
    parser.add_argument("--task-ids", default="", help="comma-separated ids")
    parser.add_argument("--solutions", type=Path, help="looked at after all is measured (a split has its own)")
    parser.add_argument("--ttt-seconds", type=float, default=30.0, help="of training per task")
    parser.add_argument("--ttt-steps", type=int, help="exactly so many steps per task instead")
    parser.add_argument("--threshold", type=float, help="probability that a depth-first search looks for")
    parser.add_argument("--orders", type=int, help="rounds of eight views")
    parser.add_argument("--programs", type=Path, help="the --run-dir of a run whose programs serve as drafts")
    parser.add_argument("--no-generate", action="store_true", help="leave out transformers' own generation")
    parser.add_argument("--device")
    parser.add_argument("--dtype", choices=("float32", "native"), default="float32", help="of the computation")
    parser.add_argument("--quantize", choices=("nf4", "none"), default="none")
    parser.add_argument("--threads", type=int, default=0, help="of a CPU (default: PyTorch's choice)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def chosen_profile(options: argparse.Namespace) -> Profile:
    """The base and how it is decoded."""
    profile = find_base(options.base)
    if options.threshold is not None:
        if not 0 < options.threshold < 1:
            raise InputError(f"--threshold {options.threshold}: takes a probability between 0 and 1")
        profile = replace(profile, decoding=replace(profile.decoding, threshold=options.threshold))
    if options.orders is not None:
        if options.orders < 1:
            raise InputError(f"--orders {options.orders}: is too small")
        profile = replace(profile, orders=options.orders)
    return profile


def compare(
    options: argparse.Namespace, profile: Profile, tasks: Sequence[Task], say: Callable[[str], None]
) -> list[Json]:
    """Measures what is not in the journal yet; returns the entries of all tasks, in their order."""
    import torch

    from solver.contest import Contest, Terms
    from solver.model import Quantize, choose_device, load_base, quiet_libraries, use_threads

    quiet_libraries()
    use_threads(options.threads)
    terms = Terms(options.seed, options.ttt_seconds, options.ttt_steps, not options.no_generate)
    known = programs(options.programs)
    path: Path = options.run_dir / JOURNAL
    settings = {
        "base": profile.name,
        "orders": profile.orders,
        "decoding": asdict(profile.decoding),
        "dtype": options.dtype,
        "quantize": options.quantize,
        "programs": options.programs is not None,
        **asdict(terms),
    }
    events = read_resumed(path, "comparison", settings)
    done = {one["task_id"]: one for one in events if one["event"] == CONTEST_EVENT}
    left = [task for task in tasks if task.id not in done]
    with Journal(path) as journal:
        if left:
            journal.append("comparison", **settings)
            say("loading")
            device = choose_device(options.device)
            dtype = torch.float32 if options.dtype == "float32" else None
            base = load_base(profile, device, Quantize(options.quantize), dtype)
        for number, task in enumerate(left):
            say(f"{number + 1} of {len(left)}: {task.id}")
            contest = Contest(base, task, terms, known.get(task.id, ()))
            done[task.id] = contest.run()
            journal.append(CONTEST_EVENT, **done[task.id])
    return [done[task.id] for task in tasks]


def programs(run_dir: Path | None) -> dict[str, tuple[Candidate, ...]]:
    """What programs said in an earlier run, by task."""
    if run_dir is None:
        return {}
    events = read_journal(run_dir / JOURNAL)
    found: dict[str, tuple[Candidate, ...]] = {}
    for records in (finished_searches(events).values(), finished_inductions(events).values()):
        _add(found, ((record.task_id, record.candidates) for record in records))
    return found


def _add(found: dict[str, tuple[Candidate, ...]], more: Iterable[tuple[str, tuple[Candidate, ...]]]) -> None:
    for task_id, candidates in more:
        found[task_id] = (*found.get(task_id, ()), *candidates)
