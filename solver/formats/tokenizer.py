"""A base's tokenizer, as its files describe it. The only module of this room that knows the `tokenizers` library.

transformers' own loaders drop tokens of some files without a word (its version 5 those of NVARC's 16), so the file is
read as it is. A folder without a tokenizer.json may hold Llama 3's `tokenizer.model` or Mistral's `tekken.json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Encoding, Tokenizer

from solver.formats.gguf import gguf_file, gguf_tokenizer
from solver.formats.tiktoken import dumps, from_llama3, from_tekken
from solver.grid import InputError

TOKENIZER_JSON = "tokenizer.json"


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """A tokenizer and where it comes from. content: as a tokenizer.json; file: named in messages."""

    tokenizer: Tokenizer
    content: dict[str, Any]
    file: Path

    def spans(self, text: str) -> list[tuple[int, int, int]]:
        """(id, start, end) of the text's tokens, in characters; none are added at the ends.

        Raises `InputError` where the text is not covered by tokens: some tokenizers drop what they do not know.
        """
        encoded = self._encode(text)
        unknown = self._unknown()
        found, reached = [], 0
        for number, (start, end) in zip(encoded.ids, encoded.offsets, strict=True):
            if start > reached or number == unknown:
                raise self._lacks(text[reached : start if start > reached else end])
            found.append((number, start, end))
            reached = max(reached, end)
        if reached < len(text):
            raise self._lacks(text[reached:])
        return found

    def encode(self, text: str) -> tuple[int, ...]:
        """The text's tokens; raises `InputError` as `spans` does."""
        return tuple(number for number, _, _ in self.spans(text))

    def beginning(self) -> str | None:
        """The token that the tokenizer puts before every text, if it does."""
        ids, plain = self._encode("0", borders=True).ids, self._encode("0").ids
        return self.name(ids[0]) if ids[: len(plain)] != plain else None

    def token(self, name: str) -> int | None:
        """The id of a token by its name."""
        found: int | None = self.tokenizer.token_to_id(name)
        return found

    def name(self, number: int) -> str | None:
        found: str | None = self.tokenizer.id_to_token(number)
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones included."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def size(self) -> int:
        """One more than the largest id."""
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def _encode(self, text: str, borders: bool = False) -> Encoding:
        try:
            return self.tokenizer.encode(text, add_special_tokens=borders)
        except Exception as error:  # The library raises nothing narrower.
            raise InputError(f"{self.file}: cannot write {text!r} ({str(error).splitlines()[0]})") from error

    def _unknown(self) -> int | None:
        name = self.content.get("model", {}).get("unk_token")
        return self.token(name) if isinstance(name, str) else None

    def _lacks(self, text: str) -> InputError:
        return InputError(
            f"{self.file}: has no token for {text!r}, which this base's format writes: a token was dropped "
            "(transformers 5 does so when it saves some tokenizers); put the tokenizer.json that came with the "
            "checkpoint in its place"
        )


def read_vocabulary(folder: Path) -> Vocabulary:
    """The tokenizer of a base's folder, or of a GGUF file; raises `InputError` naming the file that is missing or
    wrong."""
    file = tokenizer_file(folder)
    state = file.stat()
    return _read(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)
def _read(file: Path, *_: int) -> Vocabulary:
    """Remembered while the file is the same: a base is looked at several times, and 100,000 tokens take seconds."""
    return from_content(_content(file), file)


def read_content(folder: Path) -> tuple[dict[str, Any], Path]:
    """What the tokenizer's file holds, as a tokenizer.json, and the file; raises `InputError` as `read_vocabulary`."""
    file = tokenizer_file(folder)
    return _content(file), file


def tokenizer_file(folder: Path) -> Path:
    """The file in which a base's tokenizer is; raises `InputError` if there is none."""
    if gguf := gguf_file(folder):
        return gguf
    for name in _FILES:
        if (folder / name).exists():
            return folder / name
    raise InputError(f"{folder / TOKENIZER_JSON}: no such file")


def from_content(content: dict[str, Any], file: Path) -> Vocabulary:
    """A tokenizer from what a tokenizer.json holds; file: named in messages. Raises `InputError` if it is none."""
    try:
        tokenizer = Tokenizer.from_str(dumps(content))
    except Exception as error:  # The library raises nothing narrower.
        raise InputError(f"{file}: not a readable tokenizer ({str(error).splitlines()[0]})") from error
    # A prompt must never be cut or filled up in silence.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return Vocabulary(tokenizer, content, file)


def _content(file: Path) -> dict[str, Any]:
    if file.suffix == ".gguf":
        return gguf_tokenizer(file)
    try:
        content = _FILES[file.name](file.read_text(encoding="utf-8"))
        if not isinstance(content["model"]["vocab"], dict | list):
            raise TypeError("its vocabulary is neither an object nor a list")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: not a readable tokenizer ({error!r})") from None
    found: dict[str, Any] = content
    return found


_FILES: dict[str, Callable[[str], Any]] = {
    TOKENIZER_JSON: json.loads,
    "tekken.json": lambda text: from_tekken(json.loads(text)),
    "tokenizer.model": from_llama3,
}
"""In the order in which they are looked for, with what makes a tokenizer.json of them."""
