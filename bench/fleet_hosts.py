"""The hosts of the fleet's bench and the balancer before them: daemons in processes of their own, and Debian's haproxy.

A host that is killed is away for a while and comes back in the same folder. What its daemon left undone is for the next
one to do: nothing is indexed here.
"""

import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define, field

from bench.process import Launch, Running, a_process
from bench.stage import AGENT, PROMPT, words
from bridge.lake.opening import LakePlace
from bridge.store.database import Store, patiently
from bridge.store.unsent import Unsent
from bridge.tapes.names import DONE_SUFFIX, call_id_of, tapes_under
from replay.model.script import Script

BALANCER: Final = Path(__file__).parents[1] / "deploy" / "haproxy.cfg"

AWAY_SECONDS: Final = 3.0
"""How long a host is gone: longer than the balancer needs to see it, shorter than another host does."""

WAITING_SECONDS: Final = 10
"""A caller who was answered by two hosts came to one: the other's call ends after so long."""

TALK: Final = Script(
    opening=(words("caller_yes"),), turns=((words("agent_thanks"),),), heard=("No.",), delivery=PROMPT
)
"""A greeting, a word of the caller's, an answer: tables of all kinds but tools have rows of it."""


@define(eq=False)
class Host:
    """One host: where it is, and the daemon that runs there now, if one does."""

    name: str
    folder: Path
    port: int
    tables: str
    """What its configuration says of the others, and of the lake."""
    running: Running | None = None
    is_over: bool = False
    cut_off: set[str] = field(factory=set)
    """The calls whose tapes were open when it was killed, whether their callers were still there or not."""
    _up: trio.Event = field(factory=trio.Event)
    _ends: trio.Event = field(factory=trio.Event)

    @property
    def launch(self) -> Launch:
        """Return how its daemon is started."""
        server = {
            "bind": f"127.0.0.1:{self.port}", "host_url": f"https://{self.name}.example.com", "max_calls": 1000,
            "waiting_calls": 1000, "calls_per_caller": 0, "max_lag_ms": 0, "max_busy_percent": 0,
        }  # fmt: skip
        admin = f'[admin]\nbind = "unix:{self.folder}/admin.sock"\n'
        agent = f"[agents.{AGENT}.limits]\nwaiting_seconds = {WAITING_SECONDS}\n"
        return Launch(server, agents=f"{admin}{self.tables}{agent}")

    async def live(self) -> None:
        """Run a daemon here, and another one some time after it was killed, until it is over."""
        while not self.is_over:
            async with a_process(self.folder, TALK, self.launch, settles=False) as self.running:
                self._up.set()
                await self._ends.wait()
                self.running.signal(signal.SIGTERM if self.is_over else signal.SIGKILL)
                await self.running.process.wait()
                self.cut_off |= {call_id_of(path) for path in tapes_under(self._tapes, only_open=True)}
            self.running, self._ends = None, trio.Event()
            if not self.is_over:
                await trio.sleep(AWAY_SECONDS)

    async def wait_up(self) -> None:
        """Return when its daemon answers."""
        await self._up.wait()

    def end(self, *, for_good: bool) -> None:
        """End its daemon: kill it, or ask it."""
        self.is_over, self._up = for_good, trio.Event()
        self._ends.set()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return all rows of one of its tables."""
        store = Store(self.folder / "data" / "calls.duckdb")
        if not store.path.exists():
            return []
        return patiently(partial(store.query, f"select * from {table}"))

    @property
    def _tapes(self) -> Path:
        return self.folder / "data" / "tapes"

    @property
    def tapes(self) -> list[str]:
        """Return the call of every complete tape here."""
        return [call_id_of(path) for path in tapes_under(self._tapes) if path.name.endswith(DONE_SUFFIX)]

    async def wait_settled(self) -> None:
        """Return when every call here is on a complete tape, in the database and, where there is one, in the lake."""
        while not await self._is_soon_settled():
            pass

    async def _is_soon_settled(self) -> bool:
        await trio.sleep(0.2)
        return await trio.to_thread.run_sync(self.is_settled)

    def is_settled(self) -> bool:
        """Say whether nothing is left to do for the daemon here, but its live calls."""
        if tapes_under(self._tapes, only_open=True) or Unsent.in_folder(self.folder / "data").count():
            return False
        return {row["call_id"] for row in self.rows("calls")} >= set(self.tapes)


def free_port() -> int:
    """Return a port that nobody has at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def hosts_in(folder: Path, names: tuple[str, ...], lake: LakePlace | None) -> list[Host]:
    """Return so many hosts that know each other, and send to the same lake."""
    hosts = "".join(f'{name} = "https://{name}.example.com"\n' for name in names)
    admin = "".join(f'{name} = "unix:{folder}/{name}/admin.sock"\n' for name in names)
    tables = f"[fleet.hosts]\n{hosts}[fleet.admin]\n{admin}" if len(names) > 1 else ""
    if lake is not None:
        tables += f'[store]\nlake = "{lake.catalogue}"\ndata = "{lake.files}"\nlake_seconds = 2\n'
    for name in names:
        (folder / name).mkdir()
    return [Host(name, folder / name, free_port(), tables) for name in names]


@asynccontextmanager
async def balancing(hosts: list[Host]) -> AsyncIterator[int]:
    """Run haproxy before these hosts, and return its port."""
    port = free_port()
    known = {"BALANCER_BIND": f"127.0.0.1:{port}"}
    for host in hosts:
        known[f"BRIDGE_{host.name.upper()}"] = f"127.0.0.1:{host.port}"
        known[f"HOST_{host.name.upper()}"] = f"{host.name}.example.com"
    command = ["haproxy", "-db", "-f", str(BALANCER)]
    process = await trio.lowlevel.open_process(
        command, env={**os.environ, **known}, stderr=subprocess.DEVNULL
    )
    try:
        while not await _is_open(port):
            assert process.returncode is None, "haproxy has ended: run it by hand, it says why"
        yield port
    finally:
        process.terminate()
        await process.wait()


async def _is_open(port: int) -> bool:
    await trio.sleep(0.05)
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port):
            return True
    except OSError:
        return False
