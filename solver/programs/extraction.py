"""From what a model answered to the program in it.

Reads text and never runs it. Any string whatever gives a `Source` or the `Fate` that says why there is none.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from solver.programs.fate import Fate

FENCE = "```"

FUNCTIONS = ("transform", "main")
"""What the function may be called: as the prompt asks for it, and as the checkpoint's seeds name it."""

PYTHON = frozenset({"python"})
RELATED = frozenset({"", "py", "python3"})
"""How a block may be marked; blocks of the second kind are looked at only where none of the first is a program."""

LONGEST = 32_768
"""Characters of a program. A checkpoint's answer of 2,048 tokens has about 8,000; to this length Python's parser
ends whatever the nesting with an exception, in bounded memory and time."""


@dataclass(frozen=True, slots=True)
class Source:
    """A program that parses and defines the function.

    text: as it is run, encodable as UTF-8; key: the same for programs that differ only in comments, docstrings and
    layout. Keys are comparable within one version of Python.
    """

    text: str
    key: str


@dataclass(frozen=True, slots=True)
class _Block:
    """A fenced block. mark: the word after the opening fence; closed: whether there is a closing one."""

    mark: str
    text: str
    closed: bool


def extract(answer: str) -> Source | Fate:
    """The program in an answer, or NO_CODE, SYNTAX or NO_FUNCTION.

    It is the last closed block marked as Python that parses and defines the function at its top level: a model that
    writes several corrects itself, and what follows the program without defining the function only shows its use.
    Where there is none, the same among the other marks of `RELATED`. A block without its closing fence, which the
    limit of tokens may have cut short, comes after the closed ones of its kind.

    Without a program: SYNTAX if any block does not parse (or is too long or too deeply nested to be looked at), since
    it might have been one; otherwise NO_FUNCTION.
    """
    blocks = _blocks(answer)
    problems: set[Fate] = set()
    for marks in (PYTHON, RELATED):
        some = [block for block in reversed(blocks) if block.mark in marks]
        for block in (*(one for one in some if one.closed), *(one for one in some if not one.closed)):
            source = _read(block.text)
            if isinstance(source, Source):
                return source
            problems.add(source)
    return next((fate for fate in (Fate.SYNTAX, Fate.NO_FUNCTION) if fate in problems), Fate.NO_CODE)


def _blocks(answer: str) -> list[_Block]:
    """The fenced blocks in their order; code within a line is none."""
    # Fences alternate: every second piece is inside a pair, and the last piece has no fence after it.
    pieces = answer.split(FENCE)
    blocks = []
    for number in range(1, len(pieces), 2):
        mark, newline, text = pieces[number].partition("\n")
        if newline:
            words = mark.strip("`").lower().split()
            blocks.append(_Block(words[0] if words else "", text, number + 1 < len(pieces)))
    return blocks


def _read(text: str) -> Source | Fate:
    """The program that a block is."""
    if len(text) > LONGEST:
        return Fate.SYNTAX
    try:
        with warnings.catch_warnings():
            # What the parser only warns of (an invalid escape in a string) is the program's business.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        key = _key(tree)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        # In this order: not Python; null bytes, surrogates; huge numbers; nesting that some level of Python refuses.
        return Fate.SYNTAX
    defined = {statement.name for statement in tree.body if isinstance(statement, ast.FunctionDef)}
    return Source(text.strip("\n"), key) if defined.intersection(FUNCTIONS) else Fate.NO_FUNCTION


def _key(tree: ast.Module) -> str:
    """What a program comes down to: its tree, which has no comments and no layout, without its bare strings.

    Changes the tree. Raises `RecursionError` for one too deep to be written down.
    """
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                setattr(node, name, _without_strings(statements))
    return hashlib.blake2b(ast.dump(tree).encode(), digest_size=16).hexdigest()


def _without_strings(statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Without statements that are only a string: docstrings, and comments written as strings; they do nothing.

    What is left of none is `pass`, which is also what an absent `else` does.
    """
    kept = [
        one
        for one in statements
        if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str))
    ]
    return kept or [ast.Pass()]
