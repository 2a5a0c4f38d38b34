"""transformers' own generation of one answer: what this kit's decoding is measured against, and must agree with."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Legal = Callable[[Sequence[int]], npt.NDArray[np.bool_]]
"""An answer's tokens so far -> [v], True where a token may follow."""

Place = Callable[[Sequence[int]], npt.NDArray[np.int64]]
"""An answer's tokens so far -> their positions."""


def generate(
    lm: Any,
    ids: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
    limit: int,
    stop: int,
    legal: Legal,
    place: Place,
) -> list[int]:
    """The most probable legal token, again and again, by `lm.generate` after one prompt: ids, positions [T].

    Takes one forward pass for each token of the answer. To be called inside `base.inference()`.
    """
    from transformers import LogitsProcessorList

    device = next(lm.parameters()).device
    prompt = torch.from_numpy(ids)[None].to(device)

    def restrict(input_ids: Tensor, scores: Tensor) -> Tensor:
        allowed = torch.zeros_like(scores, dtype=torch.bool)
        may_follow = torch.from_numpy(legal(input_ids[0, len(ids) :].tolist()))
        allowed[0, : len(may_follow)] = may_follow.to(device)
        return scores.masked_fill(~allowed, float("-inf"))

    with _positioned(lm, positions, len(ids), place):
        out = lm.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            logits_processor=LogitsProcessorList([restrict]),
            do_sample=False,
            num_beams=1,
            use_cache=True,
            max_new_tokens=limit,
            eos_token_id=stop,
            pad_token_id=stop,
        )
    answer: list[int] = out[0, len(ids) :].tolist()
    return answer


@contextlib.contextmanager
def _positioned(lm: Any, positions: npt.NDArray[np.int64], prompt: int, place: Place) -> Iterator[None]:
    """Inside, the model generates with positions of its format instead of 0, 1, 2, …"""
    original = lm.prepare_inputs_for_generation

    @functools.wraps(original)
    def prepare(input_ids: Tensor, *rest: Any, **options: Any) -> dict[str, Any]:
        inputs: dict[str, Any] = original(input_ids, *rest, **options)
        everywhere = np.concatenate([positions, place(input_ids[0, prompt:].tolist())])
        newest = everywhere[-inputs["input_ids"].shape[1] :]
        inputs["position_ids"] = torch.from_numpy(newest)[None].to(input_ids.device)
        # transformers drops a mask of ones, and then takes jumps in the positions for borders between sequences.
        inputs["attention_mask"] = torch.ones_like(input_ids)
        return inputs

    lm.prepare_inputs_for_generation = prepare
    try:
        yield
    finally:
        # The instance's own attribute goes, the class's method is back.
        del lm.prepare_inputs_for_generation
