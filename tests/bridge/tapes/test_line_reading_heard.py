"""Lines read many at a time say what each says by itself, and are refused where each would be."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import LINES
from odd_messages import odd_messages

from bridge.errors import TapeError
from bridge.heart.events import Event
from bridge.tapes import line_reading
from bridge.tapes.line_reading import check_lines, checked, heard, read_lines
from bridge.tapes.tape import BRIDGE, decode, event_of

PART = {"event_id": "e1", "response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
MESSAGES: list[dict[str, Any]] = [
    {
        "event": "media", "sequenceNumber": "4", "streamSid": "MZ1",
        "media": {"track": "inbound", "chunk": "2", "timestamp": "5", "payload": "//8="},
    },
    {"event": "mark", "sequenceNumber": "5", "streamSid": "MZ1", "mark": {"name": "m1"}},
    {"type": "response.output_audio.delta", **PART, "delta": "//8="},
    {"type": "response.output_audio_transcript.delta", **PART, "delta": " noon"},
    {"type": "input_audio_buffer.committed", "event_id": "e1", "previous_item_id": None, "item_id": "i1"},
]  # fmt: skip
OTHERS = [
    b'{"t_ms":5,"leg":"openai_ws","from":"bridge","append":[7,7]}\n',
    b'{"t_ms":5,"leg":"twilio_ws","from":"bridge","audio":{"item":"i","part":0,"at":0,"bytes":800}}\n',
    b'{"t_ms":5,"leg":"note","from":"clock","rang":true}\n',
    b'{"t_ms":5,"leg":"note","from":"clock","rang":false}\n',
    b'{"t_ms":5,"leg":"twilio_ws","from":"clock","rang":true}\n',
    b'{"t_ms":5,"leg":"note","from":"x","msg":{"event":"mark","streamSid":"MZ1","mark":{"name":"m1"}},"rang":true}\n',
    b'{"t_ms":5,"leg":"twilio_ws","from":"twilio","msg":null}\n',
    b'{"t_ms":5,"leg":"twilio_ws","from":"twilio","msg":5,"text":"x"}\n',
    b'{"t_ms":5,"leg":"twilio_ws","from":"twilio","text":"x"}\n',
    b'{"t_ms":5,"leg":"note","from":"bridge","note":{"kind":"milestone","name":"x","at_ms":5}}\n',
    b'{"t_ms":5,"leg":"note","from":"bridge","note":{"kind":"log"}}\n',
    b'{"t_ms":5,"leg":"openai_ws","from":"bridge","append":[7,5]}\n',
    *LINES[1:],
]  # fmt: skip
Said = list[tuple[int, str, bool | None, Event | None]]


def together(lines: Sequence[bytes]) -> Said | None:
    """Return what lines say that are read many at a time; None if they are refused."""
    try:
        return [(line.t_ms, line.sender, line.rang, said_by(line, raw)) for raw, line in read_lines([lines])]
    except TapeError:
        return None


def said_by(line: Any, raw: bytes) -> Event | None:
    """Return what an input says; what is the bridge's is looked at as by a replay that does not say it again."""
    if line.sender != BRIDGE:
        return heard(line, raw)
    checked(raw)
    return None


def one_by_one(lines: Sequence[bytes]) -> Said | None:
    try:
        check_lines(lines, first=0)
    except TapeError:
        return None
    read = [decode(raw) for raw in lines]
    return [(one.t_ms, one.sender, one.rang, event_of(one) if one.is_input else None) for one in read]


@st.composite
def odd_lines(draw: st.DrawFn) -> bytes:
    """Draw a line with a message that may be odd, of whichever leg."""
    leg = draw(st.sampled_from(["twilio_ws", "openai_ws", "twilio_ws", "openai_ws", "shadow_ws", "note"]))
    sender = draw(st.sampled_from(["twilio", "openai", "bridge"]))
    message = draw(odd_messages(MESSAGES)).encode("utf-8", "replace").translate(None, b"\r\n")
    return b'{"t_ms":5,"leg":"%s","from":"%s","msg":%s}\n' % (leg.encode(), sender.encode(), message)


@settings(max_examples=1500, deadline=None)
@given(odd_lines())
def test_a_line_says_the_same_read_quickly_and_by_the_general_way(line: bytes) -> None:
    assert together([line]) == one_by_one([line])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(OTHERS), odd_lines()), max_size=80))
def test_many_lines_say_what_each_does(lines: list[bytes]) -> None:
    assert together(lines) == one_by_one(lines)


@pytest.mark.parametrize("line", OTHERS[:12], ids=range(12))
def test_every_other_line_is_what_it_is(line: bytes) -> None:
    assert together([line]) == one_by_one([line])


def test_nearly_all_of_a_call_is_read_together() -> None:
    read = [line_reading._read_together(line_reading._hot_decoder, [line]) for line in LINES[1:]]
    assert sum(not found for found in read) < len(LINES) // 40
