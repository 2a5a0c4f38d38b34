"""`python -m solver make-tasks`: an archive of synthetic tasks that `train-base --synthetic` reads."""

from __future__ import annotations

import argparse
import contextlib
import json
import zipfile
from itertools import islice

from solver.base.sources import SYNTHETIC, evaluation_pairs
from solver.grid import Grid, InputError
from solver.search.synthesis import Synthetic, make_tasks
from solver.task import read_split

REPORT_EVERY = 500


def make_tasks_command(options: argparse.Namespace) -> int:
    """Writes the archive whole or not at all; raises `InputError` for what cannot be done."""
    if options.count < 1:
        raise InputError(f"--count {options.count}: is too small")
    if not options.out.parent.is_dir():
        raise InputError(f"--out {options.out}: the folder {options.out.parent} does not exist")
    if options.out.is_dir():
        raise InputError(f"--out {options.out}: is a folder")
    made = islice(make_tasks(known_inputs(), evaluation_pairs(), options.seed), options.count)
    unfinished = options.out.with_name(options.out.name + ".part")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, task in enumerate(made):
                # A fixed date, so that the same seed gives the same file.
                name = zipfile.ZipInfo(f"{SYNTHETIC}/{number:06d}.json", (1980, 1, 1, 0, 0, 0))
                archive.writestr(name, json.dumps(to_json(task)), zipfile.ZIP_DEFLATED)
                if (number + 1) % REPORT_EVERY == 0:
                    print(f"{number + 1} of {options.count} tasks", flush=True)
        unfinished.replace(options.out)
    except OSError as error:
        raise InputError(f"--out {options.out}: cannot be written ({error.strerror or error})") from None
    finally:
        # It is not there once it has its name, nor where it could not be written.
        with contextlib.suppress(OSError):
            unfinished.unlink()
    print(f"{options.out}: {options.count} tasks, {options.out.stat().st_size / 1e6:.1f} MB")
    return 0


def known_inputs() -> list[list[Grid]]:
    """The input grids of every ARC-AGI-1 training task."""
    return [[pair.input for pair in task.train] + list(task.test_inputs) for task in read_split("arc1-training")]


def to_json(task: Synthetic) -> dict[str, object]:
    """In the layout of a task file; the last pair is the test."""
    pairs = [{"input": pair.input.to_json(), "output": pair.output.to_json()} for pair in task.pairs]
    return {"train": pairs[:-1], "test": pairs[-1:], "program": task.program}
