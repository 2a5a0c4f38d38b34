"""Thirty programs in the manner of a model's, in its own words: through the whole channel, from text to candidates."""

from __future__ import annotations

import ast
import inspect
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from solver.attempts import Channel
from solver.augmentation import Dihedral, Transform, View
from solver.budget import Deadline
from solver.evaluation import split_solutions
from solver.fusion import settled, unique
from solver.induction import Prompt, Stop, Written, write_programs
from solver.jobs import WriteJob
from solver.programs import library
from solver.programs.extraction import Source, extract
from solver.programs.limits import Limits
from solver.programs.sandbox import Sandbox
from solver.programs.solving import Solving
from solver.task import read_split

TEXTS = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parent / "written").glob("*.md"))
}
TASKS = {task.id: task for task in read_split("arc1-training") if task.id in TEXTS}
SOLUTIONS = split_solutions("arc1-training")

LIMITS = Limits(seconds=120, cpu_seconds=1.0)
"""The processor's time decides: these take some hundredths of a second, and the machine may be busy."""

ENDLESS = ("05f2a901", "f9012d9b")
"""Among the answers for these tasks is a program that never ends."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1, LIMITS) as box:
        yield box


def within(text: str, *lines: str) -> str:
    """An answer with more lines at the end of its program."""
    program, fence, rest = text.rpartition("```")
    return program + "\n".join(lines) + "\n" + fence + rest


def wrong_answers(text: str) -> dict[str, str]:
    """What else a model might answer, by what becomes of it."""
    function = "main" if "def main(" in text else "transform"
    return {
        "no code block": text.partition("```")[0],
        # Cut short by the limit of tokens.
        "syntax error": text[: text.index(f"def {function}(input") + len(f"def {function}(inp")],
        "no transform function": text.replace(f"def {function}(", "def solve("),
        "exception: IndexError": within(text, f"def {function}(input_grid):", "    return input_grid[99, 99]"),
        "wrong on demonstration 2": within(
            text,
            f"solve, seen = {function}, []",
            f"def {function}(input_grid):",
            "    seen.append(input_grid)",
            "    output_grid = solve(input_grid)",
            "    return output_grid if len(seen) == 1 else (output_grid + 1) % 10",
        ),
    }


def without_comments(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))


class Canned:
    """Answers the first prompt, which shows a task as it is; then the time for texts is over, though not the job's."""

    def __init__(self, answers: list[str]) -> None:
        self.answers = answers
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def __call__(self, prompt: Prompt, deadline: Deadline) -> Iterator[str]:
        yield from self.answers
        self.now = deadline.at


@pytest.mark.parametrize("task_id", TEXTS)
def test_a_right_program_is_found_among_wrong_ones(task_id: str, sandbox: Sandbox) -> None:
    task, text = TASKS[task_id], TEXTS[task_id]
    wrong = wrong_answers(text)
    if task_id in ENDLESS:
        wrong["time"] = within(text, "def transform(input_grid):", "    while True:", "        pass")
    answers = [text, without_comments(text), *wrong.values()]
    random.Random(task_id).shuffle(answers)
    texts, written = Canned(answers), Written()
    write_programs(WriteJob(task, 60.0, 0), texts, sandbox, written, texts.clock)

    assert written.stop is Stop.DEADLINE
    assert written.fates == {"reproduces every demonstration": 2, **dict.fromkeys(wrong, 1)}
    assert (written.sampled, written.perfect) == (len(answers), 1)
    assert written.programs == 3 + (task_id in ENDLESS)
    for query in task.queries():
        first, *others = [one for one in written.candidates if one.query == query]
        assert first.grid == SOLUTIONS[task_id][query.index]
        assert first.perfect
        assert first.channel is Channel.INDUCTION
        assert first.program in (extracted(text), extracted(without_comments(text)))
        # What is wrong on a demonstration is kept as a last resort.
        assert len(others) == 1
        assert not others[0].perfect
    assert unique(task, written.candidates)
    assert settled(task, written.candidates)


@pytest.mark.parametrize("dihedral", [Dihedral.IDENTITY, Dihedral.TRANSPOSE], ids=["as it is", "transposed"])
@pytest.mark.parametrize("task_id", TEXTS)
def test_which_index_comes_first_never_matters(task_id: str, dihedral: Dihedral, sandbox: Sandbox) -> None:
    """A program is first run with the frames as they are, then as if it had been written for the other one."""
    task = TASKS[task_id]
    solving = Solving(task, sandbox)
    view = View(Transform(dihedral), tuple(range(len(task.train))))
    solving.feed([TEXTS[task_id]], view, Deadline.never())
    assert [[one.grid for one in answers] for answers in solving.answers()] == [[one] for one in SOLUTIONS[task_id]]
    assert solving.unique()
    assert solving.histogram() == {"reproduces every demonstration": 1}


def extracted(text: str) -> str:
    found = extract(text)
    assert isinstance(found, Source)
    return found.text


def test_they_are_written_as_a_model_would() -> None:
    assert len(TEXTS) == len(TASKS) == 30
    names = set()
    for text in TEXTS.values():
        paragraph, program, end = text.split("```")
        assert paragraph.strip()
        assert program.startswith("python\nfrom common import *\n")
        assert "    # " in program
        assert not end.strip()
        functions = {one.name for one in ast.parse(extracted(text)).body if isinstance(one, ast.FunctionDef)}
        names |= functions & {"transform", "main"}
    assert names == {"transform", "main"}
    assert max(len(task.test_inputs) for task in TASKS.values()) > 1


def test_together_they_call_every_function_of_the_library() -> None:
    """But for those that are random, with which no program is deterministic."""
    functions = {name for name in library.__all__ if inspect.isfunction(getattr(library, name))}
    deterministic = {name for name in functions if not name.startswith("random")}
    called = {
        node.func.id
        for text in TEXTS.values()
        for node in ast.walk(ast.parse(extracted(text)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert called & functions == deterministic
    assert len(deterministic) >= 26
