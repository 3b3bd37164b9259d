"""What a tape tells behind its end: a caller who came back too late, and a recording that was made afterwards. Pure."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from attrs import define, field

from bridge.tapes.tape import BRIDGE, HTTP, TWILIO, Line
from bridge.wire.twilio_http import AWAY_NUMBER, FAILURE, excursion_ended

Row: TypeAlias = dict[str, Any]

CAME_BACK: Final = "came_back_after_the_end"
"""Twilio asked what comes next for a caller whose call was over."""

PLAN_WENT_ON: Final = "failure_step_after_the_end"
"""A step of the failure plan that was offered then is over."""

MARK: Final = "mark"
OF_A_MARK: Final = {
    "given_at": "given_at",
    "by": "given_by",
    "mark": "mark",
    "label": "label",
    "text": "note",
}
"""What stands on the tape, and which column of its row it is."""

TOLD: Final = "recording_told_after_the_end"
OF_A_RECORDING: Final = (
    "RecordingSid",
    "RecordingUrl",
    "RecordingStatus",
    "RecordingDuration",
    "TranscriptionText",
)


def of_a_recording(form: Mapping[str, Any]) -> dict[str, str]:
    """Return what a request says of a recording: where its sound is, how long it is, and its words."""
    return {name: str(form[name]) for name in OF_A_RECORDING if form.get(name)}


@define
class LateLines:
    """The milestones behind a tape's end, and the marks that people gave."""

    rows: list[Row] = field(factory=list)
    marks: list[Row] = field(factory=list)

    def take(self, line: Line) -> None:
        """Take in a line that stands there: Twilio's request, and behind it what its caller was told."""
        if line.note is not None and line.note.get("kind") == MARK:
            self.marks.append({OF_A_MARK[name]: line.note[name] for name in OF_A_MARK})
        if line.leg != HTTP:
            return
        if line.sender == TWILIO and line.http is not None:
            self.rows.append(_row(line.t_ms, line.http.get("url", ""), line.http.get("form") or {}))
        elif line.sender == BRIDGE and line.resp is not None and self.rows:
            self.rows[-1]["data"] |= line.resp


def _row(t_ms: int, url: str, form: Row) -> Row:
    if found := FAILURE.search(url):
        ended = excursion_ended(int(found[2]), form)
        data = {"cause": found[1], "taken": int(found[2]), "outcome": ended.outcome, **of_a_recording(form)}
        return {"name": PLAN_WENT_ON, "t_ms": t_ms, "data": data}
    found = AWAY_NUMBER.search(url)
    number = int(found[1]) if found else 0
    if found and url[found.end() :].startswith("recording"):
        return {"name": TOLD, "t_ms": t_ms, "data": {"excursion": number, **of_a_recording(form)}}
    outcome = excursion_ended(number, form).outcome if found else ""
    return {
        "name": CAME_BACK,
        "t_ms": t_ms,
        "data": {"excursion": number, "outcome": outcome} if found else {},
    }
