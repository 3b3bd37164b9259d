"""Signatures as Twilio makes them. This is the signing side only: the bridge checks with Twilio's own
validator, so that two implementations meet in every call."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

Params = Mapping[str, str] | Iterable[tuple[str, str]]


def sign(url: str, params: Params, token: str) -> str:
    """The X-Twilio-Signature of a request: base64 of HMAC-SHA1 over the URL and its form parameters."""
    pairs = params.items() if isinstance(params, Mapping) else params
    # A name that comes twice with the same value is signed once, as Twilio's validators compute it.
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


def signed_url(url: str) -> str:
    """The URL that Twilio puts under a signature: no fragment; over TLS no port and no user either."""
    parts = urlsplit(url)
    host = parts.netloc if parts.scheme in ("http", "ws") else _bare_host(parts.netloc)
    return urlunsplit(parts._replace(netloc=host, fragment=""))


def _bare_host(netloc: str) -> str:
    host = netloc.rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
