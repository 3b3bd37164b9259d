"""The phone's media stream: whose messages are taken, which frames came, and when it was last heard. Pure, int ms."""

from attrs import define, field

from bridge.heart.decisions import Decisions
from bridge.heart.speaking.voice_meter import VoiceMeter


@define
class PhoneStream:
    """What is known of the stream that a call has: the first one, or the one that the caller came back by."""

    decisions: Decisions
    sid: str = ""
    """Empty until it has started, and while the caller is away: nothing can be sent to them."""
    former_sid: str = ""
    """Of the stream that the caller left last."""
    started_at: int = 0
    last_frame: int = 0
    last_voice: int = 0
    """When the caller or the agent last did something that can be heard."""
    meter: VoiceMeter = field(factory=VoiceMeter)
    _frames: int = 0
    _last_chunk: int = 0

    def start(self, sid: str) -> None:
        """The stream has begun."""
        self.sid = sid
        self._last_chunk = 0
        self.meter.begin_anew()
        self.started_at = self.last_frame = self.last_voice = self.decisions.now

    def leave(self) -> None:
        """The caller is gone from it: what still comes of it belongs to nobody."""
        if self.sid:
            self.sid, self.former_sid = "", self.sid

    def is_stray(self, sid: str) -> bool:
        """Count and refuse what belongs to no stream of ours: before `start`, or with another streamSid."""
        if sid == self.sid:
            return False
        journal = self.decisions.journal
        if sid == self.former_sid:  # on its way while we left: nothing is odd about it
            journal.counts["messages of a stream that was left"] += 1
        else:
            journal.count("media before start" if not self.sid else "message with a wrong streamSid")
        return True

    @property
    def may_carry_words(self) -> bool:
        """Say whether there is a voice on it of which turn detection may not have told yet."""
        return self.sid != "" and self.meter.is_beginning

    def next_frame(self, chunk: int, audio: bytes) -> int:
        """Take a frame of the caller's; return its number, and count those that were lost before it."""
        self.meter.hear(audio)
        self._frames += 1
        if self._last_chunk and chunk > self._last_chunk + 1:
            self.decisions.journal.counts["caller frames lost"] += chunk - self._last_chunk - 1
        self._last_chunk, self.last_frame = chunk, self.decisions.now
        return self._frames
