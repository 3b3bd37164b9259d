"""The Twilio stand-in against peers that answer what no server should: reported, never raised."""

import base64

import pytest
import trio
from phone_strangers import a_call_to, a_webhook_that_answers, frame, http, says, with_sid

TONE = b"\x10" * 160


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", None),
        (b"<Response/>", None),
        (b"<Response><Hangup/></Response>", None),
        (b"\xff\xfe\x00", 12100),
        (b'<?xml version="1.0" encoding="utf-7"?><Response/>', 12100),
        (b'<?xml version="1.0" encoding="none"?><Response/>', 12100),
        (b"<a>" * 10_000, 12100),
        (b'<Response><Connect><Stream url="wss://[::1/media"/></Connect></Response>', 31923),
        (b'<Response><Connect><Stream url="wss://h:99999/media"/></Connect></Response>', 11100),
        (b"<Response><Redirect>http://[</Redirect></Response>", 11100),
        (b"<Response><Redirect>http://h:x/</Redirect></Response>", 11100),
        (b"<Response><Redirect>https://elsewhere.example.com/</Redirect></Response>", 11100),
        (b"x" * 2_000_000, 11200),
    ],
)  # fmt: skip
async def test_twiml_that_makes_no_sense_is_an_error_with_twilios_number(
    body: bytes, code: int | None
) -> None:
    report = await a_webhook_that_answers(http(body=body))
    assert report.error is None if code is None else str(report.error).startswith(f"{code}: ")


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><Response>&d;</Response>',
        '<Response><Say loop="²">Hi</Say></Response>'.encode(),
        f'<Response><Gather timeout="{"9" * 5000}" numDigits="1"/><Hangup/></Response>'.encode(),
        b"<Response><Sing/><Dance/></Response>",
    ],
)
async def test_twiml_that_twilio_ignores_in_part_is_a_counted_warning(body: bytes) -> None:
    report = await a_webhook_that_answers(http(body=body))
    assert {warned.code for warned in report.warnings} == {12200}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/9.9 abc\r\n\r\n",
        http("302 Found", more="Location: https://elsewhere.example.com/\r\n"),
        http("204 No Content")[:-2] + b"Content-Length: 5\r\n\r\n",
        http(kind="application/json", body=b"{}"),
        http("500 Oh", body=b"no"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Type: text/xml\r\n\r\n<R",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/xml\r\n\r\nnot gzip",
    ],
)
async def test_an_answer_that_is_none_is_an_error_of_the_call(raw: bytes) -> None:
    assert (await a_webhook_that_answers(raw)).error is not None


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (http("403 Forbidden"), 403),
        (http("200 OK", body=b"hello"), 200),
        (http("302 Found", more="Location: ws://elsewhere.example.com/\r\n"), 302),
        (b"HTTP/1.1 101 Hi\r\n\r\n", None),
        (b"SSH-2.0-OpenSSH\r\n", None),
        (b"", None),
        (b"\x16\x03\x01" * 50, None),
        (b"HTTP/1.1 101 Hi\r\n" + b"a: b\r\n" * 10_000, None),
    ],
)
async def test_a_server_that_is_no_media_server_is_an_error_of_the_call(
    raw: bytes, status: int | None
) -> None:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(raw)

    report = await a_call_to(talk)
    assert report.error is not None
    assert report.error.startswith("319")
    assert (report.upgrade_status, report.started_ms) == (status, None)


BRACKETS = b"[" * 60_000


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (frame(1, b"no json"), 31950),
        (frame(2, b"\x00" * 320), 31950),
        (frame(1, b"\xff\xfe"), 31950),
        (frame(1, BRACKETS), 31950),
        (frame(1, b"[]"), 31951),
        (frame(1, b'{"event":"media"}'), 31951),
        (frame(3, b"reserved"), 31924),
        (frame(1, b"", length=2**62), 31924),
        (frame(9, b"x" * 200), 31924),
        (frame(0, b"nothing to continue"), 31924),
        (b"\x81\xff", 31924),
        (frame(9, b"ping"), None),
    ],
)
async def test_what_no_media_server_may_say_is_a_warning(part: bytes, code: int | None) -> None:
    report = await a_call_to(says(part), wait_ms=300)
    assert [warned.code for warned in report.warnings] == ([] if code is None else [code])


async def test_a_mark_that_is_no_text_is_refused_before_it_could_come_back() -> None:
    audio = '"media":{"payload":"' + base64.b64encode(TONE * 2).decode() + '"}'

    def answer(sid: str) -> list[str]:
        head = f'"streamSid":"{sid}"'
        return [
            f'{{"event":"media",{head},{audio}}}',
            f'{{"event":"mark",{head},"mark":{{"name":"\\ud800"}}}}',
        ]

    report = await with_sid(answer, wait_ms=300)
    assert [warned.code for warned in report.warnings] == [31951]
    assert (report.closed_by, report.marks) == ("caller", [])


async def test_a_server_that_never_stops_talking_is_hung_up_on() -> None:
    report = await with_sid(lambda sid: ['{"event":"clear"}'] * 101, wait_ms=2000, max_messages=100)
    assert report.error == "more than 100 messages in one stream: the stand-in hung up"
    assert len(report.warnings) == 1
