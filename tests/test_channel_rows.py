"""What the table at the end tells of each channel, on summaries made by hand."""

from __future__ import annotations

from dataclasses import replace

from solver.channel_rows import FATES_SHOWN
from solver.evaluation import Hits, score
from solver.fusion import Branch
from solver.records import InductionRecord, Outcome, SearchRecord, TaskRecord
from solver.summary import Summary, Verdict
from solver.task import Query
from tests.hand_made import SOLUTIONS
from tests.summaries import searched, summary_of, table, ttt, wrote


class TestBases:
    def test_a_line_for_each_of_several(self) -> None:
        summary = summary_of(
            TaskRecord("a", Outcome.DONE, ttt=ttt(8, 8)),
            TaskRecord("b", Outcome.TIMED_OUT, ttt=ttt(2, 8, "time")),
            TaskRecord("a", Outcome.DONE, ttt=ttt(30, 40), base=1),
            TaskRecord("a", Outcome.DONE, ttt=ttt(5, 40, "time"), pass_number=1, base=1),
        )
        summary.settings["bases"] = ["small", "large"]
        shown = table(summary)
        assert shown["base small"] == "2 of 4 tasks visited, 1 done, 1 timed out, 10 TTT steps of 16 planned"
        assert shown["base large"] == "1 of 4 tasks visited, 1 done, 1 further passes, 35 TTT steps of 80 planned"
        assert shown["TTT steps executed / planned"] == "45 / 96, median 6 a task"
        assert shown["tasks"] == "4 in all, 1 done, 1 timed out, 2 not reached"

    def test_none_for_a_single_one(self) -> None:
        summary = summary_of(TaskRecord("a", Outcome.DONE, ttt=ttt(8, 8)))
        summary.settings["bases"] = ["small"]
        assert not [name for name in table(summary) if name.startswith("base")]


class TestTraining:
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


class TestDecoding:
    def test_what_was_decoded_and_what_it_took(self) -> None:
        counts = {"views": 9, "planned": 16, "saved": 7, "unparsed": 1, "passes": 40, "drafted": 100, "accepted": 75}
        shown = table(
            summary_of(
                TaskRecord("a", Outcome.DONE, decoding=counts),
                TaskRecord("b", Outcome.DONE, decoding=counts | {"drafted": 20, "accepted": 3}),
                TaskRecord("c", Outcome.FAILED, error="x"),
            )
        )
        assert shown["views"] == (
            "18 of 32 decoded, 14 left out as decided, 2 without an answer, 80 forward passes, "
            "120 draft tokens, 65 % of them right"
        )

    def test_searches_and_scores_where_there_were_any(self) -> None:
        counts = {"views": 8, "planned": 8, "searches": 5, "cut": 2, "scored": 4, "score_passes": 3}
        shown = table(summary_of(TaskRecord("a", Outcome.DONE, decoding=counts)))
        assert shown["views"] == (
            "8 of 8 decoded, 0 without an answer, 0 forward passes, "
            "5 searched, 2 of them cut short, 4 candidates scored in 3 passes"
        )

    def test_no_views_in_a_run_without_a_model(self) -> None:
        summary = replace(summary_of(), settings={"budget": 600.0, "bases": []})
        assert "views" not in table(summary)
        assert table(summary_of())["views"].startswith("0 of 0 decoded")


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
        assert shown["tasks"] == "7 in all, 1 done, 2 by programs only, 4 not reached"
        assert shown["peak memory of a worker"] == "1.00 GiB"
        assert shown["failures"] == "search: ValueError 1"

    def test_without_a_search_there_is_none_of_it(self) -> None:
        shown = table(summary_of(TaskRecord("a", Outcome.DONE), branches={Query("a", 0): Branch.MODEL_ONLY}))
        assert not [name for name in shown if "search" in name or "fusion" in name or "written" in name]

    def test_without_a_model_nothing_is_trained(self) -> None:
        summary = Summary({"budget": 600.0, "bases": []}, (), 9.0, searches=(searched("a"),))
        assert not [name for name in table(summary) if "TTT" in name]


class TestWrittenPrograms:
    def test_what_was_written_and_what_became_of_it(self) -> None:
        shown = table(
            summary_of(
                TaskRecord("a", Outcome.DONE, seconds={"ttt": 30.0}, peak_memory=2**29),
                inductions=(
                    InductionRecord("b", Outcome.FAILED, error="RuntimeError: out of memory\nTraceback"),
                    wrote("a", 3, True, stop="settled", fates={"time": 2, "returned": 8}, seconds={"write": 8.0}),
                    wrote("b", 2, fates={"time": 10}, seconds={"write": 40.0, "run": 2.0}, peak_memory=2**33),
                    InductionRecord("c", Outcome.TIMED_OUT, stop="deadline"),
                    InductionRecord("d", Outcome.FAILED, error="ValueError: x", notes=("prompt is too long",)),
                ),
            ),
            tasks=7,
        )
        assert shown["written programs"] == (
            "4 of 7 tasks, 20 texts, 8 distinct programs, 2 tasks with a perfect program, 1 with a unique answer; "
            "stopped by: deadline 2, settled 1, failed 1"
        )
        assert shown["what became of them"] == "time 60 %, returned 40 %"
        assert shown["worker seconds by stage"] == "ttt 30 (38 %), write 48 (60 %), run 2 (2 %)"
        assert shown["tasks"] == "7 in all, 1 done, 3 by programs only, 3 not reached"
        assert shown["peak memory of a worker"] == "8.00 GiB"
        failures = ["programs: RuntimeError 1", "programs: ValueError 1", "prompt too long 1"]
        assert sorted(shown["failures"].split(", ")) == failures

    def test_only_the_most_frequent_fates_are_named(self) -> None:
        fates = {f"way {number}": 20 - number for number in range(FATES_SHOWN + 3)}
        shown = table(summary_of(inductions=(wrote("a", fates=fates),)))["what became of them"]
        assert shown.startswith("way 0 12 %, way 1 12 %, ")
        assert shown.endswith(f"way {FATES_SHOWN - 1} 8 %, 3 other ways")
        assert table(summary_of(inductions=(wrote("a", sampled=0),)))["what became of them"] == "none was sampled"


class TestBranches:
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
        written = summary_of(inductions=(wrote("a"),), branches=branches)
        assert table(written)["fusion: agree"] == "2 test inputs"
        scores = score(SOLUTIONS, {})
        judged = Verdict(scores, scores, branches={Branch.AGREE: Hits(2, 1, 2)})
        assert table(summary, judged)["fusion: agree"] == "2 test inputs: attempt 1 right 1, either 2"
