"""What a run shows, on runs made by hand."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from solver.attempts import Attempts, Candidate
from solver.evaluation import Scores, Solutions, score
from solver.grid import Grid
from solver.journal import TASK_EVENT, Journal, Outcome, TaskRecord
from solver.report import LINE_EVERY, Summary, Watch, candidates_of, rows, score_candidates, show, summarise
from solver.run_state import Run, Settings, new_run
from solver.task import Query
from tests.fake_worker import PROFILE, make_tasks

RIGHT, WRONG, OTHER = (Grid(((colour,),)) for colour in range(3))
TASKS = make_tasks(4)
SOLUTIONS: Solutions = {task.id: (RIGHT,) * len(task.test_inputs) for task in TASKS}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(tmp_path: Path, clock: Clock) -> Run:
    """Just begun, ten minutes long."""
    settings = Settings(tmp_path / "out.json", tmp_path / "run", PROFILE, 600.0, clock.now, ("cpu", "cpu"), passes=3)
    return new_run(settings, TASKS, clock)


def solve(run: Run, task_id: str, *found: Grid, **fields: Any) -> TaskRecord:
    """Ends a pass over a task that found these grids, the first one most often."""
    grant = run.scheduler.next(run.clock())
    assert grant is not None
    if grant.task_id != task_id:
        run.scheduler.waiting.insert(0, grant.task_id)
        run.scheduler.running = {task_id: replace(grant, task_id=task_id)}
        run.scheduler.waiting.remove(task_id)
    candidates = tuple(Candidate(query, grid) for query in run.tasks[task_id].queries() for grid in (found[:1] + found))
    run.found[task_id] += candidates
    run.scheduler.finished(task_id, run.doubt(task_id))
    attempts = run.vote(task_id)
    plain = TaskRecord(task_id, Outcome.DONE, tuple(run.found[task_id]), attempts, pass_number=grant.number)
    run.records[task_id] = replace(plain, **fields)
    run.answers |= {Query(task_id, index): one for index, one in enumerate(attempts)}
    return run.records[task_id]


def ttt(executed: int, planned: int, stop: str = "done", **fields: Any) -> dict[str, Any]:
    losses = {"loss_before": 0.8, "loss_after": 0.02} if executed else {"loss_before": None, "loss_after": None}
    return {"executed": executed, "planned": planned, "stop": stop, "events": [], **losses, **fields}


class TestLine:
    def watch(self, solutions: Solutions | None = None) -> Watch:
        return Watch(Console(file=StringIO()), solutions)

    def test_before_anything_happened(self, run: Run) -> None:
        assert self.watch().line(run) == "0/4 tasks | 10m00s left | now starting"
        assert self.watch(SOLUTIONS).line(run) == "0/4 tasks | 10m00s left | now starting"

    def test_tasks_done_time_left_and_what_is_worked_on(self, run: Run, clock: Clock) -> None:
        solve(run, "task00", RIGHT)
        solve(run, "task01", WRONG)
        run.scheduler.next(clock.now)
        clock.now += 75
        assert self.watch().line(run) == "2/4 tasks | 8m45s left | now task02"

    def test_score_so_far_counts_only_what_was_reached(self, run: Run) -> None:
        solve(run, "task00", RIGHT)
        assert self.watch(SOLUTIONS).line(run).endswith("score so far 100.0 % (1 solved)")
        solve(run, "task01", WRONG, OTHER)
        assert self.watch(SOLUTIONS).line(run).endswith("score so far 50.0 % (1 solved)")
        assert "score" not in self.watch().line(run)

    def test_further_passes(self, run: Run) -> None:
        for task in TASKS:
            solve(run, task.id, RIGHT, WRONG)
        assert "further" not in self.watch().line(run)
        solve(run, "task00", RIGHT, WRONG)
        assert "4/4 tasks" in self.watch().line(run)
        assert "1 further passes" in self.watch().line(run)

    def test_a_task_given_up_is_not_a_further_pass(self, run: Run, clock: Clock) -> None:
        for _ in range(2):
            run.scheduler.next(clock.now)
            run.scheduler.lost("task00")
        assert self.watch().line(run) == "1/4 tasks | 10m00s left | now starting"

    def test_past_the_end(self, run: Run, clock: Clock) -> None:
        clock.now += 1e6
        assert "| 0s left |" in self.watch().line(run)


class TestWatch:
    @pytest.fixture
    def watch(self) -> Watch:
        return Watch(Console(file=StringIO(), soft_wrap=True), SOLUTIONS)

    def printed(self, watch: Watch) -> list[str]:
        assert isinstance(watch.console.file, StringIO)
        text = watch.console.file.getvalue()
        assert "\x1b" not in text
        assert "\r" not in text
        watch.console.file.truncate(0)
        watch.console.file.seek(0)
        return text.splitlines()

    def test_start(self, watch: Watch, run: Run) -> None:
        watch.started(run)
        (line,) = self.printed(watch)
        assert line.startswith("4 tasks, base fake, 2 worker(s), budget 10m00s, seed 0; run directory ")
        assert line.endswith(str(run.settings.run_dir))

    def test_start_of_a_resumed_run(self, watch: Watch, run: Run) -> None:
        solve(run, "task00", RIGHT)
        watch.started(run)
        assert self.printed(watch)[1:] == ["resumed: 1 tasks were finished before"]

    def test_a_file_gets_a_plain_line_now_and_then(self, watch: Watch, run: Run, clock: Clock) -> None:
        watch.started(run)
        self.printed(watch)
        for _ in range(100):
            watch.changed(run)
            clock.now += 1
        assert self.printed(watch) == [
            "0/4 tasks | 10m00s left | now starting",
            "0/4 tasks | 9m30s left | now starting",
            "0/4 tasks | 9m00s left | now starting",
            "0/4 tasks | 8m30s left | now starting",
        ]
        assert LINE_EVERY == 30

    def test_a_terminal_gets_one_live_line(self, run: Run) -> None:
        file = StringIO()
        watch = Watch(Console(file=file, force_terminal=True, width=200), SOLUTIONS)
        watch.started(run)
        try:
            for _ in range(3):
                watch.changed(run)
        finally:
            watch.ended(run)
        assert "0/4 tasks | 10m00s left" in file.getvalue()
        assert "\x1b" in file.getvalue()

    def test_problems_at_the_end(self, watch: Watch, run: Run) -> None:
        watch.ended(run)
        assert self.printed(watch) == []
        run.problems += ["worker 0 died (exit code -9)", "worker 1: no such base"]
        watch.ended(run)
        assert self.printed(watch) == ["problem: worker 0 died (exit code -9)", "problem: worker 1: no such base"]

    def test_brackets_are_printed_as_they_are(self, watch: Watch, run: Run, tmp_path: Path) -> None:
        run.problems.append("worker 0: [/kaggle/input] is [bold]closed[/italic]")
        run.settings = replace(run.settings, run_dir=tmp_path / "[red]")
        watch.started(run)
        watch.changed(run)
        watch.ended(run)
        lines = self.printed(watch)
        assert lines[0].endswith("/[red]")
        assert lines[-1] == "problem: worker 0: [/kaggle/input] is [bold]closed[/italic]"


def table(
    summary: Summary, scores: Scores | None = None, found: Scores | None = None, tasks: int = 4
) -> dict[str, str]:
    return dict(rows(summary, tasks, scores, found))


def summary_of(*records: TaskRecord, seconds: float = 90.0, problems: tuple[str, ...] = ()) -> Summary:
    return Summary({"budget": 600.0}, records, seconds, problems)


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
        shown = table(summary, score(SOLUTIONS, run.answers), score_candidates(SOLUTIONS, summary))
        assert shown["score: mean of solved fractions"] == "37.50 %, among the candidates 50.00 %"
        assert shown["test outputs solved (6)"] == "33.33 %, among the candidates 50.00 %"
        assert shown["whole tasks solved (4)"] == "25.00 %, among the candidates 50.00 %"
        assert shown["solved / among the candidates"] == "1 / 2 tasks"

    def test_candidates_of_repeated_passes_are_counted_once(self) -> None:
        query = Query("a", 0)
        first = TaskRecord("a", Outcome.DONE, (Candidate(query, RIGHT),))
        second = TaskRecord("a", Outcome.DONE, (Candidate(query, RIGHT), Candidate(query, WRONG)), pass_number=1)
        assert candidates_of(summary_of(first, second)) == list(second.candidates)


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
        show(Console(file=file, width=100), summary, 4, None, None)
        assert "4 in all, 4 not reached" in file.getvalue()
        assert "\x1b" not in file.getvalue()

    def test_the_table_holds_every_row_whatever_the_text(self) -> None:
        summary = summary_of(TaskRecord("a", Outcome.FAILED, error="[/bold]Error: x"))
        file = StringIO()
        show(Console(file=file, width=120), summary, 1, None, None)
        for name, value in table(summary, tasks=1).items():
            assert name in file.getvalue()
            assert value in file.getvalue()
