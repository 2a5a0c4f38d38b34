"""Tiny random checkpoints in the layouts that public ones come in, with the vocabularies of their families."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen3Config, Qwen3ForCausalLM

from solver.formats.tiktoken import dumps
from tests.tiny_text_base import END_OF_TEXT, byte_tokenizer

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    "head_dim": 16,
}

FAMILIES: dict[str, tuple[Any, Any]] = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "mistral": (MistralConfig, MistralForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}


def random_model(family: str, vocabulary: int, tied: bool = False, seed: int = 0, **changes: Any) -> Any:
    """A bf16 model whose outputs depend on its inputs."""
    config_class, model_class = FAMILIES[family]
    options = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None, "sliding_window": None} | changes
    config = config_class(**SIZES, vocab_size=vocabulary, tie_word_embeddings=tied, **options)
    torch.manual_seed(seed)
    lm = model_class(config).to(torch.bfloat16)
    with torch.no_grad():
        for name, weight in lm.named_parameters():
            if weight.ndim == 2:
                weight.normal_(0, 0.5 if "embed" in name else 1.5 * weight.shape[1] ** -0.5)
    return lm.eval()


def write_tokenizer(folder: Path, content: dict[str, Any], end: str, begin: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(dumps(content))
    settings = {"eos_token": end} | ({"bos_token": begin, "add_bos_token": True} if begin else {})
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def byte_content() -> dict[str, Any]:
    """One token per byte, and Llama 3's special ones; it puts a beginning before every text."""
    found: dict[str, Any] = json.loads(byte_tokenizer().to_str())
    return found


def byte_base(folder: Path, family: str = "llama", tied: bool = False, seed: int = 0) -> Path:
    """A whole base of bytes; sharded, so that it has an index."""
    random_model(family, 263, tied, seed).save_pretrained(folder, max_shard_size="100KB")
    write_tokenizer(folder, byte_content(), END_OF_TEXT)
    return folder


def pickled(folder: Path) -> Path:
    """The base of a folder with .bin files in place of safetensors, in two shards with an index."""
    from safetensors.torch import load_file

    weights: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        weights |= load_file(file)
        file.unlink()
    (folder / "model.safetensors.index.json").unlink(missing_ok=True)
    names = sorted(weights)
    shards = {
        name: f"pytorch_model-{1 + (2 * place >= len(names)):05}-of-00002.bin" for place, name in enumerate(names)
    }
    for shard in sorted(set(shards.values())):
        torch.save({name: weights[name] for name in names if shards[name] == shard}, folder / shard)
    index = {"metadata": {"total_size": 0}, "weight_map": shards}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


def adapter(folder: Path, base: Path, named: str, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
    """A LoRA of rank 4 with random weights, as PEFT writes them; named: what it calls its base."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    lm = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = get_peft_model(lm, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"]))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.1)
    model.save_pretrained(folder)
    config = json.loads((folder / "adapter_config.json").read_text()) | {"base_model_name_or_path": named}
    if change:
        change(config)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder
