"""Media sockets as far as their handshake: signed like Twilio's or not, opened, and closed again without a `start`."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import trio
from attrs import define, frozen
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from bridge.doctor.findings import Finding, fine, wrong
from bridge.doctor.public_url import as_signed, port_of
from bridge.doctor.world import Patient, Stream, World
from bridge.errors import LinkError
from bridge.links.link import Closing
from bridge.links.pipes import READ_BYTES
from bridge.wire import signatures, twilio

SOCKETS: Final = "media sockets"
MOST_AGENTS: Final = 20
"""Whose media sockets are tried; each costs a connection."""

GENERATIONS: Final = 3
"""Of workers, that there may be at once."""

NOT_FOUND: Final = 404
ECHO_SECONDS: Final = 2
"""How long the goodbye may take to come back; the bridge answers it at once."""


@frozen
class Handshake:
    """How an upgrade was answered; `closing` is None when no frame came back."""

    status: int
    server: str = ""
    problem: str = ""
    closing: Closing | None = None
    took_ms: int = 0


@define(eq=False)
class _Client:
    """The sans-I/O client of `websockets` over one stream."""

    wire: ClientProtocol
    stream: Stream

    async def answer(self) -> Response:
        """Return the answer to the upgrade. Raises `LinkError` when there is none."""
        while True:
            await self.step()
            for event in self.wire.events_received():
                if isinstance(event, Response):
                    return event
            if self.wire.handshake_exc is not None:
                raise LinkError(f"the upgrade was not answered in HTTP: {self.wire.handshake_exc}")

    async def step(self) -> None:
        """Send what is to be sent, and take in what comes next."""
        if words := b"".join(self.wire.data_to_send()):
            await self.stream.send_all(words)
        data = await self.stream.receive_some(READ_BYTES)
        self.wire.receive_data(data) if data else self.wire.receive_eof()


async def shake_hands(world: World, url: str, proof: Mapping[str, str]) -> Handshake:
    """Open a media socket and close it again. Raises `LinkError` when no answer comes."""
    parts = urlsplit(url)
    began = trio.current_time()
    stream = await world.open(parts.hostname or "", port_of(parts), is_tls=parts.scheme == "wss")
    try:
        with trio.fail_after(world.wait_seconds):
            found = await _upgraded(stream, url, proof)
    except trio.TooSlowError:
        raise LinkError("the upgrade was not answered in time") from None
    except trio.BrokenResourceError:
        raise LinkError("the connection broke within the upgrade") from None
    finally:
        await trio.aclose_forcefully(stream)
    status, server, problem, closing = found
    return Handshake(status, server, problem, closing, round((trio.current_time() - began) * 1000))


async def _upgraded(
    stream: Stream, url: str, proof: Mapping[str, str]
) -> tuple[int, str, str, Closing | None]:
    client = _Client(ClientProtocol(parse_uri(url), max_size=READ_BYTES), stream)
    request = client.wire.connect()
    request.headers.update(proof)
    client.wire.send_request(request)
    response = await client.answer()
    server = response.headers.get("Server", "")[:60]
    if client.wire.handshake_exc is None:
        return response.status_code, server, "", await _goodbye(client)
    is_broken = response.status_code == 101 and isinstance(client.wire.handshake_exc, InvalidHandshake)
    return response.status_code, server, str(client.wire.handshake_exc) if is_broken else "", None


async def _goodbye(client: _Client) -> Closing | None:
    """Close the socket, and return the close frame that came back: the proof that frames go both ways."""
    client.wire.send_close(1000, "bridge doctor")
    with trio.move_on_after(ECHO_SECONDS):
        while client.wire.close_rcvd is None and client.wire.state is not State.CLOSED:
            await client.step()
            client.wire.events_received()
    said = client.wire.close_rcvd
    return None if said is None else Closing(said.code, said.reason)


# ---------------------------------------------------------------- each agent's


def socket_url(patient: Patient, agent: str, number: int = 1) -> str:
    """Return where a call of this agent has its media stream; with workers, in the process of that number."""
    way = f"/{number}" if patient.settings.server.workers > 1 else ""
    return f"{twilio.websocket_url(patient.public_url)}/voice/ws/{agent}{way}"


async def check_sockets(patient: Patient) -> list[Finding]:
    """Open each agent's media socket as Twilio does, and close it without a `start`."""
    if not signatures.signers_of(patient.settings, patient.secrets, upgrade=True).one_by_one():
        return []
    tried = list(patient.settings.agents)[:MOST_AGENTS]
    results: dict[str, Finding] = {}
    number = await _number_of_a_worker(patient, tried[0])
    async with trio.open_nursery() as nursery:
        for agent in tried:
            nursery.start_soon(_try_socket, patient, agent, number, results)
    return [results[agent] for agent in tried]


async def _number_of_a_worker(patient: Patient, agent: str) -> int:
    """Return the number of a worker that is there: those that came with newer code have other ones than the first."""
    workers = patient.settings.server.workers
    numbers = range(1, GENERATIONS * workers + 1) if workers > 1 else range(0)
    for number in numbers:
        with suppress(LinkError):
            if (await _opened(patient, agent, number)).status != NOT_FOUND:
                return number
    return 1


async def _opened(patient: Patient, agent: str, number: int) -> Handshake:
    url = socket_url(patient, agent, number)
    signed = url.replace("ws", "http", 1)
    signers = signatures.signers_of(patient.settings, patient.secrets, upgrade=True)
    proof = signatures.proven(signers, as_signed(signed).replace("http", "ws", 1))
    return await shake_hands(patient.world, url, proof)


async def _try_socket(patient: Patient, agent: str, number: int, results: dict[str, Finding]) -> None:
    try:
        results[agent] = _socket_finding(agent, await _opened(patient, agent, number))
    except LinkError as error:
        step = "does the proxy pass WebSocket upgrades on?"
        results[agent] = wrong(SOCKETS, f"{agent}: {error}", step)


def _socket_finding(agent: str, found: Handshake) -> Finding:
    who = found.server or "what answers"
    match found.status:
        case 101 if found.problem:
            text = f"{agent}: {who} answers the upgrade wrongly: {found.problem}"
            return wrong(
                SOCKETS, text, "let the proxy pass the headers of the upgrade and its answer unchanged"
            )
        case 101 if found.closing is None:
            text = f"{agent}: the socket opens, but no frame comes back: {who} holds them back"
            return wrong(
                SOCKETS, text, "switch buffering off for /voice/ws/ in the proxy (nginx: proxy_buffering off)"
            )
        case 101:
            return fine(SOCKETS, f"{agent}: opened and closed again in {found.took_ms} ms")
        case 403:
            step = "let the proxy keep path and headers of upgrades as they are; then restart the bridge"
            return wrong(SOCKETS, f"{agent}: a signed media socket is refused (403)", step)
        case 404:
            step = "restart the bridge, so that it reads the configuration anew; does the proxy pass /voice/ws/ on?"
            return wrong(SOCKETS, f"{agent}: the bridge that runs knows no such agent (404)", step)
    text = f"{agent}: {who} answers {found.status} to a media socket's upgrade, not 101"
    step = (
        "let the proxy pass WebSocket upgrades on (nginx: proxy_http_version 1.1; proxy_set_header Upgrade "
        '$http_upgrade; proxy_set_header Connection "upgrade")'
    )
    return wrong(SOCKETS, text, step)
