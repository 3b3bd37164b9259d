"""LiveKit's plugin for the Realtime API, as published, talking to the stand-in: no LiveKit server is in between."""

import asyncio
from typing import Any

import pytest
from scene import in_asyncio, pcm, running

plugin = pytest.importorskip("livekit.plugins.openai", reason="livekit-plugins-openai is not installed")
rtc = pytest.importorskip("livekit.rtc", reason="livekit-plugins-openai is not installed")
lk = pytest.importorskip("livekit.agents", reason="livekit-plugins-openai is not installed")

CHUNK = 960
"""20 ms of its 24 kHz."""


async def check_table(day: str, people: int, time: str) -> str:
    """Look up whether a table is free."""
    return "free"


class Line:
    """One session of the plugin's, and what it made of the model's responses."""

    def __init__(self, model: Any) -> None:
        self.session = model.session()
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.errors: list[str] = []
        self.session.on("error", lambda event: self.errors.append(str(event)))
        self.session.on("generation_created", self.answers.put_nowait)

    def say(self, name: str) -> None:
        audio = pcm(name)
        for at in range(0, len(audio), CHUNK):
            piece = audio[at : at + CHUNK]
            frame = rtc.AudioFrame(
                data=piece, sample_rate=24_000, num_channels=1, samples_per_channel=len(piece) // 2
            )
            self.session.push_audio(frame)

    async def ask(self) -> None:
        """Ask for a response and hear it out."""
        await self.session.generate_reply()
        await heard(await self.answers.get())

    async def answer_tools(self, calls: list[Any]) -> None:
        told = self.session.chat_ctx.copy()
        for call in calls:
            output = {"call_id": call.call_id, "name": call.name, "output": "free", "is_error": False}
            told.items.append(lk.llm.FunctionCallOutput(**output))
        await self.session.update_chat_ctx(told)


async def heard(answer: Any) -> list[Any]:
    """Take all of a response; its tool calls."""
    async for message in answer.message_stream:
        async for _ in message.audio_stream:
            pass
    return [call async for call in answer.function_stream]


async def converse(url: str) -> list[str]:
    """Be greeted, cut off the long answer, and stay until the tool's answer was spoken."""
    model = plugin.realtime.RealtimeModel(base_url=url.removesuffix("/realtime"), api_key="sk-any")
    line = Line(model)
    await line.session.update_tools([lk.function_tool(check_table)])
    await line.ask()
    line.say("caller_hours")
    async for message in (await line.answers.get()).message_stream:
        await anext(aiter(message.audio_stream))
        line.say("caller_table")
        line.session.truncate(message_id=message.message_id, modalities=["audio"], audio_end_ms=100)
        break
    await line.answer_tools(await heard(await line.answers.get()))
    await line.ask()
    await line.session.aclose()
    await model.aclose()
    return line.errors


async def test_it_holds_a_conversation_with_a_tool_call_and_an_interruption() -> None:
    async with running() as server:
        errors = await in_asyncio(converse, server.url)
        session = server.sessions[0]
        assert errors == []
        assert list(session.truncations.values()) == [100]
        assert list(session.tool_outputs.values()) == ["free"]
        statuses = [response.status for response in session.responses]
        assert statuses == ["completed", "cancelled", "completed", "completed"]
