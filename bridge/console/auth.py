"""Who may look: whoever has the admin token, was signed in with it, or is named by a proxy that is trusted to say so.

What is signed is signed with a key made of the token, so another token ends all of it. Nothing is kept but the links
that were used.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec
from attrs import define, field, frozen

from bridge.settings.admin import Admin, Console

if TYPE_CHECKING:  # whoever only makes a link serves no pages
    from werkzeug.datastructures import Headers

COOKIE: Final = "bridge_console"
SESSION_SECONDS: Final = 12 * 3600
LINK_SECONDS: Final = 120
"""How long a link that signs somebody in is worth something; it is opened at once, and once."""

MOST_USED: Final = 1000
MOST_NAME: Final = 60
SESSION, LINK = "session", "link"
BEARER, SIGNED_IN, PROXY = "bearer", "signed in", "proxy"


@frozen
class Visitor:
    """Who looks, and how they were let in."""

    who: str
    way: str

    @property
    def is_browser(self) -> bool:
        """Say whether a page of somebody else could have this request made in their name."""
        return self.way != BEARER


class _Signed(msgspec.Struct, array_like=True):
    purpose: str
    who: str
    until: int
    nonce: str


def signed(token: str, purpose: str, who: str, until: float) -> str:
    """Return a text that says who may look until when, and that nobody without the token can make."""
    nonce = secrets.token_urlsafe(12)
    data = msgspec.json.encode(_Signed(purpose, name_of(who), int(until), nonce))
    return f"{_text(data)}.{_text(_mac(token, data))}"


def read_signed(token: str, purpose: str, text: str, now: float) -> _Signed | None:
    """Return what such a text says, if it was made with this token and is still worth something."""
    data_text, _, mac_text = text[:1000].partition(".")
    try:
        data, mac = _bytes(data_text), _bytes(mac_text)
    except ValueError:
        return None
    if not token or not hmac.compare_digest(mac, _mac(token, data)):
        return None
    said = msgspec.json.decode(data, type=_Signed)
    return said if said.purpose == purpose and now < said.until else None


def _mac(token: str, data: bytes) -> bytes:
    return blake2b(data, key=blake2b(token.encode()).digest(), person=b"bridge-console").digest()


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii", "replace") + b"=" * (-len(text) % 4))


def name_of(who: str) -> str:
    """Return a name as it may stand on a tape and on a page: short, on one line, seen as it is."""
    return "".join(char for char in who if char.isprintable()).strip()[:MOST_NAME] or "somebody"


@define
class Links:
    """The links that were used, until they are worth nothing any more."""

    _used: dict[str, int] = field(factory=dict)

    def use(self, token: str, text: str, now: float) -> str | None:
        """Return whom a link signs in, the first time."""
        said = read_signed(token, LINK, text, now)
        self._used = {nonce: until for nonce, until in self._used.items() if now < until}
        if said is None or said.nonce in self._used or len(self._used) >= MOST_USED:
            return None
        self._used[said.nonce] = said.until
        return said.who


def login_link(token: str, address: str, who: str, until: float) -> str:
    """Return an address that signs somebody in, once."""
    return f"{address}/login?link={signed(token, LINK, who, until)}"


# ---------------------------------------------------------------- who asks, and from where


def visitor(
    console: Console, token: str, *, authorization: list[str], cookie: str, header: str, now: float
) -> Visitor | None:
    """Return who asks, or None: they have to sign in."""
    named = name_of(header) if console.user_header and header.strip() else ""
    if has_token(authorization, token):
        return Visitor(named or "token", PROXY if named else BEARER)
    if (said := read_signed(token, SESSION, cookie, now)) is not None:
        return Visitor(said.who, SIGNED_IN)
    if named and not token:
        return Visitor(named, PROXY)
    return None


def has_token(given: list[str], token: str) -> bool:
    """Say whether the one Authorization header has the token, in a time that tells nothing about it."""
    wanted = f"Bearer {token}".encode()
    return (
        bool(token) and len(given) == 1 and hmac.compare_digest(given[0].encode("utf-8", "replace"), wanted)
    )


def may_act(visitor: Visitor, admin: Admin, console: Console, headers: "Headers") -> bool:
    """Say whether a request that does something was made by a page of ours, which browsers tell."""
    if not visitor.is_browser:
        return True
    origin, host = headers.get("Origin", ""), headers.get("Host", "")
    if headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    own = {f"http://{host}", f"https://{host}", *([_origin(console.url)] if console.url else [])}
    return origin in own and admin.answers_to(host)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
