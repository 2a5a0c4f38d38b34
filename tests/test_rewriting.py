"""`cut-vocabulary` and `quantize`: what they write says the same, and what cannot be done is told in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from solver import rewriting
from solver.cli import main
from solver.formats import TextFormat, read_vocabulary
from solver.formats.cutting import cut_content, needed_tokens
from solver.model import Quantize, load_base, load_lm, probe
from solver.profiles import ARC_FORMAT, find_base
from tests.fakes import tiny_folder
from tests.golden_formats import episodes
from tests.public_layouts import adapter, byte_base
from tests.real_tokenizers import FORMATS, llama3, needs_packages, real_format
from tests.test_layouts import CPU, architects_base, llama3_base, small, solve


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert run(*arguments) == 2
    text = capsys.readouterr().err.splitlines()[-1]
    assert text.startswith("error: ")
    return text


@needs_packages
@pytest.mark.parametrize("name", FORMATS)
def test_a_cut_tokenizer_writes_the_same_tokens(name: str) -> None:
    wording, fmt, vocabulary = real_format(name)
    if not wording.natural:
        return
    kept = needed_tokens(vocabulary, fmt.table, ())
    cut = rewriting_vocabulary(cut_content(vocabulary.content, kept))
    assert cut.size() == len(kept) < 600
    for episode in episodes().values():
        text = wording.render(episode)
        assert [kept[token] for token in cut.encode(text)] == list(vocabulary.encode(text))


def rewriting_vocabulary(content: dict[str, Any]) -> Any:
    from solver.formats import from_content

    return from_content(content, Path("cut/tokenizer.json"))


@needs_packages
@pytest.mark.parametrize("tied", [False, True])
def test_a_cut_base_says_the_same_of_the_tokens_it_kept(tmp_path: Path, tied: bool) -> None:
    whole = llama3_base(tmp_path / "base", tied=tied)
    assert run("cut-vocabulary", f"marc-8b={whole}", tmp_path / "cut") == 0
    before, after = find_base(f"marc-8b={whole}"), find_base(str(tmp_path / "cut"))
    assert (after.name, after.lora, after.licence) == (before.name, before.lora, before.licence)
    config = json.loads((tmp_path / "cut" / "config.json").read_text())
    assert config[ARC_FORMAT] == "marc-8b"
    assert config["vocab_size"] < 300
    one, two = (load_base(small(profile), CPU, Quantize.NONE, torch.float32) for profile in (before, after))
    assert (one.lm.lm_head.weight is one.lm.get_input_embeddings().weight) == tied or "lora" in str(one.lm.lm_head)
    for episode in episodes().values():
        ids, others = (profile.format.encode(episode).ids for profile in (before, after))
        assert ids.tolist() == others.tolist()
        if len(ids) < 2000:
            assert torch.allclose(probe(one.lm, ids)[1], probe(two.lm, ids)[1], atol=1e-4)


@needs_packages
def test_a_base_without_a_name_keeps_its_format(tmp_path: Path) -> None:
    whole = llama3_base(tmp_path / "something")
    assert run("cut-vocabulary", whole, tmp_path / "cut") == 0
    assert json.loads((tmp_path / "cut" / "config.json").read_text())[ARC_FORMAT] == "plain"
    profile = find_base(str(tmp_path / "cut"))
    assert isinstance(profile.format, TextFormat)
    assert (profile.name, profile.format.name) == ("cut", "plain")
    assert len(read_vocabulary(tmp_path / "cut").encode("012")) == 3
    assert len(llama3().encode("012")) == 1
    solve(load_base(small(profile), CPU, Quantize.NF4, torch.float32))


def test_a_quantised_base_gives_the_same_logits_bit_for_bit(tmp_path: Path) -> None:
    folder = byte_base(tmp_path / "base")
    assert run("quantize", folder, tmp_path / "packed") == 0
    assert "quantization_config" in json.loads((tmp_path / "packed" / "config.json").read_text())
    one, _ = load_lm(folder, CPU, Quantize.NF4, torch.bfloat16)
    two, stored = load_lm(tmp_path / "packed", CPU, Quantize.NONE, torch.bfloat16)
    assert stored is Quantize.NF4
    assert torch.equal(probe(one)[1], probe(two)[1])
    layer = "model.layers.0.mlp.up_proj"
    assert torch.equal(one.get_submodule(layer).weight, two.get_submodule(layer).weight)
    profile = find_base(str(tmp_path / "packed"))
    assert profile.format == find_base(str(folder)).format
    solve(load_base(small(profile), CPU, Quantize.NF4, torch.float32))


def test_an_adapter_is_merged_before_quantising(tmp_path: Path) -> None:
    base = byte_base(tmp_path / "base")
    folder = adapter(tmp_path / "adapter", base, "base")
    assert run("quantize", folder, tmp_path / "packed") == 0
    assert sorted(path.name for path in (tmp_path / "packed").iterdir() if path.is_dir()) == []
    one, _ = load_lm(folder, CPU, Quantize.NF4, torch.bfloat16)
    two, _ = load_lm(tmp_path / "packed", CPU, Quantize.NF4, torch.bfloat16)
    assert torch.allclose(probe(one)[1], probe(two)[1], atol=0.05)


def test_the_embedded_bases_kind_can_be_quantised(tmp_path: Path) -> None:
    assert run("quantize", tiny_folder(), tmp_path / "packed") == 0
    profile, before = find_base(str(tmp_path / "packed")), find_base(str(tiny_folder()))
    assert profile.format == before.format


@needs_packages
def test_both_after_one_another(tmp_path: Path) -> None:
    whole = llama3_base(tmp_path / "marc-8b")
    assert run("cut-vocabulary", whole, tmp_path / "cut") == 0
    assert run("quantize", tmp_path / "cut", tmp_path / "packed") == 0
    profile = find_base(str(tmp_path / "packed"))
    assert profile.name == "marc-8b"
    solve(load_base(small(profile), CPU, Quantize.NF4, torch.float32))


class TestRefusals:
    def test_a_folder_that_exists(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = byte_base(tmp_path / "base")
        (tmp_path / "out").mkdir()
        for command in ("quantize", "cut-vocabulary"):
            assert "out: exists already" in refusal(capsys, command, folder, tmp_path / "out")

    def test_a_place_that_cannot_be_written(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = byte_base(tmp_path / "base")
        (tmp_path / "file").write_text("")
        assert "cannot be written" in refusal(capsys, "quantize", folder, tmp_path / "file" / "out")

    def test_the_embedded_vocabulary(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        text = refusal(capsys, "cut-vocabulary", tiny_folder(), tmp_path / "out")
        assert "has no tokens but those of its format" in text
        assert not (tmp_path / "out").exists()

    @needs_packages
    def test_what_is_quantised_already(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = architects_base(tmp_path / "architects-8b")
        assert "is quantised already" in refusal(capsys, "quantize", folder, tmp_path / "out")

    def test_no_base(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "not a built-in base" in refusal(capsys, "quantize", "no-such-base", tmp_path / "out")

    @pytest.mark.parametrize("command", ["quantize", "cut-vocabulary"])
    def test_what_would_say_something_else_is_not_written(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        folder = byte_base(tmp_path / "base")
        original, calls = rewriting.probe, []

        def changing(*arguments: Any) -> Any:
            hidden, logits = original(*arguments)
            calls.append(1)
            return hidden + len(calls), logits + len(calls)

        monkeypatch.setattr(rewriting, "probe", changing)
        assert "nothing was written" in refusal(capsys, command, folder, tmp_path / "out")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["base"]

    def test_a_tokenizer_that_is_no_bpe(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = byte_base(tmp_path / "base")
        content = json.loads((folder / "tokenizer.json").read_text())
        content["model"] = {"type": "WordLevel", "vocab": content["model"]["vocab"], "unk_token": "?"}
        content["pre_tokenizer"] = {
            "type": "Sequence",
            "pretokenizers": [
                content["pre_tokenizer"],
                {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": False},
            ],
        }
        (folder / "tokenizer.json").write_text(json.dumps(content))
        assert "only BPE tokenizers can be cut" in refusal(capsys, "cut-vocabulary", folder, tmp_path / "out")
