"""What the public induction checkpoint is asked: the chat for one look at a task, and its exact text.

The words and line breaks are those that Llama-3.1-ARC-Potpourri-Induction-8B was trained on (Li et al. 2024,
"Combining Induction and Transduction for Abstract Reasoning"). Knows nothing of tokens, models or programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solver.augmentation import Episode
from solver.formats.barc import COLOUR_WORDS, INTRODUCTION
from solver.formats.chat import DATES
from solver.grid import Grid

SYSTEM = (
    "You are a world-class puzzle solver with exceptional pattern recognition skills and expertise in Python "
    "programming. Your task is to analyze puzzles and provide Python solutions."
)

REQUEST = (
    "Write a Python function `transform` that can convert any given input grid to its corresponding output grid "
    "based on the pattern observed in the reference examples."
)

OPENING = (
    "Let's solve this puzzle using Python code with the common library functions. We'll first reason about the "
    "problem and then write the code to solve it. The `transform` function will take the input grid and return the "
    "output grid. Here is the Python code with the comments describing how to solve the problem:\n```python\n"
)
"""How every answer of the training data begins. Given as the start of the answer it saves its tokens; whoever does
so puts it before what the model wrote, or there is no block to be found in it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat. role: `system` or `user`; content: without white space at its ends."""

    role: str
    content: str


def messages(episode: Episode) -> tuple[Message, ...]:
    """The chat that shows an episode's demonstrations in their order and its query.

    The line of a cell is its row. The episode's answer, if it has one, is not shown.
    """
    examples = "".join(
        f"Example {number}\nInput:\n{_lines(pair.input)}\nOutput:\n{_lines(pair.output)}\n\n"
        for number, pair in enumerate(episode.demonstrations, start=1)
    )
    test = f"Here is the input grid for the test example:\nInput:\n{_lines(episode.query)}\n"
    return Message("system", SYSTEM), Message("user", INTRODUCTION + examples + test + REQUEST)


def _lines(grid: Grid) -> str:
    """A grid in words, every row a line."""
    return "".join(" ".join(COLOUR_WORDS[cell] for cell in row) + "\n" for row in grid.rows)


def chat_text(chat: Sequence[Message], answer: str = "") -> str:
    """The chat as Llama 3.1's template writes it, up to where the model goes on; it begins with the token of the
    beginning, so a tokenizer must add none. answer: how the model's answer begins."""
    parts = ["<|begin_of_text|>"]
    for message in chat:
        dates = DATES if message.role == "system" else ""
        parts.append(f"{_header(message.role)}{dates}{message.content}<|eot_id|>")
    return "".join((*parts, _header("assistant"), answer))


def _header(role: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"
