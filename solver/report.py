"""The table at the end of a run: scores, tasks, what each channel did, time, memory, failures.

Reads what `summary` has put together; changes nothing.
"""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from solver.attempts import Channel
from solver.budget import format_duration
from solver.channel_rows import Rows, base_rows, branch_rows, decoding_rows, induction_rows, search_rows, ttt_rows
from solver.claims import claim
from solver.evaluation import Scores
from solver.records import InductionRecord, Outcome, TaskRecord
from solver.summary import Summary, Verdict

ALONE = {
    Channel.MODEL: "model alone",
    Channel.PROGRAM: "program search alone",
    Channel.INDUCTION: "written programs alone",
}


def show(console: Console, summary: Summary, tasks: int, verdict: Verdict | None) -> None:
    """Prints the table at the end of a run."""
    table = Table(title="Run", show_header=False, title_justify="left")
    for name, value in rows(summary, tasks, verdict):
        table.add_row(Text(name), Text(value))
    console.print(table)


def rows(summary: Summary, tasks: int, verdict: Verdict | None) -> Rows:
    """(name, value) of each line of the table."""
    if verdict:
        yield from _score_rows(verdict, summary)
    bases = summary.settings.get("bases", [""])
    claims = [
        claim(base, seen, tasks) for base, seen in zip(bases, summary.settings.get("seen", ()), strict=False) if seen
    ]
    if claims:
        yield "seen in training", "; ".join(claims)
    yield "tasks", _outcomes(summary, tasks)
    if len(bases) > 1:
        yield from base_rows(summary, tasks)
    if bases:
        yield from ttt_rows([record.ttt for record in summary.passes if record.ttt])
        yield from decoding_rows([record.decoding for record in summary.passes])
    if summary.searches:
        yield from search_rows(summary, tasks)
    if summary.inductions:
        yield from induction_rows(summary, tasks)
    if summary.searches or summary.inductions:
        yield from branch_rows(summary, verdict)
    yield "worker seconds by stage", _stages(summary)
    sittings = f", in {summary.sittings} sittings" if summary.sittings > 1 else ""
    yield "wall clock", f"{format_duration(summary.seconds)} of {format_duration(summary.settings['budget'])}{sittings}"
    peak = max((0, *(one.peak_memory for one in summary.all())))
    yield "peak memory of a worker", f"{peak / 2**30:.2f} GiB"
    yield "failures", _failures(summary)


def _score_rows(verdict: Verdict, summary: Summary) -> Rows:
    """The three scores; then, where there were several channels or bases, what each would have had without the
    others."""
    scores, found = verdict.scores, verdict.found
    yield "score: mean of solved fractions", _percent(scores.mean_fraction, found.mean_fraction)
    yield f"test outputs solved ({scores.outputs})", _percent(scores.flat, found.flat)
    yield f"whole tasks solved ({scores.tasks})", _percent(scores.strict, found.strict)
    yield "solved / among the candidates", f"{scores.solved_tasks} / {found.solved_tasks} tasks"
    for channel, alone in verdict.alone.items():
        yield ALONE[channel], _three(alone)
    for name, alone in zip(summary.settings.get("bases", ()), verdict.bases, strict=False):
        yield f"{name} alone", _three(alone)
    if verdict.alone or verdict.bases:
        yield "fused", _three(scores)


def _three(scores: Scores) -> str:
    return (
        f"{100 * scores.mean_fraction:.2f} % mean, {100 * scores.flat:.2f} % of outputs, "
        f"{100 * scores.strict:.2f} % of tasks"
    )


def _percent(value: float, reachable: float) -> str:
    return f"{100 * value:.2f} %, among the candidates {100 * reachable:.2f} %"


def _outcomes(summary: Summary, tasks: int) -> str:
    last, others = summary.last(), summary.searched().keys() | summary.written().keys()
    outcomes = Counter(record.status for record in last.values())
    parts = [f"{tasks} in all"]
    parts += [f"{outcomes[outcome]} {outcome.value}" for outcome in Outcome if outcomes[outcome]]
    if only := len(others - last.keys()):
        parts.append(f"{only} by programs only")
    if missing := tasks - len(last.keys() | others):
        parts.append(f"{missing} not reached")
    return ", ".join(parts)


def _stages(summary: Summary) -> str:
    """Seconds and shares of every stage; programs are written and run at the same time, and both count."""
    stages: Counter[str] = Counter()
    for record in _by_models(summary):
        stages.update(record.seconds)
    if summary.searches:
        stages.update({"search": sum(search.seconds for search in summary.searches)})
    total = sum(stages.values()) or 1.0
    shares = [f"{stage} {seconds:.0f} ({100 * seconds / total:.0f} %)" for stage, seconds in stages.items()]
    return ", ".join(shares) or "none"


def _failures(summary: Summary) -> str:
    """Errors, degradations and lost workers by kind."""
    kinds: Counter[str] = Counter()
    for record in summary.passes:
        if record.error:
            kinds[_kind(record.error)] += 1
        kinds.update(set(record.ttt.get("events", ())))
    kinds["prompt too long"] = sum(any("too long" in note for note in one.notes) for one in _by_models(summary))
    for name, others in (("search", summary.searches), ("programs", summary.inductions)):
        kinds.update(f"{name}: {_kind(other.error)}" for other in others if other.error)
    if summary.problems:
        kinds["worker problems"] = len(summary.problems)
    return ", ".join(f"{kind} {count}" for kind, count in kinds.most_common() if count) or "none"


def _by_models(summary: Summary) -> list[TaskRecord | InductionRecord]:
    """The records of work on a device, which has stages and notes."""
    return [*summary.passes, *summary.inductions]


def _kind(error: str) -> str:
    """Of an account of an error, what similar ones have in common."""
    return error.splitlines()[0].split(":")[0]
