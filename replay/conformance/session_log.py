"""What was said in a session of the model's stand-in, message by message, on the clock of the run.

It looks on and judges nothing. Of audio it keeps the length alone."""

from collections.abc import Iterator
from typing import Any, Final

import attrs
import msgspec

from bridge.heart.audio import BYTES_PER_MS
from replay.model.session import Session
from replay.model.watch import Who
from replay.model.wire import Message

APPEND: Final = "input_audio_buffer.append"
DELTA: Final = "response.output_audio.delta"
UNSHOWN: Final = (APPEND, ".delta")
MAX_MESSAGES: Final = 20_000
"""Of one session; a call of a minute has four thousand, most of them audio."""
PCM_BYTES_PER_MS: Final = 48


class _Kind(msgspec.Struct):
    type: str = ""


@attrs.frozen
class Told:
    """One message, and when it passed; `at` is the clock of the run. `what` has no audio: of a delta, its `ms`."""

    at: float
    who: Who
    kind: str
    what: Message

    @property
    def is_shown(self) -> bool:
        """Whether it is more than a piece of audio or text."""
        return not self.kind.endswith(UNSHOWN)


@attrs.define(eq=False)
class SessionLog:
    """One connection to the model's stand-in; `session` is None where it was refused."""

    number: int
    session: Session | None = None
    told: list[Told] = attrs.field(factory=list, repr=False)

    def take(self, at: float, who: Who, frame: str | bytes) -> None:
        """Keep one frame."""
        if len(self.told) < MAX_MESSAGES:
            kind = _kind_of(frame)
            self.told.append(Told(at, who, kind, self._without_audio(kind, frame)))

    def of(self, kind: str, who: Who = "model") -> Iterator[Told]:
        """Yield the messages of one kind."""
        return (told for told in self.told if told.kind == kind and told.who == who)

    @property
    def is_open(self) -> bool:
        """Whether its client has not closed it yet."""
        return self.session is not None and self.session.close_code is None

    @property
    def heard_ms(self) -> int:
        """How much of the caller was passed on to it."""
        return len(self.session.caller_audio) // BYTES_PER_MS if self.session else 0

    def _without_audio(self, kind: str, frame: str | bytes) -> Message:
        if kind == APPEND or not kind:
            return {"type": kind, "length": len(frame)}
        what: Message = msgspec.json.decode(frame)
        if kind != DELTA:
            return what
        return {key: value for key, value in what.items() if key != "delta"} | {"ms": self._ms_of(what)}

    def _ms_of(self, delta: Message) -> float:
        settings: dict[str, Any] = self.session.settings if self.session else {}
        kind = settings.get("audio", {}).get("output", {}).get("format", {}).get("type")
        each = PCM_BYTES_PER_MS if kind == "audio/pcm" else BYTES_PER_MS
        return len(delta["delta"]) * 3 // 4 / each


def _kind_of(frame: str | bytes) -> str:
    """Return a message's type; empty for what is no event."""
    try:
        return msgspec.json.decode(frame, type=_Kind).type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
