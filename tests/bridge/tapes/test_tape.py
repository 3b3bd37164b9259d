"""The tape: a line a happening, inputs word for word, decisions in full, audio as a reference, and no secrets."""

import msgspec
import pytest
from heart import SID
from hypothesis import given, settings
from hypothesis import strategies as st
from taped import line_of

from bridge.errors import TapeError
from bridge.heart.effects import (
    AnswerTool,
    AppendAudio,
    ClearPlayback,
    CreateResponse,
    Effect,
    EndCall,
    PlayAudio,
    RunTool,
    SendMark,
    WriteNote,
)
from bridge.heart.events import CallerSpoke, MessageBroken, StreamConnected
from bridge.tapes import tape
from bridge.tapes.redact import silenced, without
from bridge.tapes.tape import BRIDGE, HTTP, MODEL, NOTE, PHONE, TWILIO, Line, carry_out, decode, encode
from bridge.wire.twilio import MOST_CHARACTERS, TOO_LONG, parse

# ---------------------------------------------------------------- decisions


@pytest.mark.parametrize(
    ("effect", "line"),
    [
        (
            PlayAudio(SID, "i1", 0, 800, b"\xff" * 160),
            '{"t_ms":7,"leg":"twilio_ws","from":"bridge","audio":{"item":"i1","part":0,"at":800,"bytes":160}}',
        ),
        (AppendAudio(3, 5, b"\xff" * 480), '{"t_ms":7,"leg":"openai_ws","from":"bridge","append":[3,5]}'),
        (
            SendMark(SID, "m1"),
            '{"t_ms":7,"leg":"twilio_ws","from":"bridge",'
            '"msg":{"event":"mark","streamSid":"MZ1","mark":{"name":"m1"}}}',
        ),
        (
            CreateResponse("b1"),
            '{"t_ms":7,"leg":"openai_ws","from":"bridge","msg":{"type":"response.create","event_id":"b1"}}',
        ),
        (
            RunTool("c1", "look_up", "{}"),
            '{"t_ms":7,"leg":"tool","from":"bridge","run":{"call_id":"c1","name":"look_up","arguments":"{}"}}',
        ),
        (
            WriteNote("milestone", {"name": "barge_in"}),
            '{"t_ms":7,"leg":"note","from":"bridge","note":{"kind":"milestone","name":"barge_in"}}',
        ),
        (
            EndCall("caller", "hung up"),
            '{"t_ms":7,"leg":"note","from":"bridge","end":{"by":"caller","why":"hung up","say":""}}',
        ),
    ],
)
def test_a_decision_is_one_line(effect: Effect, line: str) -> None:
    written = carry_out(7, effect)[0]
    assert encode(written) == tape.written(7, effect) == line.encode() + b"\n"
    assert written.is_decision
    assert not written.is_input


@pytest.mark.parametrize(
    ("effect", "has_message"),
    [
        (PlayAudio(SID, "i1", 0, 0, b"\xff"), True), (AppendAudio(1, 1, b"\xff"), True),
        (ClearPlayback(SID), True), (AnswerTool("b1", "c1", "x"), True),
        (RunTool("c1", "look_up", "{}"), False), (WriteNote("log", {}), False), (EndCall("a", "b"), False),
    ],
)  # fmt: skip
def test_only_what_goes_to_a_peer_has_a_message(effect: Effect, has_message: bool) -> None:
    assert (carry_out(0, effect)[1] is not None) == has_message


def test_what_the_bridge_only_reports_is_no_decision() -> None:
    lines = [
        Line(t_ms=0, leg=HTTP, sender=BRIDGE, resp={"status": 200}),
        Line(t_ms=0, leg=PHONE, sender=BRIDGE, accept={"status": 101}),
        Line(t_ms=0, leg=MODEL, sender=BRIDGE, close={"code": 1000, "reason": ""}),
    ]
    assert [line.is_decision for line in lines] == [False] * 3


# ---------------------------------------------------------------- inputs


def test_what_a_peer_said_is_kept_word_for_word() -> None:
    words = '{"event" :"connected",  "protocol":"Call", "x": 1e2}'
    line = decode(encode(tape.received(3, PHONE, TWILIO, words, StreamConnected())))
    assert bytes(line.msg or b"").decode() == words
    assert tape.event_of(line) == StreamConnected()


def test_a_message_of_several_lines_is_kept_on_one() -> None:
    line = tape.received(3, PHONE, TWILIO, '{\n "event":\r\n "connected"}', StreamConnected())
    assert encode(line).count(b"\n") == 1
    assert tape.event_of(decode(encode(line))) == StreamConnected()


@pytest.mark.parametrize(("words", "problem"), [("{\n", "not JSON"), (b"\x00\xff", "binary frame")])
def test_what_is_no_message_is_kept_too(words: str | bytes, problem: str) -> None:
    broken = MessageBroken("twilio", problem)
    line = decode(encode(tape.received(3, PHONE, TWILIO, words, broken)))
    assert words in (line.text, line.binary)
    assert tape.event_of(line) == broken


def test_a_message_that_was_too_long_to_be_parsed_is_one_in_the_replay_too() -> None:
    words = '{"event": "media", "more": "' + "x" * MOST_CHARACTERS + '"}'
    event = parse(words)
    line = decode(encode(tape.received(3, PHONE, TWILIO, words, event)))
    assert event == MessageBroken("twilio", TOO_LONG) == tape.event_of(line)
    assert line.text == words


def test_lines_that_need_no_decision_are_no_events() -> None:
    lines = [
        Line(t_ms=0, leg=HTTP, sender=TWILIO, http={"method": "POST"}),
        Line(t_ms=0, leg=PHONE, sender=TWILIO, upgrade={"url": "x"}),
        Line(t_ms=0, leg=NOTE, sender="operator"),
    ]
    assert [tape.event_of(line) for line in lines] == [None] * 3


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]\n", b'{"t_ms": 1}\n', b'{"t_ms":"x","leg":"a","from":"b"}', b"\xff"]
)
def test_what_is_no_line_is_said_to_be_none(line: bytes) -> None:
    with pytest.raises(TapeError, match="not a line of a tape"):
        decode(line)


# ---------------------------------------------------------------- what is not on it


@settings(database=None, max_examples=30)
@given(st.binary(min_size=1, max_size=200))
def test_audio_can_be_replaced_by_silence_of_the_same_length(audio: bytes) -> None:
    event = tape.event_of(silenced(line_of(3, CallerSpoke(SID, 1, audio))))
    assert event == CallerSpoke(SID, 1, b"\xff" * len(audio))


def test_a_one_time_token_is_taken_out() -> None:
    assert without('{"token":"secret-1"}', "secret-1") == '{"token":"[one-time token]"}'
    assert without("as it is", "") == "as it is"


def test_a_line_without_a_message_has_nothing_to_silence() -> None:
    line = Line(t_ms=0, leg=NOTE, sender="clock", rang=True)
    assert silenced(line) is line
    assert line.msg is msgspec.UNSET
