"""What somebody at the daemon asks of a call: listening in, a word to the agent, a transfer; granted or refused."""

import pytest
from attrs import evolve
from away import back, left, returned, returns, talking_call, transfer
from heart import SID, TOOLS, Driver, agent_with, of, open_call, ready_call

from bridge.heart.call import Call
from bridge.heart.effects import (
    AddText,
    AnswerOperator,
    AnswerTool,
    CancelResponse,
    CreateResponse,
    EndCall,
)
from bridge.heart.events import (
    CallerAway,
    Event,
    FarEndTold,
    ModelLeft,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    StreamStopped,
    ToolCalled,
)
from bridge.heart.parts.farewell import ORDERED_MS
from bridge.heart.parts.operator_side import LAST_WORDS, NO_CALLER, NOT_ALLOWED, NOT_THERE
from bridge.heart.plans import Dial
from bridge.heart.wishes import InstructionWhispered, ListenerCame, ListenerLeft, TransferAsked
from bridge.settings.outgoing import Outgoing

ASKED = TransferAsked("ada", "sales", "Ann, about her order")
WORD = InstructionWhispered("ada", "Offer her ten percent.")
NOW = evolve(WORD, is_answered=True)


def answer_to(line: Driver, event: Event) -> str:
    """Return what whoever asks is told at once."""
    (told,) = of(line.tell(event), AnswerOperator)
    return told.refusal


def milestones(line: Driver, name: str) -> list[dict[str, object]]:
    """Return what stands on the tape of each time that a call got there."""
    return [note for note in line.notes("milestone") if note["name"] == name]


def listened_call() -> Driver:
    """Return a call in which somebody may listen in."""
    line = ready_call(evolve(agent_with(), listen_in=True))
    line.wanted.clear()
    return line


# ---------------------------------------------------------------- listening in


def test_nobody_listens_in_unless_the_file_says_so() -> None:
    line = open_call()
    assert answer_to(line, ListenerCame("ada", 1)) == NOT_ALLOWED
    assert line.call.glance(line.now).listeners == ()
    (refused,) = milestones(line, "operator_refused")
    assert (refused["by"], refused["wish"]) == ("ada", "listen in")


def test_who_listens_in_from_when_to_when_stands_on_the_tape_and_can_be_seen() -> None:
    line = listened_call()
    assert answer_to(line, ListenerCame("ada", 1)) == ""
    assert answer_to(line, ListenerCame("bo", 2)) == ""
    assert line.call.glance(line.now).listeners == ("ada", "bo")
    line.tell(ListenerLeft(1), after=500)
    assert line.call.glance(line.now).listeners == ("bo",)
    assert [(one["by"], one["listener"]) for one in milestones(line, "listener_came")] == [
        ("ada", 1),
        ("bo", 2),
    ]
    assert [(one["by"], one["listener"]) for one in milestones(line, "listener_left")] == [("ada", 1)]


def test_a_listener_changes_nothing_else_of_a_call() -> None:
    line, alone = listened_call(), listened_call()
    line.tell(ListenerCame("ada", 1))
    for one in (line, alone):
        one.wanted.clear()
        one.answer(ms=600)
        one.listen(1000)
        one.caller_begins()
    assert line.wanted == alone.wanted


# ---------------------------------------------------------------- a word to the agent


def test_a_whisper_is_a_system_item_that_the_caller_never_hears() -> None:
    line = open_call()
    assert answer_to(line, WORD) == ""
    (told,) = of(line.wanted, AddText)
    assert told.role == "system"
    assert '"Offer her ten percent."' in told.text
    assert of(line.wanted, CreateResponse) == []
    assert [one["text"] for one in milestones(line, "whispered")] == [WORD.text]


def test_a_whisper_that_is_to_be_answered_is_owed_a_response_which_waits_for_its_turn() -> None:
    line = open_call()
    line.answer()
    line.hear_out()
    line.tell(ResponseCreated("r2"))
    line.wanted.clear()
    line.tell(NOW)
    assert of(line.wanted, CreateResponse) == []
    line.tell(ResponseFinished("r2", "completed"))
    (asked,) = of(line.wanted, CreateResponse)
    assert asked.instructions == ""


def test_a_session_that_follows_is_told_what_was_whispered() -> None:
    line = open_call(agent_with(reconnects=2))
    line.tell(WORD)
    line.tell(ModelLeft(1006, ""), SessionCreated(0))
    line.wanted.clear()
    line.tell(SessionUpdated())
    assert [told.text for told in of(line.wanted, AddText) if "ten percent" in told.text]


def test_between_two_sessions_a_whisper_waits_for_the_next() -> None:
    line = open_call(agent_with(reconnects=2))
    line.tell(ModelLeft(1006, ""))
    line.wanted.clear()
    assert answer_to(line, WORD) == ""
    assert of(line.wanted, AddText) == []
    line.tell(SessionCreated(0), SessionUpdated())
    assert [told for told in of(line.wanted, AddText) if "ten percent" in told.text]


def test_nothing_is_whispered_to_an_agent_that_is_gone_or_going() -> None:
    taken = talking_call()
    taken.tell(transfer(), CallerAway(1), FarEndTold(1, "answered"))
    assert answer_to(taken, NOW) == NOT_THERE
    going = talking_call()
    going.answer("r9", "i9", 2000)
    going.tell(ToolCalled("r9", "t1", "hang_up", "{}"))
    assert answer_to(going, WORD) == LAST_WORDS
    ringing = Driver(Call(evolve(agent_with(), outbound=Outgoing()), TOOLS, is_outgoing=True))
    assert answer_to(ringing, WORD) == NO_CALLER


# ---------------------------------------------------------------- a transfer


def test_a_transfer_goes_by_the_plan_that_the_model_would_have() -> None:
    line, by_model = talking_call(), talking_call()
    assert answer_to(line, ASKED) == ""
    by_model.tell(transfer())
    (leave,) = left(line)
    assert isinstance(leave.plan.step, Dial)
    assert left(by_model) == [leave]


def test_a_caller_who_was_taken_was_transferred_by_whoever_asked() -> None:
    line = talking_call()
    line.tell(ASKED, CallerAway(1), FarEndTold(1, "answered"))
    back(line, "completed")
    assert [(end.by, end.why) for end in of(line.wanted, EndCall)] == [
        ("operator", "transferred to sales by ada")
    ]


def test_a_caller_whom_nobody_took_is_back_and_the_agent_says_so() -> None:
    line = talking_call()
    line.tell(ASKED, CallerAway(1))
    line.wanted.clear()
    back(line, "no_answer")
    assert len(returned(line)) == 1
    (told,) = of(line.wanted, AddText)
    assert told.role == "system"
    assert "nobody answered" in told.text
    assert of(line.wanted, AnswerTool) == []
    returns(line)
    assert len(of(line.wanted, CreateResponse)) == 1
    assert line.end is None


def test_the_agent_ends_its_sentence_and_begins_no_other() -> None:
    line = talking_call()
    line.tell(ResponseCreated("r5"))
    line.generate("r5", "i5", 1200)
    line.tell(ASKED)
    assert of(line.wanted, CancelResponse) != []
    assert left(line) == []
    line.tell(ResponseFinished("r5", "cancelled"))
    line.hear_out()
    assert len(left(line)) == 1


def test_neither_caller_nor_tool_keeps_a_caller_for_longer_than_a_sentence() -> None:
    line = talking_call()
    line.call_tool()
    line.caller_begins()
    line.tell(ASKED)
    line.wait(ORDERED_MS - 1)
    assert left(line) == []
    line.wait(1)
    assert len(left(line)) == 1


def test_a_caller_who_talks_is_put_through_as_soon_as_they_pause() -> None:
    line = talking_call()
    line.caller_begins()
    line.tell(ASKED)
    line.caller_ends(after=400)
    assert len(left(line)) == 1


@pytest.mark.parametrize(
    ("before", "event", "why"),
    [
        ((), evolve(ASKED, place="mars"), "there is no such place; use one of: sales, anna, line"),
        ((transfer(), CallerAway(1)), ASKED, "the caller is not on the line"),
        ((ASKED,), ASKED, "the caller is not on the line"),
    ],
)
def test_what_can_not_be_is_refused_with_why(
    before: tuple[Event, ...], event: TransferAsked, why: str
) -> None:
    line = talking_call()
    line.tell(*before)
    assert answer_to(line, event) == why
    assert line.end is None


def test_after_the_end_nobody_is_answered() -> None:
    line = talking_call()
    line.tell(StreamStopped(SID))
    assert line.tell(ASKED, WORD, ListenerCame("ada", 1)) == []
