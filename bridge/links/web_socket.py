"""A WebSocket: the sans-I/O core of `websockets` over a pipe of ours, so that a peer that stops reading can hold up
nobody but itself.
"""

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import trio
from attrs import Factory, define, field
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLIENT, Event, State
from websockets.protocol import Protocol as Core

from bridge.links.arrivals import PRESENT
from bridge.links.frames import FrameReader, FrameWriter, decoded
from bridge.links.link import MAX_MESSAGE_BYTES, Closing
from bridge.links.pipes import Pipe
from bridge.links.secret_words import with_words, without_words


class LatestPong(Core):
    """Answers the latest ping alone: pongs can't pile up, however many pings come.

    RFC 6455, 5.5.3: with several pings unanswered, a pong for the most recent one will do.
    """

    _pong: Frame | None = None

    def send_frame(self, frame: Frame) -> None:
        """Queue a frame; a pong takes the place of the one before it."""
        if frame.opcode is Opcode.PONG:
            self._pong = frame
        else:
            super().send_frame(frame)

    @property
    def has_something_to_say(self) -> bool:
        """Say whether anything is to be sent."""
        return bool(self.writes) or self._pong is not None

    def data_to_send(self) -> list[bytes]:
        """Return what is to be sent; behind a close frame there is no pong."""
        pong, self._pong = self._pong, None
        if pong is not None and self.state is State.OPEN:
            super().send_frame(pong)
        return super().data_to_send()


@define(eq=False)
class WebSocketLink:
    """An open WebSocket, whichever end opened it; pings are answered here."""

    _pipe: Pipe
    _core: LatestPong
    path: str = ""
    on_waiting: Callable[[], object] = field(default=lambda: None)
    words: Mapping[str, str] = field(factory=dict, repr=False)
    """Secrets that the peer is told in place of their names."""
    heard: int = 0
    """Messages that have come; whoever speaks is there."""
    _messages: deque[str | bytes] = field(factory=deque)
    _reader: FrameReader = field(
        init=False,
        default=Factory(lambda link: FrameReader(link._core, link._messages.append, link._hear_core), True),
    )
    _writer: FrameWriter = field(
        init=False, default=Factory(lambda link: FrameWriter(link._core.side is CLIENT), takes_self=True)
    )
    _parts: list[bytes] = field(factory=list)
    _is_text: bool = True
    _has_ended: bool = False
    _pings: int = 0
    _answered: trio.Event = field(factory=trio.Event)

    @property
    def is_ready(self) -> bool:
        """Say whether nothing waits to be taken by the socket."""
        return self._pipe.is_ready

    @property
    def closing(self) -> Closing:
        """Tell how the socket ended."""
        said = self._core.close_rcvd  # close_code would be None until the TCP connection is over too
        if said is None:
            return Closing(1006, str(self._core.parser_exc or "")[:100])
        return Closing(said.code, said.reason)

    # ------------------------------------------------------------ hearing

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the peer has left."""
        while not self._messages:
            if self._has_ended:
                return None
            data = await self._pipe.read()
            self.take(data) if data else self._end()
        return self._next()

    async def listen(self, hear: Callable[[str | bytes], None]) -> None:
        """Let every message be heard as it comes, until the peer has left."""
        if (arrivals := PRESENT.get()) is not None:
            await arrivals.listen(self._pipe, partial(self._come, hear))
        while (message := await self.receive()) is not None:
            hear(message)

    def _come(self, hear: Callable[[str | bytes], None]) -> bool:
        """Let be heard what has come; say whether more may."""
        if data := self._pipe.read_now():
            self.take(data)
        elif data is not None:
            self._end()
        while self._messages:
            hear(self._next())
        return not self._has_ended

    def _next(self) -> str | bytes:
        self.heard += 1
        message = self._messages.popleft()
        return without_words(message, self.words) if self.words and isinstance(message, str) else message

    def take(self, data: bytes) -> None:
        """Read what has come."""
        self._reader.take(data)
        if self._reader.is_answering:
            self._follow_core()

    def _follow_core(self) -> None:
        """Take account of what the core was given: it may be the end, and it may have an answer."""
        self._reader.is_answering = False
        if self._reader.has_ended:
            self._end()
        if self._pipe.is_ready and self._core.has_something_to_say:  # or whoever drains the pipe says it
            self._write_now()

    def _end(self) -> None:
        """Hear no more: the peer has said goodbye, has gone without a word, or broke the rules."""
        self._reader.end()
        self._has_ended = True
        self._answered.set()

    def _hear_core(self) -> None:
        for event in self._core.events_received():
            if isinstance(event, Frame):
                self._collect(event)

    def _collect(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG and frame.data == self._ping_data:
            self._answered.set()
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if frame.fin:
            message = b"".join(self._parts)
            self._parts.clear()
            heard = decoded(self._core, message) if self._is_text else message
            if heard is not None:
                self._messages.append(heard)

    def trust(self) -> None:
        """Allow messages of full size; a frame whose beginning is already read keeps the limit it began with."""
        self._core.max_message_size = MAX_MESSAGE_BYTES

    # ------------------------------------------------------------ speaking

    def send_now(self, *messages: str) -> None:
        """Send text messages without waiting; what the socket does not take waits, before all that is sent later."""
        if self.words or self._core.state is not State.OPEN or self._core.has_something_to_say:
            self._queue(messages)
            return self._write_now()
        # Nearly always: nothing of the core's waits, so it has no part in it.
        self._pipe.write(b"".join(map(self._writer.text, filter(None, messages))))
        if not self._pipe.is_ready:
            self.on_waiting()

    async def send(self, *messages: str) -> None:
        """Send text messages and whatever waits; quietly nothing when the peer has left."""
        self._queue(messages)
        await self._flush()

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame; the reader then sees the peer's."""
        if self._core.state is State.OPEN:
            self._core.send_close(code, reason)
        await self._flush()

    async def ping(self) -> None:
        """Return when the peer has answered a ping of ours, or has left."""
        if self._has_ended:
            return
        self._pings, self._answered = self._pings + 1, trio.Event()
        if self._core.state is State.OPEN:
            self._core.send_ping(self._ping_data)
        await self._flush()
        await self._answered.wait()

    @property
    def _ping_data(self) -> bytes:
        return str(self._pings).encode()

    def _queue(self, messages: tuple[str, ...]) -> None:
        if self.words:
            messages = tuple(with_words(message, self.words) for message in messages)
        if self._core.state is State.OPEN:
            self._core.writes += map(self._writer.text, filter(None, messages))

    def _write(self) -> None:
        """Give all frames to the pipe, in one piece."""
        if data := b"".join(self._core.data_to_send()):
            self._pipe.write(data)

    def _write_now(self) -> None:
        was_ready = self._pipe.is_ready
        self._write()
        if was_ready and not self._pipe.is_ready:
            self.on_waiting()

    async def _flush(self) -> None:
        """Return when all frames have left, those included that the protocol adds meanwhile."""
        self._write()
        while not self._pipe.is_ready:
            await self._pipe.drain()
            self._write()


# ---------------------------------------------------------------- before it is open

HEAD_END: Final = b"\r\n\r\n"


async def read_head(pipe: Pipe, core: Core, most_bytes: int) -> tuple[Request | Response | None, bytes]:
    """Return what the peer says by HTTP, and the frames that came with it; None for no HTTP, too much, or the end."""
    tail = b""
    while core.handshake_exc is None:
        data = await pipe.read()
        end = _head_size(tail, data)
        for piece in (data[:end], data[end:]):  # behind the head stand frames, or the page of a refusal
            most_bytes -= len(piece)
            if not data or most_bytes < 0:
                core.receive_eof()
                return None, b""
            core.receive_data(piece)
            if events := core.events_received():
                return _http(events[0]), data[end:]
        tail = (tail + data)[-len(HEAD_END) + 1 :]
    return None, b""


def _head_size(tail: bytes, data: bytes) -> int:
    """Return how many bytes of what came now belong to the head."""
    found = (tail + data).find(HEAD_END)
    return found + len(HEAD_END) - len(tail) if found >= 0 else len(data)


def _http(event: Event) -> Request | Response | None:
    return None if isinstance(event, Frame) else event
