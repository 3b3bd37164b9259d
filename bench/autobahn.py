"""Both links as echoes for the Autobahn suite: its fuzzing client meets the phone's, its fuzzing server the model's.

uv run python -m bench.autobahn phone                         an echo on port 9001, for `wstest -m fuzzingclient`
uv run python -m bench.autobahn model ws://127.0.0.1:9002     goes through all cases of a `wstest -m fuzzingserver`

The suite itself needs Python 2.7, in an environment of its own; bench/autobahn.md has what came of it.
"""

from functools import partial
from typing import Final

import click
import trio
from websockets.protocol import State

from bridge.links.model import ModelAddress, open_model
from bridge.links.phone import accept_phone
from bridge.links.web_socket import WebSocketLink

PORT: Final = 9001


async def echo(link: WebSocketLink) -> str:
    """Say again what is heard, until the peer leaves; return the last text of it."""
    last = ""
    while (message := await link.receive()) is not None:
        last = message if isinstance(message, str) else ""
        say(link, message)
        await link.send()
    return last


def say(link: WebSocketLink, message: str | bytes) -> None:
    """Say it at once; bytes and empty texts, which no call sends, by the core."""
    if isinstance(message, str) and message:
        link.send_now(message)
    elif link._core.state is State.OPEN:
        if isinstance(message, bytes):
            link._core.send_binary(message)
        else:
            link._core.send_text(b"")


# ---------------------------------------------------------------- the phone's


async def serve(stream: trio.SocketStream) -> None:
    """Be the testee of one case."""
    async with stream:
        link = await accept_phone(stream, lambda request: None)
        if link is not None:
            link.trust()
            await echo(link)


# ---------------------------------------------------------------- the model's


async def go_through(url: str) -> None:
    """Be the testee of all cases that a server has, and have it write its report."""
    count = int(await _ask(f"{url}/getCaseCount"))
    for number in range(1, count + 1):
        await _ask(f"{url}/runCase", ("case", str(number)))
    await _ask(f"{url}/updateReports")
    print(f"{count} cases")


async def _ask(url: str, *query: tuple[str, str]) -> str:
    async with open_model(
        ModelAddress(url, "none", [], proxy=None, query=(*query, ("agent", "model")))
    ) as link:
        return await echo(link)


@click.command()
@click.argument("leg", type=click.Choice(["phone", "model"]))
@click.argument("url", default="ws://127.0.0.1:9002")
def main(leg: str, url: str) -> None:
    """Be the testee."""
    if leg == "phone":
        trio.run(partial(trio.serve_tcp, serve, PORT, host="127.0.0.1"))
    else:
        trio.run(go_through, url)


if __name__ == "__main__":
    main()
