"""The caller's last words: what of them is still being written down when a call ends. Pure, int ms.

A transcript comes up to a second after its turn. Whoever says something and hangs up would have said it to nobody.
"""

from typing import Final

from attrs import define, field

from bridge.heart.events import (
    Event,
    ModelErred,
    ModelLeft,
    TranscriptCame,
    TranscriptionFailed,
    TurnCommitted,
)

LISTEN_MS: Final = 2000
"""How long the model's socket may stay for it after the end; everything else of the call is gone by then."""

UNDER_WAY_MS: Final = 10_000
"""A turn whose transcript has not come for so long is not being written down any more."""

MOST_TURNS: Final = 20
NOTHING_TO_COMMIT: Final = "input_audio_buffer_commit_empty"

TELLING: Final = frozenset({TurnCommitted, TranscriptCame, TranscriptionFailed, ModelLeft, ModelErred})
"""What tells of them."""

HEARD_OUT: Final = ("caller", "tool", "limit")
"""Who may end a call with words still to come: whoever shuts the daemon down, or has lost the model, does not wait."""


@define
class LastWords:
    """The turns of which no transcript has come yet."""

    are_transcribed: bool
    _turns: dict[str, int] = field(factory=dict)
    _is_committing: bool = False
    _until: int = 0

    def follow(self, event: Event, now: int) -> None:
        """Take account of what happened, before the end and after it."""
        match event:
            case TurnCommitted():
                self._begin(event.item_id, now)
            case TranscriptCame() | TranscriptionFailed():
                self._turns.pop(event.item_id, None)
            case ModelLeft():
                self.session_ended()
            case ModelErred(code=code) if code == NOTHING_TO_COMMIT:
                self._is_committing = False

    def session_ended(self) -> None:
        """Nobody writes anything down any more."""
        self._turns.clear()
        self._is_committing = False

    def are_of_nobody(self) -> None:
        """The model is parted from, whatever it still tells: nothing of theirs is asked for any more."""
        self.session_ended()
        self.are_transcribed = False

    def _begin(self, item_id: str, now: int) -> None:
        self._is_committing = False
        self._turns[item_id] = now
        if len(self._turns) > MOST_TURNS:
            del self._turns[next(iter(self._turns))]

    def committed(self) -> None:
        """What the caller was saying was made a turn by us, which is to come."""
        self._is_committing = True

    def may_be_asked_for(self, by: str) -> bool:
        """Say whether a call that is ended by them leaves time for words."""
        return self.are_transcribed and by in HEARD_OUT

    def call_ended(self, by: str, now: int) -> None:
        """From now on they are waited for, if at all."""
        self._until = now + LISTEN_MS if self.may_be_asked_for(by) else now
        self._turns = {item_id: since for item_id, since in self._turns.items() if now - since < UNDER_WAY_MS}

    def awaited_until(self, now: int) -> int | None:
        """Return when the last of them is given up; None when none is awaited."""
        until = max(self._turns.values(), default=now - UNDER_WAY_MS) + UNDER_WAY_MS
        return until if until > now else None

    def are_to_come(self, now: int) -> bool:
        """Say whether it is worth to go on listening after the end."""
        return now < self._until and (self._is_committing or bool(self._turns))
