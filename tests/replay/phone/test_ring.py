"""The Twilio stand-in on loopback, against a small server of the tests' own."""

import base64
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import trio
from phone_peer import FRAME, PUBLIC, STREAM, Media, a_bridge, goodbye, to_the_end
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from replay.phone import twiml
from replay.phone.line import SILENT_FRAME
from replay.phone.ring import Account
from replay.phone.script import (
    HangUp,
    InterruptAfter,
    Press,
    Say,
    Wait,
    WaitForAgent,
    WaitForQuiet,
)

VALIDATOR = RequestValidator(Account().auth_token)

# ---------------------------------------------------------------- HTTP


async def test_every_request_carries_a_signature_twilios_validator_accepts() -> None:
    async with a_bridge(goodbye) as (bridge, call):
        report = await call(status_url=f"{PUBLIC}/status", account=Account(odd_parameters=True))
    assert [target for target, _, _ in bridge.forms] == ["/voice", "/after", "/status"]
    for target, form, headers in bridge.forms:
        repeated = MultiForm(form)
        assert VALIDATOR.validate(f"{PUBLIC}{target}", repeated, headers["x-twilio-signature"])
        assert headers["host"] == "bridge.example.com"
        assert form["X-Repeated"] == ["one", "two"]
    assert report.callbacks == [("completed", 200)]
    assert report.error is None


class MultiForm(dict[str, list[str]]):
    """A form as web frameworks hand it to Twilio's validator."""

    def getall(self, name: str) -> list[str]:
        return self[name]


async def test_a_webhook_delivered_twice_carries_the_same_idempotency_token() -> None:
    async with a_bridge(goodbye, webhook_twice=True) as (bridge, call):
        await call()
    first, second = bridge.forms[:2]
    assert first[1] == second[1]
    assert first[2]["i-twilio-idempotency-token"] == second[2]["i-twilio-idempotency-token"]


async def test_a_failed_webhook_is_an_error_with_twilios_number() -> None:
    async with a_bridge(answers={"/voice": ""}) as (_, call):
        report = await call()
    assert report.error is not None
    assert report.error.startswith("11200")
    assert report.webhook_status == 404


async def test_with_via_no_other_host_is_ever_contacted() -> None:
    answers = {"/voice": "<Response><Redirect>https://elsewhere.example.com/</Redirect></Response>"}
    async with a_bridge(answers=answers) as (bridge, call):
        report = await call()
    assert report.error is not None
    assert "elsewhere.example.com" in report.error
    assert len(bridge.forms) == 1


async def test_a_circle_of_redirects_ends_after_three() -> None:
    async with a_bridge(answers={"/voice": "<Response><Redirect>/voice</Redirect></Response>"}) as (
        bridge,
        call,
    ):
        report = await call()
    assert len(bridge.forms) == 4
    assert report.error is not None


async def test_after_the_bridge_closed_the_action_says_what_comes_next() -> None:
    after = "<Response><Say>One moment</Say><Redirect>/again</Redirect></Response>"
    again = "<Response><Dial>+15550100</Dial></Response>"
    answers = {"/after": after, "/again": again}
    async with a_bridge(goodbye, answers=answers, patience_ms=60_000, within_s=60) as (bridge, call):
        report = await call()
    assert (report.closed_by, report.close_code, report.close_reason) == ("bridge", 1000, "bye")
    assert report.next_verbs[0] == twiml.Say("One moment")
    assert report.next_verbs[-1] == twiml.Dial(nouns=(twiml.Noun(to="+15550100"),))
    assert bridge.forms[1][1]["CallStatus"] == ["in-progress"]


async def test_a_call_can_come_back_into_a_second_stream() -> None:
    after = f"<Response><Connect>{STREAM}</Connect><Hangup/></Response>"
    async with a_bridge(goodbye, answers={"/after": after}) as (bridge, call):
        report = await call()
    first, second = (media.got[1] for media in bridge.medias)
    assert first["streamSid"] != second["streamSid"]
    assert first["start"]["callSid"] == second["start"]["callSid"] == report.call_sid
    assert report.next_verbs[-1] == twiml.Hangup()


async def test_the_next_verbs_are_those_that_ran_after_the_stream() -> None:
    answers = {
        "/voice": f'<Response><Say>Please wait</Say><Connect action="/after">{STREAM}</Connect></Response>',
        "/after": "<Response><Hangup/></Response>",
    }
    async with a_bridge(goodbye, answers=answers) as (_, call):
        report = await call()
    assert (report.verbs_before, report.next_verbs) == ([twiml.Say("Please wait")], [twiml.Hangup()])


# ---------------------------------------------------------------- the upgrade


async def test_the_upgrade_is_the_one_the_live_service_sends() -> None:
    async with a_bridge(goodbye) as (bridge, call):
        report = await call()
    headers = bridge.upgrade_headers(0)
    assert bridge.upgrades[0].startswith(b"GET /media HTTP/1.1\r\n")
    assert list(headers) == [
        "host",
        "user-agent",
        "connection",
        "upgrade",
        "sec-websocket-key",
        "sec-websocket-version",
        "x-twilio-signature",
        "x-forwarded-for",  # by the proxy that took TLS off
        "x-forwarded-host",
        "x-forwarded-proto",
        "accept-encoding",
    ]
    assert VALIDATOR.validate("wss://bridge.example.com/media", {}, headers["x-twilio-signature"])
    assert report.upgrade_status == 101


@pytest.mark.parametrize(
    ("options", "url", "is_valid"),
    [
        ({"trailing_slash": True}, "wss://bridge.example.com/media/", True),
        ({"signature": "https"}, "https://bridge.example.com/media", True),
        ({"signature": "wrong"}, "wss://bridge.example.com/media", False),
        ({"signature": "none"}, "wss://bridge.example.com/media", False),
    ],
)
async def test_the_upgrade_can_be_signed_otherwise(
    options: dict[str, object], url: str, is_valid: bool
) -> None:
    async with a_bridge(goodbye, **options) as (bridge, call):
        await call()
    signature = bridge.upgrades[0].decode().partition("x-twilio-signature: ")[2][:28]
    assert VALIDATOR.validate(url, {}, signature) is is_valid


async def test_a_refused_upgrade_is_31920_and_the_call_goes_on_behind_connect() -> None:
    async with a_bridge(refuse=403) as (_, call):
        report = await call()
    assert report.upgrade_status == 403
    assert report.error is not None
    assert report.error.startswith("31920")
    assert report.next_verbs == [twiml.Hangup()]


# ---------------------------------------------------------------- the stream


async def test_messages_are_numbered_and_timed_as_the_live_service_does() -> None:
    async with a_bridge() as (bridge, call):
        report = await call(Say(FRAME * 2 + FRAME[:8]), Press("#"), Wait(60), HangUp())
    connected, start, *rest = bridge.medias[0].got
    media = [message["media"] for message in rest if message["event"] == "media"]
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert start["start"]["customParameters"] == {"token": "t0"}
    numbers = [int(message["sequenceNumber"]) for message in (start, *rest)]
    assert numbers == list(range(1, len(rest) + 2))
    assert [int(m["chunk"]) for m in media] == list(range(1, len(media) + 1))
    assert [int(m["timestamp"]) for m in media] == [57 + 20 * k for k in range(len(media))]
    assert {len(m["payload"]) for m in media} == {216}
    assert (rest[3]["dtmf"], rest[-1]["event"]) == ({"track": "inbound_track", "digit": "#"}, "stop")
    assert report.said == FRAME * 2 + FRAME[:8] + b"\xff" * 152 + SILENT_FRAME * 3
    assert (report.closed_by, report.close_code, report.next_verbs) == ("caller", 1000, [])


async def test_the_traffic_of_a_call_passes_the_checker_of_the_golden_calls() -> None:
    async def talk(media: Media) -> None:
        await media.until("start")
        for name in "ab":
            await media.send("mark", name=name)
        await media.until("dtmf")
        await media.send("clear")
        await to_the_end(media)

    async with a_bridge(talk) as (bridge, call):
        await call(Wait(40), Press("5"), Say(FRAME), Wait(40), HangUp())
    upgrade = {"signed_url": "wss://bridge.example.com/media", "headers": bridge.upgrade_headers(0)}
    edge = {"t_ms": 0, "leg": "twilio_ws", "from": "twilio"}
    calls = [edge | {"upgrade": upgrade}, *bridge.medias[0].log, edge | {"close": {"code": 1000}}]
    assert load_checker().check_file([line | {"i": i} for i, line in enumerate(calls)]) == []


def load_checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "check_wire", Path(__file__).parents[2] / "golden/check_wire.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_frames_keep_to_an_absolute_clock() -> None:
    arrived: list[float] = []

    async def talk(media: Media) -> None:
        await media.until("start")
        while True:
            await media.next()
            arrived.append(trio.current_time())

    async with a_bridge(talk) as (_, call):
        report = await call(Wait(800), HangUp())
    assert report.frames_sent == 40
    assert arrived[39] - arrived[0] == pytest.approx(0.78, abs=0.3)


async def test_what_the_bridge_plays_is_heard_and_its_marks_come_back() -> None:
    async def talk(media: Media) -> None:
        await media.until("start")
        await media.play(5)
        await media.send("mark", name="a")
        await media.until("mark")
        await media.socket.aclose()

    async with a_bridge(talk) as (_, call):
        report = await call()
    begin = report.heard.index(FRAME)
    assert report.heard[begin : begin + 800] == FRAME * 5
    assert report.heard.count(b"\x10") == 800
    assert report.marks[0].echoed_ms == begin // 8 + 100
    assert report.gaps_ms == []
    assert report.first_audio_ms is not None
    assert report.first_heard_ms == begin // 8


async def test_an_interrupting_caller_is_heard_and_a_clear_brings_all_marks_back() -> None:
    async def talk(media: Media) -> None:
        await media.until("start")
        for name in "ab":
            await media.play(50)
            await media.send("mark", name=name)
        silence = base64.b64encode(SILENT_FRAME).decode()
        while (await media.until("media"))["media"]["payload"] == silence:
            pass
        await media.send("clear")
        await to_the_end(media)

    async with a_bridge(talk) as (bridge, call):
        report = await call(WaitForAgent(), InterruptAfter(100), Say(FRAME * 3), Wait(60), HangUp())
    echoed = [m["mark"]["name"] for m in bridge.medias[0].got if m["event"] == "mark"]
    assert echoed == ["a", "b"]
    assert all(mark.cleared for mark in report.marks)
    assert 100 <= report.heard.count(b"\x10") // 8 < 400
    assert report.missed == []


async def test_wrong_messages_are_warned_of_once_and_the_stream_goes_on() -> None:
    async def talk(media: Media) -> None:
        await media.until("start")
        for wrong in (b"\x00", b"\x00", "{", '{"event":"clear"}', "[]"):
            await media.socket.send_message(wrong)
        await media.send("media", payload="no base64")
        await media.send("unheard-of")
        await media.send("mark", name="still here")
        await media.until("mark")

    async with a_bridge(talk) as (_, call):
        report = await call()
    assert [(warned.code, warned.count) for warned in report.warnings] == [(31950, 3), (31951, 4)]


async def test_what_comes_after_stop_is_ignored() -> None:
    async def talk(media: Media) -> None:
        await media.until("stop")
        await media.play(1)

    async with a_bridge(talk) as (_, call):
        report = await call(Wait(20), HangUp())
    assert b"\x10" not in report.heard


async def test_waiting_for_quiet_ends_after_the_reply() -> None:
    async def talk(media: Media) -> None:
        await media.until("start")
        await media.play(5)
        await to_the_end(media)

    async with a_bridge(talk) as (_, call):
        report = await call(WaitForQuiet(100), HangUp())
    assert len(report.heard) == report.heard.rindex(b"\x10") + 1 + 5 * 160
