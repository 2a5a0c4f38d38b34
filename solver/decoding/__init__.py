"""Answers from a base: views that share what their prompts have in common, and several ways to write answers.

Takes encoded prompts, returns token lists with their log-probabilities; knows nothing of tasks or votes. How to call
it is in `rows`. `reference` holds the slow loops that all of it agrees with: with fp32 activations the tokens are the
same and log-probabilities differ by less than 1e-4 nats, whatever the weights' precision; with bf16 activations every
pass rounds differently, by less than 0.05 nats a token.
"""

from solver.decoding.batching import batch_tokens, batches
from solver.decoding.dfs import search
from solver.decoding.drafts import write_from_drafts
from solver.decoding.greedy import greedy, write_greedily
from solver.decoding.results import Found, Generated, Timing
from solver.decoding.rows import Rows, Views, read_views
from solver.decoding.sample import write_samples
from solver.decoding.scores import score_rows

__all__ = [
    "Found",
    "Generated",
    "Rows",
    "Timing",
    "Views",
    "batch_tokens",
    "batches",
    "greedy",
    "read_views",
    "score_rows",
    "search",
    "write_from_drafts",
    "write_greedily",
    "write_samples",
]
