"""Whether the libraries are there and new enough, and if not, whether their wheels are attached. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from solver.preflight.check import Check, Status

REQUIRED = {
    "accelerate": "1.13",
    "bitsandbytes": "0.48",
    "numba": "0.61",
    "numpy": "2.0",
    "peft": "0.19",
    "rich": "13.9",
    "safetensors": "0.6",
    "scipy": "1.14",
    "tokenizers": "0.22",
    "torch": "2.10",
    "transformers": "5.0",
}
"""What a run on Kaggle imports, and since which version: the lower bounds of pyproject.toml."""

SHIPPED = frozenset({"bitsandbytes", "numba", "peft", "rich"})
"""Those of them that the dataset of wheels holds; Kaggle's image has the others."""

TORCHAO = "0.16"
"""PEFT raises for any adapter where an older torchao is installed, whether or not it is used."""


def check_libraries(found: Mapping[str, str | None], errors: Mapping[str, str], wheels: Sequence[Path]) -> list[Check]:
    """One line per library that is missing, too old or broken, else one for all.

    found: version of each of `REQUIRED` and torchao, None where there is none; errors: why some cannot be imported;
    wheels: files that are attached.
    """
    checks = []
    for name, least in REQUIRED.items():
        version = found.get(name)
        if version is None:
            checks.append(Check(f"library {name}", Status.FAULT, f"{name} is not installed", _mend(name, wheels)))
        elif numbers(version) < numbers(least):
            text = f"{name} {version} is older than {least}"
            checks.append(Check(f"library {name}", Status.FAULT, text, _mend(name, wheels)))
        elif name in errors:
            text = f"{name} {version} cannot be imported: {errors[name]}"
            checks.append(Check(f"library {name}", Status.FAULT, text, "install a version that fits the others"))
    torchao = found.get("torchao")
    if torchao is not None and numbers(torchao) < numbers(TORCHAO):
        text = f"torchao {torchao} makes PEFT raise for every adapter"
        checks.append(Check("library torchao", Status.FAULT, text, "pip uninstall -y torchao: nothing here uses it"))
    if checks:
        return checks
    versions = ", ".join(f"{name} {found[name]}" for name in REQUIRED)
    return [Check("libraries", Status.OK, f"Python {sys.version.split()[0]}, {versions}")]


def numbers(version: str) -> tuple[int, ...]:
    """The release part of a version as numbers: "2.10.0+cu128" -> (2, 10, 0)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _mend(name: str, wheels: Sequence[Path]) -> str:
    """What is to be done about a library, by the wheels of it that are attached."""
    own = [wheel for wheel in wheels if wheel.name.split("-")[0].lower().replace("_", "-") == name]
    if not own and name not in SHIPPED:
        return (
            "Kaggle's image has it: choose a newer image in the notebook's settings (docker_image in kaggle/kit.toml)"
        )
    if not own:
        return f"no wheel of {name} is attached: attach the dataset of wheels (kaggle/generated/PUSH.md)"
    fitting = [wheel for wheel in own if fits(wheel.name)]
    if not fitting:
        python = ".".join(map(str, sys.version_info[:2]))
        return (
            f"{own[0]} is not for Python {python}: add {python} to wheels.pythons in kaggle/kit.toml and upload again"
        )
    return f"install the wheel that is attached: pip install --no-index --find-links={fitting[0].parent} {name}"


def fits(wheel: str, python: tuple[int, int] = sys.version_info[:2]) -> bool:
    """Whether a wheel, by its file's name, is for this Python."""
    tag, abi = wheel.removesuffix(".whl").split("-")[-3:-1]
    major, minor = python
    names = tag.split(".")
    if f"py{major}" in names or f"cp{major}{minor}" in names:
        return True
    return abi == "abi3" and any(name.startswith(f"cp{major}") and int(name[3:]) <= minor for name in names)
