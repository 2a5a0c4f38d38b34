"""Llama 3's chat template, as text."""

from __future__ import annotations

BEGIN, END_OF_TURN = "<|begin_of_text|>", "<|eot_id|>"

DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
"""Llama 3.1's template puts this before every system message; recipes that spell it out do so with these dates."""


def header(role: str) -> str:
    """What stands before a message of `system`, `user` or `assistant`. Messages have no white space at their ends."""
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"
