"""The fast lane against the core alone: the same bytes, in whatever pieces, are the same messages and the same end."""

from typing import Any

import pytest
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import SERVER, State
from websockets.uri import WebSocketURI

from bridge.links.frames import FrameWriter
from bridge.links.model import ModelProtocol
from bridge.links.phone import MediaProtocol
from bridge.links.web_socket import LatestPong, WebSocketLink

MOST = 70_000
"""Bytes of a message, here: frames of all three sizes of head are below it, and some above."""

SIDES = ("the phone's", "the model's")


def core_of(side: str) -> LatestPong:
    """Return the core of a link whose handshake is done."""
    if side == "the phone's":
        return MediaProtocol(state=State.OPEN, max_size=MOST)
    return ModelProtocol(WebSocketURI(False, "x", 1, "/", ""), state=State.OPEN, max_size=MOST)


@define
class Deaf:
    """A pipe that takes nothing, so that all that a link says is still to be seen."""

    is_ready: bool = False

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    async def read(self) -> bytes:
        return b""


def outcome(core: LatestPong, messages: list[Any]) -> tuple[Any, ...]:
    """Return all that can be told apart."""
    problem = (type(core.parser_exc), str(core.parser_exc))
    return messages, core.close_rcvd, core.close_sent, problem, core.state, said_by(core)


def said_by(core: LatestPong) -> list[tuple[Opcode, bytes]]:
    """Return the frames that it sends, without their masks, which are random."""
    other = core_of("the model's" if core.side is SERVER else "the phone's")
    other.receive_data(b"".join(core.data_to_send()))
    return [
        (frame.opcode, bytes(frame.data)) for frame in other.events_received() if isinstance(frame, Frame)
    ]


def by_the_core(side: str, pieces: list[bytes], has_end: bool) -> tuple[Any, ...]:
    """Return what the core alone makes of it, asked after each piece."""
    core, messages, parts, kind = core_of(side), list[Any](), list[bytes](), Opcode.TEXT
    for piece in pieces:
        if core.close_rcvd or core.parser_exc:
            break
        core.receive_data(piece)
        for event in core.events_received():
            assert isinstance(event, Frame)
            if event.opcode.value > 2:
                continue
            kind = kind if event.opcode is Opcode.CONT else event.opcode
            parts.append(bytes(event.data))
            if event.fin:
                whole = b"".join(parts)
                parts.clear()
                try:
                    messages.append(whole.decode() if kind is Opcode.TEXT else whole)
                except UnicodeDecodeError as error:
                    core.fail(1007, f"{error.reason} at position {error.start}")
                    core.parser_exc = error
    if has_end or core.close_rcvd or core.parser_exc:
        core.receive_eof()
    return outcome(core, messages)


def link_on(side: str) -> WebSocketLink:
    return WebSocketLink(Deaf(), core_of(side))


def by_the_lane(side: str, pieces: list[bytes], has_end: bool) -> tuple[Any, ...]:
    """Return what a link makes of it."""
    link = link_on(side)
    for piece in pieces:
        if not link._has_ended:
            link.take(piece)
    if has_end and not link._has_ended:
        link._end()
    return outcome(link._core, list(link._messages))


# ---------------------------------------------------------------- whatever comes


def payloads() -> st.SearchStrategy[bytes]:
    text = st.text(max_size=40).map(str.encode)
    sized = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536, MOST, MOST + 1]).map(
        lambda size: b"x" * size
    )
    return st.one_of(text, text, st.binary(max_size=40), sized)


def frames() -> st.SearchStrategy[tuple[int, bytes, bool, int]]:
    opcode = st.one_of(st.just(1), st.just(1), st.integers(0, 15))
    return st.tuples(
        opcode, payloads(), st.sampled_from([True, True, True, False]), st.sampled_from([0] * 9 + [1, 2, 4])
    )


def serialized(frame: tuple[int, bytes, bool, int], is_masked: bool) -> bytes:
    """Return a frame as it is sent, whether or not that is allowed."""
    opcode, data, fin, reserved = frame
    if opcode == 8 and len(data) == 1:
        data = Close(1000, "").serialize()
    whole = Frame(Opcode.BINARY, data).serialize(mask=is_masked)
    return bytes([fin << 7 | reserved << 4 | opcode]) + whole[1:]


def cut(stream: bytes, marks: list[int]) -> list[bytes]:
    """Return a stream in pieces."""
    ends = sorted({mark % (len(stream) + 1) for mark in marks} | {len(stream)})
    return [stream[begin:end] for begin, end in zip([0, *ends], ends, strict=False) if end > begin]


@settings(max_examples=400, deadline=None)
@given(
    side=st.sampled_from(SIDES),
    said=st.lists(frames(), max_size=8),
    wrongly_masked=st.sampled_from([False] * 9 + [True]),
    marks=st.lists(st.integers(0, 2**20), max_size=12),
    torn_bytes=st.sampled_from([0, 0, 1, 2, 3, 7, 50]),
    has_end=st.booleans(),
)
def test_the_same_bytes_are_the_same_messages_and_endings(
    side: str, said: list[Any], wrongly_masked: bool, marks: list[int], torn_bytes: int, has_end: bool
) -> None:
    is_masked = (side == "the phone's") != wrongly_masked
    whole = [serialized(frame, is_masked) for frame in said]
    if whole and torn_bytes:
        whole[-1] = whole[-1][:-torn_bytes]
    by_frames = by_the_core(side, whole, has_end)
    assert by_the_lane(side, cut(b"".join(whole), marks), has_end) == by_frames


@settings(max_examples=300, deadline=None)
@given(
    side=st.sampled_from(SIDES),
    noise=st.binary(max_size=60),
    marks=st.lists(st.integers(0, 60), max_size=60),
    has_end=st.booleans(),
)
def test_noise_is_refused_as_the_core_refuses_it(
    side: str, noise: bytes, marks: list[int], has_end: bool
) -> None:
    stream = serialized((1, b"before it", True, 0), side == "the phone's") + noise
    pieces = cut(stream, marks)
    assert by_the_lane(side, pieces, has_end) == by_the_core(
        side, [bytes([byte]) for byte in stream], has_end
    )


@pytest.mark.parametrize("side", SIDES)
def test_byte_by_byte_nothing_is_different(side: str) -> None:
    said = [
        (1, b"a" * 130, True, 0),
        (9, b"ping", True, 0),
        (1, b"b", False, 0),
        (10, b"", True, 0),
        (0, b"c", True, 0),
    ]
    stream = b"".join(serialized(frame, side == "the phone's") for frame in said)
    heard = by_the_lane(side, [bytes([byte]) for byte in stream], True)
    assert heard == by_the_core(side, [stream], True)
    assert heard[0] == ["a" * 130, "bc"]


@pytest.mark.parametrize("side", SIDES)
def test_whole_text_frames_never_reach_the_core(side: str) -> None:
    link = link_on(side)
    link._core.receive_data = None  # type: ignore[method-assign,assignment]  # whoever calls it fails
    stream = b"".join(
        serialized((1, b"x" * size, True, 0), side == "the phone's") for size in (0, 125, 126, 66_000)
    )
    for piece in cut(stream, [1, 3, 127, 130, 300, 20_000]):
        link.take(piece)
    assert [len(text) for text in link._messages] == [0, 125, 126, 66_000]


@pytest.mark.parametrize("side", SIDES)
def test_behind_a_frame_for_the_core_the_lane_is_fast_again(side: str) -> None:
    link, is_masked = link_on(side), side == "the phone's"
    ping, text = (
        serialized((9, b"x" * 100, True, 0), is_masked),
        serialized((1, b"after it", True, 0), is_masked),
    )
    for piece in cut(ping + text[:5], [3, 50]):
        link.take(piece)
    link._core.receive_data = None  # type: ignore[method-assign,assignment]  # whoever calls it fails
    link.take(text[5:])
    assert list(link._messages) == ["after it"]


def test_a_frame_in_many_pieces_costs_no_more_than_it_is_long() -> None:
    link = link_on("the model's")
    link.trust()
    frame = serialized((1, b"x" * (16 * 2**20), True, 0), False)
    for at in range(0, len(frame), 4096):  # more than a minute, were each piece copied with all before it
        link.take(frame[at : at + 4096])
    assert [len(text) for text in link._messages] == [16 * 2**20]


# ---------------------------------------------------------------- what is said


@given(message=st.text(max_size=300), is_client=st.booleans())
def test_a_text_that_is_written_is_what_the_core_reads(message: str, is_client: bool) -> None:
    other = core_of("the phone's" if is_client else "the model's")
    other.receive_data(FrameWriter(is_client).text(message))
    (frame,) = other.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, bytes(frame.data).decode(), other.state) == (Opcode.TEXT, message, State.OPEN)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_heads_are_as_short_as_the_core_makes_them(size: int) -> None:
    assert FrameWriter(False).text("x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)


def test_no_two_frames_have_the_same_mask() -> None:
    writer = FrameWriter(True)
    masks = [writer.text("")[2:6] for _ in range(1000)]
    assert len(set(masks)) > 990
