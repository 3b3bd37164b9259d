"""A worker process: it carries the calls that the supervisor gives it, and is told everything else by message.

The supervisor decides who may call and answers webhooks. When it dies the calls here end in good order, as when it
shuts down.
"""

import os
import signal
import socket
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import structlog
import trio
from attrs import define, evolve, field
from structlog.contextvars import bind_contextvars

from bridge.calls.host import AnyCall
from bridge.calls.intake import Webhook
from bridge.calls.legs.ears import OVER as NO_MORE
from bridge.calls.legs.ears import Seat
from bridge.calls.live_call import LiveCall
from bridge.calls.messages import (
    Answer,
    Answered,
    Begin,
    CanNotBegin,
    Carry,
    Ends,
    Gone,
    Hush,
    Key,
    Leave,
    Leaves,
    Listen,
    ListenNoMore,
    Media,
    OnDisk,
    Over,
    Overheard,
    Peek,
    Peeked,
    Prepare,
    Ready,
    Renew,
    Renewed,
    Stop,
    Streams,
    Taped,
    Told,
    Wished,
)
from bridge.calls.operating import OVER
from bridge.calls.setup import CurrentSetup, Setup, make_setup, make_setup_afresh
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets
from bridge.errors import BridgeError, fault_of
from bridge.heart.effects import EndCall
from bridge.links.channel import MOST_WAITING, Channel
from bridge.logs import crash_logged, log_as
from bridge.machine import leave_hung_threads, raise_file_limit
from bridge.tapes.recorder import Recorder
from bridge.tapes.tape import BRIDGE
from bridge.web.app import Gate
from bridge.wire.requests import OUTGOING
from bridge.workers.handle import way_of
from bridge.workers.local import LocalHost
from bridge.workers.protocol import OTHER_PROTOCOL, protocol

MOST_OVERHEARD: Final = 50
"""Messages that may wait for the supervisor before those who listen in lose sound."""

TELL_SECONDS: Final = 1
"""How often the supervisor is told how this process is."""

log = structlog.get_logger(__name__)
Message = tuple[Any, int | None]


@define(eq=False)
class Worker:
    """What one worker has: its calls, its tapes, and the way to the supervisor."""

    number: int
    channel: Channel
    current: CurrentSetup
    host: LocalHost
    switchboard: Switchboard = field(init=False)
    gate: Gate = field(init=False)
    _prepared: Setup | None = None
    _seats: dict[int, Seat] = field(factory=dict)
    """Of those at the supervisor's side who hear a call that is carried here."""
    _preparing: int = 0

    def __attrs_post_init__(self) -> None:
        self.host.on_begin, self.host.process = self._follow, way_of(self.number)
        self.switchboard = Switchboard(
            self.current, self.host, on_gone=lambda key: self.channel.send(Gone(key))
        )
        self.gate = Gate(self.current, self.switchboard, way=way_of(self.number))

    def _follow(self, key: Key, call: LiveCall) -> None:
        call.on_stream = lambda: self.channel.send(Streams(key))
        call.tape.tell_on_disk = lambda: self.channel.send(OnDisk(key))
        call.on_leave = lambda bound_ms: self.channel.send(Leaves(key, bound_ms))
        call.on_end = lambda end: self.channel.send(Ends(key, end))

    async def run(self, messages: trio.MemoryReceiveChannel[Message]) -> None:
        """Carry calls until the supervisor says `Leave`, or is gone; then end those that are left."""
        async with trio.open_nursery() as carrying:
            await carrying.start(self.host.run)
            try:
                async with trio.open_nursery() as calls:
                    await calls.start(self.switchboard.run)
                    async with trio.open_nursery() as serving:
                        serving.start_soon(self._tell_vitals, name="vitals")
                        self.channel.send(Ready())
                        await self._obey(messages, serving)
                        await self.switchboard.end_calls()
                        serving.cancel_scope.cancel(reason="leaving")
                    calls.cancel_scope.cancel(reason="leaving")
            finally:
                self.host.finish()

    async def _tell_vitals(self) -> None:
        lags, pauses = list[float](), list[float]()
        self.host.lag.felt, self.host.garbage.felt = lags.append, pauses.append
        while True:
            await trio.sleep(TELL_SECONDS)
            seen = self.host.vitals(self.switchboard.calls)
            self.channel.send(evolve(seen, lags=tuple(lags), pauses=tuple(pauses)))
            lags.clear()
            pauses.clear()

    async def _obey(self, messages: trio.MemoryReceiveChannel[Message], serving: trio.Nursery) -> None:
        async for message, file in messages:
            match message:
                case Leave():
                    return
                case Media(number):
                    assert file is not None
                    serving.start_soon(self._serve_media, number, file, name="media socket")
                case Prepare():
                    serving.start_soon(self._prepare, message, name="reload")
                case Renew() if self._prepared is None:
                    serving.start_soon(self._catch_up, message, name="reload")
                case Carry():
                    self._carry(message)
                case Answer():
                    await self._answer(message)
                case Wished() | Listen():
                    await self._take_wish(message)
                case Peek(number):
                    self.channel.send(Peeked(number, await self.host.glances(self.switchboard.calls)))
                case _:
                    self._do(message)

    def _do(self, message: Any) -> None:
        match message:
            case Renew():
                self._renew(message)
            case Stop():
                self._stop(message)
            case ListenNoMore(number) if number in self._seats:
                self._seats.pop(number).leave()
            case Hush(""):
                self.host.unhush()
            case Hush(why):
                self.host.hush(why)

    def _carry(self, message: Carry) -> None:
        """Begin a call; one that can't be had here ends at once, and its caller hears why by the supervisor."""
        setup = self.current.setup
        marks, turn, origin = message.marks, message.turn, message.origin
        webhook = Webhook(setup, message.agent, message.form, message.url, marks, turn, origin)
        try:
            call = self.switchboard.take(webhook, message.call_id, message.secret)
        except Exception:  # the top of a call, before there is one
            log.exception("call could not begin", call_id=message.call_id)
            self.channel.send(
                Ends(message.key, EndCall(BRIDGE, "crashed", message.agent.failure_sentence.text))
            )
            self.channel.send(Gone(message.key))
        else:
            if message.agent.name not in setup.tools:
                call.abandon("its worker has not the configuration that it was accepted with")

    async def _answer(self, message: Answer) -> None:
        """Answer a request; the supervisor knows what to say of a call that is gone."""
        call, request = self.switchboard.find(message.key), message.request
        if request.kind in OUTGOING and request.call_sid:  # its media socket will come with that
            self.switchboard.name(message.key, request.call_sid)
        answer = None if call is None else await call.ask(request)
        self.channel.send(Told(message.number) if answer is None else Answered(message.number, answer))

    async def _take_wish(self, message: Wished | Listen) -> None:
        """Have a call do what somebody at the supervisor's side asks, and tell them why it does not."""
        call = self.switchboard.find(message.key)
        if call is None or call.end is not None:
            refusal = OVER
        elif isinstance(message, Wished):
            refusal = await call.wish(message.wish)
        else:
            refusal = await self._listen(call, message)
        self.channel.send(Told(message.number, refusal))

    async def _listen(self, call: AnyCall, message: Listen) -> str:
        """Let somebody at the supervisor's side hear a call; return why not."""
        seat = await call.listen(message.who, partial(self._overhear, message.number))
        if not seat.refusal:
            self._seats[message.number] = seat
        return seat.refusal

    def _overhear(self, number: int, block: bytes) -> None:
        """Pass a block on, unless so much waits for the supervisor that other messages would come late."""
        if block == NO_MORE:
            self._seats.pop(number, None)
        if block == NO_MORE or self.channel.waiting < MOST_OVERHEARD:
            self.channel.send(Overheard(number, block))

    def _stop(self, message: Stop) -> None:
        call = self.switchboard.find(message.key)
        if call is None:
            return
        if message.is_stuck:
            call.abandon(message.why)
        elif call.end is None:
            call.stop(message.by, message.why, say=message.say, within_ms=message.within_ms)

    # ------------------------------------------------------------ another configuration

    async def _prepare(self, message: Prepare) -> None:
        """Load a configuration, and say whether it can be used; calls go on meanwhile, and begin with the old one."""
        self._prepared, self._preparing, fault = None, message.number, ""
        live = self.current.setup
        log_as(live.settings, Secrets((*live.secrets.all, *message.secrets.all)), os.environ)
        try:
            setup = await _load(message)
        except Exception as error:  # whatever a file says: no reason to end calls
            fault = fault_of(error)
            log.error("configuration refused by a worker", fault=fault)
        else:
            if message.number == self._preparing:
                self._prepared = setup
        self.channel.send(Told(message.number, fault))

    def _renew(self, message: Renew) -> None:
        """Use what was prepared, with the settings that the supervisor has made of it."""
        assert self._prepared is not None
        log_as(message.settings, message.secrets, os.environ)
        self.current.change(evolve(self._prepared, settings=message.settings, secrets=message.secrets))
        self.host.renew(self.current.setup)
        self._prepared = None

    async def _catch_up(self, message: Renew) -> None:
        """Load what all others had prepared before this process was there; it is given no calls until then."""
        log_as(message.settings, message.secrets, os.environ)
        try:
            setup = await _load(message)
        except Exception as error:  # whatever a file says: no reason to end calls
            log.error("configuration refused by a worker: it gets no more calls", fault=fault_of(error))
        else:
            self.current.change(setup)
            self.host.renew(setup)
            self.channel.send(Renewed(message.number))

    async def _serve_media(self, number: int, file: int) -> None:
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=file)))
        try:
            await self.host.serve_media(stream, self.gate)
        except OSError:
            return  # the peer reset it before we had looked at it
        except Exception:  # the top of a connection: a bug here ends this connection and no call
            log.exception("connection crashed")
        finally:
            self.channel.send(Over(number))


async def _load(message: Prepare | Renew) -> Setup:
    return await trio.to_thread.run_sync(
        make_setup_afresh, message.settings, message.secrets, abandon_on_cancel=True
    )


# ---------------------------------------------------------------- the process


async def work(number: int, raw: socket.socket) -> None:
    """Live the life of a worker: the first message says how."""
    channel = Channel.on(raw)
    inbox, messages = trio.open_memory_channel[Message](MOST_WAITING)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read, channel, inbox, name="channel")
        async for message, _ in messages:
            assert isinstance(message, Begin)
            if (worker := _begun(number, channel, message)) is not None:
                await worker.run(messages)
            break
        await channel.flush()
        nursery.cancel_scope.cancel(reason="left")


async def _read(channel: Channel, inbox: trio.MemorySendChannel[Message]) -> None:
    with inbox:
        await channel.run(lambda message, file: inbox.send_nowait((message, file)))


def _begun(number: int, channel: Channel, message: Begin) -> Worker | None:
    """Return the worker, ready for calls; None when its configuration can't be used, which the supervisor is told."""
    log_as(message.settings, message.secrets, os.environ)
    bind_contextvars(worker=number)
    try:
        return _begin(number, channel, message)
    except BridgeError as error:
        channel.send(CanNotBegin(str(error)))
        return None


def _begin(number: int, channel: Channel, message: Begin) -> Worker:
    settings, secrets = message.settings, message.secrets
    current = CurrentSetup(make_setup(settings, secrets))
    recorder = Recorder(settings.data_folder / "tapes", on_done=lambda path: channel.send(Taped(str(path))))
    host = LocalHost(recorder, handshake_seconds=message.handshake_seconds)
    host.lag.follow(settings.server)
    worker = Worker(number, channel, current, host)
    host.garbage.own_process()
    return worker


def main(arguments: list[str], environment: Mapping[str, str] = os.environ) -> None:
    """Be the worker of this number, with this open file as the way to its supervisor, which alone ends it.

    A supervisor that speaks otherwise than this code is not listened to.
    """
    for one in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"):
        if hasattr(signal, one):
            signal.signal(getattr(signal, one), signal.SIG_IGN)
    raise_file_limit()
    number, file, spoken = arguments
    if spoken != protocol():
        raise SystemExit(OTHER_PROTOCOL)
    with crash_logged():
        trio.run(work, int(number), socket.socket(fileno=int(file)))
    leave_hung_threads(0)
