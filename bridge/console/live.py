"""The calls that go on, told to whoever looks: gathered twice a second at most, and only while somebody does."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import trio
from attrs import define, field
from quart import Response, request

from bridge.calls.host import AnyCall
from bridge.console.app import Begin, Pages, Paths
from bridge.console.event_streams import LONGEST_SECONDS, EventStreams
from bridge.heart.parts.glance import Glance
from bridge.observe.snapshot import phase_of

EVERY_SECONDS: Final = 0.5
MOST_STREAMS: Final = 16

AGAIN_MS: Final = 1000
MOST_SHOWN: Final = 200
"""Calls on one page; who carries more looks at metrics."""

OTHERS_EVERY_SECONDS: Final = 2.0
"""Other hosts are asked over the network, each with a bound of 1.5 s: by one task, whoever looks."""

KEPT: Final = b"event: kept\ndata: \n\n"
"""A call that was is in the database: the list has changed."""


@define(eq=False)
class Watch:
    """What all who look are told: one look for all of them."""

    pages: Pages
    begin: Begin
    _calls: list[dict[str, Any]] = field(factory=list)
    _looked: float = float("-inf")
    _others: dict[str, list[dict[str, Any]] | None] = field(factory=dict)
    _others_looked: float = float("-inf")

    def others(self) -> Mapping[str, list[dict[str, Any]] | None]:
        """Return the calls of the other hosts by their names, as they were some seconds ago; None for one that is away.

        Nobody who looks waits for them.
        """
        now = trio.current_time()
        if self.pages.snapshot.peers is not None and now >= self._others_looked + OTHERS_EVERY_SECONDS:
            self._others_looked = now
            self.begin(self._ask_others)
        return self._others

    async def _ask_others(self) -> None:
        if self.pages.snapshot.peers is not None:
            self._others = await self.pages.snapshot.peers.calls()

    async def calls(self) -> list[dict[str, Any]]:
        """Return the calls that go on, as they were half a second ago at most."""
        now = trio.current_time()
        if now >= self._looked + EVERY_SECONDS * 0.9:
            self._looked = now
            calls = self.pages.snapshot.switchboard.calls[:MOST_SHOWN]
            glances = await self.pages.snapshot.host.glances(calls)
            self._calls = [_seen(call, glances.get(call.call_id, Glance()), now) for call in calls]
        return self._calls

    async def stream(self, kept: int) -> AsyncGenerator[bytes, None]:
        """Yield what has changed on the page as server-sent events; `kept` is how many calls were when it was made."""
        until, shown = trio.current_time() + LONGEST_SECONDS, ""
        yield f"retry: {AGAIN_MS}\n\n".encode()
        while trio.current_time() < until:
            calls = await self.calls()
            if kept != self.pages.indexer.added:
                kept = self.pages.indexer.added
                yield KEPT
            others = self.others()
            said = _without_time(calls) + "".join(
                name + _without_time(there) for name, there in others.items()
            )
            if said != shown:
                shown = said
                yield _event(await self.pages.render("live.html", live=calls, others=others))
            await trio.sleep(EVERY_SECONDS)


def _seen(call: AnyCall, glance: Glance, now: float) -> dict[str, Any]:
    """Return a call as the page shows it: with whole numbers, as the list of those that were has them."""
    return {
        "id": call.call_id, "agent": call.agent.name, "phase": phase_of(call), "seconds": round(now - call.born, 1),
        "party": call.called if call.is_outgoing else call.caller, "is_outgoing": call.is_outgoing,
        "is_ending": call.end is not None, "glance": glance,
    }  # fmt: skip


def _without_time(calls: list[dict[str, Any]] | None) -> str:
    """Return what of the calls is worth telling: seconds pass on the page by themselves."""
    if calls is None:
        return "away"
    return repr([{name: value for name, value in call.items() if name != "seconds"} for call in calls])


def _event(html: str) -> bytes:
    return "".join(f"data: {line}\n" for line in html.splitlines()).encode() + b"\n"


def add_live(console: Paths, pages: Pages, watch: Watch) -> None:
    """Add the stream of calls that go on."""
    streams = EventStreams(MOST_STREAMS)

    @console.get("/live")
    async def live() -> Response:
        kept = request.args.get("kept", default=pages.indexer.added, type=int)
        return streams.answer(watch.stream(kept))
