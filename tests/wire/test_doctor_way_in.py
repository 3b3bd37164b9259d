"""`bridge doctor` on a real daemon behind a TLS proxy: all well, then one thing wrong at a time."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme
from attrs import evolve
from doctor_town import (
    ENVIRONMENT,
    HOST,
    KEY,
    PUBLIC,
    SID,
    TOKEN,
    Town,
    http,
    http_date,
    number,
    only,
    open_town,
    rest_answers,
    told,
    world_with,
)

from bridge.doctor.entry import check_reached, check_signatures, check_strangers
from bridge.doctor.media_socket import check_sockets

MakeTown = Callable[..., AbstractAsyncContextManager[Town]]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def make_town(tmp_path: Path, authority: trustme.CA) -> MakeTown:
    return partial(open_town, tmp_path, authority)


@pytest.fixture
async def town(make_town: MakeTown) -> AsyncIterator[Town]:
    async with make_town() as running:
        yield running


# ---------------------------------------------------------------- the whole examination


async def test_when_all_is_well_every_finding_is_ok_and_no_secret_is_told(town: Town) -> None:
    with trio.fail_after(10):
        report = await town.examine()
    assert [finding for finding in report.findings if finding.level != "ok"] == []
    assert report.exit_code == 0
    checks = {finding.check for finding in report.findings}
    assert checks >= {
        "way in",
        "signatures",
        "strangers",
        "media sockets",
        "certificate",
        "model",
        "session",
        "Twilio numbers",
    }
    text = json.dumps(report.plain)
    assert [word for word in (TOKEN, KEY, SID, "+15550100199") if word in text] == []
    assert "+xxxxxxxxx99 leads to front-desk" in text


async def test_an_examination_begins_no_call_and_leaves_no_tape(town: Town, tmp_path: Path) -> None:
    with trio.fail_after(10):
        await town.examine()
    assert town.daemon.switchboard.live == 0
    assert list((tmp_path / "data").rglob("*.jsonl*")) == []


async def test_offline_asks_nobody_but_this_machine(town: Town) -> None:
    with trio.fail_after(10):
        report = await town.examine(is_offline=True)
    assert town.rest.asked == []
    assert report.exit_code == 0
    assert report.skipped == (
        "DNS", "certificate", "way in", "signatures", "strangers", "media sockets", "Twilio", "outbound", "model",
        "session",
    )  # fmt: skip


async def test_a_check_that_crashes_costs_itself_alone(town: Town) -> None:
    async def crash(host: str) -> list[str]:
        raise RuntimeError("odd machine")

    with trio.fail_after(10):
        report = await town.examine(world=evolve(town.world, resolve=crash))
    assert told(report.findings, "DNS") == [("error", "the check itself failed: RuntimeError: odd machine")]
    assert [finding.check for finding in report.findings if finding.level != "ok"] == ["DNS"]


async def test_a_check_that_hangs_is_bounded(town: Town) -> None:
    async def hang(host: str) -> list[str]:
        await trio.sleep_forever()
        return []

    with trio.fail_after(10):
        report = await town.examine(world=evolve(town.world, resolve=hang, check_seconds=1))
    assert told(report.findings, "DNS") == [("error", "took longer than 1 s")]


# ---------------------------------------------------------------- the way in

BROKEN_PROXIES = {
    "bad gateway": (http(502, "<h1>502</h1>", Server="nginx"), "the proxy (nginx) answers 502"),
    "redirect": (
        http(308, Location="https://www.bridge.example.com/"),
        f"{PUBLIC} redirects to https://www.",
    ),
    "another site": (http(200, "<h1>It works!</h1>", Server="Apache"), "something else answers (Apache)"),
    "password": (http(401, Server="Caddy"), "the proxy (Caddy) asks for a password"),
    "HTTP/2 alone": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18), "what answers speaks no HTTP/1.1"),
}


@pytest.mark.parametrize(("instead", "text"), BROKEN_PROXIES.values(), ids=list(BROKEN_PROXIES))
async def test_a_proxy_that_does_not_lead_to_the_bridge_is_told(
    town: Town, instead: bytes, text: str
) -> None:
    town.proxy.instead = instead
    with trio.fail_after(10):
        report = await town.examine()
    (found,) = told(report.findings, "way in")
    assert found[0] == "error"
    assert text in found[1]
    assert told(report.findings, "signatures") == []


async def test_a_daemon_that_nobody_leads_to_is_named(town: Town) -> None:
    patient = town.patient(transport=world_with(0, town.world.context).transport)
    server = evolve(patient.settings.server, bind="127.0.0.1:1")
    elsewhere = evolve(patient, settings=evolve(patient.settings, server=server))
    with trio.fail_after(5):
        up, down = only(await check_reached(patient)), only(await check_reached(elsewhere))
    assert (up.level, up.text) == ("error", f"nothing answers at {PUBLIC}: can't be reached: no way to it")
    assert up.next.startswith(f"a bridge runs here at 127.0.0.1:{town.daemon.port}")
    assert down.next.startswith("start the bridge (`bridge serve`)")


async def test_a_proxy_and_its_cache_are_told(town: Town) -> None:
    town.proxy.added = b"Server: nginx/1.27\r\nVia: 1.1 edge\r\nAge: 7\r\n"
    with trio.fail_after(5):
        found = await check_reached(town.patient())
    assert told(found, "proxy") == [
        ("ok", "between Twilio and the bridge: nginx/1.27, 1.1 edge"),
        ("warning", "what was answered came out of a cache"),
    ]


async def test_a_daemon_that_drains_is_told(town: Town) -> None:
    town.daemon.switchboard.is_closing = True
    with trio.fail_after(5):
        found = only(await check_reached(town.patient()))
    assert (found.level, found.text) == ("warning", "the bridge answers, but takes no more calls")


# ---------------------------------------------------------------- signatures


def _slash(head: bytes) -> bytes:
    return head.replace(b"/next HTTP", b"/next/ HTTP")


async def test_a_proxy_that_adds_a_slash_is_found_out(town: Town) -> None:
    town.proxy.rewrite = _slash
    with trio.fail_after(5):
        found = only(await check_signatures(town.patient()))
    assert found.level == "error"
    assert "one over the same URL with a slash at its end is accepted" in found.text


async def test_a_daemon_started_for_http_is_found_out(make_town: MakeTown) -> None:
    with trio.fail_after(10):
        async with make_town(running={"server": {"public_url": f"http://{HOST}"}}) as town:
            found = only(await check_signatures(town.patient()))
    assert found.level == "error"
    assert "with http in place of https is accepted" in found.text


async def test_a_daemon_started_without_the_path_is_found_out(make_town: MakeTown) -> None:
    with trio.fail_after(10):
        async with make_town(server={"public_url": f"{PUBLIC}/phone"}) as town:
            town.proxy.rewrite = lambda head: head.replace(b" /phone/", b" /", 1)
            found = only(await check_signatures(town.patient()))
    assert "with no /phone before /voice is accepted" in found.text


async def test_a_path_that_the_proxy_takes_off_is_no_fault(make_town: MakeTown) -> None:
    public = {"server": {"public_url": f"{PUBLIC}/phone"}}
    with trio.fail_after(10):
        async with make_town(running=public, **public) as town:
            town.proxy.rewrite = lambda head: head.replace(b" /phone/", b" /", 1)
            patient = town.patient()
            found = [
                *await check_reached(patient),
                *await check_signatures(patient),
                *await check_sockets(patient),
            ]
    assert [finding.level for finding in found] == ["ok", "ok", "ok"]


async def test_an_explicit_port_443_is_no_fault(make_town: MakeTown) -> None:
    with trio.fail_after(10):
        async with make_town(server={"public_url": f"{PUBLIC}:443"}) as town:
            patient = town.patient()
            found = [*await check_signatures(patient), *await check_sockets(patient)]
    assert [finding.level for finding in found] == ["ok", "ok"]


async def test_a_token_the_daemon_does_not_have_is_told(town: Town) -> None:
    with trio.fail_after(5):
        stranger = only(await check_signatures(town.patient(tokens=("another-token-of-another-account",))))
        rotated = only(await check_signatures(town.patient(tokens=("fresh-token-0123456789", TOKEN))))
    assert "refused in every form" in stranger.text
    assert "knows token 2 of ours, but not the first" in rotated.text
    assert (stranger.level, rotated.level) == ("error", "error")


def _only_health(answer: bytes) -> Callable[[bytes], bytes]:
    """Return a rewriting that loses every POST; what is lost is answered 404 by the daemon."""
    return lambda head: head.replace(b"POST /voice/", b"POST /nothing" + answer)


async def test_a_signed_request_that_gets_lost_is_told(town: Town) -> None:
    town.proxy.rewrite = _only_health(b"/")
    with trio.fail_after(5):
        found = only(await check_signatures(town.patient()))
    assert found.level == "error"
    assert "gives HTTP 404 for a signed POST to /voice/front-desk/next" in found.text


@pytest.mark.parametrize(
    ("instead", "text"),
    [
        (
            http(403, "<h1>Blocked</h1>", Server="cloudflare"),
            "cloudflare refuses requests before the bridge sees",
        ),
        (
            http(301, Location="https://x.example.com/"),
            "what answers redirects /voice/front-desk/next to https://x",
        ),
    ],
)
async def test_what_a_proxy_makes_of_a_signed_request_is_told(town: Town, instead: bytes, text: str) -> None:
    town.proxy.instead = instead
    with trio.fail_after(5):
        found = only(await check_signatures(town.patient()))
    assert found.level == "error"
    assert text in found.text


async def test_nothing_gets_in_unsigned(town: Town) -> None:
    with trio.fail_after(5):
        found = only(await check_strangers(town.patient()))
    assert found.level == "ok"
    assert "403, 403, 403" in found.text


async def test_a_daemon_open_to_anybody_is_an_error_unless_it_is_meant(make_town: MakeTown) -> None:
    running = {"twilio": {"accept_unsigned_requests_from_anybody": True}}
    with trio.fail_after(10):
        async with make_town(running=running, tokens=()) as town:
            found = only(await check_strangers(town.patient()))
            patient = town.patient(tokens=())
            meant = evolve(patient.settings.twilio, accept_unsigned_requests_from_anybody=True)
            patient = evolve(patient, settings=evolve(patient.settings, twilio=meant))
            known = only(await check_strangers(patient))
    assert (found.level, known.level) == ("error", "warning")
    assert "a media socket without a signature" in found.text


# ---------------------------------------------------------------- media sockets


async def test_an_agent_the_running_daemon_does_not_know_is_told(make_town: MakeTown) -> None:
    with trio.fail_after(10):
        async with make_town(agents=("front-desk", "back-office")) as town:
            found = await check_sockets(town.patient())
    assert [finding.level for finding in found] == ["ok", "error"]
    assert found[1].text == "back-office: the bridge that runs knows no such agent (404)"


def _no_upgrade(head: bytes) -> bytes:
    lines = [
        line for line in head.split(b"\r\n") if not line.lower().startswith((b"upgrade:", b"connection:"))
    ]
    return b"\r\n".join(lines)


async def test_a_proxy_that_passes_no_upgrade_on_is_told(town: Town) -> None:
    town.proxy.rewrite = _no_upgrade
    with trio.fail_after(8):
        found = only(await check_sockets(town.patient()))
    assert found.level == "error"
    assert "to a media socket's upgrade, not 101" in found.text
    assert "proxy_set_header Upgrade" in found.next


async def test_a_proxy_that_holds_frames_back_is_told(town: Town) -> None:
    town.proxy.holds_frames = True
    with trio.fail_after(8):
        found = only(await check_sockets(town.patient()))
    assert found.level == "error"
    assert "the socket opens, but no frame comes back" in found.text


async def test_a_proxy_that_changes_a_sockets_path_is_told(town: Town) -> None:
    town.proxy.rewrite = lambda head: head.replace(b"/voice/ws/", b"/voice/ws/x/", 1)
    with trio.fail_after(8):
        found = only(await check_sockets(town.patient()))
    assert found.text == "front-desk: a signed media socket is refused (403)"


# ---------------------------------------------------------------- Twilio, the model, the clock, in one go


async def test_a_clock_that_is_wrong_is_told(town: Town) -> None:
    town.rest.date = http_date(datetime.now(UTC) - timedelta(seconds=90))
    with trio.fail_after(10):
        report = await town.examine()
    ((level, text),) = told(report.findings, "clock")
    assert level == "error"
    assert "ahead of Twilio" in text


async def test_numbers_of_twilio_that_lead_elsewhere_and_wrongly_are_told(town: Town) -> None:
    town.rest.answers = rest_answers(number(voice_method="GET"), number("https://other.example.com/"))
    with trio.fail_after(10):
        report = await town.examine()
    assert told(report.findings, "Twilio numbers") == [
        ("error", "+xxxxxxxxx99 calls front-desk with GET, which is refused"),
        ("ok", "1 of 2 numbers leads here, 1 elsewhere"),
    ]
    assert report.exit_code == 2


async def test_without_an_account_sid_there_is_a_warning_and_no_request(town: Town) -> None:
    from bridge.doctor.examination import examine

    with trio.fail_after(10):
        report = await examine(town.path, ENVIRONMENT, world=town.world)
    assert report.exit_code == 1
    asked = ["/v1/models/gpt-realtime-2.1", "/v1/realtime?model=gpt-realtime-2.1"]
    assert [path for path, _ in town.rest.asked] == asked
