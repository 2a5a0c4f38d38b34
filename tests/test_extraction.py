"""Programs in answers: which block is taken, which texts are one program, and no text that breaks it."""

from __future__ import annotations

import ast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from solver.programs.extraction import LONGEST, Source, extract
from solver.programs.fate import Fate

PROGRAM = "from common import *\n\ndef transform(input_grid):\n    return input_grid"
OTHER = "def transform(grid):\n    return grid[::-1]"


def block(code: str, mark: str = "python") -> str:
    return f"```{mark}\n{code}\n```\n"


def text(answer: str) -> str:
    found = extract(answer)
    assert isinstance(found, Source), found
    return found.text


def key(code: str) -> str:
    found = extract(block(code))
    assert isinstance(found, Source), found
    return found.key


class TestWhichBlock:
    def test_the_one_block_without_its_fences(self) -> None:
        assert text(f"Let's solve this puzzle.\n{block(PROGRAM)}That is all.") == PROGRAM

    def test_the_function_may_be_called_main(self) -> None:
        assert "main" in text(block("def main(input_grid):\n    return input_grid"))

    def test_of_several_programs_the_last(self) -> None:
        assert text(f"{block(PROGRAM)}On second thoughts:\n{block(OTHER)}") == OTHER

    def test_what_follows_without_the_function_is_not_the_program(self) -> None:
        assert text(f"{block(PROGRAM)}Use it so:\n{block('print(transform(grid))')}") == PROGRAM

    def test_what_follows_and_does_not_parse_is_not_the_program(self) -> None:
        assert text(f"{block(PROGRAM)}{block('def transform(')}") == PROGRAM

    def test_a_last_block_without_its_fence_counts_if_it_parses(self) -> None:
        assert text(f"So:\n```python\n{PROGRAM}") == PROGRAM
        assert extract(f"So:\n```python\n{PROGRAM}[") is Fate.SYNTAX

    def test_a_block_that_was_cut_short_comes_after_those_that_were_not(self) -> None:
        assert text(f"{block(PROGRAM)}```python\n{OTHER}") == PROGRAM

    @pytest.mark.parametrize("mark", ["", "py", "python3", "Python", "python  ", "python title=a", "`python"])
    def test_other_marks_are_read(self, mark: str) -> None:
        assert text(block(PROGRAM, mark)) == PROGRAM

    def test_other_marks_come_after_python(self) -> None:
        assert text(f"{block(PROGRAM)}{block(OTHER, '')}") == PROGRAM
        assert text(f"{block('1')}{block(OTHER, 'py')}") == OTHER

    def test_line_ends_of_another_system(self) -> None:
        assert key(PROGRAM) == getattr(extract(block(PROGRAM).replace("\n", "\r\n")), "key", None)


class TestNoProgram:
    @pytest.mark.parametrize(
        "answer",
        [
            "",
            "I give up.",
            PROGRAM,
            "Use `transform`.",
            "```python",
            f"```{PROGRAM.splitlines()[0]}```",
            block(OTHER, "js"),
        ],
    )
    def test_no_code(self, answer: str) -> None:
        assert extract(answer) is Fate.NO_CODE

    @pytest.mark.parametrize(
        "code",
        [
            "def transform(grid)\n    return grid",
            "def transform(grid):\nreturn grid",
            "def transform(grid):\n    return '\x00'",
            "def transform(grid):\n    return '\ud800'",
            f"def transform(grid):\n    return {'9' * 5000}",
        ],
    )
    def test_syntax(self, code: str) -> None:
        assert extract(block(code)) is Fate.SYNTAX

    @pytest.mark.parametrize(
        "code",
        [
            "",
            "x = 1",
            "def solve(g):\n    return g",
            "class A:\n    def transform(g):\n        return g",
            "transform(grid)",
            "class transform: pass",
            "async def transform(grid): return grid",
        ],
    )
    def test_no_function(self, code: str) -> None:
        assert extract(block(code)) is Fate.NO_FUNCTION

    def test_syntax_tells_more_than_no_function(self) -> None:
        assert extract(block("x = 1") + block("def transform(")) is Fate.SYNTAX
        assert extract(block("def transform(") + block("x = 1")) is Fate.SYNTAX

    def test_longer_than_any_program(self) -> None:
        code = PROGRAM + "\n#"
        assert text(block(code + "x" * (LONGEST - len(code) - 1))).startswith(PROGRAM)
        assert extract(block(code + "x" * (LONGEST - len(code)))) is Fate.SYNTAX


class TestKey:
    @pytest.mark.parametrize(
        "same",
        [
            "def transform(grid): return grid[::-1]",
            "# mirrored\ndef transform(grid):\n\n    return grid[::-1] # so\n",
            '"""Mirrors."""\ndef transform(grid):\n    """Mirrors\n    up and down."""\n    return grid[ : : -1 ]',
            "def transform(grid):\n    'one'\n    'two'\n    return (grid[::-1])\n'the end'",
        ],
    )
    def test_comments_docstrings_and_layout_make_no_difference(self, same: str) -> None:
        assert key(same) == key(OTHER)

    @pytest.mark.parametrize(
        "different",
        [
            "def transform(grid): return grid[::1]",
            "def transform(grid): return grid[:, ::-1]",
            "def transform(x): return x[::-1]",
            "def transform(grid):\n    return '''grid[::-1]'''",
            "import numpy\ndef transform(grid): return grid[::-1]",
        ],
    )
    def test_anything_else_does(self, different: str) -> None:
        assert key(different) != key(OTHER)

    def test_a_string_that_is_a_value_is_no_comment(self) -> None:
        codes = [f"def transform(g):\n    a = '{value}'\n    return f(a)" for value in "xy"]
        assert key(codes[0]) != key(codes[1])

    def test_a_function_of_strings_only_is_an_empty_one(self) -> None:
        assert key("def transform(g):\n    'later'") == key("def transform(g):\n    pass")
        assert key("def transform(g):\n    if g: 'a'\n    else: 'b'") == key("def transform(g):\n    if g: pass")
        assert key("def transform(g):\n    if g: 'a'\n    else: 'b'") != key("def transform(g):\n    if g: return")

    def test_a_key_comes_from_the_text_alone(self) -> None:
        assert extract(block(PROGRAM)) == extract("Anything else.\n" + block(PROGRAM))


def deep(opening: str, inner: str = "1", closing: str = "") -> str:
    """As much of it as is looked at."""
    head = "def transform(g): return "
    room = LONGEST - len(head) - len(inner) - 1
    times = room // (len(opening) + len(closing))
    return head + opening * times + inner + closing * times


NESTED = [
    deep("(", closing=")"),
    deep("["),
    deep("-"),
    deep("not "),
    deep("lambda:"),
    deep("1 if 1 else "),
    deep("1**"),
    deep("f(", closing=")"),
    deep("", "a", "()"),
    deep("", "a", ".a"),
    deep("", "a", "[0]"),
    deep("", "1", "+1"),
    deep("", "1", "<1"),
    deep("", "1", ","),
    deep("", "f'", "{"),
    "def transform(g): pass\n" + "x=" * (LONGEST // 2 - 20) + "1",
    "def transform(g): pass\nif 1: pass\n" + "elif 1:0\n" * (LONGEST // 9 - 9),
    "def transform(g): pass\n" + "".join(" " * depth + "if 1:\n" for depth in range(230)),
    "def transform(g): pass\n" + "@a\n" * 9999 + "def f(): pass",
    "\\\n" * (LONGEST // 2),
]


@pytest.mark.parametrize("code", NESTED, ids=lambda code: code[25:35])
def test_no_nesting_ends_the_interpreter(code: str) -> None:
    assert len(code) <= LONGEST
    found = extract(block(code))
    assert isinstance(found, Source) or found is Fate.SYNTAX


PIECES = st.sampled_from(
    [
        "```",
        "```python\n",
        "```\n",
        "`",
        "\n",
        "\r",
        "def transform(g):\n",
        "    return g\n",
        "main",
        "x = 1\n",
        "'",
        '"""',
    ]
)
ANSWERS = st.text() | st.lists(PIECES | st.text(max_size=5), max_size=20).map("".join)


@settings(max_examples=300)
@given(ANSWERS | st.lists(st.characters(), max_size=50).map("".join))
@example("```python\ndef transform(g): return '\ud800'\n```")
@example("```python\n# \ud800\ndef transform(g): return g\n```")
@example("```python\n\x00def transform(g): return g\n```")
@example("`" * 100_001)
def test_total(answer: str) -> None:
    found = extract(answer)
    if isinstance(found, Source):
        # It can be sent to another process and compiled there.
        assert ast.parse(found.text.encode().decode())
        assert extract(block(found.text)) == found
    else:
        assert found in (Fate.NO_CODE, Fate.SYNTAX, Fate.NO_FUNCTION)


@settings(max_examples=100)
@given(before=st.text(st.characters(exclude_characters="`")), after=st.text(st.characters(exclude_characters="`")))
def test_a_program_is_found_in_any_prose(before: str, after: str) -> None:
    assert text(f"{before}\n{block(PROGRAM)}{after}") == PROGRAM
