"""The caller's telephone line: what waits at Twilio, what was played, and which marks that proves.

Pure: it is told the time (ms since `start`) and ticks every 20 ms. Its record is what the caller heard, to
hold against what the bridge believes."""

from collections import deque

import attrs

FRAME_MS = 20
FRAME_BYTES = 160
BYTES_PER_MS = 8
SILENCE = b"\xff"
SILENT_FRAME = SILENCE * FRAME_BYTES
# A shorter pause inside the agent's speech is a hole in a reply, a longer one is the end of an utterance:
# voices pause within their audio, so an empty buffer this long means that nothing more was meant.
REPLY_GAP_MS = 400


@attrs.frozen
class Gap:
    """The buffer ran dry inside a reply: from when on, and for how long."""

    at_ms: int
    length_ms: int


@attrs.frozen
class Clear:
    """A `clear` from the bridge, how much unheard audio it threw away, and how many media messages had come before."""

    at_ms: int
    dropped_ms: int
    arrivals: int = attrs.field(default=0, eq=False)


@attrs.frozen
class Arrival:
    """One media message from the bridge: when it came, and how much audio was in it."""

    at_ms: int
    length_ms: int


@attrs.define
class Span:
    """A stretch in which the agent was heard without a pause."""

    begin_ms: int
    end_ms: int


@attrs.define
class Mark:
    """A mark on its way: when it came, when it was echoed, and whether a `clear` caused the echo."""

    name: str
    sent_ms: int
    due_bytes: int
    echoed_ms: int | None = None
    cleared: bool = False


@attrs.define
class Line:
    """Plays what the bridge sent at real time; marks come back when all audio before them was played."""

    heard: bytearray = attrs.field(factory=bytearray, repr=False)
    said: bytearray = attrs.field(factory=bytearray, repr=False)
    marks: list[Mark] = attrs.field(factory=list)
    clears: list[Clear] = attrs.field(factory=list)
    gaps: list[Gap] = attrs.field(factory=list)
    arrivals: list[Arrival] = attrs.field(factory=list, repr=False)
    spans: list[Span] = attrs.field(factory=list, repr=False)
    first_heard_ms: int | None = None
    background: bytes = attrs.field(default=b"", repr=False)  # ringing or music, heard while nothing else is
    counts_gaps: bool = True  # off the stream nobody promised that speech has no holes
    cut_ms: int = 0  # when a `clear` last cut off what was being heard
    _buffer: bytearray = attrs.field(factory=bytearray, repr=False)
    _waiting: deque[Mark] = attrs.field(factory=deque)
    _queued_bytes: int = 0
    _taken_bytes: int = 0
    _done_bytes: int = 0  # the frame in the air is taken, but not yet done
    _sound_end: int | None = None  # where in `heard` the agent's last byte ended
    _utterance_bytes: int = 0
    _is_interrupted: bool = False

    def media(self, audio: bytes, now_ms: int) -> None:
        """Audio of any size arrived; it plays after all that came before it."""
        self.arrivals.append(Arrival(now_ms, len(audio) // BYTES_PER_MS))
        self._buffer += audio
        self._queued_bytes += len(audio)

    def sound(self, audio: bytes) -> None:
        """Sound that did not come from the bridge: Twilio's own voice, or whoever the caller was connected to."""
        self._buffer += audio
        self._queued_bytes += len(audio)

    def hush(self) -> None:
        """Stop what is being played off the stream."""
        self._taken_bytes = self._done_bytes = self._queued_bytes
        self._buffer.clear()

    def mark(self, name: str, now_ms: int) -> list[str]:
        """A mark arrived; the names to echo now."""
        mark = Mark(name, now_ms, self._queued_bytes)
        self.marks.append(mark)
        self._waiting.append(mark)
        return self._echo(now_ms)

    def clear(self, now_ms: int) -> list[str]:
        """Throw away what was not played; all waiting marks come back, in order."""
        was_playing = bool(self._buffer) or self._taken_bytes > self._done_bytes
        self.clears.append(Clear(now_ms, len(self._buffer) // BYTES_PER_MS, len(self.arrivals)))
        names = self._empty(now_ms)
        self._is_interrupted = True
        if was_playing:  # the frame in the air still ends before the cut
            self.cut_ms = max(now_ms, len(self.heard) // BYTES_PER_MS)
        return names

    def disconnect(self, now_ms: int) -> None:
        """The stream is gone: what it still had to play is lost, and its marks are never echoed."""
        waiting = list(self._waiting)
        self._empty(now_ms)
        for mark in waiting:
            mark.echoed_ms, mark.cleared = None, False

    def tick(self, now_ms: int, said: bytes = SILENT_FRAME) -> list[str]:
        """Play the next 20 ms while the caller says `said`; the names of the marks to echo now."""
        self._done_bytes = self._taken_bytes
        names = self._echo(now_ms)
        self.heard += SILENCE * (now_ms * BYTES_PER_MS - len(self.heard))
        self.said += SILENCE * (now_ms * BYTES_PER_MS - len(self.said))
        self._play(now_ms)
        self.said += said
        return names

    def lose_last_frame(self) -> None:
        """What was just played never reached the caller. Twilio does not know: its marks come back all the same."""
        self.heard[-FRAME_BYTES:] = SILENT_FRAME

    def caller_spoke(self) -> None:
        """The caller makes themselves heard: a pause from here on is not a hole in the agent's reply."""
        self._is_interrupted = True

    def was_heard_since(self, then_ms: int) -> bool:
        """The agent was heard after then_ms, and was not cut off since."""
        return self._sound_end is not None and self._sound_end > max(then_ms, self.cut_ms) * BYTES_PER_MS

    def quiet_ms(self, now_ms: int) -> int:
        """For how long nothing of the agent was heard."""
        return max(0, now_ms - (self._sound_end or 0) // BYTES_PER_MS)

    def utterance_ms(self, now_ms: int) -> int:
        """How much of the agent's present utterance was heard; 0 when it is over."""
        is_over = self._is_interrupted or self.quiet_ms(now_ms) >= REPLY_GAP_MS
        return 0 if is_over else self._utterance_bytes // BYTES_PER_MS

    @property
    def arrivals_ms(self) -> list[int]:
        """When each media message of the bridge came."""
        return [arrival.at_ms for arrival in self.arrivals]

    def heard_ms(self, since_ms: int, until_ms: int) -> int:
        """How much of the agent was heard between two moments."""
        overlaps = (
            min(span.end_ms, until_ms) - max(span.begin_ms, since_ms)
            for span in self.spans
            if span.end_ms > since_ms and span.begin_ms < until_ms
        )
        return sum(overlaps)

    @property
    def buffered_ms(self) -> int:
        """How much audio waits to be played."""
        return len(self._buffer) // BYTES_PER_MS

    def _play(self, now_ms: int) -> None:
        frame = bytes(self._buffer[:FRAME_BYTES])
        del self._buffer[:FRAME_BYTES]
        self._taken_bytes += len(frame)
        if frame:
            self._note_sound(now_ms, len(frame))
        self.heard += frame.ljust(FRAME_BYTES, SILENCE) if frame else self._behind(now_ms)

    def _behind(self, now_ms: int) -> bytes:
        """What is heard while nobody speaks: it is no speech, and nobody waits for its end."""
        if not self.background:
            return SILENT_FRAME
        at = now_ms // FRAME_MS * FRAME_BYTES % len(self.background)
        return self.background[at : at + FRAME_BYTES].ljust(FRAME_BYTES, SILENCE)

    def _note_sound(self, now_ms: int, size: int) -> None:
        begin = len(self.heard)
        if self.first_heard_ms is None:
            self.first_heard_ms = now_ms
        silence_ms = self._silence_ms(begin)
        if silence_ms is None:
            self._utterance_bytes = 0
        elif silence_ms > 0 and self.counts_gaps:
            self.gaps.append(Gap(begin // BYTES_PER_MS - silence_ms, silence_ms))
        self._utterance_bytes += size
        self._sound_end = begin + size
        self._is_interrupted = False
        self._note_span(begin // BYTES_PER_MS, size // BYTES_PER_MS)

    def _note_span(self, begin_ms: int, length_ms: int) -> None:
        if self.spans and self.spans[-1].end_ms == begin_ms:
            self.spans[-1].end_ms += length_ms
        else:
            self.spans.append(Span(begin_ms, begin_ms + length_ms))

    def _silence_ms(self, begin: int) -> int | None:
        """The pause before a sound inside one utterance; None when the sound begins a new one."""
        if self._sound_end is None or (self._is_interrupted and begin > self._sound_end):
            return None
        silence_ms = -(-(begin - self._sound_end) // BYTES_PER_MS)
        return silence_ms if silence_ms < REPLY_GAP_MS else None

    def _empty(self, now_ms: int) -> list[str]:
        self._buffer.clear()
        self._taken_bytes = self._done_bytes = self._queued_bytes
        for mark in self._waiting:
            mark.cleared = True
        return self._echo(now_ms)

    def _echo(self, now_ms: int) -> list[str]:
        names = []
        while self._waiting and self._waiting[0].due_bytes <= self._done_bytes:
            mark = self._waiting.popleft()
            mark.echoed_ms = now_ms
            names.append(mark.name)
        return names
