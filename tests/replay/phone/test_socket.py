"""The stand-in's end of a media socket, against a server that speaks in raw frames."""

import trio
from phone_strangers import anybody, frame, opcodes, upgraded

from replay.phone.socket import Target, open_media_socket

TEXT, CLOSE = 1, 8


async def test_what_was_under_way_leaves_before_the_peers_goodbye_is_answered() -> None:
    seen: list[int] = []

    async def talk(stream: trio.SocketStream) -> None:
        await upgraded(stream)
        await stream.send_all(frame(CLOSE, b"\x03\xe8"))
        raw = bytearray()
        while CLOSE not in seen:
            raw.extend(await stream.receive_some(65_536))
            seen.extend(opcodes(raw))

    with trio.fail_after(10):
        async with anybody(talk) as port:
            target = Target("127.0.0.1", port, False, f"ws://127.0.0.1:{port}/media", "bridge.example.com")
            async with open_media_socket(target, []) as media:
                media.last_words = lambda: ["one", "two"]
                assert await media.receive() is None
                await media.finish()
    assert seen == [TEXT, TEXT, CLOSE]
