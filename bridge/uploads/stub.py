"""What stands beside a tape that is in object storage, and stays when the tape goes: whose it is, and where it lies.

Its first line is the tape's header without numbers and settings, so whoever asks whose call it was reads it as a
tape's; its second says which object it is. It has the tape's own time: a tape that was changed since is not in storage
as it is, and nobody has to read anything to know that.
"""

import os
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import Final

import msgspec

from bridge.errors import TapeError
from bridge.objects.bucket import read
from bridge.objects.names import as_path, is_object
from bridge.tapes.header import Header, decode_header, encode_header
from bridge.tapes.names import DONE_SUFFIX, STORED_SUFFIX, call_id_of


class Stored(msgspec.Struct, frozen=True):
    """Where a tape lies in storage, and which bytes it was proved to have there."""

    object: str
    bytes: int
    sha256: str

    @property
    def path(self) -> Path:
        """Return the object's path, for whoever opens it as a tape."""
        return as_path(self.object)


def stub_of(tape: Path) -> Path:
    """Return where a tape's stub is, or would be."""
    return tape.with_name(call_id_of(tape) + STORED_SUFFIX)


def tape_of(stub: Path) -> Path:
    """Return where the tape of a stub is, or was."""
    return stub.with_name(stub.name.removesuffix(STORED_SUFFIX) + DONE_SUFFIX)


def is_uploaded(tape: Path) -> bool:
    """Say whether a tape is in storage as it is here. Raises `FileNotFoundError` for a tape that isn't."""
    changed = tape.stat().st_mtime_ns
    try:
        return stub_of(tape).stat().st_mtime_ns == changed
    except FileNotFoundError:
        return False


def write_stub(tape: Path, header: Header, stored: Stored, mtime_ns: int) -> None:
    """Leave a tape's stub, whole or not at all, with the time of the tape that was sent. Raises `OSError`."""
    short = Header(
        tape=header.tape, call_id=header.call_id, call_sid=header.call_sid, account_sid=header.account_sid,
        agent=header.agent, asked_agent=header.asked_agent, started_at=header.started_at, model=header.model,
        is_outgoing=header.is_outgoing, opened_by=header.opened_by, has_audio=header.has_audio,
    )  # fmt: skip
    part = tape.with_name(f".{call_id_of(tape)}{STORED_SUFFIX}.{os.getpid()}.part")
    try:
        part.write_bytes(encode_header(short) + msgspec.json.encode(stored) + b"\n")
        os.utime(part, ns=(mtime_ns, mtime_ns))
        os.replace(part, stub_of(tape))
    finally:
        part.unlink(missing_ok=True)


def read_stub(stub: Path) -> tuple[Header, Stored] | None:
    """Return whose tape it was and where it is; None when there is no stub, or none that can be read."""
    try:
        first, second = stub.read_bytes().split(b"\n")[:2]
        return decode_header(first), msgspec.json.decode(second, type=Stored)
    except (OSError, ValueError, TapeError):
        return None


def stored_of(tape: Path) -> Stored | None:
    """Return where a tape lies in storage, if it does; it need not be here any more."""
    found = read_stub(stub_of(tape))
    return None if found is None else found[1]


def everything_of(stored: Path) -> Path:
    """Return what the names of all objects of a call begin with, also of the tape that another host has of it."""
    return stored.with_name(stored.name.partition(".")[0] + ".")


def fetch(stub: Path) -> Path:
    """Bring a tape back from storage to where it was, for what can be done with a file alone; return it.

    Raises `TapeError` for a stub that can't be read, `ObjectError`, `OSError`.
    """
    found, tape = read_stub(stub), tape_of(stub)
    if found is None:
        raise TapeError(f"{stub}: can't be read: nobody knows where its tape is")
    part = tape.with_name(f".{tape.name}.{os.getpid()}.part")
    try:
        part.write_bytes(read(found[1].path))
        os.utime(part, ns=(stub.stat().st_mtime_ns,) * 2)
        os.replace(part, tape)
    finally:
        part.unlink(missing_ok=True)
    return tape


def bring_back(tapes: Path, call_id: str) -> None:
    """Bring the tape of a call back from storage, if it is there alone. Raises what `fetch` does."""
    for stub in tapes.glob(f"*/{escape(call_id)}{STORED_SUFFIX}"):
        if not tape_of(stub).exists():
            fetch(stub)


def stored_alone(tapes: Path) -> Iterator[Stored]:
    """Yield where each tape lies that is in storage and no longer here, the oldest first."""
    for stub in sorted(tapes.glob(f"*/[!.]*{STORED_SUFFIX}")):
        if not tape_of(stub).exists() and (found := read_stub(stub)) is not None:
            yield found[1]


def located(data: Path, named: str) -> Path:
    """Return where a tape can be read that a row of the database names: in the data folder, or in storage."""
    return as_path(named) if is_object(named) else lying(data / named)


def lying(tape: Path) -> Path:
    """Return where a tape can be read: here, or in storage once it has gone from here."""
    if tape.is_file():
        return tape
    stored = stored_of(tape)
    return tape if stored is None else stored.path


NOTHING: Final = Header(call_id="", call_sid="", account_sid="", agent="", started_at="1970-01-01T00:00:00Z")
"""Stands for the header of a tape that has none to read: it is kept all the same."""
