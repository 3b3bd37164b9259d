"""The ways off the line that the model may take: what it may say of them, and what is refused."""

from typing import Any

import pytest
from attrs import evolve
from away import PLACES, agent_with_places, left, talking_call, transfer
from heart import START, TOOLS, Driver, agent_with, of, open_call, ready_call

from bridge.built_in import built_in_tools
from bridge.heart.call import Call
from bridge.heart.effects import AnswerTool, CreateResponse
from bridge.heart.events import (
    CalleeAnswered,
    CalleeJudged,
    CallPlaced,
    ResponseCreated,
    SessionCreated,
    SessionUpdated,
    ToolCalled,
)
from bridge.heart.parts.ways_out import reason_of
from bridge.heart.plans import Dial
from bridge.settings.outgoing import Outgoing


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"reason": "done"}', "done"),
        ('{"reason": "' + "x" * 300 + '"}', "x" * 200),
        ("[" * 5000, "the agent hung up"),
    ],
)
def test_the_reason_of_a_hang_up_is_read_with_care(arguments: str, reason: str) -> None:
    assert reason_of(arguments) == reason


@pytest.mark.parametrize(("name", "arguments", "hint"), [
    ("transfer_call", '{"place": "+15550100999"}', "use one of: sales, anna, line"),
    ("transfer_call", '{"place": ["sales"]}', "use one of: sales, anna, line"),
    ("transfer_call", "[" * 5000, "no JSON object"),
    ("transfer_call", '["sales"]', "no JSON object"),
    ("transfer_call", "sales", "no JSON object"),
    ("transfer_call", "", "use one of: sales, anna, line"),
    ("take_message", "{", "no JSON object"),
    ("send_digits", '{"digits": "call"}', "0-9 * # A-D"),
    ("send_digits", '{"digits": ""}', "0-9 * # A-D"),
    ("send_digits", '{"digits": "' + "1" * 33 + '"}', "0-9 * # A-D"),
    ("collect_digits", '{"count": true}', "1 to 32"),
    ("collect_digits", '{"count": 1e300}', "1 to 32"),
    ("collect_digits", '{"reason": "PIN"}', "1 to 32"),
])  # fmt: skip
def test_what_can_not_be_done_is_refused_with_what_can(name: str, arguments: str, hint: str) -> None:
    line = talking_call()
    line.tell(ToolCalled("r9", "t1", name, arguments))
    (answer,) = of(line.wanted, AnswerTool)
    assert '"error":"arguments"' in answer.output
    assert hint in answer.output
    assert left(line) == []
    assert len(of(line.wanted, CreateResponse)) == 1


@pytest.mark.parametrize(
    ("change", "is_pressed"),
    [
        ({"keys": "kept", "collect": None}, False),
        ({"keys": "masked", "collect": None}, True),
        ({"keys": "kept"}, True),
    ],
    ids=["nothing is hidden", "keys are masked", "a PIN is hidden"],
)
def test_an_x_is_a_key_only_where_a_tape_may_have_one(change: dict[str, Any], *, is_pressed: bool) -> None:
    """What is on the tape has to be decided again in a replay; what Twilio is told has no x in it."""
    line = ready_call(evolve(agent_with_places(), **change))
    line.answer("r0", "i0", 200)
    line.hear_out()
    line.wanted.clear()
    line.tell(ToolCalled("r9", "t1", "send_digits", '{"digits": "1wx2"}'))
    assert bool(left(line)) == is_pressed
    assert any("0-9 * # A-D" in answer.output for answer in of(line.wanted, AnswerTool)) != is_pressed


@pytest.mark.parametrize("name", ["transfer_call", "send_digits", "collect_digits", "take_message"])
def test_a_way_that_the_file_does_not_open_is_no_tool(name: str) -> None:
    line = open_call()
    line.tell(ToolCalled("r9", "t1", name, '{"place": "sales", "digits": "1", "count": 4}'))
    assert '"error":"unknown"' in of(line.wanted, AnswerTool)[0].output


def test_a_summary_is_bounded() -> None:
    line = talking_call()
    arguments = '{"place": "anna", "reason": "r", "summary": "' + "x" * 3000 + '"}'
    line.tell(ToolCalled("r9", "t1", "transfer_call", arguments))
    step = left(line)[0].plan.step
    assert isinstance(step, Dial)
    assert len(step.summary) == 500


def test_half_an_emoji_in_a_summary_keeps_nobody_from_being_put_through() -> None:
    line = talking_call()
    line.tell(ToolCalled("r9", "t1", "transfer_call", r'{"place": "sales", "summary": "Ann \ud83d"}'))
    (leave,) = left(line)
    assert isinstance(leave.plan.step, Dial)
    assert leave.plan.step.summary == "Ann \ufffd"


def test_beyond_the_limit_of_tool_calls_nobody_is_put_through() -> None:
    agent = agent_with_places(tool_calls_per_call=2)
    line = ready_call(agent)
    for number in range(3):
        line.tell(ToolCalled("r9", f"t{number}", "transfer_call", '{"place": "nobody"}'))
    line.tell(ToolCalled("r9", "t9", "transfer_call", '{"place": "sales"}'))
    line.hear_out()
    assert left(line) == []
    assert '"error":"limit"' in of(line.wanted, AnswerTool)[-1].output


@pytest.mark.parametrize("verdict", [None, CalleeJudged("machine_end_beep", 900)])
def test_whatever_answered_and_is_not_known_to_be_a_person_is_put_through_to_nobody(
    verdict: CalleeJudged | None,
) -> None:
    agent = evolve(agent_with_places(), outbound=Outgoing(machine="message", message="Call us back."))
    line = Driver(Call(agent, TOOLS, is_outgoing=True))
    line.tell(SessionCreated(0), SessionUpdated(), CallPlaced(), CalleeAnswered(), START)
    line.tell(*([verdict] if verdict else []), ResponseCreated("r9"))
    line.tell(ToolCalled("r9", "t1", "transfer_call", '{"place": "sales"}'))
    line.wait(400)
    assert '"error":"nobody"' in of(line.wanted, AnswerTool)[0].output
    assert left(line) == []


def test_the_model_is_offered_what_the_file_opens_and_places_by_name_alone() -> None:
    assert [tool["name"] for tool in built_in_tools(agent_with())] == ["hang_up"]
    tools = {tool["name"]: tool for tool in built_in_tools(agent_with_places())}
    assert list(tools) == ["hang_up", "transfer_call", "send_digits", "collect_digits", "take_message"]
    assert tools["transfer_call"]["parameters"]["properties"]["place"]["enum"] == ["sales", "anna", "line"]
    assert "+1555" not in str(tools)


def test_a_place_that_is_kept_from_the_model_is_none_of_its_places() -> None:
    agent = agent_with_places()
    owner = evolve(PLACES["sales"], name="owner", is_offered=False)
    line = ready_call(evolve(agent, transfer={**PLACES, "owner": owner}))
    line.tell(transfer("owner"))
    assert "there is no such place; use one of: sales" in of(line.wanted, AnswerTool)[0].output
    assert left(line) == []
