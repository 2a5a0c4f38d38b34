"""The text that the checkpoint reads, and what it means to show it another view of a task."""

from __future__ import annotations

import itertools
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.augmentation import Dihedral, Episode, Transform, View
from solver.grid import BLACK, Grid
from solver.programs import frames
from solver.programs.fate import Execution, Fate
from solver.programs.limits import Program
from solver.programs.prompt import COLOUR_WORDS, OPENING, Message, chat_text, messages
from solver.task import Pair, Task
from tests.fake_sandbox import execute
from tests.strategies import grids, tasks, transforms

TASK = Task(
    "t",
    (
        Pair(Grid(((0, 1, 2), (3, 4, 5))), Grid(((6,), (7,)))),
        Pair(Grid(((8, 9),)), Grid(((0, 0), (0, 5)))),
    ),
    (Grid(((2,), (1,), (0,))), Grid(((3, 3),))),
)
AS_IT_IS = View(Transform(), (0, 1))

GOLDEN = """<|begin_of_text|><|start_header_id|>system<|end_header_id|>

Cutting Knowledge Date: December 2023
Today Date: 26 Jul 2024

You are a world-class puzzle solver with exceptional pattern recognition skills and expertise in Python programming. \
Your task is to analyze puzzles and provide Python solutions.<|eot_id|><|start_header_id|>user<|end_header_id|>

Given input-output grid pairs as reference examples, carefully observe the patterns to predict the output grid for new \
test input. Each pair follows the same transformation rule. Grids are 2D arrays represented as strings, with cells \
(colors) separated by spaces and rows by newlines.
Here are the input and output grids for the reference examples:
Example 1
Input:
Black Blue Red
Green Yellow Gray

Output:
Pink
Orange


Example 2
Input:
Purple Brown

Output:
Black Black
Black Gray


Here is the input grid for the test example:
Input:
Red
Blue
Black

Write a Python function `transform` that can convert any given input grid to its corresponding output grid based on \
the pattern observed in the reference examples.<|eot_id|><|start_header_id|>assistant<|end_header_id|>

"""


def shown(view: View, index: int = 0) -> str:
    return chat_text(messages(view.episode(TASK, TASK.test_inputs[index])))


class TestText:
    def test_golden(self) -> None:
        assert shown(AS_IT_IS) == GOLDEN

    def test_one_test_input_at_a_time(self) -> None:
        assert shown(AS_IT_IS, 1) == GOLDEN.replace("Red\nBlue\nBlack\n\nWrite", "Green Green\n\nWrite")

    def test_an_answer_begins_where_the_model_would_begin(self) -> None:
        chat = messages(AS_IT_IS.episode(TASK, TASK.test_inputs[0]))
        assert chat_text(chat, OPENING) == GOLDEN + OPENING

    def test_an_episodes_answer_is_not_shown(self) -> None:
        query = TASK.test_inputs[0]
        answered = AS_IT_IS.episode(TASK, query, Grid(((4, 4), (4, 4))))
        assert messages(answered) == messages(AS_IT_IS.episode(TASK, query))

    def test_dates_are_the_systems_only(self) -> None:
        assert chat_text([Message("user", "a")]) == (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\na<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
        )

    def test_a_view_changes_colours_places_and_order(self) -> None:
        colours = (0, 2, 1, 3, 4, 5, 6, 7, 9, 8)
        text = shown(View(Transform(Dihedral.TRANSPOSE, colours), (1, 0)))
        assert "Example 1\nInput:\nBrown\nPurple\n\nOutput:\nBlack Black\nBlack Gray\n\n\nExample 2\n" in text
        assert "Example 2\nInput:\nBlack Green\nRed Yellow\nBlue Gray\n\nOutput:\nPink Orange\n\n\nHere" in text
        assert "Input:\nBlue Red Black\n\nWrite" in text

    @settings(max_examples=60)
    @given(tasks())
    def test_the_grids_can_be_read_back(self, task: Task) -> None:
        episode = Episode(task.train, task.test_inputs[0])
        system, user = messages(episode)
        assert [one.content for one in (system, user)] == [one.content.strip() for one in (system, user)]
        paragraphs = [part.split("\n") for part in user.content.split("\n\n")]
        read = [tuple(map(words, lines)) for lines in (after_heading(one) for one in paragraphs) if lines]
        expected = [grid for pair in task.train for grid in (pair.input, pair.output)] + [episode.query]
        assert read == [grid.rows for grid in expected]


def words(line: str) -> tuple[int, ...]:
    return tuple(COLOUR_WORDS.index(word) for word in line.split(" "))


def after_heading(lines: list[str]) -> list[str]:
    """The lines after `Input:` or `Output:`."""
    heading = next((number for number, line in enumerate(lines) if line in ("Input:", "Output:")), len(lines))
    return lines[heading + 1 :]


FIRST_LINE_LAST = """
import numpy as np

def transform(lines):
    # The first index counts the lines of the prompt: the first one goes to the end.
    return np.roll(lines, -1, axis=0)
"""


class TestFrames:
    def test_the_first_index_is_the_line_of_the_prompt(self) -> None:
        program = Program(FIRST_LINE_LAST, frames.inputs(TASK, Transform()))
        execution = frames.restore(execute(program), Transform())
        assert execution.grids[0] == Grid(((3, 4, 5), (0, 1, 2)))
        assert execution.grids[2:] == (Grid(((1,), (0,), (2,))), Grid(((3, 3),)))

    @settings(max_examples=60)
    @given(tasks(), transforms(), st.randoms(use_true_random=False))
    def test_a_program_gets_what_its_prompt_shows(self, task: Task, transform: Transform, rng: random.Random) -> None:
        """Whatever the order of the demonstrations, and even if only some are shown."""
        order = tuple(rng.sample(range(len(task.train)), rng.randint(1, len(task.train))))
        episode = View(transform, order).episode(task, task.test_inputs[-1])
        handed = [grid.array().T for grid in frames.inputs(task, transform)]
        for pair, number in zip(episode.demonstrations, order, strict=True):
            assert np.array_equal(handed[number], pair.input.array())
        assert np.array_equal(handed[-1], episode.query.array())
        assert len(handed) == len(task.train) + len(task.test_inputs)

    @settings(max_examples=60)
    @given(tasks(), transforms())
    def test_answers_come_back_to_the_tasks_own_frame(self, task: Task, transform: Transform) -> None:
        """A program that changes nothing answers with the inputs, and all but the grids stays."""
        same = Execution(Fate.TIME, frames.inputs(task, transform), "7", 0.5)
        own = tuple(pair.input for pair in task.train) + task.test_inputs
        assert frames.restore(same, transform) == Execution(Fate.TIME, own, "7", 0.5)

    @settings(max_examples=60)
    @given(grids(), transforms())
    def test_an_equivariant_oracle_answers_alike_in_every_view(self, grid: Grid, transform: Transform) -> None:
        """Half a turn commutes with every view: one program for all of them."""
        task = Task("t", (Pair(grid, grid),), (grid,))
        source = "def transform(lines):\n    return lines[::-1, ::-1]"
        execution = frames.restore(execute(Program(source, frames.inputs(task, transform))), transform)
        assert execution.grids == (Transform(Dihedral.ROT180).apply(grid),) * 2


class TestViews:
    def test_the_task_as_it_is_comes_first(self) -> None:
        for seed in range(5):
            assert next(frames.views(TASK, random.Random(seed))) == AS_IT_IS

    def test_all_symmetries_and_orders_come_with_many_colours(self) -> None:
        views = list(itertools.islice(frames.views(TASK, random.Random(0)), 200))
        assert {view.transform.dihedral for view in views} == set(Dihedral)
        assert {view.order for view in views} == {(0, 1), (1, 0)}
        assert len({view.transform.colours for view in views}) > 150
        assert all(view.transform.colours[BLACK] == BLACK for view in views)

    def test_they_follow_from_the_generator(self) -> None:
        several = [list(itertools.islice(frames.views(TASK, random.Random(seed)), 9)) for seed in (1, 1, 2)]
        assert several[0] == several[1] != several[2]
