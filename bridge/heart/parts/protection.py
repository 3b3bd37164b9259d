"""What of the agent's words nothing may interrupt: the greeting, a legal notice. Pure, int ms."""

from typing import Final

from attrs import define

from bridge.heart.audio import bytes_of, ms_of
from bridge.heart.decisions import Decisions
from bridge.heart.parts.conversation import Conversation
from bridge.heart.playout import Ledger, Playout
from bridge.heart.speaking.rules import Rules
from bridge.heart.turns import Turns

MORE_COMES_MS: Final = 100
"""While the model still makes what is protected, its end is not known: that is looked at again so soon."""

LINE_MS: Final = 150
"""What was sent is heard so much later than by our clock, at most."""

MARGIN: Final = bytes_of(300)
"""Where in the sound words end is an estimate, from how many letters there are before."""


@define
class Protection:
    """Knows until when there is something to be heard that is said to its end."""

    decisions: Decisions
    conversation: Conversation
    turns: Turns
    playout: Playout
    rules: Rules
    is_opened_by_caller: bool = False
    """The caller began the conversation: there is no greeting."""

    @property
    def until(self) -> int:
        """Return when what is protected will have been heard; 0 where nothing is."""
        until = self.decisions.now + MORE_COMES_MS if self.is_greeting_to_come else 0
        if self.rules.notices or self.rules.is_greeting_protected:
            until = max([until, *map(self._until, self.playout.unheard)])
        return until

    @property
    def is_on(self) -> bool:
        """Say whether something protected is still to be heard."""
        return self.until > self.decisions.now

    @property
    def is_greeting_to_come(self) -> bool:
        """Say whether the greeting is being made, and not a sound of it is there yet."""
        return self.rules.is_greeting_protected and self.turns.active != "" and not self.turns.is_opened

    def turn_committed(self) -> None:
        """The caller has said something."""
        self.is_opened_by_caller |= self.playout.first_response == ""

    def _until(self, ledger: Ledger) -> int:
        place, now = self._place(ledger), self.decisions.now
        if not place:
            return 0
        if not ledger.is_complete and not self.turns.is_cut(ledger.response_id):
            return max(self.playout.plays_until(now), now + MORE_COMES_MS)
        return self._played_at(ledger, min(place, ledger.generated)) + LINE_MS

    def _played_at(self, ledger: Ledger, place: int) -> int:
        """Return when a part will have been played as far as this place, if nothing comes between."""
        unheard = self.playout.unheard
        later = sum(other.generated for other in unheard[unheard.index(ledger) + 1 :])
        return self.playout.plays_until(self.decisions.now) - ms_of(ledger.generated - place + later)

    def _place(self, ledger: Ledger) -> int:
        """Return how many bytes of a part must be heard."""
        is_greeting = ledger.response_id == self.playout.first_response and not self.is_opened_by_caller
        if is_greeting and self.rules.is_greeting_protected:
            return ledger.generated
        words = self.conversation.words_of((ledger.item_id, ledger.content_index))
        share = self.rules.protected_share(words, is_whole=ledger.is_complete)
        return int(ledger.generated * share) + MARGIN if share else 0
