"""Taking what must not be kept out of a tape's lines: audio, one-time tokens. Pure."""

import msgspec

from bridge.tape import Line


def silenced(line: Line) -> Line:
    """Return a media or audio line with silence of the same length in place of what was said."""
    if not line.msg:
        return line
    message = msgspec.json.decode(line.msg)
    if "media" in message and isinstance(message["media"], dict):
        message["media"]["payload"] = _silent(message["media"].get("payload"))
    elif "delta" in message:
        message["delta"] = _silent(message["delta"])
    return msgspec.structs.replace(line, msg=msgspec.Raw(msgspec.json.encode(message)))


def _silent(payload: object) -> str:
    """Return base64 µ-law silence as long as this base64 text; `////` is three bytes of 0xFF."""
    text = payload if isinstance(payload, str) else ""
    padding = "=" * (len(text) - len(text.rstrip("=")))
    body = "/" * (len(text) - len(padding))
    if padding == "==":
        body = body[:-1] + "w"  # the last digit before padding carries 2 or 4 bits: the others must be zero
    elif padding == "=":
        body = body[:-1] + "8"
    return body + padding


def without(text: str, token: str) -> str:
    """Return a message's text with a one-time token taken out."""
    return text.replace(token, "[one-time token]") if token else text
