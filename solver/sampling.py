"""Texts after one prompt, as many as the time allows: all rows share the prompt, and an ended row starts afresh.

Knows nothing of programs or tasks: it takes a prompt's tokens and yields the tokens of one text after the other.

Reproducible: the texts are numbered in the order in which they start. Text n draws one uniform number per token from
a generator of its own, keyed by (seed, n), and takes the token in whose share of the distribution it falls, tokens in
the order of their ids. So a text depends on seed, prompt and n alone, whatever rows and machine it is written by, up to
rounding: matrix products of another shape may move the borders between tokens by as little as their last digits.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from solver.budget import Deadline
from solver.model import SharedPrefixCache, TextBase
from solver.training import is_out_of_memory

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """temperature: what logits are divided by, at least 0.001, or 0 for the most probable token; top_p: tokens are
    drawn from the fewest most probable ones that have this probability together, after the temperature; seed: of all
    texts. Raises ValueError for others."""

    temperature: float = 0.8
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        possible = self.temperature == 0 or 1e-3 <= self.temperature < math.inf
        if not (possible and 0 < self.top_p <= 1 and 0 <= self.seed < 1 << 64):
            raise ValueError(f"no distribution to draw from: {self}")


@dataclass(frozen=True, slots=True)
class Sampled:
    """One text. number: in the order of starting; ids: its tokens, stop token included; complete: False when the
    token limit cut it short; logprob: of the whole text in nats, under the model itself at temperature 1."""

    number: int
    ids: tuple[int, ...]
    complete: bool
    logprob: float


def sample(
    base: TextBase,
    prompt: Sequence[int],
    rows: int,
    limit: int,
    settings: SamplingSettings,
    deadline: Deadline,
    note: Callable[[str], None] = log.warning,
) -> Iterator[Sampled]:
    """Texts of at most `limit` tokens in the order in which they end, until the deadline passes.

    Texts that the deadline cuts short are not handed out, so what comes last leans towards short texts. When memory
    runs out, half as many rows go on, those that were being written start again, and `note` is told; with a single row,
    or while the prompt is read, the error is raised. Raises ValueError if prompt and limit exceed the base's context,
    FloatingPointError if the base's logits are not finite.
    """
    if rows < 1 or limit < 1 or not prompt or len(prompt) + limit > base.context:
        raise ValueError(f"{rows} rows of {len(prompt)} + {limit} tokens in a context of {base.context}")
    if deadline.passed():
        return
    cache, first = base.read(prompt)
    batch = _Batch(base, cache, first, limit, settings)
    while not deadline.passed():
        try:
            ended = batch.step(rows)
        except (RuntimeError, MemoryError) as error:
            if rows == 1 or not is_out_of_memory(error):
                raise
        else:
            yield from ended
            continue
        # Outside of the handler: the error holds on to tensors.
        batch.give_up()
        note(f"out of memory sampling {rows} texts at once: halved")
        rows //= 2


@dataclass(slots=True)
class _Row:
    """A text that is being written."""

    number: int
    noise: Floats
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0


@dataclass(slots=True)
class _Batch:
    """The texts that are being written after one prompt. first: logits [V] after it."""

    base: TextBase
    cache: SharedPrefixCache
    first: Tensor
    limit: int
    settings: SamplingSettings
    rows: list[_Row] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def step(self, rows: int) -> list[Sampled]:
        """One more token for each of `rows` texts; returns those that it ended."""
        if not self.rows:
            self.cache.allocate(rows, self.limit)
            self.rows = [self._start() for _ in range(rows)]
        noise = np.array([row.noise[len(row.ids)] for row in self.rows])
        with torch.inference_mode():
            chosen, gained = draw(self._logits(), noise, self.settings)
        # Nothing is handed out before all that could run out of memory is done.
        ended = []
        for index, row in enumerate(self.rows):
            row.ids.append(int(chosen[index]))
            row.logprob += float(gained[index])
            complete = row.ids[-1] in self.base.stop_ids
            if complete or len(row.ids) == self.limit:
                ended.append(Sampled(row.number, tuple(row.ids), complete, row.logprob))
                self.rows[index] = self._start()
        return ended

    def give_up(self) -> None:
        """Frees the rows; the texts that were being written are the next to start."""
        self.numbers = itertools.chain(sorted(row.number for row in self.rows), self.numbers)
        self.rows = []
        self.cache.release()
        self.base.recover()

    def _start(self) -> _Row:
        number = next(self.numbers)
        return _Row(number, uniforms(self.settings.seed, number, self.limit))

    def _logits(self) -> Tensor:
        """[B, V] after each text so far.

        A text that has not begun takes part in the pass with a token that counts for nothing: a pass that does
        nothing else for one row in the hundreds that a text takes costs less than passes of changing shape.
        """
        fresh = [index for index, row in enumerate(self.rows) if not row.ids]
        self.cache.restart(fresh)
        if len(fresh) == len(self.rows):
            return self.first.expand(len(fresh), -1)
        ids_B1 = torch.tensor([[row.ids[-1] if row.ids else 0] for row in self.rows])
        logits_BV = self.base.next_logits(ids_B1, self.cache)[:, -1]
        self.cache.restart(fresh)
        logits_BV[fresh] = self.first
        return logits_BV


def uniforms(seed: int, number: int, count: int) -> Floats:
    """The first `count` random numbers between 0 and 1 of text `number`: one for each of its tokens."""
    key = np.array([seed, number], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def draw(logits: Tensor, noise: Floats, settings: SamplingSettings) -> tuple[npt.NDArray[np.int64], Floats]:
    """A token of each row and its log-probability at temperature 1, [B], from logits [B, V] and uniforms [B].

    Temperature and top_p (nucleus sampling, Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration",
    section 3.1) are applied in fp32. Raises FloatingPointError if a row's logits are not finite.
    """
    logprobs = logits.float().log_softmax(-1)
    best = logprobs.max(-1, keepdim=True)
    if not bool(best.values.isfinite().all()):
        raise FloatingPointError("the base's logits are not finite")
    if settings.temperature == 0:
        chosen = best.indices
    else:
        probabilities = (logprobs / settings.temperature).softmax(-1)
        if settings.top_p < 1:
            probabilities = _nucleus(probabilities, settings.top_p)
        # In fp64, so that rounding makes no room for a token without probability.
        cumulative = probabilities.cumsum(-1, dtype=torch.float64)
        targets = torch.from_numpy(noise)[:, None].to(logits.device) * cumulative[:, -1:]
        chosen = torch.searchsorted(cumulative, targets, right=True).clamp_(max=logits.shape[-1] - 1)
    gained = logprobs.gather(-1, chosen)
    return chosen[:, 0].cpu().numpy(), gained[:, 0].double().cpu().numpy()


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """[B, V] without the tokens before which, in descending order, `top_p` is reached already; not rescaled."""
    ordered = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ordered.values.cumsum(-1) - ordered.values
    dropped = torch.zeros_like(probabilities, dtype=torch.bool).scatter_(-1, ordered.indices, before >= top_p)
    return probabilities.masked_fill(dropped, 0.0)


WORKSPACE = 512 * 2**20
"""Bytes that a pass takes beside the cache, at the most for models of 8B: one layer's dequantised weights, the scores
of a block of the prompt, activations."""

LOGIT_BYTES = 48
"""Per token of the vocabulary, what `draw` takes for a row: logits and probabilities, sorted and summed."""


def rows_for(base: TextBase, prompt: int, limit: int, memory: int) -> int:
    """How many rows of `limit` tokens after a prompt of so many tokens fit into so many free bytes; 0 if none does."""
    row = limit * base.token_bytes() + base.vocabulary * LOGIT_BYTES
    return max(0, (memory - WORKSPACE - prompt * base.token_bytes()) // row)
