"""The scores that a finished run's model would have had with other votes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from solver import cli
from solver.attempts import Candidate
from solver.augmentation import Dihedral, Transform, View
from solver.evaluation import Solutions
from solver.grid import Grid, InputError
from solver.journal import Journal, read_journal
from solver.records import TASK_EVENT, Outcome, TaskRecord
from solver.revoting import PERFECT, by_vote, table
from solver.task import Query

RIGHT, WRONG, OTHER, THIRD = (Grid(((colour,),)) for colour in range(4))
SOLUTIONS: Solutions = {"a": (RIGHT,), "b": (RIGHT, RIGHT), "not visited": (RIGHT,)}
SCORES = {RIGHT: -1.0, WRONG: -9.0, OTHER: -9.0, THIRD: -30.0}


def said(task_id: str, *grids: Grid, index: int = 0, base: int = 0) -> list[Candidate]:
    """Each by another symmetry's view, with its score."""
    views = [View(Transform(dihedral), (0,)) for dihedral in Dihedral]
    query = Query(task_id, index)
    return [
        Candidate(query, grid, view=view, score=SCORES[grid], base=base)
        for grid, view in zip(grids, views, strict=False)
    ]


def run(folder: Path, *records: TaskRecord) -> list[dict[str, Any]]:
    with Journal(folder / "journal.jsonl") as journal:
        for one in records:
            journal.append(TASK_EVENT, **one.to_json())
    return read_journal(folder / "journal.jsonl")


def done(task_id: str, *candidates: Candidate, **fields: Any) -> TaskRecord:
    return TaskRecord(task_id, Outcome.DONE, candidates, **fields)


# By counts, what is right is third; it has the best score.
HIDDEN = said("a", WRONG, WRONG, WRONG, OTHER, OTHER, RIGHT)


def test_every_vote_has_its_score(tmp_path: Path) -> None:
    events = run(tmp_path, done("a", *HIDDEN), done("b", *said("b", RIGHT, WRONG), *said("b", THIRD, index=1)))
    found = {one.vote: (one.either.mean_fraction, one.first.mean_fraction) for one in by_vote(events, SOLUTIONS)}
    assert found == {
        "hierarchical": (0.25, 0.25),
        "flat": (0.25, 0.25),
        "poe": (0.75, 0.75),
        "poe+counts": (0.75, 0.75),
        PERFECT: (0.75, 0.75),
    }
    assert list(found)[-1] == PERFECT
    (election, *_) = by_vote(events, SOLUTIONS)
    assert (election.either.tasks, election.either.outputs) == (2, 3), "tasks that were not visited do not count"
    assert table(by_vote(events, SOLUTIONS)).row_count == 5


def test_without_scores_there_are_only_votes_by_counts(tmp_path: Path) -> None:
    events = run(tmp_path, done("a", *(replace(one, score=None) for one in HIDDEN)))
    assert [one.vote for one in by_vote(events, SOLUTIONS)] == ["hierarchical", "flat", PERFECT]


def test_the_newest_pass_of_every_base_counts_with_the_scores_that_were_given_last(tmp_path: Path) -> None:
    first = done("a", *said("a", WRONG))
    second = done("a", *said("a", WRONG, RIGHT), pass_number=1)
    # The second base scores what both said, and thinks otherwise.
    scored = [replace(one, score=-SCORES[one.grid]) for one in (*said("a", OTHER, base=1), *said("a", WRONG, RIGHT))]
    third = done("a", *scored[:1], base=1, others=tuple(scored[1:]))
    found = {one.vote: one.either.mean_fraction for one in by_vote(run(tmp_path, first, second), SOLUTIONS)}
    assert found["poe"] == 1
    (tmp_path / "journal.jsonl").unlink()
    found = {one.vote: one.either.mean_fraction for one in by_vote(run(tmp_path, first, second, third), SOLUTIONS)}
    assert (found["poe"], found[PERFECT]) == (0, 1)


def test_what_cannot_be_scored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no base answered"):
        by_vote([], SOLUTIONS)
    with pytest.raises(InputError, match="task c"):
        by_vote(run(tmp_path, done("c", *said("c", RIGHT))), SOLUTIONS)


def test_the_command_reads_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, done("007bbfb7", *said("007bbfb7", RIGHT)))
    assert cli.main(["votes", str(tmp_path), "--split", "arc1-training"]) == 0
    shown = capsys.readouterr().out
    for text in ("1 task(s), by vote", "poe+counts", PERFECT, "0.00 %"):
        assert text in shown
    assert cli.main(["votes", str(tmp_path / "none"), "--split", "arc1-training"]) == 2
    assert "journal.jsonl" in capsys.readouterr().err
