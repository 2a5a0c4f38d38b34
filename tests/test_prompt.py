"""The native format: exact tokens, positions and masks; parsing is total; decoding allows what can still be a grid."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from solver.augmentation import Episode
from solver.grid import COLOURS, MAX_SIDE, Grid
from solver.prompt import (
    END,
    INPUT,
    NATIVE_TOKENS,
    OUTPUT,
    PAD,
    ROW,
    Encoded,
    NativeFormat,
    fit_context,
)
from solver.task import Pair

Scores = npt.NDArray[np.float64]

FORMATS = [NativeFormat(), NativeFormat(geometric=False)]
every_format = pytest.mark.parametrize("fmt", FORMATS, ids=["geometric", "sequential"])


def grids(max_side: int) -> st.SearchStrategy[Grid]:
    sides = st.integers(1, max_side)
    return hnp.arrays(np.int8, st.tuples(sides, sides), elements=st.integers(0, COLOURS - 1)).map(Grid.from_array)


SMALL, LARGE = grids(5), grids(MAX_SIDE)
PAIRS = st.builds(Pair, SMALL, SMALL)
EPISODES = st.builds(Episode, st.lists(PAIRS, min_size=1, max_size=4).map(tuple), SMALL, st.none() | SMALL)
ANSWERED = st.builds(Episode, st.lists(PAIRS, min_size=1, max_size=3).map(tuple), SMALL, SMALL)


def spans(encoded: Encoded) -> list[list[int]]:
    """The tokens of each run of targets."""
    runs = itertools.groupby(
        zip(encoded.ids.tolist(), encoded.loss_mask.tolist(), strict=True), key=lambda pair: pair[1]
    )
    return [[token for token, _ in run] for is_target, run in runs if is_target]


def test_tokens_positions_and_targets_of_a_small_episode() -> None:
    demonstrations = (
        Pair(Grid(((1, 2),)), Grid(((3,), (4,)))),
        Pair(Grid(((5,),)), Grid(((6,),))),
    )
    episode = Episode(demonstrations, Grid(((7, 8), (9, 0))), Grid(((2, 1),)))
    encoded = NativeFormat().encode(episode)
    expected = [
        # token, position, target
        *((INPUT, 0, 0), (1, 1, 0), (2, 2, 0)),
        *((OUTPUT, 1024, 0), (3, 1025, 0), (ROW, 1056, 0), (4, 1057, 0), (END, 1088, 0)),
        *((INPUT, 2048, 0), (5, 2049, 0)),
        *((OUTPUT, 3072, 0), (6, 3073, 1), (END, 3104, 1)),
        *((INPUT, 4096, 0), (7, 4097, 0), (8, 4098, 0), (ROW, 4128, 0), (9, 4129, 0), (0, 4130, 0)),
        *((OUTPUT, 5120, 0), (2, 5121, 1), (1, 5122, 1), (END, 5152, 1)),
    ]
    ids, positions, targets = zip(*expected, strict=True)
    assert encoded.ids.tolist() == list(ids)
    assert encoded.positions.tolist() == list(positions)
    assert encoded.loss_mask.tolist() == [bool(target) for target in targets]
    assert NativeFormat(geometric=False).encode(episode).positions.tolist() == list(range(len(expected)))


def test_every_token_has_its_own_name_and_number() -> None:
    assert len(set(NATIVE_TOKENS)) == len(NATIVE_TOKENS) == NativeFormat().vocabulary
    assert [NATIVE_TOKENS[token] for token in (ROW, INPUT, OUTPUT, END, PAD)] == [
        "<row>",
        "<in>",
        "<out>",
        "<end>",
        "<pad>",
    ]


@every_format
@settings(max_examples=40)
@given(grid=LARGE)
def test_parsing_reads_back_what_was_written(fmt: NativeFormat, grid: Grid) -> None:
    ids = fmt.answer_ids(grid)
    assert len(ids) == fmt.answer_length(grid)
    assert fmt.parse(ids.tolist()) == grid
    assert fmt.parse([*ids.tolist(), 3, OUTPUT, PAD]) == grid


@settings(max_examples=300)
@given(st.lists(st.integers(-3, 20) | st.sampled_from([1, ROW, END]), max_size=40))
def test_parsing_is_total(ids: list[int]) -> None:
    grid = NativeFormat().parse(ids)
    if grid is not None:
        written = NativeFormat().answer_ids(grid).tolist()
        assert ids[: len(written)] == written


@pytest.mark.parametrize(
    "ids",
    [
        [],
        [END],
        [1],
        [1, ROW, END],
        [1, ROW, 1, 2, END],
        [1, INPUT, END],
        [PAD],
        [1, ROW],
        [*([1] * 31), END],
        [*([1, ROW] * 30), 1, END],
    ],
)
def test_what_is_no_grid_parses_to_none(ids: list[int]) -> None:
    assert NativeFormat().parse(ids) is None


@every_format
@settings(max_examples=60)
@given(episode=EPISODES, first_supervised=st.integers(0, 5))
def test_lengths_are_predicted_and_targets_are_exactly_the_outputs(
    fmt: NativeFormat, episode: Episode, first_supervised: int
) -> None:
    encoded = fmt.encode(episode, first_supervised)
    assert len(encoded) == len(encoded.positions) == len(encoded.loss_mask) == fmt.length(episode)
    outputs = [pair.output for pair in episode.demonstrations[first_supervised:]]
    outputs += [] if episode.answer is None else [episode.answer]
    assert spans(encoded) == [fmt.answer_ids(output).tolist() for output in outputs]
    assert not encoded.loss_mask[0]
    assert len(np.unique(encoded.positions)) == len(encoded)


@every_format
@settings(max_examples=40)
@given(episode=ANSWERED)
def test_a_prompt_is_the_episode_up_to_its_answer(fmt: NativeFormat, episode: Episode) -> None:
    assert episode.answer is not None
    prompt = fmt.encode(Episode(episode.demonstrations, episode.query))
    whole = fmt.encode(episode)
    assert whole.ids.tolist() == [*prompt.ids.tolist(), *fmt.answer_ids(episode.answer).tolist()]
    assert whole.positions[: len(prompt)].tolist() == prompt.positions.tolist()


@every_format
@settings(max_examples=40)
@given(episodes=st.lists(ANSWERED, min_size=1, max_size=3))
def test_decoding_follows_true_answers_to_the_positions_of_encoding(fmt: NativeFormat, episodes: list[Episode]) -> None:
    prompts = [fmt.encode(Episode(episode.demonstrations, episode.query)) for episode in episodes]
    wholes = [fmt.encode(episode) for episode in episodes]
    answers = [whole.ids[len(prompt) :] for whole, prompt in zip(wholes, prompts, strict=True)]
    decoding = fmt.decoding(np.array([prompt.positions[-1] for prompt in prompts]))
    for step in range(max(map(len, answers))):
        tokens = np.array([answer[step] if step < len(answer) else PAD for answer in answers])
        assert decoding.legal()[np.arange(len(tokens)), tokens].all()
        positions = decoding.advance(tokens)
        for row, whole in enumerate(wholes):
            place = min(len(prompts[row]) + step, len(whole) - 1)
            assert positions[row] == whole.positions[place]
    finished = decoding.legal()
    assert finished[:, PAD].all()
    assert finished.sum() == len(episodes)


def stepwise(fmt: NativeFormat, last: int, ids: list[int]) -> tuple[npt.NDArray[np.bool_], list[int]]:
    """What is legal before each token and after the last, and the tokens' positions, step by step."""
    decoding = fmt.decoding(np.array([last]))
    legal, positions = [decoding.legal()[0]], []
    for token in ids:
        positions.append(int(decoding.advance(np.array([token]))[0]))
        legal.append(decoding.legal()[0])
    return np.stack(legal), positions


@st.composite
def legal_answers(draw: st.DrawFn) -> list[int]:
    """Legal tokens, step by step: often cut short, sometimes with padding after their end."""
    decoding = NativeFormat().decoding(np.zeros(1, dtype=np.int64))
    ids: list[int] = []
    # Rare line ends make wide grids, frequent ones tall ones.
    ends = draw(st.sampled_from([0.03, 0.3, 0.8]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    for _ in range(draw(st.integers(0, 100))):
        legal = decoding.legal()[0]
        weights = np.where(np.arange(len(legal)) < COLOURS, (1 - ends) / COLOURS, ends / 2) * legal
        ids.append(int(rng.choice(len(legal), p=weights / weights.sum())))
        decoding.advance(np.array(ids[-1:]))
    return ids


LASTS = st.integers(0, 40).map(lambda grid: 1024 * grid)


@every_format
@settings(max_examples=150)
@given(ids=legal_answers(), last=LASTS, data=st.data())
def test_whole_answers_are_as_legal_and_where_they_are_step_by_step(
    fmt: NativeFormat, ids: list[int], last: int, data: st.DataObject
) -> None:
    legal, positions = stepwise(fmt, last, ids)
    start = data.draw(st.integers(0, len(ids)))
    array = np.array(ids, dtype=np.int64)
    assert fmt.legal_along(array).tolist() == legal.tolist()
    assert fmt.legal_along(array, start).tolist() == legal[start:].tolist()
    assert fmt.positions_along(last, array).tolist() == positions
    assert fmt.positions_along(last, array, start).tolist() == positions[start:]


@settings(max_examples=150)
@given(ids=legal_answers(), more=st.lists(st.integers(-3, 20) | st.sampled_from([ROW, END]), max_size=20))
def test_nothing_may_follow_what_is_not_legal(ids: list[int], more: list[int]) -> None:
    fmt = NativeFormat()
    whole = [*ids, *more]
    found = fmt.legal_along(np.array(whole, dtype=np.int64), len(ids))
    assert found.shape == (len(more) + 1, fmt.vocabulary)
    for place, token in enumerate(more):
        legal, _ = stepwise(fmt, 0, whole[: len(ids) + place])
        assert found[place].tolist() == legal[-1].tolist()
        if not (0 <= token < fmt.vocabulary and legal[-1][token]):
            assert not found[place + 1 :].any()
            break


@settings(max_examples=60)
@given(answers=st.lists(legal_answers(), min_size=1, max_size=4), data=st.data())
def test_rows_of_a_decoding_may_be_left_out_and_reordered(answers: list[list[int]], data: st.DataObject) -> None:
    fmt = NativeFormat()
    shortest = min(map(len, answers))
    lasts = np.arange(len(answers)) * 1024
    decoding = fmt.decoding(lasts)
    for step in range(shortest):
        decoding.advance(np.array([answer[step] for answer in answers]))
    rows = data.draw(st.lists(st.integers(0, len(answers) - 1), min_size=1, max_size=4))
    decoding.select(np.array(rows))
    legal = decoding.legal()
    tokens = legal.argmax(1)
    positions = decoding.advance(tokens)
    for number, row in enumerate(rows):
        expected, places = stepwise(fmt, int(lasts[row]), [*answers[row][:shortest], int(tokens[number])])
        assert legal[number].tolist() == expected[-2].tolist()
        assert decoding.legal()[number].tolist() == expected[-1].tolist()
        assert positions[number] == places[-1]


def walk(fmt: NativeFormat, scores: Scores, noise: np.random.Generator | None, batch: int = 1) -> list[list[int]]:
    """Writes answers by always taking the legal token with the highest score plus noise."""
    decoding = fmt.decoding(np.full(batch, 5120))
    written: list[list[int]] = [[] for _ in range(batch)]
    for _ in range(MAX_SIDE * (MAX_SIDE + 1)):
        legal = decoding.legal()
        assert legal.any(axis=1).all()
        values = scores + (noise.gumbel(size=legal.shape) if noise else 0)
        tokens = np.where(legal, values, -np.inf).argmax(axis=1)
        decoding.advance(tokens)
        for row, token in enumerate(tokens.tolist()):
            written[row].append(token)
    assert decoding.legal()[:, PAD].all()
    return written


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), end=st.floats(-8, 2), row=st.floats(-8, 2))
def test_every_legal_walk_ends_in_a_valid_grid(seed: int, end: float, row: float) -> None:
    scores = np.zeros(len(NATIVE_TOKENS))
    scores[END], scores[ROW] = end, row
    for written in walk(NativeFormat(), scores, np.random.default_rng(seed), batch=3):
        length = written.index(END) + 1
        grid = NativeFormat().parse(written)
        assert grid is not None
        assert NativeFormat().answer_ids(grid).tolist() == written[:length]
        assert set(written[length:]) <= {PAD}


def test_the_longest_walk_is_the_largest_grid() -> None:
    scores = np.zeros(len(NATIVE_TOKENS))
    scores[END], scores[ROW] = -2, -1
    assert NativeFormat().parse(walk(NativeFormat(), scores, None)[0]) == Grid(((0,) * MAX_SIDE,) * MAX_SIDE)


def test_the_shortest_walk_is_the_smallest_grid() -> None:
    scores = np.zeros(len(NATIVE_TOKENS))
    scores[END] = 1
    assert NativeFormat().parse(walk(NativeFormat(), scores, None)[0]) == Grid(((0,),))


@settings(max_examples=100)
@given(episode=EPISODES, limit=st.integers(0, 250), answer_room=st.integers(0, 60))
def test_fitting_drops_as_few_leading_demonstrations_as_it_must(episode: Episode, limit: int, answer_room: int) -> None:
    fmt = NativeFormat()

    def fits(dropped: int) -> bool:
        shorter = Episode(episode.demonstrations[dropped:], episode.query, episode.answer)
        return len(fmt.encode(shorter)) + answer_room <= limit

    dropped = next((count for count in range(len(episode.demonstrations)) if fits(count)), None)
    expected = None if dropped is None else Episode(episode.demonstrations[dropped:], episode.query, episode.answer)
    assert fit_context(fmt, episode, limit, answer_room) == expected
