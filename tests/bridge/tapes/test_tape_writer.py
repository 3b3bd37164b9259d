"""What waits for the disk is written as if each line had been encoded when it came."""

from pathlib import Path
from weakref import ref

import pytest
from heart import agent_with
from odd import LINES
from taped import header_of

from bridge.tapes.header import encode_header
from bridge.tapes.tape import BRIDGE, NOTE, Line, decode, encode
from bridge.tapes.tape_writer import TapeWriter


def a_writer() -> TapeWriter:
    return TapeWriter(Path("none.jsonl"), header_of(agent_with(), []))


def test_lines_are_written_as_each_would_be() -> None:
    writer = a_writer()
    writer.put(encode_header(writer.header))
    for line in LINES[1:]:
        writer.append(decode(line))
    assert writer.take() == b"".join(
        [encode_header(writer.header), *(encode(decode(line)) for line in LINES[1:])]
    )
    assert writer.take() == b""


def test_nothing_keeps_a_tape_that_was_written_and_let_go() -> None:
    writer = a_writer()
    for line in LINES[1:]:
        writer.append(decode(line))
        writer.take()
    queue = ref(writer._lines)
    del writer
    assert queue() is None


def test_what_could_not_be_written_comes_first_again() -> None:
    writer = a_writer()
    for line in LINES[1:30]:
        writer.append(decode(line))
    first = writer.take()
    writer.append(decode(LINES[30]))
    writer.put_back(first)
    assert writer.waiting == 30
    assert writer.take() == first + LINES[30]


def test_a_line_that_cant_be_written_is_a_fault_where_it_comes_from_and_not_of_the_flush() -> None:
    writer = a_writer()
    writer.append(decode(LINES[5]))
    with pytest.raises(UnicodeEncodeError):
        writer.append(Line(t_ms=5, leg=NOTE, sender=BRIDGE, note={"kind": "log", "text": "\ud800"}))
    assert writer.take() == LINES[5]


def test_what_changes_behind_a_line_that_waits_changes_nothing_of_it() -> None:
    writer, note = a_writer(), {"kind": "log", "text": "then"}
    writer.append(Line(t_ms=5, leg=NOTE, sender=BRIDGE, note=note))
    note["text"] = "now"
    assert b"then" in writer.take()
