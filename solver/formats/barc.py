"""What BARC's transduction checkpoint reads (Li et al. 2024, "Combining Induction and Transduction for Abstract
Reasoning"): colours as words in Llama 3.1's chat. The answer is a block between lines of three backquotes."""

from __future__ import annotations

from solver.formats.chat import BEGIN, DATES, END_OF_TURN, header
from solver.formats.wording import NUMBER, GridWording, Wording

COLOUR_WORDS = ("Black", "Blue", "Red", "Green", "Yellow", "Gray", "Pink", "Orange", "Purple", "Brown")
"""By colour. Programs use the same words in capitals (`Color.PURPLE`), not the library's TEAL and MAROON."""

SYSTEM = (
    "You are a world-class puzzle solver with exceptional pattern recognition skills. Your task is to analyze puzzles, "
    "spot patterns, and provide direct solutions."
)

INTRODUCTION = (
    "Given input-output grid pairs as reference examples, carefully observe the patterns to predict the output grid "
    "for new test input. Each pair follows the same transformation rule. Grids are 2D arrays represented as strings, "
    "with cells (colors) separated by spaces and rows by newlines.\n"
    "Here are the input and output grids for the reference examples:\n"
)
"""The induction checkpoint's as well."""

REQUEST = (
    "Directly provide the output grids corresponding to the given test input grids, based on the patterns observed in "
    "the reference examples."
)

OPENING = "The output grid for the test input grid is:\n\n```\n"

BARC = Wording(
    grid=GridWording(COLOUR_WORDS, cells=" "),
    head=BEGIN + header("system") + DATES + SYSTEM + END_OF_TURN + header("user") + INTRODUCTION,
    before_input=f"Example {NUMBER}\nInput:\n",
    before_output="\n\nOutput:\n",
    between="\n\n\n",
    last="\n\n\n",
    before_query="Here is the input grid for the test example:\nInput:\n",
    before_answer=f"\n\n{REQUEST}{END_OF_TURN}{header('assistant')}{OPENING}",
    answer_end=f"\n```{END_OF_TURN}",
    stop=END_OF_TURN,
)
