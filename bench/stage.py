"""The whole daemon between its two stand-ins, in one process on loopback: what benches and wire tests run on.

It measures nothing by itself.
"""

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio
from attrs import field, frozen

from bridge import config
from bridge.checks import SharedKey
from bridge.daemon.server import Daemon, open_daemon
from bridge.indexing.worker import Indexing
from bridge.store.database import Store
from bridge.store.messages import AddTape, Found, Look
from bridge.tapes.files import Sync, Write, append_to, sync
from bridge.tapes.tape import Line
from bridge.tools import Tool
from replay.model import script as model_script
from replay.model.script import Delivery, Script
from replay.model.server import ModelServer, serve_model
from replay.phone.exchange.town import Behaviour, Town
from replay.phone.ring import Account, Caller, CallReport, ring
from replay.phone.script import Say
from replay.sound.clips import clip

PUBLIC = "https://bridge.example.com"
AGENT = "front-desk"
WEBHOOK = f"{PUBLIC}/voice/{AGENT}"
SERVER = {
    "bind": "127.0.0.1:0", "public_url": PUBLIC, "drain_seconds": 1, "waiting_calls": 1000, "calls_per_caller": 0,
    "max_lag_ms": 0, "max_busy_percent": 0,
}  # fmt: skip
"""Every call here is one caller's, a hundred may begin at once, and the stand-ins slow down the loop they share."""

PROMPT = Delivery(response_delay_ms=0)
"""The model answers without thinking, so that what is measured is the bridge."""

QUICK_TOWN: Final = Town(behaviour=Behaviour(speech_ms_per_character=0))
"""Twilio says its words in no time, for the same reason; whoever is to be reached is in a town of the test's own."""


def words(name: str) -> model_script.Say:
    """Return a clip for the agent to say."""
    spoken = clip(name)
    return model_script.Say(spoken.audio, spoken.text)


def speech(name: str) -> Say:
    """Return a clip for the caller to say."""
    spoken = clip(name)
    return Say(spoken.audio, spoken.text)


GREETING = Script(opening=(words("caller_yes"),), delivery=PROMPT)
"""The shortest conversation there is: an agent that says one word and listens."""


@frozen
class Stage:
    """A running daemon, the model it talks to, and a phone to ring it with."""

    daemon: Daemon
    model: ModelServer
    account: Account = Account()

    @property
    def via(self) -> str:
        """Where the public URL's bytes really go."""
        return f"http://127.0.0.1:{self.daemon.port}"

    async def ring(
        self, caller: Caller, *, webhook: str = WEBHOOK, town: Town = QUICK_TOWN, **options: Any
    ) -> CallReport:
        """Make one call."""
        return await ring(caller, webhook=webhook, via=self.via, account=self.account, town=town, **options)

    @property
    def open_sessions(self) -> int:
        """How many sessions the model still has open."""
        return sum(session.close_code is None for session in self.model.sessions)

    async def wait_no_calls(self) -> None:
        """Return when no call is waiting or live."""
        await self.daemon.switchboard.wait_quiet()

    async def wait_recorded(self) -> None:
        """Return when every call is over, and its tape and its rows are complete."""
        await self.daemon.wait_recorded()


@frozen
class Place:
    """Where a daemon keeps what it records, and how it is set up."""

    folder: Path
    script: Script = GREETING
    model_url: str = ""
    limits: Mapping[str, int] = field(factory=dict)
    agent: Mapping[str, Any] = field(factory=dict)
    agents: tuple[str, ...] = ()
    own: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    """What only the agent of this name has."""
    server: Mapping[str, Any] = field(factory=dict)
    recording: Mapping[str, Any] = field(factory=dict)
    twilio: Mapping[str, Any] = field(factory=dict)
    shared_keys: tuple[SharedKey, ...] = ()
    realtime: Mapping[str, Any] = field(factory=dict)
    words: Mapping[str, str] = field(factory=dict)
    """What the environment has for each `$NAME`."""
    tools: Mapping[str, Tool] = field(factory=dict)
    write: Write = append_to
    sync: Sync = sync
    watch: Callable[[str, Line], None] | None = None
    handshake_seconds: float = 10
    tokens: tuple[str, ...] = (Account().auth_token,)
    admin: Mapping[str, str] = field(factory=dict)
    admin_token: str = ""
    console: Mapping[str, Any] = field(factory=dict)
    tracing: Mapping[str, str] = field(factory=dict)
    outbound: Mapping[str, Any] = field(factory=dict)
    fleet: Mapping[str, Any] = field(factory=dict)
    shared: Mapping[str, Any] = field(factory=dict)
    """The table [store]: what several machines share."""

    def tables(self, model_url: str) -> dict[str, Any]:
        """Return the configuration as its file would hold it."""
        return {
            "server": {**SERVER, **self.server},
            "twilio": dict(self.twilio),
            "realtime": {"url": self.model_url or model_url, **self.realtime},
            "recording": dict(self.recording),
            "admin": dict(self.admin),
            "console": dict(self.console),
            "tracing": dict(self.tracing),
            "outbound": dict(self.outbound),
            "fleet": dict(self.fleet),
            "store": dict(self.shared),
            "agents": {
                name: {**self.agent, "limits": dict(self.limits), **self.own.get(name, {})}
                for name in (AGENT, *self.agents)
            },
        }

    @property
    def store(self) -> Store:
        """The database of the daemon that ran here."""
        return Store(self.folder / "data" / "calls.duckdb")

    @property
    def tapes(self) -> list[Path]:
        """Every tape there is, complete or not."""
        return sorted((self.folder / "data" / "tapes").rglob("*.jsonl*"))

    def calls(self) -> list[dict[str, Any]]:
        """Return the rows of `calls`."""
        return self.store.query("select * from calls order by started_at, call_id")


MakePlace = Callable[..., Place]
"""Makes a place from what is set up differently there; it knows the folder."""


@asynccontextmanager
async def open_stage(place: Place) -> AsyncIterator[Stage]:
    """Run the model and the daemon; on leaving both are gone, and what was recorded is on disk, rows included."""
    async with trio.open_nursery() as nursery:
        model: ModelServer = await nursery.start(serve_model, place.script)
        settings = config.parse(place.tables(model.url), place.folder / "config.toml")
        secrets = config.Secrets(
            place.tokens, "sk-stand-in", place.admin_token, shared_keys=place.shared_keys, words=place.words
        )
        async with open_daemon(
            settings,
            secrets,
            write=place.write,
            sync=place.sync,
            watch=place.watch,
            tools=dict.fromkeys(settings.agents, place.tools),
            handshake_seconds=place.handshake_seconds,
        ) as daemon:
            yield Stage(daemon, model)
        await trio.to_thread.run_sync(index_what_is_left, settings)
        nursery.cancel_scope.cancel(reason="the stage is empty")


def index_what_is_left(settings: config.Settings) -> None:
    """Do what the next start would do: a daemon that ends waits a moment for its indexer, and no longer."""
    indexing = Indexing(settings.data_folder)
    found = indexing.reply_to(Look(settings, "", MOST_LEFT))
    for path in found.tapes if isinstance(found, Found) else ():
        indexing.reply_to(AddTape(path, wants_records=False))


MOST_LEFT: Final = 10_000


def open_files() -> int:
    """Return how many file descriptors this process has; 0 where there is no way to tell."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


def living_tasks() -> int:
    """Return how many trio tasks there are, trio's own included."""
    return trio.lowlevel.current_statistics().tasks_living
