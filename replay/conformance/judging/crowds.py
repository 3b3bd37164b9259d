"""What becomes of calls that are there at the same time."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import attrs

from bridge.sound.g711 import LINEAR
from bridge.text.wording import counted
from replay.conformance.both_sides import BothSides
from replay.conformance.card import Finding
from replay.conformance.catalogue import CALLS_KEPT_APART, NO_FRAMES_LOST, STAYS_UP
from replay.conformance.judging.verdicts import held
from replay.conformance.session_log import APPEND

LOUD: Final = 400
"""Samples beyond it are a voice: the line's silence has none."""
LIKE: Final = 0.4
"""The part of a voice by which what arrives may differ from what was said: resampling makes it softer."""
LOST_MS: Final = 150
LOST_PART: Final = 0.02


def judge_crowd(call: BothSides) -> Iterator[Finding]:
    """Say whether a call among others kept its own voices, and all of its frames."""
    if call.situation.name == "two-at-once":
        yield from _apart(call)
    if call.situation.name == "crowd":
        yield from _frames(call)


def _apart(call: BothSides) -> Iterator[Finding]:
    audio = b"".join(bytes(log.session.caller_audio) for log in call.sessions if log.session)
    said, got = _loudness(call.report.said), _loudness(audio)
    sent_ms = sum(item.length_ms for item in call.spoken())
    heard_ms = call.heard_ms(0, call.over_ms)
    appends = call.told(APPEND, "client")
    if not said or not appends or not sent_ms:
        return
    is_own = abs(got - said) <= LIKE * said and abs(heard_ms - sent_ms) <= 1_000
    why = f"{got * 100 // said} % of the caller's voice at the model; {heard_ms} of {sent_ms} ms of the agent heard"
    phone = call.phone_line(call.over_ms, f"the agent was heard for {heard_ms} ms")
    yield held(is_own, CALLS_KEPT_APART, call, why, phone=phone, model=call.model_line(appends[-1]))


def _loudness(audio: bytes) -> int:
    return sum(abs(LINEAR[code]) > LOUD for code in audio)


def _frames(call: BothSides) -> Iterator[Finding]:
    """What was sent since the first frame that was passed on must have arrived."""
    appends = call.told(APPEND, "client")
    if not appends:
        return
    first_ms = call.ms(appends[0])
    sent_ms = 20 * sum(ms >= first_ms for ms in call.report.sent_ms)
    got_ms = sum(log.heard_ms for log in call.sessions)
    lost_ms = max(0, sent_ms - got_ms)
    why = f"{lost_ms} of {sent_ms} ms lost, with {counted(call.at_once, 'call')} at once"
    phone = call.phone_line(call.over_ms, f"{sent_ms} ms of the caller were sent since {first_ms} ms")
    is_kept = lost_ms <= LOST_MS + LOST_PART * sent_ms
    line = f"{got_ms} ms of the caller have come"
    model = attrs.evolve(call.model_line(appends[-1]), line=line)
    yield held(is_kept, NO_FRAMES_LOST, call, why, phone=phone, model=model, ms=lost_ms)


def judge_presence(calls: Sequence[BothSides]) -> Iterator[Finding]:
    """Say whether the bridge was there for each call. Of one that it refused, nothing is said."""
    for before, call in pairwise(sorted(calls, key=lambda call: call.report.rang_at)):
        answered = call.report.webhook_status is not None or call.report.upgrade_status is not None
        phone = call.phone_line(0, call.report.error or "it rings, and is answered")
        why = "answered" if answered else f"not answered any more; the call before it was {before.name}"
        yield held(answered, STAYS_UP, call, why, phone=phone)
