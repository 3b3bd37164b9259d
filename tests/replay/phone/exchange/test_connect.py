"""Streams of one call: each with a StreamSid, counters and a token of its own, and a time between them."""

from typing import Any

import pytest
from phone_peer import Bridge, Media, goodbye, to_the_end
from twiml_calls import CONNECT, HELLO, a_call, response, town

from replay.phone.report import CallReport
from replay.phone.script import HangUp, Step, Wait, WaitForAgent, WaitForQuiet, WaitForReturn, WaitForStream


def round_trips(count: int) -> dict[str, str]:
    """Documents for a call that streams so often, with a key pressed in each pause."""
    url = "wss://bridge.example.com/media"
    answers = {
        "/voice": response(
            f'<Connect action="/n1"><Stream url="{url}"><Parameter name="token" value="t0"/></Stream></Connect>'
        )
    }
    for number in range(1, count):
        stream = f'<Stream url="{url}"><Parameter name="token" value="t{number}"/></Stream>'
        answers[f"/n{number}"] = response(
            '<Play digits="1"/>', f'<Connect action="/n{number + 1}">{stream}</Connect>'
        )
    return {**answers, f"/n{count}": response("<Hangup/>")}


async def trips(
    count: int, *steps: Step, behaviour: dict[str, Any] | None = None, **options: Any
) -> tuple[CallReport, Bridge]:
    return await a_call(*steps, answers=round_trips(count), town=town(behaviour), **options)


async def test_a_call_leaves_and_returns_as_often_as_its_twiml_says() -> None:
    report, bridge = await trips(8)
    starts = [media.got[1] for media in bridge.medias]
    assert len(set(report.stream_sids)) == 8
    assert [start["start"]["customParameters"]["token"] for start in starts] == [
        f"t{index}" for index in range(8)
    ]
    assert {start["sequenceNumber"] for start in starts} == {"1"}
    assert {start["start"]["callSid"] for start in starts} == {report.call_sid}
    assert (report.error, report.ended_by) == (None, "bridge")


async def test_between_two_streams_the_caller_talks_and_nobody_hears() -> None:
    async def talk(media: Media) -> None:
        if len(media.got) == 0 and not heard:
            heard.append(0)
            return await goodbye(media)
        await media.until("media")
        await to_the_end(media)

    heard: list[int] = []
    report, bridge = await trips(
        2, Wait(300), HELLO, WaitForReturn(), Wait(200), HangUp(), behaviour={"reentry_ms": 2000}, talk=talk
    )
    asked = next(one for one in report.asked if one.verb == "connect")
    began_ms = [one.t_ms for one in report.events if one.kind == "start"]
    assert began_ms[1] - began_ms[0] - asked.at_ms >= 2000
    assert HELLO.audio in report.said  # said on the line ...
    first = bridge.medias[1].got[2]["media"]
    assert (first["chunk"], first["timestamp"]) == (
        "1",
        "57",
    )  # ... and the new stream counts from its own start


async def test_what_twilio_says_before_the_stream_is_not_the_agent() -> None:
    answers = {"/voice": f"<Response><Say>One moment, please.</Say>{CONNECT}</Response>"}
    steps = (WaitForStream(), WaitForAgent(300), HangUp())
    report, _ = await a_call(*steps, answers=answers, town=town(), talk=to_the_end)
    (said,), (missed,) = report.words, report.missed
    assert (said.text, missed.step) == ("One moment, please.", WaitForAgent(300))
    assert missed.at_ms >= said.at_ms + said.ms + 300


async def test_a_caller_may_hang_up_in_the_gap() -> None:
    report, bridge = await trips(2, Wait(1200), HangUp(), behaviour={"reentry_ms": 5000})
    assert (len(bridge.medias), report.ended_by) == (1, "caller")


@pytest.mark.parametrize("tells", [False, True])
async def test_connects_action_may_tell_of_the_stream(tells: bool) -> None:
    report, bridge = await trips(1, behaviour={"stream_parameters": tells})
    (form,) = bridge.asked("/n1")
    assert form.get("StreamSid") == (report.stream_sid if tells else None)


async def test_the_action_can_come_though_the_caller_hung_up() -> None:
    for asks in (False, True):
        behaviour = {"action_after_hang_up": asks}
        _, bridge = await trips(1, Wait(100), HangUp(), behaviour=behaviour, talk=to_the_end)
        assert [form["CallStatus"] for form in bridge.asked("/n1")] == ["completed"] * asks


async def test_late_frames_of_the_old_stream_leave_before_its_goodbye_is_answered() -> None:
    report, bridge = await trips(2, behaviour={"late_frames": 5})
    assert report.late_frames_sent == 10
    assert [media.close_code for media in bridge.medias] == [1000, 1000]
    assert report.error is None


async def test_after_a_return_only_what_the_agent_says_then_is_an_answer() -> None:
    async def talk(media: Media) -> None:
        await media.until("media")
        await media.play(20)
        for _ in range(40 if not seen else 200):
            await media.until("media")
        if seen:
            return await to_the_end(media)
        seen.append(True)
        await media.socket.aclose()

    seen: list[bool] = []
    report, bridge = await trips(2, WaitForReturn(), WaitForQuiet(300), HangUp(), talk=talk)
    began_ms = [one.t_ms for one in report.events if one.kind == "start"]
    assert (report.ended_by, report.missed) == ("caller", [])
    assert report.events[-1].t_ms - began_ms[1] >= 700
    assert len(bridge.medias) == 2
