"""Which host of several is to have a call: each of them says the same, from the call's SID and the list of hosts. Pure.

Rendezvous hashing: every host has a rank for every call; the first that is there has it. When one leaves, its calls are
spread over the others, and no other call finds another host.
"""

from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Final

from attrs import frozen

from bridge.text.urls import origin_of

MOST_HOPS: Final = 3
"""How often a first webhook is passed on. Each costs a caller who hears it ring some 0.2 s, and Twilio gives up on what
goes round in circles."""


@frozen
class Arrival:
    """A first webhook as it reached a host: how often it was passed on, and which address Twilio got no use of."""

    call_sid: str
    agent: str
    hops: int = 0
    failed_url: str = ""


def order_of(call_sid: str, hosts: Iterable[str]) -> list[str]:
    """Return the hosts in the order in which they are to have a call."""
    return sorted(hosts, key=lambda host: sha256(f"{call_sid} {host}".encode()).digest())


def preferred(arrival: Arrival, hosts: Iterable[str], away: Collection[str]) -> str:
    """Return the host that is to have a call; nothing where there is none."""
    return next(iter(_candidates(arrival, hosts, away)), "")


def next_after(own: str, arrival: Arrival, hosts: Iterable[str], away: Collection[str]) -> str:
    """Return the host that is to be asked when this one has no room; nothing behind the last.

    It goes down one order, which all have: no call comes to a host twice.
    """
    order = order_of(arrival.call_sid, hosts)
    behind = order[order.index(own) + 1 :] if own in order else []
    return next((host for host in _candidates(arrival, hosts, away) if host in behind), "")


def _candidates(arrival: Arrival, hosts: Iterable[str], away: Collection[str]) -> list[str]:
    failed = origin_of(arrival.failed_url)
    return [
        host
        for host in order_of(arrival.call_sid, hosts)
        if host not in away and (not failed or origin_of(host) != failed)
    ]


def has_failed(arrival: Arrival, hosts: Iterable[str]) -> bool:
    """Say whether Twilio came after it got no use of a host: of one host, and not of the balancer."""
    return origin_of(arrival.failed_url) in {origin_of(host) for host in hosts}
