"""The score that a finished run would have had with fewer seconds for each search."""

from __future__ import annotations

from pathlib import Path

import pytest

from solver import cli
from solver.attempts import Candidate, Channel
from solver.evaluation import Solutions
from solver.grid import Grid, InputError
from solver.records import SEARCH_EVENT, Outcome, SearchRecord
from solver.task import Query
from solver.tune import Point, curve, plot

RIGHT, WRONG, OTHER = (Grid(((colour,),)) for colour in range(3))
SOLUTIONS: Solutions = {"a": (RIGHT,), "b": (RIGHT, RIGHT), "c": (RIGHT,), "unsearched": (RIGHT,)}


def record(task_id: str, seconds: float, *found: tuple[Grid, float], indices: int = 1) -> SearchRecord:
    """A search whose answers, the best first, were found after so many seconds."""
    candidates = tuple(
        Candidate(Query(task_id, index), grid, Channel.PROGRAM, cost=2.0, perfect=True, seconds=moment)
        for grid, moment in found
        for index in range(indices)
    )
    return SearchRecord(task_id, Outcome.DONE, candidates, seconds=seconds)


SEARCHES = [
    # Right from the start, but two better answers come later.
    record("a", 8.0, (WRONG, 6.0), (OTHER, 7.0), (RIGHT, 0.4)),
    record("b", 2.0, (RIGHT, 1.5), indices=2),
    record("c", 12.0),
]


def test_a_shorter_search_has_the_answers_it_would_have_had() -> None:
    points = curve(SEARCHES, SOLUTIONS, [0.3, 0.5, 1.5, 6.5, 7.0, 60.0])
    assert [point.limit for point in points] == [0.3, 0.5, 1.5, 6.5, 7.0, 12.0]
    assert [point.score for point in points] == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1 / 3, 1 / 3])
    assert [point.answered for point in points] == [0, 1, 2, 2, 2, 2]
    assert [point.spent for point in points] == pytest.approx([0.3, 0.5, 1.5, 5.0, 16 / 3, 22 / 3])


def test_no_search_and_no_solution_are_refused() -> None:
    with pytest.raises(InputError, match="searched for no program"):
        curve([], SOLUTIONS)
    with pytest.raises(InputError, match="task d"):
        curve([record("d", 1.0)], SOLUTIONS)


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    points = [Point(0.5, 0.1, 0.5, 1), Point(3.0, 0.2, 2.0, 2)]
    plot(points, 3, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    for name in ("curve.unknown", "missing/curve.png"):
        with pytest.raises(InputError, match=r"--plot .*curve"):
            plot(points, 3, tmp_path / name)


def test_the_command_reads_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from solver.journal import Journal

    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.append(SEARCH_EVENT, **record("007bbfb7", 2.0, (WRONG, 1.0)).to_json())
    assert cli.main(["tune", str(tmp_path), "--split", "arc1-training", "--plot", str(tmp_path / "c.svg")]) == 0
    shown = capsys.readouterr().out
    assert "1 task(s)" in shown
    assert "0.00 %" in shown
    assert (tmp_path / "c.svg").stat().st_size > 0
    assert cli.main(["tune", str(tmp_path / "none"), "--split", "arc1-training"]) == 2
    assert "journal.jsonl" in capsys.readouterr().err
