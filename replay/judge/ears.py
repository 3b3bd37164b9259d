"""What a tape tells about its sound: when the caller's voice was there, and when the agent could be heard. Pure.

It has ears of its own, the same for every variant: what a model's turn detection says is part of what is compared.
"""

from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Iterable
from typing import Any, Final

from attrs import define, field, frozen

from bridge.heart.audio import FRAME_BYTES, ms_of
from replay.sound.turn_detection import WINDOW_MS, Ears, SpeechStarted

PAUSE_MS: Final = 300
"""A pause this long ends an utterance: shorter ones stand between the words of a sentence."""

FRAME_MS: Final = ms_of(FRAME_BYTES)


@frozen
class Span:
    """A stretch of the call, in ms since it began; `end_ms` is the first that is no longer in it."""

    start_ms: int
    end_ms: int

    def holds(self, t_ms: int) -> bool:
        """Say whether a moment lies in it."""
        return self.start_ms <= t_ms < self.end_ms


@define
class Voice:
    """Collects the caller's utterances; times are those at which the frames arrived."""

    _ears: Ears = field(factory=lambda: Ears(silence_ms=PAUSE_MS, prefix_ms=0))
    _arrivals: list[int] = field(factory=list)
    _since: int | None = None
    _spans: list[Span] = field(factory=list)

    def hear(self, t_ms: int, payload: str) -> None:
        """Take one frame of base64 µ-law."""
        try:
            audio = a2b_base64(payload)
        except (NotBase64, ValueError):
            return
        self._arrivals += [t_ms] * max(1, round(ms_of(len(audio)) / FRAME_MS))
        for heard in self._ears.hear(audio):
            if isinstance(heard, SpeechStarted):
                self._since = self._arrival(heard.start_ms - WINDOW_MS)
            elif self._since is not None:
                self._end(self._arrival(heard.end_ms - PAUSE_MS))

    def spans(self) -> tuple[Span, ...]:
        """Return the utterances; one that the end of the call cut off lasts until then."""
        if self._since is not None and self._arrivals:
            self._end(self._arrivals[-1])
        return tuple(self._spans)

    def _end(self, t_ms: int) -> None:
        assert self._since is not None
        self._spans.append(Span(self._since, max(t_ms, self._since + 1)))
        self._since = None

    def _arrival(self, audio_ms: int) -> int:
        return self._arrivals[max(0, min(audio_ms // FRAME_MS, len(self._arrivals) - 1))]


@define
class Played:
    """Collects when the line played the agent: as it was sent, one piece after the other, without what was cleared."""

    _until: int = 0
    _spans: list[Span] = field(factory=list)

    def play(self, t_ms: int, ms: int) -> None:
        """Take what was sent: it plays now, or behind what plays."""
        start = max(t_ms, self._until)
        self._until = start + ms
        if self._spans and start - self._spans[-1].end_ms <= PAUSE_MS:
            start = self._spans.pop().start_ms
        self._spans.append(Span(start, self._until))

    def clear(self, t_ms: int) -> None:
        """Drop what has not been played."""
        self._until = min(self._until, t_ms)
        self._spans = [
            Span(span.start_ms, min(span.end_ms, t_ms)) for span in self._spans if span.start_ms < t_ms
        ]

    def spans(self) -> tuple[Span, ...]:
        """Return the stretches, joined where there was no pause between them."""
        return tuple(self._spans)


def overlap_ms(some: Iterable[Span], others: Iterable[Span]) -> int:
    """Return for how long both could be heard at once."""
    other = list(others)
    return sum(
        max(0, min(one.end_ms, two.end_ms) - max(one.start_ms, two.start_ms)) for one in some for two in other
    )


def audible(ledgers: Iterable[dict[str, Any]]) -> tuple[Span, ...]:
    """Return when the agent was heard, joined where one item follows the other without a pause."""
    heard = [row for row in ledgers if row["first_heard"] >= 0 and row["heard_ms"] > 0]
    spans: list[Span] = []
    for row in sorted(heard, key=lambda row: int(row["first_heard"])):
        span = Span(row["first_heard"], row["first_heard"] + row["heard_ms"])
        if spans and span.start_ms - spans[-1].end_ms <= PAUSE_MS:
            span = Span(spans.pop().start_ms, span.end_ms)
        spans.append(span)
    return tuple(spans)
