"""What prompts share is found to the token, and batches of views keep within their tokens."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.augmentation import Episode
from solver.decoding.batching import batch_tokens, batches, common_prefix
from solver.grid import Grid
from solver.prompt import Encoded, NativeFormat
from solver.task import Pair
from tests.decoding_bases import prompts_of_view
from tests.strategies import grids

FORMAT = NativeFormat()


def encoded(ids: list[int], positions: list[int] | None = None) -> Encoded:
    places = list(range(len(ids))) if positions is None else positions
    return Encoded(np.array(ids), np.array(places), np.zeros(len(ids), dtype=np.bool_))


@pytest.mark.parametrize(
    ("sequences", "shared"),
    [
        ([[1, 2, 3]], 3),
        ([[1, 2, 3], [1, 2, 3]], 3),
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2, 3], [1, 2]], 2),
        ([[1, 2], [1, 2, 3, 4], [1, 5]], 1),
        ([[1, 2], [2, 2]], 0),
    ],
)
def test_common_tokens_are_counted(sequences: list[list[int]], shared: int) -> None:
    assert common_prefix([encoded(ids) for ids in sequences]) == shared


def test_tokens_in_other_places_are_other_tokens() -> None:
    assert common_prefix([encoded([1, 2, 3], [0, 1, 2]), encoded([1, 2, 3], [0, 1, 9])]) == 2


@settings(max_examples=50)
@given(
    pairs=st.lists(st.builds(Pair, grids(4), grids(4)), min_size=1, max_size=3),
    queries=st.lists(grids(4), min_size=1, max_size=3),
)
def test_test_inputs_share_all_demonstrations(pairs: list[Pair], queries: list[Grid]) -> None:
    prompts = [FORMAT.encode(Episode(tuple(pairs), query)) for query in queries]
    shared = common_prefix(prompts)
    demonstrations = FORMAT.length(Episode(tuple(pairs), queries[0])) - FORMAT.length(Episode((), queries[0]))
    # The marker before the test input as well.
    assert shared > demonstrations
    ids = {tuple(prompt.ids[:shared]) for prompt in prompts}
    assert len(ids) == 1
    if len(set(queries)) > 1:
        assert len({tuple(prompt.ids[: shared + 1]) for prompt in prompts}) > 1


@settings(max_examples=60)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 8), st.integers(1, 3)), min_size=1, max_size=8),
    limit=st.integers(1, 50),
    most=st.integers(1, 4000),
    copies=st.integers(1, 4),
)
def test_batches_hold_every_view_once_within_their_tokens(
    shapes: list[tuple[int, int]], limit: int, most: int, copies: int
) -> None:
    views = [prompts_of_view(seed, side, tests) for seed, (side, tests) in enumerate(shapes)]
    found = batches(views, limit, most, copies)
    assert sorted(view for batch in found for view in batch) == list(range(len(views)))
    for batch in found:
        assert len(batch) == 1 or batch_tokens([views[view] for view in batch], limit, copies) <= most
    lengths = [common_prefix(views[view]) for batch in found for view in batch]
    assert lengths == sorted(lengths)


def test_tokens_are_those_that_are_held() -> None:
    views = [[encoded([1, 2, 3, 4, 5]), encoded([1, 2, 3])], [encoded([1, 2, 3, 4]), encoded([1, 9])]]
    # Prefixes of 3 and 1 tokens, the longer twice; four prompts of at most 3 own tokens.
    assert batch_tokens(views, limit=10) == 2 * 3 + 4 * (3 + 10)
    assert batch_tokens(views, limit=10, copies=3) == 2 * 3 + 12 * (3 + 10)
