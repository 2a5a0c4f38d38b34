"""Names, folders and files become profiles: what each base expects. Data, no torch.

`find_base` turns `--base NAME|PATH` into a profile and checks the files and the tokenizer before any worker starts.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from solver.checkpoints import ADAPTER_CONFIG, CONFIG, check_files
from solver.formats import gguf_file, read_content
from solver.grid import InputError
from solver.inspection import (
    ARC_FORMAT,
    LARGE_LORA,
    LARGE_TTT,
    NATIVE,
    NATIVE_FOLDER,
    check_base,
    inspect_base,
    recognise,
)
from solver.public_bases import NAMES, PublicBase, public_base
from solver.recipes import Decode, DecodeSettings, LoraSettings, Profile, TttSettings

__all__ = [
    "ARC_FORMAT",
    "INDUCTION_BASE",
    "KAGGLE_INPUT",
    "LARGE_LORA",
    "LARGE_TTT",
    "NATIVE",
    "NATIVE_FOLDER",
    "Decode",
    "DecodeSettings",
    "LoraSettings",
    "Profile",
    "TttSettings",
    "attached_bases",
    "attached_writers",
    "check_base",
    "check_files",
    "check_text_base",
    "find_base",
    "find_writer",
    "inspect_base",
]

KAGGLE_INPUT = Path(os.environ.get("ARC_KIT_KAGGLE", "/kaggle")) / "input"
"""Where Kaggle mounts competitions, datasets and models; the variable names another folder in place of /kaggle."""

HUB = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser() / "hub"
"""Where the hub's own tools keep what they have downloaded."""


def find_base(name: str) -> Profile:
    """The profile of a base: `native`, a public one's name, a folder or file, an attached folder's name, or NAME=PATH
    for a public base's format and recipe with other files. Raises `InputError` in one line."""
    if name == NATIVE.name:
        check_files(NATIVE.folder)
        return NATIVE
    known, equals, where = name.partition("=")
    if equals and (public := public_base(known)):
        return inspect_base(_existing(Path(where), name), public, [KAGGLE_INPUT])
    if public := public_base(name):
        return inspect_base(_public_place(public), public, [KAGGLE_INPUT])
    return inspect_base(_existing(Path(name), name), roots=[KAGGLE_INPUT])


def _existing(path: Path, name: str) -> Path:
    if path.is_dir() or gguf_file(path):
        return path
    attached = [place for place in _places(KAGGLE_INPUT) if path.name and path.name in place.parts]
    if not attached:
        known = ", ".join((NATIVE.name, *NAMES))
        raise InputError(f"--base {name}: not a built-in base ({known}), nor a folder that holds one")
    return attached[0]


def _public_place(public: PublicBase) -> Path:
    """Where a public base's files are: what is attached to the notebook, its package, or the hub's own cache."""
    for place in _places(KAGGLE_INPUT):
        if recognise(place, KAGGLE_INPUT) is public and not _writes_programs(place, KAGGLE_INPUT):
            return place
    if public.package and (found := importlib.util.find_spec(public.package)) and found.submodule_search_locations:
        return Path(found.submodule_search_locations[0])
    for place in _places(HUB / f"models--{public.repository.replace('/', '--')}" / "snapshots"):
        return place
    raise InputError(
        f"--base {public.name}: its files are not attached; add {public.repository} to the notebook as a model or "
        f"dataset whose path holds {' and '.join(public.words)}, or name its folder: --base {public.name}=FOLDER"
    )


def _places(root: Path) -> list[Path]:
    """Folders under `root` that look like a base or an adapter, in a stable order: adapters before what they adapt."""
    if not root.is_dir():
        return []
    found = {file.parent for name in (CONFIG, ADAPTER_CONFIG) for file in root.glob(f"**/{name}")}
    return sorted(found, key=lambda place: ((place / CONFIG).exists(), place))


def attached_bases(root: Path | None = None) -> list[Path]:
    """Folders under `root` (Kaggle's mounts) that hold a base this kit can read: known ones first, in a stable order.

    Not those whose path says that they write programs.
    """
    root = KAGGLE_INPUT if root is None else root
    found = []
    for place in _places(root):
        if _writes_programs(place, root):
            continue
        try:
            inspect_base(place, roots=[root])
        except InputError:
            continue
        found.append(place)
    return sorted(found, key=lambda place: recognise(place, root) is None)


INDUCTION_BASE = "barc0/Llama-3.1-ARC-Potpourri-Induction-8B"
"""The public checkpoint that writes programs; its folder is known by the word below."""

INDUCTION_WORD = "induction"


def _writes_programs(place: Path, root: Path) -> bool:
    return INDUCTION_WORD in str(place.relative_to(root)).lower()


def find_writer(name: str | None, root: Path = KAGGLE_INPUT) -> Path:
    """The folder of the base that writes programs: the one named, or one that is attached. Raises `InputError`."""
    if name is not None:
        if not Path(name).is_dir():
            raise InputError(f"--programs-base {name}: is not a folder")
        check_text_base(Path(name))
        return Path(name)
    attached = attached_writers(root)
    if not attached:
        raise InputError(
            f"--channels programs: no base that writes programs is attached; add {INDUCTION_BASE} (config.json, "
            f"tokenizer.json, *.safetensors) to the notebook as a model or dataset, so that it lies under {root}, or "
            "name its folder with --programs-base"
        )
    return attached[0]


def attached_writers(root: Path = KAGGLE_INPUT) -> list[Path]:
    """Folders under `root` that hold a base whose path says that it writes programs, in a stable order."""
    if not root.is_dir():
        return []
    found = []
    for config in sorted(root.glob("**/config.json")):
        if not _writes_programs(config.parent, root):
            continue
        try:
            check_text_base(config.parent)
        except InputError:
            continue
        found.append(config.parent)
    return found


def check_text_base(folder: Path) -> None:
    """Raises `InputError` naming the file of a text base that is missing or broken."""
    check_files(folder)
    read_content(folder)
