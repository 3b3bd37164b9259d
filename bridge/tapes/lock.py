"""Who records in a data folder: one daemon at a time, kept apart by a lock that goes with its process."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.errors import StoreError
from bridge.tapes.names import OPEN_SUFFIX


@contextmanager
def held_alone(folder: Path) -> Iterator[int | None]:
    """Keep other daemons out of a data folder: each would take the other's live tapes for torn ones.

    Yields the open file that is the lock. It goes with the process, however that dies, and with every process that
    inherited the file. Raises `StoreError` when another daemon is there.
    """
    if sys.platform == "win32":  # no flock there
        yield None
        return
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            who = file.read().strip() or "unknown"
            raise StoreError(
                f"{folder}: another bridge (process {who}) records here; stop it, or give this one a [recording] "
                "folder of its own"
            ) from None
        file.truncate(0)
        print(os.getpid(), file=file, flush=True)
        yield file.fileno()


@contextmanager
def one_after_the_other(folder: Path, name: str = ".indexer") -> Iterator[None]:
    """Wait until no other process indexes in a data folder, as one whose daemon died may; then keep others waiting.

    A lock of its own, so that a new daemon has to wait for nobody.
    """
    if sys.platform == "win32":  # no flock there
        yield
        return
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_live(tape: Path) -> bool:
    """Say whether a tape is being written: it is open, and a daemon records in its folder."""
    data = tape.parent.parent.parent
    is_open = tape.name.endswith(OPEN_SUFFIX) and (data / ".lock").exists()
    try:
        return is_open and is_held(data)
    except OSError:  # somebody else's folder
        return False


def is_held(folder: Path) -> bool:
    """Say whether a daemon records in this folder now, so that its open tapes are live calls."""
    if not folder.is_dir():
        return False
    try:
        with held_alone(folder):
            return False
    except StoreError:
        return True


def who_records(folder: Path) -> int | None:
    """Return the process that records in this folder now; None when there is none, or it can't be told."""
    try:
        return int((folder / ".lock").read_text().strip()) if is_held(folder) else None
    except (OSError, ValueError):
        return None
