"""Which views are decoded together, by the tokens that they take. Pure; knows nothing of models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from solver.prompt import Encoded


def common_prefix(prompts: Sequence[Encoded]) -> int:
    """How many leading tokens all prompts have in common, positions included; all of them where there is one prompt."""
    shared = min(map(len, prompts))
    first = prompts[0]
    for other in prompts[1:]:
        same = (first.ids[:shared] == other.ids[:shared]) & (first.positions[:shared] == other.positions[:shared])
        shared = shared if same.all() else int(np.argmin(same))
    return shared


def batch_tokens(views: Sequence[Sequence[Encoded]], limit: int, copies: int = 1) -> int:
    """Tokens whose keys and values are held at once, padding included, when the views are decoded together.

    views: by view, its prompts; each is continued by `copies` rows of at most `limit` tokens.
    """
    prefixes = [common_prefix(prompts) for prompts in views]
    rows = sum(map(len, views)) * copies
    own = max(len(prompt) - prefix for prompts, prefix in zip(views, prefixes, strict=True) for prompt in prompts)
    return len(views) * max(prefixes) + rows * (own + limit)


def batches(views: Sequence[Sequence[Encoded]], limit: int, most: int, copies: int = 1) -> list[list[int]]:
    """Numbers of the views that go together, like lengths together, in batches of at most `most` tokens, one view at
    least."""
    found: list[list[int]] = []
    for number in sorted(range(len(views)), key=lambda view: common_prefix(views[view])):
        joined = [*found[-1], number] if found else []
        if joined and batch_tokens([views[view] for view in joined], limit, copies) <= most:
            found[-1] = joined
        else:
            found.append([number])
    return found
