"""What the published clients meet: the restaurant on a stand-in, and a thread with the event loop they need."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import attrs
import trio

from bridge.heart.audio import silence
from replay.model.script import CallTool, Delivery, Say, Script, Transcription
from replay.model.server import ModelServer, serve_model
from replay.sound.clips import clip
from replay.sound.formats import encoder

T = TypeVar("T")
SECONDS = 20
TABLE = {"day": "Friday", "people": 4, "time": "19:00"}


def says(name: str) -> Say:
    return Say(clip(name).audio, clip(name).text)


# Four times faster than speech: the long answer takes three seconds to come, in which a client can cut in.
SCRIPT = Script(
    opening=(says("agent_greeting"),),
    turns=((says("agent_hours"),), (says("agent_checking"), CallTool("check_table", TABLE))),
    answers=((says("agent_table"),),),
    fallback=(says("agent_pardon"),),
    heard=(clip("caller_hours").text, clip("caller_table").text),
    transcription=Transcription(delay_ms=0),
    delivery=Delivery(response_delay_ms=0, speed=4.0),
)
AT_ONCE = attrs.evolve(SCRIPT, delivery=Delivery(response_delay_ms=0, speed=1000.0))


def pcm(name: str) -> bytes:
    """A clip as 24 kHz PCM, and the silence after it that ends the turn."""
    return encoder("audio/pcm")(clip(name).audio + silence(1500))


@asynccontextmanager
async def running(script: Script = SCRIPT) -> AsyncIterator[ModelServer]:
    """A stand-in for the length of a block."""
    with trio.fail_after(2 * SECONDS):
        async with trio.open_nursery() as nursery:
            yield await nursery.start(serve_model, script)
            nursery.cancel_scope.cancel()


async def in_asyncio(talk: Callable[[str], Coroutine[Any, Any, T]], url: str) -> T:
    """Run a client in an event loop of its own, in a thread of its own."""
    return await trio.to_thread.run_sync(partial(asyncio.run, _in_time(talk(url))))


async def _in_time(awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout(SECONDS):
        return await awaitable
