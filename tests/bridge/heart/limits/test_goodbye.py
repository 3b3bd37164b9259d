"""The goodbye before somebody outside ends the call: asked for, heard, or said by Twilio."""

from heart import Driver, agent_with, of, open_call, ready_call

from bridge.heart.effects import AddText, CreateResponse
from bridge.heart.events import ResponseCreated, Stopped

CLOSES = Stopped("operator", "the daemon is shutting down", "We are closing.", within_ms=8000)
NOW = Stopped("operator", "the daemon is shutting down", "We are closing.")


def ended(line: Driver) -> tuple[str, str, str] | None:
    return None if line.end is None else (line.end.by, line.end.why, line.end.say)


def a_call() -> Driver:
    return open_call(agent_with(still_there_seconds=0))


def test_a_call_with_time_for_a_goodbye_ends_when_that_was_heard() -> None:
    line = a_call()
    line.tell(CLOSES)
    (words,) = of(line.wanted, AddText)
    assert "8 seconds" in words.text
    line.answer("r1", "i1", 2000)
    line.listen(1600)  # what was sent is on its way to the ear for 300 ms
    assert line.end is None
    line.listen(600)
    assert ended(line) == ("operator", "the daemon is shutting down", "")


def test_a_call_without_one_ends_in_its_time_with_the_sentence() -> None:
    line = a_call()
    line.tell(CLOSES, ResponseCreated("r1"))
    line.generate("r1", "i1", 30_000)
    line.listen(8200)
    assert ended(line) == ("operator", "the daemon is shutting down", "We are closing.")


def test_whoever_is_asked_to_end_it_at_once_ends_it_at_once() -> None:
    line = a_call()
    line.tell(CLOSES)
    line.tell(NOW)
    assert ended(line) == ("operator", "the daemon is shutting down", "We are closing.")


def test_a_model_that_is_not_there_yet_is_not_asked_and_the_time_holds_all_the_same() -> None:
    line = ready_call(agent_with(still_there_seconds=0, reconnects=0))
    line.tell(CLOSES)
    line.answer("r0", "i0", 1000)  # the opening, which began before the model knew
    line.listen(1500)
    assert line.end is None
    assert len(of(line.wanted, CreateResponse)) == 2
    line.answer("r1", "i1", 1000)
    line.listen(1500)
    assert ended(line) == ("operator", "the daemon is shutting down", "")


def test_the_nearer_of_two_ends_holds() -> None:
    line = a_call()
    line.tell(CLOSES)
    line.listen(1000)
    line.tell(Stopped("operator", "the house is on fire", "", within_ms=2000))
    line.listen(2200)
    assert line.end is not None
    assert line.end.why == "the house is on fire"
