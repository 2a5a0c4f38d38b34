"""The generated notebook, executed whole on a simulated Kaggle: no network, both layouts, the bundle alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from solver.attempts import check_submission
from solver.evaluation import split_solutions
from solver.journal import read_journal
from solver.profiles import NATIVE_FOLDER
from solver.task import Task, read_challenges, read_json, read_split, select
from tests.kaggle_simulation import LACKING, NEW, OLD, ROOT, Kaggle, Mounts, build, challenges, make_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

COMPETITION = "arc-prize-2026"
GPU_LIBRARIES = frozenset({"torch", "bitsandbytes", "peft", "accelerate"})


def kit(**changes: str) -> str:
    """The repository's kit.toml for a machine without GPUs, with some values changed: the text after `name = `."""
    text = (ROOT / "kaggle" / "kit.toml").read_text()
    lines = []
    for line in text.splitlines():
        name = line.split(" = ")[0]
        lines.append(f"{name} = {changes[name]}" if name in changes else line)
    return "\n".join(lines)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("image") / "venv", LACKING)


@pytest.fixture(scope="module")
def poor_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("poor") / "venv", LACKING | GPU_LIBRARIES | {"setuptools"})


def prepare(place: Path, python: Path, mounts: Mounts, hidden: tuple[Task, ...], text: str) -> tuple[Kaggle, Path]:
    """A machine with the competition and the bundle attached; the notebook."""
    bundle = build(place / "bundle", text)
    machine = Kaggle(place / "kaggle", python, mounts)
    folder = machine.mount("competition", COMPETITION)
    labelled = select(read_split("arc1-evaluation"), limit=12)
    solutions = split_solutions("arc1-evaluation")
    (folder / "arc-agi_evaluation_challenges.json").write_text(challenges(labelled))
    (folder / "arc-agi_evaluation_solutions.json").write_text(
        json.dumps({task.id: [grid.to_json() for grid in solutions[task.id]] for task in labelled})
    )
    (folder / "arc-agi_test_challenges.json").write_text(challenges(hidden))
    for part in ("code", "wheels"):
        shutil.copytree(bundle / part, machine.mount("dataset", f"arc-ttt-kit-{part}"), dirs_exist_ok=True)
    (notebook,) = (bundle / "kernel").glob("*.ipynb")
    return machine, notebook


def check_complete(machine: Kaggle) -> None:
    """submission.json holds both attempts for every test input of the machine's test file."""
    (file,) = (machine.root / "input").rglob("arc-agi_test_challenges.json")
    submission = machine.root / "working" / "submission.json"
    assert check_submission(read_json(submission), read_challenges(file), "submission") == []


def visible_tasks() -> tuple[Task, ...]:
    return select(read_split("arc1-training"), limit=240)


def hidden_tasks() -> tuple[Task, ...]:
    """240 tasks that the notebook has never seen, as many of them as possible with several test inputs."""
    tasks = sorted(read_split("arc2-training"), key=lambda task: (-len(task.test_inputs), task.id))
    return tuple(sorted(tasks[:240], key=lambda task: task.id))


def test_the_dry_run_is_scored_and_leaves_a_complete_submission(image: Path, tmp_path: Path) -> None:
    """New mounts, an attached base."""
    text = kit(machine='""', dry_run_minutes="1.5", dry_run_tasks="3")
    machine, notebook = prepare(tmp_path, image, NEW, visible_tasks(), text)
    base = machine.mount("model", "small-base")
    shutil.copytree(NATIVE_FOLDER, base, dirs_exist_ok=True)
    printed, errors = machine.execute(notebook, rerun=False, seconds=2400)
    print(printed)
    assert errors == []
    check_complete(machine)
    assert f"code: {machine.root / 'input' / 'datasets' / 'someone' / 'arc-ttt-kit-code'}" in printed
    assert "preflight: no faults" in printed
    journal = read_journal(machine.root / "working" / "run" / "journal.jsonl")
    assert [event["folders"] for event in journal if event["event"] == "run"] == [[str(base)]]
    assert "score: mean of solved fractions" in printed
    assert "\x1b" not in printed, "colours or a live line, which would fill the log"
    assert "240 tasks" in printed
    assert printed.rstrip().endswith("READY TO SUBMIT")
    assert "NOT READY" not in printed
    scored = read_json(machine.root / "working" / "dry_run" / "submission.json")
    assert len(scored) == 3


def test_the_rerun_answers_all_hidden_tasks_in_time(image: Path, tmp_path: Path) -> None:
    """Old mounts, the code still packed; a budget that cannot suffice, which preflight says and the run survives."""
    text = kit(machine='""', hours="0.1")
    hidden = hidden_tasks()
    assert sum(len(task.test_inputs) > 1 for task in hidden) > 50
    machine, notebook = prepare(tmp_path, image, OLD, hidden, text)
    code = machine.root / "input" / "arc-ttt-kit-code"
    shutil.make_archive(str(code / "solver"), "zip", code, "solver")
    shutil.rmtree(code / "solver")
    printed, errors = machine.execute(notebook, rerun=True, seconds=2400)
    print(printed)
    assert errors == []
    check_complete(machine)
    assert printed.startswith("competition's rerun")
    assert "240 tasks in 6m00s" in printed
    assert "mean of solved fractions" not in printed
    assert "score so far" not in printed
    journal = (machine.root / "working" / "run" / "journal.jsonl").read_text()
    assert '"event":"task"' in journal
    # Some tasks were really answered: the first answers only repeat the test inputs.
    submission = read_json(machine.root / "working" / "submission.json")
    repeated = [submission[task.id][0]["attempt_1"] == task.test_inputs[0].to_json() for task in hidden]
    assert not all(repeated)


def test_without_gpu_libraries_the_search_still_answers(poor_image: Path, tmp_path: Path) -> None:
    """Neither PyTorch nor what comes with it, and no wheels of it: every cell still runs, and says what is missing."""
    text = kit(machine='""', dry_run_minutes="15", dry_run_tasks="4")
    machine, notebook = prepare(tmp_path, poor_image, OLD, visible_tasks(), text)
    for wheel in (machine.root / "input").rglob("*.whl"):
        if wheel.name.split("-")[0] in GPU_LIBRARIES:
            wheel.unlink()
    printed, errors = machine.execute(notebook, rerun=False, seconds=2400)
    print(printed)
    assert errors == []
    check_complete(machine)
    assert "torch is not installed" in printed
    assert "bitsandbytes could not be installed" in printed.replace(">=0.48 ", " ")
    assert "NOT READY TO SUBMIT" in printed
    journal = (machine.root / "working" / "run" / "journal.jsonl").read_text()
    assert '"event":"search"' in journal, "within fifteen minutes, in which a busy machine may not have compiled it"
    assert "score: mean of solved fractions" in printed
