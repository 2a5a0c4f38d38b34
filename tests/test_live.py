"""What a run shows while it works, on runs made by hand."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from solver.evaluation import Solutions
from solver.live import FIRST_RUN, LINE_EVERY, Watch
from solver.run_state import Run
from tests.fake_worker import PROFILE
from tests.hand_made import OTHER, RIGHT, SOLUTIONS, TASKS, WRONG, Clock, begun, search, solve, write


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(tmp_path: Path, clock: Clock) -> Run:
    return begun(tmp_path, clock)


class TestLine:
    def watch(self, solutions: Solutions | None = None) -> Watch:
        return Watch(Console(file=StringIO()), solutions)

    def test_before_anything_happened(self, run: Run) -> None:
        assert self.watch().line(run) == "0/4 tasks | 10m00s left | now starting"
        assert self.watch(SOLUTIONS).line(run) == "0/4 tasks | 10m00s left | now starting"

    def test_tasks_done_time_left_and_what_is_worked_on(self, run: Run, clock: Clock) -> None:
        solve(run, "task00", RIGHT)
        solve(run, "task01", WRONG)
        run.bases[0].scheduler.next(clock.now)
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
            run.bases[0].scheduler.next(clock.now)
            run.bases[0].scheduler.lost("task00")
        assert self.watch().line(run) == "1/4 tasks | 10m00s left | now starting"

    def test_a_search_before_the_model_begins(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, searchers=2)
        line = self.watch().line
        assert line(run) == f"0/4 tasks | 0/4 searched | 10m00s left | now {FIRST_RUN}"
        for _ in range(2):
            run.searching.next(clock.now)
        assert line(run) == "0/4 tasks | 0/4 searched | 10m00s left | searching task00 task01"

    def test_both_channels_at_work(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, devices=("cuda:0",), searchers=2)
        search(run, "task00", RIGHT)
        run.searching.next(clock.now)
        run.bases[0].scheduler.next(clock.now)
        assert self.watch(SOLUTIONS).line(run) == (
            "0/4 tasks | 1/4 searched | 10m00s left | searching task01 | now task01 | score so far 100.0 % (1 solved)"
        )

    def test_a_search_without_a_model(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, profiles=(), devices=(), searchers=2)
        search(run, "task00", WRONG)
        assert self.watch(SOLUTIONS).line(run) == (
            "1/4 searched | 10m00s left | now starting | score so far 0.0 % (0 solved)"
        )

    def test_three_channels_at_work(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, devices=("cuda:0", "cuda:1"), searchers=2, writer=Path("x/a-writer"))
        line = self.watch(SOLUTIONS).line
        assert line(run) == f"0/4 tasks | 0/4 searched | 0/4 with programs | 10m00s left | now {FIRST_RUN}"
        write(run, "task00", RIGHT)
        run.inducing.next(clock.now)
        run.searching.next(clock.now)
        assert line(run) == (
            "0/4 tasks | 0/4 searched | 1/4 with programs | 10m00s left | searching task00 | writing for task01 | "
            "score so far 100.0 % (1 solved)"
        )
        run.bases[0].scheduler.next(clock.now)
        assert "| writing for task01 | now task01 |" in line(run)

    def test_programs_alone(self, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, profiles=(), devices=("cuda:0",), writer=Path("a-writer"))
        write(run, "task00", WRONG)
        assert self.watch().line(run) == "1/4 with programs | 10m00s left | now starting"
        run.inducing.next(clock.now)
        assert self.watch().line(run) == "1/4 with programs | 10m00s left | writing for task01"

    def test_several_bases(self, tmp_path: Path, clock: Clock) -> None:
        profiles = (PROFILE, replace(PROFILE, name="large"))
        run = begun(tmp_path, clock, profiles=profiles, devices=("cuda:0", "cuda:1"))
        line = self.watch().line
        assert line(run) == "fake 0/4 | large 0/4 | 10m00s left | now starting"
        solve(run, "task00", RIGHT, WRONG)
        run.bases[0].scheduler.next(clock.now)
        assert line(run) == "fake 1/4 | large 0/4 | 10m00s left | now fake task01"
        run.bases[1].scheduler.next(clock.now, busy={"task01"})
        assert line(run) == "fake 1/4 | large 0/4 | 10m00s left | now fake task01, large task00"

    def test_many_tasks_at_once_are_counted(self, run: Run) -> None:
        run.bases[0].scheduler.running = {f"task{number}": None for number in range(5)}  # type: ignore[misc]
        assert self.watch().line(run).endswith("| now 5 tasks")

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

    def test_start_with_several_bases(self, watch: Watch, tmp_path: Path, clock: Clock) -> None:
        named = replace(PROFILE, name="1", folder=Path("a/1"))
        run = begun(tmp_path, clock, profiles=(PROFILE, named, replace(named, folder=Path("b/1"))))
        solve(run, "task00", RIGHT)
        solve(run, "task00", RIGHT, base=2)
        watch.started(run)
        begin, resumed = self.printed(watch)
        assert begin.startswith("4 tasks, bases fake, a/1, b/1, 2 worker(s), budget 10m00s")
        assert resumed == "resumed: tasks that were finished before: 1 by fake, 0 by a/1, 1 by b/1"

    def test_start_with_a_search(self, watch: Watch, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, searchers=5)
        search(run, "task00", RIGHT)
        watch.started(run)
        begin, resumed = self.printed(watch)
        assert begin.startswith("4 tasks, base fake, 2 worker(s), 5 search worker(s), budget 10m00s")
        assert resumed == "resumed: 0 tasks were finished before, 1 were searched"
        watch.started(begun(tmp_path, clock, profiles=(), devices=(), searchers=1))
        assert self.printed(watch)[0].startswith("4 tasks, 1 search worker(s), budget 10m00s")

    def test_start_with_a_model_that_writes_programs(self, watch: Watch, tmp_path: Path, clock: Clock) -> None:
        run = begun(tmp_path, clock, searchers=5, writer=Path("x/a-writer"))
        write(run, "task00", RIGHT)
        watch.started(run)
        begin, resumed = self.printed(watch)
        assert begin.startswith(
            "4 tasks, base fake, 2 worker(s), 5 search worker(s), programs by a-writer, budget 10m00s"
        )
        assert resumed == "resumed: 0 tasks were finished before, 0 were searched, 1 have programs"

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
