import attrs
import pytest
from judged_calls import a_call, answer, told, truncation

from replay.conformance.both_sides import BothSides
from replay.conformance.judging.scenarios import unmet_of_both
from replay.phone.exchange.expect import ExpectOfBoth


def words(item_id: str, text: str) -> object:
    return told(2000, "response.output_audio_transcript.done", item_id=item_id, transcript=text)


CALL = a_call(
    answer(990, 1, 3000), words("item_1.1", "We are open. Until ten."), truncation(2500, "item_1.1", 1400),
    answer(5000, 2, 1000), words("item_2.1", "Goodbye!"), told(30_900, "closed", "socket", code=1000),
    heard=[(1000, 2500), (5100, 6100)], clears=[2500], says=[(2400, 500)],
)  # fmt: skip


@pytest.mark.parametrize(
    "expect",
    [
        ExpectOfBoth(),
        ExpectOfBoth(claims_within_ms=100),
        ExpectOfBoth(agent_heard=("We are open", "Goodbye!"), agent_not_heard=("ten",)),
        ExpectOfBoth(session_closed_within_ms=900),
        ExpectOfBoth(answered_within_ms=2200),
    ],
)
def test_what_came_true_is_not_told(expect: ExpectOfBoth) -> None:
    assert unmet_of_both(expect, CALL) == []


@pytest.mark.parametrize(
    ("expect", "sentence"),
    [
        (ExpectOfBoth(claims_within_ms=99), "1400 ms were claimed as heard, and 1500 were: not within 99 ms"),
        (ExpectOfBoth(agent_heard=("ten",)), "the caller never heard 'ten' of the agent to its end"),
        (ExpectOfBoth(agent_not_heard=("open",)), "the caller heard 'open' of the agent"),
        (
            ExpectOfBoth(session_closed_within_ms=899),
            "the model's session was closed 900 ms after the stream's end, not within 899 ms",
        ),
        (ExpectOfBoth(answered_within_ms=2000), "'Yes.' was answered after 2200 ms, not within 2000 ms"),
    ],
)
def test_what_did_not_come_true_is_told_with_what_was_found(expect: ExpectOfBoth, sentence: str) -> None:
    assert unmet_of_both(expect, CALL) == [sentence]


def test_a_session_that_was_never_left_is_told() -> None:
    session = attrs.evolve(CALL.sessions[0])
    assert session.session is not None
    call: BothSides = a_call(told(100, "session.created"), close_code=None)
    (sentence,) = unmet_of_both(ExpectOfBoth(session_closed_within_ms=100), call)
    assert sentence == "the model's session was still open 15 s after the stream's end"
