"""The caller's side: the stream begins and ends, their voice goes to the model, and so do the keys they press. Pure."""

from typing import Final

from attrs import define

from bridge.heart.decisions import Decisions
from bridge.heart.effects import AppendAudio
from bridge.heart.events import CallerSpoke, KeyPressed, PhoneLeft, StreamStarted, StreamStopped
from bridge.heart.held_audio import HeldAudio
from bridge.heart.keys import Keys, sentence_of
from bridge.heart.parts.agent_voice import AgentVoice
from bridge.heart.parts.conversation import CALLER, Conversation
from bridge.heart.parts.ending import Ending
from bridge.heart.parts.excursions import Excursions
from bridge.heart.parts.farewell import Farewell
from bridge.heart.parts.outgoing import OutgoingSide
from bridge.heart.parts.overlap import Overlap
from bridge.heart.phone_stream import PhoneStream
from bridge.heart.session import Session
from bridge.heart.turns import Turns

CLEAN_CLOSES: Final = (1000, 1001, 1005)
"""Close codes with which Twilio leaves on purpose; 1005 is a close frame without a code."""

STREAM_FORMAT: Final = ("audio/x-mulaw", 8000, 1)


@define
class CallerSide:
    """Decides on what the phone leg tells of the caller."""

    decisions: Decisions
    conversation: Conversation
    stream: PhoneStream
    session: Session
    held: HeldAudio
    keys: Keys
    turns: Turns
    voice: AgentVoice
    overlap: Overlap
    farewell: Farewell
    excursions: Excursions
    ending: Ending
    outgoing: OutgoingSide

    def stream_started(self, event: StreamStarted) -> None:
        """Take the call's stream, the first one or that of a caller who comes back, if it can be understood."""
        if self.stream.sid:
            return self.decisions.journal.count("second start")
        if self.excursions.is_away:
            return self.decisions.journal.count("start of a caller who is away")
        if (event.encoding, event.sample_rate, event.channels) != STREAM_FORMAT:
            why = f"media format {event.encoding} {event.sample_rate} is not µ-law 8000"
            return self.ending.end("bridge", why)
        self.stream.start(event.stream_sid)
        self.voice.follow_line()
        self.decisions.journal.first("stream_started")
        self.outgoing.answered()
        if self.excursions.is_returning:
            self.excursions.stream_started()
            self.farewell.put_off()

    def stream_stopped(self, event: StreamStopped) -> None:
        """The caller hung up."""
        if event.stream_sid == self.stream.former_sid:
            return self.excursions.stream_stopped()
        if not self.stream.is_stray(event.stream_sid):
            self.ending.end("caller", "hung up")

    def left(self, event: PhoneLeft) -> None:
        """The media socket is gone, and with it the caller, unless they have left it by a plan."""
        if not self.excursions.is_here:
            return
        is_clean = event.code in CLEAN_CLOSES
        why = "hung up" if is_clean else f"media socket lost ({event.code})"
        if is_clean or self.farewell.is_near or not self.excursions.lose_stream(why):
            self.ending.end("caller", why)

    def spoke(self, event: CallerSpoke) -> None:
        """Give a frame to the model, or keep it until the model can hear."""
        if self.stream.is_stray(event.stream_sid):
            return
        frame = self.stream.next_frame(event.chunk, event.audio)
        if not self.outgoing.callee.is_open:
            return  # a machine's words, or a "hello?" that the opening answers
        if self.session.is_ready:
            self.decisions.say(AppendAudio(frame, frame, event.audio))
        else:
            self.held.add(frame, event.audio)

    def key_pressed(self, event: KeyPressed) -> None:
        """Take one more key; whoever presses keys wants to be listened to."""
        if self.stream.is_stray(event.stream_sid):
            return
        self.stream.last_voice = self.decisions.now
        if self.outgoing.key_pressed():
            return
        self.keys.press(event.digit, self.decisions.now)
        self.overlap.key_pressed()

    def give_keys(self) -> None:
        """Tell the model which keys were pressed: tones can't be heard on a media stream."""
        keys = self.keys.take()
        self.decisions.journal.milestone("keys_pressed", keys=len(keys))
        self.conversation.add_text(CALLER, sentence_of(keys), keys)
        self.turns.owe()
