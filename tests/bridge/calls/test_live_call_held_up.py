"""A process that was held up for seconds: what was due comes first, and what waited meanwhile does no harm."""

import json
import signal
from base64 import b64encode
from typing import Any

import pytest
import trio
from attrs import define, field
from heart import START as STARTED
from heart import Driver, agent_with, new_call, of, open_call, voice
from lone_calls import ModelLess, a_call
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.agents import Agent
from bridge.calls.live_call import LiveCall
from bridge.heart.call import Call
from bridge.heart.effects import CreateResponse
from bridge.heart.events import ClockRang, SessionCreated, SessionUpdated
from bridge.heart.limits.alarms import MOST_GRACE_MS
from bridge.heart.limits.catching_up import CATCH_UP_MS
from bridge.links.model import wait_silent
from bridge.settings.limits import Limits
from bridge.tapes import tape
from bridge.tapes.tape import Line
from bridge.wire import twilio
from bridge.workers.handle import STUCK_SECONDS, end_when_stuck

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

WEBHOOK = Line(t_ms=0, leg=tape.HTTP, sender=tape.TWILIO, http={})
CREATED = '{"type":"session.created","session":{"expires_at":0}}'
UPDATED = '{"type":"session.updated","session":{}}'
RESPONSE = '{"type":"response.created","response":{"id":"r1"}}'
DELTA = json.dumps(
    {
        "type": "response.output_audio.delta",
        "response_id": "r1",
        "item_id": "i1",
        "output_index": 0,
        "content_index": 0,
        "delta": b64encode(voice(2000)).decode(),
    }
)


@define
class Answers:
    """A model's socket that answers pings, so late."""

    after_seconds: float
    heard: int = 0

    async def ping(self) -> None:
        await trio.sleep(self.after_seconds)


def begin(call: LiveCall) -> None:
    """Begin a call and its media stream."""
    call.begin(WEBHOOK)
    call._hear(call.phone, json.dumps(START))


def frame(number: int) -> str:
    """Return 20 ms of silence."""
    media = {"track": "inbound", "chunk": str(number), "timestamp": str(number * 20), "payload": "/////w=="}
    return json.dumps({"event": "media", "streamSid": "MZ1", "media": media})


def played(lines: list[Line]) -> list[int]:
    """Return when each piece of the agent's voice left."""
    return [line.t_ms for line in lines if line.audio is not None]


async def test_what_was_due_rings_before_what_came_meanwhile(mock_clock: MockClock) -> None:
    call = a_call(Agent(name="a"), Call, ModelLess).live
    lines: list[Line] = []
    call.tape.watch = lines.append
    call.begin(WEBHOOK)
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
    call.begin(WEBHOOK)
    due = call.call.deadline
    assert due is not None
    mock_clock.jump(due / 1000 + 0.5)
    call._hear(call.phone, frame(1))
    assert not any(line.rang for line in lines)


async def test_what_comes_all_at_once_after_a_pause_stalls_no_model(mock_clock: MockClock) -> None:
    call = a_call(Agent(name="a"), Call, ModelLess).live
    begin(call)
    for message in (CREATED, UPDATED):
        call._hear(call.model, message)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call.lag.run)
        await wait_all_tasks_blocked()
        await call.model.outbox.take()
        call._hear(call.phone, frame(1))
        mock_clock.jump(60)  # our own process was held up, and the first to run is who hears the phone
        for number in range(2, 3000):
            call._hear(call.phone, frame(number))
        assert call.end is None
        assert len(call.model.outbox) > 2000
        nursery.cancel_scope.cancel()


async def test_a_model_that_takes_nothing_for_five_seconds_has_stalled(mock_clock: MockClock) -> None:
    call = a_call(Agent(name="a", limits=Limits(reconnects=0)), Call, ModelLess).live
    begin(call)
    for message in (CREATED, UPDATED):
        call._hear(call.model, message)
    await call.model.outbox.take()
    for number in range(1, 260):
        call._hear(call.phone, frame(number))
        mock_clock.jump(0.02)
    assert call.end is not None
    assert (call.end.by, call.end.why) == ("model", "the model stopped responding")


# ---------------------------------------------------------------- an alarm that is not moved with each frame


async def test_an_alarm_that_a_frame_has_put_off_leaves_no_line_and_rings_when_it_is_time(
    autojump_clock: MockClock,
) -> None:
    watched = a_call(agent_with(lost_media_ms=500, answer_timeout_ms=60_000), Call, ModelLess)
    call = watched.live
    begin(call)
    for message in (CREATED, UPDATED):
        call._hear(call.model, message)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call._keep_time)
        for number in range(1, 151):
            await trio.sleep(0.02)
            call._hear(call.phone, frame(number))
    rang = [line.t_ms for line in watched.lines if line.rang]
    assert call.end is not None
    assert (call.end.why, rang) == ("media stopped coming", [3500 + MOST_GRACE_MS])


async def test_what_is_due_goes_with_the_next_frame_and_rings_alone_where_none_comes(
    autojump_clock: MockClock,
) -> None:
    watched = a_call(agent_with(lost_media_ms=5000), Call, ModelLess)
    call = watched.live
    begin(call)
    for message in (CREATED, UPDATED, RESPONSE, DELTA):
        call._hear(call.model, message)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call._keep_time)
        await trio.sleep(0.0055)
        for number in range(1, 33):
            await trio.sleep(0.02)
            call._hear(call.phone, frame(number))
        with_frames = played(watched.lines)
        await trio.sleep(0.4)
        nursery.cancel_scope.cancel()
    rang = [line.t_ms for line in watched.lines if line.rang]
    assert with_frames == [0, 0, 0, 105, 205, 305, 405, 505, 605]
    assert played(watched.lines)[9:] == rang == [700 + MOST_GRACE_MS, 800, 900, 1000]


@pytest.mark.parametrize(("lead_ms", "grace_ms"), [(300, 25), (120, 10), (40, 3)])
def test_what_waits_for_a_frame_takes_little_of_the_lead(lead_ms: int, grace_ms: int) -> None:
    line = open_call(agent_with(lead_ms=lead_ms))
    line.caller_frame()
    assert line.call.alarm_at - line.call.calm_until == grace_ms


# ---------------------------------------------------------------- the heart after a pause


def hold_up(line: Driver, ms: int) -> None:
    """Let nothing happen for a while, and then the alarm ring that was due long ago."""
    line.now += ms
    line.wanted += line.call.handle(ClockRang(), line.now)


def test_a_caller_whose_frames_wait_in_the_socket_has_not_gone() -> None:
    line = open_call()
    hold_up(line, 3 * Agent().limits.lost_media_ms)
    line.wait_with_frames(1000)
    assert line.end is None


@pytest.mark.parametrize("held_up_ms", [0, 10_500, 50_000])
def test_a_caller_who_has_gone_meanwhile_is_found_out_soon_after(held_up_ms: int) -> None:
    line = open_call()
    hold_up(line, held_up_ms)
    line.wait(Agent().limits.lost_media_ms if not held_up_ms else CATCH_UP_MS)
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("caller", "media stopped coming")


def test_a_model_whose_answer_waits_in_the_socket_is_not_asked_again() -> None:
    line = open_call()
    line.caller_begins()
    line.caller_ends()
    hold_up(line, 30_000)
    line.answer("r1", "i1", 200)
    line.wait_with_frames(2000)
    assert line.end is None
    assert of(line.wanted, CreateResponse) == []


def test_a_session_that_was_ready_while_we_were_held_up_is_one() -> None:
    line = new_call()
    hold_up(line, 20_000)
    line.tell(SessionCreated(0), SessionUpdated(), STARTED)
    line.wait_with_frames(1000)
    assert line.end is None


# ---------------------------------------------------------------- workers after a pause


@define
class Process:
    """A process that says nothing by itself, and keeps what it is sent."""

    heard: float = 0.0
    number: int = 1
    signals: list[str] = field(factory=list)

    @property
    def process(self) -> "Process":
        return self

    @property
    def silent_seconds(self) -> float:
        return trio.current_time() - self.heard

    def send_signal(self, number: int) -> None:
        self.signals.append(signal.Signals(number).name)

    def kill(self) -> None:
        self.signals.append("SIGKILL")


async def test_a_worker_of_which_nothing_was_read_while_the_desk_was_held_up_lives(
    mock_clock: MockClock,
) -> None:
    worker = Process()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_when_stuck, worker)  # type: ignore[arg-type]  # all that it needs of a worker
        await wait_all_tasks_blocked()
        mock_clock.jump(600)
        await wait_all_tasks_blocked()
        assert worker.signals == []
        nursery.cancel_scope.cancel()


async def test_a_worker_that_says_nothing_is_ended(autojump_clock: MockClock) -> None:
    worker = Process()
    await end_when_stuck(worker)  # type: ignore[arg-type]  # all that it needs of a worker
    assert worker.signals == ["SIGABRT", "SIGKILL"]
    assert STUCK_SECONDS <= trio.current_time() <= STUCK_SECONDS + 2


# ---------------------------------------------------------------- the heartbeats after a pause


async def test_an_answer_to_a_ping_that_waits_in_the_socket_is_an_answer(mock_clock: MockClock) -> None:
    socket = Answers(after_seconds=0.1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_silent, socket)  # type: ignore[arg-type]  # all that it needs of a link
        await wait_all_tasks_blocked()
        mock_clock.jump(2)
        await wait_all_tasks_blocked()
        mock_clock.jump(60)
        await wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        nursery.cancel_scope.cancel()


async def test_a_model_that_speaks_is_there_however_late_its_answer_to_a_ping(
    autojump_clock: MockClock,
) -> None:
    socket = Answers(after_seconds=20)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_silent, socket)  # type: ignore[arg-type]  # all that it needs of a link
        for _ in range(100):
            await trio.sleep(0.3)
            socket.heard += 1
        assert len(nursery.child_tasks) == 1
        nursery.cancel_scope.cancel()


async def test_a_model_that_answers_no_ping_is_noticed_within_four_and_a_half_seconds(
    autojump_clock: MockClock,
) -> None:
    began = trio.current_time()
    await wait_silent(Answers(after_seconds=1e6))  # type: ignore[arg-type]  # all that it needs of a link
    assert trio.current_time() - began == pytest.approx(4.5)
