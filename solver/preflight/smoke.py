"""One small task through the real entry point: load, train, decode, search, write, validate.

Ends in seconds for a small base and a compiled search. Processes of their own, as the run itself will be, judged by
what they left: exit code, submission and journal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from solver.attempts import check_submission
from solver.grid import InputError
from solver.journal import JOURNAL, read_journal
from solver.preflight.check import Check, Status
from solver.records import SEARCH_EVENT, TASK_EVENT, SearchRecord, TaskRecord
from solver.settings import DEFAULT_VOTE, SCORED_VOTES
from solver.task import read_challenges, read_json

MODEL, SEARCH = "one-task run", "one-task search"
SMALL_SECONDS, LARGE_SECONDS = 90.0, 300.0
"""For a small base, and for one of billions of parameters, most of which goes into loading it."""

COMPILE_SECONDS = 900.0
"""For the program search, at most. On a machine's first run it is compiled, for two minutes of one free core; the run
itself then finds it compiled."""

LATE = 60.0
"""Seconds past its budget after which the run counts as hung."""

STEPS = 2

ENTRY = "import sys; from solver.cli import submission; sys.exit(submission())"

ROWS = ([[1, 0, 0], [2, 3, 0]], [[0, 4, 4], [5, 0, 6]], [[7, 0, 8], [0, 0, 9]], [[1, 2, 0], [0, 3, 3]])


def smoke_task() -> dict[str, Any]:
    """A challenge file of one task with two test inputs: every row is turned round."""
    pairs = [{"input": rows, "output": [row[::-1] for row in rows]} for rows in ROWS[:3]]
    return {"preflight": {"train": pairs, "test": [{"input": ROWS[3]}, {"input": ROWS[0]}]}}


def smoke_model(base: str, quantize: str, small: bool, words: Sequence[str] = ()) -> Check:
    """The model on the task: loaded, trained for a few steps, decoded. words: further options of submission.py."""
    options = ["--channels", "ttt", "--ttt-steps", str(STEPS), "--quantize", quantize, *words]
    with tempfile.TemporaryDirectory(prefix="preflight-") as name:
        place = Path(name)
        fault = _run(MODEL, place, ["--base", base, *options], SMALL_SECONDS if small else LARGE_SECONDS)
        return fault or judge_model(place, quantize)


def smoke_search() -> Check:
    """The program search on the task; on a machine's first run this compiles it."""
    with tempfile.TemporaryDirectory(prefix="preflight-") as name:
        place = Path(name)
        words = ["--channels", "search", "--search-seconds", "2s", "--workers", "1"]
        return _run(SEARCH, place, words, COMPILE_SECONDS) or judge_search(place)


def _run(name: str, place: Path, words: Sequence[str], seconds: float) -> Check | None:
    """Solves the task in `place`; a fault if that did not end well."""
    (place / "task.json").write_text(json.dumps(smoke_task()), encoding="utf-8")
    command = [sys.executable, "-c", ENTRY, "--challenges", str(place / "task.json"), *words]
    command += ["--output", str(place / "submission.json"), "--run-dir", str(place / "run")]
    command += ["--time-budget", f"{seconds:.0f}s"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + LATE, check=False, env=_environment()
        )
    except subprocess.TimeoutExpired:
        return _fault(name, f"did not end within {seconds + LATE:.0f} s")
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        return _fault(name, f"ended with exit code {done.returncode}: {said}")
    return None


def _environment() -> dict[str, str]:
    """This process's, in which the code is found wherever it was imported from."""
    code = str(Path(__file__).resolve().parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (code, os.environ.get("PYTHONPATH"))))}


def judge_model(place: Path, quantize: str) -> Check:
    """What a finished run of the model in `place` amounts to: everything must have happened, not just ended."""
    events, problem = _read(place)
    workers = [event for event in events if event["event"] == "worker"]
    records = [TaskRecord.from_json(event) for event in events if event["event"] == TASK_EVENT]
    if problem:
        return _fault(MODEL, problem)
    if not workers or not records:
        return _fault(MODEL, "no worker came to work on the task before the time was over")
    return _judge_record(records[-1], workers[0], quantize)


def judge_search(place: Path) -> Check:
    """What a finished search in `place` amounts to."""
    events, problem = _read(place)
    records = [SearchRecord.from_json(event) for event in events if event["event"] == SEARCH_EVENT]
    if problem:
        return _fault(SEARCH, problem)
    if not records:
        return _fault(SEARCH, "the search was not compiled before the time was over")
    record = records[-1]
    if record.error:
        return _fault(SEARCH, record.error.splitlines()[0])
    if not any(one.perfect for one in record.candidates):
        return _fault(SEARCH, "found no program for a task that one word solves")
    seconds = next((event["seconds"] for event in events if event["event"] == "searcher"), 0.0)
    text = f"compiled or loaded in {seconds:.0f} s; {len(record.candidates)} answers; a valid submission"
    return Check(SEARCH, Status.OK, text)


def _read(place: Path) -> tuple[list[dict[str, Any]], str]:
    """A run's events, and the first thing that is wrong with what it left, "" if nothing is."""
    try:
        tasks = read_challenges(place / "task.json")
        problems = check_submission(read_json(place / "submission.json"), tasks, "its submission")
        events = read_journal(place / "run" / JOURNAL)
    except InputError as error:
        return [], str(error)
    problems += [event["text"] for event in events if event["event"] == "problem"]
    return events, problems[0] if problems else ""


def _judge_record(record: TaskRecord, worker: dict[str, Any], quantize: str) -> Check:
    how = f"{worker['device']} ({worker['quantize']}, {worker['dtype']}), loaded in {worker['seconds']:.0f} s"
    if record.error:
        return _fault(MODEL, f"{how}: {record.error.splitlines()[0]}")
    if worker["quantize"] != quantize:
        text = f"{how}: the base was to be stored as {quantize}"
        return _fault(MODEL, text, "install bitsandbytes, or ask for --quantize none")
    steps, views = record.ttt.get("executed", 0), record.decoding.get("views", 0)
    if not steps or not views:
        return _fault(MODEL, f"{how}: {steps} steps of training and {views} views: {record.ttt.get('stop')}")
    scored = sum(candidate.score is not None for candidate in record.candidates)
    # The run's own vote is the default one here, whatever the notebook names: all that may be asked of a base is tried.
    if DEFAULT_VOTE in SCORED_VOTES and not scored:
        text = f"{how}: none of {len(record.candidates)} answers has the score that --vote {DEFAULT_VOTE} goes by"
        return _fault(MODEL, text, "mend what the log names, or vote by counts: --vote hierarchical")
    spent = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in record.seconds.items())
    did = f"{steps} steps of training, {views} views, {scored} answers scored"
    return Check(MODEL, Status.OK, f"{how}; {did}; {spent}; a valid submission")


def _fault(name: str, text: str, mend: str = "mend what is named, and call preflight again") -> Check:
    return Check(name, Status.FAULT, text, mend)
