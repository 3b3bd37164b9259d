"""What `bridge doctor` makes of certificates, Twilio's REST API and the model's server, each over a real socket."""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from doctor_town import (
    HOST,
    KEY,
    PUBLIC,
    SID,
    TOKEN,
    Rest,
    at,
    number,
    only,
    rest_answers,
    serving,
    world_with,
)

from bridge import config
from bridge.config import Secrets
from bridge.doctor.findings import Finding
from bridge.doctor.model import check_model
from bridge.doctor.public_url import check_tls
from bridge.doctor.twilio import check_twilio
from bridge.doctor.world import Patient, World

ACCOUNT = f"/2010-04-01/Accounts/{SID}.json"
NUMBERS = f"/2010-04-01/Accounts/{SID}/IncomingPhoneNumbers.json"
MODEL = "/v1/models/gpt-realtime-2.1"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def patient_in(world: World, *, rest_port: int = 1, tokens: tuple[str, ...] = (TOKEN,)) -> Patient:
    raw = {
        "server": {"public_url": PUBLIC},
        "realtime": {"url": f"ws://127.0.0.1:{rest_port}/v1/realtime"},
        "twilio": {"api_url": f"http://127.0.0.1:{rest_port}"},
        "agents": {"front-desk": {}},
    }
    return Patient(config.parse(raw, Path("config.toml")), Secrets(tokens, KEY), SID, False, world)


# ---------------------------------------------------------------- certificates


@asynccontextmanager
async def a_tls_server(certificate: trustme.LeafCert) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def handle(stream: trio.SocketStream) -> None:
        secured = trio.SSLStream(stream, context, server_side=True)
        await secured.do_handshake()
        await secured.receive_some()

    async with serving(handle) as port:
        yield port


async def tls_of(certificate: trustme.LeafCert, trusted: trustme.CA | None, **world: Any) -> Finding:
    context = ssl.create_default_context()
    if trusted is not None:
        trusted.configure_trust(context)
    with trio.fail_after(5):
        async with a_tls_server(certificate) as port:
            return only(await check_tls(patient_in(world_with(port, context, **world))))


async def test_a_valid_certificate_tells_its_last_day(authority: trustme.CA) -> None:
    ends = datetime.now(UTC) + timedelta(days=80, hours=1)
    found = await tls_of(authority.issue_cert(HOST, not_after=ends), authority)
    assert (found.level, found.text) == ("ok", f"{HOST}: valid until {ends:%Y-%m-%d}, for 80 days more")


@pytest.mark.parametrize(("days", "level"), [(14, "ok"), (13, "warning"), (1, "warning")])
async def test_a_certificate_that_soon_expires_is_told(authority: trustme.CA, days: int, level: str) -> None:
    ends = datetime.now(UTC) + timedelta(days=days, hours=1)
    assert (await tls_of(authority.issue_cert(HOST, not_after=ends), authority)).level == level


async def test_the_days_are_counted_by_the_worlds_clock(authority: trustme.CA) -> None:
    ends = datetime.now(UTC) + timedelta(days=80)
    found = await tls_of(
        authority.issue_cert(HOST, not_after=ends), authority, now=at(ends - timedelta(days=2.5))
    )
    assert (found.level, "for 2 days more" in found.text) == ("warning", True)


async def test_a_certificate_that_twilio_would_refuse_is_told_with_why(authority: trustme.CA) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = await tls_of(
        authority.issue_cert(HOST, not_before=yesterday - timedelta(days=9), not_after=yesterday), authority
    )
    other = await tls_of(authority.issue_cert("other.example.com"), authority)
    unknown = await tls_of(authority.issue_cert(HOST), None)
    assert [finding.level for finding in (expired, other, unknown)] == ["error"] * 3
    assert "certificate has expired" in expired.text
    assert expired.next == "renew it: Twilio refuses expired certificates"
    assert f"get a certificate for {HOST}" in other.next
    assert "serve the whole chain" in unknown.next


async def test_a_server_that_speaks_no_tls_is_told() -> None:
    async def plain(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with trio.fail_after(5):
        async with serving(plain) as port:
            found = only(await check_tls(patient_in(world_with(port, ssl.create_default_context()))))
    assert (found.level, found.text[: len(HOST) + 8]) == ("error", f"{HOST}: no TLS")


async def test_http_2_alone_is_told() -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"\x15\x03\x03\x00\x02\x02\x78")  # a fatal alert: no_application_protocol

    with trio.fail_after(5):
        async with serving(refuse) as port:
            found = only(await check_tls(patient_in(world_with(port, ssl.create_default_context()))))
    assert (found.level, found.text) == ("error", f"{HOST} speaks HTTP/2 alone")


def test_the_world_as_it_comes_uses_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert World().client()._mounts == {}


# ---------------------------------------------------------------- Twilio's REST API


async def asked(check: Any, answers: dict[str, Any], **options: Any) -> tuple[list[Finding], Rest]:
    rest = Rest({**rest_answers(), **answers})
    with trio.fail_after(5):
        async with serving(rest.serve) as port:
            world = world_with(0, ssl.create_default_context())
            return await check(patient_in(world, rest_port=port, **options)), rest


def texts(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in findings]


async def test_the_account_and_its_numbers_are_asked_for_with_its_token() -> None:
    found, rest = await asked(check_twilio, {})
    assert texts(found) == [
        ("ok", "active"),
        ("ok", "+xxxxxxxxx99 leads to front-desk (no fallback URL)"),
        ("ok", "1 of 1 number leads here"),
    ]
    basic = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode().lower()
    assert rest.asked == [(ACCOUNT, f"basic {basic}"), (f"{NUMBERS}?PageSize=500", f"basic {basic}")]


ACCOUNTS: dict[str, tuple[int, dict[str, str], str, str]] = {
    "suspended": (200, {"status": "suspended"}, "error", "the account is suspended: no call comes in"),
    "closed": (200, {"status": "closed"}, "error", "the account is closed: no call comes in"),
    "trial": (200, {"status": "active", "type": "Trial"}, "warning", "a trial account"),
    "wrong token": (401, {}, "error", "Twilio refuses this account SID with our auth token"),
    "wrong SID": (404, {}, "error", "Twilio refuses this account SID with our auth token"),
    "fault": (500, {}, "warning", "Twilio answers HTTP 500"),
}


@pytest.mark.parametrize(("status", "body", "level", "text"), ACCOUNTS.values(), ids=list(ACCOUNTS))
async def test_an_account_that_takes_no_calls_is_told(status: int, body: Any, level: str, text: str) -> None:
    found, _ = await asked(check_twilio, {ACCOUNT: (status, body)})
    assert (found[0].level, found[0].text[: len(text)]) == (level, text)


async def test_a_token_that_is_none_any_more_is_told_and_the_next_one_is_used() -> None:
    class Rotated(Rest):
        async def serve(self, stream: Any) -> None:
            self.answers[ACCOUNT] = (401, {}) if not self.asked else (200, {"status": "active"})
            await super().serve(stream)

    rest = Rotated(rest_answers())
    with trio.fail_after(5):
        async with serving(rest.serve) as port:
            world = world_with(0, ssl.create_default_context())
            found = await check_twilio(
                patient_in(world, rest_port=port, tokens=("old-token-0123456789", TOKEN))
            )
    assert found[0].level == "warning"
    assert "the first of our tokens is not its own any more (token 2 is)" in found[0].text
    assert found[-1].text == "1 of 1 number leads here"


async def test_all_pages_of_numbers_are_read() -> None:
    pages = [
        {"incoming_phone_numbers": [number()], "next_page_uri": f"{NUMBERS}?PageSize=500&Page=1&PageToken=x"},
        {"incoming_phone_numbers": [number("https://other.example.com")], "next_page_uri": None},
    ]
    found, _ = await asked(check_twilio, {NUMBERS: (200, pages)})
    assert found[-1].text == "1 of 2 numbers leads here, 1 elsewhere"


async def test_pages_without_an_end_are_left() -> None:
    page = {"incoming_phone_numbers": [number()], "next_page_uri": f"{NUMBERS}?again"}
    found, rest = await asked(check_twilio, {NUMBERS: (200, page)})
    assert found[-1].text == "only the first 10 numbers were looked at"
    assert len(rest.asked) == 11


@pytest.mark.parametrize("uri", ["https://evil.example.com/", 7])
async def test_a_next_page_elsewhere_is_not_asked_for(uri: Any) -> None:
    page = {"incoming_phone_numbers": [number()], "next_page_uri": uri}
    _, rest = await asked(check_twilio, {NUMBERS: (200, page)})
    assert len(rest.asked) == 2


@pytest.mark.parametrize("answer", [(500, {}), (200, {}), (200, {"incoming_phone_numbers": "none"})])
async def test_numbers_that_are_not_listed_are_a_warning(answer: Any) -> None:
    found, _ = await asked(check_twilio, {NUMBERS: answer})
    assert texts(found[1:]) == [("warning", "Twilio did not list the account's numbers")]


async def test_a_twilio_that_cannot_be_reached_is_a_warning() -> None:
    with trio.fail_after(5):
        found = only(await check_twilio(patient_in(world_with(0, ssl.create_default_context()))))
    assert (found.level, found.text[:34]) == ("warning", "Twilio's REST API: can't be reache")


# ---------------------------------------------------------------- the model's server

MODELS: dict[str, tuple[int, dict[str, Any], str, str]] = {
    "right": (200, {"shutdown_date": None}, "ok", "knows our key and has gpt-realtime-2.1"),
    "wrong key": (401, {}, "error", "refuses our key (401)"),
    "no such model": (404, {"error": {"code": "model_not_found"}}, "error", "has no model gpt-realtime-2.1"),
    "no list": (404, {}, "ok", "answers, but has no list of models"),
    "no list either": (405, {}, "ok", "so nobody knows whether it has gpt-realtime-2.1"),
    "web sockets only": (400, {}, "ok", "answers, but has no list of models"),
    "an upgrade only": (426, {}, "ok", "answers, but has no list of models"),
    "may not ask": (403, {}, "warning", "our key may not ask for models (403)"),
    "limit": (
        429,
        {"error": {"code": "insufficient_quota"}},
        "warning",
        "answers HTTP 429 insufficient_quota",
    ),
    "fault": (503, {"error": "a text"}, "warning", "answers HTTP 503"),
}


@pytest.mark.parametrize(("status", "body", "level", "text"), MODELS.values(), ids=list(MODELS))
async def test_the_models_server_is_asked_for_it(status: int, body: Any, level: str, text: str) -> None:
    found, rest = await asked(check_model, {MODEL: (status, body)})
    assert (only(found).level, text in only(found).text) == (level, True)
    assert rest.asked == [(MODEL, f"bearer {KEY}")]


@pytest.mark.parametrize(("days", "level"), [(200, "ok"), (30, "warning"), (-1, "error")])
async def test_the_day_its_server_tells_counts(days: int, level: str) -> None:
    day = (datetime.now(UTC) + timedelta(days=days)).date()
    found, _ = await asked(check_model, {MODEL: (200, {"shutdown_date": str(day)})})
    assert (found[1].level, f"{day}" in found[1].text) == (level, True)


@pytest.mark.parametrize("told", ["soon", 7, "2026-13-40"])
async def test_a_day_that_is_none_is_left_out(told: Any) -> None:
    found, _ = await asked(check_model, {MODEL: (200, {"shutdown_date": told})})
    assert len(found) == 1


async def test_a_model_that_cannot_be_reached_is_an_error() -> None:
    with trio.fail_after(5):
        found = only(await check_model(patient_in(world_with(0, ssl.create_default_context()))))
    assert (found.level, found.text[:30]) == ("error", "127.0.0.1:1: can't be reached:")


async def test_an_answer_without_an_end_is_left() -> None:
    async def endless(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send_all(b"x" * 65536)

    with trio.fail_after(8):
        async with serving(endless) as port:
            world = world_with(0, ssl.create_default_context())
            found = only(await check_model(patient_in(world, rest_port=port)))
    assert "the answer is longer than 2097152 bytes" in found.text
