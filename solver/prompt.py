"""Episodes as tokens and back: what a base reads, which tokens it is trained on, and what it may write.

A `Format` is how one family of bases writes grids. Knows nothing of models or devices; no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from solver.augmentation import Episode
from solver.grid import COLOURS, MAX_SIDE, Grid, InputError

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One token sequence.

    ids: [T]; positions: [T], what the model's rotary embedding sees;
    loss_mask: [T], True for tokens that are targets (an output span and its stop token).
    """

    ids: Ids
    positions: Ids
    loss_mask: Mask

    def __len__(self) -> int:
        return len(self.ids)


class Decoding(Protocol):
    """What a batch of answers may continue with, row by row; follows the tokens chosen so far."""

    def legal(self) -> Mask:
        """[B, vocabulary], True where the next token keeps the answer a prefix of a valid one."""
        ...

    def advance(self, tokens: Ids) -> Ids:
        """Takes the chosen tokens [B]; returns their positions [B]."""
        ...

    def select(self, rows: Ids) -> None:
        """Goes on with these rows alone, in this order."""
        ...


class Format(Protocol):
    """How a family of bases writes an episode."""

    @property
    def vocabulary(self) -> int: ...

    @property
    def pad_id(self) -> int: ...

    @property
    def stop_id(self) -> int: ...

    @property
    def table(self) -> Sequence[int] | None:
        """The checkpoint's token for each of the format's, if these are numbered otherwise: its base is cut to them."""
        ...

    def encode(self, episode: Episode, first_supervised: int = 1) -> Encoded:
        """Tokens of the whole episode; without an answer it ends where the answer begins.

        Demonstration outputs from number `first_supervised` on are targets, and so is the answer.
        """
        ...

    def length(self, episode: Episode) -> int:
        """`len(self.encode(episode))`, without encoding."""
        ...

    def answer_length(self, grid: Grid) -> int:
        """Tokens of one answer with its stop token."""
        ...

    def answer_ids(self, grid: Grid) -> Ids:
        """The tokens that follow a prompt when the answer is `grid`, stop token included."""
        ...

    def parse(self, ids: Sequence[int]) -> Grid | None:
        """The grid that generated tokens spell, or None; never raises."""
        ...

    def decoding(self, last_positions: Ids) -> Decoding:
        """Starts a batch of answers after prompts whose last tokens have these positions [B]."""
        ...

    def legal_along(self, ids: Ids, start: int = 0) -> Mask:
        """[T + 1 - start, vocabulary], True where a token may follow the first `start`, `start + 1`, ..., T of one
        answer's tokens [T], as in `Decoding.legal`.

        Nothing may follow a token that was not legal itself; the first `start` are taken to be.
        """
        ...

    def positions_along(self, last_position: int, ids: Ids, start: int = 0) -> Ids:
        """Positions [T - start] of one answer's tokens [T] from number `start` on, after a prompt whose last token has
        position `last_position`.

        As `Decoding.advance` gives them; those of tokens that are not legal may be any.
        """
        ...


ROW, INPUT, OUTPUT, END, PAD = 10, 11, 12, 13, 14
NATIVE_TOKENS = (*(str(colour) for colour in range(COLOURS)), "<row>", "<in>", "<out>", "<end>", "<pad>", "<unused>")
ROW_STRIDE, GRID_STRIDE = 32, 1024


@dataclass(frozen=True, slots=True)
class NativeFormat:
    """One token per cell, and positions that carry the grid's geometry.

    A grid is `<in>` or `<out>`, its cells, `<row>` before every further row; an output ends with `<end>`.
    Because every row begins with a marker in column 0, each cell is predicted from the token one position
    before it, whatever the width. Position = grid number * 1024 + row * 32 + column, so that "the cell above"
    and "the same cell in the input" are constant rotary offsets. With `geometric=False` positions are 0, 1, 2, …
    """

    geometric: bool = True
    vocabulary: int = len(NATIVE_TOKENS)
    pad_id: int = PAD
    stop_id: int = END

    @property
    def table(self) -> None:
        """The base's own numbers."""
        return None

    def _grid(self, grid: Grid, marker: int) -> list[int]:
        tokens: list[int] = []
        for number, row in enumerate(grid.rows):
            tokens += (ROW if number else marker, *row)
        return tokens

    def encode(self, episode: Episode, first_supervised: int = 1) -> Encoded:
        ids: list[int] = []
        mask: list[bool] = []

        def write(tokens: list[int], targets: int) -> None:
            ids.extend(tokens)
            mask.extend([False] * (len(tokens) - targets) + [True] * targets)

        for number, pair in enumerate(episode.demonstrations):
            write(self._grid(pair.input, INPUT), 0)
            output = [*self._grid(pair.output, OUTPUT), END]
            write(output, len(output) - 1 if number >= first_supervised else 0)
        write([*self._grid(episode.query, INPUT), OUTPUT], 0)
        if episode.answer is not None:
            answer = self.answer_ids(episode.answer).tolist()
            write(answer, len(answer))
        tokens = np.array(ids, dtype=np.int64)
        return Encoded(tokens, self.positions(tokens), np.array(mask, dtype=np.bool_))

    def positions(self, ids: Ids) -> Ids:
        """Positions [T] of a sequence that begins with a grid marker."""
        steps = np.arange(len(ids), dtype=np.int64)
        if not self.geometric:
            return steps
        new_grid = (ids == INPUT) | (ids == OUTPUT)
        new_row = new_grid | (ids == ROW) | (ids == END)
        grid_start = np.maximum.accumulate(np.where(new_grid, steps, 0))
        row_start = np.maximum.accumulate(np.where(new_row, steps, 0))
        rows = np.cumsum(new_row)
        row = rows - rows[grid_start]
        positions: Ids = (np.cumsum(new_grid) - 1) * GRID_STRIDE + row * ROW_STRIDE + steps - row_start
        return positions

    def length(self, episode: Episode) -> int:
        cells = sum(_span(pair.input) + _span(pair.output) + 1 for pair in episode.demonstrations)
        answer = 0 if episode.answer is None else self.answer_length(episode.answer)
        return cells + _span(episode.query) + 1 + answer

    def answer_length(self, grid: Grid) -> int:
        return _span(grid)

    def answer_ids(self, grid: Grid) -> Ids:
        return np.array([*self._grid(grid, OUTPUT)[1:], END], dtype=np.int64)

    def parse(self, ids: Sequence[int]) -> Grid | None:
        rows: list[tuple[int, ...]] = []
        row: list[int] = []
        for token in ids:
            if 0 <= token < COLOURS:
                row.append(int(token))
                continue
            rows.append(tuple(row))
            row = []
            if token == END:
                break
            if token != ROW:
                return None
        else:
            return None
        try:
            return Grid(tuple(rows))
        except InputError:
            return None

    def decoding(self, last_positions: Ids) -> Decoding:
        return NativeDecoding(last_positions, self.geometric)

    def legal_along(self, ids: Ids, start: int = 0) -> Mask:
        places = np.arange(start, len(ids) + 1)
        line_ends = np.flatnonzero((ids == ROW) | (ids == END))
        rows = np.searchsorted(line_ends, places)
        column = places - np.concatenate([[0], line_ends + 1])[rows]
        width = np.where(rows > 0, line_ends[:1].sum(), -1)
        legal = _legal(rows, column, width, places > _first(ids == END))
        new = ids[start:]
        known = (new >= 0) & (new < len(NATIVE_TOKENS))
        allowed = known & legal[np.arange(len(new)), np.where(known, new, 0)]
        legal[1:] &= np.logical_and.accumulate(allowed)[:, None]
        return legal

    def positions_along(self, last_position: int, ids: Ids, start: int = 0) -> Ids:
        # An answer that has ended stays where it ended.
        places = np.minimum(np.arange(start, len(ids)), _first(ids == END))
        if not self.geometric:
            return last_position + 1 + places
        line_ends = np.flatnonzero((ids == ROW) | (ids == END))
        rows = np.searchsorted(line_ends, places, side="right")
        # The prompt's last token is the first column of the first row.
        column = places - np.concatenate([[-1], line_ends])[rows]
        positions: Ids = np.where(rows > 0, (last_position // ROW_STRIDE + rows) * ROW_STRIDE, last_position) + column
        return positions


def _first(found: Mask) -> int:
    """The first place where there is something, or else the number of places."""
    return int(found.argmax()) if found.any() else len(found)


def _span(grid: Grid) -> int:
    """Tokens of a grid: its cells and one marker per row (an answer: one separator per row, the last is `<end>`)."""
    return grid.height * (grid.width + 1)


def _legal(row: Ids, column: Ids, width: Ids, ended: Mask) -> Mask:
    """[N, vocabulary], what may follow in each of N states [N]; width: -1 while the first row is written."""
    legal = np.zeros((len(row), len(NATIVE_TOKENS)), dtype=np.bool_)
    limit = np.where(width < 0, MAX_SIDE, width)
    legal[:, :COLOURS] = (column < limit)[:, None]
    row_done = np.where(width < 0, column > 0, column == width)
    legal[:, END] = row_done
    legal[:, ROW] = row_done & (row + 1 < MAX_SIDE)
    legal[ended] = False
    legal[ended, PAD] = True
    return legal


class NativeDecoding:
    """Keeps a batch of answers rectangular: a row may end only at the first row's width, 30 x 30 at most."""

    def __init__(self, last_positions: Ids, geometric: bool) -> None:
        self._positions = last_positions.astype(np.int64)
        self._geometric = geometric
        self._row = np.zeros(len(last_positions), dtype=np.int64)
        self._column = np.zeros_like(self._row)
        self._width = np.full_like(self._row, -1)
        self._ended = np.zeros(len(self._row), dtype=np.bool_)

    def legal(self) -> Mask:
        return _legal(self._row, self._column, self._width, self._ended)

    def advance(self, tokens: Ids) -> Ids:
        new_row = (tokens == ROW) | (tokens == END)
        self._width = np.where(new_row & (self._width < 0), self._column, self._width)
        self._row += new_row
        self._column = np.where(new_row, 0, self._column + 1)
        self._ended |= tokens == END
        following = self._positions + 1
        if self._geometric:
            following = np.where(new_row, (self._positions // ROW_STRIDE + 1) * ROW_STRIDE, following)
        self._positions = np.where(tokens == PAD, self._positions, following)
        return self._positions

    def select(self, rows: Ids) -> None:
        self._positions, self._ended = self._positions[rows], self._ended[rows]
        self._row, self._column, self._width = self._row[rows], self._column[rows], self._width[rows]


def fit_context(fmt: Format, episode: Episode, limit: int, answer_room: int = 0) -> Episode | None:
    """The episode with as many leading demonstrations dropped as `limit` tokens demand, the query never.

    Keeps at least one demonstration; None when even that is too long. `answer_room` is kept free for generation.
    """
    demonstrations = episode.demonstrations
    while demonstrations:
        shorter = Episode(demonstrations, episode.query, episode.answer)
        if fmt.length(shorter) + answer_room <= limit:
            return shorter
        demonstrations = demonstrations[1:]
    return None
