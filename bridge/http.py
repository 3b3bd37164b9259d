"""Hypercorn's connection as both listeners use it: the public one and the admin one."""

from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer


class HttpConnection(TCPServer):
    """Hypercorn's connection, ended with its socket.

    As it comes, its keep-alive timer outlives a peer that spoke no HTTP: one task for half a minute each.
    """

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()


def http_config(read_seconds: float) -> Config:
    """Return hypercorn's settings: silent about itself, and rid of peers that say nothing for so long."""
    config = Config()
    config.include_server_header = False
    config.keep_alive_timeout = 30
    config.read_timeout = read_seconds  # type: ignore[assignment]  # any number does
    config.graceful_timeout = 1
    config.errorlog = None
    return config
