"""The session that is asked for over a real socket: granted, or refused in part; and on the tape, for a replay."""

import json
from typing import Any

import attrs
import pytest
import trio

from bench.stage import GREETING, PROMPT, MakePlace, Place, open_stage, speech, words
from bridge.tapes.reader import read_tape
from replay.model.script import CallRemote, Script
from replay.phone.ring import Caller
from replay.phone.script import WaitForAgent
from replay.tapes.player import replay_tape

CALLER = Caller(steps=(WaitForAgent(),), answer_delay_ms=0)
CHOSEN: dict[str, Any] = {
    "speed": 1.25,
    "reasoning_effort": "low",
    "parallel_tool_calls": False,
    "context": {"retention_ratio": 0.8, "most_tokens": 5000},
    "tracing": {"workflow_name": "calls"},
    "transcription_prompt": "A call to a shop.",
    "transcription_keywords": ["Harbour Table"],
    "turn_detection": {"idle_timeout_ms": 30_000},
    "session": {"audio": {"input": {"noise_reduction": {"strength": 0.5}}}},
}


async def a_call(place: Place, script: Script = GREETING) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make a call, and return the session that came to be, and the call's row."""
    with trio.fail_after(20):
        async with open_stage(attrs.evolve(place, script=script)) as stage:
            await stage.ring(CALLER)
            (session,) = stage.model.sessions
    (row,) = place.calls()
    return session.settings, row


async def test_everything_that_can_be_chosen_is_granted_and_on_the_tape(place: MakePlace) -> None:
    where = place(agent=CHOSEN)
    settings, _ = await a_call(where)
    hearing = settings["audio"]["input"]
    assert settings["audio"]["output"]["speed"] == 1.25
    assert (settings["reasoning"], settings["parallel_tool_calls"]) == ({"effort": "low"}, False)
    assert settings["truncation"]["token_limits"] == {"post_instructions": 5000}
    assert settings["tracing"] == {"workflow_name": "calls"}
    assert hearing["noise_reduction"] == {"type": "near_field", "strength": 0.5}
    assert hearing["transcription"]["keywords"] == ["Harbour Table"]
    assert hearing["turn_detection"]["idle_timeout_ms"] == 30_000
    (path,) = where.tapes
    assert read_tape(path).header.settings["session"] == CHOSEN["session"]
    assert replay_tape(path).difference is None


@pytest.mark.parametrize(
    ("session", "left_out"),
    [
        ({"mood": "good"}, ["mood"]),
        ({"reasoning": {"effort": "low", "depth": 3}}, ["reasoning.depth"]),
        ({"audio": {"input": {"turn_detection": {"patience": 1}}, "output": {"mood": 1}}},
         ["audio.input.turn_detection.patience", "audio.output.mood"]),
    ],
)  # fmt: skip
async def test_a_field_that_the_server_does_not_know_is_left_out_and_the_call_goes_on(
    place: MakePlace, session: dict[str, Any], left_out: list[str]
) -> None:
    where = place(agent={"session": session})
    settings, row = await a_call(where)
    assert row["ended_by"] == "caller"
    assert settings["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert settings.get("reasoning") in (None, {"effort": "low"})
    assert [what for what in json.loads(row["counts"]) if "refused" in what] == [
        f"setting refused: {name}" for name in left_out
    ]


# ---------------------------------------------------------------- MCP servers

SECRET = "hush-hush-of-the-crm"
CRM = {"server_url": "https://crm.example.com/mcp", "authorization": "$CRM_TOKEN", "approval": "always"}
ANSWER = (words("caller_yes"),)
TALKER = Caller(
    steps=(WaitForAgent(), speech("caller_yes"), WaitForAgent()), patience_ms=0, answer_delay_ms=0
)


@pytest.mark.parametrize("approve", [["refund"], []])
async def test_an_approval_is_answered_by_the_file_and_the_caller_hears_what_came_of_it(
    place: MakePlace, approve: list[str]
) -> None:
    remote = (CallRemote("crm", "refund", '{"order":7}', "refunded"),)
    script = Script(opening=GREETING.opening, turns=(remote,), answers=(ANSWER,), delivery=PROMPT)
    where = place(
        script=script, agent={"mcp": {"crm": CRM | {"approve": approve}}}, words={"CRM_TOKEN": SECRET}
    )
    with trio.fail_after(20):
        async with open_stage(where) as stage:
            await stage.ring(TALKER)
            (session,) = stage.model.sessions
    (answer,) = [one["item"] for one in session.received if one["type"] == "conversation.item.create"]
    assert (answer["type"], answer["approve"]) == ("mcp_approval_response", bool(approve))
    assert [response.spoken_ms > 0 for response in session.responses] == [True, False, True]
    (row,) = where.calls()
    counts = json.loads(row["counts"])
    assert (row["ended_by"], counts[f"MCP tool {'approved' if approve else 'refused'}"]) == ("caller", 1)
    (path,) = where.tapes
    assert replay_tape(path).difference is None
    tools = where.store.query("select name, arguments_raw, output, is_delivered from tool_calls")
    assert [tuple(tool.values()) for tool in tools] == [
        ("crm.refund", '{"order":7}', "refunded", True) for _ in approve
    ]


async def test_a_secret_of_an_mcp_server_reaches_the_model_alone_though_that_repeats_it(
    place: MakePlace, capsys: pytest.CaptureFixture[str]
) -> None:
    where = place(agent={"mcp": {"crm": CRM}}, words={"CRM_TOKEN": SECRET})
    settings, _ = await a_call(where)
    assert settings["tools"][-1]["authorization"] == SECRET
    (path,) = where.tapes
    tape = read_tape(path)
    assert sum(b'"authorization":"$CRM_TOKEN"' in line for line in tape.lines) == 2  # asked for, and repeated
    assert SECRET not in repr(tape) + capsys.readouterr().out
