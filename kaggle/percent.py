"""Percent scripts (`# %%` before each cell) as notebooks. `python kaggle/percent.py SCRIPT NOTEBOOK` converts one.

Cells that begin with `# %% [markdown]` are text: every line is a comment. The rest is code.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "# %%"
MARKDOWN = "# %% [markdown]"


@dataclass(frozen=True, slots=True)
class Cell:
    """kind: "code" or "markdown"; source: its text without the mark."""

    kind: str
    source: str


def read_cells(script: str) -> list[Cell]:
    """The cells of a percent script; what comes before the first mark is the script's own and left out."""
    cells: list[Cell] = []
    kind, lines = "", []

    def close() -> None:
        source = "\n".join(lines).strip("\n")
        if kind and source:
            cells.append(Cell(kind, source))

    for line in script.splitlines():
        if line.startswith(MARK):
            close()
            kind, lines = ("markdown" if line.startswith(MARKDOWN) else "code"), []
        elif kind == "markdown":
            lines.append(line.removeprefix("#").removeprefix(" "))
        else:
            lines.append(line)
    close()
    return cells


def notebook(cells: list[Cell]) -> dict[str, Any]:
    """The notebook's JSON (nbformat 4.5), the same for the same cells."""
    return {
        "cells": [_render(number, cell) for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _render(number: int, cell: Cell) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "cell_type": cell.kind,
        "id": f"cell-{number:02d}",
        "metadata": {},
        "source": cell.source.splitlines(keepends=True),
    }
    return rendered | {"execution_count": None, "outputs": []} if cell.kind == "code" else rendered


def render(script: str) -> str:
    """A percent script -> the text of an .ipynb file."""
    return json.dumps(notebook(read_cells(script)), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Exit code 2, with one line, for files that cannot be read or written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("script", type=Path)
    parser.add_argument("notebook", type=Path)
    options = parser.parse_args()
    try:
        options.notebook.write_text(render(options.script.read_text(encoding="utf-8")), encoding="utf-8")
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
