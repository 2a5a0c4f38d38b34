"""Pictures of grids, tasks and answers, in the colours in which ARC is usually shown; what the notebooks share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from solver.grid import Grid
from solver.journal import JOURNAL, read_journal
from solver.records import TASK_EVENT, TaskRecord
from solver.task import Task

COLOURS = (
    "#000000",  # black
    "#0074D9",  # blue
    "#FF4136",  # red
    "#2ECC40",  # green
    "#FFDC00",  # yellow
    "#AAAAAA",  # grey
    "#F012BE",  # magenta
    "#FF851B",  # orange
    "#7FDBFF",  # sky
    "#870C25",  # maroon
)
CMAP, NORM = ListedColormap(COLOURS), BoundaryNorm(range(11), 10)
RIGHT, WRONG = "#1a7f37", "#b3261e"

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = bool(os.environ.get("ARC_KIT_SAMPLE"))
"""Whether this is a test of the notebook on a small sample."""

OUT = Path(os.environ.get("ARC_KIT_NOTEBOOK_OUT", ROOT / "runs" / "notebooks"))
"""Where runs and pictures go."""


def draw_grid(axes: Axes, grid: Grid | None, title: str = "", colour: str = "black") -> None:
    """One grid with lines between its cells; None is drawn as nothing but its title."""
    axes.set_title(title, fontsize=9, color=colour)
    axes.set_xticks([])
    axes.set_yticks([])
    if grid is None:
        axes.set_frame_on(False)
        return
    height, width = grid.shape
    axes.imshow(grid.rows, cmap=CMAP, norm=NORM, interpolation="nearest")
    if max(height, width) <= 30:
        for edge in range(height + 1):
            axes.axhline(edge - 0.5, color="#555555", linewidth=0.5)
        for edge in range(width + 1):
            axes.axvline(edge - 0.5, color="#555555", linewidth=0.5)
    for spine in axes.spines.values():
        spine.set_color(colour)
        spine.set_linewidth(0.5 if colour == "black" else 2.0)


def draw_task(task: Task) -> Figure:
    """Demonstrations from left to right, inputs above outputs, then the test inputs."""
    count = len(task.train) + len(task.test_inputs)
    figure, axes = plt.subplots(2, count, figsize=(1.9 * count, 4.2), squeeze=False, layout="constrained")
    for number, pair in enumerate(task.train):
        draw_grid(axes[0][number], pair.input, f"input {number + 1}")
        draw_grid(axes[1][number], pair.output, f"output {number + 1}")
    for number, grid in enumerate(task.test_inputs):
        draw_grid(axes[0][len(task.train) + number], grid, f"test input {number + 1}")
        draw_grid(axes[1][len(task.train) + number], None, "?")
    figure.suptitle(f"task {task.id}", fontsize=11)
    return figure


def draw_answers(title: str, truth: Sequence[Grid], answers: Mapping[str, Sequence[Grid]]) -> Figure:
    """For every test input a row: the right output, then each named answer, framed green where it is right."""
    figure, axes = plt.subplots(
        len(truth),
        1 + len(answers),
        figsize=(1.0 + 2.1 * (1 + len(answers)), 0.6 + 2.2 * len(truth)),
        squeeze=False,
        layout="constrained",
    )
    for index, right in enumerate(truth):
        draw_grid(axes[index][0], right, f"test {index + 1}: right output")
        for column, (name, grids) in enumerate(answers.items(), 1):
            is_right = grids[index] == right
            verdict = "right" if is_right else f"wrong, {agreement(grids[index], right)}"
            draw_grid(axes[index][column], grids[index], f"{name}:\n{verdict}", RIGHT if is_right else WRONG)
    figure.suptitle(title, fontsize=11)
    return figure


def agreement(answer: Grid, right: Grid) -> str:
    """How near a wrong answer is, in words."""
    if answer.shape != right.shape:
        return "another size"
    cells = [
        (one, other) for rows in zip(answer.rows, right.rows, strict=True) for one, other in zip(*rows, strict=True)
    ]
    return f"{100 * sum(one == other for one, other in cells) / len(cells):.0f} % of cells"


def show(figure: Figure, name: str) -> None:
    """Shows a picture and keeps it as a file."""
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / f"{name}.png", dpi=110)
    plt.show()
    plt.close(figure)


def call(*words: Any) -> None:
    """Runs Python with these words in the repository's root and shows what it prints; raises if it fails."""
    # What the kernel asks programs for, colours and live lines, is not for a notebook's output.
    environment = {name: value for name, value in os.environ.items() if "COLOR" not in name} | {"TERM": "dumb"}
    process = subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env=environment | {"COLUMNS": "120", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="")
    if process.wait():
        raise RuntimeError(f"{words[0]} ended with exit code {process.returncode}")


def first_records(run_dir: Path) -> dict[str, TaskRecord]:
    """What the first pass over each task left in a run's journal."""
    events = read_journal(run_dir / JOURNAL)
    records = [TaskRecord.from_json(event) for event in events if event["event"] == TASK_EVENT]
    return {record.task_id: record for record in reversed(records)}
