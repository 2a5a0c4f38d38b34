"""The lines of the table that tell what each channel did: training, search, written programs, their fusion.

Reads summaries; knows nothing of how a table is printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from solver.records import InductionRecord, Outcome, SearchRecord
from solver.summary import Summary, Verdict

Rows = Iterable[tuple[str, str]]
"""(name, value) of each line."""

FATES_SHOWN = 8
"""Of the ways in which written programs ended, the most frequent."""


def base_rows(summary: Summary, tasks: int) -> Rows:
    """What each of several bases did, in the order of their turns."""
    for number, name in enumerate(summary.settings["bases"]):
        last = summary.last(number).values()
        reports = [record.ttt for record in summary.passes if record.base == number and record.ttt]
        outcomes = Counter(record.status for record in last)
        parts = [f"{outcomes[outcome]} {outcome.value}" for outcome in Outcome if outcomes[outcome]]
        if further := sum(record.pass_number > 0 for record in summary.passes if record.base == number):
            parts.append(f"{further} further passes")
        steps = (
            f"{sum(one['executed'] for one in reports)} TTT steps of {sum(one['planned'] for one in reports)} planned"
        )
        yield f"base {name}", ", ".join([f"{len(last)} of {tasks} tasks visited", *parts, steps])


def ttt_rows(reports: Sequence[dict[str, Any]]) -> Rows:
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


def decoding_rows(counts: Sequence[dict[str, Any]]) -> Rows:
    """How many views were decoded and left out, in how many forward passes, how good the drafts were; one line."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    parts = [f"{total['views']} of {total['planned']} decoded"]
    if total["saved"]:
        parts.append(f"{total['saved']} left out as decided")
    parts += [f"{total['unparsed']} without an answer", f"{total['passes']} forward passes"]
    if total["drafted"]:
        share = 100 * total["accepted"] / total["drafted"]
        parts.append(f"{total['drafted']} draft tokens, {share:.0f} % of them right")
    if total["searches"]:
        parts.append(f"{total['searches']} searched, {total['cut']} of them cut short")
    if total["scored"]:
        parts.append(f"{total['scored']} candidates scored in {total['score_passes']} passes")
    yield "views", ", ".join(parts)


def search_rows(summary: Summary, tasks: int) -> Rows:
    """How many tasks have programs that reproduce all demonstrations, what that took, why searches ended."""
    searched = summary.searched().values()
    seconds = sum(record.seconds for record in summary.searches)
    yield (
        "program search",
        f"{len(searched)} of {tasks} tasks searched, {sum(one.perfect > 0 for one in searched)} with a perfect "
        f"program, {sum(one.unique for one in searched)} with a unique one, {seconds:.0f} s; "
        f"stopped by: {_stops(searched)}",
    )


def induction_rows(summary: Summary, tasks: int) -> Rows:
    """How many programs were written, for how many tasks they reproduce all demonstrations, what became of them."""
    written = summary.written().values()
    sampled, programs = sum(one.sampled for one in written), sum(one.programs for one in written)
    yield (
        "written programs",
        f"{len(written)} of {tasks} tasks, {sampled} texts, {programs} distinct programs, "
        f"{sum(one.perfect > 0 for one in written)} tasks with a perfect program, "
        f"{sum(one.unique for one in written)} with a unique answer; stopped by: {_stops(written)}",
    )
    fates: Counter[str] = Counter()
    for one in written:
        fates.update(one.fates)
    total = fates.total() or 1
    common = [f"{fate} {100 * count / total:.0f} %" for fate, count in fates.most_common(FATES_SHOWN)]
    if len(fates) > FATES_SHOWN:
        common.append(f"{len(fates) - FATES_SHOWN} other ways")
    yield "what became of them", ", ".join(common) or "none was sampled"


def branch_rows(summary: Summary, verdict: Verdict | None) -> Rows:
    """How the attempts came about and, on labelled data, how often they are right."""
    for branch, queries in summary.by_branch().items():
        if queries:
            right = verdict.branches.get(branch) if verdict else None
            told = f": attempt 1 right {right.first}, either {right.either}" if right else ""
            yield f"fusion: {branch.value}", f"{len(queries)} test inputs{told}"


def _stops(records: Iterable[SearchRecord | InductionRecord]) -> str:
    """Why searches or samplings ended, the most frequent reason first."""
    stops = Counter(record.stop or Outcome.FAILED.value for record in records)
    return ", ".join(f"{stop} {count}" for stop, count in stops.most_common())
