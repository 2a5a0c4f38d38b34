"""A base's model card: what it was trained on and how, written from the facts of its training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from solver.base.config import BaseConfig
from solver.base.sources import LICENCES

SOURCES, SHARED, PEAK = "sources (tasks, pairs, weight)", "pairs in an evaluation split", "peak GFLOP/s"
"""Among the facts."""

ROWS = 12
"""Most lines of each table of the curve."""


CARD = """# A base for ARC grids, {parameters:,} parameters

A causal language model in transformers' Qwen3 architecture (width {width}, {layers} layers, heads of 64, feed-forward
{feed_forward}), 16 tokens, one per cell, bf16, trained from scratch by this project's `train-base`. Licence: MIT-0.

{positions}

## Data

{sources}

Each sequence has a random symmetry, a random colour permutation{black}, and up to {max_pairs} pairs of a task;
targets are {targets}.

Any task that shares a pair with an evaluation split was left out whole. Pairs that were trained on and are in such a
split, cell for cell: {shared}.

## Training

`{command}`

{steps:,} steps, {millions:.1f} M tokens, {hours:.2f} hours; processes: {processes}, threads of each: {threads}; device:
{device}, whose large matrix product in bf16 reaches {peak:,} GFLOP/s in each process; {versions}.
Muon (lr {muon_lr}) for the matrices, AdamW (lr {adam_lr}) for the rest, fp32 master weights; constant rate, then
linear to zero over the last {decay:.0%}.{init} The whole configuration is in `training.json`, the curve in
`training_log.jsonl`.

{curve}

On the demonstrations (never the test outputs) of ARC-AGI-1's evaluation tasks and on tasks held out for development,
teacher-forced, from the second output on; and nats of the answers of a few of the latter before and after sixteen
steps of test-time training:

{measured}
"""
CURVE = ("tokens", "longest sequence", "loss (nats per target)", "of the machine")
MEASURED = ("tokens", "evaluation", "cells right", "outputs exact", "development", "before TTT", "after")


def card(facts: Mapping[str, Any], log: Sequence[Mapping[str, Any]], parameters: int) -> str:
    """Markdown. facts: what `Training.publish` writes to training.json; log: the lines of training_log.jsonl."""
    config = facts["config"]
    libraries = (
        f"{name} {version}" for name, version in facts["versions"].items() if name in ("torch", "transformers")
    )
    told = {
        "parameters": parameters,
        "positions": _positions(config),
        "sources": _table(("source", "tasks", "pairs", "drawn", "licence"), _sources(facts[SOURCES])),
        "black": "" if config["permute_black"] else " (black stays)",
        "targets": _targets(config),
        "shared": ", ".join(f"{split} {count}" for split, count in facts[SHARED].items()),
        "command": f"python -m solver train-base … {settings(config)}".rstrip(),
        "millions": facts["tokens"] / 1e6,
        "hours": facts["seconds"] / 3600,
        "peak": facts[PEAK],
        "init": f" Its first weights were those of {facts['init']}." if facts["init"] else "",
        "versions": ", ".join(libraries),
        "curve": _table(CURVE, _curve(log)),
        "measured": _table(MEASURED, _measured(log)),
    }
    return CARD.format_map({**config, **facts, **told})


def settings(config: Mapping[str, Any]) -> str:
    """The options that give this configuration, where it is not the usual one."""
    usual = BaseConfig()
    changed = [field.name for field in fields(BaseConfig) if config[field.name] != getattr(usual, field.name)]
    return " ".join(f"--set {name}={_written(config[name])}" for name in changed)


def _written(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


GEOMETRY = """**Position ids must be given.** They carry the grid's geometry: `grid * 1024 + row * 32 + column`{axes}.
With plain 0, 1, 2, … the model is useless. Pass an attention mask of ones, or transformers takes the jumps for borders
of packed sequences."""


def _positions(config: Mapping[str, Any]) -> str:
    axes = ", and each rotary frequency sees one of these axes" if config["axial"] else ""
    return GEOMETRY.format(axes=axes) if config["geometric"] else "Positions are 0, 1, 2, …"


def _targets(config: Mapping[str, Any]) -> str:
    first = {0: "all outputs", 1: "the outputs from the second on"}
    outputs = first.get(config["first_supervised"], f"the outputs from number {config['first_supervised']} (from 0) on")
    return outputs + (" and the inputs but the first" if config["inputs"] else "")


def _sources(sources: Mapping[str, Sequence[float]]) -> Iterable[Sequence[str]]:
    whole = sum(weight for *_, weight in sources.values())
    for name, (tasks, pairs, weight) in sources.items():
        yield name, f"{tasks:,}", f"{pairs:,}", f"{weight / whole:.0%}", LICENCES.get(name, "not known")


def _spread(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """At most `ROWS` of them, evenly spread, the last among them."""
    stride = math.ceil(len(lines) / ROWS) or 1
    return list(lines[::-stride])[::-1]


def _millions(line: Mapping[str, Any]) -> str:
    return f"{line['tokens'] / 1e6:.1f} M"


def _curve(log: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[str]]:
    for line in _spread([line for line in log if "loss" in line]):
        used = f"{line['utilisation']:.0%}" if "utilisation" in line else ""
        yield _millions(line), str(line.get("longest", "")), f"{line['loss']:.3f}", used


def _measured(log: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[str]]:
    together: dict[int, dict[str, Any]] = {}
    for line in log:
        together.setdefault(line["tokens"], {}).update(line)
    for line in _spread([line for line in together.values() if "evaluation_loss" in line]):
        yield (
            _millions(line),
            f"{line['evaluation_loss']:.3f}",
            f"{line['evaluation_accuracy']:.1%}",
            f"{line['evaluation_exact']:.1%} of {line['evaluation_outputs']:.0f}",
            *(f"{line[name]:.3f}" if name in line else "" for name in MEASURES),
        )


MEASURES = ("development_loss", "ttt_nats_before", "ttt_nats_after")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
