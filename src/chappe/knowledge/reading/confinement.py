"""What a process that parses strangers' files may do: little, and not for long."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

from chappe.knowledge.reading.limits import Limits

_LAST_WORDS = 64 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def confine(limits: Limits) -> None:
    """Bound this process, and what it starts, before it opens the file.

    The number of processes isn't bounded here: the kernel counts those of the whole account.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    largest = max(limits.unpacked_bytes, limits.file_bytes)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    if sys.platform == "linux":
        # The limit on address space counts what is mapped already (libraries, a shared cache).
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        room = mapped + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (room, room + _LAST_WORDS))
    if _libc is not None:
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # A network namespace of one's own has no network; where the system refuses one, readers
        # still open no connection: none of them has a client.
        if _libc.unshare(_CLONE_NEWNET) != 0:
            _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def make_room() -> None:
    """Once memory ran out: a little more of it, to say so."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends (Linux)."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def resident_bytes(pid: int) -> int:
    """Memory of a process and of its descendants (Linux; 0 elsewhere)."""
    total, waiting = 0, [pid]
    while waiting:
        process = waiting.pop()
        folder = Path(f"/proc/{process}")
        try:
            total += int((folder / "statm").read_text().split()[1]) * resource.getpagesize()
            for task in os.listdir(folder / "task"):
                waiting += map(int, (folder / "task" / task / "children").read_text().split())
        except (OSError, IndexError):
            continue
    return total
