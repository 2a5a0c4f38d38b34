"""Kaggle's accelerators by the names that kernel-metadata.json knows. Data."""

from __future__ import annotations

from dataclasses import dataclass

WEEKLY_HOURS = 30.0
"""Of GPU time per week and person, as last seen; Kaggle shows the current number beside the notebook."""


@dataclass(frozen=True, slots=True)
class Machine:
    """gpus: how many; word: part of each one's name; gib: memory of each; charge: quota hours per hour."""

    name: str
    gpus: int
    word: str
    gib: float
    charge: float = 1.0


MACHINES = {
    machine.name: machine
    for machine in (Machine("NvidiaTeslaT4", 2, "T4", 15.0), Machine("NvidiaL4", 4, "L4", 22.5, charge=2.0))
}
