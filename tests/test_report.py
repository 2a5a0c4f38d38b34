"""The table at the end, on runs made by hand."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from solver.attempts import Attempts, Candidate, Channel
from solver.evaluation import Hits, score
from solver.fusion import Branch
from solver.journal import Journal
from solver.records import SEARCH_EVENT, TASK_EVENT, Outcome, SearchRecord, TaskRecord
from solver.report import Summary, Verdict, candidates_of, judge, rows, score_candidates, show, summarise
from solver.run_state import Run
from solver.task import Query
from tests.hand_made import OTHER, RIGHT, SOLUTIONS, TASKS, WRONG, Clock, begun, search, solve


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(tmp_path: Path, clock: Clock) -> Run:
    return begun(tmp_path, clock)


def ttt(executed: int, planned: int, stop: str = "done", **fields: Any) -> dict[str, Any]:
    losses = {"loss_before": 0.8, "loss_after": 0.02} if executed else {"loss_before": None, "loss_after": None}
    return {"executed": executed, "planned": planned, "stop": stop, "events": [], **losses, **fields}


def table(summary: Summary, verdict: Verdict | None = None, tasks: int = 4) -> dict[str, str]:
    return dict(rows(summary, tasks, verdict))


def summary_of(
    *records: TaskRecord,
    seconds: float = 90.0,
    problems: tuple[str, ...] = (),
    searches: tuple[SearchRecord, ...] = (),
    branches: dict[Query, Branch] | None = None,
) -> Summary:
    return Summary({"budget": 600.0}, records, seconds, problems, searches, branches or {})


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

    def test_test_time_training_is_proved(self) -> None:
        shown = table(
            summary_of(
                TaskRecord("a", Outcome.DONE, ttt=ttt(100, 128, "converged")),
                TaskRecord("b", Outcome.DONE, ttt=ttt(3, 128, "time", loss_before=0.4, loss_after=0.04)),
                TaskRecord("c", Outcome.DONE, ttt=ttt(0, 0, "skipped")),
                TaskRecord("d", Outcome.FAILED, error="x"),
                TaskRecord("a", Outcome.DONE, ttt=ttt(28, 128, "time"), pass_number=1),
            )
        )
        # All passes count, and a task with no step pulls the median down.
        assert shown["TTT steps executed / planned"] == "131 / 384, median 16 a task"
        assert shown["TTT stopped by"] == "time 2, converged 1, skipped 1"
        assert shown["leave-one-out loss, median"] == "0.800 before, 0.0200 after (nats per token)"

    def test_a_run_without_training_shows_no_loss(self) -> None:
        shown = table(summary_of(TaskRecord("a", Outcome.DONE, ttt=ttt(0, 12, "time"))))
        assert shown["TTT steps executed / planned"] == "0 / 12, median 0 a task"
        assert "leave-one-out loss, median" not in shown

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
        summary = summary_of(*run.records.values())
        shown = table(summary, Verdict(score(SOLUTIONS, run.answers), score_candidates(SOLUTIONS, summary)))
        assert shown["score: mean of solved fractions"] == "37.50 %, among the candidates 50.00 %"
        assert shown["test outputs solved (6)"] == "33.33 %, among the candidates 50.00 %"
        assert shown["whole tasks solved (4)"] == "25.00 %, among the candidates 50.00 %"
        assert shown["solved / among the candidates"] == "1 / 2 tasks"

    def test_candidates_of_repeated_passes_are_counted_once(self) -> None:
        query = Query("a", 0)
        first = TaskRecord("a", Outcome.DONE, (Candidate(query, RIGHT),))
        second = TaskRecord("a", Outcome.DONE, (Candidate(query, RIGHT), Candidate(query, WRONG)), pass_number=1)
        assert candidates_of(summary_of(first, second)) == list(second.candidates)


def searched(task_id: str, perfect: int = 0, unique: bool = False, **fields: Any) -> SearchRecord:
    plain = {"stop": "deadline", "perfect": perfect, "unique": unique, "seconds": 2.5}
    return SearchRecord(task_id, Outcome.DONE, **(plain | fields))


class TestSearchRows:
    def test_what_the_search_found_and_what_it_took(self) -> None:
        shown = table(
            summary_of(
                TaskRecord("a", Outcome.DONE, seconds={"ttt": 12.5}, peak_memory=2**29),
                searches=(
                    searched("a", 1, True, stop="exhausted"),
                    searched("b", 3),
                    SearchRecord("c", Outcome.FAILED, error="ValueError: x"),
                    searched("c", peak_memory=2**30),
                ),
            ),
            tasks=7,
        )
        assert shown["program search"] == (
            "3 of 7 tasks searched, 2 with a perfect program, 1 with a unique one, 8 s; "
            "stopped by: deadline 2, exhausted 1"
        )
        assert shown["worker seconds by stage"] == "ttt 12 (62 %), search 8 (38 %)"
        assert shown["tasks"] == "7 in all, 1 done, 2 searched only, 4 not reached"
        assert shown["peak memory of a worker"] == "1.00 GiB"
        assert shown["failures"] == "search: ValueError 1"

    def test_without_a_search_there_is_none_of_it(self) -> None:
        shown = table(summary_of(TaskRecord("a", Outcome.DONE), branches={Query("a", 0): Branch.MODEL_ONLY}))
        assert not [name for name in shown if "search" in name or "fusion" in name]

    def test_without_a_model_nothing_is_trained(self) -> None:
        summary = Summary({"budget": 600.0, "base": None}, (), 9.0, searches=(searched("a"),))
        assert not [name for name in table(summary) if "TTT" in name]

    def test_branches_are_counted(self) -> None:
        branches = {
            Query("a", 0): Branch.AGREE,
            Query("a", 1): Branch.MODEL_FIRST,
            Query("b", 0): Branch.AGREE,
        }
        summary = summary_of(searches=(searched("a"), searched("b")), branches=branches)
        shown = table(summary)
        assert shown["fusion: agree"] == "2 test inputs"
        assert shown["fusion: model first"] == "1 test inputs"
        assert "fusion: neither" not in shown
        scores = score(SOLUTIONS, {})
        judged = Verdict(scores, scores, branches={Branch.AGREE: Hits(2, 1, 2)})
        assert table(summary, judged)["fusion: agree"] == "2 test inputs: attempt 1 right 1, either 2"


class TestJudge:
    @pytest.fixture
    def judged(self, tmp_path: Path, clock: Clock) -> tuple[Summary, Verdict]:
        """task00: both right; task01: the program right, the model wrong; task02: only the model, wrong and right."""
        run = begun(tmp_path, clock, searchers=1)
        with Journal(run.settings.journal) as journal:
            journal.append("run", **run.settings.to_json(TASKS))
            for task_id, program, model in (("task00", RIGHT, RIGHT), ("task01", RIGHT, WRONG)):
                journal.append(SEARCH_EVENT, **search(run, task_id, program).to_json())
                if task_id in run.scheduler.deferred:
                    run.scheduler.deferred.remove(task_id)
                    run.scheduler.waiting.insert(0, task_id)
                journal.append(TASK_EVENT, **solve(run, task_id, model).to_json())
            journal.append(TASK_EVENT, **solve(run, "task02", WRONG, RIGHT).to_json())
            journal.append(SEARCH_EVENT, **search(run, "task02").to_json())
        summary = summarise(run)
        return summary, judge(SOLUTIONS, run, summary)

    def test_each_channel_alone_and_both(self, judged: tuple[Summary, Verdict]) -> None:
        _, verdict = judged
        assert verdict.alone[Channel.MODEL].mean_fraction == 0.5
        assert verdict.alone[Channel.PROGRAM].mean_fraction == 0.5
        assert verdict.scores.mean_fraction == verdict.found.mean_fraction == 0.75
        shown = table(*judged)
        assert shown["model alone"] == "50.00 % mean, 33.33 % of outputs, 50.00 % of tasks"
        assert shown["program search alone"] == "50.00 % mean, 50.00 % of outputs, 50.00 % of tasks"
        assert shown["both, fused"] == "75.00 % mean, 66.67 % of outputs, 75.00 % of tasks"

    def test_branches_by_the_last_record_of_each_task(self, judged: tuple[Summary, Verdict]) -> None:
        summary, verdict = judged
        assert set(summary.branches.values()) == {Branch.AGREE, Branch.PROGRAM_FIRST, Branch.MODEL_ONLY}
        assert verdict.branches[Branch.AGREE] == Hits(1, 1, 1)
        assert verdict.branches[Branch.PROGRAM_FIRST] == Hits(2, 2, 2)
        assert verdict.branches[Branch.MODEL_ONLY] == Hits(1, 0, 1)
        assert verdict.branches[Branch.NEITHER] == Hits(0, 0, 0)

    def test_one_channel_is_not_compared_with_itself(self, run: Run) -> None:
        solve(run, "task00", RIGHT)
        assert judge(SOLUTIONS, run, summary_of(*run.records.values())).alone == {}


class TestSummary:
    def test_reads_all_passes_and_all_parts_of_a_resumed_run(self, run: Run) -> None:
        with Journal(run.settings.journal) as journal:
            journal.append("run", **run.settings.to_json(TASKS))
            journal.append("worker", device="cpu")
            journal.append(TASK_EVENT, **TaskRecord("task00", Outcome.TIMED_OUT).to_json())
            journal.append("problem", text="worker 0 died")
            journal.append("end", seconds=10.0, problems=["worker 0 died"])
            journal.append("run", **run.settings.to_json(TASKS))
            journal.append(TASK_EVENT, **TaskRecord("task00", Outcome.DONE).to_json())
            journal.append("end", seconds=5.5, problems=[])
        summary = summarise(run)
        assert [record.status for record in summary.passes] == [Outcome.TIMED_OUT, Outcome.DONE]
        assert summary.last()["task00"].status is Outcome.DONE
        assert summary.seconds == 15.5
        assert summary.problems == ("worker 0 died",)
        assert summary.settings["budget"] == 600.0

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
