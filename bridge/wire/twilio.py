"""Twilio's side of the wire: Media Streams messages. Pure: it opens no socket.

What Twilio is to do next is in `twiml`, what it signs in `signatures`; neither is loaded here: they bring Twilio's
library, and whoever reads a tape needs none of it.

Message shapes: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from typing import Annotated, Any, Final, Literal

import msgspec

from bridge.heart.effects import ClearPlayback, PlayAudio, SendMark, ToPhone
from bridge.heart.events import (
    CallerSpoke,
    Event,
    KeyPressed,
    MarkReached,
    MessageBroken,
    MessageUnknown,
    StreamConnected,
    StreamStarted,
    StreamStopped,
)
from bridge.heart.keys import HIDDEN
from bridge.text.nesting import is_too_deep
from bridge.text.quoted import quoted
from bridge.text.validity import valid_json

LEG: Final = "twilio"
TOKEN_PARAMETER: Final = "token"
MOST_CHARACTERS: Final = 64 * 2**10
"""Of a message that is parsed. Twilio's are some hundred, a `start` some thousand; to parse one of millions would hold
up every other call for a third of a second."""

TOO_LONG: Final = "longer than any"

DIGITS: Final = frozenset(f"0123456789*#ABCD{HIDDEN}")


class Frame(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What `media` has."""

    chunk: str
    payload: Annotated[bytes, msgspec.Meta(min_length=1)]
    track: str = ""
    timestamp: str = ""


class _Media(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """A frame of the caller's with what Twilio documents, as nearly every message is: fifty a second in every call.

    Its sound is decoded where it stands, and nothing else fits: what does is no JSON that is nested too deeply.
    """

    event: Literal["media"]
    stream_sid: Annotated[str, msgspec.Meta(min_length=1)]
    media: Frame
    sequence_number: str = ""


_decode = msgspec.json.Decoder().decode
_decode_media = msgspec.json.Decoder(_Media).decode

# ---------------------------------------------------------------- messages


def parse(text: str | bytes | msgspec.Raw) -> Event:
    """Return what a WebSocket message from Twilio says; a message that can't be used is an event too.

    A message of a tape comes as `Raw`: it was parsed before.
    """
    if isinstance(text, bytes):
        return MessageBroken(LEG, "binary frame")
    if isinstance(text, str) and len(text) > MOST_CHARACTERS:
        return MessageBroken(LEG, TOO_LONG)
    try:
        media = _decode_media(text)
        return CallerSpoke(media.stream_sid, int(media.media.chunk), media.media.payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
        return _other_event(text)


def _other_event(text: str | msgspec.Raw) -> Event:
    """Return what any message says, a frame with something else in it too."""
    if isinstance(text, str) and is_too_deep(text):
        return MessageBroken(LEG, "not JSON")
    try:
        message = _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return MessageBroken(LEG, "not JSON")
    kind = message.get("event") if isinstance(message, dict) else None
    if not isinstance(kind, str):
        return MessageBroken(LEG, "no event field")
    try:
        return _event_of(kind, message)
    except (KeyError, TypeError, ValueError, AttributeError):
        return MessageBroken(LEG, f"{kind[:20]} with missing or wrong fields")


def _event_of(kind: str, message: dict[str, Any]) -> Event:
    match kind:
        case "media":
            media = message["media"]
            return CallerSpoke(_sid(message), int(media["chunk"]), _audio(media["payload"]))
        case "mark":
            return MarkReached(_sid(message), _text(message["mark"]["name"]))
        case "connected":
            return StreamConnected()
        case "start":
            return _started(message)
        case "dtmf":
            return KeyPressed(_sid(message), _digit(message["dtmf"]["digit"]))
        case "stop":
            return StreamStopped(_sid(message))
        case _:
            return MessageUnknown(LEG, kind[:40])


def _started(message: dict[str, Any]) -> StreamStarted:
    start = message["start"]
    media_format = start["mediaFormat"]
    return StreamStarted(
        stream_sid=_sid(message),
        call_sid=_text(start["callSid"]),
        encoding=_text(media_format["encoding"]),
        sample_rate=int(media_format["sampleRate"]),
        channels=int(media_format["channels"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _sid(message: dict[str, Any]) -> str:
    return _text(message["streamSid"])


def _digit(value: Any) -> str:
    if value not in DIGITS:
        raise ValueError
    return str(value)


def _audio(payload: str) -> bytes:
    try:
        audio = a2b_base64(payload, strict_mode=True)
    except Base64Error:
        raise ValueError from None
    if not audio:
        raise ValueError
    return audio


def encode(effect: ToPhone) -> str:
    """Return the WebSocket message that carries an effect out at Twilio."""
    sid = quoted(effect.stream_sid)
    match effect:
        case PlayAudio():
            payload = b2a_base64(effect.audio, newline=False).decode("ascii")
            return f'{{"event":"media","streamSid":{sid},"media":{{"payload":"{payload}"}}}}'
        case SendMark():
            return f'{{"event":"mark","streamSid":{sid},"mark":{{"name":{quoted(effect.name)}}}}}'
        case ClearPlayback():
            return f'{{"event":"clear","streamSid":{sid}}}'


class _StartBody(msgspec.Struct, rename="camel"):
    account_sid: str
    call_sid: str
    custom_parameters: dict[str, str] = {}


class _Start(msgspec.Struct):
    event: str
    start: _StartBody


def credentials_of(text: str) -> tuple[str, str, str] | None:
    """Return (CallSid, AccountSid, token) of a `start` message, or None when it is no usable `start`."""
    try:
        message = msgspec.json.decode(valid_json(text), type=_Start)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if message.event != "start":
        return None
    body = message.start
    return body.call_sid, body.account_sid, body.custom_parameters.get(TOKEN_PARAMETER, "")


def websocket_url(public_url: str) -> str:
    """Return the public URL with the scheme of its media sockets."""
    return public_url.replace("http", "ws", 1)
