"""Tasks whose outputs are their inputs under one transform, and an oracle that finds and applies it in any view."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import strategies as st

from solver.account import Scores, Solved
from solver.attempts import Candidate
from solver.augmentation import Dihedral, Transform
from solver.budget import Clock
from solver.decoding import Generated
from solver.grid import Grid
from solver.jobs import Job
from solver.pace import Pace
from solver.pipeline import solve
from solver.profiles import Profile
from solver.prompt import Encoded, NativeFormat
from solver.task import Pair, Task
from tests.fake_decoding import FakeDecoding
from tests.fakes import CPU, FakeClock, grids_in, tiny_profile
from tests.strategies import grids, transforms

FORMAT = NativeFormat()
PROFILE = tiny_profile(context=8192)
FOREVER = 1e9


class NoModel:
    """A base without a model, for jobs without training whose answers are faked."""

    def __init__(self, profile: Profile = PROFILE) -> None:
        self.profile = profile
        self.device = CPU
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    @contextlib.contextmanager
    def inference(self) -> Iterator[None]:
        yield


def oracle_answers(prompts: Sequence[Encoded], limit: int = 0) -> list[Generated]:
    """Finds the one transform that explains each prompt's demonstrations, and applies it."""
    answers = [_answer(grids_in(prompt.ids.tolist())) for prompt in prompts]
    return [Generated(ids, -float(len(ids)), True) for ids in answers]


def _answer(spelled: Sequence[Grid]) -> tuple[int, ...]:
    *shown, query = spelled
    rule = the_rule(list(zip(shown[::2], shown[1::2], strict=True)))
    return tuple(FORMAT.answer_ids(rule.apply(query)).tolist())


def oracle(most_at_once: int = 10**6, seconds: float = 0.0, clock: FakeClock | None = None) -> FakeDecoding:
    """most_at_once: more prompts than this are out of memory; seconds: what a call takes on the clock."""

    def before(prompts: Sequence[Encoded]) -> None:
        if len(prompts) > most_at_once:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if clock:
            clock.now += seconds

    return FakeDecoding(oracle_answers, before=before)


def the_rule(pairs: Sequence[tuple[Grid, Grid]]) -> Transform:
    """The transform, by trying all symmetries; the pairs below leave a single one."""
    found = []
    for dihedral in Dihedral:
        turned = [(Transform(dihedral).apply(before), after) for before, after in pairs]
        if any((a.height, a.width) != (b.height, b.width) for a, b in turned):
            continue
        seen = {cell for a, b in turned for cell in zip(cells(a), cells(b), strict=True)}
        if len(seen) == 10:
            found.append(Transform(dihedral, tuple(new for _, new in sorted(seen))))
    (only,) = found
    return only


def cells(grid: Grid) -> list[int]:
    return [colour for row in grid.rows for colour in row]


# Together they admit one transform: the first fixes the colours for each symmetry, the second the symmetry.
ALL_COLOURS = Grid(((0, 1, 2, 3, 4), (5, 6, 7, 8, 9)))
LOPSIDED = Grid(((1, 1, 2, 3, 4), (5, 6, 7, 8, 9)))


@st.composite
def ruled_tasks(draw: st.DrawFn) -> tuple[Task, Transform]:
    """A task whose outputs are its inputs under one transform, and that transform."""
    rule = draw(transforms())
    inputs = [ALL_COLOURS, LOPSIDED, *draw(st.lists(grids(), max_size=2))]
    shown = draw(st.permutations(inputs))
    tests = draw(st.lists(grids(), min_size=1, max_size=3))
    return Task("ruled", tuple(Pair(grid, rule.apply(grid)) for grid in shown), tuple(tests)), rule


def rotated_task(tests: Sequence[Grid]) -> tuple[Task, Transform]:
    rule = Transform(Dihedral.ROT90)
    return Task("ruled", tuple(Pair(grid, rule.apply(grid)) for grid in (ALL_COLOURS, LOPSIDED)), tuple(tests)), rule


def run(
    patch: pytest.MonkeyPatch,
    decoding: FakeDecoding,
    job: Job,
    profile: Profile = PROFILE,
    clock: Clock | None = None,
    pace: Pace | None = None,
) -> tuple[Solved, list[list[Candidate]], list[Scores]]:
    """What a job yields, and what it emitted and how it scored, call by call."""
    emitted: list[list[Candidate]] = []
    rated: list[Scores] = []
    solved = Solved()
    with patch.context() as inner:
        decoding.install(inner)
        solve(
            NoModel(profile),  # type: ignore[arg-type]
            job,
            pace or Pace(),
            lambda found: emitted.append(list(found)),
            rated.append,
            solved,
            clock or FakeClock(),
        )
    return solved, emitted, rated


def untrained(task: Task, ends: float = FOREVER, seed: int = 0, **changes: Any) -> Job:
    return Job(task, ends, seed, ttt=False, **changes)
