"""Bases that are made here: fresh models, and how they are written in transformers' layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from solver.model.attention import register_attention
from solver.model.rotary import axial_rope

HEAD, THETA, LONGEST = 64, 10000.0, 1 << 16
"""Of the embedded base: channels of a head, the base of usual rotary frequencies, positions there can be."""


def new_native(width: int, layers: int, feed_forward: int, vocabulary: int, seed: int, axial: bool = True) -> Any:
    """A fresh Qwen3-shaped causal LM (RMSNorm, rotary positions, QK-norm, SwiGLU), heads of 64, fp32.

    Output projections start at zero, so that the residual stream starts as the embedding alone.
    axial: whether rotary frequencies see one axis of the grid each (`axial_rope`), not the usual geometric series.
    """
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // HEAD,
        num_key_value_heads=width // HEAD,
        head_dim=HEAD,
        intermediate_size=feed_forward,
        tie_word_embeddings=False,
        max_position_embeddings=LONGEST,
        use_cache=False,
        bos_token_id=None,
        eos_token_id=13,
        pad_token_id=14,
        rope_parameters=axial_rope(HEAD, THETA, LONGEST) if axial else {"rope_type": "default", "rope_theta": THETA},
    )
    config._attn_implementation = register_attention()
    torch.manual_seed(seed)
    lm = Qwen3ForCausalLM(config)
    with torch.no_grad():
        for name, weight in lm.named_parameters():
            if "embed_tokens" in name:
                weight.normal_(0, 0.5)
            elif name.endswith(("o_proj.weight", "down_proj.weight")) or "lm_head" in name:
                weight.zero_()
            elif weight.ndim == 2:
                weight.normal_(0, weight.shape[1] ** -0.5)
    return lm


def save_lm(lm: Any, folder: Path, numbers: Mapping[int, int] | None = None) -> None:
    """Writes config and weights, as they are stored.

    numbers: where tokens are numbered anew, the new number of each old one that is left.
    """
    if numbers is not None:
        for config in (lm.config, lm.generation_config):
            for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
                old: Any = getattr(config, name, None)
                left = [numbers[one] for one in (old if isinstance(old, list) else [old]) if one in numbers]
                setattr(config, name, (left if isinstance(old, list) else left[0]) if left else None)
    lm.save_pretrained(folder)


def save_base(lm: Any, folder: Path, tokens: Sequence[str], position_scheme: str) -> None:
    """Writes config, weights in the model's own dtype (safetensors) and tokenizer, in transformers' layout."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    lm.config.use_cache = True
    lm.config.position_scheme = position_scheme
    lm.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({token: number for number, token in enumerate(tokens)}, unk_token="<unused>"))
    words.pre_tokenizer = pre_tokenizers.Split(Regex("<[a-z]+>|[0-9]"), "isolated")
    PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<end>", unk_token="<unused>"
    ).save_pretrained(folder)


def save_random_llama(folder: Path, sizes: Mapping[str, int | bool], tokens: Sequence[str]) -> None:
    """A Llama of the given configuration with random bf16 weights and this kit's tokenizer: for benchmarks.

    To be run in a process of its own: it changes the default dtype, so that an 8B never exists in fp32.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**sizes, max_position_embeddings=1 << 16)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    save_base(LlamaForCausalLM(config), folder, tokens, "geometric")
