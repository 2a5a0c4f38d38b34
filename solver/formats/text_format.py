"""Episodes in the tokens of a text format, put together from its pieces; what an answer may go on with.

Tokens are numbered by the format itself: first those of answers, then the padding, then the others that a prompt may
hold. `table` says which of the checkpoint's tokens they are: a base is cut to them when it is loaded, which saves the
memory of 100,000 embeddings and makes every softmax one over what a format can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from solver.augmentation import Episode
from solver.formats.grammar import START, Grammar, Option, build
from solver.formats.pieces import Gap, Pieces, Tokens
from solver.grid import Grid, InputError
from solver.prompt import Decoding, Encoded, Ids, Mask

NEVER_FITS = 1 << 40
"""The length of an episode with more demonstrations than a format can number."""


@dataclass(frozen=True, slots=True)
class TextFormat:
    """See `solver.prompt.Format`. name: of the wording; pieces: in this format's numbering; table: [tokens], the
    checkpoint's token of each; vocabulary: tokens of answers and the padding; positions are 0, 1, 2, …"""

    name: str
    pieces: Pieces
    table: tuple[int, ...]
    vocabulary: int
    grammar: Grammar = field(compare=False, repr=False)

    @property
    def pad_id(self) -> int:
        return self.vocabulary - 1

    @property
    def stop_id(self) -> int:
        return self.pieces.stop

    def encode(self, episode: Episode, first_supervised: int = 1) -> Encoded:
        pieces, ids, mask = self.pieces, list[int](), list[bool]()
        if not self._can_number(len(episode.demonstrations)):
            raise ValueError(f"format {self.name} cannot number {len(episode.demonstrations)} demonstrations")

        def write(gap: Gap, closes: bool = False, opens: bool = False) -> None:
            """closes, opens: whether the grid before, or after, is a target."""
            neutral = len(gap.ids) - gap.closes - gap.opens
            ids.extend(gap.ids)
            mask.extend([closes] * gap.closes + [False] * neutral + [opens] * gap.opens)

        def write_grid(grid: Grid, target: bool = False) -> None:
            cells = self._cells(grid)
            ids.extend(cells)
            mask.extend([target] * len(cells))

        supervised = False
        write(pieces.start if episode.demonstrations else pieces.lone)
        for number, pair in enumerate(episode.demonstrations):
            if number:
                write(self._next(number), closes=supervised)
            supervised = number >= first_supervised
            write_grid(pair.input)
            write(pieces.middle, opens=supervised)
            write_grid(pair.output, supervised)
        if episode.demonstrations:
            write(pieces.query, closes=supervised)
        write_grid(episode.query)
        write(Gap(pieces.ask))
        if episode.answer is not None:
            answer = self._answer(episode.answer)
            ids.extend(answer)
            mask.extend([True] * len(answer))
        return Encoded(
            np.array(ids, dtype=np.int64), np.arange(len(ids), dtype=np.int64), np.array(mask, dtype=np.bool_)
        )

    def _can_number(self, demonstrations: int) -> bool:
        return not self.pieces.numbered or demonstrations <= len(self.pieces.nexts) + 1

    def _next(self, number: int) -> Gap:
        """What stands before demonstration `number`, counted from 0, which is not the first."""
        return self.pieces.nexts[number - 1 if self.pieces.numbered else 0]

    def _cells(self, grid: Grid) -> list[int]:
        first, following, ids = self.pieces.first, self.pieces.following, list[int]()
        for number, row in enumerate(grid.rows):
            if number:
                ids += self.pieces.rows
            ids += first[row[0]]
            for cell in row[1:]:
                ids += following[cell]
        return ids

    def _answer(self, grid: Grid) -> list[int]:
        return [*self.pieces.answer_open, *self._cells(grid), *self.pieces.answer_end]

    def length(self, episode: Episode) -> int:
        pieces, count = self.pieces, len(episode.demonstrations)
        if not self._can_number(count):
            return NEVER_FITS
        gaps = [pieces.start, pieces.query] if count else [pieces.lone]
        gaps += [pieces.middle] * count + [self._next(number) for number in range(1, count)]
        grids = [grid for pair in episode.demonstrations for grid in (pair.input, pair.output)]
        length = sum(len(gap.ids) for gap in gaps) + sum(map(self._cells_length, [*grids, episode.query]))
        return length + len(pieces.ask) + (0 if episode.answer is None else self.answer_length(episode.answer))

    def _cells_length(self, grid: Grid) -> int:
        cells, rows = grid.array(), len(self.pieces.rows)
        first, following = _lengths(self.pieces.first), _lengths(self.pieces.following)
        return int(first[cells[:, 0]].sum() + following[cells[:, 1:]].sum()) + rows * (grid.height - 1)

    def answer_length(self, grid: Grid) -> int:
        return len(self.pieces.answer_open) + self._cells_length(grid) + len(self.pieces.answer_end)

    def answer_ids(self, grid: Grid) -> Ids:
        return np.array(self._answer(grid), dtype=np.int64)

    def parse(self, ids: Sequence[int]) -> Grid | None:
        rows: list[list[int]] = []
        for option, colour in self.grammar.cells(ids):
            if option is Option.ROW:
                rows.append([])
            if option is Option.END:
                try:
                    return Grid(tuple(map(tuple, rows)))
                except InputError:
                    return None
            rows[-1].append(colour)
        return None

    def decoding(self, last_positions: Ids) -> Decoding:
        return TextDecoding(self.grammar, last_positions)

    def legal_along(self, ids: Ids, start: int = 0) -> Mask:
        nodes, completed = self.grammar.walk(ids)
        is_row = completed == Option.ROW
        # Cells so far, and those before the current row, at each of the T + 1 places.
        cells = np.concatenate([[0], np.cumsum(is_row | (completed == Option.CELL))])
        row = np.concatenate([[0], np.cumsum(is_row)]) - 1
        starts = cells[:-1][is_row]
        column = np.where(row < 0, 0, cells - np.concatenate([starts, [0]])[row])
        width = np.where(row > 0, starts[1:2].sum(), -1)
        legal = self.grammar.legal(nodes[start:], row[start:], column[start:], width[start:])
        new = ids[start:]
        known = (new >= 0) & (new < self.vocabulary)
        allowed = known & legal[np.arange(len(new)), np.where(known, new, 0)]
        legal[1:] &= np.logical_and.accumulate(allowed)[:, None]
        return legal

    def positions_along(self, last_position: int, ids: Ids, start: int = 0) -> Ids:
        (stops,) = np.nonzero(ids == self.stop_id)
        # An answer that has ended stays where it ended.
        places = np.minimum(np.arange(start, len(ids)), stops[0] if len(stops) else len(ids))
        positions: Ids = last_position + 1 + places
        return positions

    def originals(self, ids: Iterable[int]) -> list[int]:
        """The checkpoint's tokens."""
        return [self.table[token] for token in ids]


def _lengths(tokens: Sequence[Tokens]) -> Ids:
    return np.array([len(one) for one in tokens], dtype=np.int64)


def number_tokens(name: str, pieces: Pieces, pad: int | None) -> TextFormat:
    """The format of pieces in a checkpoint's tokens. pad: its token for padding; without one, the stop's embedding
    serves a second time."""
    answer = (*pieces.first, *pieces.following, pieces.rows, pieces.answer_open, pieces.answer_end)
    gaps = (pieces.start, pieces.lone, pieces.middle, *pieces.nexts, pieces.query)
    spoken = list(dict.fromkeys(token for tokens in answer for token in tokens))
    others = dict.fromkeys(token for tokens in (*(gap.ids for gap in gaps), pieces.ask) for token in tokens)
    table = (*spoken, pieces.stop if pad is None or pad in spoken else pad, *(o for o in others if o not in spoken))
    numbers = {token: number for number, token in enumerate(table) if number != len(spoken)}
    own = _renumbered(pieces, numbers)
    vocabulary = len(spoken) + 1
    return TextFormat(name, own, table, vocabulary, build(own, vocabulary, vocabulary - 1))


def _renumbered(pieces: Pieces, numbers: dict[int, int]) -> Pieces:
    def tokens(ids: Tokens) -> Tokens:
        return tuple(numbers[token] for token in ids)

    def gap(one: Gap) -> Gap:
        return Gap(tokens(one.ids), one.closes, one.opens)

    return Pieces(
        first=tuple(map(tokens, pieces.first)),
        following=tuple(map(tokens, pieces.following)),
        rows=tokens(pieces.rows),
        start=gap(pieces.start),
        lone=gap(pieces.lone),
        middle=gap(pieces.middle),
        nexts=tuple(map(gap, pieces.nexts)),
        numbered=pieces.numbered,
        query=gap(pieces.query),
        ask=tokens(pieces.ask),
        answer_open=tokens(pieces.answer_open),
        answer_end=tokens(pieces.answer_end),
    )


class TextDecoding:
    """Keeps a batch of answers within the grammar; see `solver.prompt.Decoding`."""

    def __init__(self, grammar: Grammar, last_positions: Ids) -> None:
        self._grammar = grammar
        self._positions = last_positions.astype(np.int64)
        self._node = np.full(len(last_positions), START, dtype=np.int64)
        self._row = np.full_like(self._node, -1)
        self._column = np.zeros_like(self._node)
        self._width = np.full_like(self._node, -1)

    def legal(self) -> Mask:
        return self._grammar.legal(self._node, self._row, self._column, self._width)

    def advance(self, tokens: Ids) -> Ids:
        grammar = self._grammar
        self._positions = self._positions + (self._node != grammar.ended)
        option = grammar.completes[self._node, tokens]
        is_row = option == Option.ROW
        self._width = np.where(is_row & (self._row == 0), self._column, self._width)
        self._row = self._row + is_row
        self._column = np.where(is_row, 1, self._column + (option == Option.CELL))
        self._node = grammar.following[self._node, tokens]
        return self._positions

    def select(self, rows: Ids) -> None:
        self._positions, self._node = self._positions[rows], self._node[rows]
        self._row, self._column, self._width = self._row[rows], self._column[rows], self._width[rows]
