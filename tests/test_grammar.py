"""What an answer may go on with, in formats whose cells take any number of tokens."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.augmentation import Episode
from solver.formats import TextFormat
from solver.formats.grammar import build
from solver.grid import Grid
from solver.prompt import Ids, Mask
from tests import strategies
from tests.toy_formats import NAMES, byte_format

formats = st.sampled_from(NAMES).map(byte_format)


def stepwise(fmt: TextFormat, ids: Ids, last: int = 7) -> tuple[Mask, list[int]]:
    """Legal tokens before each token and after the last, and positions, by `Decoding`; ids are legal."""
    decoding, legal, positions = fmt.decoding(np.array([last])), [], []
    for token in ids:
        legal.append(decoding.legal()[0])
        positions.append(int(decoding.advance(np.array([token]))[0]))
    return np.array([*legal, decoding.legal()[0]]), positions


@given(formats, strategies.grids())
def test_an_answer_is_legal_and_says_its_grid(fmt: TextFormat, grid: Grid) -> None:
    ids = fmt.answer_ids(grid)
    assert len(ids) == fmt.answer_length(grid)
    assert fmt.parse(ids.tolist()) == grid
    legal = fmt.legal_along(ids)
    assert legal[np.arange(len(ids)), ids].all()
    assert np.flatnonzero(legal[-1]).tolist() == [fmt.pad_id]


@given(formats, strategies.grids(), st.data())
def test_legal_along_and_positions_along_are_what_decoding_says(
    fmt: TextFormat, grid: Grid, data: st.DataObject
) -> None:
    ids = np.concatenate([fmt.answer_ids(grid), [fmt.pad_id] * 2])
    legal, positions = stepwise(fmt, ids)
    start = data.draw(st.integers(0, len(ids)))
    assert np.array_equal(fmt.legal_along(ids, start), legal[start:])
    assert fmt.positions_along(7, ids, start).tolist() == positions[start:]


@given(formats, st.data())
def test_whatever_is_legal_can_be_brought_to_an_end(fmt: TextFormat, data: st.DataObject) -> None:
    """A random walk over legal tokens: every beginning is a beginning of an answer, and what stops is one."""
    decoding, ids = fmt.decoding(np.array([0])), list[int]()
    for _ in range(data.draw(st.integers(1, 60))):
        choices = np.flatnonzero(decoding.legal()[0]).tolist()
        assert choices
        ids.append(data.draw(st.sampled_from(choices)))
        decoding.advance(np.array(ids[-1:]))
        if ids[-1] == fmt.stop_id:
            break
    assert (fmt.parse(ids) is not None) == (ids[-1] == fmt.stop_id)
    legal = fmt.legal_along(np.array(ids))
    assert legal.any(-1).all()


@given(formats, strategies.grids(), st.data())
def test_nothing_may_follow_a_token_that_was_not_legal(fmt: TextFormat, grid: Grid, data: st.DataObject) -> None:
    ids = fmt.answer_ids(grid)
    place = data.draw(st.integers(0, len(ids) - 1))
    wrong = data.draw(st.integers(-2, fmt.vocabulary + 2))
    may = fmt.legal_along(ids)[place]
    changed = ids.copy()
    changed[place] = wrong
    after = fmt.legal_along(changed)[place + 1 :]
    assert after[0].any() == (0 <= wrong < fmt.vocabulary and may[wrong])
    start = data.draw(st.integers(0, place))
    assert np.array_equal(fmt.legal_along(changed, start)[place + 1 - start :], after)


@given(formats, st.lists(st.integers(-3, 40), max_size=60))
def test_parsing_takes_anything(fmt: TextFormat, ids: list[int]) -> None:
    grid = fmt.parse(ids)
    if grid is not None:
        assert fmt.answer_ids(grid).tolist() == ids[: fmt.answer_length(grid)]


@given(formats, st.lists(strategies.grids(max_side=3), min_size=1, max_size=4), st.data())
def test_a_batch_goes_on_as_its_rows_would_alone(fmt: TextFormat, grids: list[Grid], data: st.DataObject) -> None:
    answers = [fmt.answer_ids(grid) for grid in grids]
    steps = max(map(len, answers))
    padded = np.array([[*ids, *[fmt.pad_id] * (steps - len(ids))] for ids in answers])
    alone = [stepwise(fmt, ids)[0] for ids in padded]
    rows = data.draw(st.permutations(range(len(grids))))
    decoding = fmt.decoding(np.arange(len(grids)) * 10)
    decoding.select(np.array(rows))
    for step in range(steps):
        legal = decoding.legal()
        for place, row in enumerate(rows):
            assert np.array_equal(legal[place], alone[row][step])
        positions = decoding.advance(padded[rows, step])
        assert positions.tolist() == [10 * row + min(step + 1, len(answers[row])) for row in rows]


@pytest.mark.parametrize("name", NAMES)
def test_rows_and_cells_end_at_thirty(name: str) -> None:
    fmt = byte_format(name)
    ids = fmt.answer_ids(Grid(((1,) * 30,) * 30))
    legal = fmt.legal_along(ids)
    assert legal[np.arange(len(ids)), ids].all()
    assert fmt.parse(ids.tolist()) == Grid(((1,) * 30,) * 30)
    # What is too long was legal up to the first cell too many.
    for grid in (((1,) * 31,), ((1,),) * 31):
        tokens = [*fmt.pieces.answer_open, *fmt.pieces.first[1]]
        for number, row in enumerate(grid):
            tokens += [*fmt.pieces.rows, *fmt.pieces.first[1]] if number else []
            tokens += [token for _ in row[1:] for token in fmt.pieces.following[1]]
        tokens += fmt.pieces.answer_end
        assert fmt.parse(tokens) is None
        assert not fmt.legal_along(np.array(tokens))[-1].any()


@given(formats, st.lists(strategies.pairs(max_side=3), max_size=3), strategies.grids(), strategies.grids())
def test_lengths_masks_and_positions_of_episodes(fmt: TextFormat, pairs: list, query: Grid, answer: Grid) -> None:
    for episode in (Episode(tuple(pairs), query, answer), Episode(tuple(pairs), query)):
        encoded = fmt.encode(episode)
        assert len(encoded) == fmt.length(episode) == len(encoded.positions) == len(encoded.loss_mask)
        assert encoded.positions.tolist() == list(range(len(encoded)))
        assert encoded.ids.max() < len(fmt.table)
    whole, prompt = fmt.encode(Episode(tuple(pairs), query, answer)), fmt.encode(Episode(tuple(pairs), query))
    assert whole.ids.tolist() == [*prompt.ids, *fmt.answer_ids(answer)]
    assert whole.loss_mask[len(prompt) :].all()
    assert prompt.loss_mask.sum() == sum(whole.loss_mask) - fmt.answer_length(answer)
    assert not fmt.encode(Episode(tuple(pairs), query), 99).loss_mask.any()


@pytest.mark.parametrize("name", NAMES)
def test_a_format_travels_to_other_processes(name: str) -> None:
    fmt = byte_format(name)
    copy = pickle.loads(pickle.dumps(fmt))
    assert copy == fmt
    ids = fmt.answer_ids(Grid(((1, 2), (3, 4))))
    assert np.array_equal(copy.legal_along(ids), fmt.legal_along(ids))


def test_options_that_begin_others_are_refused() -> None:
    from dataclasses import replace

    pieces = byte_format("plain").pieces
    short = replace(pieces, following=(*pieces.following[:9], (*pieces.following[0], 3)))
    with pytest.raises(ValueError, match="begin"):
        build(short, 20, 19)
    long = replace(pieces, first=((*pieces.first[1], 2), *pieces.first[1:]))
    with pytest.raises(ValueError, match="begin"):
        build(long, 20, 19)
