"""One side under load: levels of calls, one after the other in one process, and what each came to."""

import asyncio
import gc
import random
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import trustme
from attrs import define, evolve, field, frozen

from bench.load_clock import LoadClock
from bench.load_figures import Level, Spread
from bench.load_frames import FRAME_SECONDS, Seen
from bench.load_model import BURSTS, Model, Pace
from bench.load_phone import SETUP_SECONDS, Caller
from bench.load_sides import Loaded, Side, Usage, loaded

CALLS_A_SECOND: Final = 25
"""New ones: a call's beginning costs as much as a second of it, and shall not be all that is measured."""

SETTLE_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 0.2
"""After the process table was looked at, which takes this process some milliseconds."""

LAST_FRAME_SECONDS: Final = 2.0
IDLE_SECONDS: Final = 0.5


@frozen
class Plan:
    """How a side is loaded."""

    levels: tuple[int, ...]
    seconds: float
    pace: Pace = BURSTS
    cores: str = "1"
    stops_when_full: bool = False
    """Whether the first level that isn't carried is the last one."""


@define(eq=False)
class Load:
    """The load on one side: callers, the model, and what they see."""

    side: Side
    plan: Plan
    loaded: Loaded
    model: Model
    idle: Usage
    callers: list[Caller] = field(factory=list)
    ringing: set["asyncio.Task[None]"] = field(factory=set)
    _dice: random.Random = field(factory=lambda: random.Random(1))

    @property
    def seen(self) -> Seen:
        """What was seen so far."""
        return self.model.seen

    async def grow(self, calls: int, a_second: float = CALLS_A_SECOND) -> None:
        """Have so many calls in all, new ones apart from each other by a moment."""
        while len(self.callers) < calls:
            self._ring()
            await asyncio.sleep(1 / a_second)
        await asyncio.gather(*self.ringing)
        await asyncio.sleep(SETTLE_SECONDS)

    def _ring(self) -> None:
        number = len(self.callers) + 1
        caller = Caller(number, self._dice.uniform(0, FRAME_SECONDS), self.loaded.server, self.model)
        self.callers.append(caller)
        self.model.callers[number] = caller
        task = asyncio.ensure_future(caller.ring())
        self.ringing.add(task)
        task.add_done_callback(self.ringing.discard)

    async def watch(self, seconds: float) -> Level:
        """Return what the present calls come to in so many seconds."""
        before, began, own = self.loaded.usage(), perf_counter(), process_time()
        await asyncio.sleep(QUIET_SECONDS)
        del self.model.clock.late[:]
        self.seen.begin()
        await asyncio.sleep(seconds)
        self.seen.is_measuring = False
        after, passed, own = self.loaded.usage(), perf_counter() - began, process_time() - own
        return self._level(before, after, passed, own)

    def _level(self, before: Usage, after: Usage, passed: float, own: float) -> Level:
        used, seen = after.cpu_seconds - before.cpu_seconds, self.seen
        calls = max(1, sum(caller.is_live for caller in self.callers))
        level = Level(
            side=self.side.name,
            calls=calls,
            seconds=passed,
            cpu_ms=1000 * used / passed / calls,
            core_percent=100 * used / passed,
            waited_percent=100 * (after.waited_seconds - before.waited_seconds) / passed,
            to_model=Spread.of(seen.to_model),
            to_phone=Spread.of(seen.to_phone),
            first_audio=Spread.of(seen.first_audio),
            clears=Spread.of(seen.clears),
            late=Spread.of(1000 * one for one in self.model.clock.late),
            load_percent=100 * own / passed,
            rss_mb=after.rss_bytes / 2**20,
            rss_idle_mb=self.idle.rss_bytes / 2**20,
            lost=seen.lost,
            strange=seen.strange,
            dropped=seen.dropped,
            uncleared=seen.uncleared,
            refused=seen.refused,
            by_process=tuple(
                100 * (late - early) / passed
                for late, early in zip(after.by_process, before.by_process, strict=False)
            ),
        )
        seen.forget()
        return level

    async def end(self) -> tuple[int, Usage]:
        """Hang up once the last frames have come; return how many never came, and what was used until the end."""
        for caller in self.callers:
            caller.hush()
        until = perf_counter() + LAST_FRAME_SECONDS
        while perf_counter() < until and any(caller.missing for caller in self.callers):  # noqa: ASYNC110
            await asyncio.sleep(FRAME_SECONDS)
        missing = sum(caller.missing for caller in self.callers)
        for caller in self.callers:
            caller.hang_up()
        await asyncio.sleep(QUIET_SECONDS)
        return missing, await self.loaded.end()


@asynccontextmanager
async def a_load(side: Side, plan: Plan, folder: Path) -> AsyncIterator[Load]:
    """Run a side and a model for it; this process collects no garbage meanwhile, which would make it late."""
    model = Model(LoadClock(), Seen(), plan.pace)
    context, ca = _certified(folder) if side.over_tls else (None, "")
    server, port = await model.serve(context)
    url = f"{'wss' if side.over_tls else 'ws'}://127.0.0.1:{port}/v1/realtime"
    gc.disable()
    try:
        with loaded(side, folder / "side", url, plan.cores, ca) as running:
            await asyncio.sleep(IDLE_SECONDS)
            yield Load(side, plan, running, model, running.usage())
    finally:
        gc.enable()
        model.clock.close()
        server.close()


def _certified(folder: Path) -> tuple[ssl.SSLContext, str]:
    """Return the model's certificate, and the file of who has issued it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return context, str(path)


async def run_levels(side: Side, plan: Plan, folder: Path) -> list[Level]:
    """Load a side with one level after the other."""
    levels: list[Level] = []
    async with a_load(side, plan, folder) as load:
        for calls in plan.levels:
            await load.grow(calls)
            levels.append(await load.watch(plan.seconds))
            if plan.stops_when_full and not levels[-1].is_carried:
                break
        missing, _ = await load.end()
    return [*levels[:-1], evolve(levels[-1], lost=levels[-1].lost + missing)]


async def run_together(sides: Sequence[Side], plan: Plan, folder: Path) -> list[Level]:
    """Load all sides at once, on the same core: whatever else goes on there, each of them suffers it alike."""
    levels: list[Level] = []
    async with AsyncExitStack() as stack:
        loads = []
        for number, side in enumerate(sides):
            (own := folder / str(number)).mkdir()
            loads.append(await stack.enter_async_context(a_load(side, plan, own)))
        for calls in plan.levels:
            for load in loads:
                await load.grow(calls)
            levels += await asyncio.gather(*(load.watch(plan.seconds) for load in loads))
        lost = [(await load.end())[0] for load in loads]
    last = [evolve(one, lost=one.lost + more) for one, more in zip(levels[-len(lost) :], lost, strict=True)]
    return [*levels[: -len(lost)], *last]


@frozen
class Beyond:
    """What became of calls beyond what a core carries."""

    before: Level
    during: Level
    tried: int
    refused: int
    metric: float
    live: int


async def run_beyond(side: Side, plan: Plan, folder: Path, times: float) -> Beyond:
    """Carry as many calls as there should be, then have more come; the live ones are watched meanwhile."""
    (calls,) = plan.levels
    more = round(calls * times)
    async with a_load(side, plan, folder) as load:
        await load.grow(calls)
        before = await load.watch(plan.seconds)
        coming = asyncio.ensure_future(load.grow(more))
        during = await load.watch((more - calls) / CALLS_A_SECOND + SETUP_SECONDS + plan.seconds)
        await coming
        metric = sum(load.loaded.metric("bridge_calls_refused_total").values())
        live = sum(caller.is_live for caller in load.callers)
        await load.end()
    return Beyond(before, during, more - calls, during.refused, metric, live)
