"""How a call begins: whether the caller is greeted, once, and what is said at once gets through."""

from collections.abc import Iterator
from typing import Final

import attrs

from replay.conformance.both_sides import Answer, BothSides
from replay.conformance.card import Finding
from replay.conformance.catalogue import (
    FIRST_AUDIO_PLACED,
    FIRST_WORDS_PASSED,
    GREETING_HEARD,
    ONE_GREETING,
)
from replay.conformance.judging.verdicts import active_errors, found, held, misplaced
from replay.conformance.session_log import APPEND
from replay.phone.line import FRAME_MS

SOON_MS: Final = 4_000
"""From the model's response, or from a later `start`, to the caller's ear: beyond it people say hello again."""
LOST_MS: Final = 300
"""So much of a caller's first second may be missing: no word is that short."""


def judge_greeting(call: BothSides) -> Iterator[Finding]:
    """Say how the call began. Of greetings, if the bridge lets the caller speak first, nothing is said."""
    greetings = _before_the_caller(call)
    if greetings and call.report.started_ms is not None and not call.situation.is_broken:
        yield from _heard(call, greetings[0])
        yield _once(call, greetings)
    yield from _placed(call, greetings)
    yield from _first_words(call)


def _before_the_caller(call: BothSides) -> list[Answer]:
    """Return what the model answered with sound before the caller did anything."""
    until_ms = call.next_act_ms(call.report.started_ms or 0)
    return [answer for answer in call.answers() if answer.began_ms < until_ms and answer.audio_ms]


def _heard(call: BothSides, greeting: Answer) -> Iterator[Finding]:
    started_ms = call.report.started_ms or 0
    due_ms = max(started_ms, greeting.began_ms)
    heard_at_ms = call.heard_from(due_ms)
    model = call.model_line(greeting.created)
    if heard_at_ms is not None and heard_at_ms - due_ms <= SOON_MS:
        after_ms = heard_at_ms - started_ms
        why = f"heard {after_ms} ms after start"
        phone = call.phone_line(heard_at_ms, why)
        ms = after_ms if call.situation.model_is_prompt else None
        yield found(GREETING_HEARD, call, "passed", why, phone=phone, model=model, ms=ms)
    elif call.over_ms - due_ms > SOON_MS and not misplaced(call):
        why = f"the model has said {greeting.audio_ms} ms, and nothing was heard in {SOON_MS} ms"
        phone = call.phone_line(due_ms + SOON_MS, "nothing was heard yet")
        yield found(GREETING_HEARD, call, "failed", why, phone=phone, model=model)


def _once(call: BothSides, greetings: list[Answer]) -> Finding:
    until_ms = call.next_act_ms(call.report.started_ms or 0)
    errors = [told for told in active_errors(call) if call.ms(told) < until_ms]
    last = errors[-1] if errors else greetings[-1].created
    times = len(greetings) + len(errors)
    why = "greeted once" if times == 1 else f"{times} responses are asked for before the caller says anything"
    phone = call.phone_line(call.ms(last), "the caller has said nothing yet")
    return held(times == 1, ONE_GREETING, call, why, phone=phone, model=call.model_line(last))


def _placed(call: BothSides, greetings: list[Answer]) -> Iterator[Finding]:
    lost = misplaced(call)
    model = call.model_line(greetings[0].created) if greetings else None
    if lost:
        why = f"{lost[0].count} messages without the stream's streamSid: Twilio drops them"
        phone = call.phone_line(lost[0].at_ms, lost[0].text)
        yield found(FIRST_AUDIO_PLACED, call, "failed", why, phone=phone, model=model)
    elif call.situation.caller.start_delay_ms and model:
        why = "the first audio has the stream's streamSid, though start came late"
        phone = call.phone_line(call.report.started_ms or 0, "start")
        yield found(FIRST_AUDIO_PLACED, call, "passed", why, phone=phone, model=model)


def _first_words(call: BothSides) -> Iterator[Finding]:
    """Where the model's door opened late, what the caller said before must have been kept."""
    appends = call.told(APPEND, "client")
    if call.situation.name != "eager" or not appends:
        return
    first_ms = call.ms(appends[0])
    before = [ms for ms in call.report.sent_ms if ms < first_ms]
    missing_ms = FRAME_MS * call.report.frames_sent - sum(log.heard_ms for log in call.sessions)
    act = call.events("caller_says")
    if not act:
        return
    if len(before) * FRAME_MS <= LOST_MS:
        phone, model = call.act_line(act[0]), call.model_line(appends[0])
        why = "the model was there before the caller could say anything"
        yield found(FIRST_WORDS_PASSED, call, "unknown", why, phone=phone, model=model)
        return
    why = f"{max(missing_ms, 0)} ms of the caller never reached the model"
    phone, model = call.act_line(act[0]), call.model_line(appends[0])
    line = f"the first of {sum(log.heard_ms for log in call.sessions)} ms of the caller comes"
    model = attrs.evolve(model, line=line)
    yield held(missing_ms <= LOST_MS, FIRST_WORDS_PASSED, call, why, phone=phone, model=model)
