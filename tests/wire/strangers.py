"""What nobody of ours would send: raw bytes over a socket of one's own, and signed requests with something wrong."""

import contextlib
from collections.abc import Iterable
from urllib.parse import urlencode

import trio
from attrs import frozen

from bench.stage import AGENT, PUBLIC, Stage
from replay.phone.signing import sign

TOKEN = "golden-test-auth-token-000000000"
HOST = "Host: bridge.example.com\r\n"
CALL = "CA" + "5" * 32
Form = list[tuple[str, str]]
FORM: Form = [
    ("AccountSid", "AC" + "0" * 32), ("ApiVersion", "2010-04-01"), ("CallSid", CALL), ("CallStatus", "ringing"),
    ("Direction", "inbound"), ("From", "+15550123456"), ("To", "+15550100100"),
]  # fmt: skip
WEBHOOK_PATH = f"/voice/{AGENT}"
MEDIA_PATH = f"/voice/ws/{AGENT}"
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@frozen
class Answer:
    """One HTTP answer, or none: status 0."""

    status: int
    head: str
    body: bytes


async def say(stage: Stage, *pieces: bytes, pause: float = 0) -> bytes:
    """Say something on a connection of one's own, with pauses in between; return all that comes until it is ended."""
    heard = b""
    async with await trio.open_tcp_stream("127.0.0.1", stage.daemon.port) as stream:

        async def speak() -> None:
            with contextlib.suppress(trio.BrokenResourceError):
                for piece in pieces:
                    await stream.send_all(piece)
                    await trio.sleep(pause)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            with contextlib.suppress(trio.BrokenResourceError):
                async for data in stream:
                    heard += data
            nursery.cancel_scope.cancel(reason="the daemon has ended it")
    return heard


def answer_in(heard: bytes) -> Answer:
    """Return the first answer in what was heard."""
    head, _, body = heard.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    return Answer(int(status[0]) if status else 0, head.decode("latin-1").lower(), body)


async def ask(stage: Stage, line: str, *headers: str, body: bytes = b"") -> Answer:
    """Make one request, as it stands, and ask for the connection to be closed after it."""
    head = f"{line}\r\n{HOST}Connection: close\r\n" + "".join(f"{header}\r\n" for header in headers) + "\r\n"
    return answer_in(await say(stage, head.encode("latin-1") + body))


async def post(
    stage: Stage,
    form: Iterable[tuple[str, str]] = FORM,
    *headers: str,
    target: str = WEBHOOK_PATH,
    signature: str | None = None,
) -> Answer:
    """Post a form, signed as Twilio does unless a signature is given; "" is none."""
    pairs = list(form)
    body = urlencode(pairs).encode()
    right = sign(PUBLIC + target, pairs, TOKEN)
    signed = [] if signature == "" else [f"X-Twilio-Signature: {signature or right}"]
    kind = "Content-Type: application/x-www-form-urlencoded"
    return await ask(
        stage,
        f"POST {target} HTTP/1.1",
        *signed,
        kind,
        f"Content-Length: {len(body)}",
        *headers,
        body=body,
    )


def without(form: Form, name: str) -> Form:
    """Return a form without one of its names."""
    return [pair for pair in form if pair[0] != name]
