"""What a page shows of a call beyond its records, from the same lines: its sound, first sounds, the model's sessions.

Pure. Fed in one go with the records, so that a tape is read once.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from attrs import define, field, frozen

from bridge.page.sound import Listener, Sound
from bridge.page.tape_lines import TapeLines
from bridge.prices import Prices
from bridge.store.records import Records, records_of
from bridge.tapes.header import Header
from bridge.tapes.restore import Restorer
from bridge.tapes.tape import BRIDGE, MODEL, OPENAI, Line, decode

Row: TypeAlias = dict[str, Any]
DELTA: Final = b'"response.output_audio.delta"'
CREATED: Final = b'"response.created"'
FIRST_BYTES: Final = 60
"""In which a message of the model's says of what type it is; one that says it later only lacks its part of the page."""


@frozen
class Trace:
    """What was on the line, what the call was priced by, when each response was begun and first made sound, the
    sessions, the tape in short."""

    sound: Sound
    prices: Prices
    responses: list[Row]
    sessions: list[Row]
    lines: Row


def traced(header: Header, lines: Iterable[bytes], *, is_torn: bool = False) -> tuple[Records, Trace]:
    """Return a call's records and its trace. Raises `TapeError`."""
    tracer = _Tracer(Listener(audio=Restorer(header.agent_settings().clips)))
    records = records_of(header, tracer.watched(lines), is_torn=is_torn)
    return records, tracer.finish(header.prices_in_force())


@define
class _Tracer:
    """Looks at each line before the records have it."""

    _listener: Listener
    _lines: TapeLines = field(factory=TapeLines)
    _responses: dict[str, Row] = field(factory=dict)
    _sessions: list[Row] = field(factory=list)
    _last_ms: int = 0

    def watched(self, lines: Iterable[bytes]) -> Iterator[Line]:
        """Yield the lines, decoded. Raises `TapeError`."""
        for raw in lines:
            line = decode(raw)
            self._last_ms = line.t_ms
            self._listener.take(line)
            self._lines.take(line, raw)
            self._look(line)
            yield line

    def finish(self, prices: Prices) -> Trace:
        """Return what was seen."""
        self._end_session(self._last_ms, "")
        sound, responses = self._listener.sound(), list(self._responses.values())
        return Trace(sound, prices, responses, self._sessions, self._lines.finish())

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
