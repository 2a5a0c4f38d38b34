"""How families of bases write episodes: as text (`wording` and one module for each family), and in their own tokens.

vocabulary = read_vocabulary(folder)
fmt = build_format("marc", vocabulary, begin, end)      # a solver.prompt.Format, checked against the tokenizer
"""

from solver.formats.build import WORDINGS, build_format, wording_of
from solver.formats.checks import SAMPLE, Golden
from solver.formats.gguf import gguf_fields, gguf_file
from solver.formats.pieces import Pieces
from solver.formats.text_format import TextFormat
from solver.formats.tokenizer import TOKENIZER_JSON, Vocabulary, from_content, read_content, read_vocabulary
from solver.formats.wording import GridWording, Wording

__all__ = [
    "SAMPLE",
    "TOKENIZER_JSON",
    "WORDINGS",
    "Golden",
    "GridWording",
    "Pieces",
    "TextFormat",
    "Vocabulary",
    "Wording",
    "build_format",
    "from_content",
    "gguf_fields",
    "gguf_file",
    "read_content",
    "read_vocabulary",
    "wording_of",
]
