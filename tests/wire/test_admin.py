"""The admin address: who is let in, what there is to see, and that none of it is on the public port."""

import errno
import json
import os
import re
import socket
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
from attrs import evolve
from prometheus_client.parser import text_string_to_metric_families

from bench.stage import AGENT, GREETING, PROMPT, MakePlace, Stage, open_stage, speech, words
from bridge.errors import LinkError
from bridge.observe.admin import MOST_CONNECTIONS
from bridge.tapes.masking import mask
from replay.model.script import CallTool, Script
from replay.phone.ring import Caller
from replay.phone.script import HangUp, WaitForAgent, WaitForEnd

pytestmark = pytest.mark.real_time("metrics come from threads and processes")

DEPLOY = Path(__file__).parents[2] / "deploy"
LOOPBACK = {"bind": "127.0.0.1:0"}
HELLO = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
TALKER = Caller(
    steps=(WaitForAgent(), speech("caller_yes"), WaitForEnd(8000)), patience_ms=0, answer_delay_ms=0
)
TALK = Script(
    opening=GREETING.opening,
    turns=((words("caller_no"), CallTool("hang_up", {"reason": "all said"})),),
    delivery=PROMPT,
)


async def get(stage: Stage, path: str, *, method: str = "GET", **headers: str) -> httpx2.Response:
    """Ask the admin address for something."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.request(
            method, f"http://{stage.daemon.monitoring.address}{path}", headers=headers
        )


async def numbers(stage: Stage) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample of /metrics, by name and labels."""
    page = await get(stage, "/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def one(found: Mapping[Any, float], name: str, **labels: str) -> float:
    """Return one sample's value."""
    return found[name, frozenset(labels.items())]


# ---------------------------------------------------------------- who is let in


async def test_without_an_address_nothing_listens_and_nothing_is_measured(stage: Stage) -> None:
    watching = stage.daemon.monitoring
    assert (watching.address, watching.metrics, watching.tracer) == ("", None, None)


@pytest.mark.parametrize("path", ["/metrics", "/calls"])
async def test_the_public_port_has_none_of_it(place: MakePlace, path: str) -> None:
    async with open_stage(place(admin=LOOPBACK)) as stage, httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.get(stage.via + path)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/metrics/"), ("GET", "/voice/front-desk"), ("POST", "/metrics"), ("OPTIONS", "/calls"),
     ("HEAD", "/healthz")],
)  # fmt: skip
async def test_what_is_not_one_of_three_pages_is_not_found(place: MakePlace, method: str, path: str) -> None:
    async with open_stage(place(admin=LOOPBACK)) as stage:
        assert (await get(stage, path, method=method)).status_code == 404


@pytest.mark.parametrize(
    "path", ["/%6detrics", "/metrics%00", "//metrics", "/./metrics", "/calls;a=1", "/calls%2f"]
)
async def test_a_path_that_has_to_be_decoded_is_not_found(place: MakePlace, path: str) -> None:
    async with open_stage(place(admin=LOOPBACK)) as stage:
        assert await raw(stage, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n") == 404


async def raw(stage: Stage, words: str) -> int:
    """Say something to the admin address; return the status of the answer, 0 for none."""
    host, port = stage.daemon.monitoring.address.split(":")
    heard = b""
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(words.encode("latin-1"))
        while b"\r\n\r\n" not in heard and (data := await stream.receive_some()):
            heard += data
    return int(heard.split(b" ")[1]) if heard else 0


STRANGE = {
    "a head of 16 KiB and more": (
        f"GET /calls HTTP/1.1\r\nHost: localhost\r\nX: {'a' * 17_000}\r\n\r\n",
        431,
    ),
    "a folded header": ("GET /calls HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", 400),
    "a version of its own": ("GET /calls HTTP/9.9\r\nHost: localhost\r\n\r\n", 505),
    "no host": ("GET /calls HTTP/1.0\r\n\r\n", 421),
    "another path": ("GET /voice/front-desk HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
}


@pytest.mark.parametrize(("words", "status"), STRANGE.values(), ids=list(STRANGE))
async def test_strange_http_is_refused(place: MakePlace, words: str, status: int) -> None:
    async with open_stage(place(admin=LOOPBACK)) as stage:
        assert await raw(stage, words) == status


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:9090", 200), ("localhost", 200), ("LOCALHOST:1", 200), ("[::1]:9090", 200), ("10.1.2.3", 200),
     ("bridge.internal:9090", 200), ("me.localhost", 200), ("evil.example.com", 421),
     ("localhost.evil.example.com", 421),
     ("127.0.0.1.nip.io:9090", 421), ("", 421), ("xlocalhost", 421), ("user@localhost", 421)],
)  # fmt: skip
async def test_a_name_that_somebody_made_to_point_here_is_refused(
    place: MakePlace, host: str, status: int
) -> None:
    """Also with the right token: a browser may have it."""
    admin = {**LOOPBACK, "hosts": ["Bridge.internal"]}
    async with open_stage(place(admin=admin, admin_token="let-me-in")) as stage:
        for page in ("/metrics", "/healthz", "/calls"):
            answer = await get(stage, page, Host=host, Authorization="Bearer let-me-in")
            assert answer.status_code == status
            assert (answer.content == b"") == (status == 421)


async def test_the_names_it_answers_to_are_changed_by_a_reload(place: MakePlace) -> None:
    async with open_stage(place(admin=LOOPBACK)) as stage:
        before = await get(stage, "/healthz", Host="bridge.internal")
        setup = stage.daemon.current.setup
        admin = evolve(setup.settings.admin, hosts=("bridge.internal",))
        stage.daemon.change(evolve(setup, settings=evolve(setup.settings, admin=admin)))
        after = await get(stage, "/healthz", Host="bridge.internal")
    assert (before.status_code, after.status_code) == (421, 200)


async def test_a_token_is_asked_for_before_anything_else(place: MakePlace) -> None:
    async with open_stage(place(admin=LOOPBACK, admin_token="let-me-in")) as stage:
        for authorization in ("", "let-me-in", "Bearer let-me-i", "bearer let-me-in", "Bearer let-me-in2"):
            answer = await get(stage, "/metrics", Authorization=authorization)
            assert (answer.status_code, answer.content) == (401, b"")
        assert (await get(stage, "/nothing")).status_code == 401
        assert (await get(stage, "/metrics", Authorization="Bearer let-me-in")).status_code == 200


async def test_a_token_is_changed_by_a_reload(place: MakePlace) -> None:
    async with open_stage(place(admin=LOOPBACK, admin_token="let-me-in")) as stage:
        setup = stage.daemon.current.setup
        stage.daemon.change(evolve(setup, secrets=evolve(setup.secrets, admin_token="and-me")))
        old = await get(stage, "/metrics", Authorization="Bearer let-me-in")
        new = await get(stage, "/metrics", Authorization="Bearer and-me")
    assert (old.status_code, new.status_code) == (401, 200)


async def test_a_unix_socket_is_for_owner_and_group_and_goes_with_the_daemon(
    place: MakePlace, tmp_path: Path
) -> None:
    path = tmp_path / "admin.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))  # as a daemon that was killed leaves it
    left.close()
    async with open_stage(place(admin={"bind": f"unix:{path}"})) as stage:
        assert stage.daemon.monitoring.address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        transport = httpx2.AsyncHTTPTransport(uds=str(path))
        async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
            assert (await client.get("http://admin/healthz")).json()["status"] == "ok"
    assert not path.exists()


async def test_an_address_that_is_taken_is_told_and_nothing_is_left(place: MakePlace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ExceptionGroup) as refused:
            async with open_stage(place(admin={"bind": bind})):
                pass
    sentence = f"can't listen on {bind}: {os.strerror(errno.EADDRINUSE)}"
    assert refused.group_contains(LinkError, match=sentence)


async def test_whoever_only_holds_connections_is_let_go_and_calls_go_on(place: MakePlace) -> None:
    async with open_stage(place(admin=LOOPBACK)) as stage:
        host, port = stage.daemon.monitoring.address.split(":")
        idle = [await trio.open_tcp_stream(host, int(port)) for _ in range(MOST_CONNECTIONS)]
        await trio.testing.wait_all_tasks_blocked(0.05)
        refused = await trio.open_tcp_stream(host, int(port))
        with trio.fail_after(8):  # whoever is inside may say nothing for ten
            assert await refused.receive_some() == b""
        report = await stage.ring(HELLO)
        for stream in (*idle, refused):
            await stream.aclose()
    assert report.closed_by == "caller"


# ---------------------------------------------------------------- what there is to see


async def test_a_call_is_counted_when_it_is_over(place: MakePlace) -> None:
    async with open_stage(place(script=TALK, admin=LOOPBACK)) as stage:
        before = await numbers(stage)
        await stage.ring(TALKER)
        await stage.wait_recorded()
        after = await numbers(stage)
    (row,) = place().calls()
    assert one(before, "bridge_calls_total", agent=AGENT, ended_by="tool") == 0
    assert one(after, "bridge_calls_total", agent=AGENT, ended_by="tool") == 1
    assert one(after, "bridge_first_audio_seconds_count", agent=AGENT) == 1
    assert one(after, "bridge_turn_latency_seconds_count", agent=AGENT) == 1
    assert one(after, "bridge_tool_calls_total", agent=AGENT, outcome="not_run") == 1
    audio_out = one(after, "bridge_tokens_total", agent=AGENT, **{"class": "audio_out"})
    assert audio_out == row["audio_out_tokens"] > 0
    assert one(after, "bridge_cost_usd_total", agent=AGENT) == pytest.approx(row["cost_usd"])
    assert one(after, "bridge_loop_lag_seconds_count") > one(before, "bridge_loop_lag_seconds_count")


async def test_every_metric_of_dashboard_and_alerts_is_there_after_a_call(place: MakePlace) -> None:
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
    alerts = (DEPLOY / "prometheus-alerts.yml").read_text(encoding="utf-8")
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    kinds = "bridge|process" if sys.platform == "linux" else "bridge"  # process_* is read from /proc
    asked = set(re.findall(rf"\b(?:{kinds})_[a-z_]+[a-z]\b", " ".join([*queries, alerts])))
    async with open_stage(place(script=TALK, admin=LOOPBACK)) as stage:
        await stage.ring(TALKER)
        await stage.wait_recorded()
        there = {name for name, _ in await numbers(stage)}
    assert len(asked) > 30
    assert asked - there == set()


async def test_a_refused_call_is_counted_by_its_reason(place: MakePlace) -> None:
    async with open_stage(place(admin=LOOPBACK, server={"max_calls": 1})) as stage:
        async with trio.open_nursery() as calls:
            calls.start_soon(stage.ring, Caller(steps=(WaitForAgent(), WaitForEnd()), answer_delay_ms=0))
            while not stage.daemon.switchboard.live:
                await trio.testing.wait_all_tasks_blocked(0.001)
            await stage.ring(HELLO)
            found = await numbers(stage)
            calls.cancel_scope.cancel()
        await stage.wait_no_calls()
    assert one(found, "bridge_calls_refused_total", reason="max_calls") == 1
    assert one(found, "bridge_calls_refused_total", reason="draining") == 0


async def test_no_call_adds_a_series(place: MakePlace) -> None:
    async with open_stage(place(script=TALK, admin=LOOPBACK)) as stage:
        before = await numbers(stage)
        await stage.ring(TALKER)
        await stage.wait_recorded()
        after = await numbers(stage)
    assert set(before) == set(after)


async def test_live_calls_are_listed_with_their_phase_and_masked_numbers(place: MakePlace) -> None:
    seen: list[dict[str, Any]] = []
    health: dict[str, Any] = {}
    async with open_stage(place(admin=LOOPBACK)) as stage, trio.open_nursery() as calls:

        async def look(kind: str) -> None:
            seen.extend((await get(stage, "/calls")).json())
            health.update((await get(stage, "/healthz")).json())
            calls.cancel_scope.cancel()

        def tell(kind: str, *_: Any) -> None:
            if kind == "agent_heard" and not seen:
                calls.start_soon(look, kind)

        await stage.ring(Caller(steps=(WaitForAgent(), WaitForEnd()), answer_delay_ms=0), on_event=tell)
    (call,) = seen
    assert (call["agent"], call["phase"]) == (AGENT, "talking")
    assert call["id"].startswith("CA")
    assert 0 <= call["seconds"] < 600
    assert call["from"] == mask(stage.account.caller)
    assert health["status"] == "ok"
    assert health["calls"] == {"live": 1, "waiting": 0, "limit": 50}
