"""What proxies and monitors make of a good request: each is taken as the request that it was."""

import re
from urllib.parse import urlencode

import pytest
import trio
from strangers import FORM, HOST, TOKEN, WEBHOOK_PATH, answer_in, post, say

from bench.stage import PUBLIC, Stage
from replay.phone.signing import sign

BODY = urlencode(FORM).encode()
SIGNED = f"X-Twilio-Signature: {sign(PUBLIC + WEBHOOK_PATH, FORM, TOKEN)}\r\n"
KIND = "Content-Type: application/x-www-form-urlencoded\r\n"
LENGTH = f"Content-Length: {len(BODY)}\r\n"
CLOSE = "Connection: close\r\n"


def chunked(body: bytes, size: int = 7) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


PASSED_ON = {
    "HTTP/1.0": ("HTTP/1.0", LENGTH, BODY),
    "in chunks": ("HTTP/1.1", f"{CLOSE}Transfer-Encoding: chunked\r\n", chunked(BODY)),
    "asking to go on": ("HTTP/1.1", f"{CLOSE}{LENGTH}Expect: 100-continue\r\n", BODY),
    "an upgrade left over": ("HTTP/1.0", f"{LENGTH}Connection: upgrade\r\n", BODY),
    "a name with its port": ("HTTP/1.0", f"{LENGTH}X-Forwarded-Port: 8443\r\n", BODY),
}


@pytest.mark.parametrize(("version", "headers", "body"), PASSED_ON.values(), ids=list(PASSED_ON))
async def test_a_webhook_is_taken_however_a_proxy_passes_it_on(
    stage: Stage, version: str, headers: str, body: bytes
) -> None:
    head = f"POST {WEBHOOK_PATH} {version}\r\n{HOST}{SIGNED}{KIND}{headers}\r\n".encode()
    with trio.fail_after(20):
        heard = await say(stage, head + body)
    statuses = re.findall(rb"HTTP/1\.[01] (\d+) ", heard)
    assert statuses == ([b"100", b"200"] if "Expect" in headers else [b"200"])
    assert b"<Connect" in heard
    assert stage.daemon.switchboard.live == 1


@pytest.mark.parametrize("query", ["?a=1", "?a=%7Bb%7D&c=%20d", "?a=b+c&a", "?%61=%2F"])
async def test_a_query_is_signed_as_it_was_written(stage: Stage, query: str) -> None:
    answer = await post(stage, target=WEBHOOK_PATH + query)
    assert (answer.status, b"<Connect" in answer.body) == (200, True)


@pytest.mark.parametrize(
    "line", ["HEAD /healthz HTTP/1.1", "GET /healthz HTTP/1.0", "HEAD /healthz?from=monitor HTTP/1.0"]
)
async def test_health_can_be_asked_for_by_head_and_by_what_old_proxies_speak(stage: Stage, line: str) -> None:
    heard = await say(stage, f"{line}\r\n{HOST}{CLOSE}\r\n".encode())
    answer = answer_in(heard)
    assert (answer.status, answer.body == b"") == (200, line.startswith("HEAD"))
