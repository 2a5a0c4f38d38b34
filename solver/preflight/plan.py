"""What a run will need: bytes for a worker, seconds for a task, hours of the quota. Pure estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from solver.budget import format_duration
from solver.preflight.check import Check, Status
from solver.preflight.machines import WEEKLY_HOURS, Machine
from solver.profiles import Profile

GIB = 2**30

LEAST_SECONDS = 30.0
"""For one task of one worker: with less, neither training nor all views come to an end."""

NF4_BYTES = 0.53
"""Per weight: half a byte, and the scales of double quantisation (Dettmers et al. 2023, "QLoRA", section 3)."""

ADAMW_BYTES = 16
"""Per trained fp32 weight: itself, its gradient, two moments."""

SHORT_PROMPT, LONG_PROMPT = 2048, 8192
"""Tokens. Training shortens prompts where memory is short; at one token per cell, 1 % of ARC-AGI-1 evaluation is longer
than the second."""

LOGIT_TOKENS = 1024
"""Tokens whose logits exist at the same time: an answer's, hardly ever more than a 30 × 30 grid."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a causal LM of the Llama kind, as in its config.json. vocabulary: tokens with embeddings in memory."""

    hidden: int
    layers: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    tied: bool

    def linear(self) -> list[tuple[int, int]]:
        """(in, out) of the seven linear layers of one block."""
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        attention = [(self.hidden, queries), (self.hidden, keys), (self.hidden, keys), (queries, self.hidden)]
        return [*attention, *[(self.hidden, self.feed_forward)] * 2, (self.feed_forward, self.hidden)]


def read_shape(config: Mapping[str, Any]) -> Shape | None:
    """The shape in a config.json; None where one of the sizes is not there."""
    try:
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        return Shape(
            hidden,
            int(config["num_hidden_layers"]),
            int(config["intermediate_size"]),
            heads,
            int(config.get("num_key_value_heads") or heads),
            int(config.get("head_dim") or hidden // heads),
            int(config["vocab_size"]),
            bool(config.get("tie_word_embeddings", False)),
        )
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes of memory for one worker. least: to train and decode at all, on short prompts; full: on prompts of any
    length that the base can read."""

    least: int
    full: int


def worker_need(shape: Shape, profile: Profile, quantized: bool, gpu: bool, width: int) -> Need:
    """An estimate. width: bytes of a number in the base's dtype; gpu: whether the worker runs on one."""
    least, full = (
        _worker_bytes(shape, profile, quantized, gpu, width, min(profile.context, tokens))
        for tokens in (SHORT_PROMPT, LONG_PROMPT)
    )
    return Need(least, full)


def _worker_bytes(shape: Shape, profile: Profile, quantized: bool, gpu: bool, width: int, tokens: int) -> int:
    """While it trains on one sequence of that many tokens, or while it decodes, whichever takes more."""
    weights = shape.layers * sum(inner * outer for inner, outer in shape.linear())
    embeddings = shape.vocabulary * shape.hidden * (1 if shape.tied else 2)
    base = weights * (NF4_BYTES if quantized else width) + embeddings * width
    adapter = shape.layers * sum(profile.lora.rank * (inner + outer) for inner, outer in shape.linear())
    block = tokens * (16 * shape.hidden + 6 * shape.feed_forward) * width
    # Small bases keep the activations of all blocks; others recompute them block by block.
    kept = shape.layers * block if profile.small else shape.layers * tokens * shape.hidden * width + block
    # On a CPU the attention's weights are kept as well, half of a square.
    attention = 0 if gpu else shape.heads * tokens**2 * width // 2 * (shape.layers if profile.small else 1)
    training = kept + attention + min(tokens, LOGIT_TOKENS) * shape.vocabulary * 12
    cached = min(profile.decode_tokens, 4 * tokens)
    keys = cached * 2 * shape.layers * shape.kv_heads * shape.head_width * width
    libraries = 1.2 * GIB if gpu else 0.7 * GIB
    return int(base + adapter * ADAMW_BYTES + max(training, keys) + libraries)


def check_time(tasks: int, budget: float, workers: int) -> Check:
    """Whether the budget (seconds) gives each task what it needs at least."""
    each = budget * workers / tasks
    text = f"{tasks} tasks in {format_duration(budget)} with {workers} worker(s): {each:.0f} s for each"
    if each < LEAST_SECONDS:
        mend = f"give at least {LEAST_SECONDS:.0f} s: a longer --time-budget, more GPUs, or --channels search alone"
        return Check("time", Status.FAULT, text, mend)
    return Check("time", Status.OK, text)


def check_quota(machine: Machine | None, budget: float, dry_run: float) -> Check:
    """What a run of that many seconds, and a dry run, are charged at most. An estimate: Kaggle alone knows."""
    if machine is None:
        return Check("quota", Status.OK, "no accelerator was named: no GPU hours are charged")
    full, short = (seconds / 3600 * machine.charge for seconds in (budget, dry_run))
    text = f"{machine.name}: the dry run takes about {short:.1f} GPU hours, a full run at most {full:.1f}"
    if full > WEEKLY_HOURS:
        mend = "Kaggle shows what is left beside the notebook: have enough of it"
        return Check("quota", Status.NOTE, f"{text} where a week has {WEEKLY_HOURS:.0f}", mend)
    return Check("quota", Status.OK, f"{text} of a week's {WEEKLY_HOURS:.0f}")
