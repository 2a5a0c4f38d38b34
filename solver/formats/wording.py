"""How a family of bases writes an episode as text: the words around grids, and the words of a grid. No tokens.

A wording is data; `render` is its only meaning. What tokens make of it is in `solver.formats.pieces`.
"""

from __future__ import annotations

from dataclasses import dataclass

from solver.augmentation import Episode
from solver.grid import COLOURS, Grid

DIGITS = tuple(str(colour) for colour in range(COLOURS))
NUMBER = "{number}"
"""Where a demonstration's number stands, counted from 1."""


@dataclass(frozen=True, slots=True)
class GridWording:
    """A grid is `open`, rows with `rows` between them, `close`; a row is its colours' words with `cells` between."""

    colours: tuple[str, ...] = DIGITS
    cells: str = ""
    rows: str = "\n"
    open: str = ""
    close: str = ""

    def render(self, grid: Grid) -> str:
        lines = (self.cells.join(self.colours[cell] for cell in row) for row in grid.rows)
        return self.open + self.rows.join(lines) + self.close


@dataclass(frozen=True, slots=True)
class Wording:
    """The text around an episode's grids, in the order in which it stands.

    head; then for each demonstration `before_input`, input, `before_output`, output, `output_end`, and `between` where
    another follows or `last` where the query does; `before_query`, query, `before_answer`; then the answer and
    `answer_end`, whose end is `stop`, one special token. An output with `output_end` and an answer with `answer_end`
    are what a base is trained on. `before_input` may hold NUMBER.

    natural: whether the base reads what its tokenizer makes of the whole text; otherwise digits are written one by one
    whatever the tokenizer would merge.
    """

    grid: GridWording
    stop: str
    head: str = ""
    before_input: str = ""
    before_output: str = ""
    output_end: str = ""
    between: str = ""
    last: str = ""
    before_query: str = ""
    before_answer: str = ""
    answer_end: str = ""
    natural: bool = True

    def __post_init__(self) -> None:
        if not self.answer_end.endswith(self.stop) or not self.stop:
            raise ValueError(f"an answer that ends with {self.answer_end!r} does not stop with {self.stop!r}")

    def opening(self, number: int) -> str:
        """What stands before the input of demonstration `number`, counted from 1."""
        return self.before_input.replace(NUMBER, str(number))

    def render(self, episode: Episode) -> str:
        """The whole text; without an answer it ends where the answer begins."""
        parts = [self.head]
        for number, pair in enumerate(episode.demonstrations, start=1):
            parts += (self.opening(number), self.grid.render(pair.input), self.before_output)
            parts += (self.grid.render(pair.output), self.output_end)
            parts.append(self.last if number == len(episode.demonstrations) else self.between)
        parts += (self.before_query, self.grid.render(episode.query), self.before_answer)
        if episode.answer is not None:
            parts += (self.grid.render(episode.answer), self.answer_end)
        return "".join(parts)
