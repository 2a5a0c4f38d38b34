"""Tokenizers that come as ranked byte strings (Llama 3's `tokenizer.model`, Mistral's `tekken.json`), as a
`tokenizer.json` in the form of the `tokenizers` library. Pure.

A merge joins two tokens into a third; the earlier the third's rank, the earlier it is made. So the merges are all ways
to split a token into two others, in the order of ranks.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]

LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)

LLAMA3_SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|step_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
)
"""Of Llama 3.1 and later; 245 reserved ones follow, so that there are 256."""


def from_llama3(text: str) -> Json:
    """`tokenizer.model` of Llama 3: a line for each token, base64 and rank. Raises ValueError for anything else."""
    try:
        pairs = [line.split() for line in text.splitlines() if line]
        tokens = {base64.b64decode(token, validate=True): int(rank) for token, rank in pairs}
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not a list of base64 tokens and ranks ({error})") from None
    if not tokens:
        raise ValueError("holds no tokens")
    reserved = (f"<|reserved_special_token_{number}|>" for number in range(2, 247))
    special = {token: len(tokens) + number for number, token in enumerate((*LLAMA3_SPECIAL, *reserved))}
    return tokenizer_json(tokens, special, LLAMA3_PATTERN, ignore_merges=True)


def from_tekken(content: Json) -> Json:
    """Mistral's `tekken.json`: special tokens first, then the ranked ones. Raises KeyError, TypeError or ValueError for
    anything else."""
    config = content["config"]
    special_count = int(config["default_num_special_tokens"])
    size = int(config["default_vocab_size"]) - special_count
    ranked = enumerate(content["vocab"][:size], start=special_count)
    tokens = {base64.b64decode(one["token_bytes"]): number for number, one in ranked}
    listed = content.get("special_tokens")
    named = {int(one["rank"]): str(one["token_str"]) for one in listed} if listed else dict(enumerate(TEKKEN_SPECIAL))
    special = {named.get(number, f"<SPECIAL_{number}>"): number for number in range(special_count)}
    return tokenizer_json(tokens, special, str(config["pattern"]), ignore_merges=True)


TEKKEN_SPECIAL = ("<unk>", "<s>", "</s>")
"""The first three of files that do not list them; the others have no part in any format."""


def tokenizer_json(
    tokens: Mapping[bytes, int], special: Mapping[str, int], pattern: str, ignore_merges: bool = False
) -> Json:
    """A byte-level BPE whose ids are given; text is split by the pattern first."""
    letters = byte_letters()
    written = {token: "".join(letters[byte] for byte in token) for token in tokens}
    vocabulary = {written[token]: number for token, number in tokens.items()}
    # The library numbers special tokens after all others, unless the vocabulary itself has them.
    if min(special.values()) < len(vocabulary):
        vocabulary |= special
    return {
        "version": "1.0",
        "added_tokens": [added_token(token, number) for token, number in special.items()],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": ignore_merges,
            "vocab": vocabulary,
            "merges": [[written[left], written[right]] for left, right in merges(tokens)],
        },
    }


def added_token(token: str, number: int) -> Json:
    """A special token as a tokenizer.json lists it."""
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": token, **plain, "special": True}


def merges(tokens: Mapping[bytes, int]) -> Sequence[tuple[bytes, bytes]]:
    """All pairs of tokens that make a third, in the order in which they are tried."""
    found = []
    for token, rank in tokens.items():
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in tokens and right in tokens:
                found.append((rank, tokens[left], tokens[right], left, right))
    return [(left, right) for _, _, _, left, right in sorted(found)]


def byte_letters() -> dict[int, str]:
    """The letter that stands for each byte in a byte-level vocabulary: itself where it can be seen, as in GPT-2."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + number) for number, byte in enumerate(others)}


def dumps(content: Json) -> str:
    """The file's text."""
    return json.dumps(content, ensure_ascii=False)
