"""What programs try that should not: each ends under its name, within its limits, and the next program is unharmed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from solver.programs.fate import Fate
from solver.programs.limits import Limits, Protection
from solver.programs.sandbox import Sandbox
from tests.sandbox_tools import ALL, SHORT, check_benign, own_processes, program

# What lies between is tested without Python's walls, which would hide it, in test_sandbox_kernel.
WALLS = {
    "all walls": ALL,
    "limits and Python only": frozenset({Protection.PYTHON}),
}
SECRET = Path(__file__).resolve()
"""A file that this user may read."""


@dataclass(frozen=True)
class Hostile:
    """A program, and the fates it may have: several only where the interpreter's version decides."""

    source: str
    fates: frozenset[Fate]
    detail: str = ""


def body(lines: str, *fates: Fate, detail: str = "") -> Hostile:
    """A hostile `transform`."""
    text = "".join(f"    {line}\n" for line in lines.strip("\n").split("\n"))
    return Hostile(f"import numpy as np\nimport random\n\ndef transform(grid):\n{text}", frozenset(fates), detail)


def whole(source: str, *fates: Fate, detail: str = "") -> Hostile:
    """A hostile text."""
    return Hostile(source, frozenset(fates), detail)


KEEP = "\ndef transform(grid):\n    return grid\n"
EVIL_CLASS = """
class Evil(np.ndarray):
    @property
    def shape(self): return (2, 2)
    def tolist(self): return [[0] * 10**9]
    def __array__(self, *a, **k): raise SystemExit
return np.zeros((40, 40), int).view(Evil)
"""

HOSTILE = {
    # Time.
    "endless loop": body("while True: pass", Fate.TIME),
    "endless loop at the top": whole("while True: pass", Fate.TIME),
    "endless loop that catches all": body(
        "while True:\n    try:\n        while True: pass\n    except: pass", Fate.TIME
    ),
    "endless regular expression": body("import re\nre.match('(a+)+$', 'a' * 60 + 'b')", Fate.TIME),
    "endless power": body("return [[10 ** 10 ** 10 % 10]]", Fate.TIME, Fate.MEMORY),
    "endless look at an answer": body(
        "class Evil(list):\n    def __iter__(self):\n        while True: yield 1\nreturn [Evil([1])]", Fate.TIME
    ),
    # Memory.
    "recursion without end": body("return transform(grid)", Fate.EXCEPTION, detail="RecursionError, input 1"),
    "recursion without limit": body(
        "import sys\nsys.setrecursionlimit(10**9)\nreturn transform(grid)",
        *(Fate.MEMORY, Fate.EXCEPTION, Fate.KILLED, Fate.TIME),
    ),
    "10 GB of bytes": body("return bytearray(10**10)", Fate.MEMORY, detail="input 1"),
    "10 GB of numbers": body("return np.ones(10**10 // 8)", Fate.MEMORY),
    "10 GB bit by bit": body("x = []\nwhile True: x.append(np.ones(10**5))", Fate.MEMORY, Fate.TIME),
    "10 GB of small things": body("x = None\nwhile True: x = [x, x]", Fate.MEMORY, Fate.TIME),
    "10^9 cells": body("return np.zeros((31623, 31623), np.int8)", Fate.MEMORY),
    "10^9 cells that are one": body(
        "return np.broadcast_to(grid[0, 0], (10**5, 10**4))", Fate.NOT_A_GRID, detail="shape (100000, 10000), input 1"
    ),
    "10^9 cells in one row": body("row = [0] * 10**4\nreturn [row] * 10**5", Fate.NOT_A_GRID),
    # Files.
    "10 GB file": body("open('/tmp/large', 'wb').write(bytes(10**10))", Fate.FORBIDDEN, detail="open /tmp/large"),
    "10 GB file by NumPy": body("np.memmap('/tmp/large', mode='w+', shape=10**10)", Fate.FORBIDDEN),
    "array to a file": body("np.save('/tmp/large', grid)", Fate.FORBIDDEN),
    "home file": body("return open(random._os.path.expanduser('~/.profile')).read()", Fate.FORBIDDEN),
    "a file by NumPy": body(f"return np.fromfile({str(SECRET)!r}, np.uint8)", Fate.FORBIDDEN),
    "a file by loadtxt": body(f"return np.loadtxt({str(SECRET)!r}, str)", Fate.FORBIDDEN),
    "the solutions": body(
        "return open('/kaggle/input/arc-prize/arc-agi_evaluation_solutions.json').read()", Fate.FORBIDDEN
    ),
    "a folder": body("return random._os.listdir('/')", Fate.FORBIDDEN, detail="os.listdir"),
    "removing a file": body(f"random._os.remove({str(SECRET)!r})", Fate.FORBIDDEN, detail="os.remove"),
    # The network.
    "socket": whole("import socket\nsocket.socket()", Fate.FORBIDDEN, detail="import socket"),
    "download": whole("from urllib.request import urlopen" + KEEP, Fate.FORBIDDEN, detail="import urllib"),
    # Processes and signals.
    "fork bomb": whole("import os\nwhile True: os.fork()", Fate.FORBIDDEN, detail="import os"),
    "fork bomb by another name": body("while True: random._os.fork()", Fate.FORBIDDEN, detail="os.fork"),
    "threads without end": body(
        "import queue\nwhile True: queue.threading.Thread(target=random.random).start()", Fate.FORBIDDEN
    ),
    "shell": whole("import subprocess" + KEEP, Fate.FORBIDDEN, detail="import subprocess"),
    "shell by another name": body("random._os.system('sh')", Fate.FORBIDDEN, detail="os.system"),
    "another program": body("random._os.execv('/bin/sh', ['sh'])", Fate.FORBIDDEN, detail="os.exec"),
    "signal to the parent": body("random._os.kill(random._os.getppid(), 9)", Fate.FORBIDDEN, detail="os.kill"),
    "signal to the group": body("random._os.killpg(0, 9)", Fate.FORBIDDEN, detail="os.killpg"),
    "signal to all": body("random._os.kill(-1, 9)", Fate.FORBIDDEN, detail="os.kill"),
    # Ends.
    "os._exit": body("random._os._exit(3)", Fate.EXITED, detail="status 3"),
    "os._exit with success": body("random._os._exit(0)", Fate.EXITED, detail="status 0"),
    "exit": whole("exit()", Fate.EXITED, detail="SystemExit"),
    "sys.exit": body("import sys\nsys.exit('no')", Fate.EXITED, detail="SystemExit, input 1"),
    "abort": body("random._os.abort()", Fate.KILLED),
    "segfault through ctypes": whole("import ctypes\nctypes.string_at(0)", Fate.FORBIDDEN, detail="import ctypes"),
    "segfault through NumPy's ctypes": body("np.ctypeslib.ctypes.string_at(0)", Fate.FORBIDDEN),
    "segfault without ctypes": body(
        "return np.lib.stride_tricks.as_strided(grid, (9, 9), (1 << 44, 1 << 44)).copy()", Fate.KILLED, detail="SIGSEGV"
    ),
    "an exception that is none": body("raise KeyboardInterrupt", Fate.EXCEPTION, detail="KeyboardInterrupt, input 1"),
    "an exception that bites": body(
        """
class Meta(type):
    @property
    def __name__(cls): raise SystemExit
class Evil(BaseException, metaclass=Meta):
    def __str__(self): raise SystemExit
    __repr__ = __str__
raise Evil
""",
        Fate.EXCEPTION,
        detail="Evil, input 1",
    ),
    # Output.
    "flood of stdout": body("while True: print('x' * 1000)", Fate.OUTPUT),
    "flood of stderr": body("import sys\nwhile True: sys.stderr.write('x' * 1000)", Fate.OUTPUT),
    "flood past Python": body("while True: random._os.write(1, bytes(1000))", Fate.OUTPUT),
    "flood at the end": body("print('x' * 10**6)\nreturn grid", Fate.OUTPUT),
    # Changes that should outlive the program.
    "monkey-patching the library": whole(
        "import common\nimport numpy as np\nnp.zeros_like = np.maximum = None\n"
        "for name in list(vars(common)): setattr(common, name, None)\n"
        "common.Color = type('Color', (), {'TEAL': 5})\n" + KEEP,
        Fate.RETURNED,
    ),
    "monkey-patching what reads its answer": whole(
        "__builtins__['len'] = lambda x: 7\n" + KEEP,
        *(Fate.RETURNED, Fate.NOT_A_GRID, Fate.EXCEPTION, Fate.FORBIDDEN),
    ),
    # What is no grid.
    "nothing": body("pass", Fate.NOT_A_GRID, detail="NoneType, input 1"),
    "text": body("return '1'", Fate.NOT_A_GRID, detail="str, input 1"),
    "a list of texts": body("return ['12', '34']", Fate.NOT_A_GRID),
    "an array of texts": body("return grid.astype(str)", Fate.NOT_A_GRID),
    "a class": body("return np.ndarray", Fate.NOT_A_GRID),
    "three dimensions": body("return grid[None]", Fate.NOT_A_GRID),
    "no cells": body("return grid[:0]", Fate.NOT_A_GRID, detail="shape (0, 2), input 1"),
    "too wide": body("return np.zeros((31, 2), int)", Fate.NOT_A_GRID),
    "ragged": body("return [[1, 2], [3]]", Fate.NOT_A_GRID, detail="ragged rows, input 1"),
    "colour 10": body("return grid + 10", Fate.NOT_A_GRID, detail="cells that are not colours, input 1"),
    "colour -1": body("return grid - 1", Fate.NOT_A_GRID),
    "half a colour": body("return grid / 2", Fate.NOT_A_GRID),
    "no number": body("return grid * float('nan')", Fate.NOT_A_GRID),
    "a complex number": body("return grid + 0j", Fate.NOT_A_GRID),
    "a huge number": body("return [[10 ** 5000]]", Fate.NOT_A_GRID),
    "itself": body("x = []\nx.append(x)\nreturn x", Fate.NOT_A_GRID),
    "a class that lies about its cells": body(EVIL_CLASS, Fate.NOT_A_GRID),
    "an object that exits when looked at": body(
        "class Evil:\n    def __array__(self, *a, **k): raise SystemExit\nreturn Evil()", Fate.NOT_A_GRID
    ),
    # Ways round Python's own walls, and round the reply.
    "catching the refusal": whole("try:\n    import os\nexcept BaseException:\n    pass" + KEEP, Fate.FORBIDDEN),
    "importing in another's name": whole("exec('import os', {'__name__': 'numpy'})" + KEEP, Fate.FORBIDDEN),
    "__import__": whole("__import__('os')" + KEEP, Fate.FORBIDDEN, detail="import os"),
    "a code object of its own": whole("(lambda: 1).__code__.replace(co_consts=())" + KEEP, Fate.FORBIDDEN),
    "a reply that means nothing": body("random._os.write(3, b'x')\nreturn grid", Fate.FORBIDDEN),
    "a reply without grids": body("random._os.write(3, b'E\\7\\0')\nrandom._os._exit(0)", Fate.FORBIDDEN),
    "an endless reply": body(
        "while True: random._os.write(3, bytes((71, 1, 1, 1)) * 1000)", Fate.FORBIDDEN, detail="malformed reply"
    ),
    "no reply": body("random._os.close(3)\nreturn grid", Fate.EXITED),
    "closing everything": body("for fd in range(4): random._os.close(fd)\nwhile True: pass", Fate.TIME),
    # What is not even a program.
    "no text": whole("", Fate.NO_FUNCTION),
    "no Python": whole("def transform(grid) return grid", Fate.SYNTAX),
    "a null byte": whole("x = 1\0", Fate.SYNTAX),
    "half a character": whole("x = '\ud800'", Fate.SYNTAX),
    "too many brackets": whole("(" * 10**5, Fate.SYNTAX, Fate.MEMORY),
    "too many signs": whole("x = " + "-" * 10**5 + "1", Fate.SYNTAX, Fate.MEMORY, Fate.KILLED),
    "too many lines": whole("x = 1\n" * 10**6, Fate.NO_FUNCTION, Fate.TIME, Fate.MEMORY),
}


@pytest.fixture(scope="module", params=WALLS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(1, SHORT, protections=WALLS[request.param]) as made:
        made.protections()
        yield made


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(sandbox: Sandbox, name: str) -> None:
    before, hostile = own_processes(), HOSTILE[name]
    ((index, execution),) = sandbox.run([program(hostile.source)])
    assert index == 0
    assert execution.fate in hostile.fates, execution
    assert hostile.detail in execution.detail
    check_benign(sandbox)
    assert own_processes() == before, "processes are left behind, or the server had to be replaced"


def test_no_file_is_left() -> None:
    assert not Path("/tmp/large").exists()


@pytest.mark.parametrize("walls", [ALL, frozenset({Protection.PYTHON})], ids=["namespaces", "none"])
def test_a_server_that_is_killed_takes_one_program_with_it(walls: frozenset[Protection]) -> None:
    """Were a program to kill its server, it would be recorded so, and the others would go on."""
    with Sandbox(1, Limits(seconds=120, cpu_seconds=120), protections=walls) as sandbox:
        sandbox.protections()
        idle = own_processes()

        def kill() -> None:
            while own_processes() == idle:
                time.sleep(0.01)
            os.kill(idle[-1], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        fates = dict(sandbox.run(program(source) for source in ("while True: pass", "x = 1")))
        killer.join()
        assert [fates[index].fate for index in range(2)] == [Fate.KILLED, Fate.NO_FUNCTION]
        assert fates[0].detail.startswith("its server: ")
        check_benign(sandbox)
        assert len(own_processes()) == len(idle)
