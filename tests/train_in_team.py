"""A main program: trains a small base, together with the processes that were launched with it.

`python train_in_team.py RUN`; started alone, it trains alone.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch
from torch import Tensor

from solver.base import held_out, probe, train
from solver.base.bank import Source
from solver.base.config import BaseConfig
from solver.base.train import train_base
from solver.budget import Deadline
from solver.model import find_team, loss_sum, quiet_libraries
from solver.task import Pair
from solver.training import Team, fit
from tests.fakes import CPU, copy_task, random_grid, tiny_lm, training_batch

CONFIG = BaseConfig(
    width=64, layers=1, feed_forward=64, tokens=6 * 512, step_tokens=512, micro_tokens=128, max_pairs=3, warmup_steps=2
)


def copies(count: int, seed: int) -> tuple[tuple[Pair, ...], ...]:
    """Tasks whose outputs are their inputs."""
    rng = random.Random(seed)
    grids = ([random_grid(rng, 2, 3) for _ in range(5)] for _ in range(count))
    return tuple(tuple(Pair(grid, grid) for grid in some) for some in grids)


SOURCES = [Source("copies", 1.0, copies(8, 0)), Source("more", 0.5, copies(3, 1))]
HELD_OUT = {str(number): pairs for number, pairs in enumerate(copies(3, 2))}


def plain_steps(team: Team) -> dict[str, Tensor]:
    """A model in fp32 after a few steps of plain gradient descent: nothing that would magnify rounding."""
    lm = tiny_lm()
    weights = list(lm.parameters())
    optimizer = torch.optim.SGD(weights, 0.1)
    optimizer.param_groups[0]["initial_lr"] = 0.1
    # Of different lengths, so that the mean over all is not the mean of both means.
    steps = [[training_batch(4 * step + part, side=2 + part) for part in range(4)] for step in range(3)]
    mine = (step[team.rank :: team.size] for step in steps)
    report = fit(
        lambda batch: loss_sum(lm, batch), mine, optimizer, lambda *_: 1.0, steps=3, team=team, weights=weights
    )
    return {"losses": torch.tensor(report.losses)} | {name: weight.detach() for name, weight in lm.named_parameters()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    quiet_libraries()
    team = find_team("cpu")
    train.development_tasks = lambda: HELD_OUT
    held_out.read_split = lambda _: (copy_task("measured", side=2),)
    probe.STEPS = 1
    run = Path(sys.argv[1])
    for _ in range(2):
        # The second time it has only to find that nothing is left to do.
        progress = train_base(
            CONFIG, run, run / "out", SOURCES, team.device or CPU, Deadline.never(), resume=True, team=team
        )
        team.total(0.0)  # nobody goes on before the checkpoint is written
    torch.save(plain_steps(team), run / f"plain{team.rank}.pt")
    print(f"ended after {progress.step} steps")
