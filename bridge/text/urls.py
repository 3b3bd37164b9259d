"""Addresses as people write them: what one must be that it is not, and which two are the same; pure."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

PORTS: Final = {"https": 443, "wss": 443}
HTTP: Final = 80
MARKS: Final = {
    "@": "a URL without user, password or @",
    "?": "a URL without a query",
    "#": "a URL without a fragment, which is what follows #",
}
"""What a plain URL has none of, in the order in which it is told: of a password first."""


def cure_of(value: object, schemes: Sequence[str]) -> str:
    """Return what a URL must be that this is not, without a word of it; nothing for one that can be used.

    It completes the sentence "use …".
    """
    if not isinstance(value, str):
        return "a URL in quotes"
    if not value:
        return "a URL"
    if re.search(r"\s", value):  # before it is split, which would pass over some of it
        return "a URL without spaces or line breaks"
    if found := next((mark for mark in MARKS if mark in value), ""):
        return MARKS[found]
    try:
        parts = urlsplit(value)
    except ValueError:
        return "a host that can be read ([ and ] stand round an IPv6 address alone)"
    return _cure_of_parts(parts, schemes)


def _cure_of_parts(parts: SplitResult, schemes: Sequence[str]) -> str:
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    if parts.scheme not in schemes:
        return f"a URL that begins with {wanted}"
    if not parts.hostname:
        return f"a host behind {parts.scheme}://"
    return "" if _has_port(parts) else "a port from 1 to 65535, or none"


def _has_port(parts: SplitResult) -> bool:
    """Say whether the port is one, or left out."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, as they are the same however it is written; nothing where it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, HTTP)
        return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname else ""
    except ValueError:
        return ""


def same_as(url: str) -> str:
    """Return what an address has in common with every other way to write it."""
    origin = origin_of(url)
    return f"{origin}{urlsplit(url).path.rstrip('/')}" if origin else url
