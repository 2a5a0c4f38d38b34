"""The tables of a comparison of decoders and votes, from what was measured and, at the very end, the solutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.table import Table

from solver.attempts import Candidate
from solver.encoding import Json, candidate_from_json, grid_from_json
from solver.evaluation import Solutions, recall, restrict, score
from solver.fusion import Vote, fuse_all
from solver.task import Task
from solver.voting import flat_vote, hierarchical_vote, poe_counts_vote, poe_vote

SPEED_WAYS = ("generate", "batched", "drafted", "program drafts", "dfs", "score greedy", "score dfs")
"""The order in which what was measured is shown; the first one present is what the others are compared with."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to choose: among which candidates, by which vote, and what was spent on it beside training.

    per_token: whether scores are divided by the answer's length first.
    """

    name: str
    candidates: str
    vote: Vote
    ways: tuple[str, ...]
    per_token: bool = False


CHOICES = (
    Choice("hierarchical vote on greedy", "greedy", hierarchical_vote, ("drafted",)),
    Choice("flat vote on greedy", "greedy", flat_vote, ("drafted",)),
    Choice("PoE on greedy", "greedy", poe_vote, ("drafted", "score greedy")),
    Choice("PoE + counts on greedy", "greedy", poe_counts_vote, ("drafted", "score greedy")),
    Choice("PoE per token on greedy", "greedy", poe_vote, ("drafted", "score greedy"), per_token=True),
    Choice("hierarchical vote on DFS", "dfs", hierarchical_vote, ("dfs",)),
    Choice("flat vote on DFS", "dfs", flat_vote, ("dfs",)),
    Choice("PoE on DFS", "dfs", poe_vote, ("dfs", "score dfs")),
    Choice("PoE + counts on DFS", "dfs", poe_counts_vote, ("dfs", "score dfs")),
    Choice("PoE per token on DFS", "dfs", poe_vote, ("dfs", "score dfs"), per_token=True),
)


def speeds(entries: Sequence[Json]) -> list[Json]:
    """Of each way: forward passes and seconds per task, and how many times as many the first way took."""
    found = []
    names = [name for name in SPEED_WAYS if all(name in entry["ways"] for entry in entries)]
    for name in names:
        first, own = ([entry["ways"][way] for entry in entries] for way in (names[0], name))
        passes, seconds = (sum(one[key] for one in own) for key in ("passes", "seconds"))
        differ = sum(entry["differ"].get(name, 0) for entry in entries)
        compared = any(name in entry["differ"] for entry in entries)
        found.append(
            {
                "way": name,
                "passes": passes / len(entries),
                "seconds": seconds / len(entries),
                "passes_ratio": sum(one["passes"] for one in first) / max(1, passes),
                "seconds_ratio": sum(one["seconds"] for one in first) / max(1e-9, seconds),
                "differ": differ if compared else None,
                "views": sum(entry["views"] for entry in entries),
            }
        )
    return found


def choices(entries: Sequence[Json], tasks: Mapping[str, Task], solutions: Solutions) -> list[Json]:
    """Of each way to choose: what it solved, what was among its candidates, and the seconds per task."""
    wanted = restrict(solutions, [entry["task_id"] for entry in entries])
    found = []
    for choice in CHOICES:
        candidates = {entry["task_id"]: _candidates(entry, choice) for entry in entries}
        solved = score(wanted, fuse_all(tasks, candidates, choice.vote))
        reachable = recall(wanted, [one for some in candidates.values() for one in some])
        own = sum(entry["ways"][way]["seconds"] for entry in entries for way in choice.ways)
        all_seconds = own + sum(entry["ttt"]["seconds"] for entry in entries)
        found.append(
            {
                "choice": choice.name,
                "solved_tasks": solved.solved_tasks,
                "score": solved.mean_fraction,
                "recall_tasks": reachable.solved_tasks,
                "recall": reachable.mean_fraction,
                "seconds": own / len(entries),
                "solved_per_hour": 3600 * sum(solved.fractions.values()) / max(1e-9, all_seconds),
            }
        )
    return found


def _candidates(entry: Json, choice: Choice) -> list[Candidate]:
    found = [candidate_from_json(entry["task_id"], one) for one in entry["candidates"][choice.candidates]]
    if not choice.per_token:
        return found
    lengths = {(one["index"], grid_from_json(one["grid"])): one["tokens"] for one in entry["lengths"]}
    return [
        one if one.score is None else replace(one, score=one.score / lengths[one.query.index, one.grid])
        for one in found
    ]


def stops(entries: Sequence[Json]) -> list[Json]:
    """Of each way to stop early: views left out, and how many test inputs got the attempts of all views."""
    found = []
    for stop, programs in (("exact", False), ("likely", False), ("exact", True), ("likely", True)):
        own = [
            one for entry in entries for one in entry["stopping"] if (one["stop"], one["programs"]) == (stop, programs)
        ]
        if own:
            totals = {key: sum(one[key] for one in own) for key in ("planned", "saved", "same", "of")}
            seconds = sum(one["seconds"] for one in own) / len(own)
            found.append({"stop": stop, "programs": programs, "tasks": len(own), "seconds": seconds, **totals})
    return found


Column = tuple[str, Callable[[Json], str]]


def tables(tasks: int, found: Mapping[str, Sequence[Json]]) -> list[Table]:
    """For people. found: what `summary` gave."""
    speed: list[Column] = [
        ("decoding", lambda row: row["way"]),
        ("passes a task", lambda row: f"{row['passes']:.1f}"),
        ("times fewer", lambda row: f"{row['passes_ratio']:.2f}"),
        ("seconds a task", lambda row: f"{row['seconds']:.2f}"),
        ("times faster", lambda row: f"{row['seconds_ratio']:.2f}"),
        ("views that differ", lambda row: "" if row["differ"] is None else f"{row['differ']} of {row['views']}"),
    ]
    choice: list[Column] = [
        ("choice", lambda row: row["choice"]),
        ("tasks solved", lambda row: str(row["solved_tasks"])),
        ("score", lambda row: f"{100 * row['score']:.2f} %"),
        ("among the candidates", lambda row: f"{100 * row['recall']:.2f} %"),
        ("seconds a task", lambda row: f"{row['seconds']:.2f}"),
        ("solved an hour, training included", lambda row: f"{row['solved_per_hour']:.2f}"),
    ]
    stop: list[Column] = [
        ("stopping early", lambda row: row["stop"] + (", with programs" if row["programs"] else "")),
        ("views left out", lambda row: f"{row['saved']} of {row['planned']}"),
        ("same attempts", lambda row: f"{row['same']} of {row['of']}"),
        ("seconds a task", lambda row: f"{row['seconds']:.2f}"),
    ]
    columns = {"speeds": speed, "choices": choice, "stops": stop}
    return [_table(f"{tasks} tasks", columns[name], rows) for name, rows in found.items() if rows]


def _table(title: str, columns: Sequence[Column], rows: Sequence[Json]) -> Table:
    table = Table(title=title, title_justify="left")
    for name, _ in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(value(row) for _, value in columns))
    return table


def summary(entries: Sequence[Json], tasks: Mapping[str, Task], solutions: Solutions | None) -> dict[str, Any]:
    """All of it, as one JSON object but for the solutions."""
    return {
        "speeds": speeds(entries),
        "choices": [] if solutions is None else choices(entries, tasks, solutions),
        "stops": stops(entries),
    }
