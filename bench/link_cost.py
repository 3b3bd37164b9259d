"""What a link costs: CPU of one message in and its answer out, on each leg; the peer is a process of its own.

uv run python -m bench.link_cost
"""

import itertools
import os
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import click
import trio
import trustme
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from bridge.calls.legs.leg import Leg, model_leg, phone_leg
from bridge.links.link import Link
from bridge.links.model import ModelAddress, open_model
from bridge.links.outbox import Outbox
from bridge.links.phone import accept_phone

MESSAGES: Final = 1500
ROUNDS: Final = 7
"""Of so many messages each; the least of them is told, for a busy machine only ever adds."""

SOUND: Final = "A" * 216
HEARD: Final = (
    '{"event":"media","media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"' + SOUND + '"}}'
)
PLAYED: Final = (
    '{"event":"media","media":{"payload":"' + SOUND + '"}}',
    '{"event":"mark","mark":{"name":"m1"}}',
)
DELTA: Final = '{"type":"response.output_audio.delta","item_id":"item_1","delta":"' + SOUND + '"}'
APPEND: Final = ('{"type":"input_audio_buffer.append","audio":"' + SOUND + '"}',)

UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
ACCEPTED: Final = (
    b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
)


# ---------------------------------------------------------------- the peer


def head(peer: socket.socket) -> bytes:
    """Read a request or an answer."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += peer.recv(4096)
    return said


def be_phone(peer: socket.socket) -> None:
    """Ask for an upgrade, then say a frame for each answer."""
    peer.sendall(UPGRADE)
    head(peer)
    converse(peer, HEARD, PLAYED, is_client=True)


def be_model(peer: socket.socket) -> None:
    """Answer an upgrade, then say a delta for each append."""
    (key,) = re.findall(r"Sec-WebSocket-Key: (\S+)", head(peer).decode())
    peer.sendall(ACCEPTED % accept_key(key).encode())
    converse(peer, DELTA, APPEND, is_client=False)


def converse(peer: socket.socket, said: str, answer: tuple[str, ...], *, is_client: bool) -> None:
    """Say something whenever it was answered, until the other end has enough."""
    frame = Frame(Opcode.TEXT, said.encode()).serialize(mask=is_client)
    size = sum(len(Frame(Opcode.TEXT, one.encode()).serialize(mask=not is_client)) for one in answer)
    while True:
        peer.sendall(frame)
        left = size
        while left:
            heard = len(peer.recv(left))
            if not heard:
                return
            left -= heard


def in_a_process(speak: Callable[[], None]) -> None:
    """Be the peer in a process of its own, until the other end has enough."""
    if os.fork() == 0:
        with suppress(OSError):
            speak()
        os._exit(0)


def connect(port: int) -> None:
    """Be a phone that connects."""
    be_phone(socket.create_connection(("127.0.0.1", port)))


def accept(listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    """Be a model that is connected to."""
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    be_model(peer if tls is None else tls.wrap_socket(peer, server_side=True))


# ---------------------------------------------------------------- the link


async def cost_of(leg: Leg, link: Link, answer: tuple[str, ...]) -> float:
    """Return the microseconds of a message and its answer."""
    begins, over = [time.process_time()], trio.Event()
    left = MESSAGES

    def hear(_: Any, message: str | bytes) -> None:
        nonlocal left
        for one in answer:
            leg.post(one)
        leg.push()
        left -= 1
        if not left:
            left = MESSAGES
            begins.append(time.process_time())
            if len(begins) > ROUNDS:
                over.set()

    leg.link = link
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leg.speak, link)
        nursery.start_soon(leg.listen, link, hear)
        await over.wait()
        nursery.cancel_scope.cancel(reason="measured")
    return min(end - begin for begin, end in itertools.pairwise(begins)) / MESSAGES * 1e6


async def phones() -> float:
    """Return what the phone's link costs."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    in_a_process(partial(connect, listener.socket.getsockname()[1]))
    async with listener, await listener.accept() as stream:
        link = await accept_phone(stream, lambda request: None)
        assert link is not None
        return await cost_of(phone_leg(Outbox()), link, PLAYED)


async def models(is_encrypted: bool) -> float:
    """Return what the model's link costs."""
    authority, serving, trusting = (
        trustme.CA(),
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.create_default_context(),
    )
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        in_a_process(partial(accept, listener, serving if is_encrypted else None))
        url = f"{'wss' if is_encrypted else 'ws'}://127.0.0.1:{listener.getsockname()[1]}"
        async with open_model(ModelAddress(url, "m", [], trusting if is_encrypted else None, None)) as link:
            return await cost_of(model_leg(Outbox()), link, APPEND)


@click.command()
def main() -> None:
    """Print what each leg costs."""
    for name, measure in (
        ("phone's", phones),
        ("model's", partial(models, False)),
        ("model's, TLS", partial(models, True)),
    ):
        print(f"{name}: {trio.run(measure):.1f} µs of CPU for a message and its answer", flush=True)


if __name__ == "__main__":
    main()
