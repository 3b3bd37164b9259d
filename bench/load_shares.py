"""Where time goes, by whose code was being run: samples of stacks as shares. Pure."""

from collections import Counter
from typing import Final

WHOSE: Final = (
    ("trio/_core/_io_epoll", "trio: epoll, and registering for it"),
    ("trio/_socket", "trio: sockets, with their system calls"),
    ("trio/_highlevel_socket", "trio: sockets, with their system calls"),
    ("trio/_ssl", "trio: TLS"),
    ("trio/_threads", "trio: threads"),
    ("trio/_channel", "trio: channels"),
    ("trio/", "trio: run loop, scopes, locks"),
    ("bridge/heart/", "heart"),
    ("bridge/wire/", "wire"),
    ("bridge/text/", "wire"),
    ("bridge/tapes/", "tapes"),
    ("bridge/links/", "links"),
    ("bridge/calls/", "calls"),
    ("bridge/", "the rest of bridge"),
    ("websockets/", "websockets"),
    ("wsproto/", "trio-websocket, wsproto"),
    ("trio_websocket/", "trio-websocket, wsproto"),
    ("contextlib", "contextlib"),
    ("gzip", "compression"),
)
"""By what the file's name has in it; the first that fits counts."""

OTHER: Final = "everything else"


def shares_of(raw: str) -> dict[str, float]:
    """Return the share of samples whose innermost frame is whose, the largest first, in percent."""
    counts: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        counts[_whose(stack.rpartition(";")[2])] += int(count)
    total = counts.total() or 1
    return {whose: 100 * count / total for whose, count in counts.most_common()}


def _whose(frame: str) -> str:
    return next((whose for part, whose in WHOSE if part in frame), OTHER)


def told_shares(raw: str) -> str:
    """Return the shares as a table."""
    rows = [f"| {whose} | {share:.1f} |" for whose, share in shares_of(raw).items() if share >= 0.5]
    return "\n".join(["| whose code was being run | % of samples |", "|---|---|", *rows])
