"""Filler: a clip that was kept is played where the model can't speak. It goes the agent's own way to the caller's
ear, with the same marks and accounts, and is no item of the model's. Pure, int ms.
"""

from typing import Final

from attrs import define

from bridge.heart.decisions import Decisions
from bridge.heart.effects import ClearPlayback
from bridge.heart.parts.conversation import Conversation
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import CLIP, Playout
from bridge.settings.filler import Clip

PLAYED: Final = "filler_played"
"""The milestone: with the file, and with the item under which its account is kept."""


@define
class Filler:
    """Plays clips, one after the other and never over the agent's voice; when to is decided by whoever asks for it."""

    decisions: Decisions
    conversation: Conversation
    stream: PhoneStream
    playout: Playout
    _count: int = 0

    def play(self, clip: Clip, why: str) -> bool:
        """Let the caller hear a clip; False where there is none, nobody is there, or something is being heard."""
        if not clip.sound or not self.stream.sid or self.playout.is_playing(self.decisions.now):
            return False
        self._count += 1
        item_id = f"{CLIP}{self._count}"
        self.decisions.journal.milestone(PLAYED, item_id=item_id, file=clip.file, ms=clip.ms, why=why)
        self.playout.add((item_id, 0), "", clip.sound)
        self.playout.complete((item_id, 0))
        return True

    def stop(self) -> None:
        """Let a clip end now: there are words to say."""
        if not self.playout.is_clip:
            return
        if self.stream.sid:
            self.decisions.say(ClearPlayback(self.stream.sid))
        for ledger in self.playout.cut(self.decisions.now):
            self.conversation.truncate(ledger)  # of words whose marks have not come yet
