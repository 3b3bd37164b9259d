"""The heart and pressed keys: collected, given to the model as text, answered when nothing is in the way."""

from heart import START, Driver, new_call, of, open_call

from bridge.heart.effects import AddText, CreateResponse
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
