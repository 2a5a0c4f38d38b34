"""Whether no outcome of the coming views can change a query's two attempts.

Every answer that a coming view may give counts as possible, new grids and none at all included, and so does every
log-probability, on which ties turn. What is asked of the model's ranking depends on the programs' answers (`fusion`):

- no program reproduces every demonstration: the ranking's first two entries, in their order, are the attempts;
- the model's answer comes first and such a program's second (or the other way round): the first entry alone, and
  where the program is unique even that may change into the program's own answer;
- the two agree: the first entry, and the second where no other program reproduces every demonstration.

So the question is put to `fuse` itself: which first two entries can the ranking come to have, and do all such pairs
give the attempts of now? While programs may still be found, the first two entries must be certain: these decide the
attempts whatever a program says.

A pair is possible if each of its grids can overtake those that stand first now and are not in the pair. Votes for one
grid change nothing between others, so this is as exact as `Race.overtakes` is: always for the flat vote, and for the
hierarchical one while no group can come to hold more than three distinct grids. Where one can, it is conservative:
never "decided" when it is not; the other way round in a few of a hundred cases (tests/test_deciding.py counts them).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from solver.attempts import Attempts, Candidate, Channel
from solver.augmentation import View
from solver.deciding.race import Coming, Race
from solver.fusion import Vote, fuse
from solver.grid import COLOURS, MAX_SIDE, Grid
from solver.task import Query, Task
from solver.voting import flat_vote, hierarchical_vote, support_of

COUNTING: tuple[Vote, ...] = (flat_vote, hierarchical_vote)
"""The votes whose outcome can be certain before all views are there."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a query.

    candidates: of all channels, and of all test inputs of the task; closed: whether programs have said all they will.
    """

    task: Task
    query: Query
    candidates: Sequence[Candidate]
    vote: Vote
    closed: bool = True

    def attempts(self, top: tuple[Grid, ...]) -> Attempts:
        """The attempts if the model's ranking began so."""
        return fuse(self.task, self.candidates, lambda _: top)[self.query.index].attempts


@dataclass(frozen=True, slots=True)
class Position:
    """The model's candidates in a case, with tokens of a few cells in the place of grids: votes hash and compare them
    all the time, and how they are ordered is all that matters.

    said: what the model said; grids: what each token stands for, those of programs' answers and of a new grid included.
    """

    case: Case
    said: tuple[Candidate, ...]
    grids: dict[Grid, Grid]
    known: dict[tuple[Grid, ...], Attempts] = field(default_factory=dict)

    @classmethod
    def of(cls, case: Case) -> Position:
        own = [one for one in case.candidates if one.query == case.query]
        known = dict.fromkeys(one.grid for one in own)
        # One new grid stands for all: its log-probability, which can be any, decides before its content does.
        known[_new_grid(known)] = None
        ordered = sorted(known, key=lambda grid: (grid.shape, grid.rows))
        tokens = {grid: _token(number, len(ordered)) for number, grid in enumerate(ordered)}
        said = tuple(replace(one, grid=tokens[one.grid]) for one in own if one.channel is Channel.MODEL)
        return cls(case, said, {token: grid for grid, token in tokens.items()})

    def top(self) -> tuple[Grid, ...]:
        """The first two entries of the ranking."""
        return self.case.vote(self.said)[:2]

    def after(self, views: Sequence[View]) -> Position:
        """The position after some more views, if they all say what stands first now."""
        (first, *_) = self.top()
        more = (Candidate(self.case.query, first, view=view) for view in views)
        return replace(self, said=(*self.said, *more))

    def race(self, coming: Coming) -> Race:
        return Race(support_of(self.said), coming, self.case.vote is hierarchical_vote)

    def attempts(self, top: tuple[Grid, ...]) -> Attempts:
        if top not in self.known:
            self.known[top] = self.case.attempts(tuple(self.grids[token] for token in top))
        return self.known[top]


def decided(case: Case, coming: Coming) -> bool:
    """Whether the attempts are certain. Votes that are not by counting are never decided while views come."""
    return certain(Position.of(case), coming)


def certain(position: Position, coming: Coming) -> bool:
    """`decided`, for a position."""
    if not coming.count():
        return True
    if position.case.vote not in COUNTING:
        return False
    top = position.top()
    if not top:
        return False
    others = _other_tops(position.race(coming), top, list(position.grids))
    if not position.case.closed:
        return len(top) == 2 and next(others, None) is None
    now = position.attempts(top)
    return all(position.attempts(other) == now for other in others)


def _other_tops(race: Race, top: tuple[Grid, ...], rivals: Sequence[Grid]) -> Iterator[tuple[Grid, ...]]:
    """The pairs, other than that of now, that can come to stand first."""
    first, second = top[0], top[1] if len(top) > 1 else None
    past_first = [one for one in rivals if one != first and race.overtakes(one, first)]
    past_second = [one for one in rivals if one not in top and (second is None or race.overtakes(one, second))]
    # A pair without the second needs two that are past it, where the first of now is one.
    fit = {first, *past_second}
    yield from ((first, one) for one in past_second)
    for one in past_first:
        yield from ((one, other) for other in (first, *past_first) if _fits(one, other, second, fit))


def _fits(one: Grid, other: Grid, second: Grid | None, fit: set[Grid]) -> bool:
    return one != other and (second in (one, other) or {one, other} <= fit)


def _new_grid(known: dict[Grid, None]) -> Grid:
    """A grid that is not known."""
    plain = (Grid(((colour,) * width,)) for width in range(1, MAX_SIDE + 1) for colour in range(COLOURS))
    return next(grid for grid in plain if grid not in known)


def _token(number: int, count: int) -> Grid:
    """Of `count` tokens that are ordered as their numbers."""
    return Grid((tuple(map(int, str(number).zfill(len(str(count))))),))
