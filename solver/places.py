"""Where a run's files are: what the options name, or what Kaggle mounts, or the built-in dry run.

Kaggle's mount points have moved more than once, so they are searched, not hard-coded.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from solver.grid import InputError
from solver.profiles import KAGGLE_INPUT, NATIVE_FOLDER, attached_bases

DRY_RUN_SPLIT, DRY_RUN_LIMIT, DRY_RUN_BUDGET = "arc1-evaluation", 40, "10m"
COMPETITION_BUDGET = "11h30m"
"""Of Kaggle's 12 hours: what is left covers starting the notebook and saving its output."""

VISIBLE_BUDGET = "10m"
"""On Kaggle when it is not the competition's rerun: a short, scored dry run."""


@dataclass(frozen=True, slots=True)
class Places:
    """Resolved inputs of a run; either `challenges` or `split` is set."""

    challenges: Path | None
    split: str | None
    solutions: Path | None
    bases: tuple[str, ...]
    budget: str
    limit: int | None


def is_rerun(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is Kaggle's hidden rerun of a submitted notebook."""
    return environment.get("KAGGLE_IS_COMPETITION_RERUN", "").lower() in ("1", "true")


def find_places(options: argparse.Namespace, root: Path = KAGGLE_INPUT, rerun: bool | None = None) -> Places:
    """Fills in what the options leave open. Raises `InputError` for a combination that makes no sense."""
    rerun = is_rerun() if rerun is None else rerun
    bases = tuple(options.base or [attached_base(root)])
    few = DRY_RUN_LIMIT if options.limit is None and not options.task_ids else options.limit

    def budget(default: str) -> str:
        return default if options.time_budget is None else str(options.time_budget)

    if options.challenges or options.split:
        return Places(options.challenges, options.split, options.solutions, bases, budget("12h"), options.limit)
    if options.solutions:
        raise InputError("--solutions: needs --challenges")
    name = "test" if rerun else "evaluation"
    found = competition_file(root, f"arc-agi_{name}_challenges.json")
    if rerun and not found:
        raise InputError(f"{root}: holds no arc-agi_test_challenges.json; attach the competition to the notebook")
    if found:
        if rerun:
            return Places(found, None, None, bases, budget(COMPETITION_BUDGET), options.limit)
        solutions = competition_file(root, f"arc-agi_{name}_solutions.json")
        return Places(found, None, solutions, bases, budget(VISIBLE_BUDGET), few)
    return Places(None, DRY_RUN_SPLIT, None, bases, budget(DRY_RUN_BUDGET), few)


def competition_file(root: Path, name: str) -> Path | None:
    """The file of that name anywhere under `root`, hyphens and underscores alike.

    The competition's own folder comes before datasets, which often hold an earlier year's files; then the least deep.
    """
    if not root.is_dir():
        return None
    wanted = name.replace("-", "_")
    found = [path for path in root.rglob("*.json") if path.name.replace("-", "_") == wanted]
    own = root / "competitions"
    return min(found, key=lambda path: (not path.is_relative_to(own), len(path.parts), str(path)), default=None)


def attached_base(root: Path) -> str:
    """The first base attached to the notebook, else the embedded one.

    On Kaggle the embedded base is attached as well, as part of this code: that is no choice of anyone's.
    """
    attached = attached_bases(root) if root.is_dir() else []
    chosen = [folder for folder in attached if folder.parts[-3:] != NATIVE_FOLDER.parts[-3:]]
    return str(chosen[0]) if chosen else "native"


def check_writable(output: Path, run_dir: Path) -> None:
    """Raises `InputError` where a run could not write: early, in one line, what would otherwise fail after hours."""
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


def visible_gpus(devices: Path = Path("/dev"), environment: Mapping[str, str] = os.environ) -> list[str]:
    """Names of the NVIDIA GPUs this process may use, without loading CUDA."""
    numbers = [path.name for path in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    limit = environment.get("CUDA_VISIBLE_DEVICES")
    if limit is not None:
        numbers = numbers[: len([part for part in limit.split(",") if part.strip() not in ("", "-1")])]
    return [f"cuda:{number}" for number in range(len(numbers))]


CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def usable_memory(limits: Sequence[Path] = CGROUP_LIMITS) -> int:
    """Bytes of memory that the machine has, or that the container this runs in may use."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in limits:
        try:
            memory = min(memory, int(path.read_text()))
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
    return memory
