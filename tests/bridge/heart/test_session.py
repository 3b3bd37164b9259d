"""How the session is agreed on in a call: what a server refuses of it is left out, if the call can do without it."""

import pytest
from heart import new_call, of

from bridge.heart.effects import UpdateSession
from bridge.heart.events import ModelErred, SessionCreated, SessionUpdated
from bridge.heart.session_settings import NOISE_REDUCTION, TRANSCRIPTION, VOICE


def refusal(event_id: str, *refused: str) -> ModelErred:
    return ModelErred("invalid_value", "invalid_request_error", "Invalid", event_id, refused)


def test_a_refused_setting_is_no_refused_call() -> None:
    line = new_call()
    line.tell(SessionCreated(0))
    wanted = line.tell(refusal("b1", TRANSCRIPTION))
    (update,) = of(wanted, UpdateSession)
    assert update.session.left_out == (TRANSCRIPTION,)
    line.tell(SessionUpdated("audio/pcmu", "audio/pcmu"))
    assert (line.end, line.milestones()[-1]) == (None, "model_ready")
    assert [note["text"] for note in line.notes("log")] == ["setting refused: audio.input.transcription"]


def test_several_settings_may_be_refused_one_after_the_other() -> None:
    line = new_call()
    line.tell(SessionCreated(0))
    for name in (VOICE, NOISE_REDUCTION):
        update = of(line.wanted, UpdateSession)[-1]
        line.tell(refusal(update.event_id, name))
    assert of(line.wanted, UpdateSession)[-1].session.left_out == (VOICE, NOISE_REDUCTION)
    assert line.end is None


def test_a_setting_that_the_call_needs_is_a_refused_session() -> None:
    line = new_call()
    line.tell(SessionCreated(0), refusal("b1"))
    assert line.end is not None
    assert line.end.why == "the model refused the session (invalid_value: Invalid)"
    assert line.end.say == line.call.agent.failure_sentence.text


@pytest.mark.parametrize(("granted", "speaks"), [
    (SessionUpdated("audio/pcm", "audio/pcmu"), "audio/pcm"), (SessionUpdated("audio/pcmu", "g711_alaw"), "g711_alaw"),
])  # fmt: skip
def test_a_session_that_speaks_another_format_is_no_session(granted: SessionUpdated, speaks: str) -> None:
    line = new_call()
    line.tell(SessionCreated(0), granted)
    assert line.end is not None
    assert (line.end.by, line.end.why) == ("model", f"the model refused the session (it speaks {speaks})")
    assert line.end.say == line.call.agent.failure_sentence.text
