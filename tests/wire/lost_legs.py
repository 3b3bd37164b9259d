"""A call made by hand whose legs can be lost: what the tests of lost sessions and streams start from."""

from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define
from click.testing import CliRunner
from hand_phone import Answer, HandPhone, Media, a_phone

from bench.stage import PROMPT, Place, Stage, open_stage, words
from bridge.cli import main
from bridge.heart.audio import FRAME_BYTES
from replay.model.script import Script
from replay.model.session import Session

SCRIPT = Script(
    opening=(words("caller_yes"),),
    turns=((words("caller_yes"),), (words("caller_no"),)),
    answers=((words("caller_no"),),) * 2,
    delivery=PROMPT,
)


async def until(is_so: Callable[[], bool]) -> None:
    """Return when it is so."""
    while not is_so():  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.001)


@define
class Scene:
    """A call that was just connected."""

    stage: Stage
    phone: HandPhone
    connect: Answer
    media: Media

    async def session(self, number: int) -> Session:
        return await self.stage.model.wait_session(number)

    async def lose(self, number: int) -> None:
        """Cut the model's socket off."""
        await self.stage.model.cut_off(await self.session(number))

    async def lose_stream(self) -> Answer:
        """Cut the phone's socket off; return what Twilio is told then, by which the caller is on a stream again."""
        self.media.socket.reset()
        await self.phone.until_left(self.media)
        answer = await self.phone.post(self.connect.verb("Connect").attrib["action"])
        self.media = await self.phone.stream(answer)
        return answer

    def say(self, audio: bytes) -> None:
        """Let the caller be heard, all of it at once: turn detection counts by their sound."""
        for at in range(0, len(audio), FRAME_BYTES):
            self.media.chunk += 1
            frame = b64encode(audio[at : at + FRAME_BYTES]).decode()
            self.media.say(
                "media", track="inbound", chunk=str(self.media.chunk), timestamp="0", payload=frame
            )

    async def press(self) -> None:
        """Press a key, which is a turn."""
        self.media.say("dtmf", track="inbound_track", digit="#")

    async def sounds(self, more_than: int) -> None:
        """Wait until more was played than that."""
        await until(lambda: len(self.media.sound) > more_than)

    async def listen(self) -> None:
        """Let the line go on for half a second, in which what was sent is heard."""
        until_chunk = self.media.chunk + 5
        await until(lambda: self.media.chunk > until_chunk)

    async def hang_up(self) -> None:
        await self.listen()
        self.media.say("stop")
        await self.phone.until_left(self.media)
        await self.stage.wait_recorded()


@asynccontextmanager
async def a_call(setup: Place) -> AsyncIterator[Scene]:
    with trio.fail_after(60):
        async with open_stage(setup) as stage, a_phone(stage.via) as phone:
            connect = await phone.ring()
            yield Scene(stage, phone, connect, await phone.stream(connect))


def milestones(setup: Place) -> list[str]:
    """Return what the only call's record says of its sessions."""
    rows = setup.store.query("select name from milestones order by position")
    return [row["name"] for row in rows if row["name"] in ("model_lost", "session_followed")]


def items(session: Session) -> list[dict[str, Any]]:
    """Return what a session has in its conversation."""
    return [entry.item for entry in session.conversation.entries.values()]


def asked(session: Session) -> int:
    """Return how many responses a session was asked for."""
    return sum(message["type"] == "response.create" for message in session.received)


def shown(setup: Place) -> str:
    """Return what `bridge show` prints of the only call."""
    result = CliRunner().invoke(main, ["show", "last", "--data", str(setup.folder / "data")])
    assert result.exit_code == 0, result.output
    return result.output
