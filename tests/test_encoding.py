"""What is written down as JSON comes back as it was."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings

from solver.attempts import Candidate
from solver.augmentation import Transform, View
from solver.encoding import (
    candidate_from_json,
    candidate_to_json,
    grid_from_json,
    grid_to_json,
    transform_from_json,
    transform_to_json,
    view_from_json,
    view_to_json,
)
from solver.grid import Grid
from solver.task import Query
from tests.strategies import candidates, grids, transforms, views


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@settings(max_examples=50)
@given(grid=grids())
def test_grid(grid: Grid) -> None:
    assert grid_from_json(through_json(grid_to_json(grid))) == grid


def test_grid_is_compact() -> None:
    assert grid_to_json(Grid(((0, 1, 2), (3, 4, 0)))) == ["012", "340"]


@settings(max_examples=50)
@given(transform=transforms())
def test_transform(transform: Transform) -> None:
    assert transform_from_json(through_json(transform_to_json(transform))) == transform


@settings(max_examples=50)
@given(view=views())
def test_view(view: View) -> None:
    assert view_from_json(through_json(view_to_json(view))) == view


@settings(max_examples=100)
@given(candidate=candidates(Query("t", 2)))
def test_candidate(candidate: Candidate) -> None:
    assert candidate_from_json("t", through_json(candidate_to_json(candidate))) == candidate
