"""What one host writes of the others as they come and go: each change once, with why."""

from collections.abc import Sequence

import pytest
import structlog.testing
import trio
from attrs import define

from bridge.fleet.passing import AWAY_SECONDS, LOOK_SECONDS, Fleet
from bridge.fleet.peers import standing_of
from bridge.fleet.standing import Standing
from bridge.links.https import Answer

HERE, DRAINS, REFUSES, SILENT = Standing.TAKES_CALLS, Standing.DRAINS, Standing.REFUSES, Standing.SILENT
LOOKS = int(AWAY_SECONDS // LOOK_SECONDS) + 2
"""As many as it takes to be sure that somebody is away."""


@define
class Told:
    """The other hosts, as they stand at one look after the other; the last of all from then on."""

    standings_of_two: Sequence[Standing]
    looks: int = 0
    admin = ("two",)

    async def standings(self) -> dict[str, Standing]:
        standing = self.standings_of_two[min(self.looks, len(self.standings_of_two) - 1)]
        self.looks += 1
        return {"two": standing}


async def log_of(*standings: Standing) -> list[tuple[str, str]]:
    """Return what the log says of a host, over these looks and some more."""
    fleet = Fleet("https://one.example.com", "https://bridge.example.com")
    seconds = (len(standings) + LOOKS) * LOOK_SECONDS
    with structlog.testing.capture_logs() as logs, trio.move_on_after(seconds):
        await fleet.run(Told(standings))  # type: ignore[arg-type]  # as much of Peers as is looked at
    return [(entry["event"], entry.get("why", "")) for entry in logs]


AWAY, AGAIN = "host is away", ("host is there again", "")


@pytest.mark.parametrize(
    ("standings", "said"),
    [
        ([HERE], []),
        ([SILENT], [(AWAY, "it does not answer")]),
        ([HERE, SILENT], [(AWAY, "it does not answer")]),
        ([HERE, SILENT, HERE], []),  # one answer may be lost
        ([HERE, *[SILENT] * LOOKS, HERE], [(AWAY, "it does not answer"), AGAIN]),
        ([REFUSES], [(AWAY, "it refuses our admin token")]),
        ([HERE, DRAINS, HERE], [(AWAY, "it drains"), AGAIN]),
        ([*[SILENT] * LOOKS, REFUSES], [(AWAY, "it does not answer"), (AWAY, "it refuses our admin token")]),
    ],
)
async def test_each_change_of_a_host_is_in_the_log_once_with_why(
    standings: list[Standing], said: list[tuple[str, str]], autojump_clock: trio.testing.MockClock
) -> None:
    assert await log_of(*standings) == said


@pytest.mark.parametrize(
    ("status", "body", "standing"),
    [
        (200, b'{"status": "ok"}', HERE),
        (200, b'{"status": "draining"}', DRAINS),
        (401, b"", REFUSES),
        (403, b"", REFUSES),
        (421, b"", Standing.ODD),
        (404, b"", Standing.ODD),
    ],
)
def test_whoever_refuses_the_token_is_told_apart_from_who_is_gone(
    status: int, body: bytes, standing: Standing
) -> None:
    assert standing_of(Answer(status, {}, body, 1)) == standing
    assert standing_of(None) == SILENT
