"""What a tape tells of a call beyond its rows, for its page: the waveform, where each piece of the agent's voice lay on
the line, when each response first made sound, the model's sessions. Pure.

Made in one go with the records, and kept in the database beside them: the page of a long call can't wait for its tape.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from attrs import define, field, frozen

from bridge.prices import Prices
from bridge.store.line_sound import Bookmark, Listener, Piece, Sound
from bridge.store.peaks import peaks_of
from bridge.store.records import Records, records_of
from bridge.tapes.header import Header
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import BRIDGE, MODEL, OPENAI, Line, decode

Row: TypeAlias = dict[str, Any]
FORMAT: Final = 1
"""Of what is kept; of another one the tape is read."""

APART_MS: Final = 20_000
"""From one bookmark to the next: what lies between is read in 20 ms, and an hour of them takes 2 kB."""

DELTA: Final = b'"response.output_audio.delta"'
CREATED: Final = b'"response.created"'
FIRST_BYTES: Final = 60
"""In which a message of the model's says of what type it is; one that says it later only lacks its part of the page."""


@frozen
class Trace:
    """What of a call's page is in no row."""

    begins_ms: int
    """When the first stream began: there the waveform begins."""
    caller: bytes
    agent: bytes
    pieces: tuple[Piece, ...]
    prices: Prices
    responses: list[Row]
    sessions: list[Row]
    has_audio: bool = True
    bookmarks: tuple[Bookmark, ...] = ()
    """Where on the tape somebody may begin to read who wants to hear what comes next."""


@frozen
class Traced:
    """What was made of a tape in one go."""

    records: Records
    trace: Trace
    sound: Sound


@frozen
class TapeRows:
    """A call's records, and the row that its page has of it."""

    call_id: str
    records: Records
    waveform: Row


def rows_on(path: Path) -> TapeRows:
    """Return all rows of the call on a tape: what takes long about indexing. Raises `TapeError`."""
    tape = read_tape(path)
    made = traced(tape.header, tape.lines, is_torn=tape.is_torn)
    return TapeRows(tape.header.call_id, made.records, row_of(made.trace))


def traced(header: Header, lines: Iterable[bytes], *, is_torn: bool = False) -> Traced:
    """Return a call's records, its trace and its sound. Raises `TapeError`."""
    tracer = _Tracer(Listener.begun(header.agent_settings().clips))
    records = records_of(header, tracer.watched(lines), is_torn=is_torn)
    return Traced(records, *tracer.finish(header))


# ---------------------------------------------------------------- kept


def row_of(trace: Trace) -> Row:
    """Return the row in which a trace is kept."""
    return {"position": 0, "format": FORMAT, "data": zlib.compress(msgspec.json.encode(trace))}


def kept_trace(row: Mapping[str, Any]) -> Trace | None:
    """Return the trace that a row keeps; None of one that another version wrote."""
    if row["format"] != FORMAT:
        return None
    return msgspec.json.decode(zlib.decompress(row["data"]), type=Trace)


# ---------------------------------------------------------------- made


@define
class _Tracer:
    """Looks at each line before the records have it."""

    _listener: Listener
    _responses: dict[str, Row] = field(factory=dict)
    _sessions: list[Row] = field(factory=list)
    _bookmarks: list[Bookmark] = field(factory=list)
    _last_ms: int = 0

    def watched(self, lines: Iterable[bytes]) -> Iterator[Line]:
        """Yield the lines, decoded. Raises `TapeError`."""
        at_byte = due_ms = 0
        for number, raw in enumerate(lines):
            line = decode(raw)
            if line.t_ms >= due_ms and (found := self._listener.bookmark(line.t_ms, at_byte, number)):
                self._bookmarks.append(found)
                due_ms = line.t_ms + APART_MS
            at_byte, self._last_ms = at_byte + len(raw), line.t_ms
            self._listener.take(line)
            self._look(line)
            yield line

    def finish(self, header: Header) -> tuple[Trace, Sound]:
        """Return what was seen, and what was on the line."""
        self._end_session(self._last_ms, "")
        sound = self._listener.sound()
        caller, agent = peaks_of(sound)
        trace = Trace(
            sound.begins_ms, caller, agent, sound.pieces, header.prices_in_force(),
            list(self._responses.values()), self._sessions, header.has_audio, tuple(self._bookmarks),
        )  # fmt: skip
        return trace, sound

    def _look(self, line: Line) -> None:
        if line.leg == MODEL and line.sender == OPENAI and line.msg:
            self._look_at_answer(line)
        elif line.leg == MODEL and line.sender == BRIDGE and line.upgrade is not None:
            self._open_session(line.t_ms)
        elif line.session_opens:
            self._end_session(line.t_ms, "")
        elif line.session_over:
            self._end_session(line.t_ms, "the call goes on without the model")
        elif line.note is not None and line.note.get("kind") == "milestone":
            self._look_at_milestone(line.t_ms, line.note)
        elif line.end is not None:
            self._end_session(line.t_ms, "the call is over")

    def _look_at_answer(self, line: Line) -> None:
        start = bytes(line.msg)[:FIRST_BYTES]  # type: ignore[arg-type]  # not unset here
        if CREATED in start:
            response = line.message.get("response")
            if isinstance(response, dict) and isinstance(response.get("id"), str):
                self._responses[response["id"]] = {"id": response["id"], "created_ms": line.t_ms}
        elif DELTA in start and (known := self._silent_response(line)) is not None:
            known["first_delta_ms"] = line.t_ms

    def _silent_response(self, line: Line) -> Row | None:
        """Return the response that made its first sound with this; only one that has made none is looked for."""
        silent = [row for row in self._responses.values() if "first_delta_ms" not in row]
        if not silent:
            return None
        response_id = line.message.get("response_id")
        return next((row for row in silent if row["id"] == response_id), None)

    def _open_session(self, t_ms: int) -> None:
        if not self._sessions or self._sessions[-1]["ended_ms"] is not None:
            number = len(self._sessions) + 1
            self._sessions.append(
                {"number": number, "began_ms": t_ms, "ready_ms": None, "ended_ms": None, "why": ""}
            )

    def _look_at_milestone(self, t_ms: int, note: Row) -> None:
        session = self._sessions[-1] if self._sessions else None
        match note.get("name"):
            case "model_ready" | "session_followed" if session is not None and session["ready_ms"] is None:
                session["ready_ms"] = t_ms
            case "model_lost" | "session_left":
                self._end_session(t_ms, str(note.get("why", "")))

    def _end_session(self, t_ms: int, why: str) -> None:
        if self._sessions and self._sessions[-1]["ended_ms"] is None:
            self._sessions[-1].update(ended_ms=t_ms, why=why)
