"""What is compared: ways to train at test time, and ways to choose among what the trained base answers. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from solver.augmentation import Dihedral
from solver.fusion import Vote
from solver.recipes import ANSWER_ONLY
from solver.voting import flat_vote, hierarchical_vote, poe_counts_vote, poe_vote

PAPER = "Akyürek et al. 2024, a 1B base on 80 tasks of ARC-AGI-1 evaluation"
PAPER_TASKS = 80


@dataclass(frozen=True, slots=True)
class Row:
    """A way to train. changes: of the profile's `TttSettings`; trained: at all; shared: one LoRA for all tasks;
    quantized: the base is in NF4, whatever it is in the other rows; paper: tasks of 80 that the paper's 1B base solves.
    """

    key: str
    title: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    trained: bool = True
    shared: bool = False
    quantized: bool = False
    paper: int | None = None


FULL = Row("ttt", "test-time training", paper=29)

ROWS = (
    Row("untrained", "no test-time training", trained=False, paper=5),
    FULL,
    Row("direct", "single pairs, not leave-one-out in context", {"in_context": False}, paper=18),
    Row("untransformed", "no transforms in training", {"transforms": False}, paper=13),
    Row("shared", "one LoRA shared by all tasks", shared=True, paper=22),
    Row("answers", "no loss on demonstrations", {"first_supervised": ANSWER_ONLY}, paper=26),
    Row("nf4", "base in NF4 (QLoRA)", quantized=True, paper=26),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to choose among what `FULL` answers. dihedral: the only one whose views count, None for all."""

    key: str
    title: str
    vote: Vote
    dihedral: Dihedral | None = None


CHOICES = (
    Choice("flat", "flat vote", flat_vote),
    *(Choice(one.name.lower(), f"only {one.name.lower().replace('_', ' ')}", flat_vote, one) for one in Dihedral),
    Choice("hierarchical", "hierarchical vote", hierarchical_vote),
    Choice("poe", "product of experts", poe_vote),
    Choice("poe+counts", "product of experts and counts", poe_counts_vote),
)
"""In the order in which they are shown, the best that any choice could do after them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What all rows have in common. steps: of training, exactly so many (None: as many as fit); ttt_seconds: of
    training, decode_seconds: of decoding, at most, both per task."""

    seed: int = 0
    steps: int | None = None
    ttt_seconds: float = 60.0
    decode_seconds: float = 60.0
