"""Which media socket belongs to which call that this process carries: `start` says so, and proves it by a token."""

from typing import Final

import structlog
import trio
from attrs import frozen
from structlog.contextvars import bind_contextvars

from bridge.calls.live_call import LiveCall
from bridge.calls.switchboard import Switchboard
from bridge.links.link import Link, PhoneSocket
from bridge.links.phone import MOST_BYTES_BEFORE_START
from bridge.tapes.tape import PHONE, TWILIO, Line
from bridge.wire import twilio

START_SECONDS: Final = 10
MOST_BEFORE_START: Final = 50
"""How long, and for how many messages, a socket may go on without its `start`."""

POLICY_VIOLATION: Final = 1008
INTERNAL_ERROR: Final = 1011
log = structlog.get_logger(__name__)


@frozen
class MediaSockets:
    """Brings media sockets to the calls of a switchboard that this process carries."""

    switchboard: Switchboard
    start_seconds: float = START_SECONDS

    async def serve(self, link: PhoneSocket, agent: str) -> None:
        """Live through a media socket: find its call by the first valid `start`, then let the call have it."""
        call, preamble = None, list[str | bytes]()
        with trio.move_on_after(self.start_seconds):
            call = await self._find(link, agent, preamble)
        if call is None:
            with trio.move_on_after(1):
                await link.close(POLICY_VIOLATION, "no call for this socket")
                while await link.receive() is not None:
                    pass
            return
        bind_contextvars(call_id=call.call_id)
        link.trust()
        leg = call.attach(link, preamble)
        await leg.ended.wait()
        with trio.move_on_after(1):
            await link.close(INTERNAL_ERROR)  # nothing happens unless the call crashed before it said goodbye

    async def _find(self, link: Link, agent: str, preamble: list[str | bytes]) -> LiveCall | None:
        left = MOST_BYTES_BEFORE_START
        while len(preamble) < MOST_BEFORE_START and left > 0:
            message = await link.receive()
            if message is None:
                return None
            preamble.append(message)
            left -= len(message)
            credentials = twilio.credentials_of(message) if isinstance(message, str) else None
            if credentials is not None:
                return self._claim(agent, credentials, preamble)
        return None

    def _claim(
        self, agent: str, credentials: tuple[str, str, str], preamble: list[str | bytes]
    ) -> LiveCall | None:
        """Return the call that this `start` proves to belong to; a call gives itself away only once."""
        call_sid, account_sid, token = credentials
        call = self.switchboard.latest(call_sid, agent)
        if not isinstance(call, LiveCall) or call.end is not None:
            known = call is not None or self.switchboard.was_here(call_sid, agent)
            what = "media socket for a call that is over" if known else "media socket for no call of ours"
            log.warning(what, call_id=call_sid[:40], agent=agent)
            return None
        if call.account_sid != account_sid or not call.where.is_opened_by(token):
            log.warning("media socket with a wrong token or account", call_id=call_sid, agent=agent)
            return None
        if call.where.is_away:
            log.warning("media socket for a call that has left its stream", call_id=call_sid, agent=agent)
            return None
        if call.phone.link is not None:
            log.warning("second media socket for a live call", call_id=call_sid, agent=agent)
            note = {"kind": "log", "text": "second media socket refused"}
            call.record(Line(t_ms=call.now_ms(), leg=PHONE, sender=TWILIO, note=note))
            return None
        return call
