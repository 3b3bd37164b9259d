"""Who is loaded: this daemon, another checkout's, or a relay; each in a process of its own, on a core of its own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from attrs import define, frozen

from bench.load_phone import Server
from bench.process import ENVIRONMENT, Launch
from bench.stage import AGENT, WEBHOOK
from replay.phone.script import Account

HERE: Final = Path(__file__).resolve().parents[1]
RELAYS: Final = HERE / "bench" / "relays"
PIN: Final = """
import os, sys
os.sched_setaffinity(0, {int(core) for core in sys.argv[1].split(",")})
os.execv(sys.argv[2], sys.argv[2:])
"""
LIMITS: Final = {
    "max_calls": 1000,
    "waiting_calls": 1000,
    "calls_per_caller": 0,
    "max_connections": 20_000,
    "max_lag_ms": 0,
    "max_busy_percent": 0,
}
"""Every call shall be there, whatever it suffers; with `--beyond` the daemon's own limits of lateness count."""

OF_ITS_OWN: Final = ("max_lag_ms", "max_busy_percent")
START_SECONDS: Final = 30
END_SECONDS: Final = 20
LOOK_SECONDS: Final = 0.02
TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
INDEXER: Final = "bridge.indexing.worker"
RELAY_HOOK: Final = "https://relay.example.com/incoming-call"
ADMIN_SOCKET: Final = "admin.sock"
TOKEN: Final = "let-me-look"
LISTENED: Final = "listen_in = true\n"
SIGNED_IN: Final = {"Authorization": f"Bearer {TOKEN}"}
OK: Final = 200
OF_A_PROXY: Final = ("http_proxy", "https_proxy", "all_proxy")


@frozen
class Side:
    """One of those that are compared."""

    name: str
    relay: str = ""
    """The module of a relay; without one it is a daemon."""
    checkout: Path = HERE
    over_tls: bool = False
    workers: int = 1
    own_limits: bool = False
    loop: str = "asyncio"
    has_console: bool = False
    admin: str = ""
    """Where its admin address is; a socket in its folder unless told."""

    @property
    def is_daemon(self) -> bool:
        """Say whether this is one of ours."""
        return not self.relay

    def server_settings(self) -> dict[str, Any]:
        """Return what its configuration says beside the defaults, as far as its checkout knows of it."""
        known = (self.checkout / "config.toml").read_text()
        wanted = {key: value for key, value in LIMITS.items() if key in known}
        if self.own_limits:
            wanted = {key: value for key, value in wanted.items() if key not in OF_ITS_OWN}
        return wanted | ({"workers": self.workers} if self.workers > 1 else {})

    def command(self, folder: Path, model_url: str) -> list[str]:
        """Return its command line; a daemon's configuration is written into the folder."""
        if not self.is_daemon:
            return [sys.executable, str(RELAYS / f"{self.relay}.py"), model_url, self.loop]
        admin = f'[admin]\nbind = "{self.admin or f"unix:{folder}/{ADMIN_SOCKET}"}"\n'
        console = "[console]\non = true\n" * self.has_console
        launch = Launch(
            self.server_settings(), agents=f"{admin}{console}[agents.{AGENT}]\n{LISTENED * self.has_console}"
        )
        config = folder / "config.toml"
        config.write_text(launch.configuration(model_url))
        own = self.checkout / ".venv" / "bin" / "python"
        command = launch.command(config)
        return [str(own), *command[1:]] if own.exists() else command


@define(eq=False)
class Loaded:
    """A side that runs."""

    side: Side
    process: "subprocess.Popen[bytes]"
    folder: Path
    server: Server

    @property
    def is_running(self) -> bool:
        """Say whether it is still there."""
        return self.process.poll() is None

    def usage(self) -> "Usage":
        """Return what it has used so far."""
        return usage_of(self.process.pid)

    def metric(self, name: str) -> dict[str, float]:
        """Return the lines of one of its metrics, by what stands before the value."""
        found = (line.rpartition(" ") for line in self.page("/metrics").splitlines() if line.startswith(name))
        return {head: float(value) for head, _, value in found}

    def page(self, path: str) -> str:
        """Return what its admin address answers."""
        asked = HTTPConnection("localhost", timeout=30)
        asked.sock = socket.socket(socket.AF_UNIX)
        asked.sock.connect(str(self.folder / ADMIN_SOCKET))
        with closing(asked):
            asked.request("GET", path, headers=SIGNED_IN)
            answer = asked.getresponse()
            text = answer.read().decode()
            if answer.status != OK:
                raise SystemExit(f"{path}: {answer.status} {text[:200]}")
            return text

    def indexers(self) -> list[int]:
        """Return its indexer's process, while there is one."""
        return [one for one in _family(self.process.pid) if INDEXER in _command(one)]

    async def end(self) -> "Usage":
        """Have it end as a service manager would; return what it and its indexer had used at the end."""
        last = self.usage()
        if self.side.is_daemon:
            self.process.send_signal(signal.SIGTERM)
            until = time.monotonic() + END_SECONDS
            while self.is_running and time.monotonic() < until:
                await asyncio.sleep(LOOK_SECONDS * 5)
                last = last.most(self.usage())
        self.process.kill()
        self.process.wait()
        return last


@contextmanager
def loaded(side: Side, folder: Path, model_url: str, cores: str, ca: str = "") -> Iterator[Loaded]:
    """Run a side while the context lasts, bound to these cores."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {key: value for key, value in os.environ.items() if key.lower() not in OF_A_PROXY}
    environment = {**plain, **(ENVIRONMENT if side.is_daemon else {})} | ({"SSL_CERT_FILE": ca} if ca else {})
    environment |= {"BRIDGE_ADMIN_TOKEN": TOKEN} if side.has_console else {}
    log = folder / "log"
    command = [sys.executable, "-c", PIN, cores, *side.command(folder, model_url)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=side.checkout, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield Loaded(side, process, folder, _server_of(side, process, log))
    finally:
        process.kill()
        process.wait()


def _server_of(side: Side, process: "subprocess.Popen[bytes]", log: Path) -> Server:
    """Wait until it says where it listens."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        for line in log.read_text(errors="replace").splitlines():
            ports = _ports(line)
            if ports:
                webhook = WEBHOOK if side.is_daemon else RELAY_HOOK
                port = int(ports["port"])
                return Server(port, int(ports.get("webhook_port", port)), webhook, Account().auth_token)
        time.sleep(LOOK_SECONDS)
    raise SystemExit(f"{side.name} did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _ports(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) and "port" in said else {}


# ---------------------------------------------------------------- what it uses


@frozen
class Usage:
    """CPU seconds and resident bytes of a process and its children; the indexer's, which works after calls, apart."""

    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    indexer_seconds: float = 0.0
    waited_seconds: float = 0.0
    """In which they could have run, and somebody else had their core."""
    by_process: tuple[float, ...] = ()

    def most(self, other: "Usage") -> "Usage":
        """Return the later of two: a process that has gone has used what it had."""
        if other.cpu_seconds + other.indexer_seconds < self.cpu_seconds + self.indexer_seconds:
            return self
        return other


def usage_of(pid: int) -> Usage:
    """Return what a process and all its descendants have used."""
    cpu, rss, indexer, waited, each = 0.0, 0, 0.0, 0.0, []
    for one in _family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            waits = int(Path(f"/proc/{one}/schedstat").read_text().split()[1]) / 1e9
        except OSError:
            continue
        seconds = (int(fields[11]) + int(fields[12])) / TICKS
        if INDEXER in _command(one):
            indexer += seconds
            continue
        cpu, rss, waited = cpu + seconds, rss + int(fields[21]) * PAGE, waited + waits
        each.append(seconds)
    return Usage(cpu, rss, indexer, waited, tuple(each))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    family = [pid]
    for one in family:
        family += [child for child, parent in parents.items() if parent == one]
    return family
