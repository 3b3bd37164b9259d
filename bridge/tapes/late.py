"""What Twilio tells of a call when its tape is complete, and what people think of it: lines behind the end, not many.
Blocks.
"""

import gzip
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from attrs import frozen

from bridge.errors import TapeError
from bridge.tapes.files import sync
from bridge.tapes.forgotten import Forgotten
from bridge.tapes.lines import MOST_MS
from bridge.tapes.names import DONE_SUFFIX, call_id_of
from bridge.tapes.odd_tapes import about
from bridge.tapes.reader import Tape, path_on_disk, read_tape
from bridge.tapes.tape import BRIDGE, HTTP, NOTE, TWILIO, Line, decode, encode
from bridge.wire.twilio_http import AWAY_NUMBER

MOST_LATE: Final = 20
"""Requests behind the end of a tape: a failure plan has a few steps, a message two or three callbacks."""

MOST_MARKS: Final = 100
MOST_LABEL: Final = 60
MOST_CHARACTERS: Final = 8000
"""Of one parameter: what somebody says in two minutes, written down, has a quarter of it."""


@frozen
class Late:
    """A signed request about a call that is over, as its tape keeps it; `told` is what its caller heard then."""

    call_sid: str
    agent: str
    call_ids: tuple[str, ...]
    """What the call may be called, the likeliest first."""
    http: Mapping[str, Any]
    at: datetime
    told: Mapping[str, str] | None = None

    @property
    def line(self) -> Line:
        """Return the request's line, bounded, at the beginning of the tape."""
        form = {name[:100]: value[:MOST_CHARACTERS] for name, value in self.http["form"].items()}
        return Line(t_ms=0, leg=HTTP, sender=TWILIO, http={**self.http, "form": form})


@frozen
class Mark:
    """What somebody thinks of a call: good, bad or neither, a word to find it by, and what they noted."""

    call_id: str
    by: str
    at: datetime
    mark: str = ""
    label: str = ""
    text: str = ""

    @property
    def line(self) -> Line:
        """Return its line, bounded, at the beginning of the tape."""
        note = {
            "kind": "mark", "given_at": f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "by": self.by[:MOST_LABEL],
            "mark": self.mark, "label": self.label[:MOST_LABEL], "text": self.text[:MOST_CHARACTERS],
        }  # fmt: skip
        return Line(t_ms=0, leg=NOTE, sender="operator", note=note)


def keep_mark(folder: Path, mark: Mark) -> Path | None:
    """Put a mark behind the end of its call's tape; return the tape, None while no complete one is there.

    Raises `TapeError` and `OSError`, and has changed nothing then.
    """
    path = path_on_disk(folder, mark.call_id)
    if path is None or not path.name.endswith(DONE_SUFFIX):
        return None
    tape, line = read_tape(path), mark.line
    if sum(b'"kind":"mark"' in raw[:100] for raw in _behind_the_end(tape)) >= MOST_MARKS:
        raise TapeError(f"{mark.call_id}: it has {MOST_MARKS} marks and notes: no more are kept")
    line.t_ms = _ms_at(tape, mark.at)
    _add(tape, encode(line))
    return path


def mark_on(path: Path) -> str:
    """Return what was said last of the call on a tape: good, bad, or nothing. Raises `TapeError`."""
    notes = [decode(raw).note for raw in _behind_the_end(read_tape(path)) if b'"kind":"mark"' in raw[:100]]
    return str(notes[-1]["mark"]) if notes and notes[-1] else ""


def keep_late(folder: Path, late: Late) -> Path | None:
    """Put a request behind the end of its call's tape, once; return the tape, None while no complete one is there.

    Raises `TapeError` and `OSError`, and has changed nothing then.
    """
    for call_id in late.call_ids:
        path = path_on_disk(folder, call_id)
        if path is None or not path.name.endswith(DONE_SUFFIX):
            continue
        tape = read_tape(path)
        if _is_about(tape, late):
            _append(tape, late)
            return path
    return None


def _is_about(tape: Tape, late: Late) -> bool:
    """Say whether a tape is of this agent's call, and of one that was where the request says."""
    header, of_account = tape.header, late.http["form"].get("AccountSid", "")
    if header.agent != late.agent or (header.account_sid and of_account not in ("", header.account_sid)):
        return False
    found = AWAY_NUMBER.search(late.http["url"])
    leaves = (decode(raw).leave for raw in tape.lines if b'"leave":' in raw[:100])
    last = max((leave["number"] for leave in leaves if leave is not None), default=0)
    return found is None or 1 <= int(found[1]) <= last + _was_cut_off(tape)


def _was_cut_off(tape: Tape) -> bool:
    """Say whether a process died with the call: then the last thing it did may not have reached the disk."""
    ends = [decode(raw).end for raw in tape.lines if b'"end":' in raw[:100]]
    return any(end is not None and (end["by"], end["why"]) == (BRIDGE, "crashed") for end in ends)


def _append(tape: Tape, late: Late) -> None:
    lines = [decode(raw) for raw in tape.lines if b'"http":' in raw[:100]]
    line = late.line
    if any(known.http == line.http for known in lines):
        return  # Twilio asks again when it got no answer, and so may whoever has seen the request
    if sum(b'"http":' in raw[:100] for raw in _behind_the_end(tape)) >= MOST_LATE:
        import structlog  # the indexer's process reads and writes tapes, and logs next to nothing

        structlog.get_logger(__name__).warning(
            "too many requests about a call that is over", call_id=tape.header.call_id
        )
        return
    line.t_ms = _ms_at(tape, late.at)
    added = encode(line)
    if late.told is not None:
        added += encode(Line(t_ms=line.t_ms, leg=HTTP, sender=BRIDGE, resp=dict(late.told)))
    _add(tape, added)


def _ms_at(tape: Tape, at: datetime) -> int:
    """Return a moment on a tape's clock, behind all that is on it."""
    passed = at - _moment(tape.header.started_at, at)
    return min(max(int(passed.total_seconds() * 1000), _last_ms(tape)), MOST_MS)


def _add(tape: Tape, added: bytes) -> None:
    def write(source: IO[bytes], target: IO[bytes]) -> None:
        while block := source.read(2**20):
            target.write(block)
        target.write(added)

    rewritten(tape.path, write)


def _behind_the_end(tape: Tape) -> list[bytes]:
    ends = [place for place, raw in enumerate(tape.lines) if b'"end":' in raw[:100] and decode(raw).end]
    return tape.lines[ends[-1] + 1 :] if ends else []


def _last_ms(tape: Tape) -> int:
    return decode(tape.lines[-1]).t_ms if tape.lines else 0


def _moment(text: str, unless: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return unless
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def rewritten(path: Path, write: Callable[[IO[bytes], IO[bytes]], None]) -> bool:
    """Replace a complete tape by what `write` makes of it; say whether it is still there.

    Never leaves a moment without one, whatever the power does. Raises what `write` raises, and `OSError`; nothing has
    changed then.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with about(path), gzip.open(path, "rb") as source, gzip.open(part, "wb", compresslevel=5) as target:
            write(source, target)  # type: ignore[arg-type]  # a GzipFile reads and writes like any other
        sync(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    if Forgotten.in_folder(path.parents[2]).has(call_id_of(path)):  # erased meanwhile: it must not come back
        path.unlink(missing_ok=True)
        return False
    return True
