"""Sound that can be counted: each 20 ms frame says whose it is and which one. And what was seen of it, and when."""

from array import array
from binascii import a2b_base64, b2a_base64
from struct import Struct
from typing import Final

from attrs import define, field

FRAME_BYTES: Final = 160
FRAME_SECONDS: Final = 0.02
_HEAD: Final = Struct(">HI")
_REST: Final = b"\x30" * (FRAME_BYTES - _HEAD.size)
"""Loud enough to be taken for a voice."""

_REST_TEXT: Final = b2a_base64(_REST, newline=False)
"""Six bytes of head are eight characters: what follows them is always the same text."""


def frame_payload(owner: int, number: int) -> bytes:
    """Return one frame as the payload of a media message."""
    return b2a_base64(_HEAD.pack(owner, number), newline=False) + _REST_TEXT


def voice_payload(owner: int, first: int, frames: int) -> bytes:
    """Return several frames as the payload of one delta."""
    sound = [_HEAD.pack(owner, number) + _REST for number in range(first, first + frames)]
    return b2a_base64(b"".join(sound), newline=False)


def frames_in(payload: bytes) -> list[tuple[int, int]]:
    """Return (owner, number) of each frame; a piece of one is nobody's."""
    sound = a2b_base64(payload)
    whole = len(sound) - len(sound) % FRAME_BYTES
    found: list[tuple[int, int]] = [_HEAD.unpack_from(sound, at) for at in range(0, whole, FRAME_BYTES)]
    return found if whole == len(sound) else [*found, NOBODYS]


NOBODYS: Final = (-1, -1)


def string_behind(data: bytes, key: bytes) -> bytes:
    """Return the string value of a key of a JSON message, however it is spaced; it has no escapes."""
    start = data.index(b'"', data.index(key) + len(key)) + 1
    return data[start : data.index(b'"', start)]


def _milliseconds() -> "array[float]":
    return array("d")


@define(eq=False)
class Seen:
    """What both stand-ins saw while it was measured, in ms; and what went wrong at any time."""

    is_measuring: bool = False
    to_model: "array[float]" = field(factory=_milliseconds)
    """From a caller's frame to its append at the model."""
    to_phone: "array[float]" = field(factory=_milliseconds)
    """From a delta to its first sound at the phone, of those that had to wait for nothing played before."""
    first_audio: "array[float]" = field(factory=_milliseconds)
    """From `start` to the first sound."""
    clears: "array[float]" = field(factory=_milliseconds)
    """From `speech_started` to `clear`."""
    lost: int = 0
    """Frames that never came, in either direction, by the gaps in their numbers."""
    strange: int = 0
    """Frames that came twice, late, in pieces, or to another call."""
    dropped: int = 0
    """Calls whose socket was closed on them."""
    uncleared: int = 0
    """Interruptions after which no `clear` came before the next one."""
    refused: int = 0
    """Calls that were answered with something else than a stream."""

    def begin(self) -> None:
        """Measure from now on; of what was seen before, first sounds and what went wrong are kept."""
        for one in (self.to_model, self.to_phone, self.clears):
            del one[:]
        self.is_measuring = True

    def forget(self) -> None:
        """Count from nothing again."""
        del self.first_audio[:]
        self.lost = self.strange = self.dropped = self.uncleared = self.refused = 0


@define(eq=False)
class Sequence:
    """Frames of one sender that should come one after the other."""

    owner: int
    seen: Seen
    expected: int = 0

    def came(self, owner: int, number: int) -> None:
        """Count what is missing before a frame, and frames that should not be here."""
        if owner != self.owner or number < self.expected:
            self.seen.strange += 1
            return
        self.seen.lost += number - self.expected
        self.expected = number + 1
