"""Findings about one call, made short: each says of a check how it went, why, and which lines prove it."""

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Check, Evidence, Finding, Result
from replay.conformance.session_log import Told
from replay.phone.report import Warned
from replay.phone.stream import INVALID

ACTIVE = "conversation_already_has_active_response"


def found(
    check: Check,
    call: BothSides,
    result: Result,
    why: str,
    *,
    phone: Evidence | None = None,
    model: Evidence | None = None,
) -> Finding:
    """Return what a call says about a check."""
    return Finding(check.name, call.name, result, why, phone, model)


def held(
    is_held: bool,
    check: Check,
    call: BothSides,
    why: str,
    *,
    phone: Evidence | None = None,
    model: Evidence | None = None,
) -> Finding:
    """Return that a check passed if something is so, and failed if not."""
    return found(check, call, "passed" if is_held else "failed", why, phone=phone, model=model)


def misplaced(call: BothSides) -> list[Warned]:
    """Return Twilio's warnings of audio that belongs to no stream: it is heard by nobody."""
    return [one for one in call.report.warnings if one.code == INVALID and "streamSid" in one.text]


def code_of(error: Told) -> str:
    """Return the code of an error event."""
    return str(error.what["error"].get("code"))


def active_errors(call: BothSides) -> list[Told]:
    """Return the errors for responses that were asked for while one was active."""
    return [told for told in call.told("error") if code_of(told) == ACTIVE]
