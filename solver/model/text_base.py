"""A base that writes text: a frozen causal LM, its tokenizer, and which tokens end a text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from solver.grid import InputError
from solver.model.devices import native_dtype
from solver.model.loading import Quantize, load_lm
from solver.model.lora import keep_unpacked
from solver.model.prefix_cache import SharedPrefixCache
from solver.model.running import read_on, read_prompts
from solver.profiles import check_files


@dataclass(frozen=True, slots=True, eq=False)
class TextBase:
    """A loaded text base.

    lm: a transformers causal LM without gradients; stop_ids: the tokens that end a text; context: longest sequence in
    tokens, answer included; vocabulary: number of logits.
    """

    lm: Any
    tokenizer: Tokenizer
    folder: Path
    device: torch.device
    dtype: torch.dtype
    quantize: Quantize
    stop_ids: frozenset[int]
    context: int
    vocabulary: int

    def encode(self, text: str) -> list[int]:
        """The text's tokens. It holds its special tokens itself, such as `<|begin_of_text|>`; none are added."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the tokens, special ones left out."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True)

    def token_bytes(self) -> int:
        """Bytes of one token's keys and values in all layers."""
        config = self.lm.config
        width: int = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        vectors: int = 2 * config.num_hidden_layers * config.num_key_value_heads
        return vectors * width * self.dtype.itemsize

    def read(self, ids: Sequence[int]) -> tuple[SharedPrefixCache, Tensor]:
        """A cache that holds the prompt and no rows yet, and the logits [V] after the prompt."""
        cache = SharedPrefixCache()
        ids_1P = torch.tensor([ids], device=self.device)
        positions = torch.arange(len(ids), device=self.device)[None]
        with torch.inference_mode():
            return cache, read_prompts(self.lm, ids_1P, positions, cache)[0]

    def next_logits(self, ids: Tensor, cache: SharedPrefixCache) -> Tensor:
        """Logits [B, T, V] after each of T more tokens [B, T] of every row."""
        with torch.inference_mode():
            return read_on(self.lm, ids.to(self.device), cache)

    def recover(self) -> None:
        """Gives freed memory back, after there was too little of it."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def load_text_base(
    folder: Path, device: torch.device, quantize: Quantize, dtype: torch.dtype | None = None
) -> TextBase:
    """Loads a causal LM and its tokenizer; raises `InputError` naming the file that is missing or wrong.

    Small files first: what is wrong with them is found before gigabytes are read.
    """
    dtype = dtype or native_dtype(device)
    config = check_files(folder)
    vocabulary, context = (_positive(folder, config, name) for name in ("vocab_size", "max_position_embeddings"))
    tokenizer = _read_tokenizer(folder / "tokenizer.json", vocabulary)
    stop_ids = _read_stop_ids(folder, config, vocabulary)
    lm, quantize = load_lm(folder, device, quantize, dtype)
    if getattr(lm.config, "sliding_window", None):
        raise InputError(f"{folder / 'config.json'}: sliding_window: texts from such a base are not supported")
    keep_unpacked(lm)
    return TextBase(lm, tokenizer, folder, device, dtype, quantize, stop_ids, context, vocabulary)


def _positive(folder: Path, config: dict[str, Any], name: str) -> int:
    value = config.get(name)
    if type(value) is not int or value < 1:
        raise InputError(f"{folder / 'config.json'}: {name}: not a positive whole number")
    return value


def _read_tokenizer(file: Path, vocabulary: int) -> Tokenizer:
    """The tokenizer as the file describes it; transformers' own loaders drop tokens of some files without a word."""
    try:
        tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({error})") from None
    except Exception as error:  # The library raises nothing narrower.
        raise InputError(f"{file}: not a tokenizer ({str(error).splitlines()[0]})") from error
    largest = max(tokenizer.get_vocab().values(), default=0)
    if largest >= vocabulary:
        raise InputError(f"{file}: holds token {largest}, but the model knows {vocabulary} tokens")
    # A prompt must never be cut or filled up in silence.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _read_stop_ids(folder: Path, config: dict[str, Any], vocabulary: int) -> frozenset[int]:
    """`eos_token_id` of generation_config.json, or of config.json where the former has none: a number or several."""
    file, found = folder / "generation_config.json", None
    if file.exists():
        try:
            settings = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: cannot be read ({error})") from None
        found = settings.get("eos_token_id") if isinstance(settings, dict) else None
    if found is None:
        file, found = folder / "config.json", config.get("eos_token_id")
    ids = found if isinstance(found, list) else [found]
    if not ids or not all(type(token) is int and 0 <= token < vocabulary for token in ids):
        raise InputError(f"{file}: eos_token_id: {json.dumps(found)} names no token that could end a text")
    return frozenset(ids)
