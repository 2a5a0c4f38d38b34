"""The model card says what the training's facts say, and how to do it again."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from solver.base import held_out, probe, train
from solver.base.bank import Source
from solver.base.card import ROWS, card, settings
from solver.base.command import parse_settings
from solver.base.config import BaseConfig
from solver.base.sources import shared_pairs, split_pairs
from solver.base.train import train_base
from solver.budget import Deadline
from solver.grid import InputError
from tests.fakes import CPU, copy_task
from tests.train_in_team import CONFIG, HELD_OUT, SOURCES

FACTS = {
    "config": asdict(BaseConfig()),
    "init": None,
    "sources (tasks, pairs, weight)": {"arc1-training": [399, 78317, 3.0], "other": [8, 40, 1.0]},
    "pairs in an evaluation split": {"arc1-evaluation": 0, "arc2-evaluation": 2},
    "steps": 1234,
    "tokens": 15_160_000,
    "seconds": 5400,
    "device": "cpu",
    "processes": 2,
    "threads": 1,
    "peak GFLOP/s": 217,
    "versions": {"torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2"},
}


def training_log(lines: int) -> list[dict[str, float]]:
    found: list[dict[str, float]] = []
    for number in range(1, lines + 1):
        found.append({"tokens": number * 1e6, "loss": 1 / number, "longest": 384, "utilisation": 0.5})
        measured = {
            "evaluation_loss": 0.5,
            "evaluation_accuracy": 0.8,
            "evaluation_exact": 0.01,
            "evaluation_outputs": 698,
        }
        found.append({"tokens": number * 1e6, **measured})
        found.append({"tokens": number * 1e6, "ttt_nats_before": 0.9, "ttt_nats_after": 0.7})
    return found


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first heading this is, without its head."""
    lines = text[text.index(f"| {heading}") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_it_says_what_the_facts_say() -> None:
    text = card(FACTS, training_log(3), parameters=2_663_616)
    assert "2,663,616 parameters" in text
    assert rows(text, "source") == [
        [
            "arc1-training",
            "399",
            "78,317",
            "75%",
            "ARC-AGI-1, Apache-2.0; RE-ARC's examples, MIT, © 2024 Michael Hodel",
        ],
        ["other", "8", "40", "25%", "not known"],
    ]
    assert "cell for cell: arc1-evaluation 0, arc2-evaluation 2." in text
    assert "1,234 steps, 15.2 M tokens, 1.50 hours; processes: 2" in text
    assert rows(text, "tokens | longest")[-1] == ["3.0 M", "384", "0.333", "50%"]
    assert rows(text, "tokens | evaluation")[-1] == ["3.0 M", "0.500", "80.0%", "1.0% of 698", "", "0.900", "0.700"]


@pytest.mark.parametrize("lines", [0, 1, ROWS, ROWS + 1, 10 * ROWS])
def test_a_long_curve_is_shortened_to_its_end(lines: int) -> None:
    shown = rows(card(FACTS, training_log(lines), 1), "tokens | longest")
    assert min(lines, ROWS // 2) <= len(shown) <= ROWS
    if lines:
        assert shown[-1][0] == f"{lines:.1f} M"


@pytest.mark.parametrize(
    "config",
    [
        BaseConfig(),
        BaseConfig(tokens=37_685_084.0, decay=0.115, axial=False),
        BaseConfig(width=256, inputs=False, first_supervised=1, permute_black=True, geometric=False),
    ],
)
def test_its_command_gives_the_configuration(config: BaseConfig) -> None:
    words = shlex.split(settings(asdict(config)))
    assert parse_settings([word for word in words if word != "--set"]) == config


@pytest.mark.parametrize("text", ["tokens=inf", "tokens=nan", "width=inf", "width=wide", "depth=3", "width", "axial=2"])
def test_settings_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match=f"^--set {text}: "):
        parse_settings([text])


def test_targets_and_positions_are_the_configuration_s() -> None:
    plain = asdict(BaseConfig(geometric=False, inputs=False, first_supervised=1))
    text = card(FACTS | {"config": plain}, [], 1)
    assert "Position ids must be given" not in text
    assert "targets are the outputs from the second on." in text
    usual = card(FACTS, [], 1)
    assert "and each rotary frequency sees one of these axes" in usual
    assert "targets are all outputs and the inputs but the first." in usual


def test_shared_pairs_are_counted() -> None:
    evaluation = next(iter(split_pairs("arc2-evaluation").values()))
    assert shared_pairs(SOURCES) == {"arc1-evaluation": 0, "arc2-evaluation": 0}
    assert shared_pairs([*SOURCES, Source("leak", 1.0, (evaluation,))])["arc2-evaluation"] == len(evaluation)


def test_a_published_base_has_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "development_tasks", lambda: HELD_OUT)
    monkeypatch.setattr(held_out, "read_split", lambda _: [copy_task("measured", side=2)])
    monkeypatch.setattr(probe, "STEPS", 1)
    config = replace(CONFIG, tokens=2 * CONFIG.step_tokens)
    train_base(config, tmp_path, tmp_path / "out", SOURCES, CPU, Deadline.never(), resume=False)
    facts = json.loads((tmp_path / "out" / "training.json").read_text())
    log = [json.loads(line) for line in (tmp_path / "out" / "training_log.jsonl").read_text().splitlines()]
    text = (tmp_path / "out" / "README.md").read_text()
    assert text == card(facts, log, 31_040)
    assert "copies" in text
