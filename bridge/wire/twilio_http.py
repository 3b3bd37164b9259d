"""Twilio's requests about a call that goes on, once they are known to be Twilio's: read as events. Pure.

What an address asks for stands in its path, and what came of it in its form. Parameters:
https://www.twilio.com/docs/voice/twiml/dial#attributes-action, and the pages of <Record>, <Gather>, <Enqueue>, <Refer>
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from bridge.heart.events import CallerAway, Event, ExcursionEnded, FarEndTold

NEXT: Final = re.compile(r"/voice/[^/?]+/next(?:\?(?:.*&)?leg=([0-9]{1,6}))?")
AWAY: Final = re.compile(r"/voice/[^/?]+/away/([0-9]{1,6})/(whisper|key|leg|back)(?:\?|$)")
AWAY_NUMBER: Final = re.compile(r"/voice/[^/?]+/away/([0-9]{1,6})/")
FAILURE: Final = re.compile(r"/voice/[^/?]+/failure/([a-z]{1,11})/([0-9]{1,2})(?:\?|$)")
"""The next step of a failure plan, of those that are walked without a call."""

ACCEPT_KEY: Final = "1"
"""What the person who answers presses to take the call."""

HUNG_UP: Final = "hangup"
"""What <Record> has in place of a key when the caller hung up."""

OF_DIAL: Final[Mapping[str, str]] = {
    "completed": "completed", "answered": "completed", "busy": "busy", "no-answer": "no_answer", "failed": "failed",
    "canceled": "canceled",
}  # fmt: skip
OF_REFER: Final[Mapping[str, str]] = {"in-progress": "completed"} | dict(OF_DIAL)
OF_QUEUE: Final[Mapping[str, str]] = {
    "bridged": "bridged", "bridging-in-process": "bridged", "redirected-from-bridged": "bridged", "hangup": "hung_up",
    "leave": "left", "queue-full": "full",
}  # fmt: skip
OF_LEG: Final[Mapping[str, str]] = {"ringing": "ringing", "in-progress": "answered", "canceled": "canceled"}
OVER: Final = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
KEPT: Final = ("DialCallSid", "DialBridged", "DialCallStatus", "RecordingSid", "RecordingUrl", "QueueSid")
"""What the record keeps of an excursion beside its outcome."""

MOST_SECONDS: Final = 24 * 3600


def parse(http: Mapping[str, Any]) -> Event | None:
    """Return what a request says, from its address and its form as they stand on the tape; None for the first one."""
    url, form = http.get("url", ""), http.get("form") or {}
    if found := AWAY.search(url):
        return _away(int(found[1]), found[2], form)
    if found := NEXT.search(url):
        return CallerAway(int(found[1] or 1), is_gone=_is_gone(form))
    return None


def _away(number: int, asked: str, form: Mapping[str, str]) -> Event | None:
    match asked:
        case "whisper":
            return FarEndTold(number, "answered")
        case "key":
            return FarEndTold(number, "accepted" if form.get("Digits") == ACCEPT_KEY else "declined")
        case "leg":
            status = form.get("CallStatus", "")
            what = OF_LEG.get(status, "completed" if status in OVER else "")
            return FarEndTold(number, what) if what else None
    return excursion_ended(number, form)


def excursion_ended(number: int, form: Mapping[str, str]) -> ExcursionEnded:
    """Return what came of a step, from the request in which Twilio asks for the next one."""
    outcome, seconds = _outcome(form)
    data = {name: form[name] for name in KEPT if form.get(name)}
    if "Digits" in form and outcome == "collected":
        data["count"] = str(len(form["Digits"]))
    is_gone = _is_gone(form) or outcome == "hung_up" or form.get("Digits") == HUNG_UP
    return ExcursionEnded(number, outcome, seconds, data, is_gone=is_gone)


def _outcome(form: Mapping[str, str]) -> tuple[str, int]:
    """Return how an excursion ended and how many seconds it tells of; which verb it was shows in its parameters."""
    if form.get("ErrorCode"):
        return "refused", 0
    if "DialCallStatus" in form:
        return OF_DIAL.get(form["DialCallStatus"], "failed"), _seconds(form.get("DialCallDuration"))
    if "ReferCallStatus" in form or "ReferSipResponseCode" in form:
        return OF_REFER.get(form.get("ReferCallStatus", "in-progress"), "failed"), 0
    if "QueueResult" in form:
        return OF_QUEUE.get(form["QueueResult"], "failed"), _seconds(form.get("QueueTime"))
    if "RecordingUrl" in form or "RecordingDuration" in form:
        seconds = _seconds(form.get("RecordingDuration"))
        is_message = (
            bool(form.get("RecordingUrl")) and form.get("RecordingDuration") != "0"
        )  # trimmed of silence
        return ("recorded" if is_message else "empty"), seconds
    if "Digits" in form:
        return ("collected" if form["Digits"] else "empty"), 0
    return "sent", 0


def _is_gone(form: Mapping[str, str]) -> bool:
    """Say whether the call itself is over, so that the answer changes nothing any more."""
    return form.get("CallStatus") in OVER


def _seconds(text: str | None) -> int:
    return min(int(text), MOST_SECONDS) if text is not None and re.fullmatch("[0-9]{1,9}", text) else 0
