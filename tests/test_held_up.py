"""A process that was held up for seconds: what was due comes first, and what waited meanwhile does no harm."""

import json
from typing import Any

from test_reaper import ModelLess, a_call
from trio.testing import MockClock

from bridge import tape, twilio
from bridge.call import Call
from bridge.config import Agent
from bridge.live import MODEL_OUTBOX
from bridge.tape import Line

FRAMES_A_SECOND = 50
START: dict[str, Any] = {
    "event": "start",
    "streamSid": "MZ1",
    "start": {
        "streamSid": "MZ1",
        "callSid": "CA1",
        "accountSid": "AC1",
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    },
}


def frame(number: int) -> str:
    """Return 20 ms of silence."""
    media = {"track": "inbound", "chunk": str(number), "timestamp": str(number * 20), "payload": "/////w=="}
    return json.dumps({"event": "media", "streamSid": "MZ1", "media": media})


async def test_what_was_due_rings_before_what_came_meanwhile(mock_clock: MockClock) -> None:
    call = a_call(Agent(name="a"), Call, ModelLess).live
    lines: list[Line] = []
    call.tape.watch = lines.append
    call.begin()
    call.feed(
        tape.received(0, tape.PHONE, tape.TWILIO, json.dumps(START), twilio.parse(json.dumps(START))),
        twilio.parse(json.dumps(START)),
    )
    due = call.call.deadline
    assert due is not None
    mock_clock.jump(due / 1000 + 5)
    call._hear(call.phone, frame(1))
    late = [line for line in lines if line.t_ms >= due]
    assert (late[0].rang, late[0].t_ms) == (True, call.now_ms())
    assert any(line.msg and b'"media"' in bytes(line.msg) for line in late[1:])


async def test_an_alarm_that_is_a_little_late_waits_for_its_turn(mock_clock: MockClock) -> None:
    call = a_call(Agent(name="a"), Call, ModelLess).live
    lines: list[Line] = []
    call.tape.watch = lines.append
    call.begin()
    due = call.call.deadline
    assert due is not None
    mock_clock.jump(due / 1000 + 0.5)
    call._hear(call.phone, frame(1))
    assert not any(line.rang for line in lines)


def test_a_call_that_survives_a_pause_survives_what_comes_all_at_once_after_it() -> None:
    assert Agent().limits.lost_media_ms / 1000 * FRAMES_A_SECOND < MODEL_OUTBOX
