"""What is set of those who run the daemon: the address where they look at it, and the console that is served there."""

import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from bridge.checks import HEADER, Wrong, admin_address, flag, hosts, setting, shown, text, url, variable


def user_header(value: Any) -> str:
    """Accept the name of a header, or nothing."""
    if value != "" and not (isinstance(value, str) and HEADER.fullmatch(value)):
        raise Wrong('the name of the header in which your proxy says who it is, such as "X-Forwarded-User"')
    return str(value)


@frozen
class Admin:
    """Where those who run the daemon look at it: metrics, health, live calls. Never the public port."""

    bind: str = setting("", admin_address)
    hosts: tuple[str, ...] = setting((), hosts)
    token_env: str = setting("BRIDGE_ADMIN_TOKEN", variable)
    token_file: str = setting("", text("the path of a file that holds the token", empty=True))

    @property
    def is_local(self) -> bool:
        """Say whether only this machine can connect."""
        host = self.bind.rpartition(":")[0].strip("[]")
        try:
            return self.bind.startswith("unix:") or host == "localhost" or ip_address(host).is_loopback
        except ValueError:  # a name: who knows where it leads
            return False

    def answers_to(self, host: str) -> bool:
        """Say whether a request with this Host header means this address, and no name that was made to point here."""
        if self.bind.startswith("unix:"):  # no browser can be led to a file
            return True
        name = re.sub(r":\d{0,5}$", "", host).strip("[]").lower().removesuffix(".")
        bound = self.bind.rpartition(":")[0].lower()
        return name in ("localhost", bound, *self.hosts) or name.endswith(".localhost") or _is_ip(name)


def _is_ip(name: str) -> bool:
    """Say whether this is an IP address, which leads to one machine whatever anybody's name server says."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@frozen
class Console:
    """The pages for people, at the admin address. Every call that is kept can be read there: it is off by default."""

    on: bool = setting(False, flag)
    url: str = setting("", url("https", "http", example="https://calls.example.com", empty=True))
    user_header: str = setting("", user_header)
    reports: str = setting("", text("a folder; relative ones start at the configuration file", empty=True))

    lab_runs: bool = setting(False, flag)

    def address(self, bind: str) -> str:
        """Return where browsers find it, with the admin address there; nothing for a socket, which no browser opens."""
        is_reached = self.on and bind and not (bind.startswith("unix:") and not self.url)
        return f"{self.url or f'http://{bind}'}/console" if is_reached else ""


def missing_of_admin(admin: Admin, *, has_token: bool) -> list[str]:
    """Return one sentence for each thing that keeps the address from being safe to open."""
    if not admin.bind or has_token:
        return []
    if admin.token_file:
        return [f"no admin token in {admin.token_file}: write one into it, alone on a line"]
    if admin.is_local:
        return []
    return [
        f"no admin token: [admin] bind = {shown('bind', admin.bind)} is open to other machines; set {admin.token_env}, "
        "name a file with [admin] token_file, or bind to 127.0.0.1"
    ]


def missing_of_console(admin: Admin, console: Console, *, has_token: bool) -> list[str]:
    """Return one sentence for each thing that keeps the console from being safe to serve."""
    missing = list[str]()
    if not console.on:
        return missing
    if not admin.bind:
        missing.append('no address for the console: set [admin] bind, such as "127.0.0.1:9090"')
    elif console.user_header and not has_token and not admin.is_local:
        missing.append(
            f"[console] user_header: whoever reaches {admin.bind} could write it; bind to 127.0.0.1 or to unix:/path, "
            f"or set {admin.token_env} and have your proxy send it"
        )
    if console.lab_runs and not console.reports:
        missing.append(
            '[console] lab_runs: runs write into the reports\' folder; name one, such as reports = "reports"'
        )
    host = urlsplit(console.url).hostname or ""
    if host and not admin.answers_to(host):
        missing.append(f'[console] url: requests for {host} are refused: add "{host}" to [admin] hosts')
    if not has_token and not console.user_header:
        missing.append(
            f"no admin token: [console] on = true shows what callers said to whoever has one; set {admin.token_env}, "
            "or name the header in which your proxy says who it is, [console] user_header"
        )
    return missing
