"""A stand-in for the OpenAI Realtime service: a real WebSocket server that plays a script.

It understands nothing: replies come in the script's order, whatever the caller said.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import attrs
import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, wrap_server_stream
from wsproto.events import Ping

from replay.model.faulty_stream import FaultyStream, Tls, faulty_stream_over
from replay.model.script import DoorFault, Faults, Script
from replay.model.session import Session
from replay.model.transcribing.settings import KIND
from replay.model.wire import Wire
from replay.sound.turn_detection import open_detector

Cast = Callable[[str, int], Script]
"""Who plays: the script for a model's n-th session, counted from 1 for each model."""

Watch = Callable[[int, Literal["socket", "client", "model"], str | bytes], None]
"""Told the session's number, who it comes from, and a frame as it is; "socket" says how a session
began, was refused or ended, as JSON."""

PATH = "/v1/realtime"
MAX_MESSAGE = 24 * 2**20  # an append may carry 15 MiB of audio, which is 20 MiB of base64
OUTBOX = 20_000  # frames not yet sent; full means that the client reads nothing: it is dropped
KEPT_SESSIONS = 1_000  # of a long load run, the newest
SESSION_SECONDS = 3_600
HANDSHAKE_SECONDS = 10
GOODBYE_SECONDS = 1
_RECEIVE_BYTES = 2**16
_VANISHED = 1006


@attrs.define(eq=False)
class ModelServer:
    """A running stand-in, with what happened to it."""

    url: str
    """ws://127.0.0.1:PORT/v1/realtime, wss: with TLS; the client adds ?model=."""
    _cast: Cast
    watch: Watch
    tls: Tls | None = None
    sessions: list[Session] = attrs.field(factory=list)
    """Accepted connections, live and finished, in order of arrival."""
    connections: int = 0
    """Upgrade requests, refused ones included."""
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    _shows: Counter[str] = attrs.field(factory=Counter, init=False)
    _door: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _shut_ms: int = attrs.field(default=0, init=False)
    _lines: dict[int, FaultyStream] = attrs.field(factory=dict, init=False)
    """Of each connection that is open, by its number."""

    async def wait_session(self, number: int = 1) -> Session:
        """Wait for the number-th session to begin, counted from 1."""
        while len(self.sessions) < number:
            await self._news.wait()
        return self.sessions[number - 1]

    def add(self, session: Session) -> None:
        """Keep a new session."""
        self.sessions.append(session)
        del self.sessions[:-KEPT_SESSIONS]
        self._news.set()
        self._news = trio.Event()

    async def cut_off(self, session: Session) -> None:
        """End a live session's connection with a TCP reset."""
        await self._lines[session.number].reset()

    def shut(self, ms: int) -> None:
        """Listen no more for so long: who connects is refused. Sessions that are there go on."""
        if ms:
            self._shut_ms = ms
            self._door.cancel()

    async def listen(self, listeners: list[trio.SocketListener], host: str) -> None:
        """Take connections until cancelled."""
        port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as connections:
            while True:
                with trio.CancelScope() as self._door:
                    await trio.serve_listeners(
                        partial(_connect, self), listeners, handler_nursery=connections
                    )
                await trio.sleep(self._shut_ms / 1000)
                listeners = await trio.open_tcp_listeners(port, host=host)

    def script_for(self, model: str) -> Script:
        """Count one more session of a model, and give what it is to play."""
        self._shows[model] += 1
        return self._cast(model, self._shows[model])

    def door_fault(self, model: str, faults: Faults) -> DoorFault | None:
        """What is to become of this try to connect."""
        tries = self._shows[model]
        return faults.door[tries - 1] if tries <= len(faults.door) else None

    def note(self, number: int, kind: str, **fields: object) -> None:
        """Tell the watcher how a connection fares."""
        self.watch(number, "socket", msgspec.json.encode({"type": kind, **fields}).decode())


def _unwatched(_number: int, _who: str, _frame: str | bytes) -> None:
    """Nobody looks on."""


async def serve_model(
    script: Script | Cast,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    watch: Watch = _unwatched,
    tls: Tls | None = None,
    task_status: trio.TaskStatus[ModelServer] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `await nursery.start(serve_model, script)` gives the ModelServer.

    Raises `MissingExtraError` when the script is to be heard by a detector that is not installed.
    """
    if isinstance(script, Script):
        open_detector(script.hearing)  # now, and not when the first client comes
    ignore_late_pings()
    listeners = await trio.open_tcp_listeners(port, host=host)
    name, bound = listeners[0].socket.getsockname()[:2]
    host_part = f"[{name}]" if ":" in name else name
    cast = script if callable(script) else lambda _model, _show: script
    scheme = "ws" if tls is None else "wss"
    server = ModelServer(f"{scheme}://{host_part}:{bound}{PATH}", cast, watch, tls)
    task_status.started(server)
    await server.listen(listeners, host)


async def _connect(server: ModelServer, stream: trio.SocketStream) -> None:
    """One TCP connection, from accept to close."""
    server.connections += 1
    number = server.connections
    faulty = await faulty_stream_over(stream, server.tls)
    try:
        async with faulty, trio.open_nursery() as nursery:
            request = None
            with trio.move_on_after(HANDSHAKE_SECONDS):
                request = await wrap_server_stream(
                    nursery, faulty, max_message_size=MAX_MESSAGE, receive_buffer_size=_RECEIVE_BYTES
                )
            if request is not None:
                await _answer(server, request, faulty, number)
            nursery.cancel_scope.cancel()
    except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # the client went away in mid-sentence, which is its right


async def _answer(server: ModelServer, request: WebSocketRequest, stream: FaultyStream, number: int) -> None:
    headers = {name.decode().lower(): value.decode() for name, value in request.headers}
    target = urlsplit(request.path)
    if target.path != PATH:
        await _reject(server, request, number, 404)
        return
    azure_key = headers.pop("api-key", "")
    if not _has_key(headers.pop("authorization", "")) and not azure_key:
        await _reject(server, request, number, 401)
        return
    query = parse_qs(target.query)
    model = query.get("model", query.get("deployment", [""]))[0]
    script = server.script_for(model)
    faults = script.faults_of(number)
    if (fault := server.door_fault(model, faults)) is not None:
        await _keep_shut(server, request, stream, number, fault, faults.door_retry_after)
        return
    if faults.refuse == "http_401":
        await _reject(server, request, number, 401)
        return
    await trio.sleep(faults.open_after_ms / 1000)
    watch, shut = partial(server.watch, number), partial(server.shut, faults.shut_ms)
    connection = _Connection(await request.accept(), stream, faults, watch, shut)
    session = Session(
        number,
        model,
        headers,
        script,
        connection.send,
        connection.later,
        int(time.time()) + SESSION_SECONDS,
        writes_only=query.get("intent") == [KIND],
    )
    server._lines[number] = stream
    server.add(session)
    server.note(number, "opened", model=model, headers=headers)
    try:
        await connection.run(session, _refusal(headers, bool(model) or session.writes_only, faults))
    finally:
        del server._lines[number]
        server.note(number, "closed", code=session.close_code)


async def _keep_shut(
    server: ModelServer,
    request: WebSocketRequest,
    stream: FaultyStream,
    number: int,
    fault: DoorFault,
    retry_after: str,
) -> None:
    """Let a try to connect fail."""
    if fault.startswith("http_"):
        return await _reject(server, request, number, int(fault.removeprefix("http_")), retry_after)
    server.note(number, "kept_shut", how=fault)
    if fault == "reset":
        await stream.reset()
    elif fault == "cut_off":
        await stream.aclose()
    else:
        await trio.sleep_forever()


async def _reject(
    server: ModelServer, request: WebSocketRequest, number: int, status: int, retry_after: str = ""
) -> None:
    server.note(number, "rejected", status=status, path=urlsplit(request.path).path)
    body = b'{"error":{"code":"invalid_api_key"}}' if status == 401 else b""
    headers = [(b"Retry-After", retry_after.encode("latin-1"))] if retry_after else []
    await request.reject(status, extra_headers=headers, body=body)


def _has_key(authorization: str) -> bool:
    scheme, _, key = authorization.partition(" ")
    return scheme.lower() == "bearer" and bool(key.strip())


def _refusal(headers: dict[str, str], has_model: bool, faults: Faults) -> tuple[int, str] | None:
    """The close code and the error code of a session that is refused after the upgrade."""
    if "openai-beta" in headers:
        return 4000, "beta_api_shape_disabled"
    if not has_model:
        return 4000, "missing_model"
    match faults.refuse:
        case "invalid_api_key":
            return 3000, "invalid_api_key"
        case "model_not_found":
            return 4000, "model_not_found"
    return None


@attrs.frozen
class _Goodbye:
    """The last thing in an outbox: the close frame."""

    code: int
    reason: str


Outgoing = str | bytes | _Goodbye


@attrs.define(eq=False)
class _Connection:
    """One accepted WebSocket with its tasks; all of them end with it."""

    _ws: WebSocketConnection
    _stream: FaultyStream
    _faults: Faults
    _watch: Callable[[Literal["client", "model"], str | bytes], None]
    _shut: Callable[[], None]
    _nursery: trio.Nursery = attrs.field(init=False)
    _outbox: trio.MemorySendChannel[Outgoing] = attrs.field(init=False)
    _unsent: trio.MemoryReceiveChannel[Outgoing] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._outbox, self._unsent = trio.open_memory_channel[Outgoing](OUTBOX)

    def send(self, frame: Outgoing) -> None:
        """Queue a frame, or the goodbye."""
        if not isinstance(frame, _Goodbye):
            self._watch("model", frame)
        try:
            self._outbox.send_nowait(frame)
        except trio.WouldBlock:
            self._nursery.cancel_scope.cancel()
        except trio.BrokenResourceError:
            pass  # the client is gone; what was still to be said to it is lost

    def later(self, waits: Iterator[float]) -> None:
        """Drive an iterator of milliseconds to wait, until it ends or the connection does."""
        self._nursery.start_soon(_drive, waits)

    async def run(self, session: Session, refusal: tuple[int, str] | None) -> None:
        """Talk until either side ends it."""
        try:
            async with trio.open_nursery() as self._nursery, self._unsent:
                self._nursery.start_soon(self._write)
                if refusal is None:
                    self._schedule_faults(session.wire)
                    session.begin()
                    await self._read(session.receive)
                else:
                    self._refuse(session.wire, *refusal)
                    await self._read(_ignore)
                self._nursery.cancel_scope.cancel()
        finally:
            closed = self._ws.closed
            session.end(closed.code if closed else _VANISHED)

    async def _read(self, receive: Callable[[str | bytes], None]) -> None:
        try:
            while True:
                frame = await self._ws.get_message()
                self._watch("client", frame)
                receive(frame)
        except ConnectionClosed:
            return

    async def _write(self) -> None:
        try:
            async for frame in self._unsent:
                if isinstance(frame, _Goodbye):
                    with trio.move_on_after(GOODBYE_SECONDS):
                        await self._ws.aclose(frame.code, frame.reason)
                else:
                    await self._ws.send_message(frame)
        except ConnectionClosed:
            return

    def _refuse(self, wire: Wire, code: int, error: str) -> None:
        wire.error(error, f"The session was refused: {error}.")
        self.send(_Goodbye(code, f"invalid_request_error.{error}"))

    def _schedule_faults(self, wire: Wire) -> None:
        faults = self._faults
        if faults.stall_after_ms is not None:
            self._stream.narrow()
        for after_ms, act in (
            (faults.close_after_ms, partial(self._expire, wire)),
            (faults.drop_after_ms, self._drop),
            (faults.stall_after_ms, self._stall),
        ):
            if after_ms is not None:
                self._nursery.start_soon(_do_later, after_ms, act)

    async def _drop(self) -> None:
        self._shut()
        await self._stream.reset()

    async def _expire(self, wire: Wire) -> None:
        self._shut()
        if self._faults.close_with_error:
            wire.error("session_expired", self._faults.close_reason)
        self.send(_Goodbye(self._faults.close_code, self._faults.close_reason))

    async def _stall(self) -> None:
        self._stream.stall()


async def _drive(waits: Iterator[float]) -> None:
    """Run an iterator of milliseconds; late wake-ups do not add up."""
    due = trio.current_time()
    for wait_ms in waits:
        due += wait_ms / 1000
        await trio.sleep_until(due)


async def _do_later(after_ms: int, act: Callable[[], Awaitable[None]]) -> None:
    await trio.sleep(after_ms / 1000)
    await act()


def _ignore(_frame: str | bytes) -> None:
    """What a refused client still sends is not read."""


# ---------------------------------------------------------------- pings that cross our own close frame

_answer_ping = WebSocketConnection._handle_ping_event


async def _answer_while_open(socket: WebSocketConnection, ping: Ping) -> None:
    """Let such a ping go: trio-websocket answers it, and its reading task dies of it.

    https://github.com/python-trio/trio-websocket/issues/184, open in 0.12.2. Behind a close frame nothing can be sent,
    so it stays without an answer, as in other WebSocket libraries.
    """
    if socket.closed is None:
        await _answer_ping(socket, ping)


def ignore_late_pings() -> None:
    """Mend trio-websocket for all sockets of this process; once is enough, and more does no harm."""
    WebSocketConnection._handle_ping_event = _answer_while_open  # type: ignore[assignment, method-assign]
