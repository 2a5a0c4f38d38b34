"""What a finished run amounts to, on runs made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from solver.attempts import Candidate, Channel
from solver.evaluation import Hits
from solver.fusion import Branch
from solver.journal import Journal
from solver.records import INDUCTION_EVENT, SEARCH_EVENT, TASK_EVENT, Outcome, TaskRecord
from solver.run_state import Run
from solver.summary import Summary, Verdict, judge, summarise
from solver.task import Query
from tests.fake_worker import PROFILE
from tests.hand_made import OTHER, RIGHT, SOLUTIONS, TASKS, WRONG, Clock, begun, search, solve, write
from tests.summaries import summary_of, table


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(tmp_path: Path, clock: Clock) -> Run:
    return begun(tmp_path, clock)


class TestJudge:
    @pytest.fixture
    def judged(self, tmp_path: Path, clock: Clock) -> tuple[Summary, Verdict]:
        """task00: both right; task01: the program right, the model wrong; task02: only the model, wrong and right."""
        run = begun(tmp_path, clock, searchers=1)
        with Journal(run.settings.journal) as journal:
            journal.append("run", **run.settings.to_json(TASKS))
            for task_id, program, model in (("task00", RIGHT, RIGHT), ("task01", RIGHT, WRONG)):
                journal.append(SEARCH_EVENT, **search(run, task_id, program).to_json())
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
        assert shown["fused"] == "75.00 % mean, 66.67 % of outputs, 75.00 % of tasks"

    def test_three_channels(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, searchers=1, writer=Path("writer"))
        with Journal(run.settings.journal) as journal:
            journal.append("run", **run.settings.to_json(TASKS))
            journal.append(SEARCH_EVENT, **search(run, "task00", RIGHT, cost=9.0).to_json())
            journal.append(SEARCH_EVENT, **search(run, "task01", WRONG, cost=9.0).to_json())
            journal.append(INDUCTION_EVENT, **write(run, "task01", RIGHT).to_json())
            journal.append(INDUCTION_EVENT, **write(run, "task02", RIGHT, OTHER).to_json())
            journal.append(TASK_EVENT, **solve(run, "task00", WRONG, OTHER).to_json())
        summary = summarise(run)
        verdict = judge(SOLUTIONS, run, summary)
        fractions = {channel: scores.mean_fraction for channel, scores in verdict.alone.items()}
        assert fractions == {Channel.MODEL: 0.0, Channel.PROGRAM: 0.25, Channel.INDUCTION: 0.5}
        assert verdict.scores.mean_fraction == verdict.found.mean_fraction == 0.75
        shown = table(summary, verdict)
        assert shown["written programs alone"] == "50.00 % mean, 50.00 % of outputs, 50.00 % of tasks"
        assert [name for name in shown if "alone" in name or name == "fused"] == [
            *("model alone", "program search alone", "written programs alone"),
            "fused",
        ]
        assert summary.written().keys() == {"task01", "task02"}
        assert len(summary.all()) == 5
        assert summary.by_branch()[Branch.PROGRAM_FIRST] == [Query("task00", 0)]

    def test_branches_by_the_last_record_of_each_task(self, judged: tuple[Summary, Verdict]) -> None:
        summary, verdict = judged
        assert set(summary.branches.values()) == {Branch.AGREE, Branch.PROGRAM_FIRST, Branch.MODEL_ONLY}
        assert verdict.branches[Branch.AGREE] == Hits(1, 1, 1)
        assert verdict.branches[Branch.PROGRAM_FIRST] == Hits(2, 2, 2)
        assert verdict.branches[Branch.MODEL_ONLY] == Hits(1, 0, 1)
        assert verdict.branches[Branch.NEITHER] == Hits(0, 0, 0)

    def test_each_base_alone(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, profiles=(PROFILE, replace(PROFILE, name="large")))
        with Journal(run.settings.journal) as journal:
            journal.append("run", **run.settings.to_json(TASKS))
            for task_id, early, late in (("task00", RIGHT, RIGHT), ("task01", RIGHT, WRONG), ("task02", WRONG, RIGHT)):
                journal.append(TASK_EVENT, **solve(run, task_id, early).to_json())
                journal.append(TASK_EVENT, **solve(run, task_id, late, base=1).to_json())
        summary = summarise(run)
        verdict = judge(SOLUTIONS, run, summary)
        assert verdict.alone == {}
        assert [scores.mean_fraction for scores in verdict.bases] == [0.5, 0.5]
        assert verdict.scores.mean_fraction == verdict.found.mean_fraction == 0.75
        shown = table(summary, verdict)
        assert shown["fake alone"] == "50.00 % mean, 50.00 % of outputs, 50.00 % of tasks"
        assert shown["large alone"] == "50.00 % mean, 33.33 % of outputs, 50.00 % of tasks"
        assert shown["fused"].startswith("75.00 % mean")
        assert len(summary.last()) == 3
        assert {record.base for record in summary.last().values()} == {1}
        assert {record.base for record in summary.last(0).values()} == {0}
        assert {one.base for one in summary.candidates()} == {0, 1}

    def test_one_channel_is_not_compared_with_itself(self, run: Run) -> None:
        solve(run, "task00", RIGHT)
        verdict = judge(SOLUTIONS, run, summary_of(*run.bases[0].records.values()))
        assert (verdict.alone, verdict.bases) == ({}, ())


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
        assert summary.settings["budget"] == 2 * run.settings.budget

    def test_a_sitting_that_was_killed_lasted_until_the_last_that_is_known_of_it(self, run: Run) -> None:
        now = Clock()
        with Journal(run.settings.journal, now) as journal:
            for killed in (True, False):
                journal.append("run", **run.settings.to_json(TASKS))
                now.now += 7
                journal.append(TASK_EVENT, **TaskRecord("task00", Outcome.TIMED_OUT).to_json())
                if not killed:
                    now.now += 2
                    journal.append("end", seconds=9.5, problems=[])
                now.now += 1000
            journal.append("run", **run.settings.to_json(TASKS))
        summary = summarise(run)
        assert (summary.seconds, summary.sittings) == (7 + 9.5, 3)
        assert table(summary)["wall clock"] == "16s of 30m00s, in 3 sittings"

    def test_a_channel_that_was_added_later_is_told_of(self, tmp_path: Path, clock: Clock) -> None:
        first, second = begun(tmp_path, clock), begun(tmp_path, clock, searchers=1)
        with Journal(first.settings.journal) as journal:
            for sitting in (first, second):
                journal.append("run", **sitting.settings.to_json(TASKS))
        assert summarise(second).settings["channels"] == ["ttt", "search"]

    def test_candidates_of_repeated_passes_are_counted_once(self) -> None:
        query = Query("a", 0)
        first = TaskRecord("a", Outcome.DONE, (Candidate(query, RIGHT),))
        second = TaskRecord("a", Outcome.DONE, (Candidate(query, RIGHT), Candidate(query, WRONG)), pass_number=1)
        assert summary_of(first, second).candidates() == list(second.candidates)
