"""A restart in the middle of calls: half of them end while the daemon drains, the others are ended by it.

Webhooks and health checks come all the time. Prints a table and exits 1 when a call has no record or a wrong one, a
caller was not told, a webhook met a 5xx, or, with a socket that outlives the daemon, a webhook was lost.

    python bench/restart.py --calls 20
    python bench/restart.py --calls 20 --keep-socket
    python bench/restart.py --calls 20 --keep-socket --workers 2
"""

import signal
import socket
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import httpx2
import trio
from attrs import define, field, frozen
from rich.console import Console
from rich.table import Table

from bench.process import Launch, Running, a_process
from bench.stage import PROMPT, PUBLIC, WEBHOOK, words
from bridge.errors import StoreError
from bridge.store.database import Store
from replay.model.script import Script
from replay.phone.ring import Account, Caller
from replay.phone.script import HangUp, Wait, WaitForAgent, WaitForEnd
from replay.phone.twiml import Hangup, Reject, Say, TwilioError, parse
from replay.phone.web import Route, open_courier

CLOSING = "We have to end this call now. Please call again in a minute."
SCRIPT = Script(opening=(words("agent_greeting"),), delivery=PROMPT)
EVERY_SECONDS = 0.2
PROBE = f"CA{0:024x}"
"""How the ids of calls begin that only ask whether a webhook is answered."""

"""How often a webhook comes during the restart; each makes a connection of its own, as Twilio's do, and that costs."""

LONGEST_MS = 60_000
AT_ONCE = 32
"""Webhooks under way; a daemon that is starting keeps them waiting."""


@frozen
class Plan:
    """A restart: how many calls, how long they may go on, whether the socket outlives the daemon."""

    calls: int = 20
    drain_seconds: int = 12
    hang_up_ms: int = 1500
    keeps_socket: bool = False
    workers: int = 1
    slow_seconds: float = 3
    """What the machine may take for what is to be done at once: a test on a busy one waits longer."""

    def caller(self, number: int) -> Caller:
        """Return every other time a caller who hangs up while the daemon drains, else one who stays."""
        leaves = (WaitForAgent(), Wait(self.hang_up_ms), HangUp())
        stays = (WaitForAgent(), WaitForEnd(60_000))
        return Caller(steps=leaves if number % 2 else stays, answer_delay_ms=0, patience_ms=60_000)

    def launch(self, passed: socket.socket | None) -> Launch:
        """Return how both daemons are started."""
        server = {
            "drain_seconds": self.drain_seconds,
            "max_calls": 1000,
            "closing_sentence": CLOSING,
            "workers": self.workers,
        }
        return Launch(server, passed=passed)


@define
class Result:
    """What came of a restart; `faults` has one sentence for each thing that is not as it should be."""

    plan: Plan
    endings: Counter[str] = field(factory=Counter)
    told: int = 0
    drained_s: float = 0
    exit_code: int | None = None
    reports: int = 0
    webhooks: Counter[str] = field(factory=Counter)
    lost_while_draining: int = 0
    health: Counter[int] = field(factory=Counter)
    rows: int = 0
    faults: list[str] = field(factory=list)


@define(eq=False)
class Prober:
    """Sends webhooks of new calls all the time, and asks how the daemon is; counts the answers."""

    result: Result
    via: str = ""
    is_draining: bool = False
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    _slots: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(AT_ONCE))

    async def run(self) -> None:
        """Probe until the scope is cancelled."""
        with self.scope:
            async with httpx2.AsyncClient(trust_env=False) as client, trio.open_nursery() as nursery:
                for number in range(100_000):
                    await self._slots.acquire_on_behalf_of(number)
                    nursery.start_soon(self._probe, number, client)
                    await trio.sleep(EVERY_SECONDS)

    async def _probe(self, number: int, client: httpx2.AsyncClient) -> None:
        try:
            answer = await self._webhook(f"{PROBE}{number:08x}")
            self.result.webhooks[answer] += 1
            if self.is_draining:
                self.result.lost_while_draining += answer == "lost"
                await self._ask_health(client)
        finally:
            self._slots.release_on_behalf_of(number)

    async def _webhook(self, call_sid: str) -> str:
        """Return how a webhook was answered: the first verb, the status of an error, or "lost"."""
        try:
            async with open_courier(
                Account(), call_sid, Route(urlsplit(PUBLIC), urlsplit(self.via))
            ) as courier:
                verbs = parse((await courier.twiml(WEBHOOK, "ringing"))[1], WEBHOOK)
        except TwilioError as error:
            return str(error.http_status or "lost")
        return f"{verbs[0].reason}" if isinstance(verbs[0], Reject) else type(verbs[0]).__name__

    async def _ask_health(self, client: httpx2.AsyncClient) -> None:
        try:
            self.result.health[(await client.get(f"{self.via}/healthz")).status_code] += 1
        except httpx2.HTTPError:
            self.result.health[0] += 1


async def check_restart(folder: Path, plan: Plan) -> Result:
    """Restart a daemon in the middle of calls, and look at what came of them."""
    result = Result(plan)
    with closing(socket.create_server(("127.0.0.1", 0))) as kept:
        passed = kept if plan.keeps_socket else None
        if not plan.keeps_socket:
            kept.close()
        async with trio.open_nursery() as probing:
            prober = Prober(result)
            async with a_process(folder, SCRIPT, plan.launch(passed)) as daemon:
                await _drain(daemon, prober, probing)
            if not plan.keeps_socket:
                prober.scope.cancel()  # nobody listens until the next one has a port
            async with a_process(folder, SCRIPT, plan.launch(passed)) as daemon:
                await _wait_indexed(folder, plan)
                prober.scope.cancel()
                daemon.signal(signal.SIGTERM)
                await daemon.process.wait()
        _judge(result, _rows(folder))
    return result


async def _drain(daemon: Running, prober: Prober, probing: trio.Nursery) -> None:
    """Make the calls, tell the daemon to end, and wait until it has."""
    result, plan = prober.result, prober.result.plan
    async with trio.open_nursery() as ringing:
        for number in range(plan.calls):
            ringing.start_soon(daemon.call, plan.caller(number), LONGEST_MS)
    told = trio.current_time()
    daemon.signal(signal.SIGTERM)
    await daemon.wait_logged("draining")
    prober.via, prober.is_draining = daemon.via, True
    probing.start_soon(prober.run, name="prober")
    result.exit_code = await daemon.process.wait()
    prober.is_draining = False
    result.drained_s = trio.current_time() - told
    with trio.move_on_after(3 * plan.slow_seconds):
        while len(daemon.reports) < plan.calls:  # noqa: ASYNC110 - the phone's side of each call, moments later
            await trio.sleep(0.02)
    result.reports = len(daemon.reports)
    result.told = sum(report.next_verbs == [Say(CLOSING, "en-US"), Hangup()] for report in daemon.reports)


async def _wait_indexed(folder: Path, plan: Plan) -> None:
    """Return when the second daemon has found and indexed what the first one left."""
    with trio.move_on_after(3 * plan.slow_seconds):
        while len(await trio.to_thread.run_sync(_rows, folder)) < plan.calls:  # noqa: ASYNC110 - a database tells nobody
            await trio.sleep(0.2)


def _rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of the calls, not of the probes; none while somebody else holds the database."""
    try:
        rows = Store(folder / "data" / "calls.duckdb").query("select call_id, ended_by, why from calls")
    except StoreError:
        return []
    return [row for row in rows if not row["call_id"].startswith(PROBE)]


def _judge(result: Result, rows: list[dict[str, Any]]) -> None:
    plan = result.plan
    result.rows = len(rows)
    result.endings = Counter(f"{row['ended_by']}: {row['why']}" for row in rows)
    stayed = (plan.calls + 1) // 2
    result.faults += [text for text, is_so in _complaints(result, rows, stayed) if is_so]


def _complaints(result: Result, rows: list[dict[str, Any]], stayed: int) -> list[tuple[str, bool]]:
    plan = result.plan
    ended = sum(row["ended_by"] == "operator" for row in rows)
    hung_up = sum(row["ended_by"] == "caller" for row in rows)
    errors = {answer: n for answer, n in result.webhooks.items() if answer.isdecimal()}
    return [
        (f"exit code {result.exit_code}", result.exit_code != 0),
        (f"{len(rows)} records of {plan.calls} calls", len(rows) != plan.calls),
        (f"{result.reports} of {plan.calls} calls are over for the phone", result.reports != plan.calls),
        (
            f"{hung_up} calls ended by their callers, not {plan.calls - stayed}",
            hung_up != plan.calls - stayed,
        ),
        (f"{ended} calls ended by the operator, not {stayed}", ended != stayed),
        (f"{result.told} callers heard the closing sentence, not {stayed}", result.told != stayed),
        (f"webhooks met errors: {errors}", bool(errors)),
        (f"no webhook was answered while draining: {result.webhooks}", not result.webhooks["busy"]),
        (f"health checks while draining: {result.health}", not set(result.health) <= {503, 0}),
        (f"{result.webhooks['lost']} webhooks lost", plan.keeps_socket and bool(result.webhooks["lost"])),
        (f"drained in {result.drained_s:.1f} s", result.drained_s > plan.drain_seconds + plan.slow_seconds),
    ]


def report(result: Result) -> Table:
    """Return the result as a table."""
    table = Table("", "", title="a restart in the middle of calls", show_header=False)
    plan = result.plan
    table.add_row("calls at once", str(plan.calls))
    table.add_row("records", str(result.rows))
    for ending, count in result.endings.most_common():
        table.add_row(f"  {ending}", str(count))
    table.add_row("callers who heard the closing sentence", str(result.told))
    table.add_row(
        "from SIGTERM to the end", f"{result.drained_s:.1f} s (drain_seconds = {plan.drain_seconds})"
    )
    for answer, count in result.webhooks.most_common():
        table.add_row(f"webhooks answered: {answer}", str(count))
    table.add_row(
        "  of these, after the listener closed and before the process ended", str(result.lost_while_draining)
    )
    table.add_row("health checks while draining", ", ".join(f"{k}: {n}" for k, n in result.health.items()))
    return table


@click.command()
@click.option("--calls", default=20, show_default=True)
@click.option("--drain-seconds", default=12, show_default=True)
@click.option("--keep-socket", is_flag=True, help="Pass both daemons one socket, as systemd does.")
@click.option("--workers", default=1, show_default=True, help="Processes that carry the calls.")
def main(calls: int, drain_seconds: int, keep_socket: bool, workers: int) -> None:
    """Restart a daemon in the middle of calls."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(calls, drain_seconds, keeps_socket=keep_socket, workers=workers)
        result = trio.run(check_restart, Path(folder), plan)
    Console().print(report(result))
    for fault in result.faults:
        print(f"FAULT: {fault}")
    sys.exit(1 if result.faults else 0)


if __name__ == "__main__":
    main()
