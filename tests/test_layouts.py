"""Every layout that public checkpoints come in loads through its profile, trains, and answers; random weights."""

from __future__ import annotations

import fcntl
import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from solver import profiles
from solver.budget import Deadline
from solver.decoding import greedy
from solver.grid import InputError
from solver.inference import inference_views, show
from solver.inspection import recognise
from solver.model import Base, Quantize, load_base, load_lm, probe
from solver.model.loading import _check_shape
from solver.profiles import LoraSettings, Profile, attached_bases, check_base, find_base
from solver.public_bases import PUBLIC
from solver.recipes import ANSWER_ONLY
from solver.ttt import Plan, train
from tests.fakes import copy_task
from tests.public_layouts import adapter, byte_base, byte_content, pickled, random_model, write_tokenizer
from tests.real_tokenizers import (
    architects_content,
    llama3_content,
    needs_packages,
    nvarc_content,
    package_file,
    shrunk,
)

CPU = torch.device("cpu")


def llama3_base(folder: Path, **changes: Any) -> Path:
    """Shards, and the tokenizer as Meta hands it out."""
    random_model("llama", 128256, eos_token_id=128009, **changes).save_pretrained(folder, max_shard_size="10MB")
    shutil.copyfile(package_file("llama_models", "llama3", "tokenizer.model"), folder / "tokenizer.model")
    return folder


def architects_base(folder: Path) -> Path:
    """In 4 bits, as saved by transformers after loading in 4 bits."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dense = folder.with_name("dense")
    random_model("mistral", 76).save_pretrained(dense)
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    lm = AutoModelForCausalLM.from_pretrained(dense, quantization_config=config, dtype=torch.bfloat16)
    lm.save_pretrained(folder)
    shutil.rmtree(dense)
    write_tokenizer(folder, architects_content(), "</s>", "<s>")
    return folder


def small_architects_base(folder: Path) -> Path:
    random_model("llama", 76, tied=True).save_pretrained(folder)
    content = shrunk(llama3_content(), "<|begin_of_text|>", "<|end_of_text|>")
    write_tokenizer(folder, content, "<|end_of_text|>", "<|begin_of_text|>")
    return folder


def nvarc_base(folder: Path) -> Path:
    random_model("qwen3", 16).save_pretrained(folder)
    write_tokenizer(folder, nvarc_content(), "<|im_end|>")
    return folder


def adapter_on_llama3(folder: Path) -> Path:
    base = llama3_base(folder.parent / "Meta-Llama-3.1-8B-Instruct", tied=True)
    return adapter(folder, base, "meta-llama/Meta-Llama-3.1-8B-Instruct")


LAYOUTS: list[tuple[str, str, Callable[[Path], Path], Quantize]] = [
    ("marc-8b", "models/ekin/marc-8b-finetuned-llama3/transformers/default/1", llama3_base, Quantize.NF4),
    ("marc-1b", "marc-1b/transformers/default/1", lambda folder: llama3_base(folder, tied=True), Quantize.NONE),
    (
        "barc-transduction-8b",
        "datasets/me/Llama-3.1-ARC-Potpourri-Transduction-8B",
        lambda folder: pickled(llama3_base(folder)),
        Quantize.NF4,
    ),
    ("architects-8b", "mistral-nemo-minitron-8b-architects-full-bnb-4bit", architects_base, Quantize.NF4),
    ("architects-3b", "da-fr/Llama-3.2-3B-ARChitects-ReArc-bnb-4bit", small_architects_base, Quantize.NF4),
    (
        "llama-1b",
        "models/metaresearch/llama-3.2/transformers/1b/1",
        lambda folder: llama3_base(folder, tied=True),
        Quantize.NF4,
    ),
    ("nvarc-4b", "models/nvarc/qwen3/transformers/4b/1", nvarc_base, Quantize.NF4),
    ("llama-8b", "my-llama-3.1-8b-adapter", adapter_on_llama3, Quantize.NF4),
]


def solve(base: Base) -> None:
    """Two steps of training, and an answer through each of four views."""
    task = copy_task("copy", side=2)
    report = train(base, task, Plan(Deadline.never(), seed=0, steps=2))
    assert report.executed == 2
    assert report.loss_before is not None
    assert all(loss > 0 for loss in report.losses)
    shown = show(task, inference_views(task, base.profile, 0)[:4], base.profile, pytest.fail)
    with base.inference():
        answers, _ = greedy(base, [one.prompts[0] for one in shown], 200, Deadline.never())
    for answer in answers:
        assert not answer.complete or base.profile.format.parse(answer.ids) is not None
        legal = base.profile.format.legal_along(torch.tensor(answer.ids).numpy())
        assert legal.any(-1).all()


def small(profile: Profile) -> Profile:
    """With a LoRA that fits the tiny layers."""
    return replace(profile, lora=replace(profile.lora, rank=4), ttt=replace(profile.ttt, batch=1, max_examples=8))


@needs_packages
@pytest.mark.parametrize(("name", "place", "write", "quantize"), LAYOUTS, ids=[one[0] for one in LAYOUTS])
def test_a_public_layout_loads_through_its_profile(
    name: str,
    place: str,
    write: Callable[[Path], Path],
    quantize: Quantize,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / "input"
    (root / place).parent.mkdir(parents=True)
    folder = write(root / place)
    monkeypatch.setattr(profiles, "KAGGLE_INPUT", root)
    profile = find_base(name)
    assert (profile.name, profile.folder) == (name, folder)
    assert find_base(str(folder)) == profile
    assert find_base(f"{name}={folder}") == profile
    assert attached_bases()[0] == folder
    assert check_base(profile, [root]) == []
    base = load_base(small(profile), CPU, quantize, torch.float32)
    assert base.quantize is quantize
    assert base.lm.get_input_embeddings().weight.shape[0] == len(profile.format.table or ())
    solve(base)


def test_every_public_base_is_tried() -> None:
    """SmolLM2 with its real weights, in `test_smollm2`."""
    assert {name for name, *_ in LAYOUTS} | {"smollm2-135m"} == {one.name for one in PUBLIC}


def test_every_profile_says_what_may_be_claimed() -> None:
    by_name = {one.name: one for one in PUBLIC}
    assert by_name["architects-8b"].seen == ("arc1-training", "arc1-evaluation")
    assert "arc2-evaluation" in by_name["nvarc-4b"].seen
    assert "NVIDIA" in by_name["architects-8b"].licence
    assert all(one.licence for one in PUBLIC)
    assert by_name["barc-transduction-8b"].ttt.first_supervised == ANSWER_ONLY
    assert {one.name for one in PUBLIC if one.permute_black} == {
        "architects-8b",
        "architects-3b",
        "nvarc-4b",
        "llama-1b",
        "llama-8b",
        "smollm2-135m",
    }


class TestWithoutPackages:
    """Bases of bytes."""

    def test_any_causal_lm_is_read_by_inspection(self, tmp_path: Path) -> None:
        profile = find_base(str(byte_base(tmp_path / "something")))
        assert (profile.name, profile.format.vocabulary, profile.context) == ("something", 13, 8192)
        assert profile.licence.startswith("not known")
        solve(load_base(small(profile), CPU, Quantize.NF4, torch.float32))

    def test_bin_files_hold_what_safetensors_hold(self, tmp_path: Path) -> None:
        first = byte_base(tmp_path / "first")
        second = pickled(Path(shutil.copytree(first, tmp_path / "second")))
        one, _ = load_lm(first, CPU, Quantize.NONE, torch.float32)
        two, _ = load_lm(second, CPU, Quantize.NONE, torch.float32)
        assert torch.equal(probe(one)[1], probe(two)[1])

    @pytest.mark.parametrize("named", ["base", "someone/base", "PATH"])
    def test_an_adapter_is_merged_into_its_base(self, tmp_path: Path, named: str) -> None:
        from peft import PeftModel

        base = byte_base(tmp_path / "base")
        folder = adapter(tmp_path / "adapter", base, str(base) if named == "PATH" else named)
        lm, _ = load_lm(folder, CPU, Quantize.NONE, torch.float32)
        plain, _ = load_lm(base, CPU, Quantize.NONE, torch.float32)
        before = probe(plain)[1]
        wanted = probe(PeftModel.from_pretrained(plain, folder).base_model.model)[1]
        found = probe(lm)[1]
        assert torch.allclose(found, wanted, atol=1e-4)
        assert not torch.allclose(found, before, atol=0.1)
        assert not any("lora" in name for name, _ in lm.named_parameters())

    def test_an_adapter_is_merged_before_its_base_is_quantised(self, tmp_path: Path) -> None:
        base = byte_base(tmp_path / "base")
        folder = adapter(tmp_path / "adapter", base, "base")
        merged, _ = load_lm(folder, CPU, Quantize.NONE, torch.float32)
        merged.save_pretrained(tmp_path / "merged")
        wanted, _ = load_lm(tmp_path / "merged", CPU, Quantize.NF4, torch.float32)
        found, stored = load_lm(folder, CPU, Quantize.NF4, torch.float32)
        assert stored is Quantize.NF4
        assert torch.equal(probe(found)[1], probe(wanted)[1])

    def test_one_process_at_a_time_has_a_whole_base_in_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        folder = adapter(tmp_path / "adapter", byte_base(tmp_path / "base"), "base")
        load_lm(folder, CPU, Quantize.NF4, torch.float32)
        (place,) = tmp_path.glob("*.lock")
        loading = threading.Thread(target=load_lm, args=(folder, CPU, Quantize.NF4, torch.float32))
        with place.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            loading.start()
            loading.join(2.0)
            assert loading.is_alive(), "nobody waited"
        loading.join(60.0)
        assert not loading.is_alive()

    def test_an_adapter_without_its_base_says_what_to_attach(self, tmp_path: Path) -> None:
        base = byte_base(tmp_path / "elsewhere" / "base")
        folder = adapter(tmp_path / "adapter", base, "someone/other-base")
        with pytest.raises(
            InputError, match=r"adapter_config\.json: .*someone/other-base is not beside it, nor attach"
        ):
            find_base(str(folder))

    def test_an_adapter_with_missing_weights_is_refused(self, tmp_path: Path) -> None:
        base = byte_base(tmp_path / "base")
        folder = adapter(tmp_path / "adapter", base, "base", lambda config: config["target_modules"].append("up_proj"))
        with pytest.raises(InputError, match="weights of the adapter are missing"):
            load_lm(folder, CPU, Quantize.NONE, torch.float32)

    def test_an_adapter_leaves_room_for_training(self, tmp_path: Path) -> None:
        base = byte_base(tmp_path / "base")
        folder = adapter(tmp_path / "adapter", base, "base")
        loaded = load_base(small(find_base(str(folder))), CPU, Quantize.NF4, torch.float32)
        assert loaded.adapter()
        solve(loaded)

    def test_weights_in_4_bits_are_loaded_as_they_are(self, tmp_path: Path) -> None:
        base = byte_base(tmp_path / "base")
        lm, _ = load_lm(base, CPU, Quantize.NF4, torch.float32)
        lm.save_pretrained(tmp_path / "packed")
        write_tokenizer(tmp_path / "packed", byte_content(), "<|end_of_text|>")
        for quantize in Quantize:
            found, stored = load_lm(tmp_path / "packed", CPU, quantize, torch.float32)
            assert stored is Quantize.NF4
            assert torch.equal(probe(found)[1], probe(lm)[1])
        half, _ = load_lm(tmp_path / "packed", CPU, Quantize.NF4, torch.bfloat16)
        layer = half.model.layers[0].mlp.up_proj
        assert layer.compute_dtype == torch.bfloat16

    def test_a_missing_shard_is_named(self, tmp_path: Path) -> None:
        folder = byte_base(tmp_path / "base")
        shards = sorted(folder.glob("*.safetensors"))
        assert len(shards) > 1
        shards[0].unlink()
        with pytest.raises(InputError, match=rf"{shards[0].name}: no such file, though .*index\.json names it"):
            find_base(str(folder))

    @pytest.mark.parametrize("data", [b"", b"garbage" * 99])
    def test_a_broken_bin_file_is_named(self, tmp_path: Path, data: bytes) -> None:
        folder = pickled(byte_base(tmp_path / "base"))
        (folder / "pytorch_model-00002-of-00002.bin").write_bytes(data)
        with pytest.raises(InputError, match=r"pytorch_model-00002-of-00002\.bin: broken \.bin file"):
            find_base(str(folder))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "only bitsandbytes' 4-bit weights"),
            ({"final_logit_softcapping": 30.0}, "final_logit_softcapping"),
            ({"sliding_window": 128}, "sliding_window"),
            ({"vocab_size": 200}, "but the model knows 200 tokens"),
        ],
    )
    def test_what_would_go_wrong_unseen_is_refused(self, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
        folder = byte_base(tmp_path / "base")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))
        with pytest.raises(InputError, match=message) as caught:
            find_base(str(folder))
        assert str(folder) in str(caught.value)

    def test_models_with_embeddings_of_their_own_kind_are_refused(self, tmp_path: Path) -> None:
        class Scaled(torch.nn.Embedding):
            """As Gemma 3's, whose embeddings are multiplied."""

        lm = random_model("llama", 16)
        _check_shape(lm, tmp_path)
        lm.set_input_embeddings(Scaled(16, 64))
        with pytest.raises(InputError, match="models of type llama are not supported"):
            _check_shape(lm, tmp_path)

    def test_a_base_that_writes_programs_is_no_other_base(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(profiles, "KAGGLE_INPUT", tmp_path)
        byte_base(tmp_path / "Llama-3.1-ARC-Potpourri-Induction-8B")
        assert attached_bases() == []
        with pytest.raises(InputError, match="llama-8b: its files are not attached"):
            find_base("llama-8b")

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("models/metaresearch/llama-3.2/transformers/1b/1", "llama-1b"),
            ("Llama-3.2-11B-Vision", None),
            ("models/barc0/Llama-3.1-ARC-Potpourri-Transduction-8B/1", "barc-transduction-8b"),
            ("Mistral-NeMO-Minitron-8B-ARChitects-Full-bnb-4bit", "architects-8b"),
            ("someone/minitron", None),
        ],
    )
    def test_paths_speak_for_bases(self, tmp_path: Path, path: str, name: str | None) -> None:
        found = recognise(tmp_path / path, tmp_path)
        assert (found.name if found else None) == name

    def test_the_hubs_own_cache_is_looked_into(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(profiles, "HUB", tmp_path / "hub")
        folder = byte_base(tmp_path / "hub" / "models--meta-llama--Llama-3.1-8B" / "snapshots" / "0123abcd")
        with pytest.raises(InputError, match=rf"{folder.name}/tokenizer\.json: writes .* as tokens"):
            find_base("llama-8b")

    def test_embeddings_and_head_learn_more_slowly_where_a_recipe_says_so(self, tmp_path: Path) -> None:
        from solver.ttt import adamw

        profile = small(find_base(str(byte_base(tmp_path / "base", tied=True))))
        base = load_base(profile, CPU, Quantize.NONE, torch.float32)
        groups = {group["lr"]: len(group["params"]) for group in adamw(base, profile.ttt).param_groups}
        assert groups == {1e-4: 2 * 7 * 2, 1e-5: 2 * 2}
        linear = replace(profile, lora=LoraSettings(4, 4), ttt=replace(profile.ttt, embedding_lr=None))
        base = load_base(linear, CPU, Quantize.NONE, torch.float32)
        assert [group["lr"] for group in adamw(base, linear.ttt).param_groups] == [1e-4]
