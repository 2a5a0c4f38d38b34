"""Whether a base's tokenizer is the one that its format was trained with: told when the base is found."""

from __future__ import annotations

from collections.abc import Sequence

from solver.augmentation import Episode
from solver.formats.text_format import TextFormat
from solver.formats.tokenizer import Vocabulary
from solver.formats.wording import Wording
from solver.grid import Grid, InputError
from solver.task import Pair

Golden = Sequence[tuple[str, Sequence[int]]]
"""Texts and the tokens that the checkpoint's own tokenizer makes of them."""

SAMPLE = Episode(
    (
        Pair(Grid(((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (0, 0, 0, 1, 1, 1, 2, 0, 2, 4))), Grid(((1, 2), (3, 4)))),
        Pair(Grid(((5,),)), Grid(((0, 0, 0), (9, 8, 7)))),
    ),
    Grid(((7, 7, 7, 7), (1, 0, 0, 0))),
    Grid(((1, 2, 3), (4, 5, 6), (7, 8, 9))),
)
"""Every colour, first and later in its row; runs that tokenizers like to merge; one cell alone."""

MEND = "put the tokenizer.json that came with the checkpoint in its place"


def check_golden(vocabulary: Vocabulary, golden: Golden) -> None:
    """Raises `InputError` for the first text that is not written as it should be."""
    for text, ids in golden:
        found = vocabulary.encode(text)
        if found != tuple(ids):
            raise InputError(
                f"{vocabulary.file}: writes {text!r} as tokens {list(found)}, not as {list(ids)} as this base was "
                f"trained: it is another base's tokenizer, or has lost its order; {MEND}"
            )


def check_text(wording: Wording, fmt: TextFormat, vocabulary: Vocabulary) -> None:
    """Holds a sample put together from pieces against the tokens of its whole text.

    Raises `InputError` where they differ, as where digits merge; only for bases that read what their tokenizers write.
    """
    if not wording.natural:
        return
    text = wording.render(SAMPLE)
    pieces, spans = fmt.originals(fmt.encode(SAMPLE).ids), vocabulary.spans(text)
    for place, (number, start, end) in enumerate(spans):
        if place < len(pieces) and pieces[place] == number:
            continue
        around = text[max(0, start - 4) : end + 4]
        wanted = vocabulary.name(pieces[place]) if place < len(pieces) else None
        raise InputError(
            f"{vocabulary.file}: writes {text[start:end]!r} in {around!r} as one token ({number}) where this base "
            f"reads {wanted!r} by itself: tokens merge that must stay apart; {MEND}"
        )
    if len(pieces) != len(spans):
        raise InputError(f"{vocabulary.file}: writes a sample in {len(spans)} tokens instead of {len(pieces)}; {MEND}")
