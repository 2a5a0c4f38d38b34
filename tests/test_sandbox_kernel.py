"""The kernel's walls alone, with Python's own switched off: what a program does that has talked Python round."""

from __future__ import annotations

import errno
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from solver.programs import seccomp
from solver.programs.fate import Fate
from solver.programs.limits import Protection
from solver.programs.sandbox import Sandbox
from solver.programs.server_process import module_folders
from tests.sandbox_tools import ALL, SHORT, check_benign, own_processes, program, wait_until_gone

ROOT = Path(__file__).parents[1]
KERNEL = ALL - {Protection.PYTHON}
WALLS = {
    "all of them": KERNEL,
    "no seccomp": KERNEL - {Protection.SECCOMP},
    "seccomp only": frozenset({Protection.SECCOMP}),
    "another user and an empty folder only": frozenset({Protection.USER, Protection.FOLDER}),
}
HEAD = """
import ctypes, os, signal, resource, mmap
libc = ctypes.CDLL(None, use_errno=True)
def tried(value):
    if value < 0: raise OSError(ctypes.get_errno(), '')
"""
# Each ends before `reached` unless a wall stands in its way.
ATTEMPTS = {
    "fork": "os.fork()",
    "fork bomb": "while True: os.fork()",
    "double fork": "os.fork() or os.setsid() or os.fork()",
    "fork by libc": "tried(libc.fork())",
    "posix_spawn": "os.posix_spawn('/bin/sh', ['sh', '-c', 'sleep 1000'], {})",
    "execve": "os.execv('/bin/sh', ['sh', '-c', 'exit 0'])",
    "open for reading": "os.open('/etc/passwd', os.O_RDONLY)",
    "open by libc": "tried(libc.open(b'/etc/passwd', 0))",
    "open for writing": "os.open('/tmp/large', os.O_WRONLY | os.O_CREAT)",
    "open after closing": "os.close(0); os.open('/etc/passwd', os.O_RDONLY)",
    "own memory file": "os.open('/proc/self/mem', os.O_RDWR)",
    "pipe": "os.pipe()",
    "memory file": "os.memfd_create('x')",
    "socket by libc": "tried(libc.socket(2, 1, 0))",
    "unix socket by libc": "tried(libc.socket(1, 1, 0))",
    "ptrace": "tried(libc.ptrace(16, os.getppid(), 0, 0))",
    "remove": "os.remove(PATH)",
    "rename": "os.rename(PATH, PATH + '2')",
    "folder": "os.mkdir('/tmp/large')",
    "mount": "tried(libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0))",
    "namespace": "tried(libc.unshare(0x10000000))",
    "becoming root": "os.setuid(0) or os.open(PATH, os.O_RDONLY)",
    "more descriptors": "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))",
    "signal to the user's process": "os.kill(USER, signal.SIGKILL)",
}


@pytest.fixture(scope="module", params=WALLS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(1, SHORT, protections=WALLS[request.param]) as made:
        missing = [wall.value for wall in WALLS[request.param] if wall.value not in made.protections()]
        if missing:
            pytest.skip(f"not permitted here: {missing}")
        yield made


@pytest.mark.parametrize("name", ATTEMPTS)
def test_the_kernel_refuses(sandbox: Sandbox, name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text("untouched")
    before = own_processes()
    source = f"{HEAD}\nPATH, USER = {str(path)!r}, {os.getpid()}\n{ATTEMPTS[name]}\nREACHED = 1\n"
    ((_, execution),) = sandbox.run([program(source + "def transform(grid): return grid\n")])
    assert execution.fate in (Fate.FORBIDDEN, Fate.EXCEPTION), execution
    if execution.fate is Fate.EXCEPTION:  # as Python names what the kernel says of limits
        assert execution.detail == "ValueError"
    check_benign(sandbox)
    assert own_processes() == before
    assert path.read_text() == "untouched"
    assert not Path("/tmp/large").exists()


@pytest.mark.parametrize("target", ["os.getppid()", "0", "-1", "SERVER"])
def test_signals_reach_nobody(sandbox: Sandbox, target: str) -> None:
    """In a process table of its own a signal may be sent, and find nobody that it could end."""
    before = own_processes()
    source = f"{HEAD}\nSERVER = {before[0]}\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.kill({target}, 15)\n"
    ((_, execution),) = sandbox.run([program(source)])
    assert execution.fate in (Fate.FORBIDDEN, Fate.NO_FUNCTION)
    check_benign(sandbox)
    assert own_processes() == before


def test_a_crash_has_the_signals_name(sandbox: Sandbox) -> None:
    ((_, execution),) = sandbox.run([program(HEAD + "ctypes.string_at(0)")])
    assert (execution.fate, execution.detail) == (Fate.KILLED, "SIGSEGV")
    check_benign(sandbox)


def test_a_program_sees_nothing_of_its_surroundings() -> None:
    with Sandbox(1, SHORT, protections=KERNEL) as made:
        if Protection.FOLDER.value not in made.protections():
            pytest.skip("no root folder of one's own is permitted here")
        source = "import os\ndef transform(grid): return [[len(os.environ), int(os.path.exists('/etc')), 9]]"
        ((_, execution),) = made.run([program(source)])
        assert [grid.to_json() for grid in execution.grids] == [[[0], [0], [9]]]


def test_descendants_that_no_wall_stopped_are_swept() -> None:
    """Without walls a superuser's programs can fork: what they leave behind ends with them."""
    with Sandbox(1, SHORT, protections=frozenset()) as made:
        made.protections()
        before = own_processes()
        daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(1000)\n"
        for source in (daemon * 2, "import os, time\nif os.fork() == 0: time.sleep(1000)\n"):
            list(made.run([program(source)]))
            assert own_processes() == before
        check_benign(made)


PARENT = """
import sys, time
from solver.programs.limits import Limits, Program, Protection
from solver.programs.sandbox import Sandbox
from tests.sandbox_tools import WIDE

walls = frozenset(Protection[name] for name in sys.argv[1:])
sandbox = Sandbox(2, Limits(seconds=1000, cpu_seconds=1000), protections=walls)
print(int(Protection.NAMESPACES.value in sandbox.protections()), flush=True)
list(sandbox.run([Program("import time\\ntime.sleep(1000)", (WIDE,))] * 2))
"""


@pytest.mark.parametrize("walls", [ALL, frozenset({Protection.PYTHON})], ids=["all walls", "Python only"])
def test_everything_ends_with_a_parent_that_is_killed(walls: frozenset[Protection]) -> None:
    words = [sys.executable, "-c", PARENT, *(wall.name for wall in walls)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        # With namespaces, a server is two processes.
        servers = 2 + 2 * int(parent.stdout.readline())
        while len(found := wait_until_gone(parent.pid, left=10**6)) < servers + 2:  # and the two programs
            assert parent.poll() is None, found
        parent.kill()
    assert wait_until_gone(parent.pid) == []


ELSEWHERE = """
import json, sys
from solver.programs.limits import Program, Protection
from solver.programs.sandbox import Sandbox
from tests.sandbox_tools import SHORT, WIDE, check_benign
from tests.test_sandbox_hostile import HOSTILE

names, ended = list(HOSTILE), {}
with Sandbox(1, SHORT, protections=frozenset(Protection[name] for name in sys.argv[1:])) as sandbox:
    for index, execution in sandbox.run(Program(HOSTILE[name].source, (WIDE,)) for name in names):
        if execution.fate not in HOSTILE[names[index]].fates:
            ended[names[index]] = str(execution)
    check_benign(sandbox)
    print(json.dumps([sandbox.protections(), ended]))
"""


def interpreter_for_others() -> str | None:
    """An interpreter of this version that a user without rights can start."""
    version = "{}.{}".format(*sys.version_info)
    names = (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}")
    for name in filter(os.path.exists, names):
        try:
            subprocess.run([name, "-c", ""], check=True, user=12345, group=12345, extra_groups=[], cwd="/")
        except (OSError, subprocess.CalledProcessError):
            continue
        return name
    return None


@pytest.mark.skipif(os.getuid() != 0, reason="only the superuser can become somebody else")
@pytest.mark.parametrize("walls", [ALL, frozenset({Protection.PYTHON, Protection.FOLDER, Protection.USER})])
def test_the_same_holds_for_a_user_without_rights(walls: frozenset[Protection]) -> None:
    interpreter = interpreter_for_others()
    if interpreter is None:
        pytest.skip("others cannot start this interpreter")
    folders = [*module_folders(), str(Path(pytest.__file__).parents[1])]
    done = subprocess.run(
        [interpreter, "-c", ELSEWHERE, *(wall.name for wall in walls)],
        user=12345,
        group=12345,
        extra_groups=[],
        env={"PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    standing, ended = json.loads(done.stdout)
    assert ended == {}
    assert Protection.USER.value not in standing
    assert (Protection.FOLDER.value in standing) == (Protection.NAMESPACES.value in standing)


# The filter itself, run by an interpreter of the few instructions that it is made of.


def filtered(lines: bytes, audit: int, number: int) -> int:
    """What a filter returns for a system call."""
    data = struct.pack("II", number, audit)
    program_counter, accumulator = 0, 0
    instructions = list(struct.iter_unpack("HBBI", lines))
    while True:
        code, if_true, if_false, operand = instructions[program_counter]
        program_counter += 1
        if code == seccomp.RETURN:
            return int(operand)
        if code == seccomp.LOAD:
            (accumulator,) = struct.unpack_from("I", data, operand)
        else:
            true = accumulator == operand if code == seccomp.EQUAL else accumulator >= operand
            program_counter += if_true if true else if_false


@pytest.mark.parametrize("name", seccomp.ARCHITECTURES)
def test_filter(name: str) -> None:
    architecture = seccomp.ARCHITECTURES[name]
    lines = seccomp.assemble(architecture)
    allowed = {numbers[architecture.column] for _, *numbers in seccomp.ALLOWED}
    deadly = {numbers[architecture.column] for _, *numbers in seccomp.DEADLY}
    for number in (*range(600), seccomp.X32, seccomp.X32 + 1, 2**32 - 1):
        wanted = seccomp.RET_ERRNO | errno.EPERM
        wanted = seccomp.RET_ALLOW if number in allowed else seccomp.RET_KILL_PROCESS if number in deadly else wanted
        assert filtered(lines, architecture.audit, number) == wanted, number
    assert filtered(lines, 0x40000003, min(allowed)) == seccomp.RET_KILL_PROCESS, "another architecture's calls"


HEADERS = {0: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), 1: Path("/usr/include/asm-generic/unistd.h")}


@pytest.mark.parametrize("column", HEADERS)
def test_numbers_of_system_calls_are_the_kernels(column: int) -> None:
    if not HEADERS[column].exists():
        pytest.skip("no kernel headers here")
    text = HEADERS[column].read_text()
    found = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\b", text)}
    for name, *numbers in (*seccomp.ALLOWED, *seccomp.DEADLY):
        assert found.get(name) == numbers[column], name
