"""Whether one more may come in: calls by how many there are, connections by where they come from. It only counts:
what time it is, it is told, and what is done with those that may not come in is decided elsewhere.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from attrs import define, field, frozen

from bridge.agents import Agent
from bridge.settings.server import Server

MOST_CALLERS: Final = 10_000
"""Callers whose last calls are remembered; beyond it the one who called longest ago is forgotten."""

HIDDEN: Final = "hidden"
"""The one caller that all hidden numbers are: whoever hides could have a new name for each call."""

NOBODY: Final = ""
"""Stands for the caller of a call that we make: they have no allowance to use up."""

HIDDEN_NUMBERS: Final = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE on a keypad: Twilio may write a hidden number so."""

DRAINING: Final = "draining"
MAX_CALLS: Final = "max_calls"
CALLS_AT_ONCE: Final = "calls_at_once"
WAITING_CALLS: Final = "waiting_calls"
CALLS_PER_CALLER: Final = "calls_per_caller"
MAX_COST: Final = "max_cost_per_day_usd"
NO_WORKER: Final = "no_worker"
MAX_LAG: Final = "max_lag_ms"
MAX_BUSY: Final = "max_busy_percent"
OPEN_FILES: Final = "open_files"
OUT_OF_HOURS: Final = "closed"
REASONS: Final = (
    DRAINING,
    MAX_CALLS,
    CALLS_AT_ONCE,
    WAITING_CALLS,
    CALLS_PER_CALLER,
    NO_WORKER,
    MAX_LAG,
    MAX_BUSY,
    OPEN_FILES,
    MAX_COST,
    OUT_OF_HOURS,
)
"""Why a call may be refused: named after the setting, so that a log line says which one to look at; `closed` is outside
the hours of an agent for whom nobody else answers.
With `no_worker` every worker process has died and is being started again; with `open_files` the system would soon let
the process open no file and no socket more (LimitNOFILE= in the unit, ulimit -n)."""

SHUT: Final = (MAX_COST, OUT_OF_HOURS)
"""What gets the answer of a closed business: it is no moment's rush, and to call again soon doesn't help."""

ELSEWHERE: Final = tuple(reason for reason in REASONS if reason not in (CALLS_PER_CALLER, *SHUT))
"""For what another host of a fleet may have room; the others are about the caller, the bill or the hour."""

FLOODS: Final = (WAITING_CALLS, CALLS_PER_CALLER)
"""Limits against whoever wants to run up a bill: nothing that costs is done for their callers."""


@frozen
class Load:
    """How many calls there are: in all, of one agent, and of all those that still wait for their media stream;
    whether anything is there to carry one more, and whether that may open the sockets for it.
    """

    live: int
    of_agent: int
    waiting: int
    has_room: bool = True
    is_late: bool = False
    is_full: bool = False
    has_files: bool = True
    is_open: bool = True


def caller_of(number: str) -> str:
    """Return who is calling, as far as a number tells: a phone number, a SIP or client address, or `HIDDEN`."""
    number = number.strip()
    digits = number.removeprefix("+")
    is_phone = digits.isascii() and digits.isdigit() and number not in HIDDEN_NUMBERS
    is_address = number.startswith(("sip:", "sips:", "client:"))
    return number[:100] if is_phone or is_address else HIDDEN


def caller_id_of(form: Mapping[str, str]) -> str:
    """Return the number to ring others with for a caller who hides theirs: the one that was called; else nothing."""
    return form.get("To", "") if caller_of(form.get("From", "")) == HIDDEN else ""


@define
class Callers:
    """When each caller's last calls were let in. At most `most` in any window of so many seconds; 0: no limit.

    Nobody is remembered for longer than that window.
    """

    most: int
    window_seconds: float
    _times: OrderedDict[str, tuple[float, ...]] = field(factory=OrderedDict)
    """Whoever called last comes last. Of most callers there is one call: a deque would take seven times as much."""

    def __len__(self) -> int:
        return len(self._times)

    def may_call(self, caller: str, now: float) -> bool:
        """Say whether one more call of this caller is within the limit; it isn't counted yet."""
        times = self._times.get(caller, ())
        is_free = not self.most or len(times) < self.most
        return is_free or now - times[-self.most] >= self.window_seconds

    def called(self, caller: str, now: float) -> None:
        """Count a call that was let in."""
        if not self.most:
            return
        self._times[caller] = (*self._times.get(caller, ()), now)[-self.most :]
        self._times.move_to_end(caller)
        self._forget_long_ago(now)

    def _forget_long_ago(self, now: float) -> None:
        while self._times:
            caller, times = next(iter(self._times.items()))
            if len(self._times) <= MOST_CALLERS and now - times[-1] < self.window_seconds:
                return
            del self._times[caller]


@define
class Admission:
    """Which calls may come in, and how many could not, by reason."""

    server: Server
    refused: dict[str, int] = field(factory=lambda: dict.fromkeys(REASONS, 0))
    spent_today_usd: float = 0.0
    """What the day's calls have cost when somebody looked last."""
    _callers: Callers = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._callers = Callers(self.server.calls_per_caller, self.server.caller_window_seconds)

    def follow(self, server: Server) -> None:
        """Take settings that were read again; what is known of callers stays."""
        self.server = server
        self._callers.most, self._callers.window_seconds = (
            server.calls_per_caller,
            server.caller_window_seconds,
        )

    def refuse(self, agent: Agent, number: str, load: Load, *, now: float, is_draining: bool) -> str:
        """Return why this call can't be taken, and count that; "" when it can, and count it as its caller's."""
        caller = caller_of(number)
        reason = next(self._reasons(agent, caller, load, now, is_draining=is_draining), "")
        if reason:
            self.refused[reason] += 1
        if reason in ("", *SHUT):  # what is done for a caller then may cost, too
            self._callers.called(caller, now)
        return reason

    def room(self, agent: Agent, load: Load, *, is_draining: bool) -> str:
        """Return why there is no room for one more call, whoever calls; nothing when there is. It counts nothing."""
        return next(self._reasons(agent, NOBODY, load, 0.0, is_draining=is_draining), "")

    def _reasons(
        self, agent: Agent, caller: str, load: Load, now: float, *, is_draining: bool
    ) -> Iterator[str]:
        if is_draining:
            yield DRAINING
        if load.live >= self.server.max_calls:
            yield MAX_CALLS
        if load.of_agent >= agent.limits.calls_at_once:
            yield CALLS_AT_ONCE
        if load.waiting >= self.server.waiting_calls:
            yield WAITING_CALLS
        if not load.has_room:
            yield NO_WORKER
        elif not load.has_files:
            yield OPEN_FILES
        if load.is_late:
            yield MAX_LAG
        if load.is_full:
            yield MAX_BUSY
        if not self._callers.may_call(caller, now):
            yield CALLS_PER_CALLER
        if 0 < self.server.max_cost_per_day_usd <= self.spent_today_usd:
            yield MAX_COST
        if not load.is_open:
            yield OUT_OF_HOURS

    def choice(self, agent: Agent) -> str:
        """Return what Twilio shall do with a call that this agent can't take: its own word, else the server's."""
        return agent.when_full or self.server.when_full


# ---------------------------------------------------------------- connections


@define
class Door:
    """How many connections there are, in all and from each address. Loopback has no limit of its own: from there
    comes the proxy, and with it everybody.
    """

    most: int
    most_per_address: int
    inside: int = 0
    refused: int = 0
    _by_network: Counter[str] = field(factory=Counter)

    @contextmanager
    def visit(self, address: str) -> Iterator[bool]:
        """Count a connection for as long as the context lasts; False when it must not stay."""
        network = network_of(address)
        if self.inside >= self.most or self._by_network[network] >= self._most_of(network):
            self.refused += 1
            self._forget(network)
            yield False
            return
        self.inside += 1
        self._by_network[network] += 1
        try:
            yield True
        finally:
            self.inside -= 1
            self._by_network[network] -= 1
            self._forget(network)

    def _most_of(self, network: str) -> int:
        return self.most if network == LOOPBACK else self.most_per_address

    def _forget(self, network: str) -> None:
        if not self._by_network[network]:
            del self._by_network[network]


LOOPBACK: Final = "loopback"


def network_of(address: str) -> str:
    """Return what connections are counted by: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    try:
        ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip
    if ip.is_loopback:
        return LOOPBACK
    return str(ip if isinstance(ip, IPv4Address) else ip_network((ip, 64), strict=False))


# ---------------------------------------------------------------- words about it


@define
class Seldom:
    """Lets a line through once in so many seconds, so that a flood of requests is no flood of log lines."""

    every_seconds: float = 1.0
    _next: float = float("-inf")
    _held: int = 0

    def lets(self, now: float) -> int | None:
        """Return how many lines were held back before this one, or None when this one is to be held back too."""
        if now < self._next:
            self._held += 1
            return None
        held, self._held, self._next = self._held, 0, now + self.every_seconds
        return held
