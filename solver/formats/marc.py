"""What marc's checkpoints read: NumPy's print of grids in Llama 3's chat (Akyürek et al. 2024, the released code's
`--new_format`). Its template strips messages: the system message ends with the last `#`, the user's with `->`."""

from __future__ import annotations

from solver.formats.chat import BEGIN, END_OF_TURN, header
from solver.formats.wording import GridWording, Wording

SYSTEM = (
    "Figure out the underlying transformation in the following examples and apply it to the test case. Here are some "
    "examples from this transformation, your answer must follow the format.\n"
    "The input-output grids are provided as python arrays:\n"
)

MARC = Wording(
    grid=GridWording(cells=" ", rows="]\n [", open="[[", close="]]"),
    head=BEGIN + header("system") + SYSTEM,
    before_output=" -> ",
    output_end="#",
    between="\n",
    before_query=END_OF_TURN + header("user"),
    before_answer=" ->" + END_OF_TURN + header("assistant"),
    answer_end="#" + END_OF_TURN,
    stop=END_OF_TURN,
)
