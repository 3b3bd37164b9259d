"""Where a caller was during their call, stretch by stretch: on a stream, off it, with somebody else. Pure."""

import re
from typing import Any, Final, TypeAlias

from attrs import define, field

from bridge.heart.events import PhoneLeft, StreamStarted, StreamStopped
from bridge.store.late import of_a_recording
from bridge.tapes.lines import MOST, Leave
from bridge.tapes.tape import PHONE, Line, event_of

Row: TypeAlias = dict[str, Any]

STREAM, EXCURSION, DIAL = "stream", "excursion", "dial"


RECORDING: Final = re.compile(r"/away/([0-9]{1,6})/recording(?:\?|$)")


@define
class Legs:
    """One call's stretches, in the order in which they began."""

    rows: list[Row] = field(factory=list)
    _leg: int = 1
    _open: dict[str, Row] = field(factory=dict)
    _is_away: bool = False

    def take(self, line: Line) -> None:
        """Take in one line, of whatever kind."""
        if line.leave is not None:
            self._left(line.t_ms, line.leave)
        elif line.back is not None:
            self._leg, self._is_away = line.back["leg"], False
        elif line.end is not None:
            self.close(line.t_ms, "ended")
        elif line.leg == PHONE and line.is_input and (line.close is not None or _may_tell(line)):
            self._phone_told(line)
        elif line.note is not None and line.note.get("kind") == "milestone":
            self._milestone(line.t_ms, line.note)
        elif line.http is not None and (found := RECORDING.search(line.http.get("url", ""))):
            self._recording(int(found[1]), line.http.get("form") or {})

    def _begin(self, part: str, t_ms: int, number: int, **more: Any) -> Row:
        row: Row = {"part": part, "number": number, "step": None, "place": None, "began_ms": t_ms, "ended_ms": None,
                    "outcome": None, "taken_ms": None, "seconds": None, "data": {}, **more}  # fmt: skip
        self.rows.append(row)
        self._open[part] = row
        return row

    def _end(self, part: str, t_ms: int, outcome: str, **more: Any) -> None:
        row = self._open.pop(part, None)
        if row is not None:
            row.update(ended_ms=t_ms, outcome=outcome, **more)

    def _left(self, t_ms: int, leave: Leave) -> None:
        self._end(STREAM, t_ms, "left")
        self._end(EXCURSION, t_ms, "ended")
        self._is_away = True
        self._begin(EXCURSION, t_ms, leave["number"], step=leave["kind"], place=leave.get("to"))

    def _phone_told(self, line: Line) -> None:
        match event_of(line):
            case StreamStarted() if STREAM not in self._open and not self._is_away:
                self._begin(STREAM, line.t_ms, self._leg)
            case StreamStopped():
                self._end(STREAM, line.t_ms, "hung_up")
            case PhoneLeft(code):
                self._end(STREAM, line.t_ms, "hung_up" if code in (1000, 1001, 1005) else "lost")

    def _milestone(self, t_ms: int, note: Row) -> None:
        excursion = self._open.get(EXCURSION)
        if excursion is None or note.get("excursion") != excursion["number"]:
            return
        match note.get("name"):
            case "far_end":
                self._far_end(t_ms, excursion, str(note.get("what")))
            case "taken":
                for row in self._open.values():
                    row["taken_ms"] = t_ms
            case "excursion_ended":
                self._excursion_ended(t_ms, excursion, note)

    def _excursion_ended(self, t_ms: int, excursion: Row, note: Row) -> None:
        outcome, seconds, data = str(note.get("outcome")), note.get("seconds"), note.get("data")
        seconds = seconds if isinstance(seconds, int) and 0 <= seconds <= MOST else None
        data = data if isinstance(data, dict) else {}
        if DIAL not in self._open and "DialCallSid" in data:
            self._begin(DIAL, t_ms, excursion["number"], step=excursion["step"], place=excursion["place"])
        for part in (DIAL, EXCURSION):
            self._end(part, t_ms, outcome, seconds=seconds, data=data)

    def _far_end(self, t_ms: int, excursion: Row, what: str) -> None:
        row = self._open.get(DIAL)
        if row is None:
            row = self._begin(
                DIAL, t_ms, excursion["number"], step=excursion["step"], place=excursion["place"]
            )
        row["outcome"] = what

    def _recording(self, number: int, form: Row) -> None:
        """Keep what is told of a message later than that it was left: where its sound is, and its words."""
        for row in self.rows:
            if row["part"] == EXCURSION and row["number"] == number:
                row["data"] = row["data"] | of_a_recording(form)

    def close(self, t_ms: int, outcome: str) -> None:
        """The call is over: so is all of it."""
        for part in list(self._open):
            self._end(part, t_ms, outcome)


def _may_tell(line: Line) -> bool:
    """Say whether a message of the phone's may be a start or a stop: fifty others come in a second."""
    start = bytes(line.msg)[:60] if line.msg else b""
    return b'"start"' in start or b'"stop"' in start
