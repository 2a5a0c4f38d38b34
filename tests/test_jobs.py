"""A process whose libraries are missing says so, and ends: it would die of it again and again."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from typing import Any

import pytest

from solver.inspection import NATIVE
from solver.jobs import SearcherSettings, Unusable, WorkerSettings, WriterSettings, enter, enter_search, enter_writing


@pytest.mark.parametrize(
    ("entry", "module", "settings"),
    [
        (enter, "solver.worker", WorkerSettings(3, NATIVE, "cpu", "nf4", 1)),
        (enter_search, "solver.searcher", SearcherSettings(3, 2**30)),
        (enter_writing, "solver.writer", WriterSettings(3, NATIVE.folder, "cpu", "nf4", 1, 1)),
    ],
)
def test_a_missing_library_is_told_once(
    entry: Callable[..., None], module: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    ours, theirs = multiprocessing.Pipe()
    entry(settings, theirs)
    message = ours.recv()
    assert isinstance(message, Unusable)
    assert message.worker == 3
    assert module in message.message
    assert not ours.poll()
