"""Fusion: the model's candidates and the programs' answers become two attempts per test input.

Programs that were searched for and those that a language model wrote are one side: their lengths are on one scale, on
which an answer's weight halves with every unit.
Pure. Knows what programs promise (all demonstrations reproduced, how long they are), not how they are found.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from solver.attempts import Attempts, Candidate, Channel
from solver.grid import Grid
from solver.task import Query, Task
from solver.voting import choose

Vote = Callable[[Sequence[Candidate]], tuple[Grid, ...]]
"""Ranks the grids of one query's candidates, the best first."""

SHORT = 4.0
"""Description length (about: common words) up to which a unique program is taken as the rule rather than a fit to
the demonstrations; the model then works on such a task only when time is left."""


MARGIN = 3.0
"""A program longer than the shortest by this much (an eighth of its weight) does not speak against it: among so many
programs there is always one that fits by accident."""

RANK = {channel: rank for rank, channel in enumerate(Channel)}
"""The order of the channels: searched programs before written ones of the same weight."""


class Branch(Enum):
    """Which rule decided the attempts of a test input."""

    AGREE = "agree"
    """The model's first answer is also a program's: the best one's or, where none is unique, that of one that
    reproduces everything."""
    PROGRAM_FIRST = "program first"
    """They differ, and the program is unique: its answer, then the model's."""
    MODEL_FIRST = "model first"
    """They differ, and no program is unique: the model's answer, then that of the best program that reproduces
    everything or, where none does, the model's next."""
    MODEL_ONLY = "model only"
    PROGRAM_ONLY = "program only"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Fused:
    """The answer to one test input. doubt: 0 when nothing speaks against it, 1 when nothing speaks for it."""

    attempts: Attempts
    branch: Branch
    doubt: float


def fuse_all(
    tasks: Mapping[str, Task], candidates: Mapping[str, Sequence[Candidate]], vote: Vote
) -> dict[Query, Attempts]:
    """The attempts for every test input of the tasks that candidates are given for, by id."""
    return {
        query: one.attempts
        for task_id, some in candidates.items()
        for query, one in zip(tasks[task_id].queries(), fuse(tasks[task_id], some, vote), strict=True)
    }


def fuse(task: Task, candidates: Sequence[Candidate], vote: Vote) -> tuple[Fused, ...]:
    """The attempts for every test input, from candidates of all channels; each channel's programs come the best first.

    There is no doubt where a program is unique or where one that reproduces every demonstration says what the model
    says; elsewhere it is the share of the model's views that say something else than most do.
    """
    sure = unique(task, candidates)
    # How the channels' candidates are mixed must not show where programs are equally good.
    ordered = sorted(candidates, key=lambda one: RANK[one.channel])
    return tuple(
        _fuse(task, query, [one for one in ordered if one.query == query], vote, sure) for query in task.queries()
    )


def unique(task: Task, candidates: Sequence[Candidate]) -> bool:
    """Whether programs reproduce every demonstration and all that do agree on every test input.

    Those are asked whose answer to the test input is shorter than the shortest plus MARGIN.
    """
    return all(len(_believed(candidates, query)) == 1 for query in task.queries())


def _believed(candidates: Sequence[Candidate], query: Query) -> frozenset[Grid]:
    """What is said to a query by programs that reproduce every demonstration and are about as short as the shortest."""
    limit = _shortest(candidates, query) + MARGIN
    perfect = [one for one in candidates if one.query == query and one.perfect]
    return frozenset(one.grid for one in perfect if one.cost is None or one.cost < limit)


def _shortest(candidates: Sequence[Candidate], query: Query) -> float:
    """The least length among programs that reproduce every demonstration and answer a query; infinite if none has one.

    Written programs have another length for each test input: that of all votes for their answer to it.
    """
    lengths = [one.cost for one in candidates if one.query == query and one.perfect and one.cost is not None]
    return min(lengths, default=math.inf)


def settled(task: Task, candidates: Sequence[Candidate]) -> bool:
    """Whether unique programs are so short that the model hardly has to be asked."""
    return unique(task, candidates) and all(_shortest(candidates, query) <= SHORT for query in task.queries())


def _perfect(candidates: Sequence[Candidate], query: Query) -> tuple[Grid, ...]:
    """The distinct answers to a query of programs that reproduce every demonstration, the best first.

    An answer weighs 2^-length of its shortest program, and what programs of another channel give it is added.
    """
    weights: dict[Grid, dict[Channel, float]] = {}
    for one in candidates:
        if one.query == query and one.perfect:
            known = weights.setdefault(one.grid, {})
            known[one.channel] = max(known.get(one.channel, 0.0), 2.0 ** -(one.cost or 0.0))
    return tuple(sorted(weights, key=lambda grid: -math.fsum(weights[grid].values())))


def _fuse(task: Task, query: Query, candidates: Sequence[Candidate], vote: Vote, sure: bool) -> Fused:
    model = [one for one in candidates if one.channel is Channel.MODEL]
    perfect = _perfect(candidates, query)
    programs = tuple(dict.fromkeys((*perfect, *(one.grid for one in candidates if one.channel is not Channel.MODEL))))
    ranking = vote(model)
    branch = _branch(ranking, programs, perfect, sure)
    predictions = [one.grid for one in model]
    order = _order(branch, ranking, programs, perfect)
    certain = sure or (bool(ranking) and ranking[0] in perfect)
    doubt = 0.0 if certain else _disagreement(predictions)
    return Fused(choose(order, task, query, predictions), branch, doubt)


def _branch(ranking: Sequence[Grid], programs: Sequence[Grid], perfect: Sequence[Grid], sure: bool) -> Branch:
    if not ranking or not programs:
        return Branch.MODEL_ONLY if ranking else Branch.PROGRAM_ONLY if programs else Branch.NEITHER
    # A unique program is all that its channel says; otherwise the model may choose among the perfect ones.
    if ranking[0] == programs[0] or (ranking[0] in perfect and not sure):
        return Branch.AGREE
    return Branch.PROGRAM_FIRST if sure else Branch.MODEL_FIRST


def _order(
    branch: Branch, ranking: Sequence[Grid], programs: Sequence[Grid], perfect: Sequence[Grid]
) -> tuple[Grid, ...]:
    """All answers, the best first; repeats do not matter."""
    match branch:
        case Branch.AGREE | Branch.MODEL_FIRST:
            # Then what else explains all demonstrations, what other views said, what other programs said: one that is
            # wrong where the answer is known is hardly ever right where it is not.
            return ranking[0], *perfect, *ranking, *programs
        case Branch.PROGRAM_FIRST:
            return programs[0], *ranking
        case _:
            return *programs, *ranking


def _disagreement(predictions: Sequence[Grid]) -> float:
    """The share of predictions that are not the most frequent one; 1 if there is none."""
    counts = Counter(predictions)
    return 1 - max(counts.values()) / counts.total() if counts else 1.0
