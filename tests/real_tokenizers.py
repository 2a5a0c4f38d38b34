"""Tokenizers of public checkpoints: real ones from Python packages, and those that their authors made from them.

`tests/requirements.txt` says which packages. Without them the tests that need them are skipped.
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from solver.formats import TextFormat, Vocabulary, Wording, build_format, from_content, read_vocabulary, wording_of
from solver.formats.tiktoken import added_token, byte_letters, from_llama3, from_tekken


def has_package(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


needs_packages = pytest.mark.skipif(
    not (has_package("llama_models") and has_package("mistral_common")),
    reason="the packages of tests/requirements.txt are not installed",
)


def package_file(package: str, *parts: str) -> Path:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]).joinpath(*parts)


@cache
def llama3_content() -> dict[str, Any]:
    return from_llama3(package_file("llama_models", "llama3", "tokenizer.model").read_text())


@cache
def llama3() -> Vocabulary:
    """Of all Llama 3 models."""
    return read_vocabulary(package_file("llama_models", "llama3"))


@cache
def tekken() -> Vocabulary:
    """Of Mistral-NeMo and its descendant Minitron."""
    file = package_file("mistral_common", "data", "tekken_240718.json")
    return from_content(from_tekken(json.loads(file.read_text())), file)


def letters_of(text: str) -> str:
    """A text as a byte-level vocabulary writes it."""
    letters = byte_letters()
    return "".join(letters[byte] for byte in text.encode())


def shrunk(content: dict[str, Any], begin: str, end: str) -> dict[str, Any]:
    """What the ARChitects' code makes of a tokenizer: single characters, no merges, the tokens at the ends."""
    content = json.loads(json.dumps(content))
    characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!?.:,;*+/-="
    old = {token["content"]: token["id"] for token in content["added_tokens"]} | content["model"]["vocab"]
    kept = sorted([begin, end, *characters, letters_of("\n")], key=lambda token: old[token])
    content["model"] |= {"vocab": {token: number for number, token in enumerate(kept)}, "merges": []}
    content["added_tokens"] = [added_token(token, kept.index(token)) for token in (begin, end)]
    return content


@cache
def architects_content() -> dict[str, Any]:
    """Of Mistral-NeMo's."""
    return shrunk(tekken().content, "<s>", "</s>")


@cache
def architects() -> Vocabulary:
    return from_content(architects_content(), Path("architects/tokenizer.json"))


def nvarc_content() -> dict[str, Any]:
    """NVARC's 16 tokens."""
    words = [*"0123456789", letters_of("\n"), "user", "assistant"]
    special = {"<|pad|>": 13, "<|im_start|>": 14, "<|im_end|>": 15}
    content = json.loads(json.dumps(tekken().content))
    content["model"] |= {"vocab": {word: number for number, word in enumerate(words)} | special, "merges": []}
    content["model"]["ignore_merges"] = True
    content["added_tokens"] = [added_token(token, number) for token, number in special.items()]
    return content


@cache
def nvarc() -> Vocabulary:
    return from_content(nvarc_content(), Path("nvarc/tokenizer.json"))


FORMATS: dict[str, tuple[Any, str, str]] = {
    "marc": (llama3, "", ""),
    "barc": (llama3, "", ""),
    "architects": (tekken, "<s>", "</s>"),
    "nvarc": (nvarc, "", ""),
    "plain": (llama3, "<|begin_of_text|>", "<|end_of_text|>"),
}
"""Every format with a tokenizer that it is used with, and that tokenizer's beginning and end."""


@cache
def real_format(name: str) -> tuple[Wording, TextFormat, Vocabulary]:
    """A format by name, in the tokens that its checkpoint has."""
    tokenizer, begin, end = FORMATS[name]
    vocabulary = tokenizer()
    return wording_of(name, begin, end), build_format(name, vocabulary, begin, end), vocabulary
