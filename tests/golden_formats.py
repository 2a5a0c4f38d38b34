"""Writes the golden files of every format: `python -m tests.golden_formats`. A test holds them against the code.

A .txt file shows the whole text, what is a target between ⟦ and ⟧; the .json beside it holds the checkpoint's tokens,
and by turns how many of them are none and how many are targets.
"""

from __future__ import annotations

import itertools
import json
import textwrap
from pathlib import Path

from solver.augmentation import Episode
from solver.evaluation import split_solutions
from solver.task import Task, read_split
from tests.real_tokenizers import FORMATS, real_format

FOLDER = Path(__file__).parent / "golden"

TASKS = {"6ea4a07e": "two test inputs", "d931c21c": "a grid of 30 x 30", "66e6c45b": "two demonstrations"}
"""Of ARC-AGI-1 evaluation, and what is special about them."""


def episodes() -> dict[str, Episode]:
    """Each test input with its answer, by name."""
    tasks: dict[str, Task] = {task.id: task for task in read_split("arc1-evaluation") if task.id in TASKS}
    truth = split_solutions("arc1-evaluation")
    return {
        f"{name}-{index}": Episode(tasks[name].train, query, truth[name][index])
        for name in TASKS
        for index, query in enumerate(tasks[name].test_inputs)
    }


def runs(mask: list[bool]) -> list[int]:
    """Lengths of the runs of False and True by turns, beginning with False."""
    found = [0] if mask and mask[0] else []
    return found + [len(list(run)) for _, run in itertools.groupby(mask)]


def golden(name: str, episode: Episode) -> tuple[str, str]:
    """The two files' contents."""
    _, fmt, vocabulary = real_format(name)
    encoded = fmt.encode(episode)
    ids, lengths = fmt.originals(encoded.ids), runs(encoded.loss_mask.tolist())
    ends = [0, *itertools.accumulate(lengths)]
    parts = [vocabulary.decode(ids[start:end]) for start, end in itertools.pairwise(ends)]
    marked = (f"⟦{part}⟧" if number % 2 else part for number, part in enumerate(parts))
    tokens = textwrap.fill(json.dumps(ids), 120)
    return "".join(marked) + "\n", f'{{"runs": {json.dumps(lengths)},\n"ids":\n{tokens}}}\n'


def main() -> None:
    for name in FORMATS:
        for task, episode in episodes().items():
            text, tokens = golden(name, episode)
            (FOLDER / f"{name}-{task}.txt").write_text(text)
            (FOLDER / f"{name}-{task}.json").write_text(tokens)


if __name__ == "__main__":
    main()
