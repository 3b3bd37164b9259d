"""A session or a media stream that is lost within a call is followed by another, over real sockets."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define
from hand_phone import Answer, HandPhone, Media, a_phone

from bench.stage import GREETING, PROMPT, MakePlace, Place, Stage, open_stage, words
from bridge.tools import tool
from replay.model.script import CallTool, Script
from replay.model.session import Session
from replay.tapes.player import replay_tape

SCRIPT = Script(
    opening=(words("caller_yes"),),
    turns=((words("caller_yes"),), (words("caller_no"),)),
    answers=((words("caller_no"),),) * 2,
    delivery=PROMPT,
)


@pytest.fixture(autouse=True)
def _replays(place: MakePlace) -> Iterator[None]:
    """Hear every tape again: today's heart decides the same."""
    yield
    differences = [replay_tape(path).difference for path in place().tapes]
    assert differences
    assert differences == [None] * len(differences)


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

    async def press(self) -> None:
        """Press a key, which is a turn."""
        self.media.say("dtmf", track="inbound_track", digit="#")

    async def sounds(self, more_than: int) -> None:
        """Wait until more was played than that."""
        await until(lambda: len(self.media.sound) > more_than)

    async def hang_up(self) -> None:
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


async def test_a_session_lost_between_two_turns_is_followed_without_a_word(place: MakePlace) -> None:
    setup = place(script=SCRIPT)
    async with a_call(setup) as scene:
        await scene.media.wait_sound()
        await scene.lose(1)
        second = await scene.session(2)
        await until(lambda: bool(items(second)))
        assert items(second)[0]["role"] == "assistant"
        heard = len(scene.media.sound)
        await scene.press()
        await scene.sounds(heard)
        assert not [one for one in second.responses if one.occasion == "opening"], "no second greeting"
        await scene.hang_up()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("caller", "hung up")
    assert milestones(setup) == ["model_lost", "session_followed"]


async def test_a_session_lost_before_its_first_word_greets_in_the_next(place: MakePlace) -> None:
    setup = place(script=SCRIPT)
    async with a_call(setup) as scene:
        first = await scene.session(1)
        await until(lambda: bool(first.responses))
        await scene.lose(1)
        await scene.media.wait_sound()
        await scene.hang_up()
    (row,) = setup.calls()
    assert row["ended_by"] == "caller"


async def test_a_tool_that_runs_answers_to_the_next_session(place: MakePlace) -> None:
    began, may_end = trio.Event(), trio.Event()

    @tool
    async def look_up() -> str:
        """Look it up."""
        began.set()
        await may_end.wait()
        return "a table is free"

    script = Script(
        opening=(words("caller_yes"),),
        turns=((CallTool("look_up", {}),),),
        answers=((words("caller_no"),),),
        delivery=PROMPT,
    )
    setup = place(script=script, tools={"look_up": look_up})
    async with a_call(setup) as scene:
        await scene.media.wait_sound()
        await scene.press()
        await began.wait()
        await scene.lose(1)
        second = await scene.session(2)
        await until(lambda: any(item["type"] == "function_call" for item in items(second)))
        heard = len(scene.media.sound)
        may_end.set()
        await scene.sounds(heard)
        assert list(second.tool_outputs.values()) == ["a table is free"]
        await scene.hang_up()
    (call,) = setup.store.query("select name, is_delivered from tool_calls")
    assert (call["name"], call["is_delivered"]) == ("look_up", True)


async def test_a_session_that_grows_old_is_left_with_a_goodbye(place: MakePlace) -> None:
    setup = place(script=GREETING, limits={"session_seconds": 2})
    async with a_call(setup) as scene:
        first, second = await scene.session(1), await scene.session(2)
        await until(lambda: first.close_code is not None and bool(items(second)))
        assert first.close_code == 1000
        assert len(scene.stage.model.sessions) == 2
        await scene.hang_up()
    names = [row["name"] for row in setup.store.query("select name from milestones")]
    assert "session_left" in names
    assert "model_lost" not in names


async def test_a_media_stream_that_breaks_off_is_connected_again_into_the_same_conversation(
    place: MakePlace,
) -> None:
    setup = place(script=SCRIPT)
    async with a_call(setup) as scene:
        await scene.media.wait_sound()
        scene.media.socket.reset()
        await scene.phone.until_left(scene.media)
        answer = await scene.phone.post(scene.connect.verb("Connect").attrib["action"])
        assert answer.tags == ["Connect", "Redirect"]
        scene.media = await scene.phone.stream(answer)
        await scene.press()
        await scene.media.wait_sound()
        assert len(scene.stage.model.sessions) == 1
        await scene.hang_up()
    (row,) = setup.calls()
    assert (row["ended_by"], row["why"]) == ("caller", "hung up")
    legs = setup.store.query("select number, outcome from legs where part = 'stream' order by number")
    assert [(leg["number"], leg["outcome"]) for leg in legs] == [(1, "lost"), (2, "hung_up")]
