"""What must not get in: every request here is refused with a bare status, or not at all, and no call comes of it."""

import json
import struct
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
import trio
import trio.testing
from strangers import (
    CALL,
    FORM,
    HOST,
    MEDIA_PATH,
    TOKEN,
    UPGRADE,
    WEBHOOK_PATH,
    Answer,
    Form,
    answer_in,
    ask,
    post,
    say,
    without,
)
from structlog.testing import capture_logs
from websockets.frames import Frame, Opcode

from bench.stage import AGENT, PUBLIC, MakePlace, Stage, living_tasks, open_files, open_stage
from bridge.config import Secrets, Settings, Twilio
from bridge.settings.server import Server
from bridge.web.app import Gate, make_app
from replay.phone.signing import sign

HANDSHAKE_SECONDS = 0.3
MEDIA_SIGNATURE = sign(f"{PUBLIC.replace('https', 'wss')}{MEDIA_PATH}", (), TOKEN)
RIGHT = sign(PUBLIC + WEBHOOK_PATH, FORM, TOKEN)
UPGRADED = (
    f"GET {MEDIA_PATH} HTTP/1.1\r\n{HOST}X-Twilio-Signature: {MEDIA_SIGNATURE}\r\n{UPGRADE}\r\n".encode()
)


@pytest.fixture
async def stage(place: MakePlace) -> AsyncIterator[Stage]:
    """Run a daemon that waits for handshakes only a moment."""
    async with open_stage(place(handshake_seconds=HANDSHAKE_SECONDS)) as running:
        with trio.fail_after(20):
            await ask(running, "GET /healthz HTTP/1.1")
            await trio.testing.wait_all_tasks_blocked(0.001)
            yield running


def is_bare(answer: Answer) -> bool:
    """Say whether an answer tells nothing: no body, no software, no other address."""
    told = [
        word
        for word in ("server:", "location:", "allow:", "hypercorn", "quart", "python")
        if word in answer.head
    ]
    return not told and answer.body == b""


def no_call(stage: Stage) -> bool:
    return (stage.daemon.switchboard.live, stage.model.connections) == (0, 0)


# ---------------------------------------------------------------- signatures

SIGNED_OTHERWISE = {
    "none": "",
    "empty": " ",
    "another token": sign(PUBLIC + WEBHOOK_PATH, FORM, "another-token"),
    "http": sign(PUBLIC.replace("https", "http") + WEBHOOK_PATH, FORM, TOKEN),
    "wss": sign(PUBLIC.replace("https", "wss") + WEBHOOK_PATH, FORM, TOKEN),
    "another port": sign(PUBLIC + ":8443" + WEBHOOK_PATH, FORM, TOKEN),
    "the port of http": sign(PUBLIC + ":80" + WEBHOOK_PATH, FORM, TOKEN),
    "another host": sign("https://evil.example.com" + WEBHOOK_PATH, FORM, TOKEN),
    "another path": sign(PUBLIC + "/voice/other", FORM, TOKEN),
    "a query": sign(PUBLIC + WEBHOOK_PATH + "?a=1", FORM, TOKEN),
    "a trailing slash": sign(PUBLIC + WEBHOOK_PATH + "/", FORM, TOKEN),
    "no form": sign(PUBLIC + WEBHOOK_PATH, (), TOKEN),
    "the media socket's": MEDIA_SIGNATURE,
    "no base64": "=" * 28,
    "cut off": RIGHT[:-1],
    "with more": RIGHT + "A",
    "other letters": RIGHT.swapcase(),
    "of URLs": urlsafe_b64encode(b"\xff" * 20).decode(),
    "no ASCII": "\xe9" * 28,
    "very long": RIGHT * 100,
}


@pytest.mark.parametrize("signature", SIGNED_OTHERWISE.values(), ids=list(SIGNED_OTHERWISE))
async def test_a_webhook_signed_otherwise_is_refused(stage: Stage, signature: str) -> None:
    answer = await post(stage, signature=signature)
    assert (answer.status, is_bare(answer), no_call(stage)) == (403, True, True)


async def test_the_same_webhook_signed_by_twilio_is_taken(stage: Stage) -> None:
    assert (await post(stage)).status == 200
    assert stage.daemon.switchboard.live == 1


async def test_a_port_that_twilio_left_in_is_no_other_url(stage: Stage) -> None:
    assert (await post(stage, signature=sign(PUBLIC + ":443" + WEBHOOK_PATH, FORM, TOKEN))).status == 200


TAMPERED: dict[str, Form] = {
    "a value": [*without(FORM, "From"), ("From", "+15559999999")],
    "one more": [*FORM, ("Extra", "1")],
    "one less": without(FORM, "Direction"),
    "another CallSid": [*without(FORM, "CallSid"), ("CallSid", "CA" + "6" * 32)],
    "another name": [*without(FORM, "From"), ("Fron", "+15550123456")],
    "nothing": [],
}


@pytest.mark.parametrize("form", TAMPERED.values(), ids=list(TAMPERED))
async def test_a_form_that_was_changed_on_its_way_is_refused(stage: Stage, form: Form) -> None:
    answer = await post(stage, form, signature=RIGHT)
    assert (answer.status, is_bare(answer), no_call(stage)) == (403, True, True)


MOVED: dict[str, Form] = {
    "to the right": [
        *without(without(FORM, "CallSid"), "CallStatus"),
        ("CallSid", CALL + "CallStatusringing"),
    ],
    "to the left": [
        ("AccountSid", dict(FORM)["AccountSid"]),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", CALL[:-1]),
        ("5CallStatusringingDirectioninboundFrom+15550123456To+15550100100", ""),
    ],
}


@pytest.mark.parametrize("form", MOVED.values(), ids=list(MOVED))
async def test_a_recorded_form_cut_up_into_another_call_is_no_call(stage: Stage, form: Form) -> None:
    """What is signed has no borders: names and values may share one string in other ways than Twilio did."""
    answer = await post(stage, form, signature=RIGHT)
    assert (answer.status in (400, 403), is_bare(answer), no_call(stage)) == (True, True, True)


OTHER_CALL = "CA" + "6" * 32
HOSTILE = f"sip:aCallSid{OTHER_CALL}From+19995550000@example.com"
INVITING: Form = [*without(FORM, "From"), ("From", HOSTILE)]
RECUT: Form = [
    ("AccountSid", dict(FORM)["AccountSid"]),
    ("ApiVersion", f"2010-04-01CallSid{CALL}CallStatusringingDirectioninboundFromsip:a"),
    ("CallSid", OTHER_CALL),
    ("From", "+19995550000@example.com"),
    ("To", "+15550100100"),
]


@pytest.mark.parametrize("path", [WEBHOOK_PATH, WEBHOOK_PATH + "/next"])
async def test_a_call_that_a_caller_wrote_into_an_address_is_no_call(stage: Stage, path: str) -> None:
    signature = sign(PUBLIC + path, INVITING, TOKEN)
    assert sign(PUBLIC + path, RECUT, TOKEN) == signature
    with capture_logs() as logs:
        answers = [await post(stage, RECUT, target=path, signature=signature) for _ in range(3)]
    assert [(answer.status, is_bare(answer)) for answer in answers] == [(400, True)] * 3
    assert no_call(stage)
    assert 1 <= len([entry for entry in logs if "maybe another one" in entry["event"]]) < 3
    assert (await post(stage, INVITING, target=path, signature=signature)).status == 200


@pytest.mark.parametrize("name", ["CallSid", "From", "To", "AccountSid"])
async def test_a_form_that_says_two_things_at_once_is_refused(stage: Stage, name: str) -> None:
    answer = await post(stage, [*FORM, (name, "CA" + "6" * 32)])
    assert (answer.status, is_bare(answer), no_call(stage)) == (400, True, True)


@pytest.mark.parametrize("signatures", [(RIGHT, "x"), ("x", RIGHT), (RIGHT, RIGHT)])
async def test_two_signatures_are_none(stage: Stage, signatures: tuple[str, str]) -> None:
    answer = await post(stage, FORM, f"X-Twilio-Signature: {signatures[1]}", signature=signatures[0])
    assert (answer.status, no_call(stage)) == (403, True)
    twice = f"X-Twilio-Signature: {MEDIA_SIGNATURE}"
    assert (await ask(stage, f"GET {MEDIA_PATH} HTTP/1.1", twice, twice, UPGRADE.strip())).status == 403


async def test_a_body_of_json_is_no_webhook_even_with_twilios_way_to_sign_it(stage: Stage) -> None:
    body = b'{"CallSid": "CA55555555555555555555555555555555"}'
    target = f"{WEBHOOK_PATH}?bodySHA256={sha256(body).hexdigest()}"
    signature = f"X-Twilio-Signature: {sign(PUBLIC + target, (), TOKEN)}"
    kind, length = "Content-Type: application/json", f"Content-Length: {len(body)}"
    answer = await ask(stage, f"POST {target} HTTP/1.1", signature, kind, length, body=body)
    assert (answer.status, is_bare(answer), no_call(stage)) == (403, True, True)


FORGED = (
    "X-Forwarded-Host: evil.example.com", "X-Forwarded-Proto: http", "X-Forwarded-For: 54.172.60.1",
    "X-Forwarded-Port: 80", "X-Forwarded-Prefix: /evil", "Forwarded: for=54.172.60.1;host=evil.example.com;proto=http",
    "X-Real-IP: 54.172.60.1", "X-Original-URL: /healthz", "X-Rewrite-URL: /healthz", "X-HTTP-Method-Override: GET",
)  # fmt: skip


async def test_forwarding_headers_that_anybody_can_write_change_nothing(stage: Stage) -> None:
    elsewhere = sign("http://evil.example.com" + WEBHOOK_PATH, FORM, TOKEN)
    assert (await post(stage, FORM, *FORGED, signature=elsewhere)).status == 403
    assert no_call(stage)
    answer = await post(stage, FORM, *FORGED)
    assert answer.status == 200
    assert f'url="{PUBLIC.replace("https", "wss")}{MEDIA_PATH}"'.encode() in answer.body
    assert b"evil" not in answer.body


# ---------------------------------------------------------------- accounts and tokens

OURS = "AC" + "0" * 32


@pytest.mark.parametrize("path", [WEBHOOK_PATH, WEBHOOK_PATH + "/next"])
async def test_a_request_of_another_account_is_refused_though_it_is_signed(
    place: MakePlace, path: str
) -> None:
    with trio.fail_after(10):
        async with open_stage(place(twilio={"account_sid": OURS})) as stage:
            for form in (
                [*without(FORM, "AccountSid"), ("AccountSid", "AC" + "9" * 32)],
                [*FORM, ("AccountSid", "AC" + "9" * 32)],
                without(FORM, "AccountSid"),
            ):
                answer = await post(stage, form, target=path)
                assert (answer.status, is_bare(answer), no_call(stage)) == (403, True, True)
            assert (await post(stage, target=path)).status == 200


async def test_a_token_is_worth_nothing_after_the_time_a_call_waits(place: MakePlace) -> None:
    with trio.fail_after(15):
        async with open_stage(place(limits={"waiting_seconds": 1})) as stage:
            token = (await post(stage)).body.split(b'name="token" value="')[1].split(b'"')[0].decode()
            await stage.wait_no_calls()
            heard = await say(stage, UPGRADED, frame(start_message(token)))
            assert heard.startswith(b"HTTP/1.1 101")
            assert closed_with(heard) == 1008
            assert b"<Connect" not in (await post(stage)).body


def start_message(token: str) -> bytes:
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"accountSid": OURS, "streamSid": "MZ1", "callSid": CALL, "mediaFormat": media_format}
    start["customParameters"] = {"token": token}
    return json.dumps({"event": "start", "streamSid": "MZ1", "start": start}).encode()


def frame(data: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


def closed_with(heard: bytes) -> int:
    """Return the code of the close frame that ends what was heard after an upgrade."""
    last = heard.partition(b"\r\n\r\n")[2]
    return int.from_bytes(last[2:4], "big") if last[:1] == b"\x88" else 0


# ---------------------------------------------------------------- paths and methods

PATHS = (
    "/", "//", "/voice", "/voice/", f"//voice/{AGENT}", f"/voice//{AGENT}", f"/voice/{AGENT}//", f"/./voice/{AGENT}",
    f"/voice/../voice/{AGENT}", f"/voice/%2e%2e/voice/{AGENT}", f"/voice%2f{AGENT}", "/voice/front%2Ddesk",
    f"/voice/{AGENT};a=1", f"/voice;x/{AGENT}", f"/voice/{AGENT}%00", f"/voice/{AGENT}%0d%0aX-A:%20b",
    f"/voice/{AGENT}%20", f"/voice/{AGENT}/next/", f"/voice/{AGENT}/next//", f"/voice/{AGENT}/next/next",
    f"/VOICE/{AGENT}", "/voice/Front-Desk", f"/voice/{AGENT}.xml", f"/voice\\{AGENT}", "/voice/%D1%84", "/voice/ws",
    "/voice/ws/", "/voice/ws/../healthz", "/healthz/", "//healthz", "/healthz;", "/health%7a", "/healthz%00",
    "/metrics", "/favicon.ico", "/robots.txt", "/.env", "/static/x", "/?a=/healthz", "/" + "a" * 4000,
    "*", "?", "http://bridge.example.com/healthz", f"https://bridge.example.com/voice/{AGENT}",
    "bridge.example.com:443",
)  # fmt: skip
KNOWN = {f"/voice/{AGENT}/next/", "/voice/ws", "/voice/ws/", "/voice/ws/../healthz"}
"""A slash at the end is one of Twilio's ways to write a URL; what begins with /voice/ws is asked for its signature."""


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE"])
async def test_every_other_path_is_not_found_whatever_it_decodes_to(stage: Stage, method: str) -> None:
    for path in PATHS:
        answer = await ask(stage, f"{method} {path} HTTP/1.1", "Content-Length: 0")
        expected = (403, 404, 405) if path in KNOWN else (404,) if path.startswith("/") else (400,)
        assert (path, answer.status in expected, is_bare(answer)) == (path, True, True)
    assert no_call(stage)


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith("/") and path not in KNOWN])
async def test_not_even_a_right_signature_opens_a_path_that_must_be_decoded_first(
    stage: Stage, path: str
) -> None:
    answer = await post(stage, target=path)
    assert (answer.status, is_bare(answer), no_call(stage)) == (404, True, True)


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW"]
)
async def test_a_wrong_method_is_refused_without_a_word(stage: Stage, method: str) -> None:
    for path in (WEBHOOK_PATH, WEBHOOK_PATH + "/next"):
        answer = await ask(
            stage, f"{method} {path} HTTP/1.1", f"X-Twilio-Signature: {RIGHT}", "Content-Length: 0"
        )
        assert (answer.status, is_bare(answer), no_call(stage)) == (405, True, True)


async def test_health_says_one_word(stage: Stage) -> None:
    answer = await ask(stage, "GET /healthz HTTP/1.1")
    assert (answer.status, answer.body.strip()) == (200, b'{"status":"ok"}')
    assert "server:" not in answer.head


class BrokenSwitchboard:
    """A switchboard with a bug."""

    is_closing = False

    async def answer(self, webhook: object) -> str:
        raise RuntimeError("secret detail")


async def test_a_bug_shows_no_trace_of_itself() -> None:
    settings = Settings(
        Server(public_url=PUBLIC),
        Twilio(accept_unsigned_requests_from_anybody=True),
        agents={AGENT: None},  # type: ignore[dict-item]  # never looked at
    )
    agent = {AGENT: object()}
    settings = Settings(settings.server, settings.twilio, agents=agent)  # type: ignore[arg-type]
    app = make_app(Gate(settings, Secrets()), BrokenSwitchboard())  # type: ignore[arg-type]
    answer = await app.test_client().post(WEBHOOK_PATH, form=dict(FORM))
    assert (answer.status_code, await answer.get_data()) == (500, b"")


# ---------------------------------------------------------------- HTTP itself

BROKEN = {
    "no version": f"GET {WEBHOOK_PATH}\r\n{HOST}\r\n",
    "a version of its own": f"GET {WEBHOOK_PATH} HTTP/9\r\n{HOST}\r\n",
    "NUL in the path": f"GET /voice/\x00 HTTP/1.1\r\n{HOST}\r\n",
    "no ASCII in the path": f"GET /voice/\xe9 HTTP/1.1\r\n{HOST}\r\n",
    "a space in the path": f"GET /voice/a b HTTP/1.1\r\n{HOST}\r\n",
    "no host": f"GET {WEBHOOK_PATH} HTTP/1.1\r\n\r\n",
    "two hosts": f"GET /healthz HTTP/1.1\r\n{HOST}{HOST}\r\n",
    "a header without a colon": f"GET /healthz HTTP/1.1\r\n{HOST}Nothing\r\n\r\n",
    "a space before the colon": f"GET /healthz HTTP/1.1\r\n{HOST}X : y\r\n\r\n",
    "NUL in a header": f"GET /healthz HTTP/1.1\r\n{HOST}X: a\x00b\r\n\r\n",
    "CR in a header": f"GET /healthz HTTP/1.1\r\n{HOST}X: a\rb\r\n\r\n",
    "two lengths": f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a negative length": f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n",
    "a length of letters": f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Content-Length: 0x10\r\n\r\n",
    "an unknown coding": f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip\r\n\r\n",
    "two codings": f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a chunk without a size": f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a length and a coding": (
        f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("words", BROKEN.values(), ids=list(BROKEN))
async def test_broken_http_is_refused_and_the_connection_ended(stage: Stage, words: str) -> None:
    answer = answer_in(await say(stage, words.encode("latin-1")))
    assert (answer.status in (0, 400, 403, 404, 501), is_bare(answer), no_call(stage)) == (True, True, True)


STRANGE = {
    "a whole head of 16 KiB and more": (f"GET /healthz HTTP/1.1\r\n{HOST}X: {'a' * 17_000}\r\n\r\n", 431),
    "a whole path of 16 KiB and more": (f"GET /{'a' * 17_000} HTTP/1.1\r\n{HOST}\r\n", 431),
    "a folded header": (f"GET /healthz HTTP/1.1\r\n{HOST}X: a\r\n\tb\r\n\r\n", 400),
    "a folded first header": (f"GET /healthz HTTP/1.1\r\n X: a\r\n{HOST}\r\n", 400),
    "a folded host": ("GET /healthz HTTP/1.1\r\nHost: a\r\n .example.com\r\n\r\n", 400),
    "folded trailers": (
        f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n b\r\n\r\n", 400
    ),
    "HTTP/9.9": (f"GET /healthz HTTP/9.9\r\n{HOST}\r\n", 505),
    "HTTP/0.9": (f"GET /healthz HTTP/0.9\r\n{HOST}\r\n", 505),
    "HTTP/2.0": (f"GET /healthz HTTP/2.0\r\n{HOST}\r\n", 505),
    "a folded header on the media path": (f"GET {MEDIA_PATH} HTTP/1.1\r\n{HOST}X: a\r\n b\r\n\r\n", 0),
    "a folded header with a colon there": (f"GET {MEDIA_PATH} HTTP/1.1\r\n{HOST}X: a\r\n b: c\r\n\r\n", 0),
    "HTTP/9.9 on the media path": (f"GET {MEDIA_PATH} HTTP/9.9\r\n{HOST}{UPGRADE}\r\n", 0),
    "a whole head of 16 KiB and more there": (f"GET {MEDIA_PATH} HTTP/1.1\r\n{HOST}X: {'a' * 17_000}\r\n\r\n", 0),
}  # fmt: skip
"""0: the connection is ended without an answer."""


@pytest.mark.parametrize(("words", "status"), STRANGE.values(), ids=list(STRANGE))
async def test_strange_http_is_refused(stage: Stage, words: str, status: int) -> None:
    answer = answer_in(await say(stage, words.encode("latin-1")))
    assert (answer.status, is_bare(answer), no_call(stage)) == (status, True, True)


async def test_a_head_of_almost_16_kib_is_taken(stage: Stage) -> None:
    head = f"GET /healthz HTTP/1.1\r\n{HOST}Connection: close\r\nX: {'a' * 16_000}\r\n\r\n"
    assert answer_in(await say(stage, head.encode())).status == 200


async def test_nothing_is_smuggled_behind_a_body_whose_end_is_disputed(stage: Stage) -> None:
    inner = f"GET /healthz HTTP/1.1\r\n{HOST}\r\n"
    outer = (
        f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Content-Length: {5 + len(inner)}\r\n"
        f"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
    )
    heard = await say(stage, outer.encode())
    assert (answer_in(heard).status, heard.count(b"HTTP/1.1 ")) == (400, 1)


@pytest.mark.parametrize("body", [b"", b"x" * 10])
async def test_an_upgrade_to_http_2_is_not_taken(stage: Stage, body: bytes) -> None:
    h2c = ("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__", "Connection: Upgrade, HTTP2-Settings")
    heard = await ask(stage, "GET /nothing HTTP/1.1", *h2c, f"Content-Length: {len(body)}", body=body)
    assert (heard.status, is_bare(heard)) == (404, True)


async def test_http_2_with_prior_knowledge_is_not_spoken(stage: Stage) -> None:
    settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    heard = await say(stage, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
    assert b"\x00\x00" not in heard
    assert answer_in(heard).status == 505


async def test_a_hundred_headers_are_too_many(stage: Stage) -> None:
    answer = await ask(stage, "GET /healthz HTTP/1.1", *(f"X-{n}: y" for n in range(200)))
    assert (answer.status, is_bare(answer)) == (431, True)
    media = await ask(stage, f"GET {MEDIA_PATH} HTTP/1.1", *(f"X-{n}: y" for n in range(200)))
    assert media.status in (0, 400, 431)


HUGE = {
    "path": (f"GET /{'a' * 100_000} HTTP/1.1\r\n", 1),
    "header": (f"GET /healthz HTTP/1.1\r\n{HOST}X: {'a' * 100_000}\r\n", 1),
    "headers": (f"GET /healthz HTTP/1.1\r\n{HOST}", 20_000),
    "media path": (f"GET {MEDIA_PATH}{'a' * 100_000} HTTP/1.1\r\n", 1),
    "media headers": (f"GET {MEDIA_PATH} HTTP/1.1\r\n{HOST}", 20_000),
}


@pytest.mark.parametrize(("words", "headers"), HUGE.values(), ids=list(HUGE))
async def test_a_head_larger_than_any_is_refused_before_it_ends(
    stage: Stage, words: str, headers: int
) -> None:
    began = trio.current_time()
    answer = answer_in(await say(stage, words.encode(), *[b"X-Header: value\r\n" * 100] * (headers // 100)))
    assert answer.status in (0, 400, 431)
    assert is_bare(answer)
    assert trio.current_time() - began < 2


@pytest.mark.parametrize("path", [WEBHOOK_PATH, "/healthz", "/nothing"])
async def test_a_body_in_chunks_that_never_ends_is_cut_off(stage: Stage, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
    answer = answer_in(await say(stage, head, *[chunk] * 5000))
    assert answer.status in (0, 404, 405, 413)  # 0: it was still sending when the connection was reset
    assert is_bare(answer)
    assert no_call(stage)


async def test_requests_that_do_not_wait_for_their_answers_get_them_in_order(stage: Stage) -> None:
    one, two = f"GET /healthz HTTP/1.1\r\n{HOST}\r\n", f"GET /nothing HTTP/1.1\r\n{HOST}\r\n"
    heard = await say(stage, (one * 50 + two).encode())
    assert [line.split()[1] for line in heard.split(b"\n") if line.startswith(b"HTTP/1.1")] == [
        b"200"
    ] * 50 + [b"404"]


async def test_whatever_follows_a_last_request_is_not_read_and_holds_nothing(stage: Stage) -> None:
    before = living_tasks(), open_files()
    last = f"GET /healthz HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n"
    heard = await say(stage, (last + "GET /healthz HTTP/1.1\r\n" * 100).encode())
    assert heard.count(b"HTTP/1.1 ") == 1
    while (living_tasks(), open_files()) != before:  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.001)


# ---------------------------------------------------------------- slowly

SLOWLY = {
    "a request line": f"GET /{'a' * 500}",
    "headers": f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}X: {'a' * 500}",
    "a body": f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Content-Length: 900\r\n\r\n{'a' * 500}",
    "chunks": f"POST {WEBHOOK_PATH} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n"
    + "1\r\na\r\n" * 100,
    "a media request line": f"GET {MEDIA_PATH}{'a' * 500}",
    "media headers": f"GET {MEDIA_PATH} HTTP/1.1\r\n{HOST}X: {'a' * 500}",
}


@pytest.mark.parametrize("words", SLOWLY.values(), ids=list(SLOWLY))
async def test_whoever_says_one_byte_at_a_time_is_ended_in_time(stage: Stage, words: str) -> None:
    """The head up to its last header comes at once: it is the drops after it that must not buy more time."""
    before = living_tasks(), open_files()
    began, at_once = trio.current_time(), max(words.find("aaa"), words.find("1\r\na"), 4)
    drops = [words[at : at + 1].encode() for at in range(at_once, len(words))]
    await say(stage, words[:at_once].encode(), *drops, pause=0.02)
    assert trio.current_time() - began < 3 * HANDSHAKE_SECONDS + 1
    while (living_tasks(), open_files()) != before:  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.001)
    assert no_call(stage)


async def test_a_socket_that_sends_its_first_message_drop_by_drop_is_ended_in_time(stage: Stage) -> None:
    began = trio.current_time()
    drops = [bytes([byte]) for byte in frame(b'{"event": "start"' + b" " * 500)]
    heard = await say(stage, UPGRADED, *drops, pause=0.02)
    assert heard.startswith(b"HTTP/1.1 101")
    assert trio.current_time() - began < 3 * HANDSHAKE_SECONDS + 2


async def test_a_connection_kept_alive_is_not_kept_for_ever(stage: Stage) -> None:
    heard = await say(stage, f"GET /healthz HTTP/1.1\r\n{HOST}\r\n".encode())
    assert heard.count(b"HTTP/1.1 200") == 1


# ---------------------------------------------------------------- media sockets without a call

UNWELCOME = {
    "a message larger than any start": frame(b"x" * 70_000),
    "many messages that together are": frame(b"x" * 30_000) * 5,
    "more messages than any": frame(b"{}") * 100,
    "deep JSON": frame(b'{"event": "start", "x": ' + b"[" * 50_000),
    "a frame without a mask": Frame(Opcode.TEXT, b"{}").serialize(mask=False),
    "an unknown kind of frame": b"\x83\x80\x00\x00\x00\x00",
    "a compressed frame": b"\xc1\x80\x00\x00\x00\x00",
    "no UTF-8": frame(b"\xff\xfe"),
    "a frame of 2**62 bytes": b"\x81\xff" + (2**62).to_bytes(8, "big") + bytes(4),
    "a start without a call": frame(start_message("no-token")),
}


@pytest.mark.parametrize("words", UNWELCOME.values(), ids=list(UNWELCOME))
async def test_a_signed_socket_that_says_what_twilio_never_says_is_ended(stage: Stage, words: bytes) -> None:
    before = living_tasks(), open_files()
    with capture_logs() as logs:
        heard = await say(stage, UPGRADED, words)
    assert heard.startswith(b"HTTP/1.1 101")
    assert not [entry for entry in logs if entry["log_level"] == "error"]
    while (living_tasks(), open_files()) != before:  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.001)
    assert no_call(stage)


async def test_frames_that_come_with_the_upgrade_are_no_part_of_its_head(stage: Stage) -> None:
    heard = await say(stage, UPGRADED + frame(b" " * 40_000) + frame(b"\xff"))
    assert heard.startswith(b"HTTP/1.1 101")
    assert struct.pack("!H", 1007) in heard


async def test_a_flood_of_strangers_is_one_line_in_the_log(stage: Stage) -> None:
    with capture_logs() as logs:
        for _ in range(30):
            assert (await post(stage, signature="x")).status == 403
    refusals = [entry for entry in logs if "wrong signature" in entry["event"]]
    assert 1 <= len(refusals) <= 3


# ---------------------------------------------------------------- connections


async def test_connections_beyond_the_most_there_may_be_are_ended_at_once(place: MakePlace) -> None:
    with trio.fail_after(10):
        async with open_stage(place(server={"max_connections": 10}, handshake_seconds=2)) as stage:
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(say, stage, b"GET /voi")
                await trio.testing.wait_all_tasks_blocked(0.001)
                assert (
                    answer_in(await say(stage, f"GET /healthz HTTP/1.1\r\n{HOST}\r\n".encode())).status == 0
                )
            assert (await ask(stage, "GET /healthz HTTP/1.1")).status == 200
