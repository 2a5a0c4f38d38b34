"""The tokenizer inside a GGUF file, as a tokenizer.json: byte-level BPE, the kind that SmolLM2 and Llama 3 have."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from solver.formats.tiktoken import added_token
from solver.grid import InputError

CONTROL = 3
"""GGUF's type of special tokens."""


def gguf_file(place: Path) -> Path | None:
    """The GGUF file that a base consists of: the place itself, or the only one in a folder without config.json."""
    if place.suffix == ".gguf":
        return place if place.is_file() else None
    found = sorted(place.glob("*.gguf"))
    return found[0] if len(found) == 1 and not (place / "config.json").exists() else None


def gguf_fields(file: Path) -> dict[str, Any]:
    """Everything that the file says beside its weights. Raises `InputError` if it is no GGUF file, or if the package
    that reads such files is missing."""
    try:
        state = file.stat()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    return _fields(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)
def _fields(file: Path, *_: int) -> dict[str, Any]:
    """Remembered while the file is the same: it is asked for several times, and reading it takes seconds."""
    try:
        from gguf import GGUFReader
    except ImportError:
        raise InputError(f"{file}: reading GGUF files takes the package gguf (pip install gguf)") from None
    try:
        fields = GGUFReader(file).fields
        return {name: field.contents() for name, field in fields.items()}
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{file}: broken GGUF file ({error})") from None


def gguf_tokenizer(file: Path) -> dict[str, Any]:
    """Raises `InputError` for a tokenizer of another kind."""
    fields = gguf_fields(file)
    if fields.get("tokenizer.ggml.model") != "gpt2":
        raise InputError(f"{file}: its tokenizer is of kind {fields.get('tokenizer.ggml.model')!r}, not of gpt2's")
    tokens = fields["tokenizer.ggml.tokens"]
    kinds = fields.get("tokenizer.ggml.token_type") or [1] * len(tokens)
    special = [number for number, kind in enumerate(kinds) if kind == CONTROL]
    return {
        "version": "1.0",
        "added_tokens": [added_token(tokens[number], number) for number in special],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "unk_token": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in fields["tokenizer.ggml.merges"]],
        },
    }
