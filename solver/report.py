"""What the person watching sees: a live line while a run works, a table at its end.

Reads run state, records and scores; changes nothing. Solutions come in only to be compared with answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from solver.attempts import Candidate
from solver.budget import format_duration
from solver.evaluation import Scores, Solutions, recall, restrict, score
from solver.journal import TASK_EVENT, Outcome, TaskRecord, read_journal
from solver.run_state import Run

LINE_EVERY = 30.0
"""Seconds between two lines where the output is a file and a live line would fill it."""


@dataclass(slots=True)
class Watch:
    """A live line on a terminal, a line now and then elsewhere. solutions: only to show the score so far."""

    console: Console
    solutions: Solutions | None = None
    _live: Live | None = None
    _last: float = float("-inf")

    def started(self, run: Run) -> None:
        settings = run.settings
        self.console.print(
            f"{len(run.tasks)} tasks, base {settings.profile.name}, {len(settings.devices)} worker(s), "
            f"budget {format_duration(settings.budget)}, seed {settings.seed}; run directory {settings.run_dir}",
            highlight=False,
            markup=False,
        )
        if done := len(run.records):
            self.console.print(f"resumed: {done} tasks were finished before", highlight=False, markup=False)
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=2, transient=True)
            self._live.start()

    def changed(self, run: Run) -> None:
        now = run.clock()
        if self._live:
            self._live.update(Text(self.line(run), no_wrap=True, overflow="ellipsis"))
        elif now - self._last >= LINE_EVERY:
            self._last = now
            self.console.print(self.line(run), highlight=False, markup=False, soft_wrap=True)

    def ended(self, run: Run) -> None:
        if self._live:
            self._live.stop()
        for problem in run.problems:
            self.console.print(f"problem: {problem}", style="red", highlight=False, markup=False, soft_wrap=True)

    def line(self, run: Run) -> str:
        """Tasks done, time left, what is being worked on and, on labelled data, the score so far."""
        scheduler = run.scheduler
        done = sum(count > 0 for count in scheduler.passes.values())
        parts = [f"{done}/{len(run.tasks)} tasks", f"{format_duration(run.left())} left"]
        if further := sum(record.pass_number > 0 for record in run.records.values()):
            parts.append(f"{further} further passes")
        parts.append("now " + (" ".join(scheduler.running) or "starting"))
        if self.solutions is not None and run.records:
            known = restrict(self.solutions, run.records)
            scores = score(known, run.answers)
            parts.append(f"score so far {100 * scores.mean_fraction:.1f} % ({scores.solved_tasks} solved)")
        return " | ".join(parts)


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's records, every pass of every task, and its totals. passes: task records in the order they ended."""

    settings: dict[str, Any]
    passes: tuple[TaskRecord, ...]
    seconds: float
    problems: tuple[str, ...] = field(default=())

    def last(self) -> dict[str, TaskRecord]:
        """The newest record of each task."""
        return {record.task_id: record for record in self.passes}


def summarise(run: Run) -> Summary:
    """Reads the run's journal."""
    events = read_journal(run.settings.journal)
    records = tuple(TaskRecord.from_json(event) for event in events if event["event"] == TASK_EVENT)
    seconds = sum(event["seconds"] for event in events if event["event"] == "end")
    problems = tuple(event["text"] for event in events if event["event"] == "problem")
    return Summary(next(event for event in events if event["event"] == "run"), records, seconds, problems)


def candidates_of(summary: Summary) -> list[Candidate]:
    return [candidate for record in summary.last().values() for candidate in record.candidates]


def show(console: Console, summary: Summary, tasks: int, scores: Scores | None, found: Scores | None) -> None:
    """Prints the table at the end of a run. found: the scores if every candidate could be submitted."""
    table = Table(title="Run", show_header=False, title_justify="left")
    for name, value in rows(summary, tasks, scores, found):
        table.add_row(Text(name), Text(value))
    console.print(table)


def rows(summary: Summary, tasks: int, scores: Scores | None, found: Scores | None) -> Iterable[tuple[str, str]]:
    """(name, value) of each line of the table."""
    last = summary.last()
    if scores and found:
        yield "score: mean of solved fractions", _percent(scores.mean_fraction, found.mean_fraction)
        yield f"test outputs solved ({scores.outputs})", _percent(scores.flat, found.flat)
        yield f"whole tasks solved ({scores.tasks})", _percent(scores.strict, found.strict)
        yield "solved / among the candidates", f"{scores.solved_tasks} / {found.solved_tasks} tasks"
    outcomes = Counter(record.status for record in last.values())
    yield (
        "tasks",
        ", ".join(
            [f"{tasks} in all"]
            + [f"{outcomes[outcome]} {outcome.value}" for outcome in Outcome if outcomes[outcome]]
            + ([f"{tasks - len(last)} not reached"] if tasks > len(last) else [])
        ),
    )
    yield from _ttt_rows([record.ttt for record in summary.passes if record.ttt])
    stages: Counter[str] = Counter()
    for record in summary.passes:
        stages.update(record.seconds)
    total = sum(stages.values()) or 1.0
    yield (
        "worker seconds by stage",
        ", ".join(f"{stage} {seconds:.0f} ({100 * seconds / total:.0f} %)" for stage, seconds in stages.items())
        or "none",
    )
    budget = summary.settings["budget"]
    yield "wall clock", f"{format_duration(summary.seconds)} of {format_duration(budget)}"
    peak = max((record.peak_memory for record in summary.passes), default=0)
    yield "peak memory of a worker", f"{peak / 2**30:.2f} GiB"
    yield "failures", _failures(summary)


def _ttt_rows(reports: Sequence[dict[str, Any]]) -> Iterable[tuple[str, str]]:
    """Proof that test-time training ran: executed against planned steps, losses, why it stopped."""
    trained = [report for report in reports if report["executed"]]
    executed = sum(report["executed"] for report in reports)
    planned = sum(report["planned"] for report in reports)
    steps = [report["executed"] for report in reports]
    middle = f", median {median(steps):.0f} a task" if steps else ""
    yield "TTT steps executed / planned", f"{executed} / {planned}{middle}"
    before = [report["loss_before"] for report in trained if report["loss_after"] is not None]
    after = [report["loss_after"] for report in trained if report["loss_after"] is not None]
    if after:
        yield "leave-one-out loss, median", f"{median(before):.3f} before, {median(after):.4f} after (nats per token)"
    stops = Counter(report["stop"] for report in reports)
    yield "TTT stopped by", ", ".join(f"{stop} {count}" for stop, count in stops.most_common()) or "nothing ran"


def _failures(summary: Summary) -> str:
    """Errors, degradations and lost workers by kind."""
    kinds: Counter[str] = Counter()
    for record in summary.passes:
        if record.error:
            kinds[record.error.splitlines()[0].split(":")[0]] += 1
        kinds.update(set(record.ttt.get("events", ())))
        if any("too long" in note for note in record.notes):
            kinds["prompt too long"] += 1
    if summary.problems:
        kinds["worker problems"] = len(summary.problems)
    return ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or "none"


def _percent(value: float, reachable: float) -> str:
    return f"{100 * value:.2f} %, among the candidates {100 * reachable:.2f} %"


def score_candidates(solutions: Solutions, summary: Summary) -> Scores:
    """The scores if every candidate counted: what the vote could have had."""
    return recall(solutions, candidates_of(summary))
