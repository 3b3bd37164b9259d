"""TLS over a pipe, by OpenSSL on memory buffers: what is sent is encrypted and leaves at once, as it does without."""

import ssl
from contextlib import suppress
from typing import Final

from attrs import define

from bridge.links.pipes import TcpPipe

RECORD_BYTES: Final = 2**14
"""What a record holds at most; so what OpenSSL has decrypted of one is all read at once."""


@define(eq=False)
class TlsPipe:
    """The client's end. It asks for no goodbye: whether one is missing, the protocol inside knows."""

    _tcp: TcpPipe
    _tls: ssl.SSLObject
    _incoming: ssl.MemoryBIO
    _outgoing: ssl.MemoryBIO
    _has_ended: bool = False

    @property
    def is_ready(self) -> bool:
        """Say whether nothing waits."""
        return self._tcp.is_ready

    def write(self, data: bytes) -> None:
        """Encrypt, and send at once what the socket takes; the rest waits for `drain`."""
        rest: bytes | memoryview = data
        try:
            while (sent := self._tls.write(rest)) < len(rest):
                rest = memoryview(rest)[sent:]
        except ssl.SSLError:  # with half of it unsaid there is nothing more to say
            self._tcp.cut_off()
        self._send_out()

    async def drain(self) -> None:
        """Return when nothing waits."""
        await self._tcp.drain()

    async def read(self) -> bytes:
        """Wait for bytes and return them; none when the peer has left, or the connection broke."""
        while True:
            if self._incoming.pending and (data := self._decrypted()):
                return data
            encrypted = b"" if self._has_ended else await self._tcp.read()
            if not encrypted:
                self._has_ended = True
                return b""
            self._incoming.write(encrypted)

    @property
    def number(self) -> int:
        """Return the socket's number. Raises `OSError` once it is closed."""
        return self._tcp.number

    def read_now(self) -> bytes | None:
        """Return the same without waiting; None when nothing has come, or no record as a whole."""
        if self._incoming.pending and (data := self._decrypted()):
            return data
        encrypted = b"" if self._has_ended else self._tcp.read_now()
        if encrypted is None:
            return None
        self._has_ended = not encrypted
        self._incoming.write(encrypted)
        return self._decrypted() or (b"" if self._has_ended else None)

    def _decrypted(self) -> bytes:
        """Return what the records say that have come as a whole."""
        found = b""
        try:
            while self._incoming.pending and not self._has_ended:
                said = self._tls.read(RECORD_BYTES)
                self._has_ended = not said
                found = found + said if found else said
        except ssl.SSLWantReadError:
            pass  # half a record; the rest of it comes
        except ssl.SSLError:
            self._has_ended = True
        self._send_out()
        return found

    def _send_out(self) -> None:
        """Send what OpenSSL has to say: records, and its own answers to new keys, alerts and tickets."""
        if self._outgoing.pending:
            self._tcp.write(self._outgoing.read())

    async def shake_hands(self) -> None:
        """Do the handshake. Raises `ssl.SSLError` for what is wrong with it, `EOFError` when the peer leaves."""
        while True:
            try:
                self._tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                pass
            finally:
                self._send_out()
            await self._tcp.drain()
            if not (data := await self._tcp.read()):
                raise EOFError("the server left within the handshake")
            self._incoming.write(data)

    def end(self) -> None:
        """Say that nothing more comes; the answer is not waited for."""
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._send_out()


def tls_over(tcp: TcpPipe, context: ssl.SSLContext, host: str) -> TlsPipe:
    """Return TLS over a connection to a host, before its handshake."""
    context.options |= ssl.OP_NO_RENEGOTIATION  # or TLS 1.2 might have a send wait for a read
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    return TlsPipe(tcp, context.wrap_bio(incoming, outgoing, server_hostname=host), incoming, outgoing)
