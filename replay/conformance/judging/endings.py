"""What is left when a call is over, and what a caller is left with when the model is gone."""

from collections.abc import Iterator
from typing import Final

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Evidence, Finding
from replay.conformance.catalogue import NO_PROVOKED_ERRORS, NO_SILENCE_AFTER_FAILURE, SESSION_LEFT
from replay.conformance.judging.verdicts import ACTIVE, code_of, found, held
from replay.conformance.session_log import Told
from replay.conformance.situations import LEAVE_TIME_MS, SILENCE_MS

RACES = (ACTIVE, "response_cancel_not_active", "item_truncate_invalid_item_id")
"""What is looked at elsewhere, and a race that nobody wins: the response was done while the request was on its way."""

NOW_MS: Final = 200


def judge_ending(call: BothSides) -> Iterator[Finding]:
    """Say whether the model's sessions were left once the caller was gone, and what it had to refuse before."""
    yield from _left(call)
    yield from _silent(call)
    yield from _provoked(call)


def _left(call: BothSides) -> Iterator[Finding]:
    closed_ms, faults = call.report.closed_ms, call.situation.script.faults
    if closed_ms is None or faults.drop_after_ms or faults.refuse:
        return
    phone = call.phone_line(closed_ms, f"the stream is over, closed by the {call.report.closed_by}")
    for log in call.sessions:
        if log.session is None:
            continue
        after_ms = max(0, call.ms(log.told[-1]) - closed_ms)
        is_left = not log.is_open and after_ms <= LEAVE_TIME_MS
        why = f"left {after_ms} ms after the stream's end"
        model = call.model_line(log.told[-1])
        if not is_left:
            why = f"the model's session is still open {LEAVE_TIME_MS // 1000} s after the stream's end"
            model = Evidence("model", closed_ms + LEAVE_TIME_MS, f"session {log.number} is still open")
        yield held(
            is_left, SESSION_LEFT, call, why, phone=phone, model=model, ms=after_ms if is_left else None
        )


def _silent(call: BothSides) -> Iterator[Finding]:
    failure = _failure(call)
    if failure is None or call.report.started_ms is None:
        return
    failed_ms, report = max(call.ms(failure), call.report.started_ms), call.report
    heard = [call.heard_at_ms(span.end_ms) for span in report.line.spans]
    last_ms = max([failed_ms, *(ms for ms in heard if ms <= call.over_ms)])
    silent_ms = call.over_ms - last_ms
    model = call.model_line(failure)
    if report.closed_by == "bridge" and silent_ms < SILENCE_MS:
        then = "and then Twilio is told more" if report.next_verbs else "and the call is over"
        why = f"the stream is ended {max(0, call.over_ms - failed_ms)} ms after it, {then}"
        phone = call.phone_line(call.over_ms, "the bridge closes the stream")
        yield found(NO_SILENCE_AFTER_FAILURE, call, "passed", why, phone=phone, model=model)
        return
    why = "the agent is heard again"
    if silent_ms >= SILENCE_MS:
        why = f"silence for {silent_ms} ms, until the caller gave up"
    phone = call.phone_line(call.over_ms, f"nothing was heard for {silent_ms} ms")
    yield held(silent_ms < SILENCE_MS, NO_SILENCE_AFTER_FAILURE, call, why, phone=phone, model=model)


def _failure(call: BothSides) -> Told | None:
    """Return what failed at the model, where it was to."""
    faults = call.situation.script.faults
    if faults.fail_responses:
        failed = [one for one in call.told("response.done") if one.what["response"]["status"] == "failed"]
        return failed[0] if failed else None
    if faults.drop_after_ms or faults.refuse:
        ends = [one for kind in ("closed", "rejected") for one in call.told(kind, "socket")]
        return min(ends, key=lambda told: told.at, default=None)
    return None


def _provoked(call: BothSides) -> Iterator[Finding]:
    if call.situation.is_broken or not any(log.session for log in call.sessions):
        return
    errors = [told for told in call.told("error") if code_of(told) not in RACES and not _is_about_audio(told)]
    created = call.told("session.created")
    if errors:
        at_ms, why = call.ms(errors[0]), f"{len(errors)} messages refused, the first: {code_of(errors[0])}"
        is_over = call.over_ms <= at_ms + NOW_MS
        phone = call.phone_line(at_ms, "the stream is over" if is_over else "the call goes on")
        yield found(NO_PROVOKED_ERRORS, call, "failed", why, phone=phone, model=call.model_line(errors[0]))
    elif created:
        phone = call.phone_line(call.over_ms, "the stream is over")
        model = call.model_line(created[0])
        yield found(NO_PROVOKED_ERRORS, call, "passed", "no error event", phone=phone, model=model)


def _is_about_audio(error: Told) -> bool:
    """Whether it is about what was heard of an item: that is another check's."""
    return bool(error.what["error"].get("param") == "audio_end_ms")
