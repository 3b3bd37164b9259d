"""What a service manager is told: systemd's notify protocol, one datagram a message; nothing where nobody listens.

The protocol: https://www.freedesktop.org/software/systemd/man/sd_notify.html
"""

import socket
from collections.abc import Mapping
from typing import Final

import structlog
import trio
from attrs import define

TELL_SECONDS: Final = 1
"""How long a message may wait for a service manager that is busy; then it is dropped, for the next to do better."""

log = structlog.get_logger(__name__)


@define(eq=False)
class Notifier:
    """The way to the service manager; without an address it is quiet."""

    address: str = ""
    watchdog_seconds: float = 0
    _has_failed: bool = False

    async def tell(self, **variables: object) -> None:
        """Send these variables in one message. Never raises: a call is worth more than being supervised."""
        if not self.address:
            return
        text = "\n".join(f"{name}={value}".replace("\n", " ") for name, value in variables.items())
        try:
            with trio.fail_after(TELL_SECONDS):
                await self._send(text.encode("utf-8", "replace"))
        except (OSError, trio.TooSlowError) as error:
            if not self._has_failed:
                log.warning("the service manager can't be told", address=self.address, error=str(error))
            self._has_failed = True

    async def _send(self, message: bytes) -> None:
        """Connect for each message: the manager may have been started anew, and only then waiting is told of."""
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
            await way.connect(address)
            await way.send(message)

    async def feed_watchdog(self) -> None:
        """Say that the event loop goes round, three times in the time it may be silent, until cancelled.

        From a task of that loop and nowhere else: one that is stuck must fall silent.
        """
        while self.watchdog_seconds > 0:
            await self.tell(WATCHDOG=1)
            await trio.sleep(self.watchdog_seconds / 3)


def notifier_from(environment: Mapping[str, str], pid: int) -> Notifier:
    """Return the way to whoever started this process; quiet when that is no service manager."""
    address = environment.get("NOTIFY_SOCKET", "")
    if address and address[0] not in "/@":
        log.warning("NOTIFY_SOCKET is no path and no @name; nobody is told", address=address)
        address = ""
    return Notifier(address, _watchdog_seconds(environment, pid) if address else 0)


def _watchdog_seconds(environment: Mapping[str, str], pid: int) -> float:
    """Return how long we may be silent; 0 when nobody watches, or another process is meant."""
    usec, whose = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or whose not in ("", str(pid)):
        return 0
    return int(usec) / 1_000_000
