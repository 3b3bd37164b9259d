"""What stands behind the # of a webhook's URL: how long Twilio waits for its answer, and when it asks once more. Pure.

https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import attrs

CONNECT, READ, CLIENT_ERROR, SERVER_ERROR, ANY = "ct", "rt", "4xx", "5xx", "all"
POLICIES: Final = (CONNECT, READ, CLIENT_ERROR, SERVER_ERROR, ANY)
BOUNDS: Final = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000), "rc": (0, 5)}


@attrs.frozen
class Overrides:
    """How one request is made; by default it is made once more where no connection came about, and only then."""

    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 15.0
    """With all retries."""
    retries: int = 1
    on: frozenset[str] = frozenset({CONNECT})

    def retry(self, what: str) -> bool:
        """Say whether a request that ended so is made once more."""
        return what in self.on or ANY in self.on


def overrides_of(url: str) -> Overrides:
    """Return what the fragment of a URL asks for. Raises `ValueError` for what Twilio would not understand."""
    said = dict(parse_qsl(urlsplit(url).fragment))
    numbers = {name: _number(name, said[name]) for name in BOUNDS if name in said}
    on = frozenset(said.get("rp", CONNECT).split(","))
    if not on <= set(POLICIES):
        raise ValueError(f"#rp={said['rp'][:40]}: use {', '.join(POLICIES)}")
    default = Overrides()
    return Overrides(
        connect_s=numbers.get("ct", default.connect_s * 1000) / 1000,
        read_s=numbers.get("rt", default.read_s * 1000) / 1000,
        total_s=numbers.get("tt", default.total_s * 1000) / 1000,
        retries=int(numbers.get("rc", default.retries)),
        on=on,
    )


def _number(name: str, text: str) -> float:
    low, high = BOUNDS[name]
    if not re.fullmatch("[0-9]{1,6}", text) or not low <= int(text) <= high:
        raise ValueError(f"#{name}={text[:40]}: use {low} to {high}")
    return int(text)


def kind_of(status: int) -> str:
    """Return what an answer's status is for a policy; nothing for one that is no error."""
    return {4: CLIENT_ERROR, 5: SERVER_ERROR}.get(status // 100, "")
