"""Twilio's signatures of requests and upgrades, computed by Twilio's own library. Pure.

How they are made: https://www.twilio.com/docs/usage/webhooks/webhooks-security. With a shared key it is the same
text under another secret, and maybe another hash: https://www.twilio.com/docs/usage/webhooks/webhooks-shared-keys
"""

import hmac
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen
from twilio.request_validator import RequestValidator  # ships no types
from werkzeug.datastructures import MultiDict

from bridge.checks import SHA1, SharedKey
from bridge.config import Secrets, Settings

SIGNATURE: Final = "X-Twilio-Signature"
SETTINGS: Final = "X-Twilio-Webhooks-Signature-Settings"
"""Beside a signature that was made with a shared key: which one, and by which algorithm."""


@frozen
class Proof:
    """What came with a request to prove that it is Twilio's; `settings` is empty where an auth token signed."""

    signature: str = ""
    settings: str = ""


@frozen
class Signers:
    """Who may have signed: auth tokens, and shared keys by their ids."""

    tokens: Sequence[str] = field(default=(), repr=False)
    keys: Sequence[SharedKey] = ()

    def secrets_for(self, proof: Proof) -> Iterator[tuple[str, str]]:
        """Yield each secret that may have signed, with its algorithm: the key's own, whatever the request says."""
        if not proof.settings:
            yield from ((token, SHA1) for token in self.tokens)
        named = _named_in(proof.settings)
        yield from ((key.secret, key.algorithm) for key in self.keys if (key.key_id, key.algorithm) == named)

    def know(self, proof: Proof) -> bool:
        """Say whether one of them is whom this proof names."""
        return any(True for _ in self.secrets_for(proof))

    def one_by_one(self) -> list["Signers"]:
        """Return each of them alone."""
        return [*(Signers((token,)) for token in self.tokens), *(Signers((), (key,)) for key in self.keys)]


def signers_of(settings: Settings, secrets: Secrets, *, upgrade: bool = False) -> Signers:
    """Return who may sign requests, or upgrades; auth tokens as far as the configuration says."""
    accepted = ("everything", "upgrades") if upgrade else ("everything",)
    has_say = settings.twilio.auth_token_signs in accepted
    return Signers(secrets.auth_tokens if has_say else (), secrets.shared_keys)


def _named_in(settings: str) -> tuple[str, str] | None:
    """Return the key and the algorithm that a header names; None when it doesn't name exactly one of each."""
    words = [part.strip().partition("=") for part in settings.split(",")]
    said = {name: value for name, _, value in words}
    if len(words) != 2 or said.keys() != {"key", "algorithm"}:
        return None
    return said["key"], said["algorithm"].upper()


def proof_of(signatures: Sequence[str], settings: Sequence[str]) -> Proof:
    """Return what the headers of a request prove; of two nobody can tell which one was checked on the way here."""
    if len(signatures) != 1 or len(settings) > 1:
        return Proof()
    return Proof(signatures[0], settings[0].strip() if settings else "")


def sign(token: str, url: str, form: Sequence[tuple[str, str]] = ()) -> str:
    """Return the signature Twilio would send with a request for this URL."""
    return str(RequestValidator(token).compute_signature(url, MultiDict(form)))


def proven(signers: Signers, url: str, form: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """Return the headers with which the first of these would have a request let in; none if there is nobody."""
    for token in signers.tokens[:1]:
        return {SIGNATURE: sign(token, url, form)}
    for key in signers.keys[:1]:
        signed = RequestValidator(key.secret).compute_signature(url, MultiDict(form), key.algorithm)
        return {SIGNATURE: str(signed), SETTINGS: f"key={key.key_id},algorithm={key.algorithm}"}
    return {}


def request_is_signed(signers: Signers, url: str, form: Sequence[tuple[str, str]], proof: Proof) -> bool:
    """Say whether an ordinary request was signed by one of these, over `url` and every form pair."""
    return _is_signed(signers, _with_and_without_port(url), MultiDict(form), proof)


def upgrade_is_signed(signers: Signers, url: str, proof: Proof) -> bool:
    """Say whether a WebSocket upgrade was signed over its `wss://` URL, with or without a trailing slash."""
    bare = url.rstrip("/")
    urls = [form for slash in (bare, bare + "/") for form in _with_and_without_port(slash)]
    return _is_signed(signers, urls, {}, proof)


def _is_signed(signers: Signers, urls: Sequence[str], form: Mapping[str, str], proof: Proof) -> bool:
    """Compare with every candidate, whatever the first ones give, in constant time."""
    given = proof.signature.encode("utf-8", "replace")
    wanted = [
        RequestValidator(secret).compute_signature(url, form, algorithm)
        for secret, algorithm in signers.secrets_for(proof)
        for url in urls
    ]
    return any([hmac.compare_digest(one.encode(), given) for one in wanted])  # noqa: C419 - all are compared


def _with_and_without_port(url: str) -> list[str]:
    """Twilio drops the port of https and wss URLs before it signs, and keeps that of http ones."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    name = host if parts.port is None else host[: -len(f":{parts.port}")]
    default = 443 if parts.scheme in ("https", "wss") else 80
    hosts = dict.fromkeys([host, name, f"{name}:{parts.port or default}"])
    return [parts._replace(netloc=one).geturl() for one in hosts]
