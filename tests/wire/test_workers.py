"""Calls carried by worker processes: who takes which call, and what is left of it when a process dies."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import trio
from attrs import evolve

from bench.process import Launch, Running, a_process
from bench.stage import AGENT, PUBLIC, WEBHOOK, MakePlace, Stage, open_stage
from bridge.agents import Agent
from bridge.calls.legs.ears import OVER, SIDE_BYTES, Ear
from bridge.errors import StoreError, first_of
from bridge.heart.wishes import InstructionWhispered, TransferAsked
from bridge.store.database import Store
from bridge.tapes.lock import held_alone
from bridge.tapes.reader import read_tape
from bridge.tapes.tape import decode
from bridge.workers.pool import WorkerPool
from replay.phone.ring import Caller, CallReport, ring
from replay.phone.script import HangUp, Wait, WaitForAgent, WaitForEnd
from replay.phone.signing import sign
from replay.phone.socket import Target, open_media_socket
from replay.phone.twiml import Say, TwilioError
from replay.phone.web import Route, open_courier

pytestmark = pytest.mark.real_time("workers are processes")

DOINGS = ("whispered", "operator_refused", "listener_came", "listener_left")
QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
STAYS = Caller(steps=(WaitForAgent(), WaitForEnd(20_000)), answer_delay_ms=0, patience_ms=20_000)
SOON = Caller(steps=(WaitForAgent(), Wait(2500), HangUp()), answer_delay_ms=0)


class Calls:
    """Calls that begin one after the other and go on at the same time."""

    def __init__(self, stage: Stage, nursery: trio.Nursery) -> None:
        self.stage, self.nursery = stage, nursery
        self.reports: dict[str, CallReport] = {}

    async def begin(self, name: str, caller: Caller, **options: Any) -> None:
        """Begin a call, and return when its agent is heard."""
        heard = trio.Event()

        def tell(kind: str, *_: Any) -> None:
            if kind == "agent_heard":
                heard.set()

        async def ring() -> None:
            self.reports[name] = await self.stage.ring(caller, on_event=tell, **options)

        self.nursery.start_soon(ring)
        await heard.wait()


@asynccontextmanager
async def two_workers(place: MakePlace, **setup: Any) -> AsyncIterator[tuple[Stage, WorkerPool, Calls]]:
    """Run a supervisor with two workers."""
    server = {"workers": 2, "drain_seconds": 2, **setup.pop("server", {})}
    async with open_stage(place(server=server, **setup)) as stage, trio.open_nursery() as nursery:
        assert isinstance(stage.daemon.host, WorkerPool)
        yield stage, stage.daemon.host, Calls(stage, nursery)


def carried(pool: WorkerPool) -> dict[int, int]:
    """Return how many calls each worker has."""
    return {number: len(worker.calls) for number, worker in sorted(pool.roster.workers.items())}


# ---------------------------------------------------------------- who takes which call


async def test_whoever_asks_at_the_supervisor_is_answered_by_the_heart_in_the_worker(
    place: MakePlace,
) -> None:
    agent = {"listen_in": True, "transfer": {"sales": {"description": "orders", "number": "+15550100111"}}}
    async with two_workers(place, agent=agent) as (stage, _, calls):
        await calls.begin("a", STAYS)
        (call,) = stage.daemon.switchboard.calls
        assert await call.wish(InstructionWhispered("ada", "Be brief.")) == ""
        assert "use one of: sales" in await call.wish(TransferAsked("ada", "mars"))
        ear = Ear()
        seat = await call.listen("ada", ear.hear)
        assert seat.refusal == ""
        assert len(await ear.take()) % (2 * SIDE_BYTES) == 0
        seat.leave()
        call.stop("operator", "enough")
        await call.over.wait()
        assert await call.wish(InstructionWhispered("ada", "Too late.")) == "the call is over"
        assert (await call.listen("ada", ear.hear)).refusal == "the call is over"
        await stage.wait_recorded()
    told = [row["name"] for row in place().store.query("select name from milestones order by position")]
    assert [name for name in told if name in DOINGS] == list(DOINGS)


async def test_who_listens_in_is_told_when_the_worker_of_the_call_dies(place: MakePlace) -> None:
    async with two_workers(place, agent={"listen_in": True}) as (stage, pool, calls):
        await calls.begin("a", STAYS)
        (call,) = stage.daemon.switchboard.calls
        ear = Ear()
        await call.listen("ada", ear.hear)
        (carrier,) = (worker for worker in pool.roster.workers.values() if worker.calls)
        carrier.process.kill()
        with trio.fail_after(20):
            while await ear.take() != OVER:
                pass
        assert (await call.listen("ada", ear.hear)).refusal != ""


async def test_a_worker_that_is_late_gets_a_call_only_if_all_are_and_then_there_is_none(
    place: MakePlace,
) -> None:
    async with two_workers(place) as (_, pool, _):
        first, second = pool.roster.workers[1], pool.roster.workers[2]
        first.vitals = evolve(first.vitals, is_late=True)  # no await from here on: nothing new is told
        assert (pool._freest, pool.is_late) == (second, False)
        second.vitals = evolve(second.vitals, is_late=True)
        was_late = [pool.is_late]
        first.vitals = second.vitals = evolve(first.vitals, is_late=False)
        was_late.append(pool.is_late)
        pool.lag.is_late = True
        assert [*was_late, pool.is_late] == [True, False, True]


async def test_calls_are_shared_out_recorded_and_counted_as_if_by_one_process(place: MakePlace) -> None:
    async with two_workers(place, admin={"bind": "127.0.0.1:0"}) as (stage, pool, calls):
        for name in ("a", "b", "c", "d"):
            await calls.begin(name, SOON)
        assert carried(pool) == {1: 2, 2: 2}
        assert [call["phase"] for call in await admin(stage, "/calls")] == ["talking"] * 4
        health = await admin(stage, "/healthz")
        assert (health["calls"]["live"], health["workers"], health["status"]) == (4, 2, "ok")
        await stage.wait_recorded()
        page = await admin(stage, "/metrics")
        assert 'bridge_calls_total{agent="front-desk",ended_by="caller"} 4.0' in page
        assert "bridge_workers 2.0" in page
    rows = place().store.query("select why, ended_by from calls")
    assert [(row["why"], row["ended_by"]) for row in rows] == [("hung up", "caller")] * 4
    assert len(place().tapes) == 4
    assert all(not read_tape(path).is_torn for path in place().tapes)


async def test_limits_hold_for_all_workers_together(place: MakePlace) -> None:
    async with two_workers(place, server={"max_calls": 3}) as (stage, _, calls):
        for name in ("a", "b", "c"):
            await calls.begin(name, SOON)
        late = await stage.ring(QUICK)
        assert (late.frames_sent, stage.daemon.switchboard.refused["max_calls"]) == (0, 1)


async def test_a_webhook_that_comes_twice_is_one_call(place: MakePlace) -> None:
    call_sid = "CA" + "1" * 32
    async with two_workers(place) as (stage, pool, calls):
        await calls.begin("a", evolve(SOON, second_socket=True), call_sid=call_sid)
        route = Route(urlsplit(PUBLIC), urlsplit(stage.via))
        async with open_courier(stage.account, call_sid, route) as carrying:
            again, once_more = [await carrying.twiml(WEBHOOK, "ringing") for _ in range(2)]
        assert again == once_more
        assert sum(carried(pool).values()) == 1
    report = calls.reports["a"]
    assert report.second_socket is not None
    assert (report.second_socket.upgrade_status, report.second_socket.close_code) == (101, 1008)
    assert [why_of(path) for path in place().tapes] == [("caller", "hung up")]  # it went on as if alone


async def test_no_way_leads_to_a_call_but_its_own(place: MakePlace) -> None:
    async with two_workers(place) as (stage, _, _calls):
        ways = ("/3", "/0", "/nobody", "", "/1/2", "/01", "/1?x=1")
        assert [await upgrade(stage, f"/voice/ws/{AGENT}{way}") for way in ways] == [404] * 7
        assert await upgrade(stage, f"/voice/ws/{AGENT}/1") == 101
        assert await upgrade(stage, f"/voice/ws/{AGENT}/3", key="forged") == 403
        assert await upgrade(stage, f"/voice/ws/{AGENT}/1", key="forged") == 403
        assert await upgrade(stage, "/voice/ws/another/1") == 404


# ---------------------------------------------------------------- deaths


async def test_a_worker_that_dies_takes_its_own_calls_alone_and_is_replaced(place: MakePlace) -> None:
    async with two_workers(place, admin={"bind": "127.0.0.1:0"}) as (stage, pool, calls):
        await calls.begin("first", STAYS)
        (worker,) = [worker for worker in pool.roster.workers.values() if worker.calls]
        await calls.begin("second", SOON)
        worker.process.kill()
        while "first" not in calls.reports:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)
        assert calls.reports["first"].next_verbs[0] == Say(failure_sentence(stage), "en-US")  # no dead line
        assert stage.daemon.switchboard.live == 1
        await calls.begin("third", QUICK)  # at once, by the other one
        while carried(pool).keys() != {1, 2} or len(pool.roster.able) < 2:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)
        await stage.wait_recorded()
        page = await admin(stage, "/metrics")
        assert "bridge_worker_deaths_total 1.0" in page
    rows = place().store.query("select call_id, why, next_step from calls")
    whys = {row["call_id"]: row["why"] for row in rows}
    assert sorted((row["why"], row["next_step"]) for row in rows) == [
        ("crashed", "say"),
        ("hung up", "hangup"),
        ("hung up", "hangup"),
    ]
    assert whys[calls.reports["first"].call_sid] == "crashed"
    assert calls.reports["second"].next_verbs == []
    assert sorted(why for _, why in map(why_of, place().tapes)) == ["crashed", "hung up", "hung up"]


async def test_with_no_worker_left_callers_hear_a_busy_tone_until_there_is_one(place: MakePlace) -> None:
    async with two_workers(place) as (stage, pool, _):
        for worker in list(pool.roster.workers.values()):
            worker.process.kill()
        while pool.roster.able:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.001)
        refused = await stage.ring(QUICK)
        assert (refused.frames_sent, stage.daemon.switchboard.refused["no_worker"]) == (0, 1)
        while len(pool.roster.able) < 2:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)
        assert (await stage.ring(QUICK)).frames_sent > 0


async def test_workers_outlive_their_desk_only_to_end_their_calls_in_order(tmp_path: Path) -> None:
    async with a_process(tmp_path, launch=Launch(server={"workers": 2})) as daemon:
        await daemon.call(STAYS)
        daemon.signal(signal.SIGKILL)
        await daemon.process.wait()
        data = tmp_path / "data"
        assert is_held(data)  # no other daemon may take the live tape for a torn one
        while is_held(data):  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.02)
        daemon.calls.cancel_scope.cancel()
    (path,) = (tmp_path / "data" / "tapes").rglob("*.jsonl*")
    assert why_of(path) == ("operator", "the daemon is shutting down")


async def test_a_worker_that_cannot_start_is_told_of_and_nothing_is_served(
    place: MakePlace, monkeypatch: Any
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with two_workers(place):
            raise AssertionError
    assert "worker 1 could not start" in str(first_of(caught.value)) or "worker 2" in str(
        first_of(caught.value)
    )


# ---------------------------------------------------------------- signals


async def test_the_first_signal_lets_calls_of_all_workers_end_by_themselves(tmp_path: Path) -> None:
    async with a_process(tmp_path, launch=Launch(server={"workers": 2, "drain_seconds": 6})) as daemon:
        await daemon.call(SOON)
        await daemon.call(SOON)
        daemon.signal()
        assert await daemon.process.wait() == 0
    assert ends(tmp_path) == [("caller", "hung up")] * 2


async def test_a_second_signal_ends_all_workers_at_once(tmp_path: Path) -> None:
    async with a_process(tmp_path, launch=Launch(server={"workers": 2, "drain_seconds": 600})) as daemon:
        await daemon.call(STAYS)
        daemon.signal()
        await daemon.wait_logged("draining")
        daemon.signal()
        assert await daemon.process.wait() == 0
        assert not is_held(tmp_path / "data")
        daemon.calls.cancel_scope.cancel()
    (path,) = (tmp_path / "data" / "tapes").rglob("*.jsonl*")
    assert why_of(path) == ("operator", "the daemon is shutting down")


async def test_a_configuration_that_is_read_again_reaches_all_workers(tmp_path: Path) -> None:
    async with a_process(tmp_path, launch=Launch(server={"workers": 2})) as daemon:
        file = tmp_path / "config.toml"
        file.write_text(file.read_text() + 'instructions = "Say that we moved."\n')
        daemon.signal(signal.SIGHUP)
        await daemon.wait_logged("configuration is read again")
        await daemon.call(SOON)
        await daemon.call(SOON)
        daemon.signal()
        await daemon.process.wait()
    tapes = [read_tape(path) for path in (tmp_path / "data" / "tapes").rglob("*.jsonl*")]
    assert [tape.header.settings["instructions"] for tape in tapes] == ["Say that we moved."] * 2


PICKY = """
import sys
from bridge.tools import tool

if sys.argv[1:2] == ["2"]:
    raise GeneratorExit("not in the second worker")

@tool
def look() -> int:
    return 1
"""
NEWCOMER = '[agents.newcomer]\ntools = ["picky.py:look"]\n'


async def test_a_configuration_that_one_worker_refuses_changes_nothing_in_any_process(tmp_path: Path) -> None:
    async with a_process(tmp_path, launch=Launch(server={"workers": 2})) as daemon:
        file, new = tmp_path / "config.toml", WEBHOOK.replace(AGENT, "newcomer")
        before = file.read_text()
        (tmp_path / "picky.py").write_text(PICKY)
        file.write_text(f'{before}instructions = "Say that we moved."\n{NEWCOMER}')
        daemon.signal(signal.SIGHUP)
        await daemon.wait_logged("configuration refused, the old one stays")
        (fault,) = [line["fault"] for line in daemon.log if line["event"].endswith("the old one stays")]
        refused = "picky.py:look: picky.py can't be imported: GeneratorExit: not in the second worker"
        assert fault == f"worker 2: {refused}"
        await daemon.call(SOON)
        await daemon.call(SOON)  # one for each worker
        assert await status_of(daemon, new) == 404
        (tmp_path / "picky.py").write_text(PICKY.replace('["2"]', '["nobody"]'))
        daemon.signal(signal.SIGHUP)
        await daemon.wait_logged("configuration is read again")
        for _ in range(2):
            report = await ring(QUICK, webhook=new, via=daemon.via)
            assert report.frames_sent > 0
        daemon.signal()
        await daemon.process.wait()
    headers = [read_tape(path).header for path in (tmp_path / "data" / "tapes").rglob("*.jsonl*")]
    said = sorted((header.agent, header.settings["instructions"]) for header in headers)
    default = Agent().instructions
    assert said == [(AGENT, default), (AGENT, default), ("newcomer", default), ("newcomer", default)]


async def test_a_worker_that_is_behind_gets_no_calls_until_it_has_caught_up(place: MakePlace) -> None:
    async with two_workers(place) as (stage, pool, calls):
        worker, current = pool.roster.workers[1], stage.daemon.current
        worker.is_behind = True
        for name in ("a", "b"):
            await calls.begin(name, SOON)
        assert carried(pool) == {1: 0, 2: 2}
        stage.daemon.change(
            current.setup
        )  # which nobody has prepared, as for workers that were started meanwhile
        assert not pool.has_room
        while len(pool.roster.able) < 2:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)
        await calls.begin("c", SOON)
        assert carried(pool) == {1: 1, 2: 2}


# ---------------------------------------------------------------- helpers


async def status_of(daemon: Running, webhook: str) -> int | None:
    return (await ring(QUICK, webhook=webhook, via=daemon.via)).webhook_status


async def admin(stage: Stage, path: str) -> Any:
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{stage.daemon.monitoring.address}{path}")
    return answer.text if path == "/metrics" else answer.json()


async def upgrade(stage: Stage, path: str, key: str = "") -> int:
    url = PUBLIC.replace("https", "wss") + path
    target = Target("127.0.0.1", stage.daemon.port, False, url, urlsplit(PUBLIC).netloc)
    headers = [("x-twilio-signature", sign(url, (), key or stage.account.auth_token))]
    try:
        async with open_media_socket(target, headers) as socket:
            return socket.status
    except TwilioError as error:
        return error.http_status or 0


def failure_sentence(stage: Stage) -> str:
    return stage.daemon.current.setup.settings.agents[AGENT].failure_sentence.text


def is_held(folder: Path) -> bool:
    try:
        with held_alone(folder):
            return False
    except StoreError:
        return True


def why_of(tape: Path) -> tuple[str, str]:
    (end,) = [line.end for line in map(decode, read_tape(tape).lines) if line.end is not None]
    return end["by"], end["why"]


def ends(folder: Path) -> list[tuple[str, str]]:
    rows = Store(folder / "data" / "calls.duckdb").query("select ended_by, why from calls")
    return [(row["ended_by"], row["why"]) for row in rows]
