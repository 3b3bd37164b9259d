"""The record of a call that we made: what came of it, and that nobody is a person who was not found to be one."""

from typing import Any

import msgspec
import pytest
from heart import agent_with
from taped import header_of, tape_of

from bridge.store.outgoing import outgoing_columns, sid_in
from bridge.store.records import records_of
from bridge.tapes.recovery import closing_lines
from bridge.tapes.tape import BRIDGE, HTTP, TWILIO, Line, decode, encode

SID = "CA" + "0" * 32


def row(name: str, **data: Any) -> dict[str, Any]:
    return {"name": name, "t_ms": 0, "data": data}


def columns(*milestones: dict[str, Any], ended_by: str = "caller") -> tuple[str, str | None]:
    header = msgspec.structs.replace(header_of(agent_with(), []), is_outgoing=True)
    found = outgoing_columns(header, milestones, ended_by)
    return found["outcome"], found["answered_by"]


def test_a_call_that_came_in_has_none_of_it() -> None:
    found = outgoing_columns(header_of(agent_with(), []), [row("call_answered")], "caller")
    assert found == {"is_outgoing": False, "outcome": None, "answered_by": None}


@pytest.mark.parametrize("outcome", ["busy", "no_answer", "failed", "canceled"])
def test_twilios_word_is_the_outcome_of_a_call_that_nobody_answered(outcome: str) -> None:
    assert columns(row("not_answered", outcome=outcome)) == (outcome, None)


@pytest.mark.parametrize(
    ("ended_by", "outcome"),
    [("operator", "canceled"), ("model", "canceled"), ("limit", "canceled"), ("bridge", "failed")],
)  # fmt: skip
def test_one_that_ends_without_such_a_word_was_taken_back_or_has_failed(ended_by: str, outcome: str) -> None:
    assert columns(ended_by=ended_by) == (outcome, None)


@pytest.mark.parametrize(
    ("verdicts", "who"),
    [([], "unknown"), (["unknown"], "unknown"), (["human"], "person"), (["machine_start"], "machine"),
     (["machine_end_other"], "machine"), (["fax"], "fax"), (["machine_end_silence", "pressed_key"], "person"),
     (["pressed_key", "machine_end_beep"], "person"),
     (["a word of next year"], "unknown")],
)  # fmt: skip
def test_only_a_verdict_or_a_key_makes_a_person(verdicts: list[str], who: str) -> None:
    told = [row("callee_judged", answered_by=verdict) for verdict in verdicts]
    assert columns(row("call_answered"), *told) == ("answered", who)


@pytest.mark.parametrize(
    ("fields", "sid"),
    [({"http": {"form": {"CallSid": SID}}}, SID), ({"resp": {"CallSid": SID}}, SID), ({"resp": {}}, ""),
     ({"http": {"form": {"CallSid": "no sid"}}}, ""), ({"http": {}}, "")],
)  # fmt: skip
def test_the_name_that_twilio_has_for_it_comes_with_the_first_line_that_tells_it(
    fields: dict[str, Any], sid: str
) -> None:
    assert sid_in(Line(t_ms=0, leg=HTTP, sender=TWILIO, **fields)) == sid


def test_a_call_whose_daemon_died_while_it_rang_has_failed() -> None:
    header = msgspec.structs.replace(header_of(agent_with(), []), is_outgoing=True, call_sid="")
    asked = Line(t_ms=0, leg=HTTP, sender=BRIDGE, http={"method": "POST", "url": "/Calls.json", "form": {}})
    rings = Line(t_ms=900, leg=HTTP, sender=TWILIO, resp={"CallSid": SID, "call_status": "queued"})
    lines = [encode(asked), encode(rings)]
    closing, why = closing_lines(tape_of(header, lines))
    call = records_of(header, map(decode, [*lines, *closing])).call
    assert why == "crashed"
    assert (call["outcome"], call["call_sid"], call["ended_by"]) == ("failed", SID, "bridge")
