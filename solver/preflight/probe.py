"""Tries libraries and GPUs and prints what it saw as one JSON object. A process of its own: a broken GPU or library may
end it, and what CUDA has once refused stays refused.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from typing import Any

SIDE = 256
"""Of the matrices that are multiplied."""


def main(names: Sequence[str]) -> dict[str, Any]:
    """names: libraries to import. versions and errors by library, devices, what PyTorch was built for."""
    versions = {name: _version(name) for name in (*names, "torchao")}
    errors = {}
    for name in names:
        if versions[name] is not None:
            try:
                importlib.import_module(name)
            except Exception as error:  # noqa: BLE001 (whatever a broken library raises is what is asked for)
                errors[name] = _line(error)
    return {"versions": versions, "errors": errors, **_devices()}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> dict[str, Any]:
    """A real operation on every GPU: a GPU too old for the installed PyTorch calls itself available."""
    try:
        import torch
    except Exception as error:  # noqa: BLE001 (see above)
        return {"cuda": None, "cpu_width": 4, "devices": [], "torch_error": _line(error)}
    available = torch.cuda.is_available()
    devices = [_try_device(torch, number) for number in range(torch.cuda.device_count() if available else 0)]
    has_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return {"cuda": torch.version.cuda, "cpu_width": 2 if has_bf16 else 4, "devices": devices}


def _try_device(torch: Any, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {"name": f"GPU {number}", "free": 0, "total": 0, "error": None, "seconds": 0.0}
    began = time.monotonic()
    try:
        found["name"] = torch.cuda.get_device_name(number)
        major, minor = torch.cuda.get_device_capability(number)
        found["capability"] = f"{major}.{minor}"
        dtype = torch.bfloat16 if major >= 8 else torch.float16
        ones = torch.ones(SIDE, SIDE, device=f"cuda:{number}", dtype=dtype)
        if (ones @ ones)[0, 0].item() != SIDE:
            found["error"] = f"a product of two matrices of ones is wrong in {dtype}"
        found["free"], found["total"] = torch.cuda.mem_get_info(number)
    except (RuntimeError, AssertionError) as error:
        found["error"] = _line(error)
    found["seconds"] = round(time.monotonic() - began, 2)
    return found


def _line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


if __name__ == "__main__":
    # Libraries print on being imported; what is asked for is the last line.
    print(f"\n{json.dumps(main(sys.argv[1:]))}")
