"""What NVARC's Qwen3 reads: chat turns of undelimited digits over a vocabulary of 16 tokens, without a beginning."""

from __future__ import annotations

from solver.formats.wording import GridWording, Wording

START, END = "<|im_start|>", "<|im_end|>"

NVARC = Wording(
    grid=GridWording(),
    before_input=f"{START}user\n",
    before_output=f"{END}{START}assistant\n",
    output_end=END,
    before_query=f"{START}user\n",
    before_answer=f"{END}{START}assistant\n",
    answer_end=END,
    stop=END,
)
