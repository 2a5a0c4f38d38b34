"""How probable given answers are: one teacher-forced pass after prompts that are in the cache already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from solver.decoding.rows import AnswerRows


def score_rows(rows: AnswerRows, answers: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
    """Log-probability [B] in nats, among legal tokens, of one answer for each row, all in one forward pass.

    answers: by row, tokens with the stop token; minus infinity for one with a token that is not legal. For candidates
    under several views, make a row of each view for each candidate: `views.rows` reads a repeated prompt once.
    """
    lengths = np.array([len(answer) for answer in answers])
    following = rows.first[:, None]
    # After its last token nothing is asked.
    before = [_known(answer[:-1], rows.format.vocabulary) for answer in answers]
    if lengths.max() > 1:
        following = torch.cat([following, rows.extend(before)], 1)
    ids = np.zeros(following.shape[:2], dtype=np.int64)
    for row, answer in enumerate(answers):
        ids[row, : len(answer)] = answer
    known = (ids >= 0) & (ids < following.shape[-1])
    chosen = torch.from_numpy(np.where(known, ids, 0))[..., None].to(following.device)
    gained = following.gather(-1, chosen)[..., 0].double().cpu().numpy()
    gained[~known] = -np.inf
    gained[np.arange(gained.shape[1]) >= lengths[:, None]] = 0
    totals: npt.NDArray[np.float64] = gained.sum(-1)
    return totals


def _known(tokens: Sequence[int], vocabulary: int) -> list[int]:
    """The tokens up to the first that is none; the model cannot read any that it does not know."""
    end = next((place for place, token in enumerate(tokens) if not 0 <= token < vocabulary), len(tokens))
    return list(tokens[:end])
