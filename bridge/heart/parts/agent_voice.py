"""The agent's voice: queued as the model makes it, sent a little ahead of the ear, known to be heard by marks. Pure."""

from typing import Final

from attrs import define

from bridge.heart.audio import is_audible, ms_of
from bridge.heart.dead_air import DeadAir
from bridge.heart.decisions import Decisions
from bridge.heart.effects import CancelResponse, PlayAudio, SendMark
from bridge.heart.events import MarkReached, ModelFinishedAudio, ModelSpoke
from bridge.heart.parts.conversation import Conversation
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.filler import Filler
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.playout import CLIP, Playout
from bridge.heart.turns import Turns

FLOWING: Final = frozenset({MarkReached, ModelSpoke})
"""What hardly ever moves anything nearer: the agent's voice, amid more of it. Up to fifty a second, too."""


@define
class AgentVoice:
    """Decides on what the model says aloud, and sends it to the caller in time."""

    decisions: Decisions
    conversation: Conversation
    stream: PhoneStream
    playout: Playout
    turns: Turns
    dead_air: DeadAir
    farewell: Farewell
    filler: Filler

    def spoke(self, event: ModelSpoke) -> None:
        """Queue a piece of sound, unless the caller is not to hear it any more."""
        part = (event.item_id, event.content_index)
        if self.turns.is_cut(event.response_id) or not self.playout.takes(part):
            return self._drop_late(event)
        if self.playout.is_full:
            self.decisions.journal.count("agent spoke for five minutes without a pause: response cancelled")
            self.turns.cut(event.response_id)
            return self.decisions.say(CancelResponse(self.decisions.new_id(), event.response_id))
        self.filler.stop()
        self.decisions.journal.first("first_audio_generated")
        self.playout.add(part, event.response_id, event.audio)
        if is_audible(event.audio):
            self._sounded(ms_of(len(event.audio)))

    def _sounded(self, ms: int) -> None:
        self.stream.last_voice = self.decisions.now
        self.turns.spoke(ms)
        self.follow_line()
        self.farewell.put_off()

    def _drop_late(self, event: ModelSpoke) -> None:
        """Drop audio of a response that was cut off; of an item new to us the model learns that it was not heard."""
        self.decisions.journal.counts["late audio dropped"] += 1
        part = (event.item_id, event.content_index)
        if self.playout.refuse(part):
            self.conversation.truncate_unheard(part)

    def finished(self, event: ModelFinishedAudio) -> None:
        """No more sound will come of this part."""
        self.playout.complete((event.item_id, event.content_index))

    def follow_line(self) -> None:
        """Count as sound all that is queued, up to its last sound, from when the line can carry it."""
        self.dead_air.sound_until = self.playout.sounds_until(self.decisions.now)

    def play(self) -> None:
        """Send what is due now."""
        if (deadline := self.playout.deadline) is None or deadline > self.decisions.now:
            return
        for piece in self.playout.due(self.decisions.now):
            item_id, content_index = piece.part
            if not item_id.startswith(CLIP):
                self.decisions.journal.first("first_audio_sent")
            if piece.audio:
                self.decisions.say(
                    PlayAudio(self.stream.sid, item_id, content_index, piece.start, piece.audio)
                )
            if piece.mark:
                self.decisions.say(SendMark(self.stream.sid, piece.mark))

    def flows_on(self, until: int) -> bool:
        """Say whether there is more to hear, nothing to be done for it before that time, and nobody speaks over it."""
        playout = self.playout
        if self.decisions.now >= until or playout.may_be_settled or playout.is_idle or self.turns.is_in_doubt:
            return False
        return (deadline := playout.deadline) is None or deadline >= until

    def mark_reached(self, event: MarkReached) -> None:
        """Take down what was heard."""
        if self.stream.is_stray(event.stream_sid):
            return
        begun = self.playout.reached(event.name, self.decisions.now)
        if begun is None:
            self.decisions.journal.counts["marks after clear"] += 1
            return
        self.stream.last_voice = self.decisions.now
        for ledger in begun:
            if not ledger.is_clip:
                self.decisions.journal.first("first_audio_heard", at_ms=ledger.first_heard)
