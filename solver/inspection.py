"""Files become profiles: which format and recipe a base's config, tokenizer and path speak for. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from solver.checkpoints import CONFIG, Checkpoint, borders, check_files, open_checkpoint
from solver.formats import (
    TOKENIZER_JSON,
    WORDINGS,
    Vocabulary,
    build_format,
    read_content,
    read_vocabulary,
)
from solver.grid import InputError
from solver.prompt import NATIVE_TOKENS, NativeFormat
from solver.public_bases import ANY_LICENCE, PLAIN_LORA, PLAIN_TTT, PUBLIC, PublicBase, public_base
from solver.recipes import LoraSettings, Profile, TttSettings

ARC_FORMAT = "arc_format"
"""In the config.json of bases that this kit has written: the public base whose format and recipe they have, or a format
alone."""

NATIVE_FOLDER = Path(__file__).parent / "base" / "native"

NATIVE = Profile(
    name="native",
    folder=NATIVE_FOLDER,
    format=NativeFormat(),
    context=8192,
    lora=LoraSettings(rank=64, alpha=64, targets="all-linear"),
    ttt=TttSettings(lr=4e-3, epochs=8, batch=4, step_tokens=1024, micro_tokens=4096, first_supervised=0),
    small=True,
    licence="MIT-0",
    seen=("arc1-training", "arc2-training"),
    left_out=("arc1-evaluation", "arc2-evaluation"),
)

LARGE_LORA = LoraSettings(rank=128, alpha=16)
LARGE_TTT = TttSettings(lr=5e-5)
SMALL_PARAMETERS = 30_000_000

MOST_CONTEXT = 8192
"""Of a base about which nothing else is known: 99 % of ARC-AGI-1 tasks fit at one token per cell."""

NVARC_TOKENS, ARCHITECTS_TOKENS = 16, 128
"""Most tokens of vocabularies that are recognised by themselves."""


def recognise(place: Path, root: Path | None = None) -> PublicBase | None:
    """The public base whose words all stand in the place's path: below the root, or in its last few parts."""
    parts = place.relative_to(root).parts if root else place.absolute().parts[-5:]
    path = "/".join(parts).lower()
    return next((base for base in PUBLIC if all(_holds(path, word) for word in base.words)), None)


def _holds(path: str, word: str) -> bool:
    """Whether the word begins somewhere in the path: 11b is not 1b."""
    return re.search(rf"(?<![0-9a-z]){re.escape(word)}", path) is not None


def inspect_base(place: Path, public: PublicBase | None = None, roots: Sequence[Path] = ()) -> Profile:
    """The profile of a folder or GGUF file, by its config, its tokenizer and its path; raises `InputError` when none
    fits. public: whose format and recipe it has, if that is known; roots: where an adapter's base may be."""
    checkpoint = open_checkpoint(place, roots)
    size = checkpoint.config.get("vocab_size")
    if public is None and size in (None, len(NATIVE_TOKENS)) and _is_native(checkpoint):
        return _native_profile(checkpoint)
    vocabulary = base_vocabulary(checkpoint)
    _check_architecture(checkpoint)
    written = str(checkpoint.config.get(ARC_FORMAT))
    own = public_base(written)
    known = public or own or (None if written in WORDINGS else recognise(place) or _by_vocabulary(vocabulary))
    profile = _profile(checkpoint, known)
    begin, end = borders(checkpoint, vocabulary)
    # A base that was cut has its own numbers for the same tokens.
    golden = () if known is None or own else known.golden
    name = known.format if known else written if written in WORDINGS else "plain"
    fmt = build_format(name, vocabulary, begin, end, golden)
    if type(size) is not int or max(fmt.table) >= size:
        raise InputError(f"{vocabulary.file}: holds token {max(fmt.table)}, but the model knows {size} tokens")
    return replace(profile, format=fmt)


def check_base(profile: Profile, roots: Sequence[Path] = ()) -> list[str]:
    """What is wrong with a base's files and tokenizer, a line each; empty when all is well."""
    try:
        if profile.folder == NATIVE.folder:
            check_files(profile.folder)
        else:
            inspect_base(profile.folder, public_base(profile.name), roots)
    except InputError as error:
        return [str(error)]
    return []


def _is_native(checkpoint: Checkpoint) -> bool:
    content, _ = read_content(_tokenizer(checkpoint))
    tokens: object = content["model"]["vocab"]
    return tokens == {token: number for number, token in enumerate(NATIVE_TOKENS)}


def base_vocabulary(checkpoint: Checkpoint) -> Vocabulary:
    """The tokenizer that a base is used with. Raises `InputError` naming the file that is missing or wrong."""
    return read_vocabulary(_tokenizer(checkpoint))


def _tokenizer(checkpoint: Checkpoint) -> Path:
    """Where it is: beside an adapter, if that has one, or else with the base's weights."""
    place = checkpoint.adapter
    return place if place and (place / TOKENIZER_JSON).exists() else checkpoint.weights


def _native_profile(checkpoint: Checkpoint) -> Profile:
    config = checkpoint.config
    profile = replace(NATIVE, name=checkpoint.place.name, folder=checkpoint.place)
    if config.get("hidden_size", 0) ** 2 * 12 * config.get("num_hidden_layers", 0) > SMALL_PARAMETERS:
        profile = replace(profile, lora=LARGE_LORA, ttt=LARGE_TTT, small=False, decode_tokens=16384)
    geometric = config.get("position_scheme", "geometric") == "geometric"
    return replace(profile, format=NativeFormat(geometric=geometric))


def _profile(checkpoint: Checkpoint, known: PublicBase | None) -> Profile:
    """All but the format."""
    limit = checkpoint.config.get("max_position_embeddings")
    limit = limit if type(limit) is int else MOST_CONTEXT
    return Profile(
        name=known.name if known else checkpoint.place.stem,
        folder=checkpoint.place,
        format=NATIVE.format,
        context=min(limit, known.context if known else MOST_CONTEXT),
        lora=known.lora if known else PLAIN_LORA,
        ttt=known.ttt if known else PLAIN_TTT,
        permute_black=known.permute_black if known else True,
        decode_tokens=16384,
        licence=known.licence if known else ANY_LICENCE,
        seen=known.seen if known else (),
    )


def _by_vocabulary(vocabulary: Vocabulary) -> PublicBase | None:
    """NVARC's 16 tokens and the ARChitects' few letters are like no others."""
    size = vocabulary.size()
    if size <= NVARC_TOKENS and vocabulary.token("<|im_start|>") is not None:
        return public_base("nvarc-4b")
    letters = all(vocabulary.token(letter) is not None for letter in "ABCxyz+/-=")
    return public_base("architects-8b") if letters and size <= ARCHITECTS_TOKENS else None


def _check_architecture(checkpoint: Checkpoint) -> None:
    """Refuses what this kit's forward passes would get wrong without a sign."""
    config, file = checkpoint.config, checkpoint.weights / CONFIG
    for name in ("final_logit_softcapping", "logit_scale", "logits_scaling"):
        if config.get(name) not in (None, 1, 1.0):
            raise InputError(f"{file}: {name}: models whose head does more than multiply are not supported")
    if config.get("sliding_window") and config.get("use_sliding_window", True):
        raise InputError(f"{file}: sliding_window: models that do not see their whole context are not supported")
