"""A call's page while the call goes on: made anew of its tape every few seconds, and told to whoever looks."""

from collections.abc import AsyncGenerator
from typing import Final

import msgspec
import trio
from attrs import define
from quart import Response

from bridge.console.app import HOME, Pages, Paths
from bridge.console.event_streams import LONGEST_SECONDS, EventStreams
from bridge.console.queries import one_call
from bridge.store.messages import PageWanted, Rows

EVERY_SECONDS: Final = 2.0
REST: Final = 10
"""How many times as long as making a page took none is made: a long call's, whose tape is long, comes less often."""

MOST_STREAMS: Final = 8
NOT_FOUND: Final = 404


@define(eq=False)
class Growing:
    """Everybody who looks at a call that goes on."""

    pages: Pages

    async def events(self, call_id: str) -> AsyncGenerator[bytes, None]:
        """Yield a call's page as it becomes, and that it is over once its rows are there."""
        until, shown = trio.current_time() + LONGEST_SECONDS, b""
        while trio.current_time() < until:
            if not is_live(self.pages, call_id) and await self._is_indexed(call_id):
                yield b"event: over\ndata: \n\n"
                return
            began = trio.current_time()
            made = await self.pages.indexer.read(PageWanted(call_id, live_url=live_url(call_id)))
            page = made.tables["page"] if isinstance(made, Rows) else []
            if (
                page
                and (told := msgspec.json.encode({name: page[0][name] for name in ("body", "data")})) != shown
            ):
                shown = told
                yield b"data: " + told + b"\n\n"
            await trio.sleep(max(EVERY_SECONDS, REST * (trio.current_time() - began)))

    async def _is_indexed(self, call_id: str) -> bool:
        answer = await self.pages.indexer.read(one_call(call_id))
        return isinstance(answer, Rows) and bool(answer.tables["call"])


def add_growing(console: Paths, pages: Pages) -> None:
    """Add what tells of a call that goes on."""
    growing, streams = Growing(pages), EventStreams(MOST_STREAMS)

    @console.get("/calls/<call_id>/live")
    async def live(call_id: str) -> Response:
        if not is_live(pages, call_id):
            return Response("", NOT_FOUND)
        return streams.answer(growing.events(call_id))


def live_url(call_id: str) -> str:
    """Return where it is told what becomes of a call."""
    return f"{HOME}/{call_id}/live"


def is_live(pages: Pages, call_id: str) -> bool:
    """Say whether a call of this id goes on."""
    return any(live.call_id == call_id for live in pages.snapshot.switchboard.calls)
