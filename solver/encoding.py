"""Grids, views, candidates and attempts as JSON values, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from solver.attempts import Attempts, Candidate, Channel
from solver.augmentation import Dihedral, Transform, View
from solver.grid import Grid
from solver.task import Query

Json = dict[str, Any]


def grid_to_json(grid: Grid) -> list[str]:
    """Rows as strings of digits."""
    return ["".join(map(str, row)) for row in grid.rows]


def grid_from_json(value: list[str]) -> Grid:
    return Grid(tuple(tuple(map(int, row)) for row in value))


def transform_to_json(transform: Transform) -> Json:
    return {"dihedral": transform.dihedral.name, "colours": "".join(map(str, transform.colours))}


def transform_from_json(value: Json) -> Transform:
    return Transform(Dihedral[value["dihedral"]], tuple(map(int, value["colours"])))


def view_to_json(view: View) -> Json:
    return {**transform_to_json(view.transform), "order": list(view.order)}


def view_from_json(value: Json) -> View:
    return View(transform_from_json(value), tuple(value["order"]))


def candidate_to_json(candidate: Candidate) -> Json:
    """All but the task's id, which stands once in its record."""
    content = {
        "index": candidate.query.index,
        "grid": grid_to_json(candidate.grid),
        "channel": candidate.channel.value,
        "view": candidate.view and view_to_json(candidate.view),
        "logprob": candidate.logprob,
        "program": candidate.program,
        "cost": candidate.cost,
        "perfect": candidate.perfect or None,
        "seconds": candidate.seconds,
        "score": candidate.score,
        "base": candidate.base or None,
    }
    return {key: value for key, value in content.items() if value is not None}


def candidate_from_json(task_id: str, value: Json) -> Candidate:
    return Candidate(
        Query(task_id, value["index"]),
        grid_from_json(value["grid"]),
        Channel(value["channel"]),
        view_from_json(value["view"]) if "view" in value else None,
        value.get("logprob"),
        value.get("program"),
        value.get("cost"),
        value.get("perfect", False),
        value.get("seconds"),
        value.get("score"),
        value.get("base", 0),
    )


def attempts_to_json(attempts: Iterable[Attempts]) -> list[list[list[str]]]:
    return [[grid_to_json(one.first), grid_to_json(one.second)] for one in attempts]


def attempts_from_json(value: list[list[list[str]]]) -> tuple[Attempts, ...]:
    return tuple(Attempts(grid_from_json(one), grid_from_json(two)) for one, two in value)
