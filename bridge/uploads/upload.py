"""Putting a tape into object storage, and proving that it is there. Blocks.

An object is called by its call's day and id, so that one call of a year is read without a listing.
"""

from collections.abc import Iterator
from hashlib import md5, sha256
from pathlib import Path
from typing import Final

import msgspec

from bridge.errors import ObjectError
from bridge.objects import bucket
from bridge.objects.names import as_path, name_of
from bridge.objects.versions import erase, erase_older
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.names import DONE_SUFFIX, call_id_of
from bridge.tapes.reader import header_of
from bridge.uploads.stub import NOTHING, Stored, everything_of, is_uploaded, stored_of, write_stub

DIGEST: Final = 8
"""Letters of the hash in the name of a second tape of one call: two hosts may have been asked for it."""


def object_of(folder: str, tape: Path) -> Path:
    """Return where a tape goes in storage: its day's folder, and its name there.

    >>> object_of("s3://calls/tapes", Path("data/tapes/2026-11-23/CA1.jsonl.gz")).as_posix()
    's3:/calls/tapes/2026-11-23/CA1.jsonl.gz'
    """
    return as_path(folder) / tape.parent.name / tape.name


def upload(tape: Path, folder: str) -> bool:
    """Put a tape into storage, make sure of it, and leave its stub; say whether it is there now.

    It isn't when its call was erased meanwhile: then the object has gone again. Raises `ObjectError` and `OSError`.
    """
    mtime_ns, data = tape.stat().st_mtime_ns, tape.read_bytes()
    header = header_of(tape) or msgspec.structs.replace(NOTHING, call_id=call_id_of(tape))
    before = stored_of(tape)
    target = before.path if before is not None else _put_first(object_of(folder, tape), data)
    if before is not None:  # a tape that was changed since: it is ours
        version = bucket.put(target, data)
        if version:  # as a rule it has lost its sound: that must not stay in an older version
            erase_older(target, version)
    _make_sure(target, data)
    if not tape.exists() or Forgotten.in_folder(tape.parents[2]).has(call_id_of(tape)):
        erase(everything_of(target))
        return False
    write_stub(tape, header, Stored(name_of(target), len(data), sha256(data).hexdigest()), mtime_ns)
    return True


def _put_first(target: Path, data: bytes) -> Path:
    """Put an object where none is yet; return where it is. Beside another host's tape of the same call it gets a name
    of its own, and neither is lost."""
    if bucket.put_new(target, data) or _has(target, data):
        return target
    name = f"{call_id_of(target)}.{sha256(data).hexdigest()[:DIGEST]}{DONE_SUFFIX}"
    bucket.put(target.with_name(name), data)
    return target.with_name(name)


def _make_sure(target: Path, data: bytes) -> None:
    if not _has(target, data):
        raise ObjectError(f"{name_of(target)}: it is not what was sent")


def _has(target: Path, data: bytes) -> bool:
    """Say whether an object has these bytes: as a rule its tag is their MD5, and what is encrypted is read again."""
    found = bucket.look_at(target)
    if found is None or found.size != len(data):
        return False
    return found.tag == md5(data, usedforsecurity=False).hexdigest() or bucket.read(target) == data


def not_uploaded(tapes: Path, days: int = 0) -> Iterator[Path]:
    """Yield the complete tapes here that are not in storage as they are, the oldest first; of the last so many days
    that there are calls of, or of all."""
    folders = sorted(path for path in tapes.iterdir() if path.is_dir()) if tapes.is_dir() else []
    for folder in folders[-days:] if days else folders:
        for path in sorted(folder.glob(f"[!.]*{DONE_SUFFIX}")):
            try:
                if not is_uploaded(path):
                    yield path
            except FileNotFoundError:
                continue  # erased meanwhile
