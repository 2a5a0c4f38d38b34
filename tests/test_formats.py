"""Prompts and masks of every public format, in the tokens of real tokenizers."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from solver.augmentation import Episode
from solver.evaluation import split_solutions
from solver.formats import TextFormat, Vocabulary, Wording
from solver.formats.barc import COLOUR_WORDS
from solver.grid import COLOURS, Grid
from solver.prompt import fit_context
from solver.task import read_split
from tests.golden_formats import FOLDER, episodes, golden, runs
from tests.real_tokenizers import FORMATS, needs_packages, real_format

pytestmark = needs_packages

Known = tuple[Wording, TextFormat, Vocabulary]


@pytest.fixture(params=FORMATS)
def known(request: pytest.FixtureRequest) -> Known:
    return real_format(request.param)


@pytest.mark.parametrize("name", FORMATS)
def test_prompts_masks_and_tokens_are_those_of_the_golden_files(name: str) -> None:
    for task, episode in episodes().items():
        text, tokens = golden(name, episode)
        assert (FOLDER / f"{name}-{task}.txt").read_text() == text
        assert (FOLDER / f"{name}-{task}.json").read_text() == tokens


def marc_text(episode: Episode) -> str:
    """By NumPy's own print, and by a chat template that strips every message."""

    def show(grid: Grid) -> str:
        return str(np.array(grid.rows))

    system = (
        "Figure out the underlying transformation in the following examples and apply it to the test case. Here are "
        "some examples from this transformation, your answer must follow the format.\nThe input-output grids are "
        "provided as python arrays:\n"
    )
    for pair in episode.demonstrations:
        system += f"{show(pair.input)} -> {show(pair.output)}#\n"
    assert episode.answer is not None
    messages = {"system": system, "user": f"{show(episode.query)} -> ", "assistant": f"{show(episode.answer)}#"}
    turns = (
        f"<|start_header_id|>{role}<|end_header_id|>\n\n{text.strip()}<|eot_id|>" for role, text in messages.items()
    )
    return "<|begin_of_text|>" + "".join(turns)


def barc_text(episode: Episode) -> str:
    def show(grid: Grid) -> str:
        return "\n".join(" ".join(COLOUR_WORDS[cell] for cell in row) for row in grid.rows)

    user = (
        "Given input-output grid pairs as reference examples, carefully observe the patterns to predict the output "
        "grid for new test input. Each pair follows the same transformation rule. Grids are 2D arrays represented as "
        "strings, with cells (colors) separated by spaces and rows by newlines.\nHere are the input and output grids "
        "for the reference examples:\n"
    )
    for number, pair in enumerate(episode.demonstrations):
        user += f"Example {number + 1}\nInput:\n{show(pair.input)}\n\nOutput:\n{show(pair.output)}\n\n\n"
    user += f"Here is the input grid for the test example:\nInput:\n{show(episode.query)}\n\n"
    user += (
        "Directly provide the output grids corresponding to the given test input grids, based on the patterns observed "
        "in the reference examples."
    )
    system = (
        "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\nYou are a world-class puzzle solver with "
        "exceptional pattern recognition skills. Your task is to analyze puzzles, spot patterns, and provide direct "
        "solutions."
    )
    assert episode.answer is not None
    answer = f"The output grid for the test input grid is:\n\n```\n{show(episode.answer)}\n```"
    turns = (
        f"<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>"
        for role, text in (("system", system), ("user", user), ("assistant", answer))
    )
    return "<|begin_of_text|>" + "".join(turns)


def digits(grid: Grid) -> str:
    return "\n".join("".join(map(str, row)) for row in grid.rows)


def architects_text(episode: Episode, begin: str = "<s>", end: str = "</s>") -> str:
    assert episode.answer is not None
    pairs = [(pair.input, pair.output) for pair in episode.demonstrations] + [(episode.query, episode.answer)]
    shown = (f"I{digits(one)}\n+/-=O{digits(other)}\n{end}" for one, other in pairs)
    return begin + "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjklmnpqrstuvwxyz" + "".join(shown)


def nvarc_text(episode: Episode) -> str:
    assert episode.answer is not None
    pairs = [(pair.input, pair.output) for pair in episode.demonstrations] + [(episode.query, episode.answer)]
    return "".join(
        f"<|im_start|>user\n{digits(one)}<|im_end|><|im_start|>assistant\n{digits(other)}<|im_end|>"
        for one, other in pairs
    )


TEXTS = {
    "marc": marc_text,
    "barc": barc_text,
    "architects": architects_text,
    "nvarc": nvarc_text,
    "plain": lambda episode: architects_text(episode, "<|begin_of_text|>", "<|end_of_text|>"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_texts_are_what_the_authors_code_would_write(name: str) -> None:
    wording, fmt, vocabulary = real_format(name)
    for episode in episodes().values():
        text = TEXTS[name](episode)
        assert wording.render(episode) == text
        assert vocabulary.decode(fmt.originals(fmt.encode(episode).ids)) == text


def test_lengths_and_tokens_are_right_on_all_of_arc_agi_1_evaluation(known: Known) -> None:
    """Predicted lengths are the real ones, and what is put together from pieces is what the tokenizer makes of the
    whole text; where a tokenizer merges digits, its text has fewer tokens than the base reads."""
    wording, fmt, vocabulary = known
    truth = split_solutions("arc1-evaluation")
    for task in read_split("arc1-evaluation"):
        for index, query in enumerate(task.test_inputs):
            episode = Episode(task.train, query, truth[task.id][index])
            encoded = fmt.encode(episode)
            assert fmt.length(episode) == len(encoded)
            assert fmt.length(Episode(task.train, query)) == len(fmt.encode(Episode(task.train, query)))
            whole = vocabulary.encode(wording.render(episode))
            if wording.natural:
                assert fmt.originals(encoded.ids) == list(whole)
            else:
                assert len(encoded) > len(whole)


def test_what_is_not_masked_says_the_outputs_and_nothing_else(known: Known) -> None:
    wording, fmt, vocabulary = known
    for episode in episodes().values():
        for first in (0, 1, len(episode.demonstrations)):
            encoded = fmt.encode(episode, first)
            ends = [0, *itertools.accumulate(runs(encoded.loss_mask.tolist()))]
            ids = fmt.originals(encoded.ids)
            said = [vocabulary.decode(ids[start:end]) for start, end in list(itertools.pairwise(ends))[1::2]]
            assert episode.answer is not None
            wanted = [wording.grid.render(pair.output) + wording.output_end for pair in episode.demonstrations[first:]]
            wanted.append(wording.grid.render(episode.answer) + wording.answer_end)
            # A token on the border of a grid may hold the white space beside it.
            assert [text.strip() for text in said] == [text.strip() for text in wanted]


def test_every_cell_is_written_by_tokens_of_its_own(known: Known) -> None:
    """Digits never merge: no token of an answer holds two cells, and a cell's tokens are the same everywhere."""
    wording, fmt, vocabulary = known
    for colour in range(COLOURS):
        word = wording.grid.colours[colour]
        assert vocabulary.decode(fmt.originals(fmt.pieces.first[colour])) == word
        assert vocabulary.decode(fmt.originals(fmt.pieces.following[colour])) == wording.grid.cells + word
    assert {len(cell) for cell in fmt.pieces.first} == {1}
    assert {len(cell) for cell in fmt.pieces.following} == {2 if fmt.name == "marc" else 1}


def test_the_same_digits_would_merge_if_the_tokenizer_had_its_way() -> None:
    _, _, vocabulary = real_format("plain")
    assert len(vocabulary.encode("012")) == 1


def test_numbers_of_tokens_are_small_and_answers_come_first(known: Known) -> None:
    _, fmt, _ = known
    answer = fmt.answer_ids(Grid((tuple(range(10)), tuple(range(9, -1, -1)))))
    assert answer.max() < fmt.vocabulary - 1 == fmt.pad_id
    assert len(set(fmt.table)) >= len(fmt.table) - 1
    assert fmt.vocabulary <= 32
    assert len(fmt.table) <= 200


def test_a_context_is_kept_by_dropping_demonstrations(known: Known) -> None:
    _, fmt, _ = known
    episode = episodes()["d931c21c-0"]
    whole = fmt.length(episode)
    shorter = fit_context(fmt, episode, whole - 1)
    assert shorter is not None
    assert shorter.demonstrations == episode.demonstrations[1:]
    assert len(fmt.encode(shorter)) == fmt.length(shorter) < whole
    assert fit_context(fmt, episode, 100) is None


def test_more_demonstrations_than_a_format_can_number_do_not_fit() -> None:
    _, fmt, _ = real_format("barc")
    episode = episodes()["66e6c45b-0"]
    many = Episode(episode.demonstrations[:1] * 70, episode.query)
    with pytest.raises(ValueError, match="cannot number 70"):
        fmt.encode(many)
    shorter = fit_context(fmt, many, 100_000)
    assert shorter is not None
    assert len(shorter.demonstrations) == 64


def test_golden_tokens_are_json() -> None:
    for file in FOLDER.glob("*.json"):
        content = json.loads(file.read_text())
        assert sum(content["runs"]) == len(content["ids"])
