"""How many calls are made: at once, in an hour, and how soon one after the other. It only counts; time it is told."""

from collections import deque
from typing import Final

from attrs import define, field

from bridge.errors import OutboundError
from bridge.settings.outgoing import Outbound

HOUR_SECONDS: Final = 3600


@define
class Rates:
    """The calls that were asked for lately, and when the next may be given to Twilio."""

    _times: deque[float] = field(factory=deque)
    _next_at: float = float("-inf")

    def check(self, outbound: Outbound, live: int, now: float) -> None:
        """Make sure that one more call may be asked for. Raises `OutboundError`."""
        if live >= outbound.calls_at_once:
            raise OutboundError(
                f"{live} calls are being made: [outbound] calls_at_once allows no more; ask again when one is over",
                "calls_at_once",
            )
        while self._times and now - self._times[0] >= HOUR_SECONDS:
            self._times.popleft()
        if len(self._times) >= outbound.calls_per_hour:
            minutes = int((HOUR_SECONDS - (now - self._times[0])) // 60) + 1
            raise OutboundError(
                f"{len(self._times)} calls were asked for within the hour: [outbound] calls_per_hour allows no more; "
                f"ask again in {minutes} min",
                "calls_per_hour",
            )

    def count(self, outbound: Outbound, now: float) -> float:
        """Count one call, and return when Twilio may be asked for it."""
        self._times.append(now)
        at = max(now, self._next_at)
        self._next_at = at + 1 / outbound.calls_per_second
        return at
