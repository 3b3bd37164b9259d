"""How calls of before ended: what Twilio is told when it asks late, or asks another process."""

import gzip
from pathlib import Path

import pytest
from taped import header_of

from bridge.agents import Agent
from bridge.calls.outcomes import MOST_OUTCOMES, Outcome, Outcomes, outcome_on_disk
from bridge.heart.effects import EndCall
from bridge.tapes.header import encode_header
from bridge.tapes.tape import TWILIO, Line, carry_out, encode

DESK = Agent(name="front-desk")
CLOSED = EndCall("operator", "the daemon is shutting down", "We close now.")
WORDS = Line(
    t_ms=1, leg="tool", sender="tool", tool={"call_id": "c", "output": '{"end":{"by":"x","why":"y"}}'}
)


def a_tape(folder: Path, *, is_done: bool = True, end: EndCall | None = CLOSED) -> str:
    """Write a tape, with words on it that look like an ending; return the id of its call."""
    header = header_of(DESK, [])
    lines = [encode_header(header), encode(WORDS), *([encode(carry_out(5, end)[0])] if end else [])]
    data = b"".join(
        [*lines, encode(Line(t_ms=6, leg="twilio_ws", sender=TWILIO, close={"code": 1000, "reason": ""}))]
    )
    path = folder / "2026-11-27" / f"{header.call_id}{'.jsonl.gz' if is_done else '.jsonl'}"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(data) if is_done else data)
    return header.call_id


@pytest.mark.parametrize("is_done", [True, False])
def test_a_tape_tells_how_its_call_ended(tmp_path: Path, is_done: bool) -> None:
    call_id = a_tape(tmp_path, is_done=is_done)
    assert outcome_on_disk(tmp_path, DESK, call_id) == Outcome(DESK, CLOSED)


def test_a_tape_without_an_ending_was_cut_off_by_a_crash(tmp_path: Path) -> None:
    call_id = a_tape(tmp_path, is_done=False, end=None)
    found = outcome_on_disk(tmp_path, DESK, call_id)
    assert found == Outcome(DESK, EndCall("bridge", "crashed", DESK.failure_sentence.text))


def test_a_call_of_another_agent_or_of_nobody_tells_nothing(tmp_path: Path) -> None:
    call_id = a_tape(tmp_path)
    assert outcome_on_disk(tmp_path, Agent(name="other"), call_id) is None
    assert outcome_on_disk(tmp_path, DESK, "CA" + "0" * 32) is None


def test_a_tape_that_can_not_be_read_tells_nothing(tmp_path: Path) -> None:
    call_id = a_tape(tmp_path)
    (path,) = tmp_path.rglob("*.gz")
    path.write_bytes(b"no tape")
    assert outcome_on_disk(tmp_path, DESK, call_id) is None


def test_twilio_is_waited_for_where_it_will_ask_and_outcomes_are_bounded() -> None:
    outcomes = Outcomes()
    outcomes.add(("CA1", "desk"), DESK, EndCall("caller", "hung up"), now=0)
    assert not outcomes.is_any_awaited(0.1)
    outcomes.add(("CA2", "desk"), DESK, CLOSED, now=0)
    assert (outcomes.is_any_awaited(1.9), outcomes.is_any_awaited(2.1)) == (True, False)
    outcomes.asked(("CA2", "desk"))
    assert not outcomes.is_any_awaited(0.1)
    for number in range(MOST_OUTCOMES):
        outcomes.add((f"CA-{number}", "desk"), DESK, CLOSED, now=0)
    assert outcomes.of(("CA2", "desk")) is None
    assert ("CA-0", "desk") in outcomes


def test_a_call_that_can_not_say_how_it_ended_crashed() -> None:
    outcomes = Outcomes()
    outcomes.add(("CA1", "desk"), DESK, None, now=0)
    assert outcomes.of(("CA1", "desk")) == Outcome(DESK, EndCall("bridge", "crashed"))
