"""How a conversation goes on: whether turns are answered, once, soon, whole and without holes."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from replay.conformance.both_sides import Answer, BothSides
from replay.conformance.card import Finding
from replay.conformance.catalogue import NO_GAPS, ONE_ANSWER, PROMPT, TURN_ANSWERED, WHOLE_ANSWERS
from replay.conformance.judging.hearing import Passage, passages
from replay.conformance.judging.verdicts import active_errors, found, held, misplaced, timed
from replay.conformance.session_log import Told
from replay.phone.report import Happening

ANSWER_MS: Final = 8_000
"""From the caller's last sound until the agent must have been heard; the stand-in's own part of it is 2 s at most."""
TOGETHER_MS: Final = 2_500
"""Two responses so close to each other, with nothing between them that asks for one, are two answers."""
MISSING_MS: Final = 250
"""So much of an answer may be missing: the stand-in's first piece has 200 ms, and a word has more."""
ADDED_MS: Final = 1_500
HOLE_MS: Final = 300
"""A hole that anybody hears. The stand-in sends eight times faster than speech, so that none is its own."""
CAUSES: Final = ("committed", "speech_started", "timeout_triggered")


def judge_turns(call: BothSides) -> Iterator[Finding]:
    """Say how each turn was answered, and how each answer sounded."""
    if call.report.started_ms is None:
        return
    if not call.situation.is_broken:
        for act in call.events("caller_says"):
            yield from _answered(call, act)
        yield from _once(call)
    for passage in passages(call):
        yield from _whole(call, passage)
        yield from _sounded(call, passage)


def _answered(call: BothSides, act: Happening) -> Iterator[Finding]:
    called = call.told("response.function_call_arguments.done")
    if act.detail["text"].startswith("(") or any(call.ms(told) > act.t_ms for told in called):
        return  # a noise asks for nothing, and what becomes of tools is looked at elsewhere
    ended_ms = act.t_ms + act.detail["ms"]
    answers = [answer for answer in call.answers() if answer.began_ms > act.t_ms and answer.audio_ms]
    heard_ms = next((ms for answer in answers if (ms := call.heard_from(answer.began_ms)) is not None), None)
    committed = call.told("input_audio_buffer.committed")[-1:]
    told = [answer.created for answer in answers] or committed or call.told("session.created")[:1]
    model = call.model_line(told[0]) if told else None
    if heard_ms is not None and heard_ms - ended_ms <= ANSWER_MS:
        after_ms = heard_ms - ended_ms
        why = f"heard {after_ms} ms after the caller's last word"
        ms = after_ms if call.situation.model_is_prompt else None
        yield found(TURN_ANSWERED, call, "passed", why, phone=call.act_line(act), model=model, ms=ms)
    elif call.over_ms - ended_ms > ANSWER_MS and not _was_before_the_model(call, ended_ms):
        why = _why_not(call, act, answers)
        yield found(TURN_ANSWERED, call, "failed", why, phone=call.act_line(act), model=model)


def _was_before_the_model(call: BothSides, ended_ms: int) -> bool:
    """Whether it was said before a session was there: whether such words are lost is looked at elsewhere."""
    created = call.told("session.created")
    return bool(created) and call.ms(created[0]) > ended_ms


def _why_not(call: BothSides, act: Happening, answers: list[Answer]) -> str:
    if answers:
        return f"the model answered {answers[0].audio_ms} ms, and the caller heard nothing of it"
    commits = [one for one in call.told("input_audio_buffer.committed") if call.ms(one) > act.t_ms]
    if commits:
        return "the turn was committed, and no response was made"
    return "the model never heard the end of a turn: the caller's sound did not reach it, or not all of it"


# ---------------------------------------------------------------- once


def causes_ms(call: BothSides) -> list[int]:
    """Return when something happened that a response may be asked for: a turn, an output, a message, a failure."""
    told = [one for kind in CAUSES for one in call.told(f"input_audio_buffer.{kind}")]
    told += call.told("conversation.item.create", "client")
    return sorted(call.ms(one) for one in told)


def _once(call: BothSides) -> Iterator[Finding]:
    acts = call.events("caller_says")
    if not acts:
        return
    answers = [answer for answer in call.answers() if answer.began_ms > acts[0].t_ms]
    doubles = [*_doubles(call, answers), *_refused(call, acts[0].t_ms)]
    if doubles:
        why = "a response is asked for where one is active, or has just been given"
        phone = call.phone_line(call.ms(doubles[0]), "the caller has said nothing since")
        yield found(ONE_ANSWER, call, "failed", why, phone=phone, model=call.model_line(doubles[0]))
    elif answers:
        why = f"{len(answers)} answers, each to something"
        model = call.model_line(answers[-1].created)
        yield found(ONE_ANSWER, call, "passed", why, phone=call.act_line(acts[-1]), model=model)


def _doubles(call: BothSides, answers: list[Answer]) -> Iterator[Told]:
    """Yield what is said again; not what a tool gave, for that is another check's."""
    causes = causes_ms(call)
    for before, after in pairwise(answers):
        if _follows_a_tool(call, before.began_ms):
            continue
        is_caused = any(before.began_ms < cause_ms <= after.began_ms for cause_ms in causes)
        ended_ms = before.ended_ms or before.began_ms
        was_said = before.audio_ms > 0 and before.status == "completed"
        if was_said and not is_caused and after.audio_ms and after.began_ms - ended_ms < TOGETHER_MS:
            yield after.created


def _refused(call: BothSides, since_ms: int) -> list[Told]:
    """Return the requests for a response that were refused because one was active, but for those of tools."""
    return [
        told
        for told in active_errors(call)
        if call.ms(told) > since_ms and not _follows_a_tool(call, call.ms(told))
    ]


def _follows_a_tool(call: BothSides, at_ms: int) -> bool:
    outputs = [call.ms(one) for one in call.told("conversation.item.create", "client")]
    return any(0 <= at_ms - ms < TOGETHER_MS for ms in outputs)


# ---------------------------------------------------------------- as it sounds


def _whole(call: BothSides, passage: Passage) -> Iterator[Finding]:
    """What was sent must have been heard, if it was all sent, and nothing happened before it could be played."""
    made_of = {item.response_id for item in passage.items}
    if any(one.id in made_of and one.status != "completed" for one in call.answers()):
        return
    due_ms = max(passage.began_ms, call.report.started_ms or 0) + passage.length_ms
    until_ms = call.next_act_ms(passage.began_ms)
    if until_ms < due_ms + ADDED_MS or misplaced(call):
        return
    heard_ms = call.heard_ms(passage.began_ms, passage.ended_ms)
    missing_ms = passage.length_ms - heard_ms
    why = f"{heard_ms} of {passage.length_ms} ms heard"
    phone = call.phone_line(until_ms, f"the agent was heard for {heard_ms} ms")
    told = next(one for one in call.answers() if one.id == passage.items[-1].response_id).created
    yield held(missing_ms <= MISSING_MS, WHOLE_ANSWERS, call, why, phone=phone, model=call.model_line(told))


def _sounded(call: BothSides, passage: Passage) -> Iterator[Finding]:
    """How long the first sound took, and whether there are holes. The times of a busy machine prove nothing."""
    created = next(one for one in call.answers() if one.id == passage.items[0].response_id).created
    due_ms = max(passage.began_ms, call.report.started_ms or 0)
    heard_ms = call.heard_from(due_ms)
    if heard_ms is None or heard_ms > passage.ended_ms:
        return
    added_ms = heard_ms - due_ms
    phone = call.phone_line(heard_ms, f"the agent is heard, {added_ms} ms after the model's first sound")
    why = f"{added_ms} ms from the model's first sound to the caller's ear"
    model = call.model_line(created)
    yield timed(added_ms <= ADDED_MS, PROMPT, call, why, phone=phone, model=model, ms=added_ms)
    hole = max(_holes(call, passage), key=lambda hole: hole[1], default=(0, 0))
    why = f"a hole of {hole[1]} ms" if hole[1] else "no hole"
    phone = call.phone_line(hole[0] or heard_ms, f"{why} in the answer")
    yield timed(hole[1] <= HOLE_MS, NO_GAPS, call, why, phone=phone, model=model, ms=hole[1])


def _holes(call: BothSides, passage: Passage) -> Iterator[tuple[int, int]]:
    """Yield when a hole began, and how long it was: within one response, before the caller does anything."""
    until_ms = min(call.next_act_ms(passage.began_ms), passage.ended_ms)
    if len({item.response_id for item in passage.items}) > 1:
        return  # between two responses a pause is the model's
    for before, after in pairwise(call.report.line.spans):
        begin_ms, end_ms = call.heard_at_ms(before.end_ms), call.heard_at_ms(after.begin_ms)
        if passage.began_ms < begin_ms and end_ms < until_ms:
            yield begin_ms, after.begin_ms - before.end_ms
