"""Ends at Twilio, over REST, what should have ended by itself: a call that is over here, and of which Twilio has not
asked what comes next. Without an account's SID nothing is done, and nothing else needs it.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog
import trio
from attrs import define, field

from bridge.calls.messages import Key
from bridge.calls.outcomes import remember
from bridge.calls.setup import CurrentSetup, Setup
from bridge.calls.switchboard import Switchboard
from bridge.errors import LinkError
from bridge.outbound.rest import Rest
from bridge.wire.signed_form import CALL_SID

BACK_SECONDS: Final = 10
"""Twilio asks within a second; whoever still hears silence by then is on a line that nobody ends."""

LOOK_SECONDS: Final = 2
log = structlog.get_logger(__name__)


@define(eq=False)
class Closer:
    """Looks after calls that came in; those that are made have their dialer."""

    current: CurrentSetup
    switchboard: Switchboard
    rest_of: Callable[[Setup], Rest] = field(default=lambda setup: Rest.of(setup.settings, setup.secrets))
    back_seconds: float = BACK_SECONDS
    look_seconds: float = LOOK_SECONDS
    _seen: OrderedDict[Key, None] = field(factory=OrderedDict)

    async def run(self) -> None:
        """Look again and again for calls that Twilio did not come back from, until cancelled."""
        while True:
            await trio.sleep(self.look_seconds)
            rest = self.rest_of(self.current.setup)
            late = trio.current_time() - self.back_seconds
            overdue = [key for key, until in self.switchboard.unasked.items() if until < late]
            for key in overdue if rest.is_open else ():
                await self._see_it_end(rest, key)

    async def _see_it_end(self, rest: Rest, key: Key) -> None:
        call_sid = CALL_SID.match(key[0])
        if key in self._seen or call_sid is None:
            return
        remember(self._seen, key, None)
        try:
            await self._end(rest, call_sid[0])
        except LinkError as error:
            log.warning(
                "a call that nobody ended could not be looked up", call_id=call_sid[0], why=str(error)
            )

    async def _end(self, rest: Rest, call_sid: str) -> None:
        """Ask first: most of what nobody asked about is over, and its callers have hung up."""
        if (await rest.look(call_sid)).status != "in-progress":
            return
        answer = await rest.end(call_sid, "completed")
        log.warning(
            "Twilio did not come back from a call: ended over REST", call_id=call_sid, status=answer.status
        )
