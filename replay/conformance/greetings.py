"""How a call begins: whether the caller is greeted, once, and from the first word on."""

from collections.abc import Iterator
from typing import Final

from replay.conformance.both_sides import BothSides, Spoken
from replay.conformance.card import Finding
from replay.conformance.catalogue import GREETING_HEARD, ONE_GREETING
from replay.conformance.verdicts import found, held

SOON_MS: Final = 4_000
"""From `start` to the first word: later than that, and people say hello again. The stand-in takes half a second."""
LOST_MS: Final = 250
"""So much of an answer may be missing: the stand-in's deltas have 200 ms and more, and one of those is noticed."""


def judge_greeting(call: BothSides) -> Iterator[Finding]:
    """Say whether the caller was greeted, and how often. Of bridges that let the caller speak first nothing is said."""
    greetings = _before_the_caller(call)
    if not greetings or call.report.started_ms is None:
        return
    yield _heard(call, greetings[0])
    yield _once(call, greetings)


def _before_the_caller(call: BothSides) -> list[Spoken]:
    """Return what the model said before the caller did anything."""
    acts = [event.t_ms for event in call.report.events if event.kind in ("caller_says", "caller_presses")]
    until_ms = min(acts, default=call.report.now_ms())
    return [item for item in call.spoken() if item.first_ms < until_ms]


def _heard(call: BothSides, greeting: Spoken) -> Finding:
    started_ms, line = call.report.started_ms or 0, call.report.line
    told = call.told("response.created")[0]
    if line.first_heard_ms is None:
        phone = call.phone_line(started_ms, "start: nothing was heard after it")
        why = f"the model sent {greeting.length_ms} ms, and the caller heard nothing"
        return found(GREETING_HEARD, call, "failed", why, phone=phone, model=call.model_line(told))
    first_ms = call.line_ms(line.first_heard_ms)
    phone = call.phone_line(first_ms, f"the agent is heard, {first_ms - started_ms} ms after start")
    why = f"heard {first_ms - started_ms} ms after start"
    is_soon = first_ms - started_ms <= SOON_MS
    return held(is_soon, GREETING_HEARD, call, why, phone=phone, model=call.model_line(told))


def _once(call: BothSides, greetings: list[Spoken]) -> Finding:
    responses = list(dict.fromkeys(item.response_id for item in greetings))
    created = [told for told in call.told("response.created") if told.what["response"]["id"] == responses[-1]]
    last = next(item for item in greetings if item.response_id == responses[-1])
    phone = call.phone_line(last.first_ms, "the caller has said nothing yet")
    why = f"{len(responses)} responses before the caller said anything"
    return held(len(responses) == 1, ONE_GREETING, call, why, phone=phone, model=call.model_line(created[0]))
