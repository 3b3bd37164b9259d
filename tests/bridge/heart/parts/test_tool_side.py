"""Tools of MCP servers, which the service calls by itself: what the heart says when asked, and what it owes then."""

import pytest
from attrs import evolve
from heart import Driver, agent_with, of, open_call

from bridge.heart.effects import AnswerApproval, CreateResponse
from bridge.heart.events import ApprovalAsked, RemoteToolEnded, ResponseCreated, ResponseFinished
from bridge.settings.session_table import McpServer

CRM = McpServer(tunnel_id="t", approval="always", approve=("refund",))


def asked(tool: str, item_id: str = "mcpr_1", server: str = "crm") -> ApprovalAsked:
    return ApprovalAsked(item_id, server, tool)


def with_server(**limits: int) -> Driver:
    """Return a call in a response, whose agent has a server of which one tool may be called when it is asked for."""
    line = open_call(evolve(agent_with(**limits), mcp={"crm": CRM}))
    line.tell(ResponseCreated("r9"))
    return line


def done(line: Driver) -> int:
    """End the response, and say how many further ones are asked for."""
    return len(of(line.tell(ResponseFinished("r9", "completed")), CreateResponse))


@pytest.mark.parametrize(
    ("event", "approve"),
    [(asked("refund"), True), (asked("delete"), False), (asked("refund", server="other"), False)],
)
def test_an_approval_is_answered_at_once_and_only_what_the_file_names_is_given(
    event: ApprovalAsked, approve: bool
) -> None:
    wanted = with_server().tell(event)
    assert [(one.request_id, one.approve) for one in of(wanted, AnswerApproval)] == [("mcpr_1", approve)]


def test_a_request_that_comes_twice_is_answered_once() -> None:
    assert len(of(with_server().tell(asked("refund"), asked("refund")), AnswerApproval)) == 1


def test_beyond_the_most_there_may_be_in_a_call_every_approval_is_refused() -> None:
    line = with_server(tool_calls_per_call=2)
    wanted = line.tell(*(asked("refund", f"mcpr_{number}") for number in range(4)))
    assert [one.approve for one in of(wanted, AnswerApproval)] == [True, True, False, False]


def test_after_a_refusal_the_model_is_asked_to_say_so() -> None:
    line = with_server()
    line.tell(asked("delete"))
    assert done(line) == 1


@pytest.mark.parametrize("is_failed", [False, True])
def test_what_came_of_a_tool_is_asked_for_once_it_has_ended(is_failed: bool) -> None:
    line = with_server()
    line.tell(asked("refund"))
    assert done(line) == 0
    assert len(of(line.tell(RemoteToolEnded("mcp_1", is_failed), after=900), CreateResponse)) == 1


def test_a_caller_who_asked_waits_for_no_tool_that_is_never_heard_of_again() -> None:
    line = open_call(evolve(agent_with(answer_timeout_ms=3000), mcp={"crm": CRM}))
    line.caller_begins()
    line.caller_ends()
    line.tell(ResponseCreated("r9"), asked("refund"), ResponseFinished("r9", "completed"))
    line.wait_with_frames(3100)
    assert len(of(line.wanted, CreateResponse)) == 1
    line.wait_with_frames(3100)
    assert "dead air: given_up" in line.counts
