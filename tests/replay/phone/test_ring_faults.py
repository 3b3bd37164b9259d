"""The Twilio stand-in when a call goes wrong: what the bridge gets to see, and what the report says."""

import itertools
import json

import attrs
import trio
from phone_peer import CONNECT, Media, a_bridge, goodbye, to_the_end

from replay.phone import twiml
from replay.phone.script import (
    DropSocket,
    GoSilent,
    HangUp,
    SendRaw,
    StopReading,
    Wait,
    WaitForEnd,
)


async def test_a_dropped_socket_is_a_reset_without_stop() -> None:
    async with a_bridge() as (bridge, call):
        report = await call(Wait(40), DropSocket())
    assert bridge.medias[0].got[-1]["event"] == "media"
    assert bridge.medias[0].close_code == 1006
    assert (report.closed_by, report.next_verbs) == ("caller", [])


async def test_a_caller_that_stops_reading_keeps_sending() -> None:
    async with a_bridge() as (bridge, call):
        report = await call(StopReading(), Wait(100), HangUp())
    assert report.frames_sent == 5
    assert bridge.medias[0].got[-1]["event"] == "stop"


async def test_a_silent_peer_sends_nothing_and_keeps_the_socket() -> None:
    async with a_bridge() as (bridge, call):
        report = await call(Wait(40), GoSilent(), Wait(100), HangUp())
    assert [m["event"] for m in bridge.medias[0].got] == ["connected", "start", "media", "media"]
    assert report.frames_sent == 2


async def test_a_bridge_that_reads_too_slowly_loses_audio_and_earns_a_warning() -> None:
    async with a_bridge(max_pending=0) as (_, call):
        report = await call(Wait(40), HangUp())
    assert report.frames_lost == 2
    assert report.warnings[0].code == 31930


async def test_raw_words_and_wrong_identities_go_out_as_they_are() -> None:
    raw: list[object] = []

    async def talk(media: Media) -> None:
        raw.extend([await media.socket.get_message() for _ in range(5)])
        await media.socket.aclose(1008, "no")

    wrong = {"token_override": "x", "call_sid_override": "CAx", "account_sid_override": "ACx"}
    async with a_bridge(talk, media_before_start=True, two_starts=True, **wrong) as (_, call):
        report = await call(SendRaw(b"\x00"), WaitForEnd())
    events = [json.loads(str(message)) for message in raw[:4]]
    assert [event["event"] for event in events] == ["connected", "media", "start", "start"]
    start = events[2]["start"]
    assert (start["customParameters"]["token"], start["callSid"], start["accountSid"]) == ("x", "CAx", "ACx")
    assert raw[4] == b"\x00"
    assert report.close_code == 1008


async def test_the_stream_of_another_call_is_used_with_its_parameters() -> None:
    starts: list[str | bytes] = []

    async def talk(media: Media) -> None:
        starts.extend([await media.socket.get_message() for _ in range(2)])
        await media.socket.aclose(1000)

    async with a_bridge(talk) as (_, call):
        own = (await call(WaitForEnd())).stream
    assert own is not None
    theirs = attrs.evolve(own, parameters={"token": "of another call"})
    async with a_bridge(talk, stream_override=theirs) as (_, call):
        await call(WaitForEnd())
    told = [json.loads(text)["start"]["customParameters"]["token"] for text in (starts[1], starts[3])]
    assert told == [own.parameters["token"], "of another call"]


async def test_a_second_socket_tells_what_became_of_it() -> None:
    seen = itertools.count()

    async def talk(media: Media) -> None:
        await media.until("start")
        if next(seen):
            await media.socket.aclose(1008, "taken")
        await to_the_end(media)

    async with a_bridge(talk, second_socket=True) as (_, call):
        report = await call(Wait(300), HangUp())
    assert report.second_socket is not None
    assert (report.second_socket.close_code, report.second_socket.close_reason) == (1008, "taken")
    assert report.closed_by == "caller"


async def test_a_bridge_that_vanishes_is_a_close_by_the_bridge() -> None:
    async def vanish(media: Media) -> None:
        await media.until("media")
        await media.vanish()

    async with a_bridge(vanish) as (_, call):
        report = await call()
    assert (report.closed_by, report.close_code) == ("bridge", 1006)
    assert report.next_verbs == [twiml.Hangup()]


async def test_a_call_is_over_when_its_time_is() -> None:
    async with a_bridge() as (_, call):
        report = await call(Wait(5_000), total_ms=200)
    assert report.error == "not over after 200 ms"


async def test_stream_callbacks_are_sent_and_signed() -> None:
    voice = CONNECT.replace("<Stream ", '<Stream statusCallback="/status" ')
    async with a_bridge(goodbye, answers={"/voice": voice}) as (bridge, call):
        report = await call()
    told = [form for target, form, _ in bridge.forms if target == "/status"]
    assert sorted(form["StreamEvent"][0] for form in told) == ["stream-started", "stream-stopped"]
    assert told[0]["StreamSid"] == [report.stream_sid]
    assert sorted(report.callbacks) == [("stream-started", 200), ("stream-stopped", 200)]


async def test_fifty_calls_ring_at_once() -> None:
    reports = []

    async def one() -> None:
        reports.append(await call(Wait(300), HangUp()))

    async with a_bridge(within_s=60) as (_, call), trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(one)
    assert [report.frames_sent for report in reports] == [15] * 50
