"""Hypercorn's connection as both listeners use it: the public one and the admin one."""

from hypercorn.trio.tcp_server import TCPServer


class HttpConnection(TCPServer):
    """Hypercorn's connection, ended with its socket.

    As it comes, its keep-alive timer outlives a peer that spoke no HTTP: one task for half a minute each.
    """

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()
