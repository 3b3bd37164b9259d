"""The daemon under a service manager: what it tells, what SIGHUP changes, what a live call notices of it: nothing."""

import itertools
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpx2
import pytest
import structlog
import trio
from running_console import CONSOLE, TOKEN

from bench.stage import AGENT, GREETING, PUBLIC, WEBHOOK, Place, Stage, open_stage
from bridge import config
from bridge.daemon import service
from bridge.daemon.notify import Notifier
from bridge.daemon.server import Daemon
from bridge.settings.admin import Console
from bridge.tapes.lock import one_after_the_other
from replay.model.server import ModelServer, serve_model
from replay.phone.ring import Account, Caller, CallReport, ring
from replay.phone.script import HangUp, StopReading, WaitForAgent, WaitForEnd
from replay.phone.twiml import Connect, Hangup, Redirect, Reject, Say, Verb, parse
from replay.phone.web import Route, open_courier

QUICK = Caller(steps=(WaitForAgent(), HangUp()), answer_delay_ms=0)
STAYS = Caller(steps=(WaitForAgent(), WaitForEnd(20_000)), answer_delay_ms=0, patience_ms=20_000)
STALLED = Caller(steps=(WaitForAgent(), StopReading(), WaitForEnd(20_000)), answer_delay_ms=0)
TOOL = '''
from bridge.tools import tool

@tool
def {name}() -> str:
    """Do it."""
    return "done"
'''


@attrs.define(eq=False)
class Manager:
    """A service manager: everything it was told, in order."""

    socket: trio.socket.SocketType
    told: list[dict[str, str]] = attrs.field(factory=list)
    news: trio.Condition = attrs.field(factory=trio.Condition)

    async def listen(self) -> None:
        """Keep every message."""
        while True:
            text = (await self.socket.recv(4096)).decode()
            async with self.news:
                self.told.append(dict(line.split("=", 1) for line in text.splitlines()))
                self.news.notify_all()

    async def wait(self, is_it: Callable[[dict[str, str]], bool], since: int = 0) -> dict[str, str]:
        """Return the first message of this kind."""
        async with self.news:
            while True:
                found = [message for message in self.told[since:] if is_it(message)]
                if found:
                    return found[0]
                await self.news.wait()


@attrs.define(eq=False)
class Served:
    """A daemon under a manager, the file it was configured with, and a phone."""

    daemon: Daemon
    manager: Manager
    model: ModelServer
    file: Path
    tokens: list[str]
    over: trio.Event
    reports: list[CallReport] = attrs.field(factory=list)

    @property
    def via(self) -> str:
        return f"http://127.0.0.1:{self.daemon.port}"

    async def ring(self, caller: Caller = QUICK, agent: str = AGENT, **options: Any) -> CallReport:
        webhook = f"{PUBLIC}/voice/{agent}"
        report = await ring(caller, webhook=webhook, via=self.via, total_ms=20_000, **options)
        self.reports.append(report)
        return report

    async def verbs(self, call_sid: str = f"CA{1:032x}", agent: str = AGENT) -> tuple[Verb, ...]:
        """Return what a webhook is answered with."""
        route = Route(urlsplit(PUBLIC), urlsplit(self.via))
        async with open_courier(Account(), call_sid, route) as courier:
            return parse((await courier.twiml(f"{PUBLIC}/voice/{agent}", "ringing"))[1], WEBHOOK)

    def write(self, *, agents: str = f"[agents.{AGENT}]", **server: Any) -> None:
        """Write the file."""
        write_config(self.file, self.model.url, agents, **server)

    async def reload(self) -> dict[str, str]:
        """Send SIGHUP; return what is told when it is done: READY after RELOADING, as the first may be late."""
        since = len(self.manager.told)
        os.kill(os.getpid(), signal.SIGHUP)
        await self.manager.wait(lambda message: "RELOADING" in message, since)
        begun = max(number for number, message in enumerate(self.manager.told) if "RELOADING" in message)
        return await self.manager.wait(lambda message: "READY" in message, begun + 1)

    def end_calls(self) -> None:
        """End every call at once."""
        for call in list(self.daemon.switchboard._calls.values()):
            call.stop("operator", "enough")


def write_config(file: Path, model_url: str, agents: str, **server: Any) -> None:
    table = {"bind": "127.0.0.1:0", "public_url": PUBLIC, "drain_seconds": 4, **server}
    lines = [f"{key} = {value!r}" for key, value in table.items()]
    file.write_text("\n".join(["[server]", *lines, "[realtime]", f'url = "{model_url}"', agents]))


@asynccontextmanager
async def served(folder: Path, *, watchdog_seconds: float = 0, **setup: Any) -> AsyncIterator[Served]:
    """Run a daemon under a manager; its own end is not waited for unless the test does."""
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening, trio.fail_after(40):
        await listening.bind(str(folder / "notify"))
        manager, tokens, file = Manager(listening), [Account().auth_token], folder / "config.toml"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(manager.listen)
            model: ModelServer = await nursery.start(serve_model, GREETING)
            write_config(file, model.url, **{"agents": f"[agents.{AGENT}]", **setup})

            def read() -> tuple[config.Settings, config.Secrets]:
                return config.load(file), config.Secrets(tuple(tokens), "sk-stand-in")

            around = service.Surroundings(
                Notifier(str(folder / "notify"), watchdog_seconds), None, read, status_seconds=0.02
            )
            over = trio.Event()

            async def serve(task_status: trio.TaskStatus[Daemon]) -> None:
                await service.serve(*read(), around, task_status=task_status)
                over.set()

            daemon = await nursery.start(serve)
            yield Served(daemon, manager, model, file, tokens, over)
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def a_live_call(on: Served, caller: Caller = STAYS) -> AsyncIterator[None]:
    """Have a call whose agent was heard; on leaving it is over."""
    heard = trio.Event()

    def tell(kind: str, *_: Any) -> None:
        if kind == "agent_heard":
            heard.set()

    async def call() -> None:
        await on.ring(caller, on_event=tell)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await heard.wait()
        yield


# ---------------------------------------------------------------- what is told


async def test_ready_is_told_when_a_webhook_can_be_answered(tmp_path: Path) -> None:
    async with served(tmp_path) as on:
        ready = await on.manager.wait(lambda message: "READY" in message)
        assert isinstance((await on.verbs())[0], Connect)
    assert (ready["READY"], ready["MAINPID"]) == ("1", str(os.getpid()))
    assert ready["STATUS"] == "answering, 0 live, 0 finished and not in the database yet"


async def test_tapes_of_an_earlier_run_hold_up_nobody(tmp_path: Path) -> None:
    torn = tmp_path / "data" / "tapes" / "2026-01-01" / "CAold.jsonl"
    torn.parent.mkdir(parents=True)
    torn.write_text("{}\n")
    with one_after_the_other(tmp_path / "data"):  # whoever closes and indexes them has to wait
        async with served(tmp_path) as on:
            assert isinstance((await on.verbs())[0], Connect)
            assert on.daemon.indexer.lag


async def test_the_status_says_what_is_wrong_with_the_database(tmp_path: Path) -> None:
    (tmp_path / "data" / "tapes").mkdir(parents=True)
    (tmp_path / "data" / "tapes" / "CAold.jsonl.gz").write_bytes(b"")
    (tmp_path / "data" / "calls.duckdb").write_bytes(b"not a database" * 1000)
    async with served(tmp_path) as on:
        told = await on.manager.wait(lambda message: "calls.duckdb" in message.get("STATUS", ""))
        assert isinstance((await on.verbs())[0], Connect)
    assert told["STATUS"].startswith("answering, 0 live, 0 finished")
    assert "bridge reindex" in told["STATUS"]


async def test_the_status_follows_the_calls(tmp_path: Path) -> None:
    async with served(tmp_path) as on:
        await on.ring()
        await on.manager.wait(lambda message: message.get("STATUS", "").startswith("answering, 1 live"))
        await on.manager.wait(lambda message: "1 finished" in message.get("STATUS", ""))
        told = len(on.manager.told)
        ended = await on.manager.wait(lambda message: "STATUS" in message, told - 1)
    assert ended["STATUS"].startswith("answering, 0 live")
    texts = [message["STATUS"] for message in on.manager.told if "STATUS" in message]
    assert all(text != after for text, after in itertools.pairwise(texts))


async def test_the_end_is_told_and_asks_for_time(tmp_path: Path) -> None:
    async with served(tmp_path) as on, a_live_call(on):
        os.kill(os.getpid(), signal.SIGTERM)
        stopping = await on.manager.wait(lambda message: "STOPPING" in message)
    assert stopping["STATUS"].startswith("draining, 1 live")
    assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 2 * service.REPORT_SECONDS * 1_000_000


async def test_a_stuck_event_loop_stops_feeding_the_watchdog(tmp_path: Path) -> None:
    async with served(tmp_path, watchdog_seconds=0.06) as on:
        fed = [await on.manager.wait(lambda message: "WATCHDOG" in message, number) for number in (0, 5)]
        on.manager.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        with socket.socket(fileno=os.dup(on.manager.socket.fileno())) as ear:
            _read_all(ear)
            time.sleep(0.3)  # noqa: ASYNC251 - this is the fault
            assert _read_all(ear) == 0
        since = len(on.manager.told)
        await on.manager.wait(lambda message: "WATCHDOG" in message, since)
    assert fed == [{"WATCHDOG": "1"}] * 2


def _read_all(ear: socket.socket) -> int:
    """Return how many messages wait, without letting the loop run."""
    count = 0
    ear.setblocking(False)
    try:
        while ear.recv(4096):
            count += 1
    except BlockingIOError:
        return count
    return count


# ---------------------------------------------------------------- reading the configuration again


async def test_a_reload_is_told_and_changes_what_new_calls_get(tmp_path: Path) -> None:
    async with served(tmp_path) as on, a_live_call(on):
        on.write(agents=f"[agents.{AGENT}]\n[agents.night]")
        since = len(on.manager.told)
        began = time.monotonic_ns() // 1000
        await on.reload()
        reloading = await on.manager.wait(lambda message: "RELOADING" in message, since)
        report = await on.ring(agent="night")
        assert len(on.reports) == 1  # the call from before goes on
        on.end_calls()
    assert began <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert report.closed_by == "caller"


async def test_the_first_line_of_the_log_says_where_everything_is_and_no_secret(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_stage(Place(tmp_path, **CONSOLE)) as stage:
            await service.Service(stage.daemon, Notifier(), lambda: pytest.fail("read")).tell_ready()
    (line,) = [line for line in logs if line["event"] == "bridge is up"]
    assert line["port"] == stage.daemon.port
    assert line["admin"] == stage.daemon.monitoring.address
    assert line["console"] == f"http://{line['admin']}/console"
    assert TOKEN not in str(line)


async def test_what_is_not_there_is_not_in_the_first_line_of_the_log(stage: Stage) -> None:
    with structlog.testing.capture_logs() as logs:
        await service.Service(stage.daemon, Notifier(), lambda: pytest.fail("read")).tell_ready()
    assert not {"admin", "console"} & logs[-1].keys()


@pytest.mark.parametrize(
    ("console", "bind", "address"),
    [
        (Console(on=True), "127.0.0.1:9090", "http://127.0.0.1:9090/console"),
        (
            Console(on=True, url="https://calls.example.com"),
            "unix:/run/x",
            "https://calls.example.com/console",
        ),
        (Console(on=True), "unix:/run/x", ""),
        (Console(on=True), "", ""),
        (Console(), "127.0.0.1:9090", ""),
    ],
)
def test_the_console_has_an_address_where_a_browser_can_have_it(
    console: Console, bind: str, address: str
) -> None:
    assert console.address(bind) == address


async def test_a_bug_in_reading_the_configuration_is_a_refusal_like_any_other(stage: Stage) -> None:
    def read() -> tuple[config.Settings, config.Secrets]:
        raise RuntimeError("a bug")

    one = service.Service(stage.daemon, Notifier(), read)
    before = stage.daemon.current.setup
    await one.reload()
    assert "reload refused: RuntimeError: a bug" in one.status
    assert stage.daemon.current.setup is before


async def test_a_bad_file_is_refused_with_each_fault_and_a_live_call_goes_on(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with served(tmp_path) as on, a_live_call(on):
            on.write(agents=f"[agents.{AGENT}]\nvoice = 'nobody'\nlanguage = 3")
            told = await on.reload()
            assert isinstance((await on.verbs())[0], Connect)
            assert on.daemon.switchboard.live == 2
            on.write()
            again = await on.reload()
            on.end_calls()
    faults = [line["fault"] for line in logs if line["event"] == "configuration refused, the old one stays"]
    assert [fault.split("]")[1].split()[0] for fault in faults] == ["voice", "language"]
    assert "reload refused" in told["STATUS"]
    assert "voice" in told["STATUS"]
    assert told["STATUS"].endswith("(and 1 more)")
    assert "refused" not in again["STATUS"]


async def test_a_live_call_keeps_its_agent_when_the_file_drops_it(tmp_path: Path) -> None:
    async with served(tmp_path) as on:
        late = attrs.evolve(QUICK, answer_delay_ms=500)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on.ring, late)
            await on.model.wait_session()  # the webhook was answered; the media socket comes later
            on.write(agents="[agents.night]")
            await on.reload()
        assert (on.reports[0].upgrade_status, on.reports[0].closed_by) == (101, "caller")
        assert (await on.ring()).webhook_status == 404


async def test_tokens_are_rotated(tmp_path: Path) -> None:
    async with served(tmp_path) as on:
        on.tokens[:] = ["a-new-token"]
        await on.reload()
        assert (await on.ring()).webhook_status == 403
        new = attrs.evolve(Account(), auth_token="a-new-token")
        report = await on.ring(account=new)
    assert report.closed_by == "caller"


async def test_how_many_connections_there_may_be_holds_for_the_next_one(tmp_path: Path) -> None:
    async with served(tmp_path) as on, AsyncExitStack() as strangers:
        on.write(max_connections=10)
        await on.reload()
        for _ in range(11):
            stream = await strangers.enter_async_context(
                await trio.open_tcp_stream("127.0.0.1", on.daemon.port)
            )
        with trio.fail_after(5):  # a stranger who says nothing may stay for ten
            assert await stream.receive_some() == b""


async def test_tools_are_loaded_anew_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "my_tools.py"
    file.write_text(TOOL.format(name="first"))
    agents = f'[agents.{AGENT}]\ntools = ["my_tools.py:{{name}}"]'
    async with served(tmp_path, agents=agents.format(name="first")) as on:
        file.write_text(TOOL.format(name="second_and_last"))
        on.write(agents=agents.format(name="second_and_last"))
        await on.reload()
        assert set(on.daemon.current.setup.tools[AGENT]) == {"second_and_last"}
        file.write_text("1 / 0")
        told = await on.reload()
        assert set(on.daemon.current.setup.tools[AGENT]) == {"second_and_last"}
    assert "ZeroDivisionError" in told["STATUS"]


async def test_what_only_a_restart_changes_is_said_and_ignored(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with served(tmp_path) as on:
            on.write(bind="127.0.0.1:9", public_url="https://other.example.com", max_calls=1)
            await on.reload()
            assert on.daemon.current.setup.settings.server.public_url == PUBLIC
            assert (await on.ring()).closed_by == "caller"
            assert on.daemon.switchboard.settings.server.max_calls == 1
    said = [line["setting"].split(" stays")[0] for line in logs if line["event"] == "needs a restart"]
    assert said == ["[server] bind", "[server] public_url"]


async def test_how_long_calls_are_kept_and_how_full_the_disk_may_be_is_read_again(tmp_path: Path) -> None:
    async with served(tmp_path) as on:
        on.write(agents=f"[recording]\nkeep_rows_days = 3\nquota_gb = 5.0\n[agents.{AGENT}]")
        await on.reload()
        daemon = on.daemon
    assert daemon.keeper.settings.keep_of(AGENT).rows_days == 3
    assert daemon.disk_watch.recording.quota_gb == 5.0


# ---------------------------------------------------------------- draining


@pytest.mark.parametrize("caller", [None, STALLED])
async def test_neither_nobody_nor_a_stalled_caller_holds_up_the_end(
    tmp_path: Path, caller: Caller | None
) -> None:
    async with served(tmp_path, drain_seconds=2) as on, a_live_call(on, caller) if caller else nullcontext():
        told = trio.current_time()
        os.kill(os.getpid(), signal.SIGTERM)
        await on.over.wait()
        took = trio.current_time() - told
    assert took <= (3 if caller else 1)


@pytest.mark.parametrize(
    ("choice", "verb"),
    [
        ("busy", Reject("busy")),
        ("reject", Reject("rejected")),
        (f"{PUBLIC}/elsewhere?a=1&b=2", Redirect(f"{PUBLIC}/elsewhere?a=1&b=2")),
    ],
)
async def test_new_calls_are_answered_as_configured_while_draining(
    tmp_path: Path, choice: str, verb: Verb
) -> None:
    async with served(tmp_path, when_draining=choice, drain_seconds=2) as on, a_live_call(on):
        os.kill(os.getpid(), signal.SIGTERM)
        await on.manager.wait(lambda message: "STOPPING" in message)
        assert await on.verbs(f"CA{2:032x}") == (verb,)
        async with httpx2.AsyncClient(trust_env=False) as client:
            health = await client.get(f"{on.via}/healthz")
    assert (health.status_code, health.json()) == (503, {"status": "draining"})


async def test_a_call_that_is_ended_hears_the_closing_sentence(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with (
            served(tmp_path, closing_sentence="Goodbye for now.", drain_seconds=2) as on,
            a_live_call(on),
        ):
            os.kill(os.getpid(), signal.SIGTERM)
    (line,) = [line for line in logs if line["event"] == "draining"]
    assert line["calls"] == f"{on.reports[0].call_sid} (0 s)"
    assert on.reports[0].next_verbs == [Say("Goodbye for now.", "en-US"), Hangup()]


def test_a_log_line_names_so_many_calls_and_counts_the_others() -> None:
    ages = [(f"CA{number}", 100 - number) for number in range(22)]
    assert service.named(ages).endswith("CA19 (81 s), and 2 more")
