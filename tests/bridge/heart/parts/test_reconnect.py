"""The next session: opened when one is lost or grows old, told what was said, and asked for what is owed."""

from collections.abc import Callable

import pytest
from attrs import evolve
from away import PLACES, left, talking_call, transfer
from courses import Course, agents, courses, history
from heart import START, Driver, agent_with, new_call, of, open_call, ready_call, truncations
from hypothesis import given, settings

from bridge.agents import Agent
from bridge.heart.effects import (
    AddCall,
    AddText,
    AddTurn,
    AnswerTool,
    AppendAudio,
    ClearPlayback,
    CreateResponse,
    Effect,
    OpenSession,
    UpdateSession,
    WriteNote,
)
from bridge.heart.events import (
    AgentWords,
    CallerAway,
    Event,
    KeyPressed,
    LinkStalled,
    ModelErred,
    ModelLeft,
    ModelUnreachable,
    ResponseCreated,
    ResponseFinished,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    ToolAnswered,
    ToolCalled,
    TranscriptCame,
    TurnCommitted,
)
from bridge.heart.last_words import UNDER_WAY_MS
from bridge.heart.parts.conversation import MOST_ENTRIES, NOT_WRITTEN_DOWN

LOST = ModelLeft(1006, "")
AGENT = agent_with(reconnects=2, reconnect_ms=5000)


def a_call(agent: Agent = AGENT) -> Driver:
    """Return a call with a greeting, a question and an answer, all of it heard."""
    line = ready_call(agent)
    line.tell(ResponseCreated("r0"), AgentWords("i0", 0, "Hello there.", is_whole=True))
    line.answer("r0", "i0", 200)
    line.hear_out()
    says(line, "u1", "What time is it?")
    line.tell(ResponseCreated("r1"), AgentWords("i1", 0, "It is "), AgentWords("i1", 0, "noon."))
    line.answer("r1", "i1", 400)
    line.hear_out()
    line.wanted.clear()
    line.echoed = 0
    return line


def says(line: Driver, item: str, words: str) -> None:
    """Let the caller have a turn, and its words be written down; empty ones are not."""
    line.tell(SpeechStarted(item, 0), SpeechStopped(item, 0), TurnCommitted(item))
    if words:
        line.tell(TranscriptCame(item, words))


def comes_back(line: Driver) -> list[Effect]:
    """Let the next session be there."""
    return line.tell(SessionCreated(0), SessionUpdated())


def told(effects: list[Effect]) -> list[tuple[str, str]]:
    """Return what a session was told, in order: who said what, which tool was called, what it answered."""
    said: list[tuple[str, str]] = []
    for effect in effects:
        match effect:
            case AddTurn(role=role, text=text) | AddText(role=role, text=text):
                said.append((role, text))
            case AddCall(name=name, call_id=call_id):
                said.append((name, call_id))
            case AnswerTool(call_id=call_id, output=output):
                said.append((call_id, output))
    return said


WAYS: list[Event] = [
    LOST,
    ModelLeft(1001, "going away"),
    LinkStalled("model"),
    ModelErred("session_expired", "", "", ""),
]


@pytest.mark.parametrize("way", WAYS)
def test_a_session_that_is_lost_is_followed_by_one_that_knows_what_was_said(way: Event) -> None:
    line = a_call()
    assert of(line.tell(way), OpenSession) == [OpenSession(2, 5000)]
    wanted = comes_back(line)
    assert of(wanted, UpdateSession)
    assert told(wanted) == [
        ("assistant", "Hello there."), ("user", "What time is it?"), ("assistant", "It is noon."),
    ]  # fmt: skip
    assert not of(wanted, CreateResponse), "nobody waited for anything"
    assert line.end is None


def test_the_greeting_is_not_repeated_and_what_was_owed_is_asked_for() -> None:
    line = a_call()
    says(line, "u2", "And tomorrow?")
    wanted = line.tell(LOST) + comes_back(line)
    (asked,) = of(wanted, CreateResponse)
    assert asked.instructions == ""
    *_, last, note = told(wanted)
    assert last == ("user", "And tomorrow?")
    assert note[0] == "system"


def test_a_greeting_that_was_not_said_is_asked_for_again() -> None:
    line = ready_call(AGENT)
    wanted = line.tell(LOST) + comes_back(line)
    (asked,) = of(wanted, CreateResponse)
    assert AGENT.greeting in asked.instructions


def test_what_is_being_played_is_played_to_its_end() -> None:
    line = a_call()
    says(line, "u2", "Tell me a story.")
    line.tell(ResponseCreated("r2"), AgentWords("i2", 0, "Once upon"))
    line.generate("r2", "i2", 900)
    line.tell(LOST)
    before = len(line.wanted)
    line.hear_out()
    items = [note for note in line.notes("item") if note["item_id"] == "i2"]
    assert [note["heard_ms"] for note in items] == [900]
    assert not of(line.wanted[before:], ClearPlayback)


def test_words_that_were_cut_off_are_told_as_far_as_they_were_heard() -> None:
    line = a_call()
    says(line, "u2", "Tell me a story.")
    line.tell(ResponseCreated("r2"), AgentWords("i2", 0, "one two three four five six seven eight"))
    line.generate("r2", "i2", 800)
    line.wait(400)
    line.tell(SpeechStarted("u3", 0))
    wanted = line.tell(LOST) + comes_back(line)
    (heard,) = [text for who, text in told(wanted) if who == "assistant" and text.startswith("one")]
    assert "one two three four five six seven eight".startswith(heard)
    assert "eight" not in heard


def test_an_interruption_of_the_former_session_s_words_is_told_in_words() -> None:
    line = a_call()
    says(line, "u2", "Tell me a story.")
    line.tell(ResponseCreated("r2"), AgentWords("i2", 0, "one two three four"))
    line.generate("r2", "i2", 4000)
    line.tell(LOST)
    comes_back(line)
    wanted = line.tell(SpeechStarted("u3", 0), after=500)
    assert truncations(wanted) == [], "the new session has no such item"
    (note,) = told(wanted)
    assert note[0] == "system"
    assert "four" not in note[1]


def test_a_tool_goes_on_and_its_answer_reaches_the_next_session() -> None:
    line = a_call()
    says(line, "u2", "Is there a table?")
    line.tell(
        ResponseCreated("r2"), ToolCalled("r2", "c1", "look_up", "{}"), ResponseFinished("r2", "completed")
    )
    line.tell(LOST)
    wanted = comes_back(line)
    assert told(wanted)[4:5] == [("look_up", "c1")]
    assert not of(wanted, AnswerTool)
    assert of(line.tell(ToolAnswered("c1", "yes")), AnswerTool)[0].output == "yes"


def test_a_tool_that_answers_meanwhile_is_told_once() -> None:
    line = a_call()
    says(line, "u2", "Is there a table?")
    line.tell(
        ResponseCreated("r2"), ToolCalled("r2", "c1", "look_up", "{}"), ResponseFinished("r2", "completed")
    )
    assert not of(line.tell(LOST, ToolAnswered("c1", "yes")), AnswerTool)
    wanted = comes_back(line)
    assert told(wanted)[4:6] == [("look_up", "c1"), ("c1", "yes")]
    assert of(wanted, CreateResponse)


def test_the_caller_s_words_meanwhile_are_held_and_given() -> None:
    line = a_call()
    line.tell(LOST)
    for _ in range(10):
        line.caller_frame(b"\x11" * 160, after=20)
    wanted = comes_back(line)
    appended = of(wanted, AppendAudio)
    assert b"".join(effect.audio for effect in appended) == b"\x11" * 1600
    assert not [note for note in told(wanted) if note[0] == "system"]


def test_who_was_speaking_is_listened_to_before_an_answer_is_asked_for() -> None:
    line = a_call()
    line.tell(SpeechStarted("u2", 0), LOST)
    assert not of(comes_back(line), CreateResponse)
    assert not of(line.tell(SpeechStarted("u3", 0), after=200), CreateResponse)
    line.wait_with_frames(3000)
    wanted = line.tell(SpeechStopped("u3", 0), TurnCommitted("u3"))
    assert not of(wanted, CreateResponse), "the server answers by itself"
    assert not of(line.wait_with_frames(1000), CreateResponse)


def test_who_had_ended_just_then_is_asked_soon() -> None:
    line = a_call()
    line.tell(SpeechStarted("u2", 0), LOST)
    comes_back(line)
    assert not of(line.wait_with_frames(400), CreateResponse)
    assert of(line.wait_with_frames(200), CreateResponse)


def test_more_than_can_be_held_is_said_to_be_lost() -> None:
    line = a_call(agent_with(reconnects=1, reconnect_ms=9000, held_caller_audio_ms=200))
    line.tell(LOST)
    line.wait_with_frames(1000)
    assert [role for role, _ in told(comes_back(line))][-1] == "system"


def test_keys_that_were_pressed_are_told_again_as_keys() -> None:
    line = a_call()
    line.tell(KeyPressed("MZ1", "7"))
    line.wait(3000)
    (pressed,) = of(line.wanted, AddText)
    line.tell(LOST)
    assert [text.keys for text in of(comes_back(line), AddText) if text.keys] == [pressed.keys]


def test_a_turn_without_words_is_said_to_have_been() -> None:
    line = a_call()
    says(line, "u2", "")
    line.tell(LOST)
    assert ("user", NOT_WRITTEN_DOWN) in told(comes_back(line))


def test_what_is_remembered_has_a_bound_whoever_talks_for_ever() -> None:
    line = a_call()
    for _ in range(100):
        line.tell(AgentWords("i8", 0, "word " * 1000), TranscriptCame("u8", "word " * 100_000))
    line.tell(*(AgentWords("i8", index, "x" * 10_000) for index in range(1, 500)))
    line.tell(
        ToolCalled("r9", "c1", "look_up", '{"x": "' + "y" * 100_000 + '"}'), ToolAnswered("c1", "z" * 10**7)
    )
    line.tell(LOST)
    wanted = comes_back(line)
    assert sum(len(text) for _, text in told(wanted)) < 500_000
    (call,) = of(wanted, AddCall)
    assert call.arguments == "{}"


def test_a_tool_that_runs_is_told_however_much_is_said_meanwhile() -> None:
    line = a_call()
    line.tell(ToolCalled("r9", "c1", "look_up", "{}"), ToolCalled("r9", "c2", "book_table", "{}"))
    line.tell(ToolAnswered("c2", "booked"))
    for number in range(2 * MOST_ENTRIES):
        line.tell(AgentWords(f"said{number}", 0, "word"))
    line.tell(LOST)
    wanted = comes_back(line)
    assert [call.call_id for call in of(wanted, AddCall)] == ["c1"]
    assert len(told(wanted)) <= MOST_ENTRIES + 1
    (answer,) = of(line.tell(ToolAnswered("c1", "yes")), AnswerTool)
    assert answer.output == "yes"


def test_an_answer_to_what_no_session_was_told_of_is_kept_from_it() -> None:
    line = a_call()
    line.tell(ToolCalled("r9", "c1", "look_up", "{}"))
    for number in range(MOST_ENTRIES + 1):
        line.tell(ToolCalled("r9", f"bye{number}", "hang_up", "{}"))
    line.tell(SpeechStarted("u9", 0), LOST)
    assert "c1" not in [call.call_id for call in of(comes_back(line), AddCall)]
    assert not of(line.tell(ToolAnswered("c1", "yes")), AnswerTool)


# ---------------------------------------------------------------- when it can't be had


def test_so_many_and_no_more() -> None:
    line = a_call()
    for number in (2, 3):
        assert of(line.tell(LOST), OpenSession)[0].number == number
        comes_back(line)
    line.tell(LOST)
    assert line.end is not None
    assert line.end.by == "model"


def gives_up(line: Driver) -> None:
    line.wait_with_frames(5000)


def is_unreachable(line: Driver) -> None:
    line.tell(ModelUnreachable("wss://model can't be reached"))


@pytest.mark.parametrize("what", [gives_up, is_unreachable])
def test_a_session_that_does_not_come_is_a_case_for_the_failure_plan(what: Callable[[Driver], None]) -> None:
    line = a_call()
    line.tell(LOST)
    what(line)
    assert line.end is not None
    assert (line.end.by, line.end.say) == ("model", AGENT.failure_sentence.text)


def test_a_socket_that_breaks_off_again_and_again_gets_no_more_time() -> None:
    line = a_call()
    line.tell(LOST)
    again = line.tell(SessionCreated(0), LOST, after=3000)
    assert of(again, OpenSession) == [OpenSession(3, 2000, 200)]


def test_each_further_try_is_put_off_for_longer_so_that_a_thousand_calls_are_no_storm() -> None:
    line = a_call(agent_with(reconnects=9))
    pauses = []
    for _ in range(5):
        pauses += [effect.pause_ms for effect in of(line.tell(LOST), OpenSession)]
        line.tell(SessionCreated(0), SessionUpdated(), after=100)
    assert pauses == [0, 200, 400, 800, 1000]


def test_a_session_that_has_lasted_is_followed_at_once() -> None:
    line = a_call(agent_with(reconnects=9))
    line.tell(LOST)
    comes_back(line)
    line.wait_with_frames(30_000)
    assert of(line.tell(LOST), OpenSession)[0].pause_ms == 0


def test_without_the_pause_every_try_is_made_at_once() -> None:
    line = a_call(agent_with(reconnects=9, reconnect_pause_ms=0))
    line.tell(LOST)
    assert of(line.tell(SessionCreated(0), LOST), OpenSession)[0].pause_ms == 0


def test_a_session_that_breaks_off_before_it_is_ready_is_followed_within_the_same_time() -> None:
    line = new_call(AGENT)
    line.tell(START, SessionCreated(0))
    assert of(line.tell(LOST, after=1000), OpenSession) == [OpenSession(2, 3000)]
    wanted = comes_back(line)
    (asked,) = of(wanted, CreateResponse)
    assert AGENT.greeting in asked.instructions
    assert told(wanted) == []


def test_none_is_opened_where_none_is_wanted() -> None:
    line = open_call(agent_with(reconnects=0))
    assert not of(line.tell(LOST), OpenSession)
    assert line.end is not None


# ---------------------------------------------------------------- away from the stream


def test_the_session_is_lost_and_followed_while_the_caller_is_away() -> None:
    agent = evolve(AGENT, transfer=PLACES)
    line = a_call(agent)
    line.call_tool("c1", "transfer_call", '{"place": "sales"}')
    line.tell(ResponseFinished("r9", "completed"))
    line.hear_out()
    assert left(line)
    assert of(line.tell(LOST), OpenSession)
    comes_back(line)
    assert line.end is None


# ---------------------------------------------------------------- before it is too old

OLD = agent_with(reconnects=2, session_seconds=30)
STEP_MS = 15_500
"""How long a caller to whom one digit is sent may be away."""


def test_a_session_that_grows_old_is_left_between_two_turns() -> None:
    line = a_call(OLD)
    line.wait_with_frames(29_000 - line.now)
    assert not of(line.wanted, OpenSession)
    line.wait_with_frames(2000)
    assert of(line.wanted, OpenSession) == [OpenSession(2, 5000)]
    wanted = comes_back(line)
    assert [who for who, _ in told(wanted)] == ["assistant", "user", "assistant"]
    assert not of(wanted, CreateResponse)


def test_it_is_not_left_in_the_moment_in_which_the_call_ends() -> None:
    line = a_call(evolve(OLD, send_digits=True))
    line.wait_with_frames(29_000 - line.now)
    line.tell(SpeechStarted("u9", 0))
    line.tell(SpeechStopped("u9", 0), TurnCommitted("u9"), ResponseCreated("r9"), after=500)
    line.call_tool("c9", "send_digits", '{"digits": "1"}')
    line.tell(ResponseFinished("r9", "completed"))
    assert left(line)
    line.tell(CallerAway(1), after=40)
    line.tell(TurnCommitted("u10"), after=STEP_MS - UNDER_WAY_MS)
    line.wait(UNDER_WAY_MS - 1)
    assert line.end is None
    line.wait(1)  # their last words are given up in the very moment in which the step is
    assert line.end is not None
    assert line.end.why == "the caller did not come back from digits"
    assert not of(line.wanted, OpenSession)


def test_it_is_not_left_in_the_middle_of_a_turn() -> None:
    line = a_call(OLD)
    line.wait_with_frames(29_500 - line.now)
    line.tell(SpeechStarted("u2", 0))
    line.wait_with_frames(2000)
    assert not of(line.wanted, OpenSession)
    line.tell(SpeechStopped("u2", 0), TurnCommitted("u2"), TranscriptCame("u2", "Well?"))
    line.tell(AgentWords("i2", 0, "Yes.", is_whole=True))
    line.answer("r2", "i2", 400)
    assert not of(line.wanted, OpenSession), "its words are still being heard"
    line.hear_out()
    assert of(line.wanted, OpenSession)


def test_it_is_left_while_a_tool_runs_whose_answer_the_next_one_gets() -> None:
    line = a_call(OLD)
    line.wait_with_frames(29_500 - line.now)
    says(line, "u2", "Is there a table?")
    line.tell(
        ResponseCreated("r2"), ToolCalled("r2", "c1", "look_up", "{}"), ResponseFinished("r2", "completed")
    )
    line.wait_with_frames(1000)
    assert of(line.wanted, OpenSession)
    assert not of(comes_back(line), CreateResponse)
    wanted = line.tell(ToolAnswered("c1", "yes"))
    assert of(wanted, AnswerTool)
    assert of(wanted, CreateResponse)


@settings(max_examples=150)
@given(agents, courses)
def test_sessions_come_one_after_the_other(agent: Agent, course: Course) -> None:
    wanted = history(agent, course).wanted
    numbers = [effect.number for effect in of(wanted, OpenSession)]
    assert numbers == list(range(2, 2 + len(numbers)))
    losses = [note for note in of(wanted, WriteNote) if note.data.get("name") == "model_lost"]
    assert len(losses) <= agent.limits.reconnects


def test_an_old_session_is_not_left_in_the_middle_of_a_word_that_nobody_has_told_of_yet() -> None:
    line = a_call(OLD)
    line.wait_with_frames(29_900 - line.now)
    for _ in range(10):
        line.caller_frame(b"\x10\x90" * 80, after=20)
    assert not of(line.wanted, OpenSession)
    line.wait_with_frames(80)
    assert not of(line.wanted, OpenSession), "they may only have paused"
    line.wait_with_frames(20)
    assert of(line.wanted, OpenSession)


def test_a_line_that_is_never_quiet_keeps_no_old_session() -> None:
    line = a_call(OLD)
    while not of(line.wanted, OpenSession):
        line.caller_frame(b"\x10\x90" * 80, after=20)
        assert line.now < 31_500


def test_an_old_session_is_left_though_no_mark_tells_that_its_words_were_heard() -> None:
    line = a_call(OLD)
    line.wait_with_frames(29_500 - line.now)
    says(line, "u2", "Is there a table?")
    line.answer("r2", "i2", 400)
    line.wait_with_frames(2000)
    assert not of(line.wanted, OpenSession), "the marks may be late"
    line.wait_with_frames(500)
    assert of(line.wanted, OpenSession)


def test_an_old_session_whose_last_words_never_come_is_left_once_they_are_given_up() -> None:
    """Though nothing but the caller's frames comes meanwhile, which pass through."""
    line = a_call(OLD)
    line.wait_with_frames(29_500 - line.now)
    line.tell(SpeechStarted("u2", 0))
    line.tell(SpeechStopped("u2", 0), TurnCommitted("u2"), after=400)
    committed_at = line.now
    line.answer("r2", "i2", 400)
    line.hear_out()
    line.wait_with_frames(committed_at + UNDER_WAY_MS - 20 - line.now)
    assert not of(line.wanted, OpenSession), "their words may still come"
    line.wait_with_frames(60)
    assert of(line.wanted, OpenSession)


def test_so_it_is_while_the_caller_is_away() -> None:
    line = talking_call(reconnects=1, session_seconds=5)
    line.caller_begins()
    line.caller_ends(after=400)
    committed_at = line.now
    line.tell(ResponseCreated("r9"), transfer(), ResponseFinished("r9", "completed"))
    line.tell(CallerAway(1), after=40)
    line.wait(committed_at + UNDER_WAY_MS - 20 - line.now)
    assert not of(line.wanted, OpenSession)
    line.wait(60)
    assert of(line.wanted, OpenSession)
