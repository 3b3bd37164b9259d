"""Whether a call of somebody's own went as its two scenarios say: each side by itself, and what only both know."""

from collections.abc import Iterator

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Finding
from replay.conformance.catalogue import AS_TOLD
from replay.conformance.judging.hearing import heard_of
from replay.conformance.judging.interruptions import TRUNCATE
from replay.conformance.judging.verdicts import found
from replay.conformance.situations import LEAVE_TIME_MS
from replay.model.expect import unmet
from replay.phone.exchange.expect import ExpectOfBoth
from replay.phone.verdict import judge

ALMOST_MS = 250
"""Words count as heard whole though so much of their sound is missing."""


def judge_scenario(call: BothSides) -> Iterator[Finding]:
    """Say of each thing that was expected and did not come true what it was; or once that all did."""
    told = call.situation.told
    if told is None:
        return
    sessions = [log.session for log in call.sessions if log.session is not None]
    has_twiml = call.report.webhook_status is not None
    complaints = [*judge(call.report, told.phone, has_twiml=has_twiml).complaints]
    complaints += [*unmet(told.expect, sessions), *unmet_of_both(told.phone.of_both, call)]
    phone = call.phone_line(call.over_ms, "the stream is over")
    last = [log.told[-1] for log in call.sessions if log.told][-1:]
    model = call.model_line(last[0]) if last else None
    for complaint in complaints:
        yield found(AS_TOLD, call, "failed", complaint, phone=phone, model=model)
    if not complaints:
        yield found(AS_TOLD, call, "passed", "as its scenarios say", phone=phone, model=model)


def unmet_of_both(expect: ExpectOfBoth, call: BothSides) -> list[str]:
    """Return a sentence for each thing that is not true of both sides together."""
    return [
        *_claims(expect, call),
        *_words(expect, call),
        *_closed(expect, call),
        *_answered(expect, call),
    ]


def _claims(expect: ExpectOfBoth, call: BothSides) -> Iterator[str]:
    for claim in call.told(TRUNCATE, "client") if expect.claims_within_ms is not None else ():
        claimed_ms, item_id = claim.what.get("audio_end_ms"), str(claim.what.get("item_id"))
        heard_ms = heard_of(call, item_id, call.ms(claim))
        if not isinstance(claimed_ms, int) or heard_ms is None:
            yield f"{claimed_ms} ms were claimed as heard of {item_id}, which was never said"
        elif abs(claimed_ms - heard_ms) > (expect.claims_within_ms or 0):
            yield f"{claimed_ms} ms were claimed as heard, and {heard_ms} were: not within {expect.claims_within_ms} ms"


def _words(expect: ExpectOfBoth, call: BothSides) -> Iterator[str]:
    heard = _heard_words(call) if expect.agent_heard or expect.agent_not_heard else []
    for words in expect.agent_heard or ():
        if not any(words in one for one in heard):
            yield f"the caller never heard {words!r} of the agent to its end"
    for words in expect.agent_not_heard or ():
        if any(words in one for one in heard):
            yield f"the caller heard {words!r} of the agent"


def _heard_words(call: BothSides) -> list[str]:
    """Return what was said in each item, as far as its sound was heard: a part of the sound is so much of the words."""
    texts = {
        told.what["item_id"]: told.what["transcript"]
        for told in call.told("response.output_audio_transcript.done")
    }
    heard = []
    for item in call.spoken():
        text, heard_ms = texts.get(item.item_id, ""), heard_of(call, item.item_id, call.over_ms) or 0
        is_whole = heard_ms >= item.length_ms - ALMOST_MS
        heard.append(text if is_whole else text[: len(text) * heard_ms // max(item.length_ms, 1)])
    return heard


def _closed(expect: ExpectOfBoth, call: BothSides) -> Iterator[str]:
    within_ms = expect.session_closed_within_ms
    for log in call.sessions if within_ms is not None else ():
        after_ms = call.ms(log.told[-1]) - call.over_ms
        if log.is_open:
            yield f"the model's session was still open {LEAVE_TIME_MS // 1000} s after the stream's end"
        elif after_ms > (within_ms or 0):
            yield f"the model's session was closed {after_ms} ms after the stream's end, not within {within_ms} ms"


def _answered(expect: ExpectOfBoth, call: BothSides) -> Iterator[str]:
    for act in call.events("caller_says") if expect.answered_within_ms is not None else ():
        ended_ms = act.t_ms + act.detail["ms"]
        answers = [answer for answer in call.answers() if answer.began_ms > act.t_ms and answer.audio_ms]
        heard_ms = call.heard_from(answers[0].began_ms) if answers else None
        if heard_ms is None or heard_ms - ended_ms > (expect.answered_within_ms or 0):
            after = "never" if heard_ms is None else f"after {heard_ms - ended_ms} ms"
            yield f"{act.detail['text']!r} was answered {after}, not within {expect.answered_within_ms} ms"
