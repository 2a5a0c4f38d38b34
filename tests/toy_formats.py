"""Text formats over a byte-level vocabulary: every letter is a token, so that cells take one to eight of them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from solver.formats import TextFormat, Vocabulary, build_format, from_content
from tests.tiny_text_base import BEGIN, END_OF_TEXT, byte_tokenizer

NAMES = ("marc", "barc", "plain")


@cache
def byte_vocabulary() -> Vocabulary:
    return from_content(json.loads(byte_tokenizer().to_str()), Path("bytes/tokenizer.json"))


@cache
def byte_format(name: str) -> TextFormat:
    """marc's, with two tokens per cell and several at the ends of rows; barc's, with words that begin alike; or plain
    digits."""
    return build_format(name, byte_vocabulary(), BEGIN, END_OF_TEXT)
