"""The `openai` package's own Realtime connection, as published, talking to the stand-in."""

import base64
from typing import Any

import pytest
from scene import AT_ONCE, in_asyncio, pcm, running

from replay.sound.clips import clip

openai = pytest.importorskip("openai", reason="the openai package is not installed")
websockets = pytest.importorskip("websockets", reason="openai[realtime] is not installed")

SETTINGS = {
    "type": "realtime",
    "audio": {
        "input": {
            "transcription": {"model": "gpt-transcribe"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 600},
        }
    },
    "tools": [{"type": "function", "name": "check_table", "parameters": {"type": "object"}}],
}


class Talk:
    """One conversation; `events` has all that came."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.events: list[Any] = []

    async def until(self, kind: str) -> Any:
        while True:
            event = await self.connection.recv()
            self.events.append(event)
            if event.type == kind:
                return event

    async def say(self, name: str) -> None:
        await self.connection.input_audio_buffer.append(audio=base64.b64encode(pcm(name)).decode())

    def all(self, kind: str) -> list[Any]:
        return [event for event in self.events if event.type == kind]


def connect(url: str) -> Any:
    client = openai.AsyncOpenAI(api_key="sk-any", websocket_base_url=url.removesuffix("/realtime"))
    return client.realtime.connect(model="gpt-realtime-2.1")


async def be_greeted(talk: Talk) -> Any:
    await talk.until("session.created")
    await talk.connection.session.update(session=SETTINGS)
    await talk.until("session.updated")
    await talk.connection.response.create()
    return await talk.until("response.done")


async def cut_in(talk: Talk) -> Any:
    """Ask, and interrupt the long answer with the next question; gives the item that was cut."""
    await talk.say("caller_hours")
    delta = await talk.until("response.output_audio.delta")
    await talk.say("caller_table")
    await talk.until("response.done")
    place = {"item_id": delta.item_id, "content_index": 0}
    await talk.connection.conversation.item.truncate(**place, audio_end_ms=120)
    await talk.until("conversation.item.truncated")
    await talk.connection.conversation.item.retrieve(item_id=delta.item_id)
    return (await talk.until("conversation.item.retrieved")).item


async def look_up(talk: Talk) -> Any:
    """Answer the tool call, and hear what the agent makes of it."""
    call = (await talk.until("response.function_call_arguments.done")).call_id
    await talk.until("response.done")
    output = {"type": "function_call_output", "call_id": call, "output": '{"free": true}'}
    await talk.connection.conversation.item.create(item=output)
    await talk.connection.response.create()
    return await talk.until("response.done")


async def test_it_holds_a_conversation_with_a_tool_call_and_an_interruption() -> None:
    async def converse(url: str) -> tuple[Talk, list[Any]]:
        async with connect(url) as connection:
            talk = Talk(connection)
            return talk, [await step(talk) for step in (be_greeted, cut_in, look_up)]

    async with running() as server:
        talk, (greeting, item, answer) = await in_asyncio(converse, server.url)
        session = server.sessions[0]
        assert greeting.response.output[0].content[0].transcript == clip("agent_greeting").text
        assert [event.response.status for event in talk.all("response.done")] == [
            "completed", "cancelled", "completed", "completed",
        ]  # fmt: skip
        assert (item.status, item.content[0].transcript) == ("incomplete", "")
        assert answer.response.output[0].content[0].transcript == clip("agent_table").text
        assert list(session.tool_outputs.values()) == ['{"free": true}']
        assert list(session.truncations.values()) == [120]
        assert talk.all("error") == []


async def test_it_hears_24_khz_pcm_for_as_long_as_the_words_last() -> None:
    async def converse(url: str) -> Talk:
        async with connect(url) as connection:
            talk = Talk(connection)
            await be_greeted(talk)
            return talk

    async with running(AT_ONCE) as server:
        talk = await in_asyncio(converse, server.url)
        audio = b"".join(base64.b64decode(event.delta) for event in talk.all("response.output_audio.delta"))
        assert len(audio) == clip("agent_greeting").ms * 48


async def test_it_can_ask_for_text() -> None:
    async def converse(url: str) -> Talk:
        async with connect(url) as connection:
            talk = Talk(connection)
            await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
            message = {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Hours?"}],
            }
            await connection.conversation.item.create(item=message)
            await connection.response.create()
            await talk.until("response.done")
            return talk

    async with running(AT_ONCE) as server:
        talk = await in_asyncio(converse, server.url)
        words = clip("agent_hours").text
        assert "".join(event.delta for event in talk.all("response.output_text.delta")) == words
        assert talk.all("response.done")[0].response.output[0].content[0].text == words
        assert talk.all("response.output_audio.delta") == []


async def test_it_is_told_why_it_was_refused() -> None:
    async def converse(url: str) -> tuple[str, int]:
        client = openai.AsyncOpenAI(api_key="sk-any", websocket_base_url=url.removesuffix("/realtime"))
        headers = {"OpenAI-Beta": "realtime=v1"}
        async with client.realtime.connect(model="gpt-realtime-2.1", extra_headers=headers) as connection:
            error = await connection.recv()
            with pytest.raises(websockets.ConnectionClosedError) as closed:
                await connection.recv()
            return error.error.code, closed.value.rcvd.code

    async with running() as server:
        assert await in_asyncio(converse, server.url) == ("beta_api_shape_disabled", 4000)
