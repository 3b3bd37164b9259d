import attrs
import pytest
from judged_calls import a_call, answer, error, told

from replay.conformance.both_sides import BothSides
from replay.conformance.card import Evidence
from replay.conformance.judging.endings import judge_ending
from replay.conformance.judging.verdicts import ACTIVE
from replay.conformance.situations import FIRST, SILENCE_MS, script
from replay.model.script import Faults
from replay.phone.twiml import Say

OPENED = told(100, "session.created")
GONE = attrs.evolve(FIRST, script=script(faults=Faults(drop_after_ms=2000)), is_broken=True)


def results(call: BothSides) -> dict[str, str]:
    return {finding.check: finding.result for finding in judge_ending(call)}


def test_a_session_that_was_left_passes_and_one_that_is_open_fails() -> None:
    closed = told(30_050, "closed", "socket", code=1000)
    assert results(a_call(OPENED, closed))["session-left"] == "passed"
    assert results(a_call(OPENED, close_code=None))["session-left"] == "failed"


def test_a_session_that_is_left_open_is_proved_by_when_it_still_was() -> None:
    (finding, _) = judge_ending(a_call(OPENED, close_code=None))
    assert (finding.check, finding.model) == (
        "session-left",
        Evidence("model", 45_000, "session 1 is still open"),
    )


@pytest.mark.parametrize(
    ("code", "result"),
    [("unknown_parameter", "failed"), (ACTIVE, "passed"), ("response_cancel_not_active", "passed")],
)
def test_an_error_is_provoked_unless_it_is_looked_at_elsewhere(code: str, result: str) -> None:
    assert results(a_call(OPENED, error(500, code)))["no-provoked-errors"] == result


def test_what_was_refused_about_what_was_heard_is_another_check() -> None:
    call = a_call(OPENED, error(500, "invalid_value", param="audio_end_ms"))
    assert results(call)["no-provoked-errors"] == "passed"


def test_a_line_that_is_silent_after_the_model_has_gone_fails() -> None:
    call = a_call(
        OPENED,
        answer(990, 1, 1000),
        told(2000, "closed", "socket", code=1006),
        heard=[(1000, 2000)],
        situation=GONE,
    )
    (finding,) = judge_ending(call)
    assert (finding.check, finding.result) == ("no-silence-after-failure", "failed")
    assert finding.why == "silence for 28000 ms, until the caller gave up"


@pytest.mark.parametrize("verbs", [[], [Say("Sorry, we lost the line.")]])
def test_a_stream_that_is_ended_then_passes(verbs: list[Say]) -> None:
    closed = told(2000, "closed", "socket", code=1006)
    call = a_call(OPENED, closed, situation=GONE, closed_ms=2300, closed_by="bridge", next_verbs=verbs)
    assert results(call) == {"no-silence-after-failure": "passed"}


def test_an_agent_that_is_heard_again_passes() -> None:
    closed = told(2000, "closed", "socket", code=1006)
    heard = [(at, at + 1000) for at in range(5000, 30_000, SILENCE_MS - 1000)]
    assert results(a_call(OPENED, closed, situation=GONE, heard=heard)) == {
        "no-silence-after-failure": "passed"
    }


def test_a_session_that_is_left_much_later_was_forgotten() -> None:
    closed = told(46_000, "closed", "socket", code=1000)
    assert results(a_call(OPENED, closed))["session-left"] == "failed"
