"""What a caller really did in a recording: their turns, the pauses in them, and where that knowledge comes from. Pure.

All times are ms of the caller's audio as the model was given it: the clock of the server's own event times.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal, TypeAlias, get_args

from attrs import field, frozen

Source: TypeAlias = Literal["labels", "composed", "derived"]
"""labels: a person marked the turns. composed: the recording was put together from known parts. derived: worked out
from the call itself, from what the caller and the agent did next."""

SOURCES: Final[tuple[Source, ...]] = get_args(Source)

SHORT_MS: Final = 800
"""A turn up to this long is a short reply: "yes", "no", a digit. What turn detection misses is mostly these."""

LONG_PAUSE_MS: Final = 200
"""Pauses from here on count, as in eot-bench: shorter ones are gaps between sounds."""


@frozen(order=True)
class Span:
    """A stretch of audio in ms; `end_ms` is the first moment that is no longer in it. Raises `ValueError` for none."""

    start_ms: int
    end_ms: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.start_ms < self.end_ms:
            raise ValueError(f"a span from {self.start_ms} to {self.end_ms} ms has no length")

    @property
    def length_ms(self) -> int:
        """Return how long it lasts."""
        return self.end_ms - self.start_ms


@frozen
class Turn:
    """One turn of the caller's, from the first sound of speech to the last; `pauses` are the silences in it."""

    span: Span
    pauses: tuple[Span, ...] = ()
    words: str = ""

    @property
    def is_short(self) -> bool:
        """Say whether it is a short reply."""
        return self.span.length_ms <= SHORT_MS

    @property
    def speech(self) -> list[Span]:
        """Return the stretches of speech between its pauses."""
        edges = [
            self.span.start_ms,
            *(ms for one in self.pauses for ms in (one.start_ms, one.end_ms)),
            self.span.end_ms,
        ]
        return [Span(start_ms, end_ms) for start_ms, end_ms in zip(edges[::2], edges[1::2], strict=True)]

    @classmethod
    def of_speech(cls, speech: Sequence[Span], words: str = "") -> "Turn":
        """Return the turn that consists of these stretches of speech, in order; what lies between them are pauses.

        >>> turn = Turn.of_speech([Span(100, 600), Span(900, 1200)])
        >>> turn.span, turn.pauses, turn.is_short
        (Span(start_ms=100, end_ms=1200), (Span(start_ms=600, end_ms=900),), False)
        """
        pauses = tuple(Span(a.end_ms, b.start_ms) for a, b in pairwise(speech) if b.start_ms > a.end_ms)
        return cls(Span(speech[0].start_ms, speech[-1].end_ms), pauses, words)


@frozen
class Truth:
    """Everything known about one recording.

    turns: in order, never overlapping. unsure: stretches of which nobody knows whether somebody speaks; what turn
    detection does there counts neither way. agent: when the agent could be heard. checked: where a person listened to
    what else is worked out; None for a truth that is all of one kind.
    """

    turns: tuple[Turn, ...]
    source: Source
    length_ms: int
    agent: tuple[Span, ...] = field(default=())
    unsure: tuple[Span, ...] = field(default=())
    checked: tuple[Span, ...] | None = None
