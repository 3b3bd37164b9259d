"""One telephone off the media stream: what is played into its ear, which keys it presses, and when it is hung up.

It does what its script says and decides nothing about the call."""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakSet

import attrs
import trio

from replay.phone.actor import Actor
from replay.phone.line import FRAME_MS, SILENT_FRAME, Line
from replay.phone.script import HangUp, Press, Say

CALLER = "caller"

Note = Callable[..., None]


class Hears(Protocol):
    """Whoever is told what a telephone's holder says and presses."""

    def __call__(self, leg: "Leg", act: Say | Press) -> None:
        """They begin to say it, or press it, now."""


@attrs.define(eq=False, kw_only=True)
class Leg:
    """A telephone and whoever holds it: `name` is "caller", or the place that was dialled."""

    name: str
    call_sid: str
    actor: Actor = attrs.field(repr=False)
    note: Note = attrs.field(repr=False)
    presses: list[tuple[int, str]] = attrs.field(factory=list)
    rang_ms: int | None = None
    answered_ms: int | None = None
    ended_ms: int | None = None
    ended_by: str = ""  # who hung this telephone up: itself, the other side, or Twilio
    peer: "Leg | None" = None  # whom it is connected to
    listener: Hears | None = attrs.field(default=None, repr=False)
    last_spoke_ms: int = 0
    now_ms: int = 0
    _keys: deque[str] = attrs.field(factory=deque)
    _key_came: trio.Event = attrs.field(factory=trio.Event, repr=False)
    _scopes: "WeakSet[trio.CancelScope]" = attrs.field(factory=WeakSet, repr=False)

    @property
    def line(self) -> Line:
        """What it heard and said."""
        return self.actor.line

    @property
    def is_gone(self) -> bool:
        """Whether it was hung up."""
        return self.ended_ms is not None

    def tick(self, now_ms: int) -> None:
        """Live through 20 ms."""
        self.now_ms = now_ms
        self.line.counts_gaps = False
        for act in self.actor.tick(now_ms):
            self._do(act)
            if self.is_gone:
                return
        frame = self.actor.frame()
        self.line.tick(now_ms, frame)
        if frame != SILENT_FRAME:
            self.last_spoke_ms = now_ms + FRAME_MS
            if self.peer is not None:
                self.peer.line.sound(frame)

    def hear_keys(self, digit: str) -> None:
        """A key was pressed towards this telephone."""
        self.actor.hear_key(digit, self.now_ms)

    def hang_up(self, by: str) -> None:
        """End this leg; whatever waits for it is told."""
        if self.is_gone:
            return
        self.ended_ms, self.ended_by, self.peer = self.now_ms, by, None
        self.note("hung_up", who=self.name, by=by)
        for scope in [*self._scopes]:
            scope.cancel(reason="the telephone was hung up")

    def while_there(self) -> trio.CancelScope:
        """A block that ends when this telephone is hung up."""
        scope = trio.CancelScope()
        self._scopes.add(scope)
        if self.is_gone:
            scope.cancel(reason="the telephone was hung up before")
        return scope

    def forget_keys(self) -> None:
        """Keys pressed until now are meant for nobody."""
        self._keys.clear()

    async def next_key(self) -> str:
        """The next key that is pressed."""
        while not self._keys:
            await self._key_came.wait()
        return self._keys.popleft()

    def key_pressed(self) -> str | None:
        """The next key, if one was pressed."""
        return self._keys.popleft() if self._keys else None

    async def played(self) -> None:
        """Until everything that was to be played was heard."""
        while self.line.buffered_ms:  # noqa: ASYNC110  (the line is pure: it knows no event)
            await trio.sleep(self.line.buffered_ms / 1000)

    def _do(self, act: Any) -> None:
        match act:
            case Say():
                self.note("says", who=self.name, text=act.text, ms=len(act.audio) // 8)
            case Press():
                self._press(act.digit)
            case HangUp():
                self.hang_up(self.name)
                return
            case _:
                return  # what is done to a media socket can't be done to a telephone
        if self.listener is not None:
            self.listener(self, act)

    def _press(self, digit: str) -> None:
        self.note("presses", who=self.name, digit=digit)
        self.presses.append((self.now_ms, digit))
        self._keys.append(digit)
        self._key_came.set()
        self._key_came = trio.Event()
        if self.peer is not None:
            self.peer.hear_keys(digit)
