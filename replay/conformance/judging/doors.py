"""Who is let in, and what a call survives."""

from collections.abc import Iterator
from typing import Final

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Check, Finding
from replay.conformance.catalogue import (
    ODD_PARAMETERS,
    SIGNATURE_CHECKED,
    SOCKET_GUARDED,
    SURVIVES_KEYS,
    SURVIVES_LOST_MARKS,
    SURVIVES_NOISE,
    SURVIVES_SILENCE,
)
from replay.conformance.judging.verdicts import held
from replay.conformance.session_log import APPEND

SURVIVED: Final[dict[str, Check]] = {
    "keys": SURVIVES_KEYS,
    "silence": SURVIVES_SILENCE,
    "noise": SURVIVES_NOISE,
    "marks-lost": SURVIVES_LOST_MARKS,
    "marks-late": SURVIVES_LOST_MARKS,
}
"""By the call in which it is looked for."""

STRANGERS: Final[dict[str, str]] = {
    "stranger": "a stranger",
    "stranger-with-token": "a stranger with the parameters of a call that is over",
}


def judge_doors(call: BothSides) -> Iterator[Finding]:
    """Say whether strangers stay out, and odd guests may come in."""
    name, report = call.situation.name, call.report
    if name == "wrong-signature" and report.webhook_status is not None:
        is_refused = report.webhook_status >= 400 or not report.stream_sids
        phone = call.phone_line(0, f"a webhook with a wrong signature is answered {report.webhook_status}")
        why = (
            "a wrong signature is refused"
            if is_refused
            else "a wrong signature is taken, and a stream opened"
        )
        opened = call.told("opened", "socket")
        model = call.model_line(opened[0]) if opened else None
        yield held(is_refused, SIGNATURE_CHECKED, call, why, phone=phone, model=model)
    if name in STRANGERS:
        yield from _guarded(call)
    if name == "odd-parameters" and report.webhook_status is not None:
        phone = call.phone_line(
            0, f"with umlauts, spaces and new names in it, a webhook is answered {report.webhook_status}"
        )
        why = "let in" if report.stream_sids else f"answered {report.webhook_status}, and no stream"
        yield held(bool(report.stream_sids), ODD_PARAMETERS, call, why, phone=phone)


def _guarded(call: BothSides) -> Iterator[Finding]:
    """A session that the webhook has opened is none of the stranger's, so long as nothing they say is passed on."""
    if call.report.upgrade_status is None and not call.report.stream_sids:
        return
    talked, opened = call.told(APPEND, "client"), call.told("opened", "socket")
    who = STRANGERS[call.situation.name]
    phone = call.phone_line(
        call.report.started_ms or 0, f"the socket of {who} is answered {call.report.upgrade_status}"
    )
    why = f"{who} talks to the model" if talked else f"no session was used for {who}"
    model = call.model_line(talked[0] if talked else opened[0]) if talked or opened else None
    yield held(not talked, SOCKET_GUARDED, call, why, phone=phone, model=model)


def judge_survival(call: BothSides) -> Iterator[Finding]:
    """Say whether the call went on behind what was to disturb it: the caller's last words are answered.

    A call that never had a session was disturbed by something else."""
    check, acts = SURVIVED.get(call.situation.name), call.events("caller_says")
    ready = call.told("session.created")[:1]
    if check is None or call.report.started_ms is None or not ready:
        return
    last = [act for act in acts if not act.detail["text"].startswith("(")][-1:]
    if not last:
        why = "the call was over before the caller came to ask"
        phone = call.phone_line(call.over_ms, f"the stream is closed by the {call.report.closed_by}")
        yield held(False, check, call, why, phone=phone, model=call.model_line(ready[0]))
        return
    answers = [answer for answer in call.answers() if answer.began_ms > last[0].t_ms and answer.audio_ms]
    is_heard = bool(answers) and call.heard_from(answers[0].began_ms) is not None
    why = "the caller is answered afterwards" if is_heard else "nobody answers afterwards"
    model = call.model_line(answers[0].created if answers else ready[0])
    yield held(is_heard, check, call, why, phone=call.act_line(last[0]), model=model)
