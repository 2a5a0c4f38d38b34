"""A seccomp filter that leaves a process its memory, its clock, its pipes and its own end, and nothing else.

Linux only, x86-64 and AArch64. What the filter denies fails with EPERM; what no innocent program does kills the process
with SIGSYS. Source: Linux, Documentation/userspace-api/seccomp_filter.rst; numbers from asm/unistd_64.h and
asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass

# Linux numbers system calls per architecture: name, x86-64, AArch64.
ALLOWED = (
    ("read", 0, 63),
    ("write", 1, 64),
    ("close", 3, 57),
    ("fstat", 5, 80),
    ("lseek", 8, 62),
    ("mmap", 9, 222),
    ("mprotect", 10, 226),
    ("munmap", 11, 215),
    ("brk", 12, 214),
    ("rt_sigaction", 13, 134),
    ("rt_sigprocmask", 14, 135),
    ("rt_sigreturn", 15, 139),
    ("readv", 19, 65),
    ("writev", 20, 66),
    ("sched_yield", 24, 124),
    ("mremap", 25, 216),
    ("madvise", 28, 233),
    ("nanosleep", 35, 101),
    ("getpid", 39, 172),
    ("exit", 60, 93),
    ("gettimeofday", 96, 169),
    ("getrusage", 98, 165),
    ("times", 100, 153),
    ("getuid", 102, 174),
    ("getppid", 110, 173),
    ("sigaltstack", 131, 132),
    ("gettid", 186, 178),
    ("futex", 202, 98),
    ("sched_getaffinity", 204, 123),
    ("restart_syscall", 219, 128),
    ("clock_gettime", 228, 113),
    ("clock_getres", 229, 114),
    ("clock_nanosleep", 230, 115),
    ("exit_group", 231, 94),
    ("getrandom", 318, 278),
    ("membarrier", 324, 283),
    ("rseq", 334, 293),
)
# AArch64 has neither fork nor vfork.
DEADLY = (
    ("socket", 41, 198),
    ("socketpair", 53, 199),
    ("clone", 56, 220),
    ("fork", 57, None),
    ("vfork", 58, None),
    ("execve", 59, 221),
    ("kill", 62, 129),
    ("ptrace", 101, 117),
    ("tkill", 200, 130),
    ("process_vm_readv", 310, 270),
    ("process_vm_writev", 311, 271),
    ("execveat", 322, 281),
    ("pidfd_send_signal", 424, 424),
    ("clone3", 435, 435),
)

LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER_AT, ARCHITECTURE_AT = 0, 4
"""Offsets in struct seccomp_data."""
RET_KILL_PROCESS, RET_ERRNO, RET_ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
X32 = 0x40000000
"""From here on x86-64 counts the calls of another interface."""

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2


@dataclass(frozen=True, slots=True)
class Architecture:
    """audit: AUDIT_ARCH_*; column: which of a system call's numbers is meant."""

    audit: int
    column: int


ARCHITECTURES = {"x86_64": Architecture(0xC000003E, 0), "aarch64": Architecture(0xC00000B7, 1)}


def _numbers(table: Sequence[tuple[str, int, int | None]], column: int) -> list[int]:
    return [number for _, *numbers in table if (number := numbers[column]) is not None]


def assemble(architecture: Architecture) -> bytes:
    """The filter as the kernel's BPF instructions, 8 bytes each: code, jump if true, jump if false, operand."""
    allowed, deadly = _numbers(ALLOWED, architecture.column), _numbers(DEADLY, architecture.column)
    tests = [(number, 1) for number in deadly] + [(number, 2) for number in allowed]
    lines = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (EQUAL, 1, 0, architecture.audit),
        (RETURN, 0, 0, RET_KILL_PROCESS),
        (LOAD, 0, 0, NUMBER_AT),
        (AT_LEAST, len(tests), 0, X32),
    ]
    # Jumps count the instructions between: the three returns follow the tests, the refusal first.
    lines += [(EQUAL, len(tests) - 1 - place + way, 0, number) for place, (number, way) in enumerate(tests)]
    lines += [(RETURN, 0, 0, RET_ERRNO | errno.EPERM), (RETURN, 0, 0, RET_KILL_PROCESS), (RETURN, 0, 0, RET_ALLOW)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def filter_here() -> bytes | None:
    """The filter for this machine's kind of processor, or None."""
    architecture = ARCHITECTURES.get(os.uname().machine)
    return assemble(architecture) if architecture and sys.maxsize > 2**32 else None


class _Filter(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_char_p))


def install(libc: ctypes.CDLL, lines: bytes) -> bool:
    """Puts this process under a filter for good; needs PR_SET_NO_NEW_PRIVS. Whether the kernel took it."""
    program = _Filter(len(lines) // 8, lines)
    return bool(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)
