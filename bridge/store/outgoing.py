"""What the record of a call that we made says: its CallSid, what came of it, and who or what answered. Pure."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from bridge.tapes.header import Header
from bridge.tapes.tape import Line
from bridge.wire.signed_form import CALL_SID

Row: TypeAlias = dict[str, Any]
PEOPLE: Final = {"human": "person", "pressed_key": "person", "fax": "fax"}
"""What a verdict means; anything Twilio calls a machine is one, and nobody else is a person."""


def sid_in(line: Line) -> str:
    """Return the CallSid that a line of Twilio's tells, or nothing."""
    form = (line.http or {}).get("form")
    told = (form if isinstance(form, dict) else line.resp or {}).get("CallSid")
    return told if isinstance(told, str) and CALL_SID.fullmatch(told) else ""


def outgoing_columns(header: Header, milestones: Iterable[Row], ended_by: str) -> Row:
    """Return these columns of a call's row; of calls that came in, nothing.

    What ends unanswered without a word of Twilio's was taken back by us, or failed by a fault of ours.
    """
    if not header.is_outgoing:
        return {"is_outgoing": False, "outcome": None, "answered_by": None}
    outcome, answered_by = "failed" if ended_by == "bridge" else "canceled", "unknown"
    for row in milestones:
        if row["name"] == "call_answered":
            outcome = "answered"
        elif row["name"] == "not_answered":
            outcome = str(row["data"].get("outcome", "failed"))
        elif row["name"] == "callee_judged" and answered_by != "person":
            answered_by = _who(str(row["data"].get("answered_by", "")))
    return {
        "is_outgoing": True,
        "outcome": outcome,
        "answered_by": answered_by if outcome == "answered" else None,
    }


def _who(verdict: str) -> str:
    return "machine" if verdict.startswith("machine") else PEOPLE.get(verdict, "unknown")
