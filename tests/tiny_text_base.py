"""A tiny random text base on disk: a Llama (or Qwen3) with a byte-level tokenizer and Llama 3's special tokens.

Its texts are noise, but everything from the prompt's text to the sampled text can be run with it.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from solver.model import Quantize, TextBase, load_text_base, register_attention

CPU = torch.device("cpu")
BEGIN, END_OF_TEXT, START_HEADER, END_HEADER, EOM, EOT, PAD = SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|finetune_right_pad_id|>",
)
FIRST_SPECIAL = 256
"""Tokens below it are bytes, in the order of the byte-level alphabet; the special ones follow."""

STOP_IDS = [FIRST_SPECIAL + SPECIAL.index(token) for token in (END_OF_TEXT, EOM, EOT)]
VOCABULARY = FIRST_SPECIAL + len(SPECIAL)
CONTEXT = 4096

ARCHITECTURES: dict[str, tuple[Any, Any]] = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}


def byte_tokenizer() -> Tokenizer:
    """One token per byte. Like Llama 3's it would put a beginning before every text, unless told not to."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: number for number, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, FIRST_SPECIAL)]
    )
    return tokenizer


def random_lm(architecture: str = "llama", seed: int = 0, stop_scale: float = 2.5, **changes: Any) -> Any:
    """An fp32 model with grouped queries whose outputs depend on its inputs.

    stop_scale: how much larger the weights of the stop tokens are, so that some texts end within a few tokens.
    """
    config_class, model_class = ARCHITECTURES[architecture]
    shape: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 24 if architecture == "qwen3" else 16,
        "intermediate_size": 128,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": False,
        "bos_token_id": FIRST_SPECIAL,
        "eos_token_id": STOP_IDS,
        "pad_token_id": None,
    }
    config = config_class(**shape | changes)
    config._attn_implementation = register_attention()
    lm = model_class(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in lm.parameters():
            if weight.ndim == 2:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 1.5 * weight.shape[1] ** -0.5)
        lm.lm_head.weight[[token for token in STOP_IDS if token < config.vocab_size]] *= stop_scale
    return lm.eval()


def write_text_base(folder: Path, architecture: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """config.json, generation_config.json, model.safetensors and tokenizer.json; returns the folder.

    changes: of `random_lm`'s arguments and of the configuration.
    """
    random_lm(architecture, seed, **changes).save_pretrained(folder)
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@cache
def _holder() -> tempfile.TemporaryDirectory[str]:
    """Deleted when the process ends."""
    return tempfile.TemporaryDirectory(prefix="tiny-text-base-")


@cache
def tiny_text_folder(architecture: str = "llama", seed: int = 0) -> Path:
    """The tiny text base as files, written once per test session. Not to be changed: others read it."""
    return write_text_base(Path(_holder().name) / f"{architecture}-{seed}", architecture, seed)


def tiny_text_base(
    architecture: str = "llama",
    seed: int = 0,
    quantize: Quantize = Quantize.NONE,
    dtype: torch.dtype = torch.float32,
    device: torch.device = CPU,
) -> TextBase:
    """The tiny text base, loaded as the kit loads a large one."""
    # Threads only wait for one another on matrices this small.
    torch.set_num_threads(1)
    return load_text_base(tiny_text_folder(architecture, seed), device, quantize, dtype)
