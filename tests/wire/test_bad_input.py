"""What no peer should say: counted, logged once with the call's id, kept on the tape, and survived."""

import json
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from bench.stage import GREETING, PROMPT, MakePlace, Place, Stage, open_stage, speech, words
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import MODEL, PHONE, Line, decode
from replay.model.faults import HUGE_BYTES
from replay.model.script import CallTool, Faults, Garbage, Script
from replay.phone.ring import Caller, CallReport
from replay.phone.script import HangUp, SendRaw, Step, Wait, WaitForAgent, WaitForEnd

BAD: dict[str, tuple[str | bytes, str]] = {
    "binary frame": (b"\x00\xff", "broken twilio message: binary frame"),
    "broken JSON": ('{"event": "media", ', "broken twilio message: not JSON"),
    "deep JSON": ("[" * 60_000, "broken twilio message: not JSON"),
    "no object": ("[1, null]", "broken twilio message: no event field"),
    "number as event": ('{"event": 7}', "broken twilio message: no event field"),
    "unknown event": ('{"event": "telepathy"}', "unknown twilio message: telepathy"),
    "missing fields": ('{"event": "media"}', "broken twilio message: media with missing or wrong fields"),
    "wrong payload": (
        '{"event": "media", "streamSid": "MZ0", "media": {"chunk": "1", "payload": "?"}}',
        "broken twilio message: media with missing or wrong fields",
    ),
    "wrong key": (
        '{"event": "dtmf", "streamSid": "MZ0", "dtmf": {"digit": "12"}}',
        "broken twilio message: dtmf with missing or wrong fields",
    ),
    "wrong streamSid": (
        '{"event": "mark", "streamSid": "MZ0", "mark": {"name": "m1"}}',
        "message with a wrong streamSid",
    ),
    "empty text": ("", "broken twilio message: not JSON"),
    "lone surrogate": ('{"event": "\\ud800"}', "unknown twilio message: \ufffd"),
    "lists": (f"[{'[],' * 2**21}0]", "broken twilio message: longer than any"),
    "16 MiB": ("x" * 2**24, "broken twilio message: longer than any"),
}


async def a_call(place: Place, caller: Caller) -> tuple[CallReport, dict[str, Any], list[dict[str, Any]]]:
    """Make one call; return the caller's report, the call's row, and what was logged of it."""
    with capture_logs() as logs:
        async with open_stage(place) as stage:
            report = await stage.ring(caller)
    (row,) = place.calls()
    return report, row, [dict(entry) for entry in logs if entry.get("call_id") == report.call_sid]


def inputs(place: Place, leg: str) -> list[Line]:
    """Return the messages of a peer that are on the tape."""
    (path,) = place.tapes
    lines = [decode(raw) for raw in read_tape(path).lines]
    return [line for line in lines if line.leg == leg and line.is_input and not line.close]


def caller(*steps: Step, **more: Any) -> Caller:
    """Return a caller who listens, does something, and hangs up."""
    return Caller(steps=(WaitForAgent(), *steps, HangUp()), answer_delay_ms=0, **more)


# ---------------------------------------------------------------- the phone's side


@pytest.mark.parametrize(("message", "count"), BAD.values(), ids=list(BAD))
async def test_a_bad_message_of_the_phone_is_counted_logged_once_and_survived(
    place: MakePlace, message: str | bytes, count: str
) -> None:
    setup = place()
    report, row, logs = await a_call(setup, caller(SendRaw(message), SendRaw(message), Wait(60)))
    assert (row["ended_by"], row["why"], report.closed_by) == ("caller", "hung up", "caller")
    assert json.loads(row["counts"])[count] == 2
    assert [entry["event"] for entry in logs if entry["event"] == count] == [count]


async def test_every_bad_message_of_the_phone_is_on_the_tape(place: MakePlace) -> None:
    setup = place()
    messages = [message for message, _ in BAD.values()]
    report, _, _ = await a_call(setup, caller(*map(SendRaw, messages), Wait(60)))
    kept = inputs(setup, PHONE)
    echoed = sum(mark.echoed_ms is not None for mark in report.marks)
    assert len(kept) == len(["connected", "start", "stop"]) + report.frames_sent + echoed + len(messages)
    assert [line.text for line in kept if line.text is not None] == [
        message for message, count in BAD.values() if "not JSON" in count or "longer" in count
    ]


async def test_media_before_the_start_belongs_to_no_stream(place: MakePlace) -> None:
    setup = place()
    report, row, _ = await a_call(setup, caller(media_before_start=True))
    assert json.loads(row["counts"])["media before start"] == 1
    assert report.first_heard_ms is not None
    first = [json.loads(bytes(line.msg))["event"] for line in inputs(setup, PHONE)[:3]]  # type: ignore[arg-type]
    assert first == ["connected", "media", "start"]


async def test_a_second_start_changes_nothing(place: MakePlace) -> None:
    report, row, logs = await a_call(place(), caller(two_starts=True))
    assert json.loads(row["counts"])["second start"] == 1
    assert report.first_heard_ms is not None
    assert sum(entry["event"] == "second start" for entry in logs) == 1


async def test_a_second_start_gives_no_token_away(place: MakePlace) -> None:
    setup = place()
    report, _, _ = await a_call(setup, caller(two_starts=True))
    token = report.twiml.split('name="token" value="')[1].split('"')[0]
    (path,) = setup.tapes
    assert token.encode() not in b"".join(read_tape(path).lines)


async def test_a_message_larger_than_any_ends_the_call_and_no_other(place: MakePlace) -> None:
    setup = place(
        limits={"answer_timeout_ms": 60_000, "stream_returns": 0}
    )  # the kernel takes its time for 32 MiB
    async with open_stage(setup) as stage, trio.open_nursery() as nursery:
        reports: list[CallReport] = []
        nursery.start_soon(_ring, stage, caller(SendRaw("x" * (2**25 + 1)), WaitForEnd()), reports)
        nursery.start_soon(_ring, stage, caller(Wait(1500)), reports)
    whys = sorted(row["why"] for row in setup.calls())
    assert whys == ["hung up", "media socket lost (1006)"]


async def _ring(stage: Stage, one: Caller, reports: list[CallReport]) -> None:
    reports.append(await stage.ring(one))


# ---------------------------------------------------------------- the model's side

GARBAGE: dict[Garbage, str] = {
    "binary_frame": "broken model message: binary frame",
    "broken_json": "broken model message: not JSON",
    "not_an_object": "broken model message: no type field",
    "unknown_event": "unknown model message: response.telepathy.delta",
    "missing_fields": "broken model message: response.output_audio.delta with missing or wrong fields",
    "unknown_error": "model error: flux_capacitor_drained",
    "huge": "unknown model message: response.huge",
}


def garbled(kinds: Sequence[Garbage]) -> Script:
    """Return a script that hangs up after one turn, with bad frames in between."""
    return Script(
        opening=GREETING.opening,
        turns=((words("caller_no"), CallTool("hang_up", {"reason": "all said"})),),
        delivery=PROMPT,
        faults=Faults(garbage=tuple(kinds), stray_errors=True),
    )


async def test_bad_messages_of_the_model_are_counted_logged_once_taped_and_survived(place: MakePlace) -> None:
    setup = place(script=garbled([*GARBAGE, *GARBAGE]))
    talker = attrs.evolve(caller(), steps=(WaitForAgent(), speech("caller_yes"), WaitForEnd()))
    _, row, logs = await a_call(setup, talker)
    assert (row["ended_by"], row["why"]) == ("tool", "all said")
    counts = json.loads(row["counts"])
    assert {name: counts[name] for name in GARBAGE.values()} == dict.fromkeys(GARBAGE.values(), 2)
    logged = [entry["event"] for entry in logs]
    assert [logged.count(name) for name in GARBAGE.values()] == [1] * len(GARBAGE)
    kept = inputs(setup, MODEL)
    assert sum(line.binary is not None for line in kept) == 2
    assert [line.text for line in kept if line.text] == [
        '{"type": "response.output_audio.delta", "delta": '
    ] * 2
    assert sum(len(bytes(line.msg or b"")) == HUGE_BYTES for line in kept) == 2


def test_the_kinds_of_garbage_are_all_here() -> None:
    assert set(GARBAGE) == set(Garbage.__args__)  # type: ignore[attr-defined]
