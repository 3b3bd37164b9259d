"""Several hosts behind one address: what each of them answers, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import pytest
import trio
from strangers import FORM, TOKEN, Answer, answer_in, post, say

from bench.stage import AGENT, PUBLIC, Place, Stage, open_stage
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent
from replay.phone.signing import sign

FIRST, SECOND = "https://one.example.com", "https://two.example.com"
QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
WEBHOOK_PATH = f"/voice/{AGENT}"


@asynccontextmanager
async def open_host(folder: Path, url: str, **setup: Any) -> AsyncIterator[Stage]:
    """Run one host of several."""
    own = folder / (urlsplit(url).hostname or "")
    own.mkdir()
    server = {"host_url": url, **setup.pop("server", {})}
    async with open_stage(Place(own, server=server, **setup)) as stage:
        yield stage


async def test_a_host_asks_for_everything_about_its_call_at_its_own_address(tmp_path: Path) -> None:
    with trio.fail_after(15):
        async with open_host(tmp_path, FIRST) as stage:
            one, nobody = stage.via, "http://127.0.0.1:9"
            report = await stage.ring(QUICK, vias={"one.example.com": one})
            elsewhere = await stage.ring(QUICK, vias={"one.example.com": nobody})
    assert (report.error, bool(report.heard)) == (None, True)
    connect = ElementTree.fromstring(report.twiml)[0]
    assert connect.attrib["action"] == f"{FIRST}{WEBHOOK_PATH}/next"
    assert connect[0].attrib["url"] == f"wss://one.example.com/voice/ws/{AGENT}"
    assert (
        elsewhere.upgrade_status is None
    )  # its stream was looked for at the host's address, and nowhere else


def signed_over(address: str) -> str:
    """Return the signature of the usual webhook, called at this address."""
    return sign(address + WEBHOOK_PATH, FORM, TOKEN)


@pytest.mark.parametrize(
    ("address", "status"), [(PUBLIC, 200), (FIRST, 200), (SECOND, 403), ("https://attacker.example", 403)]
)
async def test_a_signature_counts_over_an_address_of_ours_whatever_host_the_request_names(
    tmp_path: Path, address: str, status: int
) -> None:
    """Proxies write another Host, and whoever knocks writes what they like: nothing is believed of it."""
    with trio.fail_after(15):
        async with open_host(tmp_path, FIRST) as stage:
            answers = [
                await posted_to(stage, host, signed_over(address))
                for host in (
                    urlsplit(address).netloc,
                    "bridge.example.com",
                    "127.0.0.1:8080",
                    "attacker.example",
                )
            ]
            one_machine = await post(stage, signature=signed_over(address), target="/voice/nobody")
    assert {answer.status for answer in answers} == {status}
    assert one_machine.status == 403  # another path


async def posted_to(stage: Stage, host: str, signature: str) -> Answer:
    """Post the usual webhook with this Host header."""
    body = urlencode(FORM).encode()
    head = [
        f"POST {WEBHOOK_PATH} HTTP/1.1",
        f"Host: {host}",
        "Connection: close",
        f"X-Twilio-Signature: {signature}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
    ]
    return answer_in(await say(stage, "\r\n".join([*head, "", ""]).encode() + body))


async def test_where_there_is_one_machine_a_request_for_another_address_is_refused(stage: Stage) -> None:
    assert (await post(stage, signature=signed_over(FIRST))).status == 403
    assert (await post(stage, signature=signed_over(PUBLIC))).status == 200
