"""Compilation of the search's hot functions, kept on disk between processes.

Numba renews a stored function when its own file changes, not when a file it calls into changes. So the store is named
after the text of every file that a function may call: image.py and, besides its own, those of `may_call`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

HERE = Path(__file__).parent


def may_call(file: Path) -> list[Path]:
    """The files whose kernels those of this one may call: a primitive none, a rule for cells all in its folder, the
    rest of the search all primitives."""
    if file.parent.name == "primitives":
        return []
    return sorted((file.parent if file.parent.name == "cells" else HERE / "primitives").glob("*.py"))


@cache
def _store(file: str) -> str:
    """Where compiled functions of this very source are kept."""
    own = Path(file)
    digest = hashlib.sha256()
    for path in (HERE / "image.py", *may_call(own), own):
        digest.update(path.read_bytes())
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return str(Path(root) / "arc-ttt-kit" / digest.hexdigest()[:16])


def kernel(function: F) -> F:
    """Compiles `function` when it is first called. It may call kernels of its own file, of image.py, of `may_call`."""
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = _store(function.__code__.co_filename)
    try:
        return cast(F, numba.njit(cache=True)(function))
    finally:
        config.CACHE_DIR = before
