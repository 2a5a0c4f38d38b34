"""From a wording's name and a tokenizer to a format that was checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from solver.formats.architects import architects, plain
from solver.formats.barc import BARC
from solver.formats.checks import Golden, check_golden, check_text
from solver.formats.marc import MARC
from solver.formats.nvarc import NVARC
from solver.formats.pieces import pieces_of
from solver.formats.text_format import TextFormat, number_tokens
from solver.formats.tokenizer import Vocabulary
from solver.formats.wording import Wording
from solver.grid import InputError

WORDINGS: Mapping[str, Callable[[str, str], Wording]] = MappingProxyType(
    {
        "marc": lambda begin, end: MARC,
        "barc": lambda begin, end: BARC,
        "architects": architects,
        "nvarc": lambda begin, end: NVARC,
        "plain": plain,
    }
)
"""By name: the tokenizer's tokens of the beginning and the end of a sequence -> how episodes are written."""

PADDING = ("<|finetune_right_pad_id|>", "<pad>", "<|pad|>", "[PAD]", "<|endoftext|>")
"""Tokens that serve as padding, where a tokenizer has one of them."""


def build_format(name: str, vocabulary: Vocabulary, begin: str, end: str, golden: Golden = ()) -> TextFormat:
    """The format of that name in a tokenizer's tokens; raises `InputError` naming the tokenizer's file and what is
    wrong with it. begin may be empty."""
    check_golden(vocabulary, golden)
    wording = wording_of(name, begin, end)
    pieces = pieces_of(wording, vocabulary)
    pad = next((number for token in PADDING if (number := vocabulary.token(token)) is not None), None)
    try:
        fmt = number_tokens(name, pieces, pad)
    except ValueError as error:
        raise InputError(f"{vocabulary.file}: cannot write grids in format {name} ({error})") from None
    check_text(wording, fmt, vocabulary)
    return fmt


def wording_of(name: str, begin: str, end: str) -> Wording:
    """Raises `InputError` if there is no end where the format needs one."""
    if not end and name in ("architects", "plain"):
        raise InputError("the tokenizer has no token for the end of a sequence (eos_token), where answers would stop")
    return WORDINGS[name](begin, end)
