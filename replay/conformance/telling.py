"""Which calls can tell of which checks: whoever looks for one check needs not make them all."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from replay.conformance import catalogue as c
from replay.conformance.both_sides import BothSides
from replay.conformance.card import Check, Finding
from replay.conformance.situations import Known, Situation

CUTS: Final = ("cut-early", "cut-late", "cut-after-done", "cut-second-item")
ENDINGS: Final = (
    "gone-at-once", "gone-in-answer", "gone-while-speaking", "gone-in-tool", "socket-reset", "stream-lost",
)  # fmt: skip
MARKS: Final = ("marks-lost", "marks-late")
TURNS: Final = ("turns", "silence", "two-at-once")

TELLING: Final[Mapping[Check, tuple[str, ...]]] = {
    c.GREETING_HEARD: ("model-late",),
    c.TURN_ANSWERED: TURNS,
    c.NO_SILENCE_AFTER_FAILURE: ("response-failed", "model-refuses", "model-gone"),
    c.STOPS_WHEN_INTERRUPTED: CUTS,
    c.QUIET_AFTER_CLEAR: CUTS[:1],
    c.LINE_OPEN_IN_TOOLS: ("tool",),
    c.TOOL_RESULT_TOLD: ("tool", "tools"),
    c.ONE_ANSWER: TURNS,
    c.ONE_GREETING: ("turns",),
    c.STAYS_UP: (*ENDINGS, "model-refuses", "model-gone", "turns"),
    c.FIRST_WORDS_PASSED: ("eager",),
    c.WHOLE_ANSWERS: TURNS,
    c.NO_GAPS: TURNS,
    c.PROMPT: TURNS,
    c.HEARD_AS_CLAIMED: (*CUTS, "turns"),
    c.TELLS_WHAT_WAS_HEARD: CUTS,
    c.TOOL_ANSWERED: ("tool", "tools"),
    c.TOOL_UNDECLARED: ("tool-undeclared",),
    c.FIRST_AUDIO_PLACED: ("late-start",),
    c.CALLS_KEPT_APART: ("two-at-once",),
    c.NO_FRAMES_LOST: ("crowd",),
    c.SURVIVES_KEYS: ("keys",),
    c.SURVIVES_SILENCE: ("silence",),
    c.SURVIVES_NOISE: ("noise",),
    c.SURVIVES_LOST_MARKS: MARKS,
    c.ODD_PARAMETERS: ("odd-parameters",),
    c.SESSION_LEFT: ENDINGS,
    c.NO_PROVOKED_ERRORS: ("turns", "tool", "cut-late"),
    c.SIGNATURE_CHECKED: ("wrong-signature",),
    c.SOCKET_GUARDED: ("stranger",),
}
"""By name, or by what stands before its first hyphen. The first call, which is always made, tells of the greeting."""


NO_GREETING: Final = (c.GREETING_HEARD, c.ONE_GREETING, c.FIRST_AUDIO_PLACED)
OF_TOOLS: Final = (c.TOOL_ANSWERED, c.TOOL_RESULT_TOLD, c.TOOL_UNDECLARED, c.LINE_OPEN_IN_TOOLS)
OF_WEBHOOKS: Final = (c.SIGNATURE_CHECKED, c.ODD_PARAMETERS)


def known_of(call: BothSides) -> Known:
    """Return what the first call has shown: whether the agent spoke first, the tools, the address of its stream."""
    sessions = [log.session for log in call.sessions if log.session is not None]
    tools = sessions[-1].settings.get("tools") if sessions else ()
    return Known(bool(call.spoken()), tuple(tools or ()), call.report.stream)


def untold(check: Check, calls: Sequence[BothSides]) -> Finding:
    """Return that nothing could be told of a check, and why that was."""
    return Finding(check.name, "", "unknown", _why(check, calls))


def no_call(calls: Sequence[BothSides]) -> str:
    """Say why no call came about, as its phone saw it; empty if one did."""
    if any(call.report.started_ms is not None for call in calls):
        return ""
    reasons = (call.report.error or _refusal(call) for call in calls)
    return f"no call came about: {next(filter(None, reasons), 'no stream was opened')}"


def _refusal(call: BothSides) -> str:
    status = call.report.upgrade_status
    return f"its media socket answered HTTP {status}" if status is not None and status != 101 else ""


def _why(check: Check, calls: Sequence[BothSides]) -> str:
    known = known_of(calls[0]) if calls else Known()
    if why := no_call(calls):
        return why
    if not any(log.session for call in calls for log in call.sessions):
        return "it never came to the model"
    if not any(call.told("session.created") for call in calls):
        codes = sorted({code for call in calls for code in call.refusals})
        return (
            f"the model refused every session: {', '.join(codes)}"
            if codes
            else "the model refused every session"
        )
    if check in NO_GREETING and not known.greets:
        return "it lets the caller speak first"
    if check in OF_TOOLS and not known.tools:
        return "it declares no tool to the model"
    if check == c.LINE_OPEN_IN_TOOLS:
        return "none of its tools took a second"
    if check == c.QUIET_AFTER_CLEAR and not any(
        call.told("input_audio_buffer.speech_started") for call in calls
    ):
        return "the model detects no turns for it, and so cuts no answer of its own"
    if check in OF_WEBHOOKS and all(call.report.webhook_status is None for call in calls):
        return "there is no webhook"
    return "no call came so far that it could be told"


def telling(made: Iterable[Situation], checks: Iterable[Check]) -> tuple[Situation, ...]:
    """Return the calls that can tell of these checks."""
    wanted = {name for check in checks for name in TELLING[check]}
    return tuple(one for one in made if one.name in wanted or one.name.partition("-")[0] in wanted)
