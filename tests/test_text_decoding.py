"""Formats of several tokens per cell in the whole engine: every fast path says what the slow reference says."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from solver.budget import Deadline
from solver.deciding import StopEarly
from solver.decoding import read_views, reference, score_rows, search, write_from_drafts, write_greedily, write_samples
from solver.grid import Grid
from solver.inference import inference_views, show
from solver.jobs import Job, Manner
from solver.model import Base, Quantize, load_base
from solver.pace import Pace
from solver.pipeline import Solved, solve
from solver.profiles import Decode, find_base
from solver.prompt import Encoded
from solver.sampling import SamplingSettings, uniforms
from tests.fakes import copy_task, shake
from tests.public_layouts import byte_base
from tests.toy_formats import NAMES, byte_format

NEVER = Deadline.never()
LIMIT = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return byte_base(tmp_path_factory.mktemp("bases") / "bytes", tied=True)


@cache
def _base(folder: Path, name: str, dtype: torch.dtype) -> Base:
    profile = find_base(str(folder))
    profile = replace(profile, format=byte_format(name), lora=replace(profile.lora, rank=4, targets="all-linear"))
    base = load_base(profile, torch.device("cpu"), Quantize.NONE, dtype)
    shake(base)
    return base


@pytest.fixture(params=NAMES)
def base(request: pytest.FixtureRequest, folder: Path) -> Base:
    return _base(folder, request.param, torch.float32)


def prompts(base: Base) -> list[list[Encoded]]:
    """Two views of a task with two test inputs."""
    task = copy_task("decoding", side=2, tests=2)
    shown = show(task, inference_views(task, base.profile, 0)[:2], base.profile, pytest.fail)
    return [list(one.prompts.values()) for one in shown]


def every(views: list[list[Encoded]]) -> list[tuple[int, int]]:
    return [(view, number) for view, some in enumerate(views) for number in range(len(some))]


def references(base: Base, views: list[list[Encoded]]) -> list[reference.NextToken]:
    return [reference.next_token(base, views[view][number]) for view, number in every(views)]


def test_greedy_answers(base: Base) -> None:
    views = prompts(base)
    with base.inference():
        answers, _ = write_greedily(read_views(base, views).rows(every(views), LIMIT), LIMIT, NEVER)
        for answer, follow in zip(answers, references(base, views), strict=True):
            expected = reference.greedy(follow, base.profile.format.stop_id, LIMIT)
            assert answer.ids == expected.ids
            assert answer.logprob == pytest.approx(expected.logprob, abs=1e-3)


def test_drafts_change_nothing(base: Base) -> None:
    views, fmt = prompts(base), base.profile.format
    with base.inference():
        read = read_views(base, views)
        plain, slow = write_greedily(read.rows(every(views), LIMIT), LIMIT, NEVER)
        wrong = fmt.answer_ids(Grid(((1, 2, 3), (4, 5, 6)))).tolist()
        for drafts in ([list(answer.ids) for answer in plain], [wrong] * 4, [None, wrong, [], [99, -1]]):
            answers, timing = write_from_drafts(read.rows(every(views), LIMIT), drafts, LIMIT, NEVER)
            assert [answer.ids for answer in answers] == [answer.ids for answer in plain]
            if drafts[0] == list(plain[0].ids):
                assert timing.steps < slow.steps / 4


def test_the_search_finds_what_is_probable_and_nothing_else(base: Base) -> None:
    views, threshold, limit = prompts(base), 0.02, 24
    with base.inference():
        found, _ = search(read_views(base, views).rows(every(views), limit), threshold, limit, NEVER)
        for one, follow in zip(found[:2], references(base, views)[:2], strict=True):
            expected, complete = reference.search(follow, base.profile.format.stop_id, limit, threshold)
            assert one.complete == complete
            mine, theirs = ({answer.ids: answer.logprob for answer in answers} for answers in (one.answers, expected))
            for ids in mine.keys() ^ theirs.keys():
                assert (mine | theirs)[ids] == pytest.approx(math.log(threshold), abs=1e-3)
            for ids in mine.keys() & theirs.keys():
                assert mine[ids] == pytest.approx(theirs[ids], abs=1e-3)


def test_scores_and_samples(base: Base) -> None:
    views, fmt = prompts(base), base.profile.format
    answers = [fmt.answer_ids(Grid(((number, 2), (3, 4)))).tolist() for number in range(4)]
    settings = SamplingSettings(seed=3)
    with base.inference():
        read = read_views(base, views)
        scores = score_rows(read.rows(every(views), 60), answers)
        drawn, _ = write_samples(read.rows(every(views), LIMIT), [0, 1, 2, 3], settings, LIMIT, NEVER)
        for row, follow in enumerate(references(base, views)):
            assert scores[row] == pytest.approx(reference.score(follow, answers[row]), abs=1e-3)
            noise = uniforms(settings.seed, row, LIMIT)
            assert drawn[row].ids == reference.sample(follow, fmt.stop_id, LIMIT, settings, noise).ids
        assert np.isneginf(score_rows(read.rows([(0, 0)], 60), [[fmt.stop_id]]))


def ignore(_: object) -> None:
    """Everything is in `Solved` as well."""


@pytest.mark.parametrize("decode", [Decode.GREEDY, Decode.DFS])
def test_a_task_is_trained_on_answered_and_scored(base: Base, decode: Decode) -> None:
    """The whole pipeline: what is learned makes the loss fall, and every view's candidates are grids."""
    profile = base.profile
    ttt = replace(profile.ttt, lr=3e-3, max_examples=12, batch=2)
    base.profile = replace(profile, ttt=ttt, orders=1, lora=replace(profile.lora, rank=4))
    try:
        task, solved = copy_task("pipeline", side=1, tests=2), Solved()
        manner = Manner(decode, "poe", StopEarly.OFF)
        job = Job(task, time.monotonic() + 300, 0, steps=12, manner=manner)
        solve(base, job, Pace(1e-5, 1e-4), ignore, ignore, solved)
    finally:
        base.profile = profile
        base.reset()
        shake(base)
    report = solved.ttt
    assert report is not None
    assert report.executed == 12
    assert report.loss_before is not None
    assert report.loss_after is not None
    assert report.loss_after < report.loss_before
    assert len({one.view for one in solved.candidates}) > 1
    assert all(one.grid.height <= 30 for one in solved.candidates)
    assert any(one.score is not None for one in solved.candidates)
