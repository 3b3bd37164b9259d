"""What becomes of an answer into which the caller speaks: whether it stops, and what the model is told of it."""

from collections.abc import Iterator
from typing import Final

import attrs

from replay.conformance.both_sides import BothSides, Spoken
from replay.conformance.card import Finding
from replay.conformance.catalogue import (
    HEARD_AS_CLAIMED,
    QUIET_AFTER_CLEAR,
    STOPS_WHEN_INTERRUPTED,
    SURVIVES_LOST_MARKS,
    TELLS_WHAT_WAS_HEARD,
)
from replay.conformance.judging.hearing import heard_of, passages
from replay.conformance.judging.verdicts import found, held
from replay.conformance.session_log import DELTA, Told
from replay.phone.report import Happening

NOTICE_MS: Final = 2_000
"""From the caller's first sound until the agent has to be silent: detection takes half a second, people wait one."""
SCRAP_MS: Final = 120
"""So much may still be heard, or come: a frame or two that were on their way."""
OWN_QUEUE_MS: Final = 400
"""More than that behind a `clear`, where the model sent nothing late, is a queue of the bridge that was not emptied."""
UNHEARD_MS: Final = 1_500
"""An answer that has so much left was interrupted; with less, it may have ended by itself."""
ROUGHLY_MS: Final = 500
"""So far a claim may be from what was heard: marks come with deltas, which have up to 400 ms."""
TRUNCATE: Final = "conversation.item.truncate"


@attrs.frozen
class Cut:
    """A caller who speaks while an item of the model's is being heard."""

    act: Happening
    item: Spoken
    heard_ms: int


def judge_interruptions(call: BothSides) -> Iterator[Finding]:
    """Say what became of each answer that the caller cut, and of each claim about what was heard."""
    for cut in _cuts(call):
        yield from _stops(call, cut)
        yield from _tells(call, cut)
    yield from _quiet_after_clear(call)
    for claim in call.told(TRUNCATE, "client"):
        yield from _claimed(call, claim)


def _cuts(call: BothSides) -> Iterator[Cut]:
    for act in call.events("caller_says"):
        at_ms = act.t_ms
        for passage in passages(call):
            if not passage.began_ms < at_ms <= passage.ended_ms or not call.heard_ms(at_ms, at_ms + 60):
                continue
            heard_ms = call.heard_ms(passage.began_ms, at_ms)
            if passage.length_ms - heard_ms >= UNHEARD_MS:
                yield Cut(act, _item_at(passage.items, heard_ms), heard_ms)


def _item_at(items: tuple[Spoken, ...], heard_ms: int) -> Spoken:
    for item in items[:-1]:
        if heard_ms < item.length_ms:
            return item
        heard_ms -= item.length_ms
    return items[-1]


def _next_answer_ms(call: BothSides, after_ms: int) -> int:
    """When audio of a response that was made after a moment was first sent, or the call was over."""
    later = {answer.id for answer in call.answers() if answer.began_ms > after_ms}
    return min((item.first_ms for item in call.spoken() if item.response_id in later), default=call.over_ms)


def _stops(call: BothSides, cut: Cut) -> Iterator[Finding]:
    silent_ms = cut.act.t_ms + NOTICE_MS + min(call.hurry.late_ms, ROUGHLY_MS)
    until_ms = _next_answer_ms(call, cut.act.t_ms)
    if until_ms < silent_ms + SCRAP_MS:
        return
    clears = [ms for ms in call.clears_ms() if cut.act.t_ms <= ms <= silent_ms]
    after_ms = (
        0 if clears else call.heard_ms(silent_ms, until_ms)
    )  # what comes behind a clear is another check's
    told = call.told("input_audio_buffer.speech_started")
    phone = (
        call.phone_line(clears[0], f"clear, {clears[0] - cut.act.t_ms} ms after the caller began")
        if clears
        else call.act_line(cut.act)
    )
    why = (
        f"the old answer is heard for {after_ms} ms more, from {NOTICE_MS} ms after the caller began to speak"
        if after_ms > SCRAP_MS
        else f"silent within {NOTICE_MS} ms"
    )
    model = call.model_line(told[-1]) if told else None
    check = SURVIVES_LOST_MARKS if misses_marks(call) else STOPS_WHEN_INTERRUPTED
    yield held(after_ms <= SCRAP_MS, check, call, why, phone=phone, model=model)


def _tells(call: BothSides, cut: Cut) -> Iterator[Finding]:
    heard_ms = heard_of(call, cut.item.item_id, call.over_ms) or 0
    if misses_marks(call) or cut.item.length_ms - heard_ms < UNHEARD_MS:  # or it was heard after all
        return
    claims = [one for one in call.told(TRUNCATE, "client") if one.what.get("item_id") == cut.item.item_id]
    phone = call.act_line(cut.act)
    if claims:
        why = f"truncated at {claims[0].what.get('audio_end_ms')} ms"
        yield found(TELLS_WHAT_WAS_HEARD, call, "passed", why, phone=phone, model=call.model_line(claims[0]))
        return
    sent = [told for told in call.told(DELTA) if told.what["item_id"] == cut.item.item_id][-1]
    why = (
        f"no truncation: the model believes that all {cut.item.length_ms} ms were heard, and {heard_ms} were"
    )
    line = f"{cut.item.length_ms} ms were sent of {cut.item.item_id}, and never truncated"
    model = attrs.evolve(call.model_line(sent), line=line)
    yield found(TELLS_WHAT_WAS_HEARD, call, "failed", why, phone=phone, model=model)


def _claimed(call: BothSides, claim: Told) -> Iterator[Finding]:
    at_ms, item_id = call.ms(claim), str(claim.what.get("item_id"))
    claimed_ms, heard_ms = claim.what.get("audio_end_ms"), heard_of(call, item_id, at_ms)
    if not isinstance(claimed_ms, int) or heard_ms is None:
        return
    roughly_ms = ROUGHLY_MS + min(call.hurry.late_ms, ROUGHLY_MS)
    later_ms = heard_of(call, item_id, at_ms + roughly_ms) or 0
    refused = _refusal(call, claim)
    has_marks = not misses_marks(call)
    is_right = refused is None and heard_ms - roughly_ms <= claimed_ms <= later_ms + roughly_ms
    why = f"claimed {claimed_ms} ms, heard {heard_ms} ms" + (", and refused by the model" if refused else "")
    phone = call.phone_line(at_ms, f"{heard_ms} ms of {item_id} were heard by now")
    if not has_marks and not refused:
        return  # without marks nobody knows better
    check = HEARD_AS_CLAIMED if has_marks else SURVIVES_LOST_MARKS
    off_ms = max(heard_ms - claimed_ms, claimed_ms - later_ms, 0)
    yield held(is_right, check, call, why, phone=phone, model=call.model_line(refused or claim), ms=off_ms)


def misses_marks(call: BothSides) -> bool:
    """Whether a bridge that goes by marks can't know all that was heard."""
    network = call.situation.caller.network
    return bool(network.mark_loss or network.mark_late_ms)


def _refusal(call: BothSides, claim: Told) -> Told | None:
    """Return the error with which a claim was answered, if it was."""
    log = next(log for log in call.sessions if claim in log.told)
    behind = log.told[log.told.index(claim) + 1 :]
    answers = (
        told
        for told in behind
        if told.who == "model" and told.kind in ("conversation.item.truncated", "error")
    )
    first = next(answers, None)
    return first if first is not None and first.kind == "error" else None


def _quiet_after_clear(call: BothSides) -> Iterator[Finding]:
    for clear in call.report.clears:
        clear_ms = call.line_ms(clear.at_ms)
        started = [
            told for told in call.told("input_audio_buffer.speech_started") if call.ms(told) <= clear_ms
        ]
        if not started:
            continue
        until_ms = _next_answer_ms(call, call.ms(started[-1]))
        late = [told for told in call.told(DELTA) if call.ms(started[-1]) <= call.ms(told) < until_ms]
        came_ms = call.arrived_behind(clear, until_ms)
        if not late and came_ms <= OWN_QUEUE_MS:
            continue  # nothing came late: a bridge that would play it can't be told from one that would not
        why = f"{came_ms} ms of the old answer come after clear; the model sent {len(late)} late pieces"
        phone = call.phone_line(clear_ms, f"clear, and then {came_ms} ms of audio before the next answer")
        model = call.model_line(started[-1])
        if late:
            model = attrs.evolve(
                call.model_line(late[0]), line="a piece of the answer that was cut is sent late"
            )
        yield held(came_ms <= SCRAP_MS, QUIET_AFTER_CLEAR, call, why, phone=phone, model=model)
