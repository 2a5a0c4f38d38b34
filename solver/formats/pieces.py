"""A wording in the tokens of one tokenizer: what stands before, between and after cells, piece by piece.

A cell's word is split off from its surroundings by every tokenizer that these formats are used with, so the tokens of
a text are those of its pieces, one after the other, and an episode is put together without tokenizing it. That this
is so is checked when a base is loaded (`solver.formats.checks`).
"""

from __future__ import annotations

from dataclasses import dataclass

from solver.formats.tokenizer import Vocabulary
from solver.formats.wording import NUMBER, Wording
from solver.grid import COLOURS, InputError

Tokens = tuple[int, ...]

MOST_NUMBERED = 64
"""Demonstrations that a format which numbers them can show."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The tokens between two grids. closes: how many of the first belong to the grid before; opens: how many of the
    last belong to the grid after."""

    ids: Tokens
    closes: int = 0
    opens: int = 0


@dataclass(frozen=True, slots=True)
class Pieces:
    """A format's tokens.

    first, following: by colour, of a row's first cell, and of a later one with what separates it from the one before;
    rows: between rows; start, lone: before the first grid, where that is a demonstration's and where it is the query;
    middle: between an input and its output; nexts: between an output and the next input, by that demonstration's
    number from 2 on, the last for all others unless numbered; query: between the last output and the query; ask: from
    the query to where the answer begins; answer_open, answer_end: around the answer's cells; stop: the last token.
    """

    first: tuple[Tokens, ...]
    following: tuple[Tokens, ...]
    rows: Tokens
    start: Gap
    lone: Gap
    middle: Gap
    nexts: tuple[Gap, ...]
    numbered: bool
    query: Gap
    ask: Tokens
    answer_open: Tokens
    answer_end: Tokens

    @property
    def stop(self) -> int:
        return self.answer_end[-1]


def pieces_of(wording: Wording, vocabulary: Vocabulary) -> Pieces:
    """Raises `InputError` naming the tokenizer's file if it lacks a token, or its stop is not one token."""
    grid = wording.grid
    numbered = NUMBER in wording.before_input
    last = MOST_NUMBERED if numbered else 2

    def gap(close: str, neutral: str, opens: str) -> Gap:
        return _gap(vocabulary, close, neutral, opens)

    closed = grid.close + wording.output_end
    found = Pieces(
        first=tuple(vocabulary.encode(word) for word in grid.colours),
        following=tuple(_after_a_cell(vocabulary, grid.colours[0], grid.cells + word) for word in grid.colours),
        rows=vocabulary.encode(grid.rows),
        start=gap("", wording.head + wording.opening(1), grid.open),
        lone=gap("", wording.head + wording.before_query, grid.open),
        middle=gap(grid.close, wording.before_output, grid.open),
        nexts=tuple(gap(closed, wording.between + wording.opening(n), grid.open) for n in range(2, last + 1)),
        numbered=numbered,
        query=gap(closed, wording.last + wording.before_query, grid.open),
        ask=vocabulary.encode(grid.close + wording.before_answer),
        answer_open=vocabulary.encode(grid.open) if grid.open else (),
        answer_end=vocabulary.encode(grid.close + wording.answer_end),
    )
    if vocabulary.token(wording.stop) != found.stop:
        raise InputError(f"{vocabulary.file}: does not write {wording.stop!r}, where answers stop, as one token")
    if len(set(found.first)) < COLOURS or len(set(found.following)) < COLOURS:
        raise InputError(f"{vocabulary.file}: writes two colours of {grid.colours} alike")
    return found


def _after_a_cell(vocabulary: Vocabulary, word: str, more: str) -> Tokens:
    """The tokens of a cell that is not its row's first, without those of the one before.

    Where the two would merge, as digits do in some vocabularies, the tokens of the cell by itself.
    """
    spans = vocabulary.spans(word + more)
    if any(start < len(word) < end for _, start, end in spans):
        return vocabulary.encode(more)
    return tuple(number for number, _, end in spans if end > len(word))


def _gap(vocabulary: Vocabulary, close: str, neutral: str, opens: str) -> Gap:
    """A token on a border belongs to the grid."""
    text = close + neutral + opens
    if not text:
        raise ValueError("grids with nothing between them cannot be told apart")
    spans = vocabulary.spans(text)
    closes = sum(start < len(close) for _, start, _ in spans)
    opening = sum(end > len(close + neutral) for _, _, end in spans)
    return Gap(tuple(number for number, _, _ in spans), closes, opening)
