"""Python's part of the walls around a program: it gives what is forbidden a name before the kernel has to refuse it.

No wall by itself: Python can always be talked round from within. Imports are limited to a list, and calls that Python
audits (files, sockets, processes, signals, foreign code) end the program at once, whether it would have caught an
exception or not.
"""

from __future__ import annotations

import _thread
import builtins
import importlib
import linecache
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

LIBRARY = "common"
"""The name by which programs import their library."""

STANDARD = (
    *("abc", "array", "bisect", "cmath", "collections", "collections.abc", "contextlib", "copy", "dataclasses"),
    *("decimal", "enum", "fractions", "functools", "heapq", "itertools", "math", "numbers", "operator", "pprint"),
    *("queue", "random", "re", "statistics", "string", "textwrap", "time", "types", "typing", "warnings"),
)
"""Modules of the standard library that programs may import."""

SCIENTIFIC = ("numpy", "scipy", "scipy.ndimage")

ON_DEMAND = (
    *("scipy.fft", "scipy.interpolate", "scipy.linalg", "scipy.optimize", "scipy.signal", "scipy.sparse"),
    *("scipy.sparse.csgraph", "scipy.spatial", "scipy.spatial.distance", "scipy.special", "scipy.stats"),
    *("skimage.draw", "skimage.feature", "skimage.filters", "skimage.graph", "skimage.measure", "skimage.morphology"),
    *("skimage.segmentation", "skimage.transform", "skimage.util"),
    "networkx",
)
"""Modules that programs may import and that are loaded, where installed, only when a program first names them: they
take long to load, and every program's process costs more from then on."""

ALLOWED = frozenset(name.partition(".")[0] for name in (LIBRARY, "__future__", *STANDARD, *SCIENTIFIC, *ON_DEMAND))

FORBIDDEN_FAMILIES = (
    *("os.", "socket.", "subprocess.", "ctypes.", "signal.", "resource.", "fcntl.", "mmap.", "shutil.", "tempfile."),
    *("glob.", "sqlite3.", "syslog.", "pty.", "urllib.", "http.", "ftplib.", "smtplib.", "imaplib.", "poplib."),
)
FORBIDDEN_EVENTS = frozenset(
    {
        *("open", "sys.addaudithook", "code.__new__"),
        *("gc.get_objects", "gc.get_referrers", "gc.get_referents"),
    }
)
"""Audit events that end a program; of the families, all. Source: Python documentation, "Audit events table"."""

SYS_NAMES = (
    *("byteorder", "exit", "float_info", "getrecursionlimit", "getsizeof", "hash_info", "int_info", "maxsize"),
    *("maxunicode", "setrecursionlimit", "stderr", "stdin", "stdout", "version", "version_info"),
)
"""What of `sys` programs get: they often raise the recursion limit."""

THREAD_STARTERS = ("start_new", "start_new_thread", "start_joinable_thread")
"""Functions of `_thread`; which there are, and whether they are audited, depends on Python's version."""


class _NothingElse:
    """An importer, first and last in line: what is not loaded now does not exist."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def preload() -> None:
    """Loads what programs may import, but for what is loaded on demand."""
    for name in (*STANDARD, *SCIENTIFIC):
        importlib.import_module(name)


def named_on_demand(source: str) -> tuple[str, ...]:
    """The modules of ON_DEMAND that a source may mean: all the parts of their names occur in it."""
    return tuple(name for name in ON_DEMAND if all(part in source for part in name.split(".")))


def stand_in_for_sys() -> ModuleType:
    module = ModuleType("sys")
    for name in SYS_NAMES:
        setattr(module, name, getattr(sys, name))
    return module


def guard(refuse: Callable[[str], NoReturn]) -> None:
    """Puts the walls up in this process, for good. refuse: ends the process, and says what was forbidden."""
    # A warning's text would quote its line from the source file.
    linecache.updatecache = lambda filename, module_globals=None: []
    sys.meta_path[:] = [_NothingElse]
    builtins.__import__ = _guarded_import(builtins.__import__, sys.modules, refuse)
    for module, prefix in ((_thread, ""), (threading, "_")):
        for name in THREAD_STARTERS:
            if hasattr(module, prefix + name):
                setattr(module, prefix + name, lambda *_, **__: refuse("thread"))
    sys.addaudithook(_audit_hook(refuse))


def _guarded_import(
    real: Callable[..., ModuleType], modules: Mapping[str, ModuleType], refuse: Callable[[str], NoReturn]
) -> Callable[..., ModuleType]:
    """`__import__` that refuses programs what is not allowed; loaded modules go on as before."""
    stand_in = stand_in_for_sys()

    def guarded_import(
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 (the name that callers use)
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        importer = modules.get(str(globals.get("__name__"))) if globals else None
        if level == 0 and (importer is None or vars(importer) is not globals or importer.__name__ == PROGRAM):
            root = str(name).partition(".")[0]
            if root == "sys":
                return stand_in
            if root not in ALLOWED:
                refuse(f"import {root}")
        return real(name, globals, locals, fromlist, level)

    return guarded_import


PROGRAM = "program"
"""The name of the module that a program's text becomes."""


def _audit_hook(refuse: Callable[[str], NoReturn]) -> Callable[[str, tuple[Any, ...]], None]:
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in FORBIDDEN_EVENTS or event.startswith(FORBIDDEN_FAMILIES):
            subject = arguments[0] if event == "open" and type(arguments[0]) is str else ""
            # To quote the line of a syntax error, Python looks for a file of this name; the kernel opens none.
            if not subject.startswith("<"):
                refuse(f"{event} {subject}".strip())

    return hook
