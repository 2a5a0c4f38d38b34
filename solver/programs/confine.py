"""The kernel's part of the walls around a program: limits, identity, namespaces, capabilities.

Linux only. Everything here only takes away, and whatever a machine does not permit is reported, not raised, but for
limits and capabilities, which every kernel lets a process give up. Knows nothing of programs or of Python's own means.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import resource
import signal
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from solver.programs import seccomp
from solver.programs.limits import Limits, Protection

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x08000000, 0x10000000, 0x20000000, 0x40000000
NAMESPACES = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC

STRANGERS = 1 << 30
"""Users from here on belong to nobody. Each server's programs get one of their own: they can signal no others."""
NOBODY = 65534
"""For user namespaces that know fewer users."""
CAPABILITY_VERSION = 0x20080522


@functools.cache
def libc() -> ctypes.CDLL:
    """The C library that this process runs on; errors come as return values."""
    return ctypes.CDLL(None)


def prctl(option: int, value: int) -> bool:
    return bool(libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0)


def die_with_parent() -> None:
    """Ends this process as soon as the thread that started it does. A change of user undoes it."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def become_server() -> None:
    """Makes this process the parent of descendants whose own parent ends, unreadable for others of its user, and, with
    its children, the first to go when the machine runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_DUMPABLE, 0)


def enter_namespaces() -> bool:
    """Gives this process's children to come a process table, network and IPC of their own. Whether it is permitted.

    A process with the privilege uses it; any other needs a user namespace, in which it stays who it is.
    """
    if libc().unshare(NAMESPACES) == 0:
        return True
    user, group = os.getuid(), os.getgid()
    if libc().unshare(NAMESPACES | CLONE_NEWUSER) != 0:
        return False
    own = Path("/proc/self")
    with contextlib.suppress(OSError):  # unmapped, it is nobody there, which is just as well
        (own / "setgroups").write_text("deny")
        (own / "gid_map").write_text(f"{group} {group} 1")
        (own / "uid_map").write_text(f"{user} {user} 1")
    return True


def enter_empty_folder() -> bool:
    """Makes this process's folder an empty one that is on no path any more: nothing can be made in it either."""
    try:
        path = tempfile.mkdtemp()
        os.chdir(path)
        Path(path).rmdir()
    except OSError:
        return False
    return True


def address_space() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Cell:
    """What a server prepares for its programs' processes. wanted: which walls; memory: bytes of address space that
    one may have; lines: the seccomp filter; server: the server's process."""

    limits: Limits
    wanted: frozenset[Protection]
    memory: int
    lines: bytes | None
    server: int


def prepare(limits: Limits, wanted: frozenset[Protection]) -> Cell:
    """The cell for the children of this process as it now is; if wanted, its folder becomes their root."""
    lines = seccomp.filter_here() if Protection.SECCOMP in wanted else None
    return Cell(limits, wanted, address_space() + limits.memory, lines, os.getpid())


def lock_in(cell: Cell) -> frozenset[Protection]:
    """Confines this process for good and says which walls stand. Afterwards it can open nothing and start nothing."""
    standing = set()
    if Protection.FOLDER in cell.wanted and _change_root():
        standing.add(Protection.FOLDER)
    if Protection.USER in cell.wanted and any(map(_become, (STRANGERS + cell.server, NOBODY))):
        standing.add(Protection.USER)
    _limit(cell.limits, cell.memory)
    _drop_capabilities()
    die_with_parent()
    prctl(PR_SET_DUMPABLE, 0)
    if os.getppid() != cell.server:
        os._exit(1)
    if prctl(PR_SET_NO_NEW_PRIVS, 1) and cell.lines is not None and seccomp.install(libc(), cell.lines):
        standing.add(Protection.SECCOMP)
    return frozenset(standing)


def _change_root() -> bool:
    """Makes this process's folder, which should be empty, all that it can see. Whether it is permitted."""
    try:
        os.chroot(".")
    except OSError:
        return False
    return True


def _become(user: int) -> bool:
    """Takes on the identity of a user to whom nothing belongs. Whether it is permitted."""
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError:
        return False
    return True


def _limit(limits: Limits, memory: int) -> None:
    """The kernel's limits. No descriptor can be opened any more, on any kernel and by any user: neither a file nor a
    socket. The server watches both clocks; processor time has a limit here too in case it cannot."""
    cpu = math.ceil(limits.cpu_seconds) + 1
    for kind, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _drop_capabilities() -> None:
    """Gives up what is left of the superuser's privileges, in a namespace too."""
    head = struct.pack("Ii", CAPABILITY_VERSION, 0)
    if libc().capset(head, bytes(24)) != 0:
        raise OSError("capset")
