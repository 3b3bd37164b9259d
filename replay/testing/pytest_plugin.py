"""For pytest: `ring_agent` makes a call to a voice agent and returns its record, `judge` rings any bridge and returns
its report card; both to be asserted on.

A test that fails shows the conversations of its calls, and its cards, each on lines of its own below the traceback.

It needs no other plug-in: calls run on a loop of their own, or on none.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from bridge.agents import Agent
    from bridge.tools import Tool
    from replay.conformance.card import ReportCard
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


class Judge(Protocol):
    """What the fixture is, for annotations; see `replay.testing.judge_bridge`."""

    def __call__(
        self,
        to: str,
        *,
        cmd: str | None = None,
        model_variables: Sequence[str] = (),
        model_port: int | None = None,
        public_url: str | None = None,
        auth_token: str | None = None,
        only: Sequence[str] = (),
    ) -> "ReportCard":
        """Ring a bridge, and say how it treats its callers."""


MADE = pytest.StashKey[list["RungCall"]]()
"""The calls that a test has made."""
CARDS = pytest.StashKey[list[tuple["ReportCard", Path]]]()
"""The report cards that a test has made, and their pages."""


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


@pytest.fixture
def judge(tmp_path: Path, request: pytest.FixtureRequest) -> Judge:
    """Return a function that judges a bridge, whoever wrote it: `replay.testing.judge_bridge`.

    Each card is a page in `tmp_path`, and a failed test shows the card.

        def test_callers_are_treated_well(judge):
            card = judge("http://127.0.0.1:5050/incoming-call")
            assert card.named("failed") == ()
    """
    from replay.conformance.shown.page import page
    from replay.testing import judged_bridge

    made = request.node.stash.setdefault(CARDS, [])

    def judged(to: str, **more: Any) -> "ReportCard":
        card = judged_bridge.judge_bridge(to, **more)
        path = tmp_path / f"card-{len(made) + 1}.html"
        path.write_text(page(card), encoding="utf-8")
        made.append((card, path))
        return card

    return judged


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the conversations of a failed test's calls, and its cards, into its report: a value would be cut."""
    report = yield
    if report.failed:
        report.sections += _numbered("call", [str(call) for call in item.stash.get(MADE, [])])
        report.sections += _numbered("report card", [_shown(*made) for made in item.stash.get(CARDS, [])])
    return report


def _numbered(name: str, texts: list[str]) -> list[tuple[str, str]]:
    return [(f"{name} {number} of {len(texts)}", text) for number, text in enumerate(texts, start=1)]


def _shown(card: "ReportCard", path: Path) -> str:
    from replay.testing.judged_bridge import card_text

    return f"{card_text(card)}\npage: {path}"
