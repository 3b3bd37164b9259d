"""The phone's media stream: whose messages are taken, which frames came, and when it was last heard. Pure, int ms."""

from attrs import define

from bridge.heart.decisions import Decisions


@define
class PhoneStream:
    """What is known of the one stream of a call."""

    decisions: Decisions
    sid: str = ""
    """Empty until it has started: before that nothing can be sent to the caller."""
    last_frame: int = 0
    last_voice: int = 0
    """When the caller or the agent last did something that can be heard."""
    _frames: int = 0
    _last_chunk: int = 0

    def start(self, sid: str) -> None:
        """The stream has begun."""
        self.sid = sid
        self.last_frame = self.last_voice = self.decisions.now

    def is_stray(self, sid: str) -> bool:
        """Count and refuse what belongs to no stream of ours: before `start`, or with another streamSid."""
        if sid == self.sid:
            return False
        self.decisions.journal.count(
            "media before start" if not self.sid else "message with a wrong streamSid"
        )
        return True

    def next_frame(self, chunk: int) -> int:
        """Take a frame of the caller's; return its number, and count those that were lost before it."""
        self._frames += 1
        if self._last_chunk and chunk > self._last_chunk + 1:
            self.decisions.journal.counts["caller frames lost"] += chunk - self._last_chunk - 1
        self._last_chunk, self.last_frame = chunk, self.decisions.now
        return self._frames
