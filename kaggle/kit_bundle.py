"""The folders that are uploaded: code, wheels, notebook. Checks the wheels that pip brought."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from kit_config import ConfigError, Kit
from kit_files import CODE, KERNEL, METADATA, WHEELS, download_words
from solver.preflight.libraries import fits

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = ("__pycache__", "*.pyc", "training_log.jsonl")


def bundle(kit: Kit, files: dict[str, str], place: Path, pythons: Sequence[str]) -> None:
    """Writes code/, wheels/ and kernel/ below `place`. Raises `ConfigError` when a wheel cannot be had."""
    for folder in (CODE, KERNEL):
        shutil.rmtree(place / folder, ignore_errors=True)
    shutil.copytree(ROOT / "solver", place / CODE / "solver", ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name in ("submission.py", "LICENSE"):
        shutil.copy2(ROOT / name, place / CODE / name)
    for name, text in files.items():
        if name.startswith((f"{CODE}/", f"{KERNEL}/")):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text, encoding="utf-8")
    gather_wheels(kit, files, place / WHEELS, pythons)


def gather_wheels(kit: Kit, files: dict[str, str], folder: Path, pythons: Sequence[str]) -> None:
    """Downloads what is not there yet and removes what is no longer shipped; then nothing may be missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METADATA).write_text(files[f"{WHEELS}/{METADATA}"], encoding="utf-8")
    for wheel in folder.glob("*.whl"):
        name, version = normal(wheel.name.split("-")[0]), wheel.name.split("-")[1]
        if kit.wheels.versions.get(name) != version:
            wheel.unlink()
    requirements = folder.parent / "wheels.txt"
    requirements.write_text(files["wheels.txt"], encoding="utf-8")
    for python in pythons:
        if missing_wheels(kit, folder, python):
            words = download_words(kit, python, folder, requirements)
            subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *words], check=False)
        if missing := missing_wheels(kit, folder, python):
            raise ConfigError(f"{folder}: for Python {python} there is no wheel of {', '.join(missing)}")
    check_cuda(kit, folder)


def normal(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def missing_wheels(kit: Kit, folder: Path, python: str) -> list[str]:
    """The packages without a wheel that this Python can install."""
    major, minor = map(int, python.split("."))
    fitting = [wheel.name.split("-") for wheel in folder.glob("*.whl") if fits(wheel.name, (major, minor))]
    there = {(normal(name), version) for name, version, *_ in fitting}
    return [name for name, version in kit.wheels.versions.items() if (name, version) not in there]


def check_cuda(kit: Kit, folder: Path) -> None:
    """Raises `ConfigError` where bitsandbytes has no library for the image's CUDA."""
    library = f"libbitsandbytes_cuda{kit.wheels.cuda.replace('.', '')}.so"
    for wheel in folder.glob("bitsandbytes-*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            if not any(name.endswith(library) for name in archive.namelist()):
                raise ConfigError(f"{wheel}: has no {library}, so it cannot be used with CUDA {kit.wheels.cuda}")
