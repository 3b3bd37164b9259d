"""Where the calls are made: the model's stand-in, and which of its sessions belongs to which call.

Calls begin one after the other: a bridge opens its session while nobody else's call is beginning, so it is that
call's. It decides nothing about what is right."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import attrs
import trio

from bridge.errors import BridgeError
from replay.conformance.both_sides import BothSides
from replay.conformance.machine import Load
from replay.conformance.session_log import SessionLog
from replay.conformance.situations import LEAVE_TIME_MS, Situation
from replay.model.script import Script
from replay.model.server import ModelServer, serve_model
from replay.model.watch import Who
from replay.phone.exchange.town import Behaviour, Town
from replay.phone.report import CallReport
from replay.phone.ring import Account, Destination, ring_at

TICK_SECONDS: Final = 0.02
NOBODY: Final = Script()
QUICK_TOWN: Final = Town(behaviour=Behaviour(speech_ms_per_character=0, pauses=False))
"""Twilio says its words in no time: many bridges have it say some before the stream, and calls begin one by one."""
SLOW_TOWN: Final = Town(behaviour=Behaviour(speech_ms_per_character=0))
"""It pauses where it is told to: in that time a bridge may get ready for the caller's first words."""


@attrs.define(eq=False)
class _Ringing:
    """A call that goes on, with the sessions that were opened for it."""

    script: Script
    logs: list[SessionLog] = attrs.field(factory=list)
    has_begun: trio.Event = attrs.field(factory=trio.Event)
    is_over: trio.Event = attrs.field(factory=trio.Event)
    over_at: float = 0.0
    most_at_once: int = 1
    """So many calls went on at the same time, with this one."""

    async def wait_begun(self, alone_ms: int) -> None:
        """Until its session was opened, and so much later, or until it is over."""
        await self.has_begun.wait()
        with trio.move_on_after(alone_ms / 1000):
            await self.is_over.wait()


@attrs.define(eq=False)
class Stage:
    """The model's stand-in, and the calls that are made beside it."""

    strays: list[SessionLog] = attrs.field(factory=list)
    """Sessions that were opened while no call was beginning."""
    _rung: list[_Ringing] = attrs.field(factory=list)
    _logs: dict[int, SessionLog] = attrs.field(factory=dict)
    _beginning: _Ringing | None = None
    _door: trio.Lock = attrs.field(factory=trio.Lock)
    _news: trio.Event = attrs.field(factory=trio.Event)
    _load: Load = attrs.field(factory=Load)
    _model: ModelServer = attrs.field(init=False)

    @property
    def url(self) -> str:
        """Where the model is."""
        return self._model.url

    async def call(
        self, situation: Situation, to: Destination, account: Account, number: int = 1
    ) -> BothSides:
        """Make one call."""
        ringing, reports = _Ringing(situation.script), list[CallReport]()
        self._rung.append(ringing)
        going = [one for one in self._rung if not one.is_over.is_set()]
        for one in going:
            one.most_at_once = max(one.most_at_once, len(going))
        async with trio.open_nursery() as nursery, self._door:
            self._beginning = ringing
            nursery.start_soon(_ring, to, account, situation, number, ringing, reports)
            await ringing.wait_begun(situation.begins_alone_ms)
            self._beginning = None
        hurry = self._load.since(reports[0].rang_at)
        return BothSides(situation, reports[0], tuple(ringing.logs), number, hurry, ringing.most_at_once)

    def watch_bridge(self, session: int) -> None:
        """Look at the time that the processes of this session use, from now on."""
        self._load.bridge = session

    async def wait_left(self) -> None:
        """Until every session was left, or the bridge had its time for it since the call was over."""
        while left := [ringing.over_at for ringing in self._rung if any(log.is_open for log in ringing.logs)]:
            with trio.move_on_at(max(left) + LEAVE_TIME_MS / 1000) as scope:
                await self._news.wait()
            if scope.cancelled_caught:
                return

    async def watch_clock(self) -> None:
        """Note how late this process is, at the pace at which frames are due."""
        while True:
            due = trio.current_time() + TICK_SECONDS
            await trio.sleep_until(due)
            self._load.look(now := trio.current_time(), now - due)

    # ------------------------------------------------------------------ the model's side

    def script_for(self, _model: str, _show: int) -> Script:
        """Return what the model plays to whoever opens a session now."""
        return self._beginning.script if self._beginning else NOBODY

    def watch(self, number: int, who: Who, frame: str | bytes) -> None:
        """Keep one frame of a session."""
        log = self._logs.get(number)
        if log is None:
            log = self._logs[number] = SessionLog(number)
            (self._beginning.logs if self._beginning else self.strays).append(log)
        if log.session is None:
            log.session = next((one for one in self._model.sessions if one.number == number), None)
            if log.session is not None and self._beginning is not None:
                self._beginning.has_begun.set()
        log.take(trio.current_time(), who, frame)
        if who == "socket":
            self._news.set()
            self._news = trio.Event()


async def _ring(
    to: Destination,
    account: Account,
    situation: Situation,
    number: int,
    ringing: _Ringing,
    reports: list[CallReport],
) -> None:
    told = situation.told
    total_ms, town, parameters = (
        (told.phone.call.max_ms, told.phone.town, told.phone.parameters)
        if told
        else (situation.longest_ms, SLOW_TOWN if situation.has_pauses else QUICK_TOWN, None)
    )
    caller = situation.caller_of(number)
    reports.append(
        await ring_at(to, caller, account=account, total_ms=total_ms, town=town, parameters=parameters)
    )
    ringing.has_begun.set()
    ringing.over_at = trio.current_time()
    ringing.is_over.set()


@asynccontextmanager
async def open_stage(*, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Stage]:
    """Have the model's stand-in listen. Raises `BridgeError` when it can't."""
    stage = Stage()
    async with trio.open_nursery() as nursery:
        serve = partial(serve_model, stage.script_for, host=host, port=port, watch=stage.watch)
        nursery.start_soon(stage.watch_clock, name="lateness")
        try:
            stage._model = await nursery.start(serve)
        except OSError as error:
            raise BridgeError(
                f"the model's stand-in can't listen on {host}:{port}: {error.strerror or error}: end what is there, "
                "or have the bridge and --model-port use another port"
            ) from error
        yield stage
        nursery.cancel_scope.cancel(reason="all calls were made")
