"""`python -m solver ablate`: every row on every task, by processes that each hold a base, gone on with when stopped."""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from solver.ablation.rows import FULL, ROWS, Row, Terms
from solver.ablation.work import Crowd, Work, WorkerTerms, shared_training, trial
from solver.budget import Deadline, parse_duration
from solver.encoding import Json
from solver.grid import InputError
from solver.journal import JOURNAL, Journal, read_resumed
from solver.profiles import Profile
from solver.task import Task

OPENING, TRIAL, SHARED = "ablation", "trial", "shared"
"""The journal's events: a sitting begins, a task is done under a row, the shared LoRA was trained so far."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those beside the source of tasks."""
    parser.add_argument(
        "--run-dir", type=Path, required=True, help="journal and shared LoRA; what is there is not redone"
    )
    parser.add_argument("--base", default="native")
    parser.add_argument("--tasks", type=Path, help="CSV file with a column task_id and, if there is one, level")
    parser.add_argument("--limit", type=int, help="so many tasks, spread evenly over the sorted ids")
    parser.add_argument("--task-ids", default="", help="comma-separated ids")
    parser.add_argument("--solutions", type=Path, help="looked at after all is measured (a split has its own)")
    parser.add_argument(
        "--rows", default=",".join(row.key for row in ROWS), help="comma-separated; default: all of %(default)s"
    )
    parser.add_argument("--ttt-steps", type=int, help="exactly so many training steps per task")
    parser.add_argument("--ttt-seconds", type=float, default=60.0, help="of training per task, at most")
    parser.add_argument("--decode-seconds", type=float, default=60.0, help="of decoding per task, at most")
    parser.add_argument("--quantize", choices=("nf4", "none"), default="none", help="nf4: in all rows")
    parser.add_argument("--workers", type=int, default=1, help="processes with a base each")
    parser.add_argument("--device", help="cpu, cuda (default: the best there is)")
    parser.add_argument("--threads", type=int, default=1, help="per worker, on a CPU")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-limit", help="begin nothing after so long (90m, 2h); go on later with the same command")
    parser.add_argument("--plot", type=Path, help="write a plot there (.svg, .png, .pdf)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def read_levels(path: Path | None) -> dict[str, str]:
    """Level by task id, in the file's order; raises `InputError` naming what is missing."""
    if path is None:
        return {}
    try:
        with path.open(newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"--tasks {path}: cannot be read ({error})") from None
    levels = {}
    for number, line in enumerate(lines, 2):
        if not line.get("task_id"):
            raise InputError(f"--tasks {path}: line {number}: has no task_id")
        levels[line["task_id"]] = line.get("level") or ""
    if not levels:
        raise InputError(f"--tasks {path}: holds no task")
    return levels


def chosen_rows(text: str, quantize: str) -> tuple[Row, ...]:
    """The rows by their keys, in the order of `ROWS`; `FULL` is always among them: the others are its variations."""
    keys = text.split(",")
    known = {row.key for row in ROWS}
    for key in keys:
        if key not in known:
            raise InputError(f"--rows {key}: is none of {', '.join(row.key for row in ROWS)}")
    # Where all rows are in NF4, the row that is in NF4 would be the full one once more.
    return tuple(row for row in ROWS if row is FULL or (row.key in keys and not (row.quantized and quantize == "nf4")))


@dataclass(slots=True)
class Study:
    """What is done and what is left. shared: what was last said of the shared LoRA's training."""

    tasks: Sequence[Task]
    rows: Sequence[Row]
    entries: list[Json] = field(default_factory=list)
    shared: Json | None = None

    def left(self, rows: Iterable[Row]) -> list[tuple[Row, Task]]:
        """What is to be done under these rows, task by task, so that they advance together."""
        done = {(one["row"], one["task_id"]) for one in self.entries}
        keys = {row.key for row in rows}
        chosen = [row for row in self.rows if row.key in keys]
        return [(row, task) for task in self.tasks for row in chosen if (row.key, task.id) not in done]

    def shared_steps(self) -> int:
        """As many as all tasks had in the full row together."""
        return sum(one["ttt"]["executed"] for one in self.entries if one["row"] == FULL.key and "ttt" in one)

    def untrained(self) -> bool:
        """Whether the shared LoRA is wanted and could be trained further, since nothing but time ended it."""
        from solver.training import Stop

        wanted = bool(self.left([row for row in ROWS if row.shared]))
        return wanted and (self.shared is None or self.shared["stop"] == Stop.DEADLINE.value)


def ablate(
    options: argparse.Namespace, profile: Profile, tasks: Sequence[Task], say: Callable[[str], None]
) -> tuple[list[Json], Json | None]:
    """Does what the journal does not hold yet, until the time limit; returns the entries of these tasks and rows, and
    what was last said of the shared LoRA's training."""
    began = time.monotonic()
    for name in ("workers", "threads"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name} {getattr(options, name)}: must be at least 1")
    terms = Terms(options.seed, options.ttt_steps, options.ttt_seconds, options.decode_seconds)
    study = Study(tasks, chosen_rows(options.rows, options.quantize))
    path: Path = options.run_dir / JOURNAL
    settings = {
        "base": profile.name,
        "quantize": options.quantize,
        "orders": profile.orders,
        "profile_ttt": asdict(profile.ttt),
        **asdict(terms),
    }
    # Only what is shared depends on which tasks there are.
    together = hashlib.sha256(",".join(sorted(task.id for task in tasks)).encode()).hexdigest()[:12]
    wanted = {(row.key, task.id) for row in study.rows for task in tasks}
    for one in read_resumed(path, OPENING, settings):
        if one.get("together", together) != together:
            continue
        # What failed is tried once more.
        if one["event"] == TRIAL and (one["row"], one["task_id"]) in wanted and "error" not in one:
            study.entries.append(one)
        elif one["event"] == SHARED:
            study.shared = {key: value for key, value in one.items() if key not in ("seq", "time", "event")}
    deadline = Deadline(
        began + (parse_duration(options.time_limit, "--time-limit") if options.time_limit else math.inf)
    )
    if study.left(study.rows):
        with Journal(path) as journal:
            journal.append(OPENING, **settings)
            workers = WorkerTerms(profile, options.quantize, options.device, options.threads)
            with Crowd(workers, options.workers, deadline) as crowd:
                _carry_out(study, crowd, terms, options.run_dir / f"shared-{together}.pt", together, journal, say)
    return study.entries, study.shared


def _carry_out(
    study: Study,
    crowd: Crowd,
    terms: Terms,
    adapter: Path,
    together: str,
    journal: Journal,
    say: Callable[[str], None],
) -> None:
    """The full row, then all others beside the shared LoRA's training, then the row that needs it."""

    def jobs(rows: Iterable[Row]) -> list[Work]:
        return [(trial, (row.key, task, terms, str(adapter) if row.shared else None)) for row, task in study.left(rows)]

    def carry_out(work: Sequence[Work]) -> None:
        for number, entry in enumerate(crowd.do(work), 1):
            if "step" in entry:
                study.shared = entry | {"together": together}
                journal.append(SHARED, **study.shared)
                say(f"{number} of {len(work)}: shared LoRA, {entry['step']} of {entry['steps']} steps")
            else:
                if entry["row"] == SHARED:
                    entry["together"] = together
                journal.append(TRIAL, **entry)
                study.entries.append(entry)
                say(f"{number} of {len(work)}: {entry['row']}, {entry['task_id']}")

    carry_out(jobs([FULL]))
    others = jobs(row for row in ROWS if not row.shared and not row.quantized)
    quantized = jobs(row for row in ROWS if row.quantized)
    training: list[Work] = []
    if study.untrained() and not study.left([FULL]):
        training = [
            (shared_training, (study.tasks, study.shared_steps(), terms.seed, str(adapter), crowd.deadline.left()))
        ]
    # Those for which another base must be loaded come last.
    carry_out(training + others + quantized)
    if study.shared is not None and not study.untrained():
        carry_out(jobs(row for row in ROWS if row.shared))
