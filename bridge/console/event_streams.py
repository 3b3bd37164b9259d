"""Server-sent events: how many pages are told of something at once, and the answer that each of them gets."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from attrs import define
from quart import Response

LONGEST_SECONDS: Final = 600
"""Then a page asks anew, as browsers do by themselves: whoever may look no more is not told for ever."""

BUSY: Final = 503


@define(eq=False)
class EventStreams:
    """The streams of one kind that are open; beyond `most` a page is shown as it is, and told nothing afterwards."""

    most: int
    _open: int = 0

    def answer(self, events: AsyncGenerator[bytes, None]) -> Response:
        """Return the answer that goes on for as long as there are events, or 503."""
        if self._open >= self.most:
            return Response("", BUSY)
        response = Response(self._counted(events), content_type="text/event-stream")
        response.timeout = None  # as long as it takes
        return response

    async def _counted(self, events: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        self._open += 1
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
        finally:
            self._open -= 1
