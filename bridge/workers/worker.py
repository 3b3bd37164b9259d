"""A worker process: it carries the calls that the desk gives it, and is told everything else by letter.

The desk decides who may call and answers webhooks. When it dies the calls here end in good order, like at a shutdown.
"""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, Final

import structlog
import trio
from attrs import define, evolve, field
from structlog.contextvars import bind_contextvars

from bridge.calls.intake import Webhook
from bridge.calls.live_call import LiveCall
from bridge.calls.messages import (
    Ask,
    Begin,
    Carry,
    Ends,
    Gone,
    Hush,
    Key,
    Leave,
    Media,
    OnDisk,
    Over,
    Prepare,
    Ready,
    Renew,
    Renewed,
    Stop,
    Streams,
    Taped,
    Told,
)
from bridge.calls.setup import Current, Setup, make_setup, make_setup_afresh
from bridge.calls.switchboard import Switchboard
from bridge.config import Secrets
from bridge.errors import fault_of
from bridge.heart.effects import EndCall
from bridge.links.channel import MOST_WAITING, Post
from bridge.links.lag import LoopLag
from bridge.logs import crash_logged, log_as
from bridge.machine import leave_hung_threads, raise_file_limit, settle_memory, use_few_arenas
from bridge.tapes.recorder import Recorder
from bridge.tapes.tape import BRIDGE
from bridge.web.app import Gate
from bridge.workers.local import Here

TELL_SECONDS: Final = 1
"""How often the desk is told how this process is."""

log = structlog.get_logger(__name__)
Letter = tuple[Any, int | None]


@define(eq=False)
class Worker:
    """What one worker has: its calls, its tapes, and the way to the desk."""

    number: int
    post: Post
    current: Current
    here: Here
    switchboard: Switchboard = field(init=False)
    gate: Gate = field(init=False)
    _prepared: Setup | None = None
    _preparing: int = 0

    def __attrs_post_init__(self) -> None:
        self.here.on_birth = self._follow
        self.switchboard = Switchboard(self.current, self.here, on_gone=lambda key: self.post.send(Gone(key)))
        self.gate = Gate(self.current, self.switchboard, way=way_of(self.number))

    def _follow(self, key: Key, call: LiveCall) -> None:
        call.on_stream = lambda: self.post.send(Streams(key))
        call.tape.tell_on_disk = lambda: self.post.send(OnDisk(key))
        call.on_end = lambda end: self.post.send(Ends(key, end))

    async def run(self, letters: trio.MemoryReceiveChannel[Letter]) -> None:
        """Carry calls until the desk says `Leave`, or is gone; then end those that are left."""
        async with trio.open_nursery() as carrying:
            await carrying.start(self.here.run)
            try:
                async with trio.open_nursery() as calls:
                    await calls.start(self.switchboard.run)
                    async with trio.open_nursery() as serving:
                        serving.start_soon(self._tell_vitals, name="vitals")
                        self.post.send(Ready())
                        await self._obey(letters, serving)
                        await self.switchboard.end_calls()
                        serving.cancel_scope.cancel(reason="leaving")
                    calls.cancel_scope.cancel(reason="leaving")
            finally:
                self.here.finish()

    async def _tell_vitals(self) -> None:
        lags: list[float] = []
        self.here.lag.felt = lags.append
        while True:
            await trio.sleep(TELL_SECONDS)
            self.post.send(evolve(self.here.vitals(self.switchboard.calls), lags=tuple(lags)))
            lags.clear()

    async def _obey(self, letters: trio.MemoryReceiveChannel[Letter], serving: trio.Nursery) -> None:
        async for letter, file in letters:
            match letter:
                case Leave():
                    return
                case Media(number):
                    assert file is not None
                    serving.start_soon(self._serve_media, number, file, name="media socket")
                case Prepare():
                    serving.start_soon(self._prepare, letter, name="reload")
                case Renew() if self._prepared is None:
                    serving.start_soon(self._catch_up, letter, name="reload")
                case Carry():
                    self._carry(letter)
                case _:
                    self._do(letter)

    def _do(self, letter: Any) -> None:
        match letter:
            case Renew():
                self._renew(letter)
            case Stop():
                self._stop(letter)
            case Ask(number):
                self.post.send(Told(number))
            case Hush(""):
                self.here.unhush()
            case Hush(why):
                self.here.hush(why)

    def _carry(self, letter: Carry) -> None:
        """Begin a call; one that can't be had here ends at once, and its caller hears why by the desk."""
        setup = self.current.setup
        webhook = Webhook(setup, letter.agent, letter.form, letter.url)
        try:
            call = self.switchboard.take(webhook, letter.call_id, letter.token)
        except Exception:  # the top of a call, before there is one
            log.exception("call could not begin", call_id=letter.call_id)
            self.post.send(Ends(letter.key, EndCall(BRIDGE, "crashed", letter.agent.failure_sentence.text)))
            self.post.send(Gone(letter.key))
        else:
            if letter.agent.name not in setup.tools:
                call.abandon("its worker has not the configuration that it was accepted with")

    def _stop(self, letter: Stop) -> None:
        call = self.switchboard.find(letter.key)
        if call is None:
            return
        if letter.is_stuck:
            call.abandon(letter.why)
        elif call.end is None:
            call.stop(letter.by, letter.why, say=letter.say)

    # ------------------------------------------------------------ another configuration

    async def _prepare(self, letter: Prepare) -> None:
        """Load a configuration, and say whether it can be used; calls go on meanwhile, and begin with the old one."""
        self._prepared, self._preparing, fault = None, letter.number, ""
        live = self.current.setup
        log_as(live.settings, Secrets((*live.secrets.all, *letter.secrets.all)), os.environ)
        try:
            setup = await _load(letter)
        except Exception as error:  # whatever a file says: no reason to end calls
            fault = fault_of(error)
            log.error("configuration refused by a worker", fault=fault)
        else:
            if letter.number == self._preparing:
                self._prepared = setup
        self.post.send(Told(letter.number, fault))

    def _renew(self, letter: Renew) -> None:
        """Use what was prepared, with the settings that the desk has made of it."""
        assert self._prepared is not None
        log_as(letter.settings, letter.secrets, os.environ)
        self.current.change(evolve(self._prepared, settings=letter.settings, secrets=letter.secrets))
        self.here.renew(self.current.setup)
        self._prepared = None

    async def _catch_up(self, letter: Renew) -> None:
        """Load what all others had prepared before this process was there; the desk gives it no calls until then."""
        log_as(letter.settings, letter.secrets, os.environ)
        try:
            setup = await _load(letter)
        except Exception as error:  # whatever a file says: no reason to end calls
            log.error("configuration refused by a worker: it gets no more calls", fault=fault_of(error))
        else:
            self.current.change(setup)
            self.here.renew(setup)
            self.post.send(Renewed(letter.number))

    async def _serve_media(self, number: int, file: int) -> None:
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=file)))
        try:
            await self.here.serve_media(stream, self.gate)
        except OSError:
            return  # the peer reset it before we had looked at it
        except Exception:  # the top of a connection: a bug here ends this connection and no call
            log.exception("connection crashed")
        finally:
            self.post.send(Over(number))


async def _load(letter: Prepare | Renew) -> Setup:
    return await trio.to_thread.run_sync(
        make_setup_afresh, letter.settings, letter.secrets, abandon_on_cancel=True
    )


def way_of(number: int) -> str:
    """Return what the paths of media sockets for this worker end with."""
    return f"/{number}"


# ---------------------------------------------------------------- the process


async def work(number: int, raw: socket.socket) -> None:
    """Live the life of a worker: the first letter says how."""
    post = Post.on(raw)
    inbox, letters = trio.open_memory_channel[Letter](MOST_WAITING)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read, post, inbox, name="post")
        async for letter, _ in letters:
            assert isinstance(letter, Begin)
            await _begin(number, post, letter).run(letters)
            break
        await post.flush()
        nursery.cancel_scope.cancel(reason="left")


async def _read(post: Post, inbox: trio.MemorySendChannel[Letter]) -> None:
    with inbox:
        await post.run(lambda letter, file: inbox.send_nowait((letter, file)))


def _begin(number: int, post: Post, letter: Begin) -> Worker:
    settings, secrets = letter.settings, letter.secrets
    log_as(settings, secrets, os.environ)
    bind_contextvars(worker=number)
    current = Current(make_setup(settings, secrets))
    recorder = Recorder(settings.data_folder / "tapes", on_done=lambda path: post.send(Taped(str(path))))
    here = Here(recorder, LoopLag(settings.server.max_lag_ms), handshake_seconds=letter.handshake_seconds)
    worker = Worker(number, post, current, here)
    settle_memory()
    return worker


def main(arguments: list[str], environment: Mapping[str, str] = os.environ) -> None:
    """Be the worker of this number, with this open file as the way to the desk. What ends a worker is its desk."""
    for one in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, one):
            signal.signal(getattr(signal, one), signal.SIG_IGN)
    raise_file_limit()
    use_few_arenas()
    number, file = map(int, arguments)
    with crash_logged():
        trio.run(work, number, socket.socket(fileno=file))
    leave_hung_threads(0)


if __name__ == "__main__":
    main(sys.argv[1:])
