"""Signatures as Twilio makes them. This is the signing side only: the bridge checks with Twilio's own
validator, so that two implementations meet in every call."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

Params = Mapping[str, str] | Iterable[tuple[str, str]]

SETTINGS = "X-Twilio-Webhooks-Signature-Settings"
_HASHES = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}


def sign(url: str, params: Params, token: str) -> str:
    """The X-Twilio-Signature of a request: base64 of HMAC-SHA1 over the URL and its form parameters."""
    digest = hmac.digest(token.encode(), _signed_text(url, params).encode(), hashlib.sha1)
    return base64.b64encode(digest).decode()


def signed_by_key(
    url: str, params: Params, key_id: str, secret: str, algorithm: str = "HMAC_SHA256"
) -> dict[str, str]:
    """The headers of a request that Twilio signs with a shared key: the same text, another secret and hash."""
    digest = hmac.digest(secret.encode(), _signed_text(url, params).encode(), _HASHES[algorithm])
    signature = base64.b64encode(digest).decode()
    return {"X-Twilio-Signature": signature, SETTINGS: f"key={key_id},algorithm={algorithm}"}


def _signed_text(url: str, params: Params) -> str:
    pairs = params.items() if isinstance(params, Mapping) else params
    # A name that comes twice with the same value is signed once, as Twilio's validators compute it.
    return url + "".join(name + value for name, value in sorted(set(pairs)))


def signed_url(url: str) -> str:
    """The URL that Twilio puts under a signature: no fragment; over TLS no port and no user either."""
    parts = urlsplit(url)
    host = parts.netloc if parts.scheme in ("http", "ws") else _bare_host(parts.netloc)
    return urlunsplit(parts._replace(netloc=host, fragment=""))


def _bare_host(netloc: str) -> str:
    host = netloc.rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
