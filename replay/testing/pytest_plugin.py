"""For pytest: the fixture `ring_agent`, which makes a call to a voice agent and returns its record to assert on.

A test that fails shows the conversations of its calls, each on lines of its own below the traceback.

It needs no other plug-in: calls run on a loop of their own, or on none.
"""

from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from bridge.agents import Agent
    from bridge.tools import Tool
    from replay.model.script import Script
    from replay.phone.script import Caller
    from replay.testing.rung_call import RungCall


class RingAgent(Protocol):
    """What the fixture is, for annotations; see `replay.testing.ring_agent`."""

    def __call__(
        self,
        agent: "Agent | Path | str",
        caller: "Caller | Path | str",
        model: "Script | Path | str | None" = None,
        *,
        name: str = "",
        tools: "Iterable[Tool]" = (),
        variables: "Mapping[str, str] | None" = None,
        real: bool = False,
        seed: int = 0,
    ) -> "RungCall":
        """Make one call."""


MADE = pytest.StashKey[list["RungCall"]]()
"""The calls that a test has made."""


@pytest.fixture
def ring_agent(tmp_path: Path, request: pytest.FixtureRequest) -> RingAgent:
    """Return a function that calls an agent: `replay.testing.ring_agent`, with the folders chosen for a test.

    Paths start at the test's file, tapes go to `tmp_path / "calls"`, and a failed test shows its calls' conversations.

        def test_the_greeting_is_heard(ring_agent):
            call = ring_agent("config.toml", Caller(steps=(WaitForQuiet(300), HangUp())))
            assert call.heard("good evening")
    """
    # Imported here, because pytest loads plug-ins even where no test uses them: the daemon takes a second.
    from replay.testing import rung_call

    made = request.node.stash.setdefault(MADE, [])

    def ring(*agent: Any, **more: Any) -> "RungCall":
        call = rung_call.ring_agent(*agent, folder=tmp_path / "calls", beside=request.path.parent, **more)
        made.append(call)
        return call

    return ring


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the conversations of a failed test's calls into its report: a value would be cut, and on one line."""
    report = yield
    if report.failed:
        made = item.stash.get(MADE, [])
        report.sections += [
            (f"call {number} of {len(made)}", str(call)) for number, call in enumerate(made, start=1)
        ]
    return report
