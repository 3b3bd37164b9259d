"""Several hosts behind one address: what each of them answers, over real sockets."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import pytest
import trio
from strangers import FORM, TOKEN, Answer, Form, answer_in, post, say

from bench.stage import AGENT, PUBLIC, Place, Stage, open_stage
from bridge.fleet.order import order_of
from bridge.fleet.peers import Peers
from replay.phone.instructions.verbs import Redirect, Reject
from replay.phone.ring import Account, Caller, CallReport
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
    assert connect.attrib["action"] == f"{FIRST}{WEBHOOK_PATH}/next#ct=1500"
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


# ---------------------------------------------------------------- whose call it is

HOSTS = {"one": FIRST, "two": SECOND, "three": "https://three.example.com"}


@asynccontextmanager
async def open_fleet(folder: Path, names: tuple[str, ...], **setup: Any) -> AsyncIterator[dict[str, Stage]]:
    """Run the named hosts of the fleet; each knows all three, and none is asked whether it is there."""
    async with AsyncExitStack() as hosts:
        yield {
            name: await hosts.enter_async_context(
                open_host(folder, HOSTS[name], fleet={"hosts": HOSTS}, **setup)
            )
            for name in names
        }


def webhook_of(sid: str, **more: str) -> Form:
    """Return the webhook of a call, as the stand-in would make it."""
    said = {"CallSid": sid, "AccountSid": Account().account_sid, **more}
    return [pair for pair in FORM if pair[0] not in said] + list(said.items())


def vias_of(fleet: Mapping[str, Stage]) -> dict[str, str]:
    """Return where the bytes to each host go; to one that is not there, to a port where nobody listens."""
    nobody = dict.fromkeys(HOSTS, "http://127.0.0.1:9") | {name: one.via for name, one in fleet.items()}
    return {f"{name}.example.com": via for name, via in nobody.items()}


def sid_of(*order: str, number: int = 0) -> str:
    """Return a CallSid whose hosts are to be these, in this order; there are many."""
    urls = [HOSTS[name] for name in order]
    sids = (f"CA{number:032x}" for number in range(10_000))
    return [sid for sid in islice(sids, 300) if order_of(sid, HOSTS.values())[: len(urls)] == urls][number]


async def rung(fleet: Mapping[str, Stage], first: str, sid: str, **options: Any) -> CallReport:
    """Ring a call whose first webhook the balancer leads to this host."""
    return await fleet[first].ring(QUICK, call_sid=sid, vias=vias_of(fleet), **options)


def calls_of(folder: Path) -> list[tuple[str, str, bool]]:
    """Return every row of every host: the host, the call, whether it was answered."""
    found = []
    for name in HOSTS:
        place = Place(folder / f"{name}.example.com")
        rows = place.calls() if place.store.path.exists() else []
        found += [(name, row["call_id"], row["stream_started_ms"] is not None) for row in rows]
    return found


async def test_a_call_belongs_to_one_host_wherever_its_webhook_comes(tmp_path: Path) -> None:
    """Delivered to two hosts at once it is one call; sent again when it is over, by whomever, it opens none."""
    sid = sid_of("two")
    with trio.fail_after(20):
        async with open_fleet(tmp_path, ("one", "two", "three")) as fleet:
            answers = dict[str, Answer]()
            form = webhook_of(sid)

            async def ask_at(name: str) -> None:
                answers[name] = await post(fleet[name], form)

            async with trio.open_nursery() as nursery:
                for name in fleet:
                    nursery.start_soon(ask_at, name)
            assert {url_in(answers[name]) for name in ("one", "three")} == {
                f"{SECOND}{WEBHOOK_PATH}?hop=1#ct=1500"
            }
            assert [fleet[name].daemon.switchboard.live for name in HOSTS] == [0, 1, 0]
            report = await rung(fleet, "three", sid)
            again = await post(fleet["two"], form)
    assert (report.error, bool(report.heard), b"<Hangup" in again.body) == (None, True, True)
    assert calls_of(tmp_path) == [("two", sid, True)]


def url_in(answer: Answer) -> str | None:
    """Return where TwiML leads to."""
    return ElementTree.fromstring(answer.body)[0].text


# ---------------------------------------------------------------- no room, and nobody there

IN_ORDER = ("one", "two", "three")


async def fill(host: Stage) -> None:
    """Have a host that takes one call take it."""
    await post(host, webhook_of(sid_of(*IN_ORDER, number=9)), target=f"{WEBHOOK_PATH}?hop=1")


def refused(fleet: Mapping[str, Stage], reason: str) -> list[int]:
    """Return how many calls each host has turned away."""
    return [host.daemon.switchboard.refused[reason] for host in fleet.values()]


async def test_nobody_is_busy_while_another_host_has_room(tmp_path: Path) -> None:
    sid = sid_of(*IN_ORDER)
    with trio.fail_after(20):
        async with open_fleet(tmp_path, IN_ORDER, server={"max_calls": 1}) as fleet:
            await fill(fleet["one"])
            await fill(fleet["two"])
            served = await rung(fleet, "one", sid)
            await fill(fleet["three"])
            turned_away = await rung(fleet, "two", sid_of(*IN_ORDER, number=1))
            counts = refused(fleet, "max_calls")
    assert (served.error, bool(served.heard)) == (None, True)
    assert [urlsplit(verb.url).query for verb in served.verbs_before if isinstance(verb, Redirect)] == [
        "hop=1",
        "hop=2",
    ]
    assert [type(verb) for verb in turned_away.next_verbs] == [Redirect, Redirect, Redirect, Reject]
    assert counts == [0, 0, 1]  # who was passed on is not counted as turned away


async def test_hosts_that_know_no_other_lead_to_the_balancer_and_not_for_ever(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with open_host(tmp_path, FIRST, server={"max_calls": 1}) as full:
            await fill(full)
            verbs = [
                ElementTree.fromstring((await post(full, webhook_of("CA" + "1" * 32), target=target)).body)[0]
                for target in (WEBHOOK_PATH, *(f"{WEBHOOK_PATH}?hop={hop}" for hop in range(1, 5)))
            ]
            passed_on = full.daemon.switchboard.fleet.passed_on
    ways = [f"{PUBLIC}{WEBHOOK_PATH}?hop={hop}#ct=1500" for hop in (1, 2, 3)]
    assert [verb.text for verb in verbs[:3]] == ways
    assert [verb.tag for verb in verbs[3:]] == ["Reject", "Reject"]
    assert +passed_on == Counter(max_calls=3)


@pytest.mark.parametrize(("reason", "setup"), [("calls_per_caller", {"calls_per_caller": 1}), ("", {})])
async def test_who_calls_too_often_is_led_nowhere_else(
    tmp_path: Path, reason: str, setup: dict[str, int]
) -> None:
    with trio.fail_after(20):
        async with open_fleet(tmp_path, IN_ORDER, server=setup) as fleet:
            await fill(fleet["one"])
            answer = await post(fleet["one"], webhook_of(sid_of("one")))
    assert ElementTree.fromstring(answer.body)[0].tag == ("Reject" if reason else "Connect")


async def test_a_draining_host_leads_new_callers_to_the_others(tmp_path: Path) -> None:
    with trio.fail_after(20):
        async with open_fleet(tmp_path, ("one", "two")) as fleet:
            fleet["one"].daemon.switchboard.refuse_calls()
            report = await rung(fleet, "one", sid_of("one", "two"))
    assert (report.error, bool(report.heard)) == (None, True)
    assert [host for host, _, _ in calls_of(tmp_path)] == ["two"]


async def test_a_caller_who_is_led_to_a_host_that_is_gone_is_answered_by_another(tmp_path: Path) -> None:
    """Nobody had noticed yet: Twilio finds a closed port and goes to the number's fallback, which is the balancer."""
    with trio.fail_after(20):
        async with open_fleet(tmp_path, ("one", "three")) as fleet:
            sid = sid_of("two", "three")
            report = await rung(fleet, "one", sid, fallback=f"{PUBLIC}{WEBHOOK_PATH}")
    assert (report.error, bool(report.heard)) == (None, True)
    asked = [urlsplit(asked.url).hostname for asked in report.asked]
    assert asked == ["bridge.example.com", "three.example.com"]
    assert calls_of(tmp_path) == [("three", sid, True)]


LOST = {"CallStatus": "in-progress", "ErrorCode": "11200"}
"""Beside the address that could not be asked."""


@pytest.mark.parametrize("path", ["/next", "/next?leg=2", "/away/1/back?n=" + "x" * 43, "/failure/crashed/1"])
async def test_a_call_whose_host_died_gets_the_failure_plan_from_another(tmp_path: Path, path: str) -> None:
    """And it begins no second call there: it has its row, and its host will tell of it when it is back."""
    setup = {
        "agent": {"failure": {"crashed": ["dial:events"]}, "transfer": {"events": {"number": "+15550100199"}}}
    }
    failed = f"{SECOND}{WEBHOOK_PATH}{path}#ct=1500"
    with trio.fail_after(20):
        async with open_fleet(tmp_path, ("one",), **setup) as fleet:
            began = trio.current_time()
            answer = await post(fleet["one"], webhook_of(sid_of("two"), ErrorUrl=failed, **LOST))
            took = trio.current_time() - began
            live = fleet["one"].daemon.switchboard.live
    (dial,) = ElementTree.fromstring(answer.body)
    assert dial.attrib["action"] == f"{FIRST}/voice/{AGENT}/failure/crashed/1"
    assert (live, calls_of(tmp_path), took < 5) == (0, [], True)


# ---------------------------------------------------------------- who is there


async def test_hosts_see_which_of_them_drain_or_are_gone_and_lead_nobody_there(tmp_path: Path) -> None:
    admin = {name: f"unix:{tmp_path}/{name}.sock" for name in HOSTS}
    async with AsyncExitStack() as hosts:
        fleet = dict[str, Stage]()
        for name in ("one", "two"):
            setup = {
                "admin": {"bind": admin[name]},
                "admin_token": "of all",
                "fleet": {"hosts": HOSTS, "admin": admin},
            }
            fleet[name] = await hosts.enter_async_context(open_host(tmp_path, HOSTS[name], **setup))
        daemon = fleet["one"].daemon
        view, peers = daemon.switchboard.fleet, Peers.of(daemon.current.setup.settings, lambda: "of all")
        await view.look(peers)
        assert view.away() == set()
        fleet["two"].daemon.switchboard.refuse_calls()
        await view.look(peers)
        assert view.away() == {"two"}
        led = await post(fleet["one"], webhook_of(sid_of("two", "three")))
        assert url_in(led) == f"{HOSTS['three']}{WEBHOOK_PATH}?hop=1#ct=1500"
        fleet["two"].daemon.switchboard.is_closing = False
        await view.look(peers)
        assert view.away() == set()


async def test_the_console_of_each_host_shows_whom_the_others_talk_to_and_who_is_away(tmp_path: Path) -> None:
    admin = {
        "one": "http://127.0.0.1:9",
        "two": f"unix:{tmp_path}/two.sock",
        "three": f"unix:{tmp_path}/three.sock",
    }
    of_all = {"admin_token": "of all", "fleet": {"hosts": HOSTS, "admin": admin}}
    console = {"admin": {"bind": "127.0.0.1:0"}, "console": {"on": True}}
    with trio.fail_after(30):
        async with (
            open_host(tmp_path, FIRST, **console, **of_all) as one,
            open_host(tmp_path, SECOND, admin={"bind": admin["two"]}, **of_all) as two,
        ):
            await post(two, webhook_of(sid_of("two"), From="+15550123456"))
            page = await seen_at(one, sid_of("two"))
    for part in ("<b>two</b>", "1 call", "waiting", "<b>three</b>", "away: it does not answer"):
        assert part in page
    assert "5550123456" not in page  # as at every admin address


async def seen_at(host: Stage, until: str) -> str:
    """Follow the calls that go on in a host's console until something is said of them."""
    name, port = host.daemon.monitoring.address.split(":")
    head = f"GET /console/live HTTP/1.1\r\nHost: {name}\r\nAuthorization: Bearer of all\r\n\r\n"
    said = b""
    async with await trio.open_tcp_stream(name, int(port)) as stream:
        await stream.send_all(head.encode())
        while until.encode() not in said and (data := await stream.receive_some()):
            said += data
    return said.decode()
