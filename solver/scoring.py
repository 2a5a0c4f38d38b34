"""Product of experts: how probable every candidate is under one fixed set of views.

After Franzen, Disselhoff and Hartmann 2025, "Product of Experts with LLMs: Boosting Performance on ARC Is a Matter of
Perspective", section 4. A view says how probable a candidate is, once it is brought into the view's frame; the product
over views is high only where none objects. What is returned is the mean of the logarithms, in nats.

The views are those of the job whose prompts were read for the test input: settled before the first candidate is looked
at, and the same for all. A candidate is scored under all of them or not at all, the best supported first: no two scores
are ever compared that come from different views.

Length. A score is the logarithm of the probability of a whole answer, the stop token included, and answers of all
lengths together have probability one: so the totals of long and short candidates can be compared as they are, and a
candidate's total falls only where the model had a choice (a cell that follows from the others costs nothing, however
many there are). A mean per token would be another question, namely how sure the model is of its average token: large
grids, most of whose cells are background, would win by being long. `per_token` is there to look at that difference, not
to vote with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from solver.attempts import Candidate
from solver.budget import Clock, Deadline
from solver.decoding import score_rows
from solver.grid import Grid
from solver.inference import Shown
from solver.pace import Pace
from solver.profiles import Profile
from solver.reading import Reading
from solver.training import is_out_of_memory
from solver.voting import flat_vote


def most_supported(candidates: Sequence[Candidate], most: int) -> list[Grid]:
    """The distinct grids of a query's candidates that are to be scored, best first: as the flat vote ranks them."""
    return list(flat_vote(candidates)[:most])


def per_token(score: float, grid: Grid, shown: Sequence[Shown], profile: Profile) -> float:
    """A score by the mean number of tokens that the grid takes in these views."""
    return score / fmean(len(one.answer(grid, profile)) for one in shown)


@dataclass(slots=True, eq=False)
class Scorer:
    """Scores the candidates for one test input (`index`) under the views of some readings.

    passes: forward passes so far, those that read prompts again included; note: told when memory ran out.
    """

    profile: Profile
    readings: Sequence[Reading]
    index: int
    pace: Pace
    note: Callable[[str], None]
    clock: Clock = time.monotonic
    passes: int = 0
    shown: list[Shown] = field(init=False)

    def __post_init__(self) -> None:
        self.shown = [one for reading in self.readings for one in reading.with_query(self.index)]

    def score(self, grids: Sequence[Grid], deadline: Deadline) -> dict[Grid, float]:
        """Mean log-probability over all views, in nats, of as many of the grids as there is time for, in their order.

        Grids whose answers do not fit the context in some view are left out, and all that come after one for which
        memory does not suffice. To be called inside `base.inference()`.
        """
        found: dict[Grid, float] = {}
        fitting = [grid for grid in grids if self.shown and self._fits(grid)]
        while fitting and (some := self._affordable(fitting, deadline)):
            fitting = fitting[len(some) :]
            began = self.clock()
            totals = self._totals(some)
            if totals is None:
                self.note("out of memory scoring a single answer: no more are scored")
                break
            self.pace.scored(sum(map(self._tokens, some)), self.clock() - began)
            found |= {grid: total / len(self.shown) for grid, total in totals.items()}
        return found

    def _fits(self, grid: Grid) -> bool:
        return all(
            len(one.prompts[self.index]) + len(one.answer(grid, self.profile)) <= self.profile.context
            for one in self.shown
        )

    def _tokens(self, grid: Grid) -> int:
        """What a grid takes in all views together."""
        return sum(len(one.answer(grid, self.profile)) for one in self.shown)

    def _affordable(self, grids: Sequence[Grid], deadline: Deadline) -> list[Grid]:
        """The first of the grids that there seems to be memory and time for in one go; none if for none."""
        tokens, left = 0, deadline.left()
        some: list[Grid] = []
        for grid in grids:
            tokens += self._tokens(grid)
            if tokens * self.pace.per_scored_token > left or (some and tokens > self.profile.decode_tokens):
                break
            some.append(grid)
        return some

    def _totals(self, grids: Sequence[Grid]) -> dict[Grid, float] | None:
        """Each grid's log-probabilities under all views added up; None where memory does not suffice."""
        totals = dict.fromkeys(grids, 0.0)
        try:
            for reading in self.readings:
                for grid, total in self._under(reading, grids):
                    totals[grid] += total
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        return totals

    def _under(self, reading: Reading, grids: Sequence[Grid]) -> Iterator[tuple[Grid, float]]:
        """Each grid with its log-probability, once for each view of the reading that sees the test input."""
        held = reading.views is not None
        pairs = [(one, grid) for one in reading.with_query(self.index) for grid in grids]
        try:
            if pairs:
                yield from zip((grid for _, grid in pairs), self._log_probabilities(reading, pairs), strict=True)
        finally:
            if not held:
                reading.close()

    def _log_probabilities(self, reading: Reading, pairs: Sequence[tuple[Shown, Grid]]) -> list[float]:
        """In one forward pass, or where memory does not suffice in several."""
        try:
            answers = [one.answer(grid, self.profile).tolist() for one, grid in pairs]
            self.passes += reading.views is None
            rows = reading.rows([one for one, _ in pairs], self.index, max(map(len, answers)), self.clock)
            self.passes += any(rows.own) + 1
            return [float(total) for total in score_rows(rows, answers)]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or len(pairs) == 1:
                raise
        # Not in the handler: while the error lives, so does all that the failed pass allocated.
        self.note(f"out of memory scoring {len(pairs)} answers at once: halved")
        middle = len(pairs) // 2
        return [total for half in (pairs[:middle], pairs[middle:]) for total in self._log_probabilities(reading, half)]
