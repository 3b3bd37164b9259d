"""The daemon as a process of its own, as its users run it, and calls to it: for benches and wire tests."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio
from attrs import define, field, frozen

from bench.stage import AGENT, GREETING, PUBLIC, WEBHOOK, index_what_is_left
from bridge.config import Settings, load
from bridge.tapes.lock import one_after_the_other
from replay.model.script import Script
from replay.model.server import Cast, ModelServer, serve_model
from replay.phone.ring import Account, Caller, CallReport, ring

RUN = "from bridge.cli import main; main()"
PASS_ON = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""

DRAIN_SECONDS = 2


@frozen
class Launch:
    """How a daemon is started: what its configuration says besides, what it finds in its environment."""

    server: Mapping[str, Any] = field(factory=dict)
    agents: str = f"[agents.{AGENT}]\n"
    environment: Mapping[str, str] = field(factory=dict)
    passed: socket.socket | None = None
    run: str = RUN

    def configuration(self, model_url: str) -> str:
        """Return the text of `config.toml`; JSON's strings and numbers are TOML's too."""
        server = {"bind": "127.0.0.1:0", "public_url": PUBLIC, "drain_seconds": DRAIN_SECONDS, **self.server}
        lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in server.items()]
        return "\n".join(["[server]", *lines, "[realtime]", f'url = "{model_url}"', self.agents])

    def command(self, config: Path) -> list[str]:
        """Return the command line."""
        serve = [sys.executable, "-c", self.run, "serve", "--config", str(config), "--log-json"]
        return serve if self.passed is None else pass_on(self.passed.fileno(), serve)


def pass_on(fileno: int, command: list[str]) -> list[str]:
    """Return a command that runs another as a service manager does: the file is number 3, and the process knows."""
    return [sys.executable, "-c", PASS_ON, str(fileno), *command]


@define(eq=False)
class Running:
    """A daemon in a process of its own, what it logged, and its calls."""

    process: trio.Process
    folder: Path
    calls: trio.Nursery
    model: ModelServer
    log: list[dict[str, Any]] = field(factory=list)
    reports: list[CallReport] = field(factory=list)
    _news: trio.Condition = field(factory=trio.Condition)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(next(line["port"] for line in self.log if "port" in line))

    @property
    def via(self) -> str:
        """Where the public URL's bytes really go."""
        return f"http://127.0.0.1:{self.port}"

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to the daemon."""
        self.process.send_signal(number)

    async def wait_logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Return the lines of this kind once there are so many of them."""
        async with self._news:
            while len(lines := [line for line in self.log if line.get("event") == event]) < count:
                assert not any(line.get("event") == "" for line in self.log), f"it ended: {self.log}"
                await self._news.wait()
        return lines

    async def call(self, caller: Caller, total_ms: int = 8000) -> None:
        """Begin a call, and return when its agent is heard."""
        heard = trio.Event()

        def tell(kind: str, *_: Any) -> None:
            if kind == "agent_heard":
                heard.set()

        self.calls.start_soon(self._ring, caller, tell, total_ms)
        await heard.wait()

    async def _ring(self, caller: Caller, tell: Callable[..., None], total_ms: int) -> None:
        report = await ring(caller, webhook=WEBHOOK, via=self.via, on_event=tell, total_ms=total_ms)
        self.reports.append(report)

    async def read_log(self) -> None:
        """Keep every line it logs; one without an event is the end."""
        assert self.process.stdout is not None
        rest = b""
        async for data in self.process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            await self._keep([_line(line) for line in lines])
        await self._keep([{"event": "", "text": rest.decode()}])

    async def _keep(self, lines: list[dict[str, Any]]) -> None:
        async with self._news:
            self.log += lines
            self._news.notify_all()


def _line(data: bytes) -> dict[str, Any]:
    try:
        line = msgspec.json.decode(data)
    except msgspec.DecodeError:
        line = None
    return line if isinstance(line, dict) else {"event": "text", "text": data.decode("utf-8", "replace")}


@asynccontextmanager
async def a_process(
    folder: Path, script: Script | Cast = GREETING, launch: Launch | None = None, *, settles: bool = True
) -> AsyncIterator[Running]:
    """Run a daemon as its users do; it and its calls are gone afterwards, and every complete tape has its rows.

    Unless it `settles` what it left undone stays so, for the next daemon to do.
    """
    launch = launch or Launch()
    async with trio.open_nursery() as nursery:
        model: ModelServer = await nursery.start(serve_model, script)
        config = folder / "config.toml"
        config.write_text(launch.configuration(model.url))
        process = await trio.lowlevel.open_process(
            launch.command(config),
            env={**os.environ, **ENVIRONMENT, **launch.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=() if launch.passed is None else (launch.passed.fileno(),),
        )
        running = Running(process, folder, nursery, model)
        try:
            nursery.start_soon(running.read_log, name="log")
            await running.wait_logged("bridge is up")
            yield running
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                if settles:
                    await trio.to_thread.run_sync(_settle_records, load(config))
        nursery.cancel_scope.cancel()


def _settle_records(settings: Settings) -> None:
    """Let the indexer of a daemon that was killed end what it does, and index the rest."""
    if settings.data_folder.is_dir():
        with one_after_the_other(settings.data_folder):
            index_what_is_left(settings)


ENVIRONMENT = {
    "TWILIO_AUTH_TOKEN": Account().auth_token,
    "OPENAI_API_KEY": "sk-stand-in",
    "PYTHONUNBUFFERED": "1",
}
