"""The benchmark runs whole on a tiny shape and reports what it did."""

from __future__ import annotations

import json

import pytest

from solver.bench import SHAPES
from solver.cli import main


@pytest.mark.parametrize("quantize", ["nf4", "none"])
def test_a_tiny_shape_is_trained_and_decoded(quantize: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["bench", "--shape", "tiny", "--device", "cpu", "--quantize", quantize, "--steps", "2", "--json"])
    measured = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (measured["shape"], measured["device"], measured["quantize"]) == ("tiny", "cpu", quantize)
    assert measured["steps"] == 2
    sizes = SHAPES["tiny"]
    embeddings = 2 * sizes["vocab_size"] * sizes["hidden_size"]
    assert measured["parameters"] > embeddings
    for name in ("step_seconds", "train_tokens_per_second", "read_tokens_per_second", "decode_steps_per_second"):
        assert measured[name] > 0
    assert measured["peak_memory"] > 0


def test_a_number_of_parameters_does_not_depend_on_quantisation(capsys: pytest.CaptureFixture[str]) -> None:
    counts = []
    for quantize in ("nf4", "none"):
        main(["bench", "--shape", "tiny", "--device", "cpu", "--quantize", quantize, "--steps", "1", "--json"])
        counts.append(json.loads(capsys.readouterr().out)["parameters"])
    assert counts[0] == counts[1]


def test_an_unknown_task_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--shape", "tiny", "--task-id", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("quantize", ["nf4", "none"])
def test_scoring_with_a_cache_gives_the_scores_that_it_gives_without(
    quantize: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "--scoring", "--shape", "tiny", "--device", "cpu", "--quantize", quantize, "--json"]
    assert main([*words, "--views", "3", "--candidates", "2"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert (measured["views"], measured["candidates"]) == (3, 2)
    assert measured["cached_seconds"] > 0
    assert measured["ratio"] == pytest.approx(measured["whole_seconds"] / measured["cached_seconds"])
    # Some 90 tokens in a half-precision base.
    assert measured["difference"] < 0.5
