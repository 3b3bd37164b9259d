"""What is set of a fleet: the hosts behind one public URL with an address each, and where they look at each other."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import field, frozen

from bridge.checks import Check, Wrong, public_url, shown, url
from bridge.settings.admin import Admin
from bridge.text.urls import same_as

MOST_HOSTS: Final = 100
MOST_SHOWN: Final = 40
MOST_NAMED: Final = 5
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SOCKET: Final = re.compile(r"unix:/[^\x00]{1,100}")


def addresses(check: Check, example: str) -> Check:
    """Accept a table of hosts' names with an address each, no two the same."""

    def read(value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise Wrong(f'a table of names with an address each, such as {{ one = "{example}" }}')
        if len(value) > MOST_HOSTS:
            raise Wrong(f"up to {MOST_HOSTS} hosts, not {len(value)}")
        found = {name: _address_of(name, address, check) for name, address in value.items()}
        first = dict[str, str]()
        for name, address in found.items():
            other = first.setdefault(same_as(address), name)
            if other != name:
                raise Wrong(f"an address of its own for each: {other} and {name} have the same")
        return found

    return read


def _address_of(name: str, value: Any, check: Check) -> str:
    """Return the address of one host. Raises `Wrong` with the host's name."""
    if not NAME.fullmatch(name):
        raise Wrong(
            f"another name than {name[:MOST_SHOWN]!r}: up to 63 of a-z, 0-9 and . _ -, a letter or digit first"
        )
    try:
        address: str = check(value)
    except Wrong as wrong:
        raise Wrong(f"for {name} {wrong}") from None
    if not address:
        raise Wrong(f"an address for {name}, or leave it out")
    return address


def admin_url(value: Any) -> str:
    """Accept the address at which another host's admin address is reached."""
    if isinstance(value, str) and SOCKET.fullmatch(value):
        return value
    if isinstance(value, str) and value.startswith("unix:"):
        raise Wrong("the whole path of a socket, such as unix:/run/bridge/admin.sock")
    return str(url("https", "http", example="http://10.0.0.1:9090")(value))


HOSTS: Final = addresses(public_url, "https://one.bridge.example.com")
ADMIN: Final = addresses(admin_url, "http://10.0.0.1:9090")


@frozen
class Fleet:
    """The hosts behind one public URL by their names, this one among them; none: each knows of no other."""

    hosts: Mapping[str, str] = field(factory=dict, metadata={"check": HOSTS})
    admin: Mapping[str, str] = field(factory=dict, metadata={"check": ADMIN})

    def name_of(self, address: str) -> str:
        """Return the name of the host that has this address; nothing where none has."""
        return next((name for name, one in self.hosts.items() if one == address), "")


def missing_of_fleet(fleet: Fleet, host_url: str, public_url: str) -> list[str]:
    """Return one sentence for each thing that keeps the hosts from finding each other."""
    missing = list[str]()
    same = [url for url in fleet.hosts.values() if same_as(url) == same_as(host_url)]
    if host_url and same_as(host_url) == same_as(public_url):
        missing.append(
            "[server] host_url is public_url: one machine needs none; several have an address each"
        )
    elif fleet.hosts and not host_url:
        missing.append(
            f"no host_url: this host is one of {_some(fleet.hosts)}; set [server] host_url (or BRIDGE_HOST_URL) to the "
            "address that [fleet] hosts has for it"
        )
    elif same and host_url not in same:
        missing.append(
            f'[fleet] hosts has "{same[0]}", which [server] host_url has as "{host_url}": write both the same'
        )
    elif fleet.hosts and not fleet.name_of(host_url):
        missing.append(
            f'[fleet] hosts has no "{host_url}": set [server] host_url (or BRIDGE_HOST_URL) to this host\'s own '
            "address, and list it there as all others"
        )
    if public_url and same_as(public_url) in map(same_as, fleet.hosts.values()):
        missing.append(
            f'[fleet] hosts has "{public_url}", which is [server] public_url: the balancer is no host; take it out'
        )
    unknown = [name for name in fleet.admin if name not in fleet.hosts]
    missing += [f"[fleet] admin has {name}, and [fleet] hosts has not: name it in both" for name in unknown]
    return missing


def missing_of_looking(fleet: Fleet, admin: Admin, host_name: str) -> list[str]:
    """Return one sentence for each thing that has the others take this host to be away for ever."""
    if host_name not in fleet.admin or admin.bind:
        return []
    return [
        f"no admin address: the others look for {host_name} at {fleet.admin[host_name]} ([fleet] admin), and lead "
        'nobody to a host that is not there; set [admin] bind, such as "0.0.0.0:9090"'
    ]


def doubts_of_fleet(fleet: Fleet, admin: Admin, host_name: str, *, has_token: bool) -> Iterator[str]:
    """Yield what has hosts see less of each other than they could."""
    if not fleet.admin:
        return
    if not has_token:
        yield (
            f"no admin token: the other hosts are asked without one, and those that have one refuse; set "
            f"{admin.token_env} to the same on all of them"
        )
    if unasked := [name for name in fleet.hosts if name not in fleet.admin]:
        yield (
            f"[fleet] admin has no address of {_some(unasked)}: nobody looks whether a call that is led there finds "
            "anybody; name each host that [fleet] hosts names"
        )
    own = fleet.admin.get(host_name, "")
    if admin.bind and admin.is_local and own and not _is_here(own):
        yield (
            f"[admin] bind = {shown('bind', admin.bind)} is reached from this machine alone, and [fleet] admin leads "
            f"the others to {own}: bind to an address that they reach"
        )


def _is_here(address: str) -> bool:
    """Say whether an admin address is one of this machine, as far as it says so."""
    return Admin(bind=address if address.startswith("unix:") else f"{urlsplit(address).hostname}:0").is_local


def _some(names: Iterable[str]) -> str:
    """Return names for a sentence, a few of many."""
    told = list(names)
    return ", ".join(told[:MOST_NAMED]) + (f" and {len(told) - MOST_NAMED} more" if told[MOST_NAMED:] else "")
