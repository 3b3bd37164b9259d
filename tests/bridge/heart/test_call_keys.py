"""The heart and pressed keys: collected, given to the model as text, answered when nothing is in the way."""

from heart import START, Driver, agent_with, new_call, of, open_call

from bridge.heart.effects import (
    AddText,
    AnswerTool,
    CancelResponse,
    ClearPlayback,
    CreateResponse,
    EndCall,
    PlayAudio,
    TruncateItem,
)
from bridge.heart.events import KeyPressed, ResponseCreated, ResponseFinished, SessionCreated, SessionUpdated


def asked(line: Driver) -> list[CreateResponse]:
    return of(line.wanted, CreateResponse)


def keys_given(line: Driver) -> list[str]:
    return [text.text.partition(": ")[2].rstrip(")") for text in of(line.wanted, AddText)]


def press(line: Driver, digits: str) -> None:
    line.tell(*(KeyPressed("MZ1", digit) for digit in digits))


def test_keys_pressed_soon_after_each_other_are_one_entry() -> None:
    line = open_call()
    press(line, "12")
    line.wait(1000)
    press(line, "3")
    line.wait(1499)
    assert keys_given(line) == []
    line.wait(1)
    assert (keys_given(line), len(asked(line))) == (["123"], 1)


def test_a_hash_ends_an_entry_at_once() -> None:
    line = open_call()
    press(line, "42#")
    assert keys_given(line) == ["42#"]


def test_an_entry_has_at_most_32_keys() -> None:
    line = open_call()
    press(line, "0" * 33)
    assert keys_given(line) == ["0" * 32]


def test_keys_pressed_before_the_model_is_ready_are_kept_for_it() -> None:
    line = new_call()
    line.tell(START, SessionCreated(0))
    press(line, "7#")
    line.tell(SessionUpdated(), after=2000)
    assert keys_given(line) == ["7#"]


def test_keys_during_a_response_are_answered_after_it() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    press(line, "1#")
    assert (len(of(line.wanted, AddText)), asked(line)) == (1, [])
    line.tell(ResponseFinished("r1", "completed"))
    assert len(asked(line)) == 1


def test_a_key_interrupts_as_speech_does() -> None:
    line = open_call()
    line.answer("r1", "menu", 20_000)
    line.wait_with_frames(2000)
    line.echo()
    before = len(line.wanted)
    press(line, "1")
    (cut,) = of(line.wanted[before:], TruncateItem)
    assert len(of(line.wanted[before:], ClearPlayback)) == 1
    assert (cut.item_id, 2000 <= cut.audio_end_ms < 3000) == ("menu", True)
    line.wait_with_frames(2000)
    assert (of(line.wanted[before:], PlayAudio), len(asked(line))) == ([], 1)


def test_a_response_that_goes_on_is_cancelled_once_for_all_keys_of_an_entry() -> None:
    line = open_call()
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "menu", 400)
    press(line, "471")
    line.tell(ResponseFinished("r1", "cancelled"))
    assert [cancel.response_id for cancel in of(line.wanted, CancelResponse)] == ["r1"]


def test_nothing_new_is_said_in_the_middle_of_an_entry() -> None:
    line = open_call()
    press(line, "4")
    line.tell(ResponseCreated("r1"))
    assert [cancel.response_id for cancel in of(line.wanted, CancelResponse)] == ["r1"]


def test_whoever_can_not_interrupt_by_speech_can_not_by_keys() -> None:
    line = open_call(agent_with(interrupt=False))
    line.tell(ResponseCreated("r1"))
    line.generate("r1", "menu", 4000)
    press(line, "1#")
    assert of(line.wanted, ClearPlayback) + of(line.wanted, CancelResponse) == []


def test_a_key_during_the_goodbye_keeps_the_call() -> None:
    line = open_call()
    line.answer("r1", "goodbye", 3000)
    line.call_tool("c1", "hang_up")
    press(line, "0")
    line.wait_with_frames(5000)
    assert "not hung up" in of(line.wanted, AnswerTool)[0].output
    assert of(line.wanted, EndCall) == []


def test_a_caller_who_enters_a_long_number_is_not_given_up_meanwhile() -> None:
    line = open_call()
    line.caller_begins()
    line.caller_ends(after=800)
    for _ in range(15):
        press(line, "5")
        line.wait_with_frames(1400)
    assert of(line.wanted, EndCall) == []
