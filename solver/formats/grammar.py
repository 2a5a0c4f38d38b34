"""Which tokens may follow in an answer whose cells, row ends and end are token sequences of any length. Pure.

An answer is a start, cells, ends of rows each with the first cell of the next, and an end. At every moment only some of
these options are open: a row may end only at the first row's width, the answer only after a whole row, 30 x 30 at most.
A trie over the options' tokens says what may follow in the middle of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from solver.formats.pieces import Pieces
from solver.grid import MAX_SIDE
from solver.prompt import Ids, Mask


class Option(IntEnum):
    """What an answer may go on with; NONE while its tokens are not complete."""

    NONE = 0
    CELL = 1
    ROW = 2
    END = 3


START, AFTER = 0, 1
"""The tries' roots: before the first cell, and after any."""


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """following, completes, colours: [nodes, v], by node and token: the next node, the option that is complete with it,
    and the colour of its cell; reach: [nodes, options, v], whether a token leads to such an option; pad: the only token
    that may follow an end. The last two nodes are those of answers that have ended, or are none."""

    following: npt.NDArray[np.int64]
    completes: npt.NDArray[np.int64]
    colours: npt.NDArray[np.int64]
    reach: Mask
    pad: int

    @property
    def vocabulary(self) -> int:
        return int(self.following.shape[1])

    @property
    def ended(self) -> int:
        return len(self.following) - 2

    @property
    def dead(self) -> int:
        return len(self.following) - 1

    def legal(self, node: Ids, row: Ids, column: Ids, width: Ids) -> Mask:
        """[N, v], what may follow in each of N states [N].

        row: number of the row being written, -1 before the first; column: its cells so far; width: of the first row,
        -1 while it is written.
        """
        whole = np.where(width < 0, (column > 0) | (row < 0), column == width)
        allowed = np.zeros((len(node), len(Option)), dtype=np.bool_)
        allowed[:, Option.CELL] = column < np.where(width < 0, MAX_SIDE, width)
        allowed[:, Option.ROW] = whole & (row + 1 < MAX_SIDE)
        allowed[:, Option.END] = whole
        found = np.zeros((len(node), self.vocabulary), dtype=np.bool_)
        for option in (Option.CELL, Option.ROW, Option.END):
            found |= self.reach[node, option] & allowed[:, option, None]
        found[node == self.ended, self.pad] = True
        return found

    def walk(self, ids: Ids) -> tuple[Ids, Ids]:
        """Nodes [T + 1] before the first of T tokens and after each, and the options [T] that each completes, whatever
        the sizes of rows."""
        known = (ids >= 0) & (ids < self.vocabulary)
        following, completes = self.following, self.completes
        nodes = [START]
        for token, is_known in zip(ids.tolist(), known.tolist(), strict=True):
            nodes.append(int(following[nodes[-1], token]) if is_known else self.dead)
        steps = np.array(nodes, dtype=np.int64)
        return steps, np.where(known, completes[steps[:-1], np.where(known, ids, 0)], Option.NONE)

    def cells(self, ids: Sequence[int]) -> Iterator[tuple[Option, int]]:
        """The options that the tokens complete, and their colours, until the answer ends or is none."""
        node = START
        for token in ids:
            if not 0 <= token < self.vocabulary or node >= self.ended:
                return
            option = Option(int(self.completes[node, token]))
            if option:
                yield option, int(self.colours[node, token])
            node = int(self.following[node, token])


def build(pieces: Pieces, vocabulary: int, pad: int) -> Grammar:
    """The grammar of tokens 0 to `vocabulary`, which include all of an answer's. Raises ValueError if the beginning of
    one option is another."""
    start = [(Option.ROW, colour, pieces.answer_open + cell) for colour, cell in enumerate(pieces.first)]
    after = [(Option.CELL, colour, cell) for colour, cell in enumerate(pieces.following)]
    after += [(Option.ROW, colour, pieces.rows + cell) for colour, cell in enumerate(pieces.first)]
    after.append((Option.END, 0, pieces.answer_end))
    nodes: list[dict[int, int]] = [{}, {}]
    complete: dict[tuple[int, int], tuple[Option, int]] = {}
    reach: set[tuple[int, Option, int]] = set()
    for root, options in ((START, start), (AFTER, after)):
        for option, colour, tokens in options:
            node = root
            for place, token in enumerate(tokens):
                is_last = place + 1 == len(tokens)
                if (node, token) in complete or (is_last and token in nodes[node]):
                    raise ValueError(
                        f"the tokens {tokens} of {option.name} begin another option, or another begins them"
                    )
                reach.add((node, option, token))
                if is_last:
                    complete[node, token] = option, colour
                    break
                if token not in nodes[node]:
                    nodes[node][token] = len(nodes)
                    nodes.append({})
                node = nodes[node][token]
    return _tables(nodes, complete, reach, vocabulary, pad)


def _tables(
    nodes: Sequence[dict[int, int]],
    complete: dict[tuple[int, int], tuple[Option, int]],
    reach: set[tuple[int, Option, int]],
    vocabulary: int,
    pad: int,
) -> Grammar:
    ended, dead = len(nodes), len(nodes) + 1
    shape = len(nodes) + 2, vocabulary
    following = np.full(shape, dead, dtype=np.int64)
    completes, colours = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for node, edges in enumerate(nodes):
        for token, target in edges.items():
            following[node, token] = target
    for (node, token), (option, colour) in complete.items():
        following[node, token] = ended if option is Option.END else AFTER
        completes[node, token], colours[node, token] = option, colour
    following[ended, pad] = ended
    reaches = np.zeros((len(nodes) + 2, len(Option), vocabulary), dtype=np.bool_)
    for node, option, token in reach:
        reaches[node, option, token] = True
    return Grammar(following, completes, colours, reaches, pad)
