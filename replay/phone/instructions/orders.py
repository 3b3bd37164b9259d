"""What REST asks of a call under way: to go on with other TwiML, or to end. And the errors with which REST answers."""

from typing import Any

import attrs
import trio

from replay.phone.instructions.verbs import Verb

UNKNOWN_PARAMETERS, UNAUTHORIZED, NO_SUCH_METHOD, NOT_FOUND, BAD_REQUEST = 20001, 20003, 20004, 20404, 20400
TOO_MANY_REQUESTS = 20429
INVALID_URL, NOT_IN_PROGRESS = 21205, 21220


@attrs.frozen
class Redirection:
    """Go on with the TwiML at url; it is asked for when the call comes to it."""

    url: str
    method: str = "POST"


Order = Redirection | tuple[Verb, ...]  # no verbs: hang up


@attrs.define
class Orders:
    """What REST asked of one call and the call did not do yet: one order, the last."""

    is_over: bool = False
    is_streaming: bool = False  # the stream says goodbye by itself; all else is abandoned
    ends_call: bool = False
    status: str = "in-progress"
    _order: Order | None = None
    _doing: trio.CancelScope | None = None

    @property
    def is_pending(self) -> bool:
        """Whether what the call is doing is to be left."""
        return self._order is not None

    def give(self, order: Order) -> None:
        """Put an order in the place of any before; a hang-up is the last one a call takes."""
        self._order, self.ends_call = order, order == ()
        self.is_over = self.ends_call
        if self._doing is not None and not self.is_streaming:
            self._doing.cancel(reason="REST gave other instructions")

    def take(self) -> Order | None:
        """Return the order, once."""
        order, self._order = self._order, None
        return order

    def end(self) -> None:
        """Take no order any more: the call is over."""
        self.is_over, self._order = True, None

    def abandonable(self) -> trio.CancelScope:
        """A block that the next order ends at once, unless it is streaming."""
        self._doing = trio.CancelScope()
        return self._doing


@attrs.frozen
class RestError(Exception):
    """An answer that is no call resource."""

    status: int
    code: int
    message: str

    @property
    def body(self) -> dict[str, Any]:
        """The four fields of Twilio's errors."""
        info = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.message, "more_info": info, "status": self.status}
