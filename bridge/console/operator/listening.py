"""Listening in: both sides of a call that goes on, as they come, for as long as somebody's page takes them."""

from collections.abc import AsyncGenerator
from typing import Final

import structlog
import trio
from attrs import define
from quart import Response, g

from bridge.calls.host import AnyCall
from bridge.calls.legs.ears import OVER, Ear
from bridge.console.app import Pages, Paths
from bridge.console.event_streams import BUSY, LONGEST_SECONDS
from bridge.console.operator.acts import PLAIN, REFUSED, absent, call_of

MOST_LISTENERS: Final = 8
SOUND: Final = "application/octet-stream"
END: Final = b"\0"
"""Less than a block: the call is over. Without it the answer has lasted as long as one may, and a page asks again."""

log = structlog.get_logger(__name__)


@define(eq=False)
class Listening:
    """Everybody who listens in, on any call."""

    _open: int = 0

    async def sound(self, call: AnyCall, who: str) -> AsyncGenerator[bytes, None]:
        """Yield first why they may not listen, or nothing, and then blocks until the call is over or they leave."""
        ear, until = Ear(), trio.current_time() + LONGEST_SECONDS
        self._open += 1
        try:
            seat = await call.listen(who, ear.hear)
            try:
                yield seat.refusal.encode()
                while trio.current_time() < until:
                    if (blocks := await ear.take()) == OVER:
                        yield END
                        break
                    yield blocks
            finally:
                seat.leave()
        finally:
            self._open -= 1

    @property
    def is_full(self) -> bool:
        """Say whether nobody else may listen now."""
        return self._open >= MOST_LISTENERS


def add_listening(console: Paths, pages: Pages) -> None:
    """Add the sound of a call that goes on; a POST, for it stands on the call's tape who heard it."""
    listening = Listening()

    @console.post("/calls/<call_id>/listen")
    async def listen(call_id: str) -> Response:
        call = call_of(pages, call_id)
        if call is None:
            return await absent(pages, call_id)
        if listening.is_full:
            return Response(f"{MOST_LISTENERS} people listen in already.", BUSY, content_type=PLAIN)
        sound = listening.sound(call, g.visitor.who)
        if refusal := await anext(sound):
            await sound.aclose()
            return Response(refusal.decode(), REFUSED, content_type=PLAIN)
        log.info("call is listened to in the console", call_id=call_id, who=g.visitor.who)
        response = Response(sound, content_type=SOUND)
        response.timeout = None  # as long as it takes
        return response
