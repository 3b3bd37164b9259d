"""Signatures as Twilio makes them. This is the signing side only: the bridge checks with Twilio's own
validator, so that two implementations meet in every call."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

import attrs

from replay.phone.script import Account, SignedBy

Params = Mapping[str, str] | Iterable[tuple[str, str]]


@attrs.frozen
class Signed:
    """What a signature was made over, and how it was told: all that somebody needs who computes it once more."""

    url: str
    parameters: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    @property
    def lines(self) -> list[str]:
        """Return it in words, a line each."""
        form = [f"  {name} = {value!r}" for name, value in sorted(self.parameters)]
        told = [f"  {name}: {value}" for name, value in self.headers.items()]
        return [f"signed: {self.url}", "with these parameters, sorted by name:" if form else "and no parameters", *form,
                "told in:" if told else "told in no header", *told]  # fmt: skip


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


def signature_headers(
    account: Account, url: str, params: Params = (), *, by: SignedBy = "shared_key", is_even: bool = True
) -> dict[str, str]:
    """The headers with which an account signs: by its shared key if it has one and `by` doesn't say otherwise.

    Of mixed traffic every other request is signed by the token.
    """
    key = account.shared_key
    if key is None or by == "token" or (by == "mixed" and is_even):
        return {"X-Twilio-Signature": sign(url, params, account.auth_token)}
    key_id = "SK" + "0" * 32 if by == "unknown_key" else key.key_id
    return signed_by_key(url, params, key_id, key.secret, key.algorithm)


def signed_url(url: str) -> str:
    """The URL that Twilio puts under a signature: no fragment; over TLS no port and no user either."""
    parts = urlsplit(url)
    host = parts.netloc if parts.scheme in ("http", "ws") else _bare_host(parts.netloc)
    return urlunsplit(parts._replace(netloc=host, fragment=""))


def _bare_host(netloc: str) -> str:
    host = netloc.rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
