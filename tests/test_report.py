"""The table at the end, on runs made by hand."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from solver.attempts import Attempts
from solver.evaluation import score
from solver.journal import Journal
from solver.records import Outcome, TaskRecord
from solver.report import show
from solver.run_state import Run
from solver.summary import Verdict, score_candidates, summarise
from solver.task import Query
from tests.hand_made import OTHER, RIGHT, SOLUTIONS, TASKS, WRONG, Clock, begun, solve
from tests.summaries import summary_of, table, ttt


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(tmp_path: Path, clock: Clock) -> Run:
    return begun(tmp_path, clock)


class TestRows:
    def test_an_empty_run(self) -> None:
        shown = table(summary_of(seconds=0))
        assert shown["tasks"] == "4 in all, 4 not reached"
        assert shown["TTT steps executed / planned"] == "0 / 0"
        assert shown["TTT stopped by"] == "nothing ran"
        assert shown["worker seconds by stage"] == "none"
        assert shown["wall clock"] == "0s of 10m00s"
        assert shown["failures"] == "none"
        assert not any("score" in name for name in shown)
        assert table(summary_of(), tasks=0)["tasks"] == "0 in all"

    def test_outcomes_are_those_of_each_tasks_last_pass(self) -> None:
        shown = table(
            summary_of(
                TaskRecord("a", Outcome.DONE),
                TaskRecord("b", Outcome.FAILED, error="x"),
                TaskRecord("a", Outcome.TIMED_OUT, pass_number=1),
            )
        )
        assert shown["tasks"] == "4 in all, 1 timed out, 1 failed, 2 not reached"

    def test_seconds_and_memory(self) -> None:
        shown = table(
            summary_of(
                TaskRecord("a", Outcome.DONE, seconds={"ttt": 30.0, "decode": 5.0}, peak_memory=2**30),
                TaskRecord("b", Outcome.DONE, seconds={"ttt": 10.0, "decode": 5.0}, peak_memory=3 * 2**29),
                seconds=75.4,
            )
        )
        assert shown["worker seconds by stage"] == "ttt 40 (80 %), decode 10 (20 %)"
        assert shown["peak memory of a worker"] == "1.50 GiB"
        assert shown["wall clock"] == "1m15s of 10m00s"

    def test_failures_by_kind(self) -> None:
        shown = table(
            summary_of(
                TaskRecord("a", Outcome.FAILED, error="RuntimeError: [enforce] out\nTraceback: more"),
                TaskRecord("b", Outcome.FAILED, error="RuntimeError: other"),
                TaskRecord("c", Outcome.FAILED, error="ValueError"),
                TaskRecord("d", Outcome.DONE, ttt=ttt(1, 2, events=["batch halved", "batch halved"])),
                TaskRecord("e", Outcome.DONE, notes=("test input 0: too long even with one demonstration", "fine")),
                problems=("worker 0 died", "worker 1 died", "worker 1 died"),
            )
        )
        kinds = shown["failures"].split(", ")
        assert kinds[0] == "worker problems 3"
        assert kinds[1] == "RuntimeError 2"
        assert sorted(kinds[2:]) == ["ValueError 1", "batch halved 1", "prompt too long 1"]

    def test_recall_stands_beside_every_score(self, run: Run) -> None:
        solve(run, "task00", RIGHT)
        # Right on one test input of two, and among the candidates of the other.
        solve(run, "task01", WRONG, OTHER, RIGHT)
        run.answers[Query("task01", 0)] = Attempts(WRONG, RIGHT)
        run.answers[Query("task01", 1)] = Attempts(WRONG, OTHER)
        solve(run, "task02", WRONG, OTHER)
        summary = summary_of(*run.bases[0].records.values())
        shown = table(summary, Verdict(score(SOLUTIONS, run.answers), score_candidates(SOLUTIONS, summary)))
        assert shown["score: mean of solved fractions"] == "37.50 %, among the candidates 50.00 %"
        assert shown["test outputs solved (6)"] == "33.33 %, among the candidates 50.00 %"
        assert shown["whole tasks solved (4)"] == "25.00 %, among the candidates 50.00 %"
        assert shown["solved / among the candidates"] == "1 / 2 tasks"


class TestShow:
    def test_an_empty_run_can_be_shown(self, run: Run) -> None:
        with Journal(run.settings.journal) as journal:
            journal.append("run", **run.settings.to_json(TASKS))
        summary = summarise(run)
        assert score_candidates(SOLUTIONS, summary).mean_fraction == 0
        file = StringIO()
        show(Console(file=file, width=100), summary, 4, None)
        assert "4 in all, 4 not reached" in file.getvalue()
        assert "\x1b" not in file.getvalue()

    def test_the_table_holds_every_row_whatever_the_text(self) -> None:
        summary = summary_of(TaskRecord("a", Outcome.FAILED, error="[/bold]Error: x"))
        file = StringIO()
        show(Console(file=file, width=120), summary, 1, None)
        for name, value in table(summary, tasks=1).items():
            assert name in file.getvalue()
            assert value in file.getvalue()
