"""What the ARChitects' checkpoints read (Franzen et al. 2024, "The LLM ARChitect: Solving ARC-AGI Is a Matter of
Perspective"): undelimited digits, one token per cell, after a line of letters that warms the model up."""

from __future__ import annotations

from dataclasses import replace

from solver.formats.wording import GridWording, Wording

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjklmnpqrstuvwxyz"


def architects(begin: str, end: str) -> Wording:
    """begin: the tokenizer's token of the beginning, or nothing; end: that of the end of a sequence."""
    return Wording(
        grid=GridWording(),
        head=begin + LETTERS,
        before_input="I",
        before_output="\n+/-=O",
        output_end="\n" + end,
        before_query="I",
        before_answer="\n+/-=O",
        answer_end="\n" + end,
        stop=end,
    )


def plain(begin: str, end: str) -> Wording:
    """The same for a base that was never trained on grids: digits stay apart even where its tokenizer merges them."""
    return replace(architects(begin, end), natural=False)
