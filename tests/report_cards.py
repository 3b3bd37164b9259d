"""A report card of an invented bridge: one check failed in two of its calls, one passed, one could not be told."""

from replay.conformance.card import Check, Evidence, Finding, JudgedCall, ReportCard, Span

HEARD = Check(
    "heard-as-told",
    "what is told as heard was heard",
    "the agent believes it has said what nobody heard, and goes on behind it",
    "they count the marks that came back, and truncate each item at what those prove",
)
CLEARED = Check(
    "cleared",
    "the agent falls silent when the caller speaks",
    "it talks on over the caller",
    "they send `clear` on input_audio_buffer.speech_started",
)
SIGNED = Check(
    "signature-checked",
    "only Twilio can ring",
    "nothing, until strangers ring at the owner's cost",
    "they validate X-Twilio-Signature",
)


def line(side: str, at_ms: int, text: str) -> Evidence:
    return Evidence("phone" if side == "phone" else "model", at_ms, text)


CLEAR = line("phone", 5210, "clear 3100 ms unheard")
TRUNCATE = line("model", 5214, "client says item item_4 was heard for 7620 ms")


def interrupted(name: str) -> JudgedCall:
    lines = (
        line("phone", 210, "upgraded status=101"),
        line("phone", 214, "start"),
        line("model", 260, "session.update"),
        line("model", 300, "response.create"),
        line("model", 470, "response.created resp_1"),
        line("phone", 520, "agent is heard"),
        line("model", 1800, "response.done completed"),
        line("phone", 5010, "caller says: Stop, stop. <b>Wait</b>"),
        line("model", 5200, "speech_started"),
        CLEAR,
        line("phone", 5240, "agent is quiet"),
        line("phone", 9000, "caller hangs up"),
        line("model", 9040, "closed with 1000"),
    )
    spans = (
        Span("phone", "open", 214, 9000),
        Span("phone", "agent", 520, 5240),
        Span("phone", "caller", 5010, 7600),
        Span("model", "open", 230, 9040),
        Span("model", "agent", 470, 1800),
        Span("model", "caller", 5200, 7700),
    )
    return JudgedCall(name, "the caller cuts in four seconds after the greeting began", lines, spans)


def a_card(*findings: Finding) -> ReportCard:
    calls = (
        interrupted("cuts-in-late"),
        interrupted("cuts-in-second-item"),
        JudgedCall("no-audio", "silence"),
    )
    why = "told as heard: 7620 ms; heard by the caller: 4720 ms"
    found = (
        Finding("heard-as-told", "cuts-in-late", "failed", why, CLEAR, TRUNCATE),
        Finding("heard-as-told", "cuts-in-second-item", "failed", why, CLEAR, TRUNCATE),
        Finding("heard-as-told", "no-audio", "unknown", "nothing was truncated"),
        Finding("cleared", "cuts-in-late", "passed", "silent 30 ms after the clear", CLEAR),
        Finding("signature-checked", "", "unknown", "it was rung at its media socket, without a webhook"),
    )
    return ReportCard(
        bridge="a relay <of> ours",
        url="http://127.0.0.1:8080/incoming-call",
        date="2026-11-28T04:11:30+00:00",
        took_seconds=92.4,
        checks=(CLEARED, HEARD, SIGNED),
        calls=calls,
        findings=findings or found,
    )
