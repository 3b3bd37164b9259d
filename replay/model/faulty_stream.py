"""The connection under the stand-in's WebSocket, with the ways in which networks fail; it knows no frames."""

import socket
import ssl
import struct

import attrs
import trio

_STALLED_WINDOW = 4_096  # a small receive window, so that a client notices within seconds that nobody reads


@attrs.frozen
class Tls:
    """A certificate to serve with; `lag_ms` is how long each TLS handshake is left waiting."""

    context: ssl.SSLContext
    lag_ms: int = 0


@attrs.define(eq=False)
class FaultyStream(trio.abc.Stream):
    """A TCP stream, or TLS over one, that can be stalled or cut, as networks do."""

    _stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]
    _tcp: trio.SocketStream
    _is_stalled: bool = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._hold()
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        await self._hold()
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()

    def narrow(self) -> None:
        """Take little from the peer ahead of reading."""
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STALLED_WINDOW)

    def stall(self) -> None:
        """Read and send nothing any more."""
        self._is_stalled = True

    async def reset(self) -> None:
        """End the connection with a TCP reset."""
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self._tcp.aclose()

    async def _hold(self) -> None:
        if self._is_stalled:
            await trio.sleep_forever()


async def faulty_stream_over(stream: trio.SocketStream, tls: Tls | None) -> FaultyStream:
    """The stream with what can go wrong with it; TLS begins when somebody reads."""
    if tls is None:
        return FaultyStream(stream, stream)
    await trio.sleep(tls.lag_ms / 1000)
    return FaultyStream(trio.SSLStream(stream, tls.context, server_side=True, https_compatible=True), stream)
