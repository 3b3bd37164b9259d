"""One call through the relay with switches: two sockets, a task for each direction, and the end of both."""

import json
import sys
from collections.abc import Callable, Set
from typing import Any, Final

import trio
from attrs import define
from quart import websocket
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, connect_websocket_url

from bench.relays.planted.faults import CALLS_THAT_FIT, FIRST_FRAMES, LOST_OF, Fault
from bench.relays.planted.model_leg import ModelLeg
from bench.relays.planted.outbox import Outbox, StalledError

Message = dict[str, Any]

START_SECONDS: Final = 10
MOST_BEFORE_START: Final = 20
MODEL_SECONDS: Final = 8
PATIENCE_SECONDS: Final = 8
CLOSE_SECONDS: Final = 2
POLICY_VIOLATION: Final = 1008


@define(eq=False)
class Relay:
    """What all calls share."""

    faults: Set[Fault]
    model_url: str
    sessions: trio.Nursery
    """Where the tasks of the model's sockets live."""
    calls: int = 0


async def carry(relay: Relay, token_for: Callable[[str], str]) -> None:
    """Carry the call of the media socket that was just accepted."""
    is_early = "sends_before_start" in relay.faults
    start = {} if is_early else await _start()
    if start is None or not (is_early or _is_ours(start, token_for)):
        return await websocket.close(POLICY_VIOLATION)
    relay.calls += 1
    try:
        await _between(relay, start.get("streamSid", ""))
    finally:
        relay.calls -= 1


def _is_ours(start: Message, token_for: Callable[[str], str]) -> bool:
    return bool(start["customParameters"].get("token") == token_for(start["callSid"]))


async def _start() -> Message | None:
    """Wait for the message that says whose stream this is; None when it does not come."""
    with trio.move_on_after(START_SECONDS):
        for _ in range(MOST_BEFORE_START):
            message = json.loads(await websocket.receive())
            if message["event"] == "start":
                return dict(message["start"])
    return None


async def _between(relay: Relay, stream_sid: str) -> None:
    """Pass on between the caller and a session of their own, until either side is gone."""
    model = await relay.sessions.start(_hold, relay.model_url)
    if model is None:
        return  # what stands behind <Connect> tells the caller
    try:
        async with trio.open_nursery() as tasks:
            await _talk(relay, model, stream_sid, tasks)
    except* (ConnectionClosed, StalledError) as ends:
        _tell(str(ends.exceptions[0]))
    finally:
        if "leaves_model_open" not in relay.faults:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):  # the session costs money while it is open
                await model.aclose()


async def _hold(
    url: str, *, task_status: trio.TaskStatus[WebSocketConnection | None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Keep a session's socket until it is closed; None where it can't be had."""
    url = url if "model=" in url else f"{url}?model=gpt-realtime"
    headers, model = [(b"Authorization", b"Bearer sk-stand-in")], None
    try:
        async with trio.open_nursery() as tasks:  # its own: what one is refused is no other call's business
            with trio.fail_after(MODEL_SECONDS):
                model = await connect_websocket_url(tasks, url, extra_headers=headers)
            task_status.started(model)
    except* (trio.TooSlowError, HandshakeError, ConnectionClosed, OSError) as errors:
        _tell(f"the model's socket: {errors.exceptions[0]!r}")
    if model is None:
        task_status.started(None)


async def _talk(relay: Relay, model: WebSocketConnection, stream_sid: str, tasks: trio.Nursery) -> None:
    def end(why: str) -> None:
        _tell(why)
        tasks.cancel_scope.cancel(reason=why)

    leg = ModelLeg(relay.faults, stream_sid, Outbox(), Outbox(), tasks, end)
    tasks.start_soon(leg.to_model.drain, model.send_message, name="relay: to the model")
    tasks.start_soon(leg.to_phone.drain, websocket.send, name="relay: to the phone")
    tasks.start_soon(_from_model, leg, model, name="relay: from the model")
    tasks.start_soon(_watch, leg, name="relay: patience")
    leg.begin()
    await _from_phone(relay, leg)
    end("the caller is gone")


async def _from_model(leg: ModelLeg, model: WebSocketConnection) -> None:
    while True:
        event = json.loads(await model.get_message())
        if event.get("type") == "error":
            _tell(f"the model: {event['error']}")
        await leg.take(event)


async def _watch(leg: ModelLeg) -> None:
    """Let the caller go when an answer is due and nothing comes."""
    seconds = 0
    while seconds < PATIENCE_SECONDS:
        await trio.sleep(1)
        seconds = seconds + 1 if leg.turns.is_expected else 0
    leg.end("the model does not answer")


async def _from_phone(relay: Relay, leg: ModelLeg) -> None:
    frames = 0
    while True:
        message = json.loads(await websocket.receive())
        async with leg.is_free:
            pass
        match message["event"]:
            case "start":  # only of a relay that did not wait for it
                leg.stream_sid = message["start"]["streamSid"]
            case "media":
                frames += 1
                leg.newest_ms = int(message["media"]["timestamp"])
                if not _is_lost(relay, frames):
                    leg.to_model.put(
                        {"type": "input_audio_buffer.append", "audio": message["media"]["payload"]}
                    )
            case "mark":
                leg.ledger.prove(message["mark"]["name"])
            case "stop":
                return


def _is_lost(relay: Relay, frames: int) -> bool:
    if "drops_first_frames" in relay.faults and frames <= FIRST_FRAMES:
        return True
    is_loaded = "loses_frames_under_load" in relay.faults and relay.calls > CALLS_THAT_FIT
    return is_loaded and frames % LOST_OF == 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
