"""For pytest: the fixture `ring_agent`, which makes a call to a voice agent and returns its record to assert on.

It needs no other plug-in: calls run on a loop of their own, or on none.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from bridge.config import Agent
    from bridge.tools import Tool
    from replay.model_script import Script
    from replay.phone_script import Caller
    from replay.rung_call import RungCall


class RingAgent(Protocol):
    """What the fixture is; see `replay.rung_call.ring_agent`."""

    def __call__(
        self,
        agent: "Agent | Path | str",
        caller: "Caller | Path | str",
        model: "Script | Path | str | None" = None,
        *,
        name: str = "",
        tools: "Iterable[Tool]" = (),
        real: bool = False,
        seed: int = 0,
    ) -> "RungCall":
        """Make one call."""


@pytest.fixture
def ring_agent(tmp_path: Path, request: pytest.FixtureRequest) -> RingAgent:
    """Return a function that calls an agent; paths start at the test's file, tapes go to `tmp_path / "calls"`."""
    from functools import partial

    # Imported here, because pytest loads plug-ins even where no test uses them: the daemon takes a second.
    from replay import rung_call

    return partial(rung_call.ring_agent, folder=tmp_path / "calls", beside=request.path.parent)
