"""Twilio's side of the wire: Media Streams messages and signatures. Pure: it opens no socket. TwiML is in `twiml.py`.

Message shapes: https://www.twilio.com/docs/voice/media-streams/websocket-messages
Signatures: https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

import hmac
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # ships no types
from werkzeug.datastructures import MultiDict

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
from bridge.text.validity import valid_json

LEG: Final = "twilio"
TOKEN_PARAMETER: Final = "token"
MOST_CHARACTERS: Final = 64 * 2**10
"""Of a message that is parsed. Twilio's are some hundred, a `start` some thousand; to parse one of millions would hold
up every other call for a third of a second."""

TOO_LONG: Final = "longer than any"

DIGITS: Final = frozenset(f"0123456789*#ABCD{HIDDEN}")
_decode = msgspec.json.Decoder().decode

# ---------------------------------------------------------------- messages


def parse(text: str | bytes | msgspec.Raw) -> Event:
    """Return what a WebSocket message from Twilio says; a message that can't be used is an event too.

    A message of a tape comes as `Raw`: it was parsed before.
    """
    if isinstance(text, bytes):
        return MessageBroken(LEG, "binary frame")
    if isinstance(text, str) and len(text) > MOST_CHARACTERS:
        return MessageBroken(LEG, TOO_LONG)
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
    message: dict[str, Any]
    match effect:
        case PlayAudio():
            payload = b2a_base64(effect.audio, newline=False).decode("ascii")
            message = {"event": "media", "streamSid": effect.stream_sid, "media": {"payload": payload}}
        case SendMark():
            message = {"event": "mark", "streamSid": effect.stream_sid, "mark": {"name": effect.name}}
        case ClearPlayback():
            message = {"event": "clear", "streamSid": effect.stream_sid}
    return msgspec.json.encode(message).decode("utf-8")


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


# ---------------------------------------------------------------- signatures


def websocket_url(public_url: str) -> str:
    """Return the public URL with the scheme of its media sockets."""
    return public_url.replace("http", "ws", 1)


def sign(token: str, url: str, form: Sequence[tuple[str, str]] = ()) -> str:
    """Return the signature Twilio would send with a request for this URL."""
    return str(RequestValidator(token).compute_signature(url, MultiDict(form)))


def request_is_signed(
    tokens: Iterable[str], url: str, form: Sequence[tuple[str, str]], signature: str | None
) -> bool:
    """Say whether an ordinary request was signed by one of `tokens`, over `url` and every form pair."""
    return _is_signed(tokens, _with_and_without_port(url), MultiDict(form), signature)


def upgrade_is_signed(tokens: Iterable[str], url: str, signature: str | None) -> bool:
    """Say whether a WebSocket upgrade was signed over its `wss://` URL, with or without a trailing slash."""
    bare = url.rstrip("/")
    urls = [form for slash in (bare, bare + "/") for form in _with_and_without_port(slash)]
    return _is_signed(tokens, urls, {}, signature)


def _is_signed(
    tokens: Iterable[str], urls: Sequence[str], form: Mapping[str, str], signature: str | None
) -> bool:
    """Compare with every candidate, whatever the first ones give, in constant time."""
    given = (signature or "").encode("utf-8", "replace")
    wanted = [RequestValidator(token).compute_signature(url, form) for token in tokens for url in urls]
    return any([hmac.compare_digest(one.encode(), given) for one in wanted])  # noqa: C419 - all are compared


def _with_and_without_port(url: str) -> list[str]:
    """Twilio drops the port of https and wss URLs before it signs, and keeps that of http ones."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    name = host if parts.port is None else host[: -len(f":{parts.port}")]
    default = 443 if parts.scheme in ("https", "wss") else 80
    hosts = dict.fromkeys([host, name, f"{name}:{parts.port or default}"])
    return [parts._replace(netloc=one).geturl() for one in hosts]
