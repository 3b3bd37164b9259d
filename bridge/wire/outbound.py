"""Calls that we make, on Twilio's wire: the form that asks for one, and what its callbacks and REST answers say. Pure.

https://www.twilio.com/docs/voice/api/call-resource and https://www.twilio.com/docs/voice/answering-machine-detection
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bridge.heart.events import (
    CalleeAnswered,
    CalleeJudged,
    CallNotPlaced,
    CallPlaced,
    CallProgressed,
    Event,
)
from bridge.settings.outgoing import Outgoing

PATH: Final = re.compile(r"/voice/([a-z0-9][a-z0-9_-]{0,62})/out/(out-[0-9a-f]{32})(?:/(status|amd))?")
"""Of the requests of a call that we make: its agent, its id here, and what is told."""

EVENTS: Final = ("initiated", "ringing", "answered", "completed")
UNDER_WAY: Final = ("queued", "initiated", "ringing", "in-progress")
FINAL: Final = ("completed", "busy", "no-answer", "failed", "canceled")
STATUSES: Final = (*UNDER_WAY, *FINAL)
VERDICTS: Final = (
    "human", "machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax", "unknown"
)  # fmt: skip
SIP_CODE: Final = re.compile(r"[1-6][0-9]{2}")

# ---------------------------------------------------------------- what Twilio is asked for


def call_form(
    outgoing: Outgoing, *, to: str, caller_id: str, max_seconds: int, url: str, nonce: str
) -> list[tuple[str, str]]:
    """Return the form that asks for a call. Lists are repeated keys: one text with spaces would lose events."""
    about = f"?n={nonce}"
    return [
        ("To", to),
        ("From", caller_id),
        ("Url", f"{url}{about}"),
        ("Method", "POST"),
        ("Timeout", str(outgoing.ring_seconds)),
        ("TimeLimit", str(max_seconds)),
        ("StatusCallback", f"{url}/status{about}"),
        ("StatusCallbackMethod", "POST"),
        *(("StatusCallbackEvent", event) for event in EVENTS),
        *(_detection(outgoing, f"{url}/amd{about}") if outgoing.asks_who_answered else ()),
    ]


def _detection(outgoing: Outgoing, url: str) -> Iterator[tuple[str, str]]:
    """Yield what has Twilio tell who answered, beside the call: without AsyncAmd they would hear silence first."""
    yield "MachineDetection", "DetectMessageEnd" if outgoing.speaks_to_machines else "Enable"
    yield "MachineDetectionTimeout", str(outgoing.detection_seconds)
    yield "MachineDetectionSpeechThreshold", str(outgoing.detection_speech_ms)
    yield "MachineDetectionSpeechEndThreshold", str(outgoing.detection_pause_ms)
    yield "MachineDetectionSilenceTimeout", str(outgoing.detection_silence_ms)
    yield "AsyncAmd", "true"
    yield "AsyncAmdStatusCallback", url
    yield "AsyncAmdStatusCallbackMethod", "POST"


ADDRESSES: Final = frozenset({"Url", "StatusCallback", "AsyncAmdStatusCallback"})


def without_nonce(form: list[tuple[str, str]]) -> dict[str, str]:
    """Return a form as a tape may keep it: no address with its secret, one value a name."""
    kept: dict[str, str] = {}
    for name, value in form:
        if name not in ADDRESSES:
            kept[name] = f"{kept[name]} {value}" if name in kept else value
    return kept


# ---------------------------------------------------------------- what Twilio tells


def word_of(form: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    """Return one of the known words, where a form has it beyond doubt; else nothing.

    What Twilio signs has no borders between names and values, so a form that could be cut up to say another word here
    says none.
    """
    text = "".join(f"{key}{value}" for key, value in sorted(form.items()))
    said = re.findall(f"{name}({'|'.join(map(re.escape, known))})", text)
    value = form.get(name, "")
    return value if value in known and len(said) == 1 else ""


def event_of_request(http: Mapping[str, Any]) -> Event | None:
    """Return what a request about a call that we make says; None for any other."""
    url, form = http.get("url"), http.get("form")
    found = PATH.search(url) if isinstance(url, str) else None
    if found is None or not isinstance(form, dict):
        return None
    match found[3]:
        case None:
            return CalleeAnswered()
        case "status":
            return _progress(form)
        case _:
            return _verdict(form)


def _progress(form: Mapping[str, str]) -> Event | None:
    status, code = word_of(form, "CallStatus", STATUSES), form.get("SipResponseCode", "")
    return CallProgressed(status, code if SIP_CODE.fullmatch(code) else "") if status else None


def _verdict(form: Mapping[str, str]) -> Event | None:
    who, after = word_of(form, "AnsweredBy", VERDICTS), form.get("MachineDetectionDuration", "")
    return CalleeJudged(who, int(after) if re.fullmatch(r"[0-9]{1,6}", after) else 0) if who else None


def event_of_answer(resp: Mapping[str, Any]) -> Event | None:
    """Return what an answer of Twilio's REST API says of a call; None for an answer of ours."""
    status, sid, why = resp.get("call_status"), resp.get("CallSid"), resp.get("why")
    if isinstance(why, str):
        return CallNotPlaced(why)
    if not isinstance(sid, str):
        return None
    return CallProgressed(status) if status in (*FINAL, "in-progress") else CallPlaced()
