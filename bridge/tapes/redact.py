"""Taking what must not be kept out of a tape's lines: audio, one-time tokens. Pure."""

from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from typing import Any, Final

import msgspec

from bridge.heart.audio import SILENCE
from bridge.tapes.tape import Line


def silenced(line: Line) -> Line:
    """Return a media or audio line with silence of the same length in place of what was said."""
    message = line.message
    if not message:
        return line
    if isinstance(message.get("media"), dict):
        message["media"]["payload"] = _silent(message["media"].get("payload"))
    elif "delta" in message:
        message["delta"] = _silent(message["delta"])
    return msgspec.structs.replace(line, msg=msgspec.Raw(msgspec.json.encode(message)))


def without_sound(line: bytes, audio: bytes) -> bytes | None:
    """Return a line, as it stands on the tape, whose message was understood as this sound, with silence in its place.

    Nothing is read again for it: a call has fifty such lines a second. None when the sound is not found there exactly
    once; it may be written with escapes.
    """
    sound = b'"%s"' % b2a_base64(audio, newline=False)
    first = sound[:FEW_BYTES]
    begin = line.find(first)
    end = begin + len(sound)
    if line[begin:end] != sound or line.find(first, end) >= 0:
        return None
    return line[:begin] + _silence(len(audio)) + line[end:]


@lru_cache(maxsize=64)
def _silence(size: int) -> bytes:
    return b'"%s"' % b2a_base64(SILENCE * size, newline=False)


def soundless(line: Line) -> Line:
    """Return what a peer said with no sound left in it, wherever its message may keep one; else the line itself.

    Slower than `silenced` and stricter: for tapes that are rewritten because sound must not be there any more.
    """
    if line.binary is not None:
        return msgspec.structs.replace(line, binary=bytes(len(line.binary)))  # nobody knows what is in it
    if not line.msg or not line.is_input:
        return line
    message = msgspec.json.decode(line.msg)
    quiet = _quiet(message)
    return (
        line
        if quiet == message
        else msgspec.structs.replace(line, msg=msgspec.Raw(msgspec.json.encode(quiet)))
    )


SOUND_FIELDS: Final = frozenset({"payload", "audio"})
"""Where both protocols keep sound, but for the model's deltas; a text there that is no base64 is none we know."""


def _quiet(value: Any) -> Any:
    if isinstance(value, list):
        return [_quiet(part) for part in value]
    if not isinstance(value, dict):
        return value
    sounds = SOUND_FIELDS | {"delta"} if str(value.get("type")).endswith("audio.delta") else SOUND_FIELDS
    return {
        name: _silent(part) if name in sounds and isinstance(part, str) else _quiet(part)
        for name, part in value.items()
    }


def _silent(payload: object) -> str:
    """Return base64 µ-law silence of the same length; what can't be decoded stays a fault, and says nothing."""
    try:
        size = len(a2b_base64(payload, strict_mode=True)) if isinstance(payload, str) else -1
    except ValueError:
        size = -1
    return b2a_base64(SILENCE * size, newline=False).decode("ascii") if size >= 0 else NO_BASE64


FEW_BYTES: Final = 16
"""To look for: for the whole of a frame Python prepares itself longer than it then looks (2.4 µs in place of 0.1)."""

NO_BASE64: Final = "="


def without(text: str, token: str) -> str:
    """Return a message's text with a one-time token taken out."""
    return text.replace(token, "[one-time token]") if token else text
