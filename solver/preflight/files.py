"""Whether every file is there and is what it should be: challenges, bases, places to write to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from solver.checkpoints import Checkpoint, open_checkpoint
from solver.grid import InputError
from solver.places import check_writable
from solver.preflight.check import Check, Status
from solver.profiles import INDUCTION_WORD, KAGGLE_INPUT, NATIVE_FOLDER, Profile, check_text_base, find_base
from solver.task import Task, read_challenges

LEAST_DISK = 2**30
"""Bytes for journal, log and submission: a run of hundreds of tasks writes some hundred MB."""


def check_challenges(path: Path | None, root: Path) -> tuple[Check, tuple[Task, ...]]:
    """The challenge file; root: where it was looked for."""
    if path is None:
        mend = "attach the competition to the notebook, or name a file with --challenges"
        return Check("challenges", Status.FAULT, f"no arc-agi_test_challenges.json under {root}", mend), ()
    try:
        tasks = read_challenges(path)
    except InputError as error:
        return Check("challenges", Status.FAULT, str(error), "attach the competition again"), ()
    inputs = sum(len(task.test_inputs) for task in tasks)
    return Check("challenges", Status.OK, f"{path}: {len(tasks)} tasks, {inputs} test inputs"), tasks


def check_base(name: str) -> tuple[list[Check], Profile | None]:
    """The base that will answer: its files, its tokenizer and golden tokens; None where it cannot be used."""
    try:
        profile = find_base(name)
        checkpoint = open_checkpoint(profile.folder, [KAGGLE_INPUT])
    except InputError as error:
        mend = "attach a base with all its files (config.json, tokenizer.json, *.safetensors), or use --base native"
        return [Check("base", Status.FAULT, str(error), mend)], None
    size = sum(file.stat().st_size for file in weight_files(checkpoint)) / 2**20
    tokens = f"{profile.format.vocabulary} tokens to answer with"
    text = f"{profile.name}: {profile.folder}, {size:,.0f} MiB of weights, {tokens}; licence {profile.licence}"
    return [Check("base", Status.OK, text)], profile


def weight_files(checkpoint: Checkpoint) -> list[Path]:
    """The files that hold the base's own weights."""
    if checkpoint.weights.is_file():
        return [checkpoint.weights]
    return sorted(checkpoint.weights.glob("*.safetensors")) or sorted(checkpoint.weights.glob("*.bin"))


def check_attached(root: Path, chosen: bool) -> list[Check]:
    """One line for every attached folder that looks like a model and cannot be used.

    chosen: whether a base was named; if not, a run would silently go on without the one that was meant.
    """
    checks = []
    for folder in model_folders(root):
        try:
            if INDUCTION_WORD in str(folder.relative_to(root)).lower():
                check_text_base(folder)
            else:
                find_base(str(folder))
        except InputError as error:
            status = Status.NOTE if chosen else Status.FAULT
            checks.append(
                Check("attached model", status, str(error), "attach it whole, or remove it from the notebook")
            )
    return checks


def model_folders(root: Path) -> list[Path]:
    """Attached folders with a config.json of a model, the embedded base among the code left out."""
    found = []
    for config in sorted(root.rglob("config.json")) if root.is_dir() else ():
        try:
            content = json.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        own = config.parent.parts[-3:] == NATIVE_FOLDER.parts[-3:]
        if isinstance(content, dict) and "num_hidden_layers" in content and not own:
            found.append(config.parent)
    return found


def check_output(output: Path) -> Check:
    """Whether the submission and, beside it, the journal can be written, by writing."""
    try:
        check_writable(output, output.absolute().parent)
    except InputError as error:
        return Check(
            "output", Status.FAULT, str(error), "write to a folder that can be written, such as /kaggle/working"
        )
    free = shutil.disk_usage(output.absolute().parent).free
    text = f"{output.absolute()} can be written; {free / 2**30:.1f} GiB of disk are free"
    if free < LEAST_DISK:
        return Check("output", Status.FAULT, text, "remove files from the output folder")
    return Check("output", Status.OK, text)


def attached_wheels(roots: Sequence[Path]) -> list[Path]:
    """All wheels below these folders."""
    return sorted(wheel for root in roots if root.is_dir() for wheel in root.rglob("*.whl"))


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a base, or of what stands for it; raises `InputError` where it is broken."""
    return open_checkpoint(folder, [KAGGLE_INPUT]).config
