"""The far end of a call: whether it still rings, who or what answered, and what they may hear. Pure, int ms.

Somebody who calls us is there from the beginning; of those whom we call it has to be found out.
"""

from enum import Enum
from typing import Final

from attrs import define, field

from bridge.heart.decisions import Decisions
from bridge.settings.outgoing import Outgoing


class Phase(Enum):
    """How far it is with the far end."""

    ASKED = "asked"
    """Twilio was not heard of yet."""

    RINGING = "ringing"
    ANSWERED = "answered"
    """Somebody or something has answered: the agent gets ready, and nothing of it is heard."""

    OPEN = "open"
    """Somebody is there: the conversation."""

    MESSAGE = "message"
    """A machine takes a message."""

    SCREENED = "screened"
    """Whatever answered is told to press 1, and nothing else can be reached by it."""


PLACING_MS: Final = 120_000
"""Calls are paced, and Twilio's REST may be slow or be asked again."""

RING_GRACE_MS: Final = 30_000
"""Twilio rings 5 s longer than it is told, and may have queued the call; after that it should have said something."""


@define
class Callee:
    """What is known of it; `outgoing` is None where they called us."""

    decisions: Decisions
    outgoing: Outgoing | None
    answered_at: int = 0
    since: int = 0
    """When this phase began."""

    words_due: int | None = None
    """When what is said to a machine will have been heard, at the latest; None while it is not all generated."""

    is_stale_asked: bool = False
    """Whether a response was asked for that nobody wants any more, and has not begun."""

    screened_at: int = 0
    is_person: bool = False
    """Whether they have pressed a key, which no machine does."""

    _phase: Phase = field(init=False)

    # What follows from the phase: it is asked for several times with every frame of theirs.
    is_answered: bool = field(init=False)
    """Whether the phone rings no more: until then nothing is asked of the model, for that costs money."""
    is_open: bool = field(init=False)
    """Whether somebody is there, as far as anybody knows."""
    is_machine: bool = field(init=False)
    """Whether what is said now is said to a machine."""
    hears: bool = field(init=False)
    """Whether the agent's voice is played to them."""

    def __attrs_post_init__(self) -> None:
        self._take(Phase.OPEN if self.outgoing is None else Phase.ASKED)

    @property
    def phase(self) -> Phase:
        """Return how far it is."""
        return self._phase

    def enter(self, phase: Phase) -> None:
        """Go on to another phase, from now on."""
        self._take(phase)
        self.since, self.words_due = self.decisions.now, None

    def _take(self, phase: Phase) -> None:
        self._phase = phase
        self.is_answered = phase not in (Phase.ASKED, Phase.RINGING)
        self.is_open = phase is Phase.OPEN
        self.is_machine = phase in (Phase.MESSAGE, Phase.SCREENED)
        self.hears = self.is_open or self.is_machine

    @property
    def message(self) -> str:
        """Return the words for the machine that is there; nothing where there is none."""
        return self.outgoing.message if self.outgoing is not None and self.is_machine else ""

    @property
    def ring_due(self) -> int:
        """Return when a call that still rings is given up."""
        assert self.outgoing is not None
        if self._phase is Phase.ASKED:
            return PLACING_MS
        return self.since + self.outgoing.ring_seconds * 1000 + RING_GRACE_MS

    @property
    def verdict_due(self) -> int | None:
        """Return when the agent opens without knowing who answered; None where that is not waited for."""
        if self._phase is not Phase.ANSWERED or self.outgoing is None:
            return None
        return self.since + self.outgoing.verdict_ms
