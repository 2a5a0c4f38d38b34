"""What a program is, what it may use, and which walls stand around it. Knows nothing of processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from solver.grid import Grid

HASH_SEEDS = (0, 1)
MAX_INPUTS = 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use."""

    seconds: float = 2.0
    """Seconds of wall clock for all inputs together, from the start of its process."""
    cpu_seconds: float = 2.0
    """Seconds of processor time for all inputs together."""
    memory: int = 512 * 2**20
    """Bytes of address space beyond what its process has before it starts (NumPy and SciPy loaded)."""
    output: int = 64 * 2**10
    """Bytes written to stdout and stderr together. What is written is thrown away."""

    def __post_init__(self) -> None:
        if min(self.seconds, self.cpu_seconds) <= 0 or min(self.memory, self.output) < 0:
            raise ValueError(f"a program cannot run within {self}")


@dataclass(frozen=True, slots=True)
class Program:
    """What is run: a source text that defines `transform` (or `main`), and row-major input grids, one call each.

    The function gets and returns grids indexed [x, y]: the sandbox transposes both ways.
    hash_seed: 0 or 1, the interpreter's hash seed; `random` and `numpy.random` are seeded from it before every call.
    """

    source: str
    inputs: tuple[Grid, ...]
    hash_seed: int = 0

    def __post_init__(self) -> None:
        if self.hash_seed not in HASH_SEEDS:
            raise ValueError(f"hash seed {self.hash_seed}: there are servers for {HASH_SEEDS} only")
        if not 1 <= len(self.inputs) <= MAX_INPUTS:
            raise ValueError(f"{len(self.inputs)} inputs: a program gets 1..{MAX_INPUTS}")


class Protection(Enum):
    """Walls that not every machine allows to build. The values are what people read."""

    PYTHON = "imports and audited calls refused by name"
    NAMESPACES = "namespaces of its own for processes, network and IPC"
    FOLDER = "an empty root folder"
    USER = "another user's identity"
    SECCOMP = "system calls filtered by seccomp"


EVERYWHERE = (
    "a process per program",
    "an empty environment",
    "limits on time, memory, files, processes and output",
    "no capabilities",
    "death with the parent",
)
"""What stands on every machine, for people. The limits allow no file descriptor to be opened: that alone closes files,
sockets and shells, whoever the user is and whatever the kernel."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is started with. library: the module that programs import as `common`; wanted: the walls to build
    where possible; parent: the user's process."""

    limits: Limits
    hash_seed: int
    library: str
    wanted: frozenset[Protection]
    parent: int

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "limits": asdict(self.limits), "wanted": sorted(wall.name for wall in self.wanted)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Settings:
        wanted = frozenset(Protection[name] for name in values["wanted"])
        return cls(**{**values, "limits": Limits(**values["limits"]), "wanted": wanted})
