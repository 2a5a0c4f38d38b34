"""What a run is told: its places, its time, its processes, its channels. Resolved, not yet begun."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from solver.claims import seen_in_training
from solver.deciding import StopEarly
from solver.fusion import Vote
from solver.journal import JOURNAL
from solver.profiles import Decode, Profile
from solver.task import Task
from solver.voting import flat_vote, hierarchical_vote, poe_counts_vote, poe_vote

CHANNELS = ("ttt", "search", "programs")
"""What people call the model, the program search, and the programs that a language model writes."""

CONCERNS = {
    "bases": {"ttt"},
    "weights": {"ttt"},
    "quantize": {"ttt", "programs"},
    "decode": {"ttt"},
    "ttt": {"ttt"},
    "ttt_steps": {"ttt"},
    "programs_base": {"programs"},
    "programs_weights": {"programs"},
}
"""Settings of a run that mean nothing to it without one of these channels."""

VOTES: dict[str, Vote] = {
    "hierarchical": hierarchical_vote,
    "flat": flat_vote,
    "poe": poe_vote,
    "poe+counts": poe_counts_vote,
}

SCORED_VOTES = ("poe", "poe+counts")
"""Those that need candidates to be scored."""

DEFAULT_VOTE = "poe+counts"
"""What people get who name none (LOG.md, 28 November 2026: votes on development tasks)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A resolved run.

    profiles: the bases, in the order of their turns, none if only programs answer; writer: the folder of the base that
    writes programs, None if none does; began: monotonic clock when the budget (seconds) started; devices: one worker
    each, of the one kind or base after the other (None: the best there is); threads: per worker, 0 for the library's
    choice;
    searchers: search workers, none if there is no program search; search_memory: bytes for each of them;
    search_seconds: of the processor, most per task, None for what the scheduler thinks right;
    ttt_steps: exactly so many per task, None for as many as fit; decode, vote, stop_early: how views become answers.
    """

    output: Path
    run_dir: Path
    profiles: tuple[Profile, ...]
    budget: float
    began: float
    devices: tuple[str | None, ...]
    threads: int = 0
    searchers: int = 0
    search_memory: int = 2 * 2**30
    search_seconds: float | None = None
    writer: Path | None = None
    quantize: str = "nf4"
    decode: Decode = Decode.GREEDY
    vote: str = "hierarchical"
    stop_early: StopEarly = StopEarly.EXACT
    ttt: bool = True
    ttt_steps: int | None = None
    passes: int = 1
    seed: int = 0
    resume: bool = False

    @property
    def journal(self) -> Path:
        return self.run_dir / JOURNAL

    def reserve(self) -> float:
        """Seconds kept at the end for the last vote, the last write and the table."""
        return min(30.0, max(1.5, 0.01 * self.budget))

    def stop(self) -> float:
        """The moment by which all work on tasks must be over."""
        return self.began + self.budget - self.reserve()

    def bases(self) -> list[str]:
        """What people call the bases: their names, where these tell them apart."""
        names = [profile.name for profile in self.profiles]
        return [
            name if names.count(name) == 1 else str(profile.folder)
            for name, profile in zip(names, self.profiles, strict=True)
        ]

    def channels(self) -> list[str]:
        on = (bool(self.profiles), self.searchers > 0, self.writer is not None)
        return [name for name, is_on in zip(CHANNELS, on, strict=True) if is_on]

    def turns(self) -> bool:
        """Whether the search and the model work on the same cores, so that one waits for the other."""
        return bool(self.searchers and self.devices) and all(device == "cpu" for device in self.devices)

    def longest_search(self) -> float | None:
        """Wall-clock seconds that one search may last: where the processor's are limited, those decide."""
        return None if self.search_seconds is None else math.inf

    def fixed(self, tasks: Sequence[Task]) -> dict[str, Any]:
        """What must not change when a run is resumed; a channel that is added brings what `CONCERNS` it along."""
        digest = hashlib.sha256(repr(sorted(tasks, key=lambda task: task.id)).encode()).hexdigest()
        return {
            "channels": self.channels(),
            "bases": self.bases(),
            "weights": [_size(profile.folder) for profile in self.profiles],
            "programs_base": self.writer and self.writer.name,
            "programs_weights": self.writer and _size(self.writer),
            "tasks": digest,
            "quantize": self.quantize,
            "decode": self.decode.value,
            "ttt": self.ttt,
            "ttt_steps": self.ttt_steps,
            "seed": self.seed,
        }

    def to_json(self, tasks: Sequence[Task]) -> dict[str, Any]:
        return self.fixed(tasks) | {
            "output": str(self.output),
            "folders": [str(profile.folder) for profile in self.profiles],
            "licences": [profile.licence for profile in self.profiles],
            "seen": [seen_in_training(profile, tasks) for profile in self.profiles],
            "programs_folder": self.writer and str(self.writer),
            "budget": self.budget,
            "devices": [device or "auto" for device in self.devices],
            "threads": self.threads,
            "searchers": self.searchers,
            "search_memory": self.search_memory,
            "search_seconds": self.search_seconds,
            "vote": self.vote,
            "decoding": [asdict(profile.decoding) for profile in self.profiles],
            "stop_early": self.stop_early.value,
            "passes": self.passes,
            "task_count": len(tasks),
        }


WEIGHTS = (".safetensors", ".bin", ".gguf")
"""How the names of files with weights end."""


def _size(folder: Path) -> int:
    """Bytes of a base's weights, which tell it from others: folders on Kaggle are often called by a version alone."""
    files = [folder] if folder.is_file() else [file for kind in WEIGHTS for file in folder.glob(f"*{kind}")]
    return sum(file.stat().st_size for file in files)
