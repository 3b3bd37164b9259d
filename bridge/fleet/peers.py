"""What the other hosts of a fleet say at their admin addresses: whether they take calls, and which they have.

Only what the configuration lists is asked, with this host's admin token; no answer leads to another address, and each
has a bound in time and size.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import httpx2
import msgspec
import trio
from attrs import field, frozen

from bridge.config import Settings
from bridge.errors import LinkError
from bridge.fleet.standing import Standing
from bridge.links.https import Answer, fetch

ANSWER_SECONDS: Final = 1.5
MOST_CALLS: Final = 200
"""Of one host that are shown; who carries more looks at metrics."""
MOST_LETTERS: Final = 60
SHOWN: Final = ("id", "agent", "phase", "from", "to")
UNIX: Final = "unix:"
OK: Final = 200
REFUSED: Final = (401, 403)


@frozen
class Peers:
    """The other hosts by name, and where each is asked."""

    admin: Mapping[str, str]
    token: Callable[[], str] = field(repr=False)
    answer_seconds: float = ANSWER_SECONDS

    @classmethod
    def of(cls, settings: Settings, token: Callable[[], str]) -> "Peers":
        """Return the others that are asked: those with an admin address."""
        own = settings.host_name
        return cls({name: url for name, url in settings.fleet.admin.items() if name != own}, token)

    async def standings(self) -> dict[str, Standing]:
        """Return how each of them stands to new calls."""
        return {name: standing_of(answer) for name, answer in (await self._ask("/healthz")).items()}

    async def calls(self) -> dict[str, list[dict[str, Any]] | None]:
        """Return the calls that each of them has now; None for one that does not answer."""
        answers = await self._ask("/calls")
        return {
            name: calls_in(answer.body) if answer is not None and answer.status == OK else None
            for name, answer in answers.items()
        }

    async def _ask(self, path: str) -> dict[str, Answer | None]:
        """Ask all of them at once."""
        answers = dict[str, Answer | None](dict.fromkeys(self.admin))

        async def ask(name: str) -> None:
            with trio.move_on_after(self.answer_seconds):
                answers[name] = await self._ask_one(self.admin[name], path)

        async with trio.open_nursery() as nursery:
            for name in self.admin:
                nursery.start_soon(ask, name)
        return answers

    async def _ask_one(self, address: str, path: str) -> Answer | None:
        socket = address.removeprefix(UNIX) if address.startswith(UNIX) else None
        base = "http://localhost" if socket else address
        headers = {"Authorization": f"Bearer {token}"} if (token := self.token()) else {}
        transport = httpx2.AsyncHTTPTransport(trust_env=False, uds=socket)
        async with httpx2.AsyncClient(
            transport=transport, timeout=self.answer_seconds, trust_env=False
        ) as client:
            asking = partial(fetch, client, "GET", base + path, headers=headers, follow_redirects=False)
            try:
                return await asking()
            except LinkError:
                return None


def standing_of(answer: Answer | None) -> Standing:
    """Return what an answer about a host's health says of it."""
    if answer is None:
        return Standing.SILENT
    if answer.status in REFUSED:
        return Standing.REFUSES
    if answer.status != OK:
        return Standing.ODD
    return Standing.DRAINS if answer.json.get("status") == "draining" else Standing.TAKES_CALLS


def calls_in(body: bytes) -> list[dict[str, Any]]:
    """Return the calls that a host tells of, as far as they can be read; whatever else it says is left out."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return []
    rows = told if isinstance(told, list) else []
    return [_call(row) for row in rows[:MOST_CALLS] if isinstance(row, dict)]


def _call(row: Mapping[str, Any]) -> dict[str, Any]:
    seconds = row.get("seconds")
    is_time = isinstance(seconds, int | float) and 0 <= seconds < MOST_SECONDS
    return {name: str(row.get(name, ""))[:MOST_LETTERS] for name in SHOWN} | {
        "seconds": seconds if is_time else 0
    }


MOST_SECONDS: Final = 7 * 86_400
