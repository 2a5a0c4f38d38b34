"""A text base: exact tokens in and out, which tokens end a text, and clear errors for folders that are none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from tokenizers import Tokenizer

from solver.grid import InputError
from solver.model import Quantize, TextBase, forward_hidden, load_text_base
from tests.tiny_text_base import (
    ARCHITECTURES,
    BEGIN,
    CONTEXT,
    CPU,
    EOT,
    FIRST_SPECIAL,
    SPECIAL,
    STOP_IDS,
    VOCABULARY,
    random_lm,
    tiny_text_base,
    tiny_text_folder,
    write_text_base,
)


@pytest.fixture(scope="module")
def base() -> TextBase:
    return tiny_text_base()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny text base's files, to be changed."""
    return shutil.copytree(tiny_text_folder(), tmp_path / "base")


def load(folder: Path, quantize: Quantize = Quantize.NONE) -> TextBase:
    return load_text_base(folder, CPU, quantize, torch.float32)


def change(file: Path, **values: Any) -> None:
    """Sets fields of a JSON file; None removes one."""
    content = json.loads(file.read_text()) | values
    file.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def test_text_holds_its_own_special_tokens_and_gets_no_others(base: TextBase) -> None:
    assert base.encode("") == []
    ids = base.encode(f"{BEGIN}a 0{EOT}")
    assert ids[0] == FIRST_SPECIAL
    assert ids[-1] == FIRST_SPECIAL + SPECIAL.index(EOT)
    assert len(ids) == 5
    assert base.tokenizer.encode("a").ids == [FIRST_SPECIAL, *base.encode("a")], "the file itself asks for a beginning"


@pytest.mark.parametrize("text", ["0 1\n2 3", "def f(x):\n    return x  # é ☃ 🙂", " leading and trailing ", "\t\r\n"])
def test_texts_come_back_without_their_special_tokens(base: TextBase, text: str) -> None:
    ids = base.encode(text)
    assert len(ids) == len(text.encode())
    assert all(token < FIRST_SPECIAL for token in ids)
    assert base.decode(ids) == text
    assert base.decode([FIRST_SPECIAL, *ids, *STOP_IDS]) == text


def test_every_special_token_is_one_token(base: TextBase) -> None:
    assert base.encode("".join(SPECIAL)) == list(range(FIRST_SPECIAL, FIRST_SPECIAL + len(SPECIAL)))


def test_a_tokenizer_file_that_cuts_or_fills_up_is_not_obeyed(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=16)
    tokenizer.save(str(folder / "tokenizer.json"))
    loaded = load(folder)
    assert [len(loaded.encode("x" * length)) for length in (1, 4, 100)] == [1, 4, 100]


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_a_loaded_base_is_the_saved_model_frozen_and_without_an_adapter(architecture: str) -> None:
    base = tiny_text_base(architecture)
    saved = dict(random_lm(architecture).named_parameters())
    loaded = dict(base.lm.named_parameters())
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(weight, saved[name]) for name, weight in loaded.items())
    assert not any(weight.requires_grad for weight in loaded.values())
    assert (base.context, base.vocabulary, base.stop_ids) == (CONTEXT, VOCABULARY, frozenset(STOP_IDS))


def test_a_base_in_four_bits_answers_like_the_whole_one(base: TextBase) -> None:
    small = tiny_text_base(quantize=Quantize.NF4)
    layers = [layer for layer in small.lm.modules() if isinstance(layer, Linear4bit)]
    assert small.quantize is Quantize.NF4
    assert len(layers) == 2 * 7
    assert all(layer.weight.dtype is torch.uint8 for layer in layers)
    prompt = base.encode(f"{BEGIN}0 1 2")
    (_, exact), (_, rounded) = base.read(prompt), small.read(prompt)
    assert 1e-3 < (exact - rounded).abs().mean() < 0.5 * exact.std()
    assert torch.equal(small.read(prompt)[1], rounded)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_reading_a_prompt_and_going_on_are_plain_forwards(architecture: str) -> None:
    base = tiny_text_base(architecture)
    ids = base.encode(f"{BEGIN}0 1 2\n3 4 5")
    with torch.no_grad():
        expected = base.lm.lm_head(forward_hidden(base.lm, torch.tensor([ids]), torch.arange(len(ids))[None]))[0]
    cache, first = base.read(ids[:8])
    cache.allocate(2, 10)
    rest = base.next_logits(torch.tensor([ids[8:]] * 2), cache)
    torch.testing.assert_close(first, expected[7], atol=1e-4, rtol=1e-4)
    for row in rest:
        torch.testing.assert_close(row, expected[8:], atol=1e-4, rtol=1e-4)
    assert expected.std() > 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_bytes_of_a_token_are_those_that_the_cache_takes(architecture: str, dtype: torch.dtype) -> None:
    base = tiny_text_base(architecture, dtype=dtype)
    cache, _ = base.read([1, 2, 3])
    assert sum(part.nbytes for layer in cache.prefix for part in layer) == 3 * base.token_bytes()


@pytest.mark.parametrize(
    ("generation", "config", "expected"),
    [
        ([257, 260], [261], {257, 260}),
        (258, [261], {258}),
        (None, [261, 257], {261, 257}),
        (None, 0, {0}),
        ("no file", 261, {261}),
    ],
)
def test_a_text_ends_where_the_files_say(folder: Path, generation: Any, config: Any, expected: set[int]) -> None:
    change(folder / "config.json", eos_token_id=config)
    if generation == "no file":
        (folder / "generation_config.json").unlink()
    else:
        change(folder / "generation_config.json", eos_token_id=generation)
    assert load(folder).stop_ids == expected


@pytest.mark.parametrize("name", ["generation_config.json", "config.json"])
@pytest.mark.parametrize("value", [[], ["<|eot_id|>"], "<|eot_id|>", [VOCABULARY], -1, True, [257, None]])
def test_a_base_whose_texts_never_end_is_an_input_error(folder: Path, name: str, value: Any) -> None:
    change(folder / "generation_config.json", eos_token_id=None)
    change(folder / name, eos_token_id=value)
    assert_refused(folder, name, "eos_token_id")


def test_a_base_that_names_no_end_at_all_is_an_input_error(folder: Path) -> None:
    change(folder / "generation_config.json", eos_token_id=None)
    change(folder / "config.json", eos_token_id=None)
    assert_refused(folder, "config.json", "eos_token_id")


@pytest.mark.parametrize("field", ["max_position_embeddings", "vocab_size"])
@pytest.mark.parametrize("value", [None, 0, "many", 4096.0])
def test_a_size_that_is_missing_or_none_is_an_input_error(folder: Path, field: str, value: Any) -> None:
    change(folder / "config.json", **{field: value})
    assert_refused(folder, "config.json", field)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_missing_file_is_an_input_error(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert_refused(folder, name, "no such file")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "generation_config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00", b"[]"])
def test_a_broken_file_is_an_input_error(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    if (name, content) == ("generation_config.json", b"[]"):
        change(folder / "config.json", eos_token_id=[])
        name = "config.json"
    assert_refused(folder, name)


def test_a_tokenizer_of_a_larger_vocabulary_is_an_input_error(tmp_path: Path) -> None:
    folder = write_text_base(tmp_path / "base", vocab_size=VOCABULARY - 1, eos_token_id=261, stop_scale=1.0)
    assert_refused(folder, "tokenizer.json", f"token {VOCABULARY - 1}")


def test_a_base_that_forgets_its_prompt_is_an_input_error(tmp_path: Path) -> None:
    folder = write_text_base(tmp_path / "base", "qwen3", use_sliding_window=True, sliding_window=8, max_window_layers=0)
    assert_refused(folder, "config.json", "sliding_window")


def test_weights_that_do_not_fill_the_model_are_an_input_error(folder: Path) -> None:
    change(folder / "config.json", num_hidden_layers=3)
    assert_refused(folder, str(folder), "weights are missing")


def assert_refused(folder: Path, *words: str) -> None:
    """Loading fails with one line that holds the words."""
    with pytest.raises(InputError) as caught:
        load(folder)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
