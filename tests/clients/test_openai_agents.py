"""OpenAI's agents SDK with its Realtime session, as published, talking to the stand-in."""

from typing import Any

import pytest
from scene import TABLE, in_asyncio, pcm, running

agents = pytest.importorskip("agents", reason="openai-agents is not installed: uv sync --group clients")
realtime = pytest.importorskip("agents.realtime", reason="openai-agents[realtime] is not installed")

looked_up: list[dict[str, Any]] = []


def check_table(day: str, people: int, time: str) -> str:
    """Look up whether a table is free."""
    looked_up.append({"day": day, "people": people, "time": time})
    return "free"


async def converse(url: str) -> tuple[list[Any], list[Any]]:
    """Type a question, cut into the long answer by voice, and stay until the tool's answer was spoken."""
    agents.set_tracing_disabled(True)
    agent = realtime.RealtimeAgent(
        name="Harbour Table", instructions="Be brief.", tools=[agents.function_tool(check_table)]
    )
    where = {"api_key": "sk-any", "url": f"{url}?model=gpt-realtime-2.1"}
    events: list[Any] = []
    async with await realtime.RealtimeRunner(agent).run(model_config=where) as session:
        await session.send_message("What are your opening hours?")
        async for event in session:
            events.append(event)
            kinds = [one.type for one in events]
            if kinds.count("audio") == 1 and event.type == "audio":
                await session.send_audio(pcm("caller_table"))
            if "tool_end" in kinds and event.type == "agent_end" and "audio" in after(kinds, "tool_end"):
                return events, session._history
    raise AssertionError("the session ended before the answer")


def after(kinds: list[str], kind: str) -> list[str]:
    return kinds[kinds.index(kind) :]


async def test_it_holds_a_conversation_with_a_tool_call_and_an_interruption() -> None:
    looked_up.clear()
    async with running() as server:
        events, history = await in_asyncio(converse, server.url)
        session = server.sessions[0]
        kinds = [event.type for event in events]
        assert looked_up == [TABLE]
        assert list(session.tool_outputs.values()) == ["free"]
        assert kinds.index("audio_interrupted") < kinds.index("tool_start") < kinds.index("tool_end")
        assert len(session.truncations) == 1
        assert [response.status for response in session.responses] == ["cancelled", "completed", "completed"]
        assert [event.error for event in events if event.type == "error"] == []
        assert [item.role for item in history if item.type == "message"][:2] == ["user", "assistant"]
