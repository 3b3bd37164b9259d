"""Appending to files, and syncing them, so that they are still there after a power cut. All of it blocks."""

import errno
import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Final

from attrs import frozen

Write = Callable[[Path, bytes], None]
Sync = Callable[[Path], None]
Faults = dict[Path, OSError]

NOTHING_TO_SYNC: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})
"""What a file system says that knows no syncing, of folders for instance: there is nothing to be done about it."""

_sync_data: Final = getattr(os, "fdatasync", os.fsync)
"""macOS has `fsync` alone."""


def append_to(path: Path, data: bytes) -> None:
    """Append to a file, making it first if need be: all of it or, with an `OSError`, nothing.

    In as few calls as can be: beside a thread that computes, Python gets to go on only 5 ms after each.
    """
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    written = 0
    try:
        while written < len(data):
            written += os.write(number, data[written:] if written else data)
    except OSError:
        os.ftruncate(number, os.fstat(number).st_size - written)
        raise
    finally:
        os.close(number)


def sync(path: Path) -> None:
    """Return when what is in a file, or the names in a folder, would be found after a power cut. Raises `OSError`."""
    number = os.open(path, os.O_RDONLY)
    try:
        (os.fsync if path.is_dir() else _sync_data)(number)
    except OSError as error:
        if error.errno not in NOTHING_TO_SYNC:
            raise
    finally:
        os.close(number)


@frozen
class Piece:
    """What is to be appended to a tape, and what a tape that is not there would begin with."""

    path: Path
    header: Callable[[], bytes]
    data: bytes


def write_all(write: Write, pieces: Iterable[Piece]) -> Faults:
    """Append each piece, whatever becomes of the others; return what went wrong."""
    faults: Faults = {}
    for piece in pieces:
        try:
            _append(write, piece)
        except OSError as error:  # disk full, folder gone
            faults[piece.path] = error
    return faults


def _append(write: Write, piece: Piece) -> None:
    path, data = piece.path, piece.data
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not data.startswith(header := piece.header()):
            import structlog  # the indexer's process reads and writes tapes, and logs next to nothing

            structlog.get_logger(__name__).error(
                "tape was deleted while its call goes on; starting it again", path=str(path)
            )
            data = header + data
    write(path, data)


def sync_all(sync: Sync, paths: Collection[Path]) -> Faults:
    """Sync each tape, then its day's folder and the two above, in which new folders have names; return what went wrong.

    A tape that is gone was compressed meanwhile, or deleted: then it is begun again.
    """
    folders = {folder for path in paths for folder in path.parents[:3]}
    faults: Faults = {}
    for one in (*paths, *folders):
        try:
            sync(one)
        except FileNotFoundError:
            continue
        except OSError as error:
            faults |= {path: error for path in paths if one in (path, *path.parents)}
    return faults
