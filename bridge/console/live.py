"""The calls that go on, told to whoever looks: gathered twice a second at most, and only while somebody does."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import trio
from attrs import define, field
from quart import Blueprint, Response

from bridge.console.app import Pages

EVERY_SECONDS: Final = 0.5
MOST_STREAMS: Final = 16
"""Pages that are kept fresh at once; one more is shown as it is, and says nothing afterwards."""

LONGEST_SECONDS: Final = 600
"""Then a page asks anew, as browsers do by themselves: whoever may look no more is not told for ever."""

AGAIN_MS: Final = 1000
BUSY: Final = 503


@define(eq=False)
class Watch:
    """What all who look are told: one look for all of them."""

    pages: Pages
    streams: int = 0
    _calls: list[dict[str, Any]] = field(factory=list)
    _looked: float = float("-inf")

    async def calls(self) -> list[dict[str, Any]]:
        """Return the calls that go on, as they were half a second ago at most."""
        if trio.current_time() >= self._looked + EVERY_SECONDS * 0.9:
            self._looked = trio.current_time()
            self._calls = self.pages.snapshot.calls()
        return self._calls

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield what has changed on the page as server-sent events."""
        until, shown, before = trio.current_time() + LONGEST_SECONDS, "", set[str]()
        yield f"retry: {AGAIN_MS}\n\n".encode()
        while trio.current_time() < until:
            calls = await self.calls()
            ids = {call["id"] for call in calls}
            if before - ids:
                yield b"event: over\ndata: \n\n"
            before = ids
            said = _without_time(calls)
            if said != shown:
                shown = said
                yield _event(await self.pages.render("live.html", live=calls))
            await trio.sleep(EVERY_SECONDS)


def _without_time(calls: list[dict[str, Any]]) -> str:
    """Return what of the calls is worth telling: seconds pass on the page by themselves."""
    return repr([{name: value for name, value in call.items() if name != "seconds"} for call in calls])


def _event(html: str) -> bytes:
    return "".join(f"data: {line}\n" for line in html.splitlines()).encode() + b"\n"


def add_live(console: Blueprint, pages: Pages) -> None:
    """Add the stream of calls that go on."""
    watch = Watch(pages)

    @console.get("/live")
    async def live() -> Response:
        if watch.streams >= MOST_STREAMS:
            return Response("", BUSY)
        response = Response(_counted(watch), content_type="text/event-stream")
        response.timeout = None  # as long as it takes
        return response


async def _counted(watch: Watch) -> AsyncGenerator[bytes, None]:
    watch.streams += 1
    try:
        async with aclosing(watch.stream()) as events:
            async for event in events:
                yield event
    finally:
        watch.streams -= 1
