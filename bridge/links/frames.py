"""A fast lane for whole text frames beside the sans-I/O core of `websockets`, which keeps everything else.

Nearly all that comes and goes in a call are text frames in one piece. The core reads and writes one by a generator, a
frame object and checks that these need not: three times the work.
"""

import os
import struct
from collections.abc import Callable
from typing import Final

from attrs import Factory, define, field
from websockets.frames import CloseCode
from websockets.protocol import SERVER
from websockets.protocol import Protocol as Core

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

WHOLE_TEXT: Final = 0x81
"""The first byte of a text frame in one piece: the last of its message, no reserved bit, opcode 1."""

OPCODES: Final = frozenset((0, 1, 2, 8, 9, 10))
SHORT: Final = struct.Struct(">BBH")
LONG: Final = struct.Struct(">BBQ")

MASKS_AT_ONCE: Final = 256
"""A frame's mask comes from the system's randomness, as RFC 6455, 10.3 asks; a system call for each would cost as much
as the masking."""


@define(eq=False)
class FrameReader:
    """Reads text frames itself and has the core read all others, in order.

    The core is only given whole frames, or the beginning of one and then its end: between frames both know the same.
    """

    _core: Core
    _hear: Callable[[str], None]
    _hear_core: Callable[[], None]
    """Called when the core may have read something."""
    _rest: bytearray = field(factory=bytearray)
    _needed_bytes: int = 0
    """Before it makes sense to look at `_rest` again."""
    _owed_bytes: int = 0
    """The core has the beginning of a frame; so many bytes of it are to come."""
    has_ended: bool = False
    """Nothing that comes means anything any more: the peer has said goodbye, or broke the rules."""
    is_answering: bool = False
    """The core was given something since this was last made false, and may want to say something."""
    _mask_bit: int = field(
        init=False, default=Factory(lambda it: int(it._core.side is SERVER), takes_self=True)
    )

    def take(self, data: bytes) -> None:
        """Read what has come."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed_bytes:
                return
            data = bytes(self._rest)
            self._rest.clear()
        at = 0
        while at < len(data) and not self.has_ended:
            if self._owed_bytes:
                at = self._pass_on(data, at, at + self._owed_bytes)
                continue
            begin, stop = _extent(data, at)
            is_ours = begin > 0 and self._is_ours(data, at, stop - begin)
            if is_ours and stop <= len(data):
                self._read(data, begin, stop)
                at = stop
            elif is_ours or (not begin and self._may_be_right(data, at)):
                self._rest += data[at:]
                self._needed_bytes = stop - at
                return
            else:
                at = self._pass_on(data, at, stop if begin else len(data))

    def end(self) -> None:
        """Have the core see the end, and what was kept before it."""
        if self._rest and not self.has_ended:
            self._core.receive_data(bytes(self._rest))
        self._core.receive_eof()
        self._has_told_core()

    def _is_ours(self, data: bytes, at: int, size_bytes: int) -> bool:
        core = self._core
        return (
            data[at] == WHOLE_TEXT
            and data[at + 1] >> 7 == self._mask_bit
            and core.current_size is None
            and (core.max_message_size is None or size_bytes <= core.max_message_size)
        )

    def _may_be_right(self, data: bytes, at: int) -> bool:
        """Say whether the core could only wait for the rest of this head, too."""
        return len(data) - at < 2 or (data[at] & 15 in OPCODES and data[at + 1] >> 7 == self._mask_bit)

    def _read(self, data: bytes, begin: int, stop: int) -> None:
        payload = data[begin:stop]
        if self._mask_bit:
            payload = apply_mask(payload, data[begin - 4 : begin])
        if (text := decoded(self._core, payload)) is not None:
            self._hear(text)
        else:
            self._has_told_core()

    def _pass_on(self, data: bytes, at: int, stop: int) -> int:
        """Give the core a frame, or as much of it as is here; return where the next one begins."""
        self._core.receive_data(data[at:stop])
        self._owed_bytes = max(0, stop - len(data))
        self._has_told_core()
        return min(stop, len(data))

    def _has_told_core(self) -> None:
        """Hear what it has read, and look whether that was the end; between its frames nothing of it changes."""
        self.is_answering = True
        self._hear_core()
        self.has_ended = self._core.close_rcvd is not None or self._core.parser_exc is not None


def decoded(core: Core, payload: bytes) -> str | None:
    """Return a text; None for what is none, which ends the connection with 1007 as RFC 6455, 8.1 asks."""
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        core.fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
        core.parser_exc = error
        return None


def _extent(data: bytes, at: int) -> tuple[int, int]:
    """Return where a frame's payload begins and ends; of a head that is not all here, 0 and where it ends at least."""
    here = len(data) - at
    if here < 2:
        return 0, at + 2
    begin, size = at + 2, data[at + 1] & 127
    if size == 126:
        begin += 2
        if here < 4:
            return 0, begin
        size = data[at + 2] << 8 | data[at + 3]
    elif size == 127:
        begin += 8
        if here < 10:
            return 0, begin
        size = int.from_bytes(data[at + 2 : begin])
    begin += data[at + 1] >> 7 << 2
    return begin, begin + size


# ---------------------------------------------------------------- writing


@define(eq=False)
class FrameWriter:
    """Writes text frames in one piece, masked as a client must."""

    _is_client: bool
    _masks: bytes = b""
    _used_bytes: int = 0

    def text(self, message: str) -> bytes:
        """Return the frame of a message."""
        payload = message.encode("utf-8")
        if not self._is_client:
            return _head(len(payload), 0) + payload
        if self._used_bytes >= len(self._masks):
            self._masks, self._used_bytes = os.urandom(4 * MASKS_AT_ONCE), 0
        mask = self._masks[self._used_bytes : self._used_bytes + 4]
        self._used_bytes += 4
        return _head(len(payload), 128) + mask + apply_mask(payload, mask)


def _head(size: int, mask_bit: int) -> bytes:
    if size < 126:
        return bytes((WHOLE_TEXT, mask_bit | size))
    if size < 2**16:
        return SHORT.pack(WHOLE_TEXT, mask_bit | 126, size)
    return LONG.pack(WHOLE_TEXT, mask_bit | 127, size)
