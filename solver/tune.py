"""What a finished run says about its seconds: the score there would have been with less time for each search.

Reads journals and solutions; changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rich.table import Table

from solver.attempts import Candidate
from solver.evaluation import Solutions, recall, restrict
from solver.grid import Grid, InputError
from solver.records import SearchRecord
from solver.task import Query

MOMENTS = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0)
"""Seconds of the CPU at which searches are looked at."""


@dataclass(frozen=True, slots=True)
class Point:
    """Searches that stop after `limit` seconds of the CPU each.

    score: of their two best answers to every test input, 0..1; spent: seconds of the CPU, mean over tasks;
    answered: tasks with an answer.
    """

    limit: float
    score: float
    spent: float
    answered: int


def curve(searches: Sequence[SearchRecord], solutions: Solutions, moments: Iterable[float] = MOMENTS) -> list[Point]:
    """One point for every moment before the longest search ended, and one for its end.

    Answers keep the order they had at the end, also before all that supports them was found. Raises `InputError`
    when there is no search, or a searched task has no solution.
    """
    if not searches:
        raise InputError("the run searched for no program")
    solutions = restrict(solutions, (search.task_id for search in searches))
    longest = max(search.seconds for search in searches)
    return [_point(searches, solutions, limit) for limit in (*(m for m in moments if m < longest), longest)]


def _point(searches: Sequence[SearchRecord], solutions: Solutions, limit: float) -> Point:
    early = [one for search in searches for one in search.candidates if (one.seconds or 0.0) <= limit]
    return Point(
        limit,
        recall(solutions, _two_best(early)).mean_fraction,
        fmean(min(limit, search.seconds) for search in searches),
        len({one.query.task_id for one in early}),
    )


def _two_best(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The first two that differ, of every query."""
    kept: dict[Query, dict[Grid, Candidate]] = defaultdict(dict)
    for one in candidates:
        if len(kept[one.query]) < 2:
            kept[one.query].setdefault(one.grid, one)
    return [one for grids in kept.values() for one in grids.values()]


def table(points: Sequence[Point], tasks: int) -> Table:
    """The curve for people."""
    shown = Table(title=f"Score of the program search against its seconds, {tasks} task(s)", title_justify="left")
    for name in ("CPU seconds at most", "CPU seconds a task", "answered", "score"):
        shown.add_column(name, justify="right")
    for point in points:
        shown.add_row(f"{point.limit:.1f}", f"{point.spent:.2f}", f"{point.answered}", f"{100 * point.score:.2f} %")
    return shown


def plot(points: Sequence[Point], tasks: int, path: Path) -> None:
    """Writes the curve as a picture; the file's ending says which kind. Raises `InputError` if it cannot be written."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([point.limit for point in points], [100 * point.score for point in points], marker="o")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("CPU seconds a task, at most")
    axes.set_ylabel("score, two attempts (%)")
    axes.set_title(f"Program search alone, {tasks} tasks")
    axes.grid(alpha=0.3)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise InputError(f"--plot {path}: cannot be written ({error})") from None
