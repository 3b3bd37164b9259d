"""A PIN that is typed off the stream: one tool has it, and nobody and nothing else."""

import gzip
from pathlib import Path
from typing import Any

import pytest
import trio
from hand_phone import a_phone
from structlog.testing import capture_logs
from test_leaving import leave, script

from bench.stage import MakePlace, open_stage
from bridge.tools import Tool, tool
from replay.model.script import CallTool
from replay.tapes.player import replay_tape

PIN = "80417"
COLLECT = {"tool": "check_pin", "say": "Please type your PIN."}
ASK = CallTool("collect_digits", {"reason": "to know who calls", "count": 5})


def a_tool(given: list[str], *, answer: str = "right") -> Tool:
    """Return a tool that notes what it is given."""

    @tool
    def check_pin(digits: str) -> str:
        """Check it."""
        given.append(digits)
        if answer == "raises":
            raise ValueError(f"no such PIN: {digits}")
        return answer.replace("PIN", digits)

    return check_pin


def everything_kept(folder: Path) -> bytes:
    """Return every byte of tapes and database, unpacked."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in files
    )


@pytest.mark.parametrize("keys", ["masked", "kept"])
@pytest.mark.parametrize("answer", ["right", "PIN is right", "raises"])
async def test_a_pin_that_is_typed_off_the_stream_is_nowhere_but_with_its_tool(
    place: MakePlace, answer: str, keys: str
) -> None:
    given: list[str] = []
    agent: dict[str, Any] = {"collect": COLLECT, "keys": keys}
    setup = place(script=script(ASK), agent=agent, tools={"check_pin": a_tool(given, answer=answer)})
    with trio.fail_after(60), capture_logs() as logs:
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            plan, _ = await leave(phone)
            gather = plan.verb("Gather").attrib
            assert (gather["numDigits"], gather["input"], gather["actionOnEmptyResult"]) == (
                "5",
                "dtmf",
                "true",
            )
            back = await phone.post(gather["action"], Digits=PIN)
            assert await phone.repeat(-1) == back
            again = await phone.stream(back)
            await again.wait_sound()
            (session,) = stage.model.sessions
            again.say("stop")
            await stage.wait_recorded()
    assert given == [PIN]
    assert PIN not in str(session.received)
    assert PIN not in str(logs)
    assert PIN.encode() not in everything_kept(setup.folder)
    assert [replay_tape(path).difference for path in setup.tapes] == [None]


async def test_nobody_is_given_what_was_not_typed(place: MakePlace) -> None:
    given: list[str] = []
    setup = place(script=script(ASK), agent={"collect": COLLECT}, tools={"check_pin": a_tool(given)})
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            plan, _ = await leave(phone)
            again = await phone.stream(await phone.post(plan.verb("Gather").attrib["action"], Digits=""))
            await again.wait_sound()
    assert given == []
