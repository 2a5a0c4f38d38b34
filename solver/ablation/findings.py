"""The table and the plot of an ablation, from what was measured and, at the very end, the solutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from solver.ablation.rows import CHOICES, FULL, PAPER, PAPER_TASKS, ROWS, Choice
from solver.attempts import Candidate
from solver.encoding import Json, candidate_from_json
from solver.evaluation import Scores, Solutions, recall, restrict, score
from solver.fusion import fuse_all
from solver.grid import InputError
from solver.task import Task
from solver.voting import hierarchical_vote

CAPTION = f"solved, paper: tasks; steps, s: means; training's rows by the hierarchical vote, as in the paper: {PAPER}"

ORACLE = "oracle over the candidates"
"""What a perfect choice among them would solve."""


def findings(
    entries: Sequence[Json],
    shared: Json | None,
    tasks: Mapping[str, Task],
    levels: Mapping[str, str],
    solutions: Solutions,
) -> list[Json]:
    """One object per row and per choice, in the order in which they are shown. shared: how the shared LoRA was trained.

    All of them are measured on the same tasks: those that every row has finished, so that an ablation can be looked at
    before it is done.
    """
    by_row: dict[str, dict[str, Json]] = {}
    for entry in entries:
        by_row.setdefault(entry["row"], {})[entry["task_id"]] = entry
    if not by_row:
        return []
    common = [task_id for task_id in tasks if all(task_id in own for own in by_row.values())]
    if not common:
        return []
    wanted = restrict(solutions, common)
    found: list[Json] = []
    for row in ROWS:
        if row.key in by_row:
            own = [by_row[row.key][task_id] for task_id in common]
            candidates = _candidates(own)
            scores = score(wanted, fuse_all(tasks, candidates, hierarchical_vote))
            found.append(
                {"part": "training", "key": row.key, "title": row.title, "paper": row.paper}
                | _account(scores, levels)
                | {"recall": recall(wanted, _all(candidates)).mean_fraction}
                | _spent(own)
            )
            if row.shared and shared is not None:
                found[-1]["steps"] = shared["step"] / len(tasks)
    if FULL.key in by_row:
        candidates = _candidates([by_row[FULL.key][task_id] for task_id in common])
        for choice in CHOICES:
            scores = score(wanted, fuse_all(tasks, _restricted(candidates, choice), choice.vote))
            found.append({"part": "choice", "key": choice.key, "title": choice.title} | _account(scores, levels))
        best = recall(wanted, _all(candidates))
        found.append({"part": "choice", "key": "oracle", "title": ORACLE} | _account(best, levels))
    return found


def _candidates(entries: Sequence[Json]) -> dict[str, list[Candidate]]:
    """By task; those whose trial failed have none."""
    return {
        entry["task_id"]: [candidate_from_json(entry["task_id"], one) for one in entry.get("candidates", ())]
        for entry in entries
    }


def _all(candidates: Mapping[str, Sequence[Candidate]]) -> list[Candidate]:
    return [one for some in candidates.values() for one in some]


def _restricted(candidates: Mapping[str, Sequence[Candidate]], choice: Choice) -> Mapping[str, Sequence[Candidate]]:
    if choice.dihedral is None:
        return candidates
    return {
        task_id: [one for one in some if one.view and one.view.transform.dihedral is choice.dihedral]
        for task_id, some in candidates.items()
    }


def _account(scores: Scores, levels: Mapping[str, str]) -> Json:
    """solved: tasks with all their test inputs right, as the paper counts; of each level too."""
    names = dict.fromkeys(levels[task_id] for task_id in levels if task_id in scores.fractions)
    by_level = {
        name: sum(fraction == 1 for task_id, fraction in scores.fractions.items() if levels.get(task_id) == name)
        for name in names
        if name
    }
    return {
        "tasks": scores.tasks,
        "solved": scores.solved_tasks,
        "score": scores.mean_fraction,
        "levels": by_level,
    }


def _spent(entries: Sequence[Json]) -> Json:
    """Means per task; failed: trials that raised, which count as unsolved."""
    whole = [entry for entry in entries if "error" not in entry]
    steps = [entry["ttt"]["executed"] for entry in whole if entry["ttt"]]
    count = max(1, len(whole))
    return {
        "ttt_seconds": sum(entry["seconds"]["ttt"] for entry in whole) / count,
        "decode_seconds": sum(entry["seconds"]["decode"] for entry in whole) / count,
        "steps": sum(steps) / len(steps) if steps else None,
        "failed": len(entries) - len(whole),
        "views": sum(entry["views"] for entry in whole),
        "planned_views": sum(entry["planned"] for entry in whole),
    }


def table(found: Sequence[Json]) -> Table:
    """For people."""
    count = found[0]["tasks"]
    shown = Table(title=f"{count} tasks", title_justify="left", caption=CAPTION, caption_justify="left")
    by_level = list(found[0]["levels"])
    trained = ("paper", "steps", "training s", "decoding s", "views")
    shown.add_column("", no_wrap=True)
    for name in ("solved", *by_level, "score", *trained):
        shown.add_column(name, justify="right", no_wrap=True)
    part = found[0]["part"]
    for one in found:
        if one["part"] != part:
            shown.add_section()
            part = one["part"]
        cells = [one["title"], str(one["solved"])]
        cells += [*(str(one["levels"][name]) for name in by_level), f"{100 * one['score']:.2f} %"]
        if part == "training":
            cells += ["" if one[name] is None else f"{one[name]:.0f}" for name in ("paper", "steps")]
            cells += [f"{one[name]:.1f}" for name in ("ttt_seconds", "decode_seconds")]
            failed = f", {one['failed']} failed" if one["failed"] else ""
            cells.append(f"{one['views']} of {one['planned_views']}{failed}")
        shown.add_row(*cells)
    return shown


def plot(found: Sequence[Json], path: Path, title: str) -> None:
    """Bars of the tasks solved, by level where there are any, beside the paper's. Raises `InputError` if it cannot be
    written."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.36 * len(found) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    count = found[0]["tasks"]
    names = list(found[0]["levels"])
    # With a gap between ways to train and ways to choose.
    gap = [0.8 * (one["part"] == "choice") for one in found]
    places = [number + extra for number, extra in enumerate(gap)]
    for number, name in enumerate(names or [""]):
        widths = [100 * (one["levels"][name] if names else one["solved"]) / count for one in found]
        lefts = [100 * sum(one["levels"][other] for other in names[:number]) / count for one in found]
        colour = ("#1b4965", "#3f7d9b", "#7fb3c8", "#bcd9e4")[number % 4]
        axes.barh(places, widths, 0.7, lefts, color=colour, label=name or None)
    for place, one in zip(places, found, strict=True):
        axes.text(100 * one["solved"] / count + 0.4, place, str(one["solved"]), va="center", fontsize=8)
    known = [(place, one["paper"]) for place, one in zip(places, found, strict=True) if one.get("paper") is not None]
    if known:
        places_known, solved = zip(*known, strict=True)
        shares = [100 * one / PAPER_TASKS for one in solved]
        axes.scatter(shares, places_known, marker="D", s=22, color="#c1502e", label="the paper's 1B base", zorder=3)
    axes.set_yticks(places, [one["title"] for one in found], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel(f"tasks solved, % of {count}")
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if names or known:
        figure.legend(fontsize=8, loc="outside lower center", ncols=min(5, len(names) + 1), frameon=False)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise InputError(f"--plot {path}: cannot be written ({error})") from None
