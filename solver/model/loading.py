"""A causal LM from any of the layouts that public checkpoints come in, in 4 bits or not."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import torch

from solver.checkpoints import Checkpoint, open_checkpoint
from solver.grid import InputError
from solver.model.adapters import merge_adapter
from solver.model.attention import register_attention
from solver.model.quantizing import compute_in, is_4bit, nf4_config, quantize_in_place
from solver.model.vocabulary import cut_vocabulary
from solver.profiles import KAGGLE_INPUT
from solver.training import is_out_of_memory

log = logging.getLogger(__name__)


class Quantize(Enum):
    """How the base's linear layers are stored."""

    NF4 = "nf4"
    NONE = "none"


def load_lm(
    place: Path, device: torch.device, quantize: Quantize, dtype: torch.dtype, table: Sequence[int] | None = None
) -> tuple[Any, Quantize]:
    """A frozen causal LM and how it is really stored: without bitsandbytes, in `dtype`; in 4 bits, if its files are.

    An adapter is merged into its base before that is quantised. table: the tokens to which the vocabulary is cut.
    Raises `InputError` if the files do not make a model.
    """
    checkpoint = open_checkpoint(place, [KAGGLE_INPUT])
    config = nf4_config(dtype) if quantize is Quantize.NF4 and not checkpoint.quantized else None
    # Neither GGUF files nor a base that is still to be changed can be quantised while they are read.
    later = config is not None and (checkpoint.adapter is not None or checkpoint.weights.is_file())
    with _one_at_a_time() if later else contextlib.nullcontext():
        lm = _read_model(checkpoint, torch.device("cpu") if later else device, dtype, None if later else config)
        if checkpoint.adapter is not None:
            merge_adapter(lm, checkpoint.adapter)
        if table is not None:
            cut_vocabulary(lm, table)
        if later:
            quantize_in_place(lm, dtype)
            lm.to(device)
    compute_in(lm, dtype)
    lm.requires_grad_(False)
    lm.config.use_cache = True
    return lm, Quantize.NF4 if is_4bit(lm) else Quantize.NONE


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keeps this machine's other processes out: its memory may not hold two whole bases of 8B that are in 16 bits."""
    with (Path(tempfile.gettempdir()) / f"arc-kit-{os.getuid()}.lock").open("w") as file:
        # Let go of with the file, at the latest when the process ends.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read_model(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype, quantization: Any) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    place = checkpoint.weights
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": register_attention()}
    if quantization is not None:
        options["quantization_config"] = quantization
    if place.is_file():
        options["gguf_file"] = place.name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            lm, info = AutoModelForCausalLM.from_pretrained(
                place.parent if place.is_file() else place,
                local_files_only=True,
                device_map={"": device},
                output_loading_info=True,
                **options,
            )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            if is_out_of_memory(error):
                raise
            raise InputError(
                f"{place}: cannot be loaded as a causal LM ({str(error).strip().splitlines()[0]})"
            ) from None
    # transformers would go on with random values in their place.
    if missing := sorted(info["missing_keys"]):
        raise InputError(f"{place}: {len(missing)} weights are missing, the first is {missing[0]}")
    _check_shape(lm, place)
    if place.is_file():
        _forget_gguf(lm)
    return lm


def _check_shape(lm: Any, place: Path) -> None:
    """Raises `InputError` for a model whose beginning or end is not what this kit takes it for."""
    plain = hasattr(lm, "model") and type(lm.get_input_embeddings()) is torch.nn.Embedding
    if not plain or not isinstance(getattr(lm, "lm_head", None), torch.nn.Linear):
        raise InputError(
            f"{place}: models of type {lm.config.model_type} are not supported: theirs are not plain embeddings and a "
            "linear lm_head"
        )


def _forget_gguf(lm: Any) -> None:
    """The weights are numbers like any others by now; transformers would refuse to save them."""
    lm.hf_quantizer, lm.is_quantized = None, False
    if hasattr(lm.config, "quantization_config"):
        del lm.config.quantization_config


def read_weights(lm: Any, folder: Path) -> None:
    """Fills a model with a saved base's weights; raises `InputError` if they are not of its shape, or were trained with
    other rotary frequencies."""
    from safetensors.torch import load_file

    try:
        lm.load_state_dict(load_file(folder / "model.safetensors"))
        stored = json.loads((folder / "config.json").read_text()).get("rope_parameters")
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{folder}: does not fit this model ({str(error).splitlines()[0]})") from None
    if stored != lm.config.rope_parameters:
        raise InputError(f"{folder}: its rotary frequencies are not this model's")
