"""Dead air: how long a caller who waits has heard nothing, and what is due because of it. Pure, int ms.

One rule for whatever leads there. Silence counts while somebody waits; sound makes it good, and so does the caller's
own talk. Beyond the bound the model is asked once, and a bound later the call is given up.
"""

from typing import Final

from attrs import define

from bridge.heart.events import (
    ApprovalAsked,
    RemoteToolEnded,
    ResponseCreated,
    ResponseFinished,
    ToolAnswered,
    ToolCalled,
    ToolFailed,
)

STIRRING: Final = frozenset(
    {ResponseCreated, ResponseFinished, ToolCalled, ToolAnswered, ToolFailed, ApprovalAsked, RemoteToolEnded}
)
"""Signs that an answer is on its way."""

SOUND_MAKES_GOOD: Final = 5
"""A second of sound makes five of silence good: a word every few seconds is slow, a click every few seconds is no
answer."""


@define
class DeadAir:
    """What one caller has waited; the time is told by `pass_time`, what goes on by `look`."""

    bound_ms: int
    is_asked: bool = False
    sound_until: int = 0
    """When the agent's sound will have been played, by the line's clock: marks may never come back."""
    stirred_at: int = 0
    """When the model or a tool last gave a sign that an answer is on its way."""
    waited_ms: int = 0
    _at: int = 0
    _is_waiting: bool = False
    _is_caller_talking: bool = False

    def pass_time(self, now: int) -> None:
        """Count what the caller has gone through since the last look."""
        sound = max(0, min(now, self.sound_until) - self._at)
        rest = now - self._at - sound
        self._at = now
        if sound:
            self._make_good(sound * SOUND_MAKES_GOOD)
        if self._is_caller_talking:
            self._make_good(rest)  # who says "hello?" again and again is not answered by it
        elif self._is_waiting:
            self.waited_ms += rest

    def _make_good(self, ms: int) -> None:
        self.waited_ms = max(0, self.waited_ms - ms)
        self.is_asked = self.is_asked and self.waited_ms > 0

    def look(self, *, is_waiting: bool, is_caller_talking: bool) -> None:
        """Take in what goes on from now on; where nobody waits, nothing was waited."""
        self._is_waiting, self._is_caller_talking = is_waiting, is_caller_talking
        if not is_waiting and not is_caller_talking:
            self.waited_ms, self.is_asked = 0, False

    def begin_anew(self) -> None:
        """The caller heard an answer, or a word of patience: what is waited for now, since its last sound."""
        self.waited_ms, self.is_asked = max(0, self._at - self.sound_until), False

    def ask(self) -> None:
        """The model is asked now; however late that is, it has half a bound to answer."""
        self.is_asked = True
        self.waited_ms = min(self.waited_ms, self.bound_ms * 3 // 2)

    # ------------------------------------------------------------ what is due

    @property
    def due(self) -> int | None:
        """When the model is to be asked, or the call to be given up; None while nobody waits."""
        if self._is_caller_talking or not self._is_waiting:
            return None
        return self._given_up_at if self._stays_asked else self._ask_due

    @property
    def _ask_due(self) -> int:
        """An answer that is on its way is disturbed only if it is so for half a bound."""
        half_ms = self.bound_ms // 2
        usual, stirred = self._silent_since + self.bound_ms, self.stirred_at + half_ms
        return usual if stirred <= usual else min(stirred, usual + half_ms)

    @property
    def _given_up_at(self) -> int:
        return self._silent_since + self.bound_ms * 2

    @property
    def _silent_since(self) -> int:
        """Return when the waiting began, as far as nothing that was heard or is being played makes it good."""
        if self.sound_until <= self._at:
            return self._at - self.waited_ms
        return self.sound_until - self._left_ms

    @property
    def _sound_left_ms(self) -> int:
        return max(0, self.sound_until - self._at)

    @property
    def _left_ms(self) -> int:
        """Return what will be left of the waiting once everything was played."""
        if not self.waited_ms:
            return 0
        return max(0, self.waited_ms - self._sound_left_ms * SOUND_MAKES_GOOD)

    @property
    def _stays_asked(self) -> bool:
        return self.is_asked and self._left_ms > 0

    def room_for(self, pause_ms: int) -> int | None:
        """Return how long a pause may be: never beyond the bound. None when the caller has no patience left for it."""
        if self._at + pause_ms < self._given_up_at:
            return pause_ms
        return None if self._stays_asked else max(0, self._ask_due - self._at)
