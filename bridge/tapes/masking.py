"""What must not be on a tape: a webhook's credentials and, where the configuration asks for it, who called. Pure."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from bridge.heart.keys import hidden
from bridge.wire.twilio_http import AWAY, HUNG_UP

DROPPED_PARAMETERS: Final = frozenset({"CallToken", "StirPassportToken"})
"""Webhook parameters that are credentials, or hold the caller's number where masking can't reach it."""

UNMASKED: Final = frozenset({"ApiVersion", "RecordingUrl"})
NAMES: Final = frozenset({"CallerName"})
"""Left out where numbers are masked: it names the person."""

PRESSED: Final = "Digits"
"""What the caller pressed before Twilio asked."""


def mask(value: str) -> str:
    """Return a phone number with all but its last two digits hidden; anything else as it is."""
    digits = sum(char.isdigit() for char in value)
    if digits < 6:
        return value
    hidden = digits - 2
    masked = []
    for char in value:
        masked.append("x" if char.isdigit() and hidden > 0 else char)
        hidden -= char.isdigit()
    return "".join(masked)


def webhook_form(form: Mapping[str, str], *, masked: bool, keys_masked: bool = False) -> dict[str, str]:
    """Return a webhook's parameters as a tape may keep them."""
    kept = {name: value for name, value in form.items() if name not in DROPPED_PARAMETERS}
    if keys_masked and PRESSED in kept:
        kept[PRESSED] = hidden(kept[PRESSED])
    if not masked:
        return kept
    return {name: value if name in UNMASKED or name.endswith("Sid") else mask(value)
            for name, value in kept.items() if name not in NAMES}  # fmt: skip


WAYS: Final = ("number", "sip", "client", "refer", "caller_id")
"""Settings of a place that may hold somebody's phone number."""


def masked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return an agent's settings as a header keeps them where numbers are masked: those of its places are, too."""
    places = {
        name: {key: mask(value) if key in WAYS else value for key, value in place.items()}
        for name, place in settings["transfer"].items()
    }
    return {**settings, "transfer": places}


NONCE: Final = "n"
"""The part of an address that opens something: it is on no tape."""


def taped_request(
    url: str, form: Mapping[str, str], *, masked: bool, keys_masked: bool = False
) -> dict[str, Any]:
    """Return a request about a call that goes on as its tape keeps it: what opens something is not in it.

    Keys that were asked for off the stream are hidden whatever the agent's setting says; those that the person who
    answers presses decide something, and stay.
    """
    found = AWAY.search(url)
    asked = found[2] if found else ""
    kept = webhook_form(form, masked=masked, keys_masked=keys_masked and asked != "key")
    if asked == "back" and PRESSED in form:
        pressed = form[PRESSED]
        kept[PRESSED] = pressed if pressed == HUNG_UP else hidden(pressed)
    return {"method": "POST", "url": _without_nonce(url), "form": kept}


def _without_nonce(url: str) -> str:
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != NONCE]
    return urlunsplit(parts._replace(query=urlencode(query)))
