"""What is set of a fleet: the hosts behind one public URL with an address each, and where they look at each other."""

import re
from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from bridge.checks import Check, Wrong, public_url, url

MOST_HOSTS: Final = 100
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SOCKET: Final = re.compile(r"unix:/[^\x00]{1,100}")


def addresses(check: Check, example: str) -> Check:
    """Accept a table of hosts' names with an address each, no two the same."""

    def read(value: Any) -> dict[str, str]:
        if not isinstance(value, dict) or not all(NAME.fullmatch(name) for name in value):
            raise Wrong(f'a table of names with an address each, such as {{ one = "{example}" }}')
        found = {name: check(address) for name, address in value.items()}
        if len(found) > MOST_HOSTS or "" in found.values() or len(set(found.values())) < len(found):
            raise Wrong(f"up to {MOST_HOSTS} hosts, each with an address of its own")
        return found

    return read


def admin_url(value: Any) -> str:
    """Accept the address at which another host's admin address is reached."""
    if isinstance(value, str) and SOCKET.fullmatch(value):
        return value
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
    if host_url and host_url == public_url:
        missing.append(
            "[server] host_url is public_url: one machine needs none; several have an address each"
        )
    elif fleet.hosts and not fleet.name_of(host_url):
        missing.append(
            f'[fleet] hosts has no "{host_url}": set [server] host_url (or BRIDGE_HOST_URL) to this host\'s own '
            "address, and list it there as all others"
        )
    if public_url and public_url in fleet.hosts.values():
        missing.append(
            f'[fleet] hosts has "{public_url}", which is [server] public_url: the balancer is no host; take it out'
        )
    unknown = [name for name in fleet.admin if name not in fleet.hosts]
    missing += [f"[fleet] admin has {name}, and [fleet] hosts has not: name it in both" for name in unknown]
    return missing
