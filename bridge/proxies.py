"""Which proxy is on the way to an address: the configuration's, else the environment's, as curl reads it. Pure."""

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

FROM_ENVIRONMENT: Final = ""
NONE: Final = "none"
SETTING: Final = "[realtime] proxy"
PORTS: Final = {"http": 80, "socks5": 1080, "socks5h": 1080}
"""The kinds there are, and where they listen if nobody says so. With `socks5` alone, names are looked up here."""

SECURE: Final = frozenset({"https", "wss"})


@frozen
class Proxy:
    """A proxy, and who named it; it is shown without the name and password that it may need."""

    scheme: str
    host: str
    port: int
    named_by: str = SETTING
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Return it as it may be shown to anybody."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def words(self) -> tuple[str, ...]:
        """Return what of it must never be shown."""
        return tuple(word for word in (self.username, self.password) if word)


def proxy_for(url: str, setting: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy on the way to a URL, or None. Raises `ValueError` with a sentence when it can't be used.

    What the configuration names is used for whatever address; what the environment names, never for this machine.
    """
    if setting != FROM_ENVIRONMENT:
        return None if setting == NONE else read_proxy(setting, SETTING)
    parts = urlsplit(url)
    is_secure = parts.scheme in SECURE
    host, port = parts.hostname or "", parts.port or (443 if is_secure else 80)
    if is_loopback(host) or _is_excepted(host, port, _named(environment, "no_proxy")[1]):
        return None
    for kind in ("https_proxy" if is_secure else "http_proxy", "all_proxy"):
        name, value = _named(environment, kind)
        if value:
            return read_proxy(value, name)
    return None


def read_proxy(value: str, named_by: str) -> Proxy:
    """Return the proxy that a URL names; one without a scheme is HTTP. Raises `ValueError`, and shows no password."""
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/") or parts.query:
        shown = re.sub(r"(?s)^.*@", "...@", value)[:60]
        raise ValueError(
            f"{named_by} = {shown!r}: use http://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT"
        )
    return Proxy(
        scheme=parts.scheme,
        host=parts.hostname,
        port=PORTS[parts.scheme] if port is None else port,
        named_by=named_by,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _named(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return a variable, in small letters before capitals, with the name it was found under."""
    for spelling in (name, name.upper()):
        if value := environment.get(spelling, "").strip():
            return spelling, value
    return name, ""


def _is_excepted(host: str, port: int, no_proxy: str) -> bool:
    """Say whether NO_PROXY names a host: by `*`, a domain above it, its address or a network; `:port` for that port."""
    return any(_covers(entry.lower(), host, port) for entry in re.split(r"[\s,]+", no_proxy) if entry)


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    wanted = re.fullmatch(r"(\[[^]]*\]|[^:]*):(\d+)", entry)
    if wanted and wanted[2] != str(port):
        return False
    name = (wanted[1] if wanted else entry).strip("[]")
    try:
        return ip_address(host) in ip_network(name, strict=False)
    except ValueError:  # one of them is a name
        domain = name.removeprefix("*").strip(".")
        return bool(domain) and (host.rstrip(".") == domain or host.rstrip(".").endswith(f".{domain}"))
