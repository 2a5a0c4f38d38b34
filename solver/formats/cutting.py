"""A tokenizer cut to the tokens that a format needs: the same ids for the same texts, numbered from 0. Pure.

Byte-level BPE makes a token by merging shorter ones. Kept are the tokens needed and those that their merges go through,
with the merges between kept tokens: the merges that make a needed text's tokens are among them, and no others can come
in between that did not before.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from solver.formats.tokenizer import Vocabulary
from solver.grid import InputError


def needed_tokens(vocabulary: Vocabulary, table: Iterable[int], more: Iterable[str]) -> list[int]:
    """The tokens of a table and of some names, and those that these are merged from, in ascending order.

    Raises `InputError` for a tokenizer that is not a BPE.
    """
    model = vocabulary.content["model"]
    if model.get("type") != "BPE":
        raise InputError(f"{vocabulary.file}: only BPE tokenizers can be cut, this is a {model.get('type')}")
    names = {number: name for name, number in model["vocab"].items()}
    needed = {number for name in more if (number := vocabulary.token(name)) is not None} | set(table)
    parts = _parts(model["merges"])
    pending = [names[number] for number in needed if number in names]
    while pending:
        for part in parts.get(pending.pop(), ()):
            number = model["vocab"].get(part)
            if number is not None and number not in needed:
                needed.add(number)
                pending.append(part)
    return sorted(needed)


def _parts(merges: Sequence[Any]) -> dict[str, tuple[str, str]]:
    """By token, the two that the first merge makes it of."""
    found: dict[str, tuple[str, str]] = {}
    for merge in merges:
        left, right = _pair(merge)
        found.setdefault(left + right, (left, right))
    return found


def _pair(merge: Any) -> tuple[str, str]:
    """A merge, as files of either age write it."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return str(left), str(right)


def cut_content(content: dict[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """The tokenizer.json that knows only these tokens; token number i becomes what `kept[i]` was.

    Nothing is put before a text any more: what a format begins with is part of it.
    """
    numbers = {old: new for new, old in enumerate(kept)}
    cut = copy.deepcopy({name: value for name, value in content.items() if name != "model"})
    model = dict(content["model"])
    vocabulary = {name: numbers[old] for name, old in model["vocab"].items() if old in numbers}
    merges = (_pair(merge) for merge in model["merges"])
    model["vocab"] = vocabulary
    model["merges"] = [
        [left, right]
        for left, right in merges
        if left in vocabulary and right in vocabulary and left + right in vocabulary
    ]
    added = [token | {"id": numbers[token["id"]]} for token in content["added_tokens"] if token["id"] in numbers]
    # The library numbers added tokens after the vocabulary, unless the vocabulary itself has them.
    model["vocab"] |= {token["content"]: token["id"] for token in added}
    return cut | {"model": model, "added_tokens": added, "post_processor": None}
