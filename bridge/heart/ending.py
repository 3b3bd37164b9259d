"""How the model ends a call: the one built-in tool, its reason, and what it reads if that was too soon. Pure."""

from typing import Final

import msgspec

HANG_UP: Final = "hang_up"
"""The one built-in tool: it ends the call once its last words were heard."""

STILL_TALKING: Final = '{"status": "not hung up: the caller went on talking"}'

_decode = msgspec.json.Decoder().decode


def reason_of(arguments: str) -> str:
    """Return the reason in the arguments of `hang_up`, or a plain word when there is none."""
    try:
        reason = _decode(arguments).get("reason")
    except (msgspec.DecodeError, UnicodeError, AttributeError, RecursionError):
        reason = None
    return reason[:200] if isinstance(reason, str) and reason else "the agent hung up"
