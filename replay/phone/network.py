"""A bad network, computed: which frames get lost, and when a message that leaves now arrives. No clock, no socket.

Everything is drawn from the seed, so that the same network can be had again. Media Streams run over TCP: there a
message is late, never lost and never overtaken. What gets lost is lost between the caller and Twilio."""

from collections import deque
from collections.abc import Iterable
from random import Random
from typing import Generic, TypeVar

import attrs

from bridge.checks import number, setting, whole

T = TypeVar("T")

MAX_ON_THE_WAY = 4096  # messages; the longest delay allowed here holds about 750 frames


@attrs.frozen
class Network:
    """How bad the network between caller, Twilio and bridge is. Nothing is wrong with that of the defaults."""

    seed: int = setting(1, whole(0, 2**31))
    loss: float = setting(0.0, number(0.0, 0.9))  # the part of 20 ms frames that gets lost, each way
    latency_ms: int = setting(0, whole(0, 5000))  # each way
    jitter_ms: int = setting(0, whole(0, 2000))  # up to so much on top, drawn anew for each message
    stall_ms: int = setting(0, whole(0, 10_000))  # nothing passes for so long, then everything at once
    stall_every_ms: int = setting(5000, whole(100, 600_000))  # on average, from one stall's end to the next
    mark_loss: float = setting(0.0, number(0.0, 1.0))  # the part of marks that never come back
    mark_late_ms: int = setting(0, whole(0, 10_000))  # up to so much later than what they prove was played

    @property
    def delays(self) -> bool:
        """Whether any message arrives later than it left."""
        return bool(self.latency_ms or self.jitter_ms or self.stall_ms)


@attrs.define
class Loss:
    """Which frames of one direction get lost; asked once for each frame, in order."""

    network: Network
    direction: str
    _dice: Random = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._dice = _dice(self.network, f"loss {self.direction}")

    def takes_next(self) -> bool:
        """Whether the next frame is lost."""
        return self._dice.random() < self.network.loss


@attrs.define
class Echoes:
    """Marks on their way back: some are late, in order all the same, and some never come. Twilio promises neither."""

    network: Network
    _dice: Random = attrs.field(init=False, repr=False)
    _waiting: deque[tuple[int, str]] = attrs.field(factory=deque)
    _last_ms: int = 0

    def __attrs_post_init__(self) -> None:
        self._dice = _dice(self.network, "marks")

    def come(self, names: Iterable[str], now_ms: int) -> list[str]:
        """Take marks that were played just now; return those that come back now."""
        for name in names:
            is_lost = self._dice.random() < self.network.mark_loss
            late_ms = self._dice.randint(0, self.network.mark_late_ms)
            if not is_lost:
                self._last_ms = max(self._last_ms, now_ms + late_ms)
                self._waiting.append((self._last_ms, name))
        due = []
        while self._waiting and self._waiting[0][0] <= now_ms:
            due.append(self._waiting.popleft()[1])
        return due


@attrs.define
class Delay:
    """When the messages of one direction arrive, in ms on the clock that the caller of `arrival_ms` reads."""

    network: Network
    direction: str
    _jitter: Random = attrs.field(init=False, repr=False)
    _stalls: Random = attrs.field(init=False, repr=False)
    _stall_from: int = attrs.field(init=False)
    _stall_until: int = 0
    _last_ms: int = 0

    def __attrs_post_init__(self) -> None:
        self._jitter = _dice(self.network, f"jitter {self.direction}")
        # A stall is the network's, not a direction's: both stand still at once.
        self._stalls = _dice(self.network, "stalls")
        self._next_stall()

    def arrival_ms(self, now_ms: int) -> int:
        """When a message that leaves at now_ms arrives: never before one that left earlier."""
        late_ms = self._jitter.randint(0, self.network.jitter_ms)
        due_ms = max(self._last_ms, now_ms + self.network.latency_ms + late_ms)
        self._last_ms = self._after_stall(due_ms)
        return self._last_ms

    def _after_stall(self, due_ms: int) -> int:
        if not self.network.stall_ms:
            return due_ms
        while due_ms >= self._stall_until:
            self._next_stall()
        return self._stall_until if due_ms >= self._stall_from else due_ms

    def _next_stall(self) -> None:
        pause_ms = round(self.network.stall_every_ms * self._stalls.uniform(0.5, 1.5))
        self._stall_from = self._stall_until + pause_ms
        self._stall_until = self._stall_from + self.network.stall_ms


@attrs.define
class OnTheWay(Generic[T]):
    """Messages that left and have not arrived, at most MAX_ON_THE_WAY of them."""

    _delay: Delay
    _messages: deque[tuple[int, T]] = attrs.field(factory=deque)

    @property
    def is_full(self) -> bool:
        """Whether no more fits: nothing may leave until something arrived."""
        return len(self._messages) >= MAX_ON_THE_WAY

    @property
    def next_ms(self) -> int | None:
        """When the next message arrives; None when there is none."""
        return self._messages[0][0] if self._messages else None

    def leave(self, message: T, now_ms: int) -> None:
        """A message leaves now."""
        self._messages.append((self._delay.arrival_ms(now_ms), message))

    def arrived(self, now_ms: int) -> T | None:
        """The next message that has arrived by now_ms; None when there is none."""
        is_due = bool(self._messages) and self._messages[0][0] <= now_ms
        return self._messages.popleft()[1] if is_due else None

    def lose_all(self) -> None:
        """The connection broke: nothing that is on the way arrives."""
        self._messages.clear()


def _dice(network: Network, purpose: str) -> Random:
    """Numbers of its own for each purpose: more messages one way change nothing about the other."""
    return Random(f"{network.seed} {purpose}")
