"""Findings about one call, made short: each says of a check how it went, why, and which lines prove it."""

from typing import Any, Final

import attrs

from replay.conformance import catalogue as c
from replay.conformance.both_sides import BothSides
from replay.conformance.card import Check, Evidence, Finding, Hindrance, ReportCard, Result
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
    ms: int | None = None,
) -> Finding:
    """Return what a call says about a check."""
    return Finding(check.name, call.name, result, why, phone, model, ms=ms)


def held(is_held: bool, check: Check, call: BothSides, why: str, **proof: Any) -> Finding:
    """Return that a check passed if something is so, and failed if not."""
    return found(check, call, "passed" if is_held else "failed", why, **proof)


TIMELESS: Final = frozenset(
    check.name
    for check in (
        c.FIRST_AUDIO_PLACED, c.FIRST_WORDS_PASSED, c.NO_PROVOKED_ERRORS, c.ODD_PARAMETERS, c.ONE_GREETING,
        c.QUIET_AFTER_CLEAR, c.SESSION_LEFT, c.SIGNATURE_CHECKED, c.SOCKET_GUARDED, c.TOOL_ANSWERED, c.TOOL_UNDECLARED,
        c.AS_TOLD,
    )
)  # fmt: skip
"""What fails these is wrong on the fullest machine, too."""


def untold_for_want_of(card: ReportCard, hindrance: Hindrance) -> tuple[str, ...]:
    """Return the checks that could not be told because the machine was full, or the bridge."""
    return tuple(
        name
        for name in card.named("unknown")
        if any(finding.hindrance == hindrance for finding in card.of(name))
    )


def blamed(finding: Finding, call: BothSides) -> Finding:
    """Return a finding, or that it could not be told where the machine was too full for anybody to be blamed.

    Nor is a bridge for what its process can't do for want of a bigger machine, with several calls at once."""
    if finding.result != "failed" or finding.check in TIMELESS:
        return finding
    if call.hurry.spoils_the_call:
        why = f"the machine was full, and this side itself {call.hurry.late_ms} ms late: {finding.why}"
        return attrs.evolve(finding, result="unknown", why=why, hindrance="machine")
    if call.at_once > 1 and call.hurry.fills_its_core:
        share = f"{call.hurry.bridge_percent:.0f} % of a core"
        why = f"with {call.at_once} calls at once the bridge had no time left, at {share}: {finding.why}"
        return attrs.evolve(finding, result="unknown", why=why, hindrance="bridge")
    return finding


def timed(is_held: bool, check: Check, call: BothSides, why: str, **proof: Any) -> Finding:
    """Return `held` of something that is a time; beyond its bound, a busy machine's proves nothing."""
    if is_held or not call.hurry.spoils_times:
        return held(is_held, check, call, why, **proof)
    untold = found(check, call, "unknown", f"the machine was full: {why}", **proof)
    return attrs.evolve(untold, hindrance="machine")


def misplaced(call: BothSides) -> list[Warned]:
    """Return Twilio's warnings of audio that belongs to no stream: it is heard by nobody."""
    return [one for one in call.report.warnings if one.code == INVALID and "streamSid" in one.text]


def code_of(error: Told) -> str:
    """Return the code of an error event."""
    return str(error.what["error"].get("code"))


def active_errors(call: BothSides) -> list[Told]:
    """Return the errors for responses that were asked for while one was active."""
    return [told for told in call.told("error") if code_of(told) == ACTIVE]
