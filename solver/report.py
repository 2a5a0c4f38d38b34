"""The table at the end of a run.

Reads run state, records and scores; changes nothing. Solutions come in only to be compared with answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from solver.attempts import Candidate, Channel
from solver.budget import format_duration
from solver.evaluation import Hits, Scores, Solutions, hits, recall, score
from solver.fusion import Branch
from solver.journal import read_journal
from solver.records import SEARCH_EVENT, TASK_EVENT, Outcome, SearchRecord, TaskRecord
from solver.run_state import Run
from solver.task import Query


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's records, every pass of every task, and its totals. passes, searches: records in the order they ended;
    branches: what decided the last answer to each test input."""

    settings: dict[str, Any]
    passes: tuple[TaskRecord, ...]
    seconds: float
    problems: tuple[str, ...] = field(default=())
    searches: tuple[SearchRecord, ...] = field(default=())
    branches: Mapping[Query, Branch] = field(default_factory=dict)

    def last(self) -> dict[str, TaskRecord]:
        """The newest record of each task."""
        return {record.task_id: record for record in self.passes}

    def searched(self) -> dict[str, SearchRecord]:
        """The newest search of each task."""
        return {record.task_id: record for record in self.searches}


def summarise(run: Run) -> Summary:
    """Reads the run's journal."""
    events = read_journal(run.settings.journal)
    passes: list[TaskRecord] = []
    searches: list[SearchRecord] = []
    branches: dict[Query, Branch] = {}
    for event in events:
        record: TaskRecord | SearchRecord
        if event["event"] == TASK_EVENT:
            passes.append(record := TaskRecord.from_json(event))
        elif event["event"] == SEARCH_EVENT:
            searches.append(record := SearchRecord.from_json(event))
        else:
            continue
        branches |= {Query(record.task_id, index): branch for index, branch in enumerate(record.branches)}
    seconds = sum(event["seconds"] for event in events if event["event"] == "end")
    problems = tuple(event["text"] for event in events if event["event"] == "problem")
    settings = next(event for event in events if event["event"] == "run")
    return Summary(settings, tuple(passes), seconds, problems, tuple(searches), branches)


def candidates_of(summary: Summary) -> list[Candidate]:
    records: list[TaskRecord | SearchRecord] = [*summary.last().values(), *summary.searched().values()]
    return [candidate for record in records for candidate in record.candidates]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finished run compared with the solutions. found: the scores if every candidate could be submitted;
    alone: those of each channel by itself; branches: how often each was right."""

    scores: Scores
    found: Scores
    alone: Mapping[Channel, Scores] = field(default_factory=dict)
    branches: Mapping[Branch, Hits] = field(default_factory=dict)


def judge(solutions: Solutions, run: Run, summary: Summary) -> Verdict:
    """Scores a finished run; the channels by themselves only where both were at work."""
    both = len(run.settings.channels()) > 1
    return Verdict(
        score(solutions, run.answers),
        score_candidates(solutions, summary),
        {channel: score(solutions, run.alone(channel)) for channel in (Channel.MODEL, Channel.PROGRAM) if both},
        {branch: hits(solutions, run.answers, queries) for branch, queries in _by_branch(summary).items()},
    )


def _by_branch(summary: Summary) -> dict[Branch, list[Query]]:
    """The test inputs that each branch decided."""
    return {branch: [query for query, one in summary.branches.items() if one is branch] for branch in Branch}


def show(console: Console, summary: Summary, tasks: int, verdict: Verdict | None) -> None:
    """Prints the table at the end of a run."""
    table = Table(title="Run", show_header=False, title_justify="left")
    for name, value in rows(summary, tasks, verdict):
        table.add_row(Text(name), Text(value))
    console.print(table)


def rows(summary: Summary, tasks: int, verdict: Verdict | None) -> Iterable[tuple[str, str]]:
    """(name, value) of each line of the table."""
    if verdict:
        yield from _score_rows(verdict)
    yield "tasks", _outcomes(summary, tasks)
    if summary.settings.get("base", True):
        yield from _ttt_rows([record.ttt for record in summary.passes if record.ttt])
    if summary.searches:
        yield "program search", _search_account(summary, tasks)
        yield from _branch_rows(summary, verdict)
    stages: Counter[str] = Counter()
    for record in summary.passes:
        stages.update(record.seconds)
    if summary.searches:
        stages.update({"search": sum(search.seconds for search in summary.searches)})
    total = sum(stages.values()) or 1.0
    yield (
        "worker seconds by stage",
        ", ".join(f"{stage} {seconds:.0f} ({100 * seconds / total:.0f} %)" for stage, seconds in stages.items())
        or "none",
    )
    budget = summary.settings["budget"]
    yield "wall clock", f"{format_duration(summary.seconds)} of {format_duration(budget)}"
    peak = max((0, *(one.peak_memory for one in summary.passes), *(one.peak_memory for one in summary.searches)))
    yield "peak memory of a worker", f"{peak / 2**30:.2f} GiB"
    yield "failures", _failures(summary)


def _score_rows(verdict: Verdict) -> Iterable[tuple[str, str]]:
    """The three scores; then, where there were two channels, what each would have had without the other."""
    scores, found = verdict.scores, verdict.found
    yield "score: mean of solved fractions", _percent(scores.mean_fraction, found.mean_fraction)
    yield f"test outputs solved ({scores.outputs})", _percent(scores.flat, found.flat)
    yield f"whole tasks solved ({scores.tasks})", _percent(scores.strict, found.strict)
    yield "solved / among the candidates", f"{scores.solved_tasks} / {found.solved_tasks} tasks"
    names = {Channel.MODEL: "model alone", Channel.PROGRAM: "program search alone"}
    for channel, alone in verdict.alone.items():
        yield names[channel], _three(alone)
    if verdict.alone:
        yield "both, fused", _three(scores)


def _three(scores: Scores) -> str:
    return (
        f"{100 * scores.mean_fraction:.2f} % mean, {100 * scores.flat:.2f} % of outputs, "
        f"{100 * scores.strict:.2f} % of tasks"
    )


def _outcomes(summary: Summary, tasks: int) -> str:
    last, searched = summary.last(), summary.searched()
    outcomes = Counter(record.status for record in last.values())
    parts = [f"{tasks} in all"]
    parts += [f"{outcomes[outcome]} {outcome.value}" for outcome in Outcome if outcomes[outcome]]
    if only := len(searched.keys() - last.keys()):
        parts.append(f"{only} searched only")
    if missing := tasks - len(last.keys() | searched.keys()):
        parts.append(f"{missing} not reached")
    return ", ".join(parts)


def _search_account(summary: Summary, tasks: int) -> str:
    """How many tasks have programs that reproduce all demonstrations, what that took, why searches ended."""
    searched = summary.searched().values()
    perfect, unique = (
        sum(map(bool, some)) for some in zip(*((one.perfect, one.unique) for one in searched), strict=True)
    )
    stops = Counter(record.stop or Outcome.FAILED.value for record in searched)
    ended = ", ".join(f"{stop} {count}" for stop, count in stops.most_common())
    seconds = sum(record.seconds for record in summary.searches)
    return (
        f"{len(searched)} of {tasks} tasks searched, {perfect} with a perfect program, {unique} with a unique one, "
        f"{seconds:.0f} s; stopped by: {ended}"
    )


def _branch_rows(summary: Summary, verdict: Verdict | None) -> Iterable[tuple[str, str]]:
    """How the attempts came about and, on labelled data, how often they are right."""
    for branch, queries in _by_branch(summary).items():
        if queries:
            right = verdict.branches.get(branch) if verdict else None
            told = f": attempt 1 right {right.first}, either {right.either}" if right else ""
            yield f"fusion: {branch.value}", f"{len(queries)} test inputs{told}"


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
    for search in summary.searches:
        if search.error:
            kinds["search: " + search.error.splitlines()[0].split(":")[0]] += 1
    if summary.problems:
        kinds["worker problems"] = len(summary.problems)
    return ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()) or "none"


def _percent(value: float, reachable: float) -> str:
    return f"{100 * value:.2f} %, among the candidates {100 * reachable:.2f} %"


def score_candidates(solutions: Solutions, summary: Summary) -> Scores:
    """The scores if every candidate counted: what the vote could have had."""
    return recall(solutions, candidates_of(summary))
