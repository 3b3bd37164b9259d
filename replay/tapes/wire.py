"""A tape as a wire log: every message of both sockets in full, all audio restored, for tools that know neither
our tapes nor our references. Pure; lines with no message in them become notes.
"""

from binascii import b2a_base64
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from attrs import define

from bridge.tapes.reader import Tape
from bridge.tapes.restore import Restorer
from bridge.tapes.tape import BRIDGE, MODEL, NOTE, PHONE, SHADOW, Line, decode, encode, event_of

WireLine = dict[str, Any]

AS_THEY_ARE: Final = ("http", "resp", "upgrade", "accept", "close")
"""Fields of a tape's line that a wire log has too."""

PLACED: Final = ("t_ms", "from")


def wire_lines(tape: Tape) -> Iterator[WireLine]:
    """Yield the lines of a tape's wire log; a tape recorded without audio gives silence. Raises `TapeError`."""
    header = tape.header
    exporter = _Exporter(Restorer(header.agent_settings().clips))
    audio = "" if header.has_audio else "; recorded without audio: all of it is silence"
    about = f"call {header.call_id}, agent {header.agent}, model {header.model}, {header.started_at}{audio}"
    yield {"i": 0, "t_ms": 0, "leg": NOTE, "from": BRIDGE, "note": about}
    for number, line in enumerate(map(decode, tape.lines), 1):
        leg, what = exporter.exported(line)
        yield {"i": number, "t_ms": line.t_ms, "leg": leg, "from": line.sender, **what}


@define
class _Exporter:
    """Turns one line after the other into (leg, what is on it)."""

    _audio: Restorer

    def exported(self, line: Line) -> tuple[str, WireLine]:
        """Return where a line belongs in a wire log, and its one field."""
        if line.leg in (PHONE, MODEL, SHADOW):
            message = self._message(line)
            if message is not None:
                return line.leg, {"msg": message}
        self._audio.decided(line)
        for name in AS_THEY_ARE:
            if (value := getattr(line, name)) is not None:
                return line.leg, {name: value}
        return NOTE, {"note": _told(line)}

    def _message(self, line: Line) -> Any:
        """Return the JSON object that a line sent or received, or None when it is not about one."""
        if line.audio is not None:
            return {"event": "media", "streamSid": self._audio.stream_sid,
                    "media": {"payload": _base64(self._audio.played(line))}}  # fmt: skip
        if line.append is not None:
            return {"type": "input_audio_buffer.append", "audio": _base64(self._audio.appended(line))}
        if line.is_input:
            self._audio.learn(event_of(line))
        message = line.message
        if not message:
            return None
        return message


def _base64(audio: bytes) -> str:
    return b2a_base64(audio, newline=False).decode("ascii")


def _told(line: Line) -> str:
    """Return in words what a line without a place in a wire log says."""
    fields = {name: value for name, value in msgspec.json.decode(encode(line)).items() if name not in PLACED}
    return msgspec.json.encode(fields).decode("utf-8")
