"""The running daemon as those see it who look at it from outside a call: how many, how deep, how late."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import trio
from attrs import define, field, frozen

from bridge.calls.host import AnyCall, CallHost
from bridge.calls.messages import Vitals
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets, Settings
from bridge.indexing.indexer import Indexer
from bridge.indexing.shipper import Shipper
from bridge.indexing.uploader import Uploader
from bridge.tapes.masking import mask

if TYPE_CHECKING:
    from bridge.fleet.peers import Peers
    from bridge.outbound.dialer import Dialer

PEAK_SECONDS: Final = 15.0
"""A peak is of this interval and the one before: Prometheus looks every 15 s, and misses none of them."""


@frozen
class Snapshot:
    """The parts of a daemon that can be looked at."""

    switchboard: Switchboard
    host: CallHost
    indexer: Indexer
    trace_outcomes: Mapping[str, int] = field(factory=dict)
    dialer: "Dialer | None" = None
    shipper: Shipper = field(factory=lambda: Shipper(Settings(), Secrets()))
    uploader: Uploader = field(factory=lambda: Uploader(Settings()))
    peers: "Peers | None" = None
    """The other hosts of a fleet, if they can be asked."""

    def vitals(self) -> Vitals:
        """Return what the processes that carry calls look like inside, at this moment."""
        return self.host.vitals(self.switchboard.calls)

    @property
    def waiting(self) -> int:
        """Return how many calls have no media stream yet."""
        return sum(phase_of(call) == "waiting" for call in self.switchboard.calls)

    @property
    def live(self) -> int:
        """Return how many calls have had one."""
        return self.switchboard.live - self.waiting - self.ringing

    @property
    def ringing(self) -> int:
        """Return how many calls that we make have no media stream yet."""
        return sum(phase_of(call) == "ringing" for call in self.switchboard.calls)

    @property
    def limit(self) -> int:
        """Return how many calls there may be."""
        return self.switchboard.settings.server.max_calls

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls that go on, the oldest first, without a whole phone number."""
        now = trio.current_time()
        return [
            {
                "id": call.call_id,
                "agent": call.agent.name,
                "phase": phase_of(call),
                "seconds": round(now - call.born, 1),
                "from": mask(call.caller),
                "to": mask(call.called),
            }
            for call in self.switchboard.calls
        ]


def phase_of(call: AnyCall) -> str:
    """Return how far a call is: ringing (we call), waiting (for its stream), talking, away (from it), ending."""
    if call.end is not None:
        return "ending"
    if call.is_away:
        return "away"
    if not call.is_waiting:
        return "talking"
    return "ringing" if call.is_outgoing else "waiting"


@define
class Peak:
    """The highest value of the last 15 to 30 seconds, for however many there are who look."""

    _since: float = 0.0
    _before: float = 0.0
    _now: float = 0.0

    def see(self, value: float, at: float) -> None:
        """Take account of a value at a time in seconds."""
        if at - self._since >= PEAK_SECONDS:
            self._before = self._now if at - self._since < 2 * PEAK_SECONDS else 0.0
            self._since, self._now = at, 0.0
        self._now = max(self._now, value)

    @property
    def highest(self) -> float:
        """Return the peak."""
        return max(self._before, self._now)


@define(eq=False)
class Peaks:
    """The worst of what goes up and down between two looks."""

    lag_seconds: Peak = field(factory=Peak)
    phone_outbox: Peak = field(factory=Peak)
    model_outbox: Peak = field(factory=Peak)
    tape_lines: Peak = field(factory=Peak)

    def look_at(self, snapshot: Snapshot, at: float) -> None:
        """Look at the depth of every call's buffers: under 10 µs a call."""
        vitals = snapshot.vitals()
        self.phone_outbox.see(vitals.phone, at)
        self.model_outbox.see(vitals.model, at)
        self.tape_lines.see(vitals.most_lines, at)
