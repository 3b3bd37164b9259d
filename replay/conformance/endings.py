"""What is left when a call is over."""

from collections.abc import Iterator

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Finding
from replay.conformance.catalogue import SESSION_LEFT
from replay.conformance.verdicts import found


def judge_ending(call: BothSides) -> Iterator[Finding]:
    """Say whether the model's sessions were left once the caller was gone."""
    closed_ms = call.report.closed_ms
    if closed_ms is None:
        return
    phone = call.phone_line(closed_ms, f"the stream is over, closed by the {call.report.closed_by}")
    for log in call.sessions:
        if log.session is None:
            continue
        last = log.told[-1]
        if log.is_open:
            why = "the model's session is still open 5 s after the call"
            yield found(SESSION_LEFT, call, "failed", why, phone=phone, model=call.model_line(last))
        else:
            why = f"left {max(0, call.ms(last) - closed_ms)} ms after the call's end"
            yield found(SESSION_LEFT, call, "passed", why, phone=phone, model=call.model_line(last))
