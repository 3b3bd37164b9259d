"""Twilio's signatures of requests and upgrades, computed by Twilio's own library. Pure.

How they are made: https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # ships no types
from werkzeug.datastructures import MultiDict


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
