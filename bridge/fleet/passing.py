"""Where a host leads the first webhook of a call that another is to have, and which of the others it takes to be there.

Only first webhooks are passed on: what follows is asked at the address of the host that has the call.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import structlog
import trio
from attrs import define, field

from bridge.config import Settings
from bridge.fleet.order import MOST_HOPS, Arrival, has_failed, next_after, preferred
from bridge.fleet.standing import Standing
from bridge.wire.routes import IN_TIME
from bridge.wire.twiml import redirect_twiml

if TYPE_CHECKING:  # what speaks HTTP is loaded by a host that has others
    from bridge.fleet.peers import Peers

LOOK_SECONDS: Final = 2.0
AWAY_SECONDS: Final = 5.0
"""Two looks in a row have found nobody then: one may be lost."""

PREFERRED: Final = "preferred"
"""Why a call was passed on that came to a host which is not the first in its order."""

log = structlog.get_logger(__name__)


@define(eq=False)
class Fleet:
    """One host's view of all: who is there, and how many calls it led to them, by why."""

    own: str
    """The address of this host; nothing on one machine, to which everything comes."""
    public_url: str
    hosts: Mapping[str, str] = field(factory=dict)
    passed_on: Counter[str] = field(factory=Counter)
    _there_until: dict[str, float] = field(factory=dict)
    """By name, for those who are asked whether they are there; who never is, is taken to be."""
    _told_away: dict[str, str] = field(factory=dict)
    """Who is away by the log, and why."""

    @classmethod
    def of(cls, settings: Settings, reasons: Iterable[str]) -> "Fleet":
        """Return what the settings say; calls may be passed on for these reasons, which are counted from the start."""
        server = settings.server
        counts = Counter[str](dict.fromkeys((PREFERRED, *reasons), 0))
        return cls(server.host_url, server.public_url, settings.fleet.hosts, counts)

    @property
    def is_alone(self) -> bool:
        """Say whether there is one machine, to which everything comes."""
        return not self.own

    def away(self) -> set[str]:
        """Return the names of the hosts that have not been there for a while, or said that they take no calls."""
        now = trio.current_time()
        return {name for name, until in self._there_until.items() if now > until}

    def _away(self) -> set[str]:
        return {self.hosts[name] for name in self.away() if name in self.hosts}

    # ------------------------------------------------------------ first webhooks

    def elsewhere(self, arrival: Arrival, *, is_draining: bool) -> str:
        """Return TwiML that leads a call to the host that is to have it; nothing where that is this one.

        Whoever was passed on to this host stays, and so does who was led to one that is gone: the next may be, too.
        """
        if arrival.hops or self.is_alone or has_failed(arrival, self.hosts.values()):
            return ""
        away = self._away() | ({self.own} if is_draining else set())
        host = preferred(arrival, self.hosts.values(), away)
        return "" if host in ("", self.own) else self._redirect(arrival, host, PREFERRED)

    def beyond(self, arrival: Arrival, reason: str) -> str:
        """Return TwiML that leads a call for which there is no room here to where some may be: the next host in its
        order, else whoever is behind the balancer; nothing when it was passed on often enough."""
        if arrival.hops >= MOST_HOPS or self.is_alone:
            return ""
        host = next_after(self.own, arrival, self.hosts.values(), self._away())
        return self._redirect(arrival, host or self.public_url, reason)

    def _redirect(self, arrival: Arrival, to: str, reason: str) -> str:
        self.passed_on[reason] += 1
        log.info("call passed on", call_id=arrival.call_sid, agent=arrival.agent, to=to, reason=reason)
        return redirect_twiml(f"{to}/voice/{arrival.agent}?hop={arrival.hops + 1}{IN_TIME}")

    # ------------------------------------------------------------ who is there

    async def run(self, peers: "Peers") -> None:
        """Look again and again which of the others are there, until cancelled."""
        self._there_until = dict.fromkeys(peers.admin, trio.current_time() + AWAY_SECONDS)
        while True:
            await self.look(peers)
            await trio.sleep(LOOK_SECONDS)

    async def look(self, peers: "Peers") -> None:
        """Ask each of the others once whether it takes calls."""
        standings = await peers.standings()
        for name, standing in standings.items():  # one that gives no answer of use is there until it is not
            if standing is Standing.TAKES_CALLS:
                self._there_until[name] = trio.current_time() + AWAY_SECONDS
            elif standing is Standing.DRAINS:
                self._there_until[name] = LONG_AGO
        away = self.away()
        for name, standing in standings.items():
            self._tell(name, standing.value if name in away else "")

    def _tell(self, name: str, why: str) -> None:
        """Write into the log that a host is away, or there again: when it is so first, and when there is another why.

        What was told is kept, for time alone makes a host one that is away.
        """
        if why and why != self._told_away.get(name):
            log.warning("host is away", host=name, why=why)
            self._told_away[name] = why
        elif not why and self._told_away.pop(name, ""):
            log.warning("host is there again", host=name)


LONG_AGO: Final = float("-inf")
