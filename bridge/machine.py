"""What a process asks of its machine: room for many sockets, children, a quiet collector, an end without hanging."""

import ctypes
import errno
import gc
import os
import resource
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

MOST_FILES: Final = 65_536


def file_limit() -> int:
    """Return how many files and sockets this process may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft if soft != resource.RLIM_INFINITY else MOST_FILES


def host_name() -> str:
    """Return what this machine calls itself, without its domain."""
    return socket.gethostname().partition(".")[0]


def child(module: str, *arguments: str) -> list[str]:
    """Return the command of a process of ours: a module of this installation, run by this Python.

    Without `-P` the folder one stands in comes before the standard library: a user's `calendar.py` would be imported
    for the module of that name. Tools are looked for where the configuration file is, by whoever loads them.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


SPARE_FILES: Final = 32
"""What a process needs beside its calls: tapes being written, webhooks, the admin address, an indexer to start."""

FILES_A_CALL: Final = 4
"""Its two sockets, its tape, and one to spare."""


def files_left() -> int:
    """Return how many more files and sockets this process may open; looks at all it has, 0.2 ms for a thousand."""
    try:
        return file_limit() - len(os.listdir("/dev/fd"))
    except OSError as error:  # none left to look with; or a system without such a folder
        return 0 if error.errno in (errno.EMFILE, errno.ENFILE) else MOST_FILES


def raise_file_limit() -> None:
    """Take as many files and sockets as the system lets us have: a call needs two or three, and 1024 are soon gone."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if file_limit() < wanted:
        with suppress(OSError, ValueError):  # macOS has limits of its own beside this one
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


QUOTA: Final = "/sys/fs/cgroup{group}/cpu.max"
"""Of control groups: "200000 100000" are two cores, "max 100000" is no quota. A container sees its own as "/"."""


def usable_cores() -> int:
    """Return how many cores this process may keep busy: those it may run on, and no more than its quota has."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        group = Path("/proc/self/cgroup").read_text().strip().removeprefix("0::").rstrip("/")
        return min(allowed, quota_in(Path(QUOTA.format(group=group)).read_text()) or allowed)
    except OSError:  # no Linux, or control groups of the first kind
        return allowed


def quota_in(text: str) -> int:
    """Return how many cores a `cpu.max` allows, rounded up, at least 1; 0 when it sets no bound."""
    words = text.split()
    if len(words) != 2 or not all(map(str.isdecimal, words)) or int(words[1]) == 0:
        return 0
    return max(1, -(-int(words[0]) // int(words[1])))


M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Of glibc's mallopt(3)."""

LARGE_BYTES: Final = 128 * 2**10
"""glibc's own first value of both thresholds. Left to itself it raises them with each large block that is freed, up to
32 MiB, and from then on large blocks are cut from the heap and leave holes."""


def steady_malloc() -> None:
    """Let malloc keep little of what is free: with an arena a thread, memory grew by 4 % in every thousand calls.

    To be called before there are threads. Other C libraries than glibc have no such settings.
    """
    with suppress(OSError, AttributeError):
        c = ctypes.CDLL(None)
        c.mallopt(M_ARENA_MAX, 2)
        c.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        c.mallopt(M_TRIM_THRESHOLD, LARGE_BYTES)


def settle_memory() -> None:
    """Take what is loaded by now out of every later garbage collection: a full one stopped all calls for 240 ms."""
    gc.unfreeze()
    give_back_memory()
    gc.freeze()


def give_back_memory() -> None:
    """Collect all garbage, and give the system back what malloc keeps of what is free: some ms, so between calls."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes(process: int | str = "self") -> int:
    """Return how much memory a process has, this one by default; 0 where it or Linux' /proc is not."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_bytes().split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def leave_hung_threads(code: int) -> None:
    """End the process now if a thread still works, a tool's or a dead disk's: the interpreter would trip over it."""
    if threading.active_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
