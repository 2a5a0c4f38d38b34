"""The model libraries themselves: their versions, what they say, how many threads they take."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version

import torch

from solver.grid import InputError


def library_versions() -> dict[str, str]:
    """Versions of what the results depend on; "absent" where a library is missing."""
    found = {}
    for name in ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def quiet_libraries() -> None:
    """No progress bars and no advice from the libraries on a console that shows the run's own progress."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for name in ("bitsandbytes", "transformers", "accelerate", "peft"):
        logging.getLogger(name).setLevel(logging.ERROR)


def use_threads(count: int) -> None:
    """Has PyTorch compute with so many threads of the CPU, 0 for its own choice. Raises `InputError` below that."""
    if count < 0:
        raise InputError(f"--threads {count}: is too small")
    if count:
        torch.set_num_threads(count)
