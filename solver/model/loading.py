"""A causal LM from a folder of files, in 4 bits or not."""

from __future__ import annotations

import logging
import warnings
from enum import Enum
from pathlib import Path
from typing import Any

import torch

from solver.grid import InputError
from solver.model.attention import register_attention

log = logging.getLogger(__name__)


class Quantize(Enum):
    """How the base's linear layers are stored."""

    NF4 = "nf4"
    NONE = "none"


def _nf4_config(dtype: torch.dtype) -> Any:
    """bitsandbytes' NF4 with double quantisation, or None with a warning where it is not installed."""
    from transformers import BitsAndBytesConfig

    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        log.warning("bitsandbytes is not installed: the base is loaded in %s instead of NF4", dtype)
        return None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def load_lm(folder: Path, device: torch.device, quantize: Quantize, dtype: torch.dtype) -> tuple[Any, Quantize]:
    """A frozen causal LM and how it is really stored: without bitsandbytes, in `dtype`.

    Raises `InputError` if the files do not make a model.
    """
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": register_attention()}
    if quantize is Quantize.NF4:
        if config := _nf4_config(dtype):
            options["quantization_config"] = config
        else:
            quantize = Quantize.NONE
    lm = _read_model(folder, options, device)
    lm.requires_grad_(False)
    lm.config.use_cache = True
    return lm, quantize


def _read_model(folder: Path, options: dict[str, Any], device: torch.device) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            lm, info = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, device_map={"": device}, output_loading_info=True, **options
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise InputError(f"{folder}: cannot be loaded as a causal LM ({str(error).splitlines()[0]})") from None
    # transformers would go on with random values in their place.
    if missing := sorted(info["missing_keys"]):
        raise InputError(f"{folder}: {len(missing)} weights are missing, the first is {missing[0]}")
    return lm


def read_weights(lm: Any, folder: Path) -> None:
    """Fills a model with a saved base's weights; raises `InputError` if they are not of its shape."""
    from safetensors.torch import load_file

    try:
        lm.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, RuntimeError) as error:
        raise InputError(f"{folder}: does not fit this model ({str(error).splitlines()[0]})") from None
