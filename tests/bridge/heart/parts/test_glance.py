"""What can be seen of a call from outside while it goes on."""

from heart import open_call

from bridge.heart.events import AgentWords, KeyPressed, TranscriptCame, TurnCommitted
from bridge.heart.parts.glance import MOST_CHARACTERS, MOST_TURNS


def test_who_speaks_can_be_seen_from_both_sides() -> None:
    call = open_call()
    call.answer(ms=400)
    assert call.call.glance(call.now).agent_speaks
    call.hear_out()
    assert not call.call.glance(call.now).agent_speaks
    call.caller_begins()
    assert call.call.glance(call.now).caller_speaks


def test_the_latest_words_can_be_seen_in_their_order_and_are_bounded() -> None:
    call = open_call()
    for number in range(4):
        call.tell(TurnCommitted(f"c{number}"), TranscriptCame(f"c{number}", f"asked {number}"))
        call.tell(AgentWords(f"a{number}", 0, f"answered {number} " + "x" * 1000, is_whole=True))
    said = call.call.glance(call.now).said
    assert len(said) == MOST_TURNS
    assert said[0] == ("caller", "asked 3")
    assert said[1][0] == "agent"
    assert len(said[1][1]) == MOST_CHARACTERS


def test_no_key_that_was_pressed_can_be_seen() -> None:
    call = open_call()
    for digit in "4711":
        call.tell(KeyPressed("MZ1", digit))
    call.wait(5000)
    assert "4711" not in repr(call.call.glance(call.now))


def test_a_tool_can_be_seen_while_it_runs() -> None:
    call = open_call()
    call.call_tool(name="look_up")
    assert call.call.glance(call.now).tools == ("look_up",)


def test_looking_at_a_call_changes_nothing_of_it() -> None:
    seen, unseen = open_call(), open_call()
    for call in (seen, unseen):
        call.answer(ms=400)
    for _ in range(3):
        seen.call.glance(seen.now)
    assert repr([seen.wait(5000), seen.call]) == repr([unseen.wait(5000), unseen.call])
