"""Copies of tapes out of storage, for whoever looks at a call: a few, that go with their call and make room for others.

They lie with what else was made of a call to be looked at, so whoever erases it, or its sound, erases them too.
"""

import os
from pathlib import Path
from typing import Final

from bridge.errors import ObjectError, TapeError
from bridge.objects.bucket import read
from bridge.objects.names import is_object
from bridge.tapes.names import DONE_SUFFIX, READY
from bridge.uploads.stub import located, stub_of

MOST_COPIES: Final = 16
"""An hour of talk has some 20 MB each."""


def nearby(data: Path, call_id: str, named: str) -> Path:
    """Return a file with the tape that a row of the database names: its own, or a copy. Raises `TapeError`."""
    found = located(data, named)
    if not is_object(found):
        return found
    copy = data / READY / call_id / f"{call_id}{DONE_SUFFIX}"
    stamp_ns = 0 if is_object(named) else _written_ns(stub_of(data / named))
    if _written_ns(copy) != stamp_ns:
        _bring(found, copy, stamp_ns)
        _make_room(data / READY)
    return copy


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1


def _bring(tape: Path, copy: Path, stamp_ns: int) -> None:
    part = copy.with_name(f".{copy.name}.{os.getpid()}.part")
    try:
        content = read(tape)
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.write_bytes(content)
        os.utime(part, ns=(stamp_ns, stamp_ns))
        os.replace(part, copy)
    except (ObjectError, OSError) as error:
        raise TapeError(str(error)) from None
    finally:
        part.unlink(missing_ok=True)


def _make_room(ready: Path) -> None:
    """Delete the copies that were brought longest ago, but for so many."""
    copies = sorted(ready.glob(f"*/*{DONE_SUFFIX}"), key=lambda copy: copy.stat().st_ctime_ns)
    for copy in copies[:-MOST_COPIES]:
        copy.unlink(missing_ok=True)
