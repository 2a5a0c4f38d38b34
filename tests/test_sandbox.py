"""The sandbox as those who use it see it: what programs get and give, in which order, and until when."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from solver.budget import Deadline
from solver.grid import Grid
from solver.programs.fate import Execution, Fate
from solver.programs.limits import EVERYWHERE, MAX_INPUTS, Limits, Program, Protection
from solver.programs.sandbox import Sandbox, SandboxError
from tests.sandbox_tools import WIDE, check_benign, has_ended, own_processes, program

ENDLESS = "while True: pass"
PATIENT = Limits(seconds=600, cpu_seconds=600)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(2) as made:
        yield made


def run(sandbox: Sandbox, *programs: Program) -> list[Execution]:
    """Executions in the programs' order."""
    found = dict(sandbox.run(programs))
    return [found[index] for index in range(len(programs))]


def answers(sandbox: Sandbox, source: str, *inputs: Grid, hash_seed: int = 0) -> list[list[list[int]]]:
    """What a program that must return grids returns."""
    (execution,) = run(sandbox, program(source, *inputs, hash_seed=hash_seed))
    assert execution.fate is Fate.RETURNED, execution
    return [grid.to_json() for grid in execution.grids]


def test_grids_are_indexed_x_y_and_come_back_row_major(sandbox: Sandbox) -> None:
    source = "def transform(grid):\n    assert grid.shape == (3, 2) and grid[2, 1] == 6\n    return grid"
    assert answers(sandbox, source) == [WIDE.to_json()]
    assert answers(sandbox, "def main(grid):\n    grid[0, 1] = 9\n    return grid") == [[[1, 2, 3], [9, 0, 6]]]


def test_every_input_is_a_fresh_integer_array(sandbox: Sandbox) -> None:
    source = """
def transform(grid):
    assert type(grid) is np.ndarray and grid.dtype == int and grid.flags.c_contiguous and grid.flags.writeable
    grid += 1
    return grid
"""
    ones, large = Grid(((1,),)), Grid(((7,) * 30,) * 30)
    assert answers(sandbox, "from common import *\n" + source, ones, ones, large) == [[[2]], [[2]], [[8] * 30] * 30]


@pytest.mark.parametrize(
    "returned",
    [
        "grid",
        "grid.tolist()",
        "[tuple(column) for column in grid]",
        "[list(column) for column in grid]",
        "list(grid)",
        "tuple(map(tuple, grid))",
        "grid.astype(float)",
        "(grid * 1.0).tolist()",
        "grid.astype(np.uint8)",
        "grid.astype(object)",
        "np.asmatrix(grid)",
        "np.ma.masked_array(grid)",
        "np.asfortranarray(grid)[::-1][::-1]",
        "np.broadcast_to(grid[None], (1, 3, 2))[0]",
    ],
)
def test_what_counts_as_a_grid(sandbox: Sandbox, returned: str) -> None:
    assert answers(sandbox, f"import numpy as np\ndef transform(grid):\n    return {returned}") == [WIDE.to_json()]


def test_truth_values_are_black_and_blue(sandbox: Sandbox) -> None:
    assert answers(sandbox, "def transform(grid):\n    return grid > 2") == [[[0, 0, 1], [1, 0, 1]]]


def test_indices_answers_and_details(sandbox: Sandbox) -> None:
    ones, twos = Grid(((1,),)), Grid(((2,),))
    late = "def transform(grid):\n    if grid[0, 0] == 2: raise ValueError('x' * 10**6)\n    return grid"
    first, second, third = run(
        sandbox, program(late, ones, twos, ones), program("def transform(grid): return grid"), program("transform = 3")
    )
    assert (first.fate, first.grids, first.detail) == (Fate.EXCEPTION, (ones,), "ValueError, input 2")
    assert (second.fate, second.grids, second.detail) == (Fate.RETURNED, (WIDE,), "")
    assert third.fate is Fate.NO_FUNCTION
    assert min(execution.seconds for execution in (first, second, third)) > 0


def test_many_programs_each_get_their_own_answer(sandbox: Sandbox) -> None:
    programs = [program(f"def transform(grid): return [[{number % 10}]]") for number in range(60)]
    found = list(sandbox.run(iter(programs)))
    assert sorted(index for index, _ in found) == list(range(60))
    assert all(execution.grids == (Grid(((index % 10,),)),) for index, execution in found)


def test_what_programs_may_import(sandbox: Sandbox) -> None:
    source = """
from __future__ import annotations
from common import *
import collections.abc, copy, heapq, itertools, math, random, re, string, sys, typing
from dataclasses import dataclass
from enum import Enum
from typing import *
import numpy as np
import numpy.linalg as la
import scipy
from scipy import ndimage
from scipy.ndimage import label

@dataclass
class Piece:
    cells: List[int]

class Kind(Enum):
    A = 1

Point = collections.namedtuple("Point", "x y")
sys.setrecursionlimit(5000)

def transform(input_grid: np.ndarray) -> np.ndarray:
    labels, count = label(input_grid > 0)
    assert scipy.ndimage.label is label and la.norm([3, 4]) == 5
    return np.full((1, 2), count + len(Piece([]).cells) + Point(0, Kind.A.value).x)
"""
    assert answers(sandbox, source) == [[[1], [1]]]


@pytest.mark.parametrize(
    "lines",
    [
        "from scipy.signal import convolve2d\ndef transform(grid): return convolve2d(grid, [[1]], mode='same')",
        "from scipy.spatial import distance\ndef transform(grid): return grid + distance.cdist([[0]], [[0]])",
        "from scipy.spatial.distance import cdist\ndef transform(grid): return grid + int(cdist([[0]], [[0]])[0, 0])",
        "import scipy.stats as stats\ndef transform(grid): return grid * stats.mode([1]).mode",
        "import scipy.optimize\ndef transform(grid):\n    scipy.optimize.linear_sum_assignment([[1]])\n    return grid",
    ],
)
def test_modules_on_demand(sandbox: Sandbox, lines: str) -> None:
    assert answers(sandbox, lines) == [WIDE.to_json()]


def test_a_module_that_does_not_exist_is_an_exception(sandbox: Sandbox) -> None:
    (execution,) = run(sandbox, program("import numpy.nonsense"))
    assert (execution.fate, execution.detail) == (Fate.EXCEPTION, "ModuleNotFoundError")


def test_warnings_and_prints_do_no_harm(sandbox: Sandbox) -> None:
    source = """
import warnings
import numpy as np
warnings.simplefilter("always")

def transform(grid):
    warnings.warn("careful")
    print(grid, np.array([1]) / np.array([0]))
    assert "def" is not "abc"
    return grid
"""
    assert answers(sandbox, source) == [WIDE.to_json()]


HASHES = """
def transform(grid):
    text = hash("a grid")
    return [[text // 10**place % 10 for place in range(15)]]
"""


def test_hash_seeds(sandbox: Sandbox) -> None:
    first, again, other = (answers(sandbox, HASHES, hash_seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    both = [program(HASHES, hash_seed=number % 2) for number in range(8)]
    assert [execution.grids[0].to_json() for execution in run(sandbox, *both)] == [first[0], other[0]] * 4


def test_random_numbers_are_the_same_in_every_call(sandbox: Sandbox) -> None:
    source = """
import random
import numpy as np
def transform(grid):
    return [[random.randrange(10) for _ in range(20)], list(np.random.randint(10, size=20))]
"""
    random.seed(1)
    np.random.seed(1)
    wanted = [[random.randrange(10) for _ in range(20)], np.random.randint(10, size=20).tolist()]
    first, second = answers(sandbox, source, WIDE, WIDE, hash_seed=1)
    assert first == second == [list(row) for row in zip(*wanted, strict=True)]
    assert answers(sandbox, source, hash_seed=0) != [first]


def test_protections_are_named(sandbox: Sandbox) -> None:
    named = sandbox.protections()
    assert set(EVERYWHERE) < set(named) <= {*EVERYWHERE, *(wall.value for wall in Protection)}
    assert Protection.PYTHON.value in named
    with Sandbox(1, protections=frozenset()) as bare:
        assert bare.protections() == EVERYWHERE


def test_wall_clock_and_processor_are_told_apart() -> None:
    with Sandbox(2, Limits(seconds=0.5, cpu_seconds=60)) as made:
        (sleeping,) = run(made, program("import time\ntime.sleep(1000)"))
        assert (sleeping.fate, sleeping.detail) == (Fate.TIME, "wall clock, input 1")
        assert sleeping.seconds < 0.5
    with Sandbox(2, Limits(seconds=600, cpu_seconds=0.3)) as made:
        (busy,) = run(made, program(ENDLESS))
        assert (busy.fate, busy.detail) == (Fate.TIME, "processor, input 1")
        assert busy.seconds >= 0.3


def test_limits_are_the_programs_own() -> None:
    """What is allowed is allowed: the same programs end well within larger limits."""
    hungry = program("def transform(grid):\n    x = bytearray(200 * 2**20)\n    return grid")
    wordy = program("print('x' * 10**5)\ndef transform(grid): return grid")
    with Sandbox(1, Limits(memory=100 * 2**20)) as made:
        assert [execution.fate for execution in run(made, hungry, wordy)] == [Fate.MEMORY, Fate.OUTPUT]
    with Sandbox(1, Limits(memory=300 * 2**20, output=2 * 10**5)) as made:
        assert [execution.fate for execution in run(made, hungry, wordy)] == [Fate.RETURNED, Fate.RETURNED]


def test_memory_that_ran_out_is_said_whatever_holds_it() -> None:
    source = """
kept = []
def transform(grid):
    try:
        while True: kept.append(bytes(100))
    except MemoryError:
        while True: kept.append(())
"""
    with Sandbox(1, Limits(seconds=600, cpu_seconds=60, memory=50 * 2**20)) as made:
        (execution,) = run(made, program(source))
        assert execution.fate is Fate.MEMORY
        check_benign(made)


def test_a_deadline_ends_programs_and_reports_none_of_them() -> None:
    with Sandbox(2, PATIENT) as made:
        endless = (program(ENDLESS) for _ in itertools.count())
        assert list(made.run(endless, Deadline.after(0.5))) == []
        check_benign(made)
        assert list(made.run([program("x = 1")], Deadline(-1.0, lambda: 0.0))) == []
        check_benign(made)


def test_programs_are_taken_as_servers_become_free() -> None:
    taken = []

    def programs() -> Iterator[Program]:
        for number in range(10):
            taken.append(number)
            yield program("x = 1")

    with Sandbox(2, PATIENT) as made:
        running = made.run(programs())
        next(running)
        assert len(taken) <= 4
        assert len(list(running)) == 9
        assert taken == list(range(10))


def test_a_caller_that_stops_asking_leaves_a_sandbox_that_works() -> None:
    others = len(own_processes())
    with Sandbox(2, PATIENT) as made:
        running = made.run([program("x = 1"), program(ENDLESS), program(ENDLESS)])
        next(running)
        with pytest.raises(RuntimeError, match="at work already"):
            list(made.run([]))
        servers = 4 if Protection.NAMESPACES.value in made.protections() else 2
        while len(own_processes()) < others + servers + 2:
            time.sleep(0.01)
        running.close()
        assert len(own_processes()) == others + servers, "the same servers, without the programs"
        check_benign(made)
        assert list(made.run([])) == []


def test_a_server_that_dies_with_nothing_to_do_is_nobodys_fault() -> None:
    with Sandbox(1) as made:
        made.protections()
        servers = own_processes()
        for process in servers:
            os.kill(process, signal.SIGKILL)
        while not all(map(has_ended, servers)):
            time.sleep(0.01)
        check_benign(made)


def test_a_sandbox_that_cannot_work_says_so() -> None:
    with Sandbox(1, library="solver.programs.nonsense") as made:
        with pytest.raises(SandboxError, match=r"ModuleNotFoundError.*nonsense"):
            made.protections()
        with pytest.raises(SandboxError, match="no server can be started"):
            list(made.run([program("x = 1")]))
    for ask in (made.protections, lambda: list(made.run([]))):
        with pytest.raises(RuntimeError, match="closed"):
            ask()


def test_closing_leaves_no_process() -> None:
    before = own_processes()
    with Sandbox(3, PATIENT) as made:
        running = made.run([program("x = 1"), program(ENDLESS, hash_seed=1)])
        next(running)
        assert len(own_processes()) > len(before)
    assert own_processes() == before
    running.close()


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"cpu_seconds": -1.0}, {"memory": -1}, {"output": -1}])
def test_limits_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="cannot run within"):
        Limits(**wrong)


def test_programs_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="hash seed 2"):
        Program("", (WIDE,), 2)
    for inputs in ((), (WIDE,) * (MAX_INPUTS + 1)):
        with pytest.raises(ValueError, match="inputs"):
            Program("", inputs)
    with pytest.raises(ValueError, match="0 processes"):
        Sandbox(0)


def work(pipe: Connection) -> None:
    """What a worker of a run would do, in its own daemonic process."""
    with Sandbox(1) as made:
        check_benign(made)
        pipe.send(made.protections())


def test_a_daemonic_process_can_use_it() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs,), daemon=True)
    process.start()
    assert ours.recv()[: len(EVERYWHERE)] == EVERYWHERE
    process.join()
    assert process.exitcode == 0


def test_importing_the_sandbox_imports_little() -> None:
    code = "import sys, solver.programs.sandbox; print({'torch', 'scipy'} & set(sys.modules))"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
