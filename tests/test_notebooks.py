"""The notebooks are executed whole, on a small sample, as notebooks; their pictures show what they should."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pytest

import percent
from solver.grid import Grid
from solver.task import Pair, Task
from tests.kaggle_simulation import read_outputs

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "drawing")

PICTURES = {
    "first_dry_run": ["answers_66e6c45b", "task_e133d23d", "views_right", "what_training_changed"],
    "time_budget": ["budget_search", "budget_steps"],
    "train_base": ["training_curve"],
}


def test_every_notebook_is_tested() -> None:
    assert sorted(PICTURES) == NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_is_a_notebook_with_text(name: str) -> None:
    content = nbformat.reads(percent.render((FOLDER / f"{name}.py").read_text()), as_version=4)
    nbformat.validate(content)
    assert content.cells[0].cell_type == "markdown"
    assert content.cells[0].source.startswith("# ")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_runs_whole(name: str, tmp_path: Path) -> None:
    notebook, executed = tmp_path / f"{name}.ipynb", tmp_path / "executed.ipynb"
    notebook.write_text(percent.render((FOLDER / f"{name}.py").read_text()))
    environment = os.environ | {"ARC_KIT_SAMPLE": "1", "ARC_KIT_NOTEBOOK_OUT": str(tmp_path / "out")}
    command = [sys.executable, str(ROOT / "tests" / "run_notebook.py"), str(notebook), str(executed)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    printed, errors = read_outputs(executed)
    print(printed)
    assert errors == [], done.stderr
    for picture in PICTURES[name]:
        assert (tmp_path / "out" / f"{picture}.png").stat().st_size > 5000
    outputs = [one for cell in nbformat.read(executed, as_version=4).cells for one in cell.get("outputs", ())]
    assert sum("image/png" in one.get("data", {}) for one in outputs) >= len(PICTURES[name])


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(FOLDER))
    mpl.use("agg")
    import drawing

    return drawing


def pixels(figure: object) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].reshape(-1, 3)


def shown(image: np.ndarray, colours: Sequence[str]) -> list[bool]:
    """Whether each colour is somewhere in the picture."""
    there = set(map(tuple, np.unique(image, axis=0).tolist()))
    return [tuple(bytes.fromhex(colour[1:])) in there for colour in colours]


class TestDrawing:
    def test_each_colour_is_drawn_as_itself(self, drawing: object) -> None:
        grid = Grid((tuple(range(10)),))
        task = Task("t", (Pair(grid, grid), Pair(grid, grid)), (grid,))
        assert all(shown(pixels(drawing.draw_task(task)), drawing.COLOURS))

    def test_one_colour_alone_is_not_stretched_over_the_palette(self, drawing: object) -> None:
        grid = Grid(((3, 3), (3, 3)))
        figure = drawing.draw_task(Task("t", (Pair(grid, grid),), (grid,)))
        assert shown(pixels(figure), [drawing.COLOURS[3], drawing.COLOURS[9], drawing.COLOURS[1]]) == [
            True,
            False,
            False,
        ]

    def test_answers_are_framed_by_their_verdict(self, drawing: object) -> None:
        truth = [Grid(((1, 2),)), Grid(((3,),))]
        figure = drawing.draw_answers("t", truth, {"mine": [Grid(((1, 0),)), Grid(((3,),))]})
        titles = [axes.get_title() for axes in figure.axes]
        assert titles[1] == "mine:\nwrong, 50 % of cells"
        assert titles[3] == "mine:\nright"
        assert all(shown(pixels(figure), [drawing.RIGHT, drawing.WRONG]))
        assert drawing.agreement(Grid(((1,),)), Grid(((1, 2),))) == "another size"

    def test_a_program_that_fails_ends_the_notebook(self, drawing: object) -> None:
        with pytest.raises(RuntimeError, match="exit code 3"):
            drawing.call("-c", "raise SystemExit(3)")
