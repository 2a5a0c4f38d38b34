"""What a base is to this kit: how to talk to it, how to train it, what may be claimed for it. Types only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from solver.prompt import Format

ANSWER_ONLY = 1 << 30
"""As `first_supervised`: no demonstration's output is a target, the answer alone is."""


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """rank, alpha and rank stabilisation as in PEFT; targets: module suffixes, or "all-linear" (all but the head)."""

    rank: int
    alpha: float
    rank_stabilised: bool = False
    targets: tuple[str, ...] | str = "all-linear"


@dataclass(frozen=True, slots=True)
class TttSettings:
    """How a base is trained on one task's own demonstrations.

    lr: peak of a cosine with `warmup` (a fraction of the steps); epochs over at most `max_examples` distinct
    examples, drawn afresh each epoch; batch: most examples per optimiser step; step_tokens: most tokens of a step of
    several examples, None for no bound; micro_tokens: padded tokens per forward;
    first_supervised: number of the first demonstration whose output is a target;
    converged_loss: stops when the mean loss (nats per target token) of `patience` steps is below it;
    embedding_lr: peak for the embeddings and the head where these are trained, None for the same.

    Only to measure what each gives (Akyürek et al. 2024, section 4): in_context: whether the other demonstrations are
    shown with the one left out; transforms: whether examples are rotated, flipped and recoloured.
    """

    lr: float
    epochs: int = 2
    batch: int = 2
    step_tokens: int | None = None
    max_examples: int = 250
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip: float = 1.0
    micro_tokens: int = 8192
    first_supervised: int = 1
    converged_loss: float = 0.001
    patience: int = 8
    embedding_lr: float | None = None
    in_context: bool = True
    transforms: bool = True


class Decode(Enum):
    """What becomes of one view: its most probable answer, that and all probable ones, or samples."""

    GREEDY = "greedy"
    DFS = "dfs"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How views are decoded and candidates scored.

    threshold: a depth-first search finds the answers with at least this probability (Franzen et al. 2025, section 3.3,
    use about a tenth: lower ones cost time and seldom bring the right answer); samples: per view; temperature, top_p:
    of samples (0.7 as in Wang et al. 2022, "Self-Consistency Improves Chain of Thought Reasoning in Language Models",
    section 3.1; 0.95 as in Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", section 5);
    scored: most candidates of a test input that are scored. Raises ValueError for what none of them can be.
    """

    threshold: float = 0.1
    samples: int = 4
    temperature: float = 0.7
    top_p: float = 0.95
    scored: int = 16

    def __post_init__(self) -> None:
        possible = 0 < self.threshold < 1 and self.samples > 0 and self.temperature >= 0 and self.scored > 0
        if not (possible and 0 < self.top_p <= 1):
            raise ValueError(f"nothing can be decoded so: {self}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A base: how to talk to it and how to train it.

    folder: its files, in transformers' layout; context: longest sequence in tokens, answer included;
    permute_black: whether colour 0 took part in the base's colour permutations;
    orders: shuffled demonstration orders per dihedral view at inference;
    decode_tokens: prompt and answer tokens decoded at once, over all views of a batch; decoding: how;
    small: the whole base fits the processor's cache many times over, so that one process per core and LoRA folded
    into dense weights are fastest; licence: of its weights; seen: the splits (`solver.task.SPLITS`) whose answers it
    was trained on, so that scores on them say little; left_out: splits whose tasks were kept out of that training,
    wherever they came from.
    """

    name: str
    folder: Path
    format: Format
    context: int
    lora: LoraSettings
    ttt: TttSettings
    permute_black: bool = False
    orders: int = 2
    decode_tokens: int = 32768
    small: bool = False
    decoding: DecodeSettings = field(default_factory=DecodeSettings)
    licence: str = "not known"
    seen: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
