"""`python -m solver train-base`: options to a training."""

from __future__ import annotations

import argparse
import math
from dataclasses import fields
from typing import Any

from solver.base.config import BaseConfig
from solver.base.sources import training_sources
from solver.base.train import train_base
from solver.budget import Deadline, parse_duration
from solver.grid import InputError
from solver.model import choose_device, find_team, quiet_libraries, use_threads


def parse_settings(assignments: list[str]) -> BaseConfig:
    """A `BaseConfig` from NAME=VALUE texts; raises `InputError` naming the one that is wrong."""
    kinds = {field.name: type(getattr(BaseConfig(), field.name)) for field in fields(BaseConfig)}
    values: dict[str, Any] = {}
    for text in assignments:
        name, separator, value = text.partition("=")
        if not separator or name not in kinds:
            raise InputError(f"--set {text}: write NAME=VALUE, NAME one of {', '.join(kinds)}")
        try:
            if kinds[name] is bool:
                values[name] = {"true": True, "false": False}[value.lower()]
            else:
                values[name] = kinds[name](float(value))
                if not math.isfinite(values[name]):
                    raise ValueError
        except (ValueError, KeyError, OverflowError):
            raise InputError(f"--set {text}: {value!r} is not a {kinds[name].__name__}") from None
    return BaseConfig(**values)


def parse_weights(assignments: list[str]) -> dict[str, float]:
    """Weights of families from NAME=WEIGHT texts; raises `InputError` naming the one that is wrong."""
    weights = {}
    for text in assignments:
        name, _, value = text.partition("=")
        try:
            weights[name] = float(value)
        except ValueError:
            raise InputError(f"--weight {text}: write NAME=NUMBER") from None
        if not 0 <= weights[name] < math.inf:
            raise InputError(f"--weight {text}: must be a number from 0 on")
    return weights


def train_command(options: argparse.Namespace) -> int:
    config, weights = parse_settings(options.set), parse_weights(options.weight)
    quiet_libraries()
    use_threads(options.threads)
    team = find_team(options.device)
    limit = options.time_limit
    deadline = Deadline.after(parse_duration(limit, "--time-limit")) if limit else Deadline.never()
    sources = training_sources(options.re_arc, options.extra, options.synthetic, weights)
    train_base(
        config,
        options.run_dir,
        options.out,
        sources,
        team.device or choose_device(options.device),
        deadline,
        options.resume,
        options.init,
        team=team,
        compiles=not options.no_compile,
    )
    return 0
