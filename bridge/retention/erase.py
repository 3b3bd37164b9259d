"""Taking what was recorded off the disk: rows with their bytes, tapes with all that lies beside them. Blocks."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from glob import escape
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

import duckdb
import msgspec
from attrs import define, field

from bridge.errors import HeldError, TapeError
from bridge.heart.events import SessionCreated
from bridge.objects.versions import erase as erase_versions
from bridge.store.database import KEPT, Store, explained, quoted
from bridge.store.database_files import delete_database, replace_database, wal_of
from bridge.tapes.header import decode_header
from bridge.tapes.late import rewritten
from bridge.tapes.line_reading import checked
from bridge.tapes.names import READY, STORED_SUFFIX
from bridge.tapes.odd_tapes import about
from bridge.tapes.redact import soundless
from bridge.tapes.restore import Restorer
from bridge.tapes.tape import MODEL, PHONE, Line, encode, event_of
from bridge.uploads.stub import everything_of, read_stub

CACHE: Final = "vad-cache"
"""Where the lab keeps what it heard in a call's audio, under the hash of that audio."""

# ---------------------------------------------------------------- rows


def erase_rows(store: Store, call_ids: Iterable[str]) -> dict[str, int]:
    """Erase all rows of these calls; return how many there were, by table. Raises `StoreError`.

    The file is written anew: DELETE and CHECKPOINT leave the words of a deleted row in its free blocks, and other
    writes leave them there (measured with DuckDB 2.0).
    """
    if not store.path.exists():
        delete_database(store.path)  # a log that somebody left behind holds rows too
        return {}
    erased = list(call_ids)
    counts = _counts(store, erased)
    fresh = store.path.with_suffix(".rewriting")
    try:
        with explained(store.path):
            _copy(store.path, fresh, without=erased)
    finally:
        delete_database(fresh)
    return counts


def _counts(store: Store, call_ids: list[str]) -> dict[str, int]:
    counted = ", ".join(
        f"(select count(*) from {table} where call_id in (select unnest(?::varchar[]))) as {table}"
        for table in KEPT
    )
    (row,) = store.query(f"select {counted}", [call_ids] * len(KEPT))
    return row


def _copy(path: Path, fresh: Path, *, without: list[str]) -> None:
    """Put a copy without these calls in the file's place; nobody else can write to it meanwhile."""
    delete_database(fresh)
    Store(fresh).add([])
    if wal_of(path).exists():
        raise HeldError(f"{path}: another process holds it, or died: try again")
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute(f"attach {quoted(path)} as old (read_only)")
        connection.execute(f"attach {quoted(fresh)} as fresh")
        for table in KEPT:
            kept = f"select * from old.{table} where call_id not in (select unnest(?::varchar[]))"
            connection.execute(f"insert into fresh.{table} by name {kept}", [without])
        connection.execute("checkpoint fresh")
        connection.execute("detach fresh")
        replace_database(fresh, path)


# ---------------------------------------------------------------- tapes


def files_of(tapes: Path, call_id: str) -> list[Path]:
    """Return every file of a call: tape, labels, what a process that died left half done, what is ready of it."""
    name = escape(call_id)
    found = [path for pattern in (f"*/{name}.*", f"*/.{name}.*") for path in tapes.glob(pattern)]
    return sorted(path for path in (*found, *ready_of(tapes.parent, call_id)) if path.is_file())


def ready_of(data: Path, call_id: str) -> list[Path]:
    """Return the files that the console has made of a call's tape."""
    return sorted((data / READY / call_id).glob("*"))


def erase_objects(paths: Iterable[Path]) -> tuple[list[Path], int]:
    """Erase what these stubs say is in storage, in all versions; return what their names begin with, and how many there
    were. Raises `ObjectError`."""
    found = [
        stub[1] for path in paths if path.suffix == STORED_SUFFIX and (stub := read_stub(path)) is not None
    ]
    beginnings = [everything_of(stored.path) for stored in found]
    return beginnings, sum(map(erase_versions, beginnings))


def erase_files(paths: Iterable[Path]) -> tuple[int, int]:
    """Delete files, and folders that are empty then; return how many there were, and their bytes."""
    count = size = 0
    for path in paths:
        try:
            bytes_of_it = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        count, size = count + 1, size + bytes_of_it
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    return count, size


def silence(path: Path) -> bool:
    """Rewrite a complete tape with silence in place of every sound; say whether it is still there.

    Words, decisions and times stay as they are, to the byte. Raises `TapeError` and `OSError`, and has changed
    nothing then.
    """
    try:
        return rewritten(path, _silence_lines)
    except (EOFError, zlib.error) as error:
        raise TapeError(f"{path}: can't be read: {error}") from None


def _silence_lines(source: IO[bytes], target: IO[bytes]) -> None:
    target.write(_soundless_header(source.readline()))
    for raw in source:
        target.write(_soundless(raw))


def _soundless_header(raw: bytes) -> bytes:
    decode_header(raw)
    return msgspec.json.encode({**msgspec.json.decode(raw), "has_audio": False}) + b"\n"


def _soundless(raw: bytes) -> bytes:
    if b"audio" not in raw and b"payload" not in raw and b'"binary"' not in raw:
        return raw
    line = checked(raw)
    quiet = soundless(line)
    return raw if quiet is line else encode(quiet)


# ---------------------------------------------------------------- what the lab heard in them


def hearing_of(data: Path, tape: Path) -> list[Path]:
    """Return the files of the lab's cache about this tape's audio; none when it can't be read, or had none."""
    if not (data / CACHE).is_dir():
        return []
    try:
        with about(tape), gzip.open(tape, "rb") if tape.suffix == ".gz" else tape.open("rb") as file:
            lines = iter(file)
            next(lines, b"")
            key = sha256(given_audio(map(checked, lines))).hexdigest()
    except (OSError, EOFError, zlib.error, TapeError):
        return []
    return sorted((data / CACHE).glob(f"*/*/{key}.f32*"))


def given_audio(lines: Iterable[Line]) -> bytes:
    """Return the caller's audio as the model's last session on a tape was given it. Raises `TapeError`."""
    given = _Given()
    for line in lines:
        given.take(line)
    return bytes(given.audio)


@define
class _Given:
    """Walks through a tape; a new session of the model's begins anew."""

    audio: bytearray = field(factory=bytearray)
    _restorer: Restorer = field(factory=Restorer)

    def take(self, line: Line) -> None:
        """Take in one line."""
        self._restorer.decided(line)
        if line.append is not None:
            self.audio += self._restorer.appended(line)
        elif line.is_input and line.leg in (PHONE, MODEL):
            event = event_of(line)
            self._restorer.learn(event)
            if isinstance(event, SessionCreated):
                self.audio.clear()


def day_folders(tapes: Path) -> Iterator[Path]:
    """Yield the folders of tapes, the oldest day first."""
    if tapes.is_dir():
        yield from sorted(path for path in tapes.iterdir() if path.is_dir())
