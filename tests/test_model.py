"""Loading, resetting and running a base: an untrained adapter changes nothing, 4-bit layers are and stay 4-bit."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedTokenizerFast

from solver.budget import Deadline
from solver.decoding import greedy
from solver.grid import InputError
from solver.model import (
    Base,
    Quantize,
    choose_device,
    dense_weight,
    free_memory,
    library_versions,
    load_base,
    native_dtype,
    peak_memory,
    register_attention,
)
from solver.profiles import LoraSettings
from solver.prompt import NATIVE_TOKENS
from solver.training import Stop
from solver.ttt import Plan, train
from tests.fakes import (
    CPU,
    copy_task,
    logits,
    random_prompt,
    shake,
    tiny_base,
    tiny_folder,
    tiny_lm,
    tiny_profile,
    training_batch,
)

KINDS = [(Quantize.NONE, True), (Quantize.NONE, False), (Quantize.NF4, True), (Quantize.NF4, False)]
BATCH = training_batch(1, 2, 3)


def name_of(kind: tuple[Quantize, bool]) -> str:
    return f"{kind[0].value}-{'folded' if kind[1] else 'unfolded'}"


@pytest.fixture(scope="module", params=KINDS, ids=name_of)
def base(request: pytest.FixtureRequest) -> Base:
    """A base of each kind; tests may leave its adapter changed."""
    quantize, small = request.param
    return tiny_base(quantize, small=small)


@pytest.fixture(scope="module", params=[True, False], ids=["folded", "unfolded"])
def nf4(request: pytest.FixtureRequest) -> Base:
    return tiny_base(Quantize.NF4, small=request.param)


def bare_logits(quantize: Quantize) -> Tensor:
    """The logits of BATCH from the same files, read by transformers, without any adapter."""
    options: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": register_attention()}
    if quantize is Quantize.NF4:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )
    lm = AutoModelForCausalLM.from_pretrained(tiny_folder(), **options)
    # In evaluation mode some processors repack 4-bit layers, which shifts their values.
    return logits(lm.train(), BATCH)


def learn(base: Base, steps: int = 3) -> None:
    report = train(base, copy_task("learn"), Plan(Deadline.never(), seed=0, steps=steps))
    assert (report.stop, report.executed) == (Stop.PLANNED, steps)


def gradients(base: Base) -> dict[str, Tensor]:
    for weight in base.adapter().values():
        weight.grad = None
    loss, _ = base.loss_sum(BATCH)
    loss.backward()  # type: ignore[no-untyped-call]
    return {name: weight.grad for name, weight in base.adapter().items() if weight.grad is not None}


def test_an_untrained_adapter_is_the_base_bit_for_bit(base: Base) -> None:
    base.reset()
    bare = bare_logits(base.quantize)
    assert bare.std() > 0.1
    assert torch.equal(logits(base.lm, BATCH), bare)
    with base.inference():
        assert torch.equal(logits(base.lm, BATCH), bare)


def test_zero_steps_of_training_are_the_base_bit_for_bit(base: Base) -> None:
    base.reset()
    before = logits(base.lm, BATCH)
    learn(base, steps=0)
    assert torch.equal(logits(base.lm, BATCH), before)


def test_a_reset_after_training_restores_the_logits_bit_for_bit(base: Base) -> None:
    base.reset()
    before = logits(base.lm, BATCH)
    learn(base)
    assert (logits(base.lm, BATCH) - before).abs().max() > 1e-3
    base.loss_sum(BATCH)[0].backward()  # type: ignore[no-untyped-call]
    base.reset()
    assert torch.equal(logits(base.lm, BATCH), before)
    assert all(weight.grad is None for weight in base.adapter().values())


def test_training_never_touches_the_snapshot_or_the_base(base: Base) -> None:
    base.reset()
    initial = {name: weight.clone() for name, weight in base.initial.items()}
    others = {name: weight.clone() for name, weight in base.lm.named_parameters() if "lora_" not in name}
    learn(base)
    assert all(torch.equal(weight, base.initial[name]) for name, weight in initial.items())
    after = dict(base.lm.named_parameters())
    assert all(torch.equal(weight, after[name]) for name, weight in others.items())


def test_training_again_from_a_reset_gives_the_same_adapter_bit_for_bit(base: Base) -> None:
    learn(base)
    first = {name: weight.detach().clone() for name, weight in base.adapter().items()}
    train(base, copy_task("other"), Plan(Deadline.never(), seed=5, steps=2))
    learn(base)
    assert all(torch.equal(weight, first[name]) for name, weight in base.adapter().items())


def test_the_adapter_alone_is_trained_in_fp32_on_every_layer_but_the_head(base: Base) -> None:
    trained = {name: weight for name, weight in base.lm.named_parameters() if weight.requires_grad}
    assert trained.keys() == base.adapter().keys() == base.initial.keys()
    assert len(trained) == 2 * 7 * 2
    assert all(weight.dtype is torch.float32 for weight in trained.values())
    assert not any("lm_head" in name or "embed" in name for name in trained)
    assert all(weight.shape[0 if "lora_A" in name else 1] == 8 for name, weight in trained.items())


def test_the_adapter_is_fp32_over_a_base_of_lower_precision() -> None:
    low = load_base(tiny_profile(), CPU, Quantize.NF4, torch.bfloat16)
    assert low.dtype is low.lm.model.embed_tokens.weight.dtype is torch.bfloat16
    assert all(weight.dtype is torch.float32 for weight in low.adapter().values())
    shake(low)
    found = gradients(low)
    assert len(found) == len(low.adapter())
    assert all(gradient.abs().max() > 0 for gradient in found.values())


def test_the_profile_chooses_rank_and_layers() -> None:
    lora = LoraSettings(rank=4, alpha=16, rank_stabilised=True, targets=("q_proj", "v_proj"))
    chosen = tiny_base(lora=lora)
    assert len(chosen.adapter()) == 2 * 2 * 2
    assert all(".q_proj." in name or ".v_proj." in name for name in chosen.adapter())
    assert chosen.lm.model.layers[0].self_attn.q_proj.scaling == {"default": 8.0}


def test_quantised_layers_are_nf4_with_double_quantisation_and_the_head_is_not(nf4: Base) -> None:
    quantised = {name: layer for name, layer in nf4.lm.named_modules() if isinstance(layer, Linear4bit)}
    assert nf4.quantize is Quantize.NF4
    assert len(quantised) == 2 * 7
    for layer in quantised.values():
        assert layer.weight.dtype is torch.uint8
        assert layer.weight.numel() == layer.in_features * layer.out_features // 2
        assert layer.weight.quant_state.quant_type == "nf4"
        assert layer.weight.quant_state.nested
        assert layer.compute_dtype is torch.float32
    assert type(nf4.lm.lm_head) is torch.nn.Linear
    assert nf4.lm.lm_head.weight.dtype is torch.float32


def test_four_bits_change_the_logits_a_little() -> None:
    difference = (bare_logits(Quantize.NF4) - bare_logits(Quantize.NONE)).abs().max()
    assert 1e-3 < difference < 2


def test_a_dense_weight_is_the_dequantised_one(nf4: Base) -> None:
    original = dict(tiny_lm().named_parameters())["model.layers.1.mlp.up_proj.weight"]
    layer = nf4.lm.model.layers[1].mlp.up_proj.base_layer
    dense = dense_weight(layer)
    assert dense.shape == original.shape
    assert dense.dtype is torch.float32
    assert 0 < (dense - original).abs().mean() < 0.1 * original.abs().mean()
    assert dense.unique().numel() > 16
    assert all(block.unique().numel() <= 16 for block in dense.flatten().split(64))


def assert_all_gradients_flow(base: Base, expected: dict[str, Tensor]) -> None:
    found = gradients(base)
    assert found.keys() == base.adapter().keys()
    for name, gradient in found.items():
        assert gradient.abs().max() > 0, name
        assert torch.equal(gradient, expected[name]), name


def test_gradients_are_the_same_after_forwards_without_them(nf4: Base) -> None:
    nf4.reset()
    shake(nf4)
    expected, before = gradients(nf4), logits(nf4.lm, BATCH)
    prompts = [random_prompt(seed, 3) for seed in range(3)]
    with nf4.inference():
        greedy(nf4, prompts, 5, Deadline.never())
    assert_all_gradients_flow(nf4, expected)
    with torch.no_grad():
        greedy(nf4, prompts, 5, Deadline.never())
    assert_all_gradients_flow(nf4, expected)
    assert torch.equal(logits(nf4.lm, BATCH), before)


def test_gradients_are_the_same_after_checkpointing_was_switched_off_again(nf4: Base) -> None:
    nf4.reset()
    shake(nf4)
    expected = gradients(nf4)
    nf4.checkpoint_activations(True)
    nf4.checkpoint_activations(False)
    logits(nf4.lm, BATCH)
    assert_all_gradients_flow(nf4, expected)


def test_without_bitsandbytes_the_base_is_loaded_unquantised_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "bitsandbytes"]:
        monkeypatch.setitem(sys.modules, module, None)
    with caplog.at_level(logging.WARNING, "solver.model"):
        base = tiny_base(Quantize.NF4)
    assert "bitsandbytes is not installed" in caplog.text
    assert base.quantize is Quantize.NONE
    assert len(base.adapter()) == 2 * 7 * 2
    assert torch.equal(logits(base.lm, BATCH), bare_logits(Quantize.NONE))
    learn(base)


def test_checkpointing_recomputes_activations_and_changes_no_number(base: Base) -> None:
    base.reset()
    shake(base)
    expected, (loss, _) = gradients(base), base.loss_sum(BATCH)
    forwards: list[int] = []
    hook = base.lm.model.layers[0].mlp.register_forward_pre_hook(lambda *_: forwards.append(1))
    try:
        gradients(base)
        assert len(forwards) == 1
        base.checkpoint_activations(True)
        forwards.clear()
        recomputed = gradients(base)
        assert len(forwards) == 2
        assert torch.equal(base.loss_sum(BATCH)[0], loss)
        assert all(torch.equal(gradient, expected[name]) for name, gradient in recomputed.items())
        base.reset()
        forwards.clear()
        gradients(base)
        assert len(forwards) == 1
    finally:
        hook.remove()
        base.reset()


def test_checkpointing_is_asked_for_by_the_name_of_today(nf4: Base) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nf4.checkpoint_activations(True)
        nf4.checkpoint_activations(False)


def test_checkpointing_is_asked_for_by_the_older_name_where_there_is_no_other(base: Base) -> None:
    calls: list[tuple[Any, ...]] = []

    class Older(torch.nn.Module):
        def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: dict[str, Any]) -> None:
            calls.append(("on", gradient_checkpointing_kwargs))

        def gradient_checkpointing_disable(self) -> None:
            calls.append(("off",))

    older = replace(base, lm=Older())
    for on in (True, False, False):
        older.checkpoint_activations(on)
    assert calls == [("on", {"use_reentrant": False}), ("off",)]


def test_parameters_are_those_of_the_base_however_they_are_stored(base: Base) -> None:
    assert base.parameters() == sum(weight.numel() for weight in tiny_lm().parameters())


def test_recovering_resets(base: Base) -> None:
    base.reset()
    before = logits(base.lm, BATCH)
    shake(base)
    base.checkpoint_activations(True)
    base.recover()
    assert not base.checkpointing
    assert torch.equal(logits(base.lm, BATCH), before)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", json.dumps({"model_type": "no-such-model"}), "cannot be loaded as a causal LM"),
        ("config.json", "{", "cannot be read"),
        ("model.safetensors", "not weights", "broken safetensors file"),
    ],
)
def test_files_that_are_no_model_are_an_input_error_naming_the_folder(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tiny_folder(), folder)
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        load_base(tiny_profile(folder=folder), CPU, Quantize.NONE)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["missing", "other shape"])
def test_weights_that_do_not_fill_the_model_are_an_input_error(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "partial"
    shutil.copytree(tiny_folder(), folder)
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    weights[name] = weights[name][:64].clone()
    if change == "missing":
        del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError) as caught:
        load_base(tiny_profile(folder=folder), CPU, Quantize.NONE)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_saved_base_comes_back_whole(tmp_path: Path) -> None:
    saved = dict(tiny_lm().named_parameters())
    loaded = {
        name.replace(".base_layer", ""): weight
        for name, weight in tiny_base().lm.named_parameters()
        if "lora_" not in name
    }
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(weight, saved[name]) for name, weight in loaded.items())
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tiny_folder() / "tokenizer.json"))
    assert tokenizer.get_vocab() == {token: number for number, token in enumerate(NATIVE_TOKENS)}
    assert json.loads((tiny_folder() / "config.json").read_text())["position_scheme"] == "geometric"


def test_a_device_is_tried_before_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == CPU
    with pytest.raises(InputError, match=r"--device abacus: cannot be used"):
        choose_device("abacus")
    if torch.cuda.is_available():
        pytest.skip("what follows needs a machine without a GPU")
    with pytest.raises(InputError, match=r"--device cuda: cannot be used") as caught:
        choose_device("cuda")
    assert "\n" not in str(caught.value)
    assert choose_device(None) == CPU
    # A GPU too old for PyTorch says that it is available and fails at the first operation.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def zeros(*_: Any, **__: Any) -> Tensor:
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(torch, "zeros", zeros)
    assert choose_device(None) == CPU


@pytest.mark.parametrize(
    ("capability", "dtype"), [((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)]
)
def test_the_dtype_is_what_the_gpu_multiplies_natively(
    capability: tuple[int, int], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert native_dtype(torch.device("cuda")) is dtype


def test_what_results_depend_on_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = library_versions()
    assert versions["torch"] == torch.__version__.partition("+")[0] or versions["torch"] == torch.__version__
    assert "absent" not in versions.values()
    assert 50e6 < peak_memory(CPU) < 1e12


def test_free_memory_counts_what_pytorch_holds_without_using_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1e6 < free_memory(CPU) < 1e13
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 70)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 50)
    assert free_memory(torch.device("cuda")) == 120
