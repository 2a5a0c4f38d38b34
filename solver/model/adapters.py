"""Public adapters: a LoRA in a folder of its own, merged into the base that it names."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from solver.grid import InputError


def merge_adapter(lm: Any, folder: Path) -> None:
    """Adds the adapter's products to the weights, in place. Raises `InputError` if it does not fit the model."""
    from peft import PeftModel
    from safetensors import SafetensorError

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            model = PeftModel.from_pretrained(lm, folder, local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise InputError(
                f"{folder}: cannot be loaded as an adapter ({str(error).strip().splitlines()[0]})"
            ) from None
    # PEFT only warns, and leaves the layers that it found nothing for as they were.
    for warning in said:
        if "missing adapter keys" in (text := str(warning.message)):
            raise InputError(f"{folder}: weights of the adapter are missing ({text.splitlines()[0][:200]})")
    model.merge_and_unload()
    # What PEFT leaves behind would keep it from attaching another LoRA.
    if hasattr(lm, "peft_config"):
        del lm.peft_config
